//! The views as operators and machines see them, in `snapshots/cli`.

use syncd_core::cache::external::Failure;
use syncd_core::flow::{Address, AttrSet, Family, Flow, Protocol, Status as FlowStatus, TcpState, Tuple};
use syncd_core::replica::{CommitStatus, Divergence, Progress, Reason, Role, Stats, Status, Sync};
use syncd_core::time::{Duration, Instant};

use super::flows::FlowView;
use super::text;
use super::view::{DaemonView, Setting, StatisticsView, StatusView};
use crate::last_role::Transition;

fn snapshot(name: &str, text: &str) {
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

fn status(sync: Sync) -> StatusView {
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
        internal: 211,
        external: 1,
        queued: 3,
        in_flight: 20,
    };
    let setting = Setting { sync_interface: vec!["eth2".to_owned()], sync_group: "syncgrp".to_owned() };
    let last = Transition { role: Role::Primary, unix_seconds: 1_709_210_096 };
    StatusView::new(at(165), &status, &setting, Some(last))
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
fn statistics_as_text_and_json() {
    let mut stats = Stats::default();
    stats.internal.created = 87;
    stats.internal.updated = 178;
    stats.internal.destroyed = 47;
    stats.link.bytes_sent = 28_256;
    stats.link.bytes_received = 5112;
    stats.link.datagrams_sent = 491;
    stats.ftfw.lost = 263;
    let daemon = DaemonView {
        transport: "multicast".to_owned(),
        active_interface: Some("eth2".to_owned()),
        send_errors: 2,
        ..DaemonView::default()
    };
    let view = StatisticsView::new(&stats, 40, 0, daemon);
    snapshot("statistics", &text::statistics(&view));
    let json = serde_json::to_string_pretty(&view).unwrap();
    snapshot("statistics-json", &json);
    assert_eq!(serde_json::from_str::<StatisticsView>(&json).unwrap(), view);
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
    let views = [FlowView::new(&tcp, Some(3), None), FlowView::new(&echo, None, Some(&failure))];
    let json = serde_json::to_string_pretty(&views).unwrap();
    snapshot("flows-json", &json);
    assert_eq!(serde_json::from_str::<[FlowView; 2]>(&json).unwrap(), views);
}
