//! `syncd show failover` as an operator and a machine see it.

use std::time::Duration;

use syncd_core::flow::{Family, Flow, Protocol, Status, TcpState, Tuple};
use syncd_core::replica::{Account, Errno, Role, Tally};
use syncd_core::time::Instant;

use super::{at, snapshot};
use crate::failovers::{Failovers, Seen, Voice};
use crate::gate::News;
use crate::show::failover::{self, FailoverView, FailoversView};

fn tally(established: u32, udp: u32) -> Tally {
    let mut tally = Tally::default();
    let mut tcp = Flow::new(Family::V4, Protocol::TCP, Tuple::default());
    tcp.tcp_state = TcpState::ESTABLISHED;
    tcp.status = Status(Status::SEEN_REPLY);
    let mut udp_flow = Flow::new(Family::V6, Protocol::UDP, Tuple::default());
    udp_flow.zone = 7;
    (0..established).for_each(|_| tally.count(&tcp));
    (0..udp).for_each(|_| tally.count(&udp_flow));
    tally
}

fn account(number: u32, from: Role, to: Role) -> Account {
    Account {
        number,
        from,
        to,
        entered: at(100),
        known: 0,
        internal: 0,
        missing: 0,
        unacknowledged: 0,
        kept_out: 0,
        carried: Tally::default(),
        ran_out: 0,
        without_helper: 0,
        without_parent: 0,
        expectations_carried: 0,
        expectations_refused: 0,
        refused: Vec::new(),
        ended: 0,
        first_packet: None,
        commit_begun: None,
        commit_done: None,
    }
}

fn after(millis: u64) -> Instant {
    at(100) + Duration::from_millis(millis)
}

/// One that took over, with everything that can go wrong.
pub(super) fn took_over() -> FailoverView {
    let account = Account {
        known: 204,
        missing: 3,
        carried: tally(150, 49),
        ran_out: 2,
        without_helper: 1,
        without_parent: 4,
        expectations_carried: 5,
        expectations_refused: 6,
        refused: vec![
            (Errno::ENOMEM, tally(3, 0)),
            (Errno::EEXIST, Tally::default()),
            (Errno(7), tally(0, 1)),
        ],
        ended: 1,
        first_packet: Some(after(40)),
        commit_begun: Some(after(0)),
        commit_done: Some(after(30)),
        ..account(3, Role::Backup, Role::Primary)
    };
    let seen = Seen {
        number: 3,
        voice: Voice::Keepalived,
        unix_millis: 1_709_210_096_123,
        gate_closed: Some(after(2)),
        gate_open: Some(after(31)),
        gate_held: Some(12),
        gate_failed: None,
        told: false,
    };
    FailoverView::new(&account, Some(&seen))
}

/// One that stepped back, and one without a gate.
pub(super) fn others() -> [FailoverView; 2] {
    let stepped_back = Account {
        known: 1,
        internal: 230,
        unacknowledged: 2,
        kept_out: 5,
        // Its own kernel goes on telling.
        first_packet: Some(after(40)),
        ..account(4, Role::Primary, Role::Backup)
    };
    let without = Account {
        known: 1,
        carried: tally(1, 0),
        commit_begun: Some(after(0)),
        ..account(5, Role::Unknown, Role::Primary)
    };
    let reason = "nft is missing (package nftables)".to_owned();
    let mut failovers = Failovers::default();
    failovers.of(5, Voice::Kept).unix_millis = 1_709_210_096_123;
    failovers.gate(after(1), &News::Failed { reason });
    [FailoverView::new(&stepped_back, None), FailoverView::new(&without, failovers.get(5))]
}

#[test]
fn as_text_and_json() {
    let [stepped_back, without] = others();
    let sentences = [&took_over(), &stepped_back].map(FailoverView::sentence).join("\n");
    let all = FailoversView::new(at(200), vec![without, stepped_back, took_over()]);
    snapshot("failover", &failover::text(&all));
    snapshot("failover-json", &serde_json::to_string_pretty(&all).unwrap());
    snapshot("failover-sentences", &sentences);
    let page = include_str!("../../../../../docs/failover.md");
    let explained = failover::text(&FailoversView::new(at(200), vec![took_over()]));
    assert!(page.contains(&explained), "docs/failover.md shows another one than this:\n{explained}");
    let none = FailoversView::new(at(200), Vec::new());
    assert_eq!(failover::text(&none), "no failover since the daemon started\n");
}

