//! What an operator hears of a router's readiness, and what keepalived reads of it.

use nix::sys::signal::Signal;
use serde_json::Value;

use super::lab::{self, Router, two_routers, wait_for};
use super::operate::keeps_to;
use super::{cache, flow, insert, kernel, one_of_each};
use syncd_core::flow::{Family, Protocol};

const LINK: &str = "{}";

/// The exit code of `syncd ready`, and the reasons.
fn ready(router: &Router) -> (Option<i32>, Vec<String>) {
    let output = router.syncd(&["ready", "--json"]);
    let document: Value = serde_json::from_slice(&output.stdout).expect("--json is JSON");
    let reasons = document["reasons"].as_array().expect("a list").iter();
    let words = reasons.map(|reason| reason["reason"].as_str().expect("a word").to_owned());
    (output.status.code(), words.collect())
}

fn is_told(router: &Router, level: &str) {
    wait_for(&format!("keepalived is told {level}"), || router.tracked() == level);
}

#[test]
fn who_returns_is_not_ready_before_it_has_everything() {
    lab::run("ready::who_returns_is_not_ready_before_it_has_everything", || {
        let (mut r1, mut r2) = two_routers();
        r1.track(120);
        r2.track(120);
        assert_eq!(r1.syncd(&["ready"]).status.code(), Some(3), "there is no daemon");
        r1.start(LINK);
        is_told(&r1, "-3");
        assert_eq!(ready(&r1), (Some(1), vec!["peer".to_owned()]));
        assert_eq!(r1.syncd(&["ready", "--keepalived"]).status.code(), Some(1));
        // The only router is primary, whatever it lacks, and is not lowered for it.
        r1.notify("GROUP \"G1\" MASTER 0\n");
        is_told(&r1, "0");
        assert_eq!(ready(&r1), (Some(1), vec!["peer".to_owned()]));
        assert_eq!(r1.syncd(&["ready", "--keepalived"]).status.code(), Some(0));

        insert(&r1, &one_of_each());
        r2.start(LINK);
        r2.notify("GROUP \"G1\" BACKUP 0\n");
        is_told(&r2, "0");
        assert_eq!(cache(&r2, "external-cache"), kernel(&r1), "it is ready when it has everything");
        assert_eq!(ready(&r2), (Some(0), Vec::new()));
        let status = r2.json(&["show", "conntrack-sync", "status"]);
        assert_eq!((&status["ready"], &status["keepalived"]["level"]), (&true.into(), &0.into()));
        let text = String::from_utf8_lossy(&r2.syncd(&["ready"]).stdout).into_owned();
        assert!(text.starts_with("ready: this router (backup) could take over now without loss\n"), "{text}");

        // Somebody removes the file, which would mean 0 to keepalived whatever the state is.
        std::fs::remove_file(r2.path("track")).expect("it was written");
        is_told(&r2, "0");

        // The peer is killed in its tracks: nobody tells of flows any more.
        r1.end(Signal::SIGKILL);
        wait_for("the peer is missed", || ready(&r2) == (Some(1), vec!["peer".to_owned()]));
        is_told(&r2, "-3");
        let page = String::from_utf8_lossy(&r2.syncd(&["show", "metrics"]).stdout).into_owned();
        for line in
            ["syncd_failover_ready 0", "syncd_not_ready{reason=\"peer\"} 1", "syncd_track_file_level -3"]
        {
            assert!(page.lines().any(|said| said == line), "{line}: {page}");
        }

        // It takes over and ends: a primary that is not replicated is not lowered by that.
        assert!(r2.syncd(&["role", "primary"]).status.success());
        is_told(&r2, "0");
        assert_eq!(r2.end(Signal::SIGTERM), Some(0));
        assert_eq!(r2.tracked(), "0");
    });
}

#[test]
fn a_configuration_that_differs_is_a_reason_until_it_does_not() {
    lab::run("ready::a_configuration_that_differs_is_a_reason_until_it_does_not", || {
        let (mut r1, mut r2) = two_routers();
        r2.track(120);
        r1.start(LINK);
        r2.start(LINK);
        r1.notify("GROUP \"G1\" MASTER 0\n");
        r2.notify("GROUP \"G1\" BACKUP 0\n");
        r1.wait_until_in_sync();
        insert(&r1, &[flow(Family::V4, Protocol::TCP, 1), flow(Family::V4, Protocol::UDP, 2)]);
        wait_for("both flows are there", || cache(&r2, "external-cache").len() == 2);
        wait_for("ready", || ready(&r2) == (Some(0), Vec::new()));
        r2.add_to_configuration("  accept-protocol: [tcp]\n");
        r2.configure(LINK);
        assert!(r2.syncd(&["reload"]).status.success());
        wait_for("the difference is noticed", || ready(&r2) == (Some(1), vec!["configuration".to_owned()]));
        r2.add_to_configuration("");
        r2.configure(LINK);
        assert!(r2.syncd(&["reload"]).status.success());
        wait_for("it is none any more", || ready(&r2) == (Some(0), Vec::new()));

        // A backup that ends holds the peer's flows no more.
        is_told(&r2, "0");
        assert_eq!(r2.end(Signal::SIGTERM), Some(0));
        assert_eq!(r2.tracked(), "-3");
        assert_eq!(r1.end(Signal::SIGTERM), Some(0));
    });
}

