//! A changed configuration while everything runs: what is applied in place, and what is refused as a whole.

use std::process::Output;

use nix::sys::signal::Signal;

use super::lab::{self, Router, two_routers, wait_for};
use super::{cache, flow, insert, kernel, one_of_each};
use syncd_core::flow::{Family, Protocol};

const R1: &str = "{ peer: 10.9.0.2, port: 4000 }";
const R2: &str = "{ peer: 10.9.0.1, port: 4000 }";

fn in_sync() -> (Router, Router) {
    let (mut r1, mut r2) = two_routers();
    r1.start(R1);
    r2.start(R2);
    r1.notify("GROUP \"G1\" MASTER 0\n");
    r2.notify("GROUP \"G1\" BACKUP 0\n");
    r1.wait_until_in_sync();
    r2.wait_until_in_sync();
    insert(&r1, &one_of_each());
    wait_for("the flows are in the external cache", || cache(&r2, "external-cache") == kernel(&r1));
    (r1, r2)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn reload(router: &Router) -> String {
    let output = router.syncd(&["reload"]);
    assert!(output.status.success(), "{}", said(&output));
    said(&output)
}

/// What a session counts that has begun anew, or lost its numbers.
fn beginnings(router: &Router) -> Vec<u64> {
    let statistics = router.json(&["show", "conntrack-sync", "statistics"]);
    let of = |key: &str| statistics["ftfw"][key].as_u64().unwrap_or_else(|| panic!("no {key}: {statistics}"));
    ["hello_episodes", "peer_lost", "sending_stuck", "receiving_stuck", "bulks"].map(of).to_vec()
}

#[test]
fn a_filter_is_changed_in_place() {
    lab::run("reload::a_filter_is_changed_in_place", || {
        let (mut r1, mut r2) = in_sync();
        let (before, all) = (beginnings(&r2), kernel(&r1));
        r1.add_to_configuration("  accept-protocol: [udp, icmp]\n  log-level: warn\n");
        r1.configure(R1);
        assert_eq!(reload(&r1), "reloaded: changed accept-protocol, log-level\n");
        wait_for("what is kept out has left the other router", || cache(&r2, "external-cache").len() == 2);
        assert_eq!(cache(&r1, "internal-cache"), cache(&r2, "external-cache"));
        assert_eq!(kernel(&r1), all, "the kernel keeps what is kept out");
        r1.add_to_configuration("");
        r1.configure(R1);
        r1.signal(Signal::SIGHUP);
        wait_for("what is let in is back", || cache(&r2, "external-cache") == all);
        assert_eq!(reload(&r1), "reloaded: nothing has changed\n");
        assert_eq!(beginnings(&r2), before, "the session went on");
        assert_eq!(r1.json(&["show", "conntrack-sync", "status"])["role"], "primary");
        assert_eq!((r1.end(Signal::SIGTERM), r2.end(Signal::SIGTERM)), (Some(0), Some(0)));
    });
}

#[test]
fn links_are_changed_in_place() {
    lab::run("reload::links_are_changed_in_place", || {
        let (mut r1, mut r2) = in_sync();
        let before = (beginnings(&r1), beginnings(&r2));
        // Another port, another family, and no peer at all: the session goes on each time.
        let ways = [
            ("{ peer: 10.9.0.2, port: 4001 }", "{ peer: 10.9.0.1, port: 4001 }", "", "interface.*.port"),
            ("{ peer: \"fd0a::2\" }", "{ peer: \"fd0a::1\" }", "", "interface.*.peer, interface.*.port"),
            ("{}", "{}", "  mcast-group: ff02::4242\n", "interface.*.peer, mcast-group"),
            (R1, R2, "", "interface.*.peer, interface.*.port, mcast-group"),
        ];
        for (port, (first, second, more, changed)) in (2001..).zip(ways) {
            for (router, link) in [(&mut r1, first), (&mut r2, second)] {
                router.add_to_configuration(more);
                router.configure(link);
                assert_eq!(reload(router), format!("reloaded: changed {changed}\n"));
            }
            insert(&r1, &[flow(Family::V4, Protocol::UDP, port)]);
            wait_for("a new flow crosses", || cache(&r2, "external-cache") == kernel(&r1));
        }
        assert_eq!((beginnings(&r1), beginnings(&r2)), before, "the sessions went on");
        assert_eq!((r1.end(Signal::SIGTERM), r2.end(Signal::SIGTERM)), (Some(0), Some(0)));
    });
}

#[test]
fn what_cannot_be_applied_is_refused_as_a_whole() {
    lab::run("reload::what_cannot_be_applied_is_refused_as_a_whole", || {
        let (mut r1, r2) = in_sync();
        let all = kernel(&r1);
        let refused = |router: &Router, reason: &str| {
            let output = router.syncd(&["reload"]);
            assert_eq!(output.status.code(), Some(1), "{}", said(&output));
            assert!(said(&output).contains("cannot reload, nothing is changed: "), "{}", said(&output));
            assert!(said(&output).contains(reason), "{}", said(&output));
        };
        // Half of each could be done.
        r1.add_to_configuration("  accept-protocol: udp\n");
        r1.configure("{ peer: 10.9.0.1, port: 4000 }");
        refused(
            &r1,
            ": conntrack-sync.interface.sync: the peer 10.9.0.1 is this machine itself; give the other",
        );
        let path = r1.path("syncd.yaml");
        r1.configure(R1);
        let text = std::fs::read_to_string(&path).expect("it is there");
        std::fs::write(&path, text.replace("G1", "G2")).expect("it is ours");
        refused(&r1, "failover-mechanism.vrrp.sync-group changed, which takes a restart; restart syncd");
        std::fs::write(&path, text.replace("G1", "")).expect("it is ours");
        refused(&r1, "write the name of keepalived's vrrp_sync_group");
        std::fs::remove_file(&path).expect("it is ours");
        refused(&r1, "cannot read");
        // A port that another program has.
        r1.configure("{ peer: 10.9.0.2, port: 4005 }");
        let other = r1.within(|| std::net::UdpSocket::bind("10.9.0.1:4005").expect("it is free"));
        refused(&r1, "another program uses the port");
        drop(other);
        assert_eq!(cache(&r1, "internal-cache"), all);
        assert_eq!(cache(&r2, "external-cache"), all);
        reload(&r1);
        wait_for("now it is", || cache(&r1, "internal-cache").len() < all.len());
        assert_eq!(r1.end(Signal::SIGTERM), Some(0));
    });
}

#[test]
fn a_second_link_comes_and_the_first_one_goes() {
    lab::run("reload::a_second_link_comes_and_the_first_one_goes", || {
        let (mut r1, mut r2) = in_sync();
        let before = (beginnings(&r1), beginnings(&r2));
        lab::second_link();
        for (router, first, second) in [(&mut r1, R1, "10.8.0.2"), (&mut r2, R2, "10.8.0.1")] {
            router.configure_links(&format!("{{ sync: {first}, more: {{ peer: {second} }} }}"));
            assert_eq!(reload(router), "reloaded: changed interface\n");
        }
        insert(&r1, &[flow(Family::V4, Protocol::UDP, 2001)]);
        wait_for("a new flow crosses", || cache(&r2, "external-cache") == kernel(&r1));
        for (router, second) in [(&mut r1, "10.8.0.2"), (&mut r2, "10.8.0.1")] {
            router.configure_links(&format!("{{ more: {{ peer: {second} }} }}"));
            reload(router);
        }
        insert(&r1, &[flow(Family::V4, Protocol::UDP, 2002)]);
        wait_for("a new flow crosses", || cache(&r2, "external-cache") == kernel(&r1));
        let status = r1.json(&["show", "conntrack-sync", "status"]);
        assert_eq!(status["sync_interface"], serde_json::json!(["more"]), "{status}");
        assert_eq!((beginnings(&r1), beginnings(&r2)), before, "the sessions went on");
        assert_eq!((r1.end(Signal::SIGTERM), r2.end(Signal::SIGTERM)), (Some(0), Some(0)));
    });
}