fn has_row(view: &FailoversView, row: &str) -> bool {
    failover::text(view).lines().any(|line| line.split_whitespace().eq(row.split(' ')))
}

/// What becomes of the peer's flows adds up to what was known, also while a commit runs and where the role changed before
/// its end.
#[test]
fn an_account_adds_up() {
    let cut_short = Account {
        known: 230,
        carried: tally(100, 5),
        refused: vec![(Errno::ENOMEM, tally(3, 0))],
        ended: 2,
        commit_begun: Some(after(0)),
        ..account(6, Role::Backup, Role::Primary)
    };
    let view = FailoverView::new(&cut_short, None);
    assert_eq!(view.peer.not_looked_at, 120);
    assert!(view.sentence().contains(", 2 ended, 120 not looked at, "), "{}", view.sentence());
    let all = FailoversView::new(at(200), vec![view]);
    assert!(has_row(&all, "not looked at 120"), "{}", failover::text(&all));
    // The peer has told some again that were carried already.
    let more = Account { known: 100, commit_done: Some(after(1)), ..cut_short };
    let view = FailoverView::new(&more, None);
    assert_eq!((view.peer.told_since, view.peer.not_looked_at), (10, 0));
    let all = FailoversView::new(at(200), vec![view]);
    assert!(has_row(&all, "and told since 10"), "{}", failover::text(&all));
    // A backup carries nothing.
    let backup = Account { known: 230, ..account(7, Role::Primary, Role::Backup) };
    assert_eq!(FailoverView::new(&backup, None).peer.not_looked_at, 0);
}

/// The gate that was closed for a change is opened for it, even if the next one has come.
#[test]
fn the_gate_belongs_to_its_change_and_few_are_kept() {
    let mut failovers = Failovers::default();
    failovers.of(1, Voice::Command);
    failovers.gate(after(1), &News::Closed { after: Duration::ZERO });
    failovers.of(2, Voice::Keepalived);
    failovers.gate(after(2), &News::Opened { closed: Duration::ZERO, held: Some(4) });
    let seen = failovers.get(1).unwrap();
    assert_eq!((seen.gate_closed, seen.gate_open, seen.gate_held), (Some(after(1)), Some(after(2)), Some(4)));
    assert_eq!(failovers.get(2).unwrap().gate_open, None);
    failovers.of(3, Voice::Command);
    failovers.keep(|number| number != 2);
    assert!(failovers.get(1).is_some() && failovers.get(2).is_none() && failovers.get(3).is_some());
}

/// Whoever misses a number shall know why.
#[test]
fn those_that_are_not_kept_are_counted_where_they_were() {
    let view = |number| FailoverView::new(&account(number, Role::Primary, Role::Backup), None);
    let text = failover::text(&FailoversView::new(at(200), vec![view(40), view(39), view(4)]));
    assert_eq!(text.matches("not kept").count(), 1, "{text}");
    let (above, below) =
        text.split_once("\n(34 more in between, which carried nothing, are not kept)\n\n").expect(&text);
    assert!(above.contains("failover 39") && below.starts_with("failover 4:"), "{text}");
}

/// The longest answer fits a record of the control socket.
#[test]
fn all_of_them_fit_an_answer() {
    let mut account = account(u32::MAX, Role::Unknown, Role::Primary);
    account.carried.classes = [u32::MAX / 8; 7];
    account.refused = (100..116).map(|errno| (Errno(errno), account.carried)).collect();
    let seen = Seen { gate_failed: Some("x".repeat(200)), gate_held: Some(u64::MAX), ..Seen::default() };
    let views = (0..syncd_core::replica::REMEMBERED).map(|_| FailoverView::new(&account, Some(&seen)));
    let view = FailoversView::new(at(1), views.collect());
    let answer = crate::control::protocol::Response::Failovers(Box::new(view));
    let length = crate::control::protocol::encode(&answer).len();
    assert!(length <= crate::control::LONGEST_RECORD, "{length}");
}