#[test]
fn keepalived_waits_no_longer_than_it_is_told_to() {
    lab::run("ready::keepalived_waits_no_longer_than_it_is_told_to", || {
        let (mut r1, _r2) = two_routers();
        r1.track(2);
        r1.start(LINK);
        r1.notify("GROUP \"G1\" BACKUP 0\n");
        is_told(&r1, "-3");
        is_told(&r1, "0");
        assert_eq!(ready(&r1), (Some(1), vec!["peer".to_owned()]));
        let status = r1.json(&["show", "conntrack-sync", "status"]);
        let told = &status["keepalived"];
        assert_eq!((&told["gave_up"], &told["ready_timeouts"]), (&true.into(), &1.into()));
        let log = String::from_utf8_lossy(&r1.syncd(&["show", "log", "conntrack-sync"]).stdout).into_owned();
        assert!(
            log.contains("not ready for 2 s (ready-timeout)") && log.contains("the peer was never heard"),
            "{log}"
        );
        // Waiting begins anew with a new role.
        r1.notify("GROUP \"G1\" FAULT 0\n");
        is_told(&r1, "-3");
        assert_eq!(r1.end(Signal::SIGTERM), Some(0));
    });
}

/// A pair in sync that keepalived, played by the test, has made primary and backup.
fn pair() -> (Router, Router) {
    let (mut r1, mut r2) = two_routers();
    r1.track(120);
    r2.track(120);
    // Who records cannot be restarted.
    r1.start_plainly(LINK);
    r2.start(LINK);
    r1.notify("GROUP \"G1\" MASTER 0\n");
    r2.notify("GROUP \"G1\" BACKUP 0\n");
    r1.wait_until_in_sync();
    insert(&r1, &one_of_each());
    wait_for("the flows are there", || cache(&r2, "external-cache") == kernel(&r1));
    is_told(&r2, "0");
    (r1, r2)
}

/// Hands over from one to the other: `elect` is what keepalived does when it sees the lower priority.
fn hand_over(from: &Router, elect: impl FnOnce()) -> (Option<i32>, Value) {
    let asking = from.begin(&["handover", "--json"]);
    is_told(from, "-2");
    elect();
    let output = asking.wait_with_output().expect("it ends");
    let told = serde_json::from_slice(&output.stdout).expect("--json is JSON");
    keeps_to("handover", &told);
    (output.status.code(), told)
}

#[test]
fn the_role_is_handed_over_and_back_and_a_restart_forgets_nothing() {
    lab::run("ready::the_role_is_handed_over_and_back_and_a_restart_forgets_nothing", || {
        let (mut r1, mut r2) = pair();
        let all = kernel(&r1);
        let elect = |up: &Router, down: &Router| {
            up.notify("GROUP \"G1\" MASTER 0\n");
            down.notify("GROUP \"G1\" BACKUP 0\n");
        };
        let (code, told) = hand_over(&r1, || elect(&r2, &r1));
        assert_eq!((code, &told["result"]), (Some(0), &"done".into()), "{told}");
        assert_eq!((&told["flows"], kernel(&r2)), (&6.into(), all.clone()));
        // It is ready, and does not take back what it has handed over, also after a restart.
        is_told(&r1, "-1");
        assert!(r1.syncd(&["restart", "conntrack-sync"]).status.success());
        is_told(&r1, "-1");
        assert_eq!(ready(&r1), (Some(0), Vec::new()));

        let (code, told) = hand_over(&r2, || elect(&r1, &r2));
        assert_eq!((code, &told["result"]), (Some(0), &"done".into()), "{told}");
        is_told(&r1, "0");
        is_told(&r2, "-1");
        assert_eq!(kernel(&r1), all);
        let page = String::from_utf8_lossy(&r2.syncd(&["show", "metrics"]).stdout).into_owned();
        assert!(page.contains("syncd_handovers_total{result=\"done\"} 1\n"), "{page}");

        // It is primary again, because the other one has died: from now on it is like any other.
        r1.end(Signal::SIGKILL);
        r2.notify("GROUP \"G1\" MASTER 0\n");
        is_told(&r2, "0");
        assert_eq!(r2.end(Signal::SIGTERM), Some(0));
    });
}

