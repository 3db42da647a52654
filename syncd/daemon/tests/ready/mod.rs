//! What an operator hears of a router's readiness, and what keepalived reads of it.

use nix::sys::signal::Signal;
use serde_json::Value;

use super::lab::{self, Router, two_routers, wait_for};
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
