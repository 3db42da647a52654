//! What few flows have, and expectations, from one kernel over both daemons into the other kernel.

use syncd_conntrack::{Batch, Errno, QuerySocket, RequestSocket};
use syncd_core::flow::{
    Address, AttrSet, Expectation, ExtraSet, Extras, Family, Flow, HelperName, Labels, Parent, Protocol,
    SctpState, Tuple, Whole,
};

use super::{MULTICAST, cache, flow, kernel, lab, with_source_nat};
use lab::{Router, two_routers, wait_for};

/// Labels exist where a rule uses one; the dedicated link is not tracked.
const RULES: &str = "table ip t { chain o { type filter hook output priority 0; ct label 127 accept; }; \
    chain raw_in { type filter hook prerouting priority raw; iifname sync notrack; }; \
    chain raw_out { type filter hook output priority raw; oifname sync notrack; }; }";

fn with(flow: Flow, set: ExtraSet, fill: impl FnOnce(&mut Extras)) -> Whole {
    let mut extras = Extras::EMPTY;
    fill(&mut extras);
    extras.said(set);
    Whole::new(flow, extras)
}

fn tcp(port: u16) -> Flow {
    flow(Family::V4, Protocol::TCP, port)
}

/// A control connection of FTP through source translation.
fn control() -> Whole {
    let mut flow = with_source_nat(tcp(40_000), 40_001);
    flow.original.target_port = 21;
    flow.reply.source_port = 21;
    with(flow, ExtraSet::HELPER, |extras| extras.helper = HelperName::new(b"ftp").expect("a name"))
}

fn parent_of(flow: &Flow) -> Parent {
    Parent { original: flow.original, family: flow.family, protocol: flow.protocol }
}

/// One of each kind, the related one before its parent.
fn rare_flows() -> Vec<Whole> {
    let labelled = with(tcp(1), ExtraSet::LABELS, |extras| extras.labels = Labels::new([1, 0, 0, 1 << 31]));
    let mut zoned = tcp(2);
    zoned.zone = 7;
    zoned.present = zoned.present.with(AttrSet::ZONE);
    let zoned =
        with(zoned, ExtraSet::HELPER, |extras| extras.helper = HelperName::new(b"ftp").expect("a name"));
    let data = with(tcp(3), ExtraSet::PARENT, |extras| extras.parent = parent_of(&control()));
    let both = ExtraSet::SCTP_STATE.with(ExtraSet::SCTP_TAGS);
    let sctp = with(flow(Family::V4, Protocol::SCTP, 4), both, |extras| {
        (extras.sctp_state, extras.sctp_tags) = (SctpState::ESTABLISHED, [0x1122_3344, 0x5566_7788]);
    });
    let v6 = Whole::from(with_v6_nat(flow(Family::V6, Protocol::UDP, 5)));
    vec![labelled, zoned, data, sctp, v6, control()]
}

fn with_v6_nat(mut flow: Flow) -> Flow {
    let translated = with_source_nat(flow, 50_000);
    flow.reply.target = Address::from_v6([0xfd; 16]);
    (flow.reply.target_port, flow.status) = (50_000, translated.status);
    flow
}

/// The data connection that `parent` announces on that port.
fn announced(parent: &Flow, port: u16) -> Expectation {
    let everything = Address::from_v4([255; 4]);
    let tuple = Tuple { source_port: 0, target_port: port, ..parent.original };
    let mask = Tuple { source: everything, target: everything, source_port: 0, target_port: u16::MAX };
    let helper = HelperName::new(b"ftp").expect("a name");
    Expectation { helper, class: Some(0), ..Expectation::new(parent_of(parent), Protocol::TCP, tuple, mask) }
}

