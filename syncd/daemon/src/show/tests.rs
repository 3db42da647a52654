//! The views as operators and machines see them, in `snapshots/cli`.

use syncd_core::cache::external::Failure;
use syncd_core::flow::{
    Address, AttrSet, ExpectFlags, ExpectNat, Expectation, ExtraSet, Extras, Family, Flow, FnName,
    HelperName, Labels, Parent, Protocol, SctpState, SequenceShift, Status as FlowStatus, Synproxy, TcpState,
    Tuple, Whole,
};
use syncd_core::replica::{CommitStatus, Divergence, Progress, Reason, Role, Stats, Status, Sync};
use syncd_core::time::{Duration, Instant};

use super::expectations::{self, ExpectationView};
use super::flows::FlowView;
use super::text;
use super::view::{Current, DaemonView, LinkTraffic, LinkView, Setting, StatisticsView, StatusView};
use crate::last_role::Transition;

mod counters;
mod failover;
mod handover;
mod page;
mod ready;
mod schema;
mod selection;
mod statistics;
mod table;
mod xml;

pub(crate) fn snapshot(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../../../snapshots/cli");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(format!("show-{name}"), text));
}

fn at(seconds: u64) -> Instant {
    Instant::default() + Duration::from_secs(seconds)
}

/// 65 seconds after the last change of role.
const NOW: u64 = 1_709_210_161;

pub(crate) fn status(sync: Sync) -> StatusView {
    let commit = CommitStatus {
        begin: at(100),
        end: Some(at(100) + Duration::from_millis(12)),
        committed: 200,
        failed: 1,
    };
    let status = Status {
        role: Role::Primary,
        role_since: at(100),
        sync,
        sync_since: at(160),
        progress: match sync {
            Sync::CatchingUp(_) => Some(Progress { done: 1200, of: Some(5000) }),
            _ => None,
        },
        commit: Some(commit),
        preload: None,
        internal: 211,
        mute: if matches!(sync, Sync::CatchingUp(_)) { 40 } else { 0 },
        external: 1,
        internal_expectations: 2,
        external_expectations: 0,
        queued: 3,
        in_flight: 20,
        waits_since: None,
    };
    let setting = Setting {
        sync_interface: vec!["eth2".to_owned()],
        peer: "225.0.0.50".to_owned(),
        sync_group: "syncgrp".to_owned(),
        expect_sync: vec!["ftp".to_owned(), "sip".to_owned()],
        has_fifo: true,
        start: at(5),
        journal_unit: Some("syncd.service".to_owned()),
    };
    let last = Transition { role: Role::Primary, unix_seconds: 1_709_210_096 };
    StatusView::new(at(165), &status, &setting, Some(last), links(), &ready::standing(sync))
}

/// A link that works, and one whose cable is out.
fn links() -> Vec<LinkView> {
    let traffic =
        LinkTraffic { bytes_sent: 28_256, bytes_received: 5112, datagrams_sent: 491, ..Default::default() };
    let link = |interface: &str, state: &str, active, traffic| LinkView {
        interface: interface.to_owned(),
        state: state.to_owned(),
        active,
        traffic,
    };
    vec![
        link("eth2", "RUNNING", true, LinkTraffic { datagrams_received: 321, ..traffic }),
        link("eth3", "NO-CARRIER", false, LinkTraffic { send_errors: 2, ..Default::default() }),
    ]
}

#[test]
fn status_as_text_and_json() {
    snapshot("status", &text::status(&status(Sync::InSync), NOW));
    snapshot("status-catching-up", &text::status(&status(Sync::CatchingUp(Reason::GapOpen)), NOW));
    let full = Divergence::InternalFull { limit: 1000 };
    snapshot("status-diverged", &text::status(&status(Sync::Diverged(full)), NOW));
    let lost = status(Sync::PeerLost { heard: Some(at(150)) });
    snapshot("status-peer-lost", &text::status(&lost, NOW));
    snapshot("status-json", &serde_json::to_string_pretty(&lost).unwrap());
}

#[test]
fn flows_as_objects() {
    let v4 = |last| Address::from_v4([10, 1, 0, last]);
    let tuple = Tuple { source: v4(1), target: v4(2), source_port: 33_601, target_port: 7001 };
    let mut tcp = Flow::new(Family::V4, Protocol::TCP, tuple);
    tcp.reply.target = Address::from_v4([10, 2, 0, 1]);
    tcp.status = FlowStatus(FlowStatus::ASSURED | FlowStatus::SEEN_REPLY);
    tcp.tcp_state = TcpState::ESTABLISHED;
    (tcp.mark, tcp.zone, tcp.timeout) = (42, 7, 300);
    tcp.present = AttrSet::REPLY
        .with(AttrSet::STATUS)
        .with(AttrSet::TCP_STATE)
        .with(AttrSet::MARK)
        .with(AttrSet::TIMEOUT);
    let echo = Flow::new(Family::V4, Protocol::ICMP, Tuple::icmp(v4(1), v4(2), 77, 8, 0));
    let failure = Failure { errno: 17, existing: Some(echo) };
    let views = [
        FlowView::new(&tcp, Some(3), None),
        FlowView::new(&echo, None, Some(&failure)),
        FlowView::new(&rare(tcp), Some(4), None),
    ];
    let json = serde_json::to_string_pretty(&views).unwrap();
    snapshot("flows-json", &json);
    assert_eq!(serde_json::from_str::<[FlowView; 3]>(&json).unwrap(), views);
}

