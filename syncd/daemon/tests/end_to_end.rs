//! The whole program: two daemons over a real link, with real kernels, driven as an operator and keepalived drive them.

mod doctor;
mod failover;
mod gate;
mod keys;
mod lab;
mod log;
mod metrics;
mod operate;
mod purge;
mod rare;
mod ready;
mod reload;
mod scales;
mod supervised;

use std::collections::BTreeSet;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Stdio;
use std::time::{Duration, Instant};
use std::{fs, net::Ipv4Addr};

use lab::{Router, two_routers, wait_for};
use nix::sys::signal::Signal;
use serde_json::Value;
use syncd_conntrack::{Batch, RequestSocket};
use syncd_core::flow::{Address, AttrSet, Family, Flow, Protocol, Status, TcpState, Tuple};
use syncd_core::recording::{self, Played};

const MULTICAST: &str = "{}";

/// An established flow as a router has it.
fn flow(family: Family, protocol: Protocol, source_port: u16) -> Flow {
    let v4 = |last| Address::from(std::net::IpAddr::from(Ipv4Addr::new(10, 1, 0, last)));
    let v6 = |last| Address::from_v6([0xfd, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
    let (source, target) = if family == Family::V4 { (v4(1), v4(2)) } else { (v6(1), v6(2)) };
    let original = if protocol.is_icmp() {
        Tuple::icmp(source, target, source_port, 8, 0)
    } else {
        Tuple { source, target, source_port, target_port: 80 }
    };
    let mut flow = Flow::new(family, protocol, original);
    flow.present = AttrSet::REPLY.with(AttrSet::STATUS);
    flow.status = Status(Status::SEEN_REPLY | Status::ASSURED | Status::CONFIRMED);
    if protocol == Protocol::TCP {
        flow.tcp_state = TcpState::ESTABLISHED;
        flow.present = flow.present.with(AttrSet::TCP_STATE);
    }
    flow
}

/// `flow` with its source translated to 10.2.0.9 and this port.
fn with_source_nat(mut flow: Flow, port: u16) -> Flow {
    flow.reply.target = Address::from_v4([10, 2, 0, 9]);
    flow.reply.target_port = port;
    flow.status.0 |= Status::SRC_NAT | Status::SRC_NAT_DONE | Status::DST_NAT_DONE;
    flow
}

/// `flow` with these window scales.
const fn with_scales(mut flow: Flow, [original, reply]: [u8; 2]) -> Flow {
    (flow.tcp_scale_original, flow.tcp_scale_reply) = (original, reply);
    flow.present = flow.present.with(AttrSet::TCP_SCALE);
    flow
}

/// One flow of each kind that must cross: TCP with window scales, UDP and ICMP, IPv6, source and target translation, mark.
fn one_of_each() -> Vec<Flow> {
    let mut marked = with_scales(flow(Family::V4, Protocol::TCP, 1001), [7, 9]);
    marked.mark = 42;
    marked.present = marked.present.with(AttrSet::MARK);
    let mut target_nat = flow(Family::V4, Protocol::TCP, 1003);
    target_nat.reply.source = Address::from_v4([10, 2, 0, 8]);
    target_nat.reply.source_port = 8080;
    target_nat.status.0 |= Status::DST_NAT | Status::SRC_NAT_DONE | Status::DST_NAT_DONE;
    vec![
        marked,
        with_source_nat(flow(Family::V4, Protocol::TCP, 1002), 40_000),
        target_nat,
        flow(Family::V4, Protocol::UDP, 1004),
        flow(Family::V4, Protocol::ICMP, 1005),
        flow(Family::V6, Protocol::TCP, 1006),
    ]
}

/// Puts flows into the router's kernel.
fn insert(router: &Router, flows: &[Flow]) {
    router.within(|| {
        let mut socket = RequestSocket::open().expect("a socket");
        let mut batch = Batch::new();
        for (chunk, first) in flows.chunks(Batch::CAPACITY).zip((0..).step_by(Batch::CAPACITY)) {
            for (flow, token) in chunk.iter().zip(first..) {
                batch.create(token, flow, 600);
            }
            socket.send(&mut batch).expect("the kernel takes it");
            socket.outcomes(|token, outcome| assert_eq!(outcome, Ok(()), "{token}")).expect("answers");
        }
    });
}

/// The flows of a document, without what differs between two kernels.
fn flows(document: &Value) -> BTreeSet<String> {
    let list = document["flows"].as_array().expect("a list of flows");
    let essence = |flow: &Value| {
        let mut flow = flow.clone();
        let flow = flow.as_object_mut().expect("a flow");
        for key in ["age", "timeout", "id", "carried", "status"] {
            flow.remove(key);
        }
        // To a kernel no mark and mark 0 are the same: a dump says 0, an event nothing.
        if flow["mark"].is_null() {
            flow["mark"] = 0.into();
        }
        serde_json::to_string(flow).expect("JSON")
    };
    list.iter().map(essence).collect()
}

fn cache(router: &Router, which: &str) -> BTreeSet<String> {
    flows(&router.json(&["show", "conntrack-sync", which]))
}

fn kernel(router: &Router) -> BTreeSet<String> {
    ["ipv4", "ipv6"].iter().flat_map(|family| flows(&router.table(family))).collect()
}

/// Two daemons in sync over links of this configuration; flows of the first reach the kernel of the second.
fn flows_cross_and_are_committed(first: &str, second: &str) {
    flows_cross_with(first, second, "");
}

/// The same, with these lines in both configurations.
fn flows_cross_with(first: &str, second: &str, more: &'static str) {
    let (mut r1, mut r2) = two_routers();
    r1.add_to_configuration(more);
    r2.add_to_configuration(more);
    r1.start(first);
    r2.start(second);
    r1.wait_until_in_sync();
    r2.wait_until_in_sync();
    insert(&r1, &one_of_each());
    let there = kernel(&r1);
    assert_eq!(there.len(), one_of_each().len());
    wait_for("the flows are in the external cache", || cache(&r2, "external-cache") == there);
    assert_eq!(cache(&r1, "internal-cache"), there);
    assert_eq!(kernel(&r2), BTreeSet::new());

    r2.notify("GROUP \"G1\" BACKUP 0\n");
    wait_for("backup", || r2.json(&["show", "conntrack-sync", "status"])["role"] == "backup");
    let output = r2.syncd(&["role", "master", "G1"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // The command waits for the commit.
    assert_eq!(kernel(&r2), there);
    assert_eq!(cache(&r2, "external-cache"), BTreeSet::new());
    let status = r2.json(&["show", "conntrack-sync", "status"]);
    assert_eq!((&status["commit"]["committed"], &status["commit"]["failed"]), (&6.into(), &0.into()));
    assert_eq!(r1.end(Signal::SIGTERM), Some(0));
    assert_eq!(r2.end(Signal::SIGINT), Some(0));
    assert!(!r1.path("control").exists() && !r2.path("control").exists());
}

#[test]
fn over_multicast() {
    lab::run("over_multicast", || flows_cross_and_are_committed(MULTICAST, MULTICAST));
}

#[test]
fn over_ipv6_multicast() {
    lab::run("over_ipv6_multicast", || {
        flows_cross_with(MULTICAST, MULTICAST, "  mcast-group: ff02::4242\n");
    });
}

#[test]
fn over_ipv6_unicast() {
    lab::run("over_ipv6_unicast", || {
        flows_cross_and_are_committed("{ peer: \"fd0a::2\" }", "{ peer: \"fd0a::1\" }");
    });
}

/// Of link-local peers the link's interface is the scope. The daemons start while the addresses are tentative.
#[test]
fn over_ipv6_link_local() {
    lab::run("over_ipv6_link_local", || {
        flows_cross_and_are_committed("{ peer: \"fe80::9:2\" }", "{ peer: \"fe80::9:1%sync\" }");
    });
}

#[test]
fn over_unicast() {
    lab::run("over_unicast", || {
        flows_cross_and_are_committed("{ peer: 10.9.0.2, port: 4000 }", "{ peer: 10.9.0.1, port: 4000 }");
    });
}

#[test]
fn many_flows_come_in_pages_and_all_arrive() {
    lab::run("many_flows_come_in_pages_and_all_arrive", || {
        let (mut r1, mut r2) = two_routers();
        r1.start(MULTICAST);
        r2.start(MULTICAST);
        r2.wait_until_in_sync();
        let many: Vec<Flow> = (1..=3000).map(|port| flow(Family::V4, Protocol::UDP, port)).collect();
        insert(&r1, &many);
        wait_for("all flows are there", || {
            r2.json(&["show", "conntrack-sync", "status"])["external_flows"] == 3000
        });
        assert_eq!(cache(&r2, "external-cache"), kernel(&r1));
        let lines = r2.syncd(&["show", "conntrack-sync", "external-cache"]).stdout;
        assert_eq!(lines.split(|byte| *byte == b'\n').count(), 3001);
    });
}

#[test]
fn what_stands_in_the_place_of_a_flow_gives_way() {
    lab::run("what_stands_in_the_place_of_a_flow_gives_way", || {
        let (mut r1, mut r2) = two_routers();
        r1.start(MULTICAST);
        r2.start(MULTICAST);
        r2.wait_until_in_sync();
        assert!(r2.syncd(&["role", "backup"]).status.success());
        // The same original tuple without translation, and another flow with the same translated port.
        let wanted = [1, 2].map(|port| with_source_nat(flow(Family::V4, Protocol::TCP, port), 40_000 + port));
        let stale =
            [flow(Family::V4, Protocol::TCP, 1), with_source_nat(flow(Family::V4, Protocol::TCP, 3), 40_002)];
        insert(&r2, &stale);
        insert(&r1, &wanted);
        wait_for("the flows are there", || cache(&r2, "external-cache").len() == 2);
        assert!(r2.syncd(&["role", "primary"]).status.success());
        assert_eq!(kernel(&r2), kernel(&r1));
        let commit = &r2.json(&["show", "conntrack-sync", "statistics"])["commit"];
        assert_eq!((&commit["committed"], &commit["failed"]), (&2.into(), &0.into()), "{commit}");
        assert_eq!((&commit["conflicts"], &commit["replaced"]), (&2.into(), &2.into()), "{commit}");
    });
}

/// More flows than the writing thread has batches for, and in each batch some whose place is taken: every answer of the kernel
/// reaches the flow that it is about.
#[test]
fn many_flows_are_committed_among_others_that_give_way() {
    lab::run("many_flows_are_committed_among_others_that_give_way", || {
        let (mut r1, mut r2) = two_routers();
        r1.start(MULTICAST);
        r2.start(MULTICAST);
        r2.wait_until_in_sync();
        assert!(r2.syncd(&["role", "backup"]).status.success());
        let plain = |port| flow(Family::V4, Protocol::TCP, port);
        let wanted: Vec<Flow> = (1..=3000).map(|port| with_source_nat(plain(port), 40_000 + port)).collect();
        let stale: Vec<Flow> = (1..=3000).step_by(50).map(plain).collect();
        insert(&r2, &stale);
        insert(&r1, &wanted);
        wait_for("all flows are there", || {
            r2.json(&["show", "conntrack-sync", "status"])["external_flows"] == 3000
        });
        assert!(r2.syncd(&["role", "primary"]).status.success());
        assert_eq!(kernel(&r2), kernel(&r1));
        let commit = &r2.json(&["show", "conntrack-sync", "statistics"])["commit"];
        assert_eq!((&commit["committed"], &commit["failed"]), (&3000.into(), &0.into()), "{commit}");
        assert_eq!((&commit["conflicts"], &commit["replaced"]), (&60.into(), &60.into()), "{commit}");
    });
}

#[test]
fn lost_events_are_noticed_and_made_up_for() {
    lab::run("lost_events_are_noticed_and_made_up_for", || {
        let (mut r1, mut r2) = two_routers();
        r1.start(MULTICAST);
        r2.start(MULTICAST);
        r1.wait_until_in_sync();
        r2.wait_until_in_sync();
        // The buffer of 1 MB takes some 1,600 events; a daemon that hangs reads none.
        r1.signal(Signal::SIGSTOP);
        let many: Vec<Flow> = (1..=5000).map(|port| flow(Family::V4, Protocol::TCP, port)).collect();
        insert(&r1, &many);
        r1.signal(Signal::SIGCONT);
        let status = |router: &Router| router.json(&["show", "conntrack-sync", "status"]);
        wait_for("all flows are with the peer", || status(&r2)["external_flows"] == 5000);
        assert_eq!(cache(&r2, "external-cache"), kernel(&r1));
        let statistics = r1.json(&["show", "conntrack-sync", "statistics"]);
        assert!(statistics["kernel"]["overruns"].as_u64() > Some(0), "{statistics}");
        r1.wait_until_in_sync();
    });
}

#[test]
fn a_standby_that_crashed_catches_up_by_itself() {
    lab::run("a_standby_that_crashed_catches_up_by_itself", || {
        let (mut r1, mut r2) = two_routers();
        r1.start(MULTICAST);
        r2.start(MULTICAST);
        r2.wait_until_in_sync();
        let flows: Vec<Flow> = (1..=300).map(|port| flow(Family::V4, Protocol::UDP, port)).collect();
        insert(&r1, &flows[..200]);
        wait_for("the flows are there", || cache(&r2, "external-cache").len() == 200);
        assert_eq!(r2.end(Signal::SIGKILL), None);
        insert(&r1, &flows[200..]);
        r2.start(MULTICAST);
        wait_for("all flows are there", || cache(&r2, "external-cache") == kernel(&r1));
        r2.wait_until_in_sync();
        r1.wait_until_in_sync();
    });
}

#[test]
fn the_role_survives_a_crash_of_the_daemon_and_the_socket_is_taken_over() {
    lab::run("the_role_survives_a_crash_of_the_daemon_and_the_socket_is_taken_over", || {
        let (mut r1, _) = two_routers();
        r1.start(MULTICAST);
        r1.notify("INSTANCE \"VI_LAN\" BACKUP 100\nGROUP \"G1\" BACKUP 0\n");
        let status = |router: &Router| router.json(&["show", "conntrack-sync", "status"]);
        wait_for("backup", || status(&r1)["role"] == "backup");
        let before = status(&r1)["last_transition"].clone();

        let second = r1.run_command().stderr(Stdio::piped()).output().expect("syncd starts");
        let said = String::from_utf8_lossy(&second.stderr).into_owned();
        assert_eq!(second.status.code(), Some(1), "{said}");
        assert!(said.contains("syncd is already running (pid "), "{said}");

        assert_eq!(r1.end(Signal::SIGKILL), None);
        assert!(r1.path("control").exists(), "a killed daemon leaves its socket");
        assert_eq!(r1.syncd(&["show", "conntrack-sync", "status"]).status.code(), Some(3));
        r1.start(MULTICAST);
        wait_for("backup again", || status(&r1)["role"] == "backup");
        assert_eq!(status(&r1)["last_transition"], before);
        let socket = fs::metadata(r1.path("control")).expect("it listens");
        assert_eq!((socket.permissions().mode() & 0o777, socket.uid()), (0o600, 0));
    });
}

/// Killed while it hears of a role, at any moment of that: the daemon that starts next has the role that was said last.
#[test]
fn no_role_is_lost_with_the_daemon_that_hears_it() {
    lab::run("no_role_is_lost_with_the_daemon_that_hears_it", || {
        let (mut r1, _) = two_routers();
        r1.start_plainly(MULTICAST);
        let status = |router: &Router| router.json(&["show", "conntrack-sync", "status"]);
        // keepalived holds its FIFO open, so what nobody has read waits there.
        let fifo = fs::OpenOptions::new().read(true).write(true).open(r1.path("fifo"));
        let fifo = fifo.expect("syncd made the FIFO");
        r1.notify("GROUP \"G1\" BACKUP 0\n");
        wait_for("backup", || status(&r1)["role"] == "backup");
        for try_number in 0..40 {
            let (word, role) = if try_number % 2 == 0 { ("MASTER", "primary") } else { ("BACKUP", "backup") };
            r1.notify(&format!("GROUP \"G1\" {word} 0\n"));
            // Every daemon lives a little longer, the first one not at all: from unread to all kept.
            let written = Instant::now();
            while written.elapsed() < try_number * Duration::from_micros(100) {
                std::hint::spin_loop();
            }
            assert_eq!(r1.end(Signal::SIGKILL), None);
            r1.start_plainly(MULTICAST);
            wait_for(&format!("{role}, try {try_number}"), || status(&r1)["role"] == role);
        }
        drop(fifo);
    });
}

#[test]
fn exit_codes_and_refusals() {
    lab::run("exit_codes_and_refusals", || {
        let (mut r1, _) = two_routers();
        let code = |router: &Router, arguments: &[&str]| router.syncd(arguments).status.code();
        let nobody = r1.syncd(&["role", "primary"]);
        assert_eq!(nobody.status.code(), Some(3));
        assert_eq!(
            String::from_utf8_lossy(&nobody.stderr),
            "syncd: cannot reach the daemon on /run/r1/control: No such file or directory (os error 2); \
             start it ('systemctl start syncd', or 'syncd run --config FILE'), or give its --socket\n"
        );
        assert_eq!(code(&r1, &["role", "king"]), Some(2));
        assert_eq!(code(&r1, &["show", "everything"]), Some(2));
        r1.configure("{ peer: 10.9.0.1 }");
        let own_peer = r1.run_command().stderr(Stdio::piped()).output().expect("syncd starts");
        assert_eq!(own_peer.status.code(), Some(1));
        let said = String::from_utf8_lossy(&own_peer.stderr).into_owned();
        assert!(said.contains("the peer 10.9.0.1 is this machine itself"), "{said}");
        r1.start(MULTICAST);
        assert_eq!(code(&r1, &["role", "primary", "G2"]), Some(1));
        assert_eq!(code(&r1, &["role", "primary", "G1", "--no-wait"]), Some(0));
        assert_eq!(code(&r1, &["role", "backup", "--json"]), Some(0));
    });
}

/// Replays what a router has recorded; how much there was, and whether it was ended on purpose.
fn replayed(router: &Router, file: &str) -> Played {
    let path = router.path(file);
    let bytes = fs::read(&path).expect("there is a recording");
    assert_eq!(fs::metadata(&path).expect("it is there").permissions().mode() & 0o777, 0o600);
    recording::replay(&bytes, |_| {}).unwrap_or_else(|stop| panic!("{}: {stop:?}", path.display()))
}

#[test]
fn what_two_routers_record_in_a_failover_happens_again() {
    lab::run("what_two_routers_record_in_a_failover_happens_again", || {
        let (mut r1, mut r2) = two_routers();
        r1.start(MULTICAST);
        r2.start(MULTICAST);
        r1.wait_until_in_sync();
        r2.wait_until_in_sync();
        r2.notify("GROUP \"G1\" BACKUP 0\n");
        r1.notify("GROUP \"G1\" MASTER 0\n");
        let many: Vec<Flow> = (1..=2000).map(|port| flow(Family::V4, Protocol::TCP, port)).collect();
        insert(&r1, &many);
        insert(&r1, &one_of_each()[3..]);
        wait_for("the flows are there", || cache(&r2, "external-cache").len() == 2003);
        // After a kill the last second is missing.
        let recorded = || fs::metadata(r1.path("recording-1")).expect("it records").len();
        wait_for("the flows are in the recording", || recorded() > 80_000);
        // One of them is in the way of another.
        insert(&r2, &[with_source_nat(flow(Family::V4, Protocol::TCP, 5), 40_000)]);

        assert_eq!(r1.end(Signal::SIGKILL), None);
        assert!(r2.syncd(&["role", "primary"]).status.success());
        let commit = r2.json(&["show", "conntrack-sync", "status"])["commit"].clone();
        assert_eq!((&commit["committed"], &commit["failed"]), (&2003.into(), &0.into()));
        let again =
            r1.run_command().args(["--record", "/run/r1/recording-1"]).stderr(Stdio::piped()).output();
        let said = String::from_utf8_lossy(&again.expect("syncd starts").stderr).into_owned();
        assert!(said.contains("cannot record into /run/r1/recording-1: it exists"), "{said}");
        r1.start(MULTICAST);
        assert!(r1.syncd(&["role", "backup"]).status.success());
        wait_for("all flows are back", || cache(&r1, "external-cache") == kernel(&r2));
        r1.wait_until_in_sync();
        assert_eq!((r1.end(Signal::SIGTERM), r2.end(Signal::SIGTERM)), (Some(0), Some(0)));

        let survivor = replayed(&r2, "recording-1");
        assert!(survivor.ended && survivor.inputs > 4000 && survivor.outputs > 2003, "{survivor:?}");
        let killed = replayed(&r1, "recording-1");
        assert!(!killed.ended && killed.inputs > 2003 && killed.turns > 20, "{killed:?}");
        let returned = replayed(&r1, "recording-2");
        assert!(returned.ended && returned.inputs > 20, "{returned:?}");
    });
}