fn execute(router: &Router, fill: impl FnOnce(&mut Batch) + Send) {
    let outcomes = router.within(|| {
        let mut socket = RequestSocket::open().expect("a socket");
        let mut batch = Batch::new();
        fill(&mut batch);
        let mut outcomes: Vec<Result<(), Errno>> = Vec::new();
        socket.send(&mut batch).expect("the kernel takes it");
        socket.outcomes(|_, outcome| outcomes.push(outcome)).expect("answers");
        outcomes
    });
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
}

/// The expectations in this router's kernel.
fn expected(router: &Router) -> Vec<Expectation> {
    router.within(|| QuerySocket::open().expect("a socket").dump_expectations().expect("a dump").0)
}

/// How many expectations a cache has.
fn count(router: &Router, cache: &str) -> usize {
    let document = router.json(&["show", "conntrack-sync", cache, "expect"]);
    document["expectations"].as_array().expect("a list").len()
}

fn two_that_expect() -> (Router, Router) {
    let (mut r1, mut r2) = two_routers();
    for router in [&mut r1, &mut r2] {
        router.add_to_configuration("  expect-sync: [ftp]\n");
        router.nft(RULES);
        router.start(MULTICAST);
    }
    r1.wait_until_in_sync();
    r2.wait_until_in_sync();
    (r1, r2)
}

#[test]
fn what_few_flows_have_crosses_and_is_committed() {
    lab::run("rare::what_few_flows_have_crosses_and_is_committed", || {
        let (r1, r2) = two_that_expect();
        let flows = rare_flows();
        execute(&r1, |batch| {
            batch.create(0, &control(), 600);
            flows[..flows.len() - 1].iter().zip(1..).for_each(|(flow, token)| batch.create(token, flow, 600));
        });
        let there = kernel(&r1);
        assert_eq!(there.len(), flows.len());
        wait_for("the flows are in the external cache", || cache(&r2, "external-cache") == there);
        assert!(r2.syncd(&["role", "backup"]).status.success());
        assert!(r2.syncd(&["role", "primary"]).status.success());
        assert_eq!(kernel(&r2), there);
        let commit = &r2.json(&["show", "conntrack-sync", "statistics"])["commit"];
        assert_eq!((&commit["committed"], &commit["failed"]), (&flows.len().into(), &0.into()), "{commit}");
        assert_eq!(
            (&commit["without_parent"], &commit["without_helper"]),
            (&0.into(), &0.into()),
            "{commit}"
        );
    });
}

#[test]
fn an_expectation_crosses_ends_and_is_committed() {
    lab::run("rare::an_expectation_crosses_ends_and_is_committed", || {
        let (r1, r2) = two_that_expect();
        // Nobody says the zone of an expectation: it is found by its parent.
        let mut zoned = Whole::new(with_source_nat(tcp(30_000), 30_001), control().extras);
        zoned.flow.zone = 7;
        let (first, second) = (announced(&control(), 5001), announced(&control(), 5002));
        let in_zone = Expectation { zone: 7, ..announced(&zoned, 5003) };
        execute(&r1, |batch| {
            batch.create(1, &control(), 600);
            batch.create_expectation(2, &first);
        });
        wait_for("it is in the external cache", || count(&r2, "external-cache") == 1);
        assert_eq!(count(&r1, "internal-cache"), 1);
        execute(&r1, |batch| batch.delete_expectation(1, &first));
        wait_for("its end is known", || count(&r2, "external-cache") == 0);
        execute(&r1, |batch| {
            batch.create_expectation(1, &second);
            batch.create(2, &zoned, 600);
            batch.create_expectation(3, &in_zone);
        });
        wait_for("both are in the external cache", || count(&r2, "external-cache") == 2);
        assert!(r2.syncd(&["role", "backup"]).status.success());
        assert!(r2.syncd(&["role", "primary"]).status.success());
        let statistics = r2.json(&["show", "conntrack-sync", "statistics"]);
        let commit = &statistics["commit"];
        assert_eq!(
            (&commit["expectations_committed"], &commit["expectations_failed"]),
            (&2.into(), &0.into()),
            "{commit}"
        );
        let mut ports: Vec<_> = expected(&r2).iter().map(|expected| expected.tuple.target_port).collect();
        ports.sort_unstable();
        assert_eq!((ports, count(&r2, "external-cache")), (vec![5002, 5003], 0));
        wait_for("they are ours now", || count(&r2, "internal-cache") == 2);
        let lines = r2.syncd(&["show", "conntrack-sync", "internal-cache", "expect"]).stdout;
        let lines = String::from_utf8_lossy(&lines).into_owned();
        assert!(lines.contains("dport=5002 mask-src=255.255.255.255"), "{lines}");
        let status = r2.json(&["show", "conntrack-sync", "status"]);
        assert_eq!(status["internal_expectations"], 2, "{status}");
    });
}