/// How often keepalived was told that this router is not ready.
fn told_unready(router: &Router) -> usize {
    let log = router.syncd(&["show", "log", "conntrack-sync"]).stdout;
    String::from_utf8_lossy(&log).matches("not ready to take over").count()
}

/// The kernel says at once that the cable is gone; that the peer is silent is known three seconds later. A cable that is moved
/// to another port moves no priority.
#[test]
fn a_link_that_is_down_is_a_reason_at_once_and_moves_no_priority_for_a_moment() {
    lab::run("ready::a_link_that_is_down_is_a_reason_at_once_and_moves_no_priority_for_a_moment", || {
        let (mut r1, mut r2) = pair();
        let (before, down) = ([told_unready(&r1), told_unready(&r2)], std::time::Instant::now());
        lab::ip(&["-n", "r2", "link", "set", "sync", "down"]);
        for router in [&r1, &r2] {
            wait_for("the link is missed", || ready(router) == (Some(1), vec!["link".to_owned()]));
        }
        let said = String::from_utf8_lossy(&r1.syncd(&["ready"]).stdout).into_owned();
        assert!(said.contains("  link: no dedicated link works (sync NO-CARRIER)\n"), "{said}");
        lab::ip(&["-n", "r2", "link", "set", "sync", "up"]);
        for router in [&r1, &r2] {
            wait_for("ready again", || ready(router) == (Some(0), Vec::new()));
        }
        assert!(down.elapsed().as_secs() >= 3 || [told_unready(&r1), told_unready(&r2)] == before);

        // One that stays down is told after three seconds, of the backup only.
        lab::ip(&["-n", "r2", "link", "set", "sync", "down"]);
        is_told(&r2, "-3");
        assert_eq!(r1.tracked(), "0");
        assert_eq!((told_unready(&r1), told_unready(&r2)), (before[0], before[1] + 1));
        assert_eq!(r2.end(Signal::SIGTERM), Some(0));
        assert_eq!(r1.end(Signal::SIGTERM), Some(0));
    });
}

#[test]
fn what_is_doubted_is_not_handed_over() {
    lab::run("ready::what_is_doubted_is_not_handed_over", || {
        let (mut r1, mut r2) = pair();
        let refused = |router: &Router, words: &[&str], why: &str| {
            let output = router.syncd(words);
            let said = [output.stdout, output.stderr].concat();
            let said = String::from_utf8_lossy(&said).into_owned();
            assert!(output.status.code() == Some(1) && said.contains(why), "{words:?}: {said}");
        };
        refused(&r2, &["handover"], "this router is backup: a primary hands over");

        // keepalived sees the lower priority, and nobody takes over.
        let asking = r1.begin(&["handover", "--json"]);
        is_told(&r1, "-2");
        refused(&r1, &["handover"], "cannot hand over: that is under way");
        refused(&r1, &["restart", "conntrack-sync"], "while the role is being handed over");
        let output = asking.wait_with_output().expect("it ends");
        let told: Value = serde_json::from_slice(&output.stdout).expect("--json is JSON");
        assert_eq!((output.status.code(), &told["result"]), (Some(1), &"rolled back".into()), "{told}");
        keeps_to("handover", &told);
        assert_eq!(r1.tracked(), "0");
        assert_eq!(r1.json(&["show", "conntrack-sync", "status"])["role"], "primary");

        // It hangs, and nobody misses it yet: nothing waits for its acknowledgement. The priority is not moved.
        wait_for("it is ready again", || ready(&r1).0 == Some(0));
        r2.signal(Signal::SIGSTOP);
        let output = r1.syncd(&["handover", "--json", "--timeout", "1"]);
        let told: Value = serde_json::from_slice(&output.stdout).expect("--json is JSON");
        assert_eq!((output.status.code(), &told["result"]), (Some(1), &"refused".into()), "{told}");
        r2.signal(Signal::SIGCONT);

        // Nobody is there to hand it to.
        assert_eq!(r2.end(Signal::SIGTERM), Some(0));
        wait_for("the peer is missed", || ready(&r1).1 == ["peer"]);
        refused(
            &r1,
            &["handover", "--timeout", "1"],
            "a takeover would lose flows, also after 1 s: the peer is silent",
        );
        assert_eq!(r1.tracked(), "0");
        assert_eq!(r1.end(Signal::SIGTERM), Some(0));
    });
}