/// With all that few flows have.
fn rare(flow: Flow) -> Whole {
    let flow = Flow { protocol: Protocol::SCTP, ..flow };
    let mut extras = Extras {
        helper: HelperName::new(b"sip").unwrap(),
        labels: Labels::new([0x20, 0, 0, 1]),
        parent: Parent { original: flow.original, family: Family::V4, protocol: Protocol::TCP },
        sequence: [SequenceShift { position: 9, before: 0, after: u32::MAX }, SequenceShift::default()],
        synproxy: Synproxy { isn: 1, its: 2, offset: 3 },
        sctp_tags: [7, 8],
        sctp_state: SctpState::ESTABLISHED,
        ..Extras::EMPTY
    };
    for set in [
        ExtraSet::HELPER,
        ExtraSet::LABELS,
        ExtraSet::PARENT,
        ExtraSet::SEQUENCE,
        ExtraSet::SYNPROXY,
        ExtraSet::SCTP_TAGS,
        ExtraSet::SCTP_STATE,
    ] {
        extras.said(set);
    }
    Whole::new(flow, extras)
}

#[test]
fn expectations_as_lines_and_objects() {
    let v4 = |last| Address::from_v4([10, 1, 0, last]);
    let original = Tuple { source: v4(1), target: v4(2), source_port: 33_601, target_port: 21 };
    let parent = Parent { original, family: Family::V4, protocol: Protocol::TCP };
    let all = Address::from_v4([255; 4]);
    let tuple = Tuple { source_port: 0, target_port: 41_171, ..original };
    let mask = Tuple { source: all, target: all, source_port: 0, target_port: u16::MAX };
    let plain = Expectation {
        helper: HelperName::new(b"ftp").unwrap(),
        class: Some(0),
        timeout: Some(300),
        ..Expectation::new(parent, Protocol::TCP, tuple, mask)
    };
    let full = Expectation {
        nat: Some(ExpectNat { tuple: original, protocol: Protocol::TCP, direction: 1 }),
        function: FnName::new(b"nat-follow-master").unwrap(),
        flags: ExpectFlags(ExpectFlags::PERMANENT),
        ..plain
    };
    let lines = [expectations::line(&plain, 3, None), expectations::line(&full, 4, Some(2))];
    snapshot("expectations", &lines.join("\n"));
    let views = [ExpectationView::new(&plain, Some(3), None), ExpectationView::new(&full, None, Some(2))];
    let json = serde_json::to_string_pretty(&views).unwrap();
    snapshot("expectations-json", &json);
    assert_eq!(serde_json::from_str::<[ExpectationView; 2]>(&json).unwrap(), views);
}

/// What a page of a cache is made of, at its longest.
#[test]
fn the_longest_page_fits_a_record() {
    use crate::control::protocol::{self, PAGE, Page, Response};
    let address = |byte: u8| Address::from_v6([0xf0 | byte; 16]);
    let tuple = |byte| Tuple {
        source: address(byte),
        target: address(byte + 1),
        source_port: u16::MAX,
        target_port: u16::MAX,
    };
    let mut flow = Flow::new(Family::V6, Protocol::SCTP, tuple(1));
    flow.reply = tuple(3);
    flow.present = AttrSet::from_bits(u16::MAX);
    (flow.timeout, flow.mark, flow.zone) = (u32::MAX, u32::MAX, u16::MAX);
    flow.tcp_state = TcpState::SYN_SENT;
    let helper = HelperName::new(b"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"").expect("a name");
    let function = FnName::new(b"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"").expect("a name");
    let parent = Parent { original: tuple(5), family: Family::V6, protocol: Protocol::UDPLITE };
    let shift = SequenceShift { position: u32::MAX, before: 1 << 31, after: 1 << 31 };
    let extras = Extras {
        parent,
        sequence: [shift; 2],
        labels: Labels::new([u32::MAX; 4]),
        synproxy: Synproxy { isn: u32::MAX, its: u32::MAX, offset: u32::MAX },
        sctp_tags: [u32::MAX; 2],
        helper,
        sctp_state: SctpState(7),
        present: ExtraSet::from_bits(u8::MAX),
        ..Extras::EMPTY
    };
    let whole = Whole::new(flow, extras);
    let failure = Failure { errno: 95, existing: Some(flow) };
    let view = FlowView::new(&whole, Some(u32::MAX), Some(&failure));
    let nat = ExpectNat { tuple: tuple(7), protocol: Protocol::SCTP, direction: 1 };
    let mut expectation = Expectation::new(parent, Protocol::SCTP, tuple(9), tuple(11));
    (expectation.nat, expectation.helper, expectation.function) = (Some(nat), helper, function);
    (expectation.timeout, expectation.class) = (Some(u32::MAX), Some(u32::MAX));
    (expectation.flags, expectation.zone) = (ExpectFlags(7), u16::MAX);
    let expected = ExpectationView::new(&expectation, Some(u32::MAX), Some(95));
    let flows = Page { flows: vec![view; PAGE], next: Some(u32::MAX), ..Page::default() };
    let expectations = Page { expectations: vec![expected; PAGE], next: Some(u32::MAX), ..Page::default() };
    for page in [flows, expectations] {
        let record = protocol::encode(&Response::Page(page));
        assert!(record.len() <= crate::control::LONGEST_RECORD, "{} bytes", record.len());
    }
}