#[test]
fn a_daemon_that_starts_late_reads_expectations_and_sweeps_them() {
    lab::run("rare::a_daemon_that_starts_late_reads_expectations_and_sweeps_them", || {
        let (mut r1, mut r2) = two_routers();
        execute(&r1, |batch| {
            batch.create(1, &control(), 600);
            batch.create_expectation(2, &announced(&control(), 5001));
        });
        for router in [&mut r1, &mut r2] {
            router.add_to_configuration("  expect-sync: all\n");
            router.start(MULTICAST);
        }
        r2.wait_until_in_sync();
        wait_for("the peer has it", || count(&r2, "external-cache") == 1);
        assert_eq!(r1.end(nix::sys::signal::Signal::SIGKILL), None);
        // Its end is heard by nobody.
        execute(&r1, |batch| batch.delete_expectation(1, &announced(&control(), 5001)));
        r1.start(MULTICAST);
        r1.wait_until_in_sync();
        wait_for("the peer has swept it", || count(&r2, "external-cache") == 0);
    });
}

#[test]
fn a_reload_begins_and_ends_the_replication_of_expectations() {
    lab::run("rare::a_reload_begins_and_ends_the_replication_of_expectations", || {
        let (mut r1, mut r2) = two_routers();
        for router in [&mut r1, &mut r2] {
            router.nft(RULES);
            router.start(MULTICAST);
        }
        r1.wait_until_in_sync();
        r2.wait_until_in_sync();
        let reload = |router: &mut Router, lines: &'static str| {
            router.add_to_configuration(lines);
            router.configure(MULTICAST);
            let output = router.syncd(&["reload"]);
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        };
        execute(&r1, |batch| {
            batch.create(1, &control(), 600);
            batch.create_expectation(2, &announced(&control(), 5001));
        });
        wait_for("the parent is known", || cache(&r2, "external-cache").len() == 1);
        // The sender first: until the other one wants them, what it says of them is passed over there.
        reload(&mut r1, "  expect-sync: ftp\n");
        wait_for("what was announced before is read", || count(&r1, "internal-cache") == 1);
        reload(&mut r2, "  expect-sync: ftp\n");
        wait_for("the peer has asked for it", || count(&r2, "external-cache") == 1);
        // A control connection of FTP has one at a time: the kernel drops the first.
        execute(&r1, |batch| batch.create_expectation(1, &announced(&control(), 5002)));
        wait_for("what is announced now is heard", || {
            let lines = r2.syncd(&["show", "conntrack-sync", "external-cache", "expect"]).stdout;
            String::from_utf8_lossy(&lines).contains("dport=5002")
        });
        reload(&mut r1, "  expect-sync: sip\n");
        wait_for("those of another helper have left", || {
            (count(&r1, "internal-cache"), count(&r2, "external-cache")) == (0, 0)
        });
        assert_eq!(expected(&r1).len(), 1, "the kernel keeps them");
        reload(&mut r1, "  expect-sync: all\n");
        wait_for("all are back", || count(&r2, "external-cache") == 1);
        reload(&mut r2, "");
        wait_for("who wants none holds none", || count(&r2, "external-cache") == 0);
    });
}
