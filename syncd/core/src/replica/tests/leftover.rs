//! What is left over in the kernel of a router that was primary, and what of it is not to be touched.

use super::*;
use crate::replica::leftover::EARLY;
use crate::replica::notices::MOST as NOTICES;

pub(super) fn with(port: u16, id: u32, state: TcpState) -> Flow {
    let mut flow = flow(port);
    flow.tcp_state = state;
    flow.id = id;
    flow.present = flow.present.with(AttrSet::ID);
    flow
}

/// A router that had flow 1 as primary, and stands by now; the peer has told that it goes on there.
fn stands_by(before: Role) -> (Replica, Peer) {
    let (mut replica, mut peer) = settled();
    role(&mut replica, at(3), before);
    play_kernel(&mut replica, at(3), |_, request| match request {
        KernelRequest::Dump { token } => Some(Played::Done(token)),
        other => panic!("{other:?}"),
    });
    replica.handle_flow(at(4), Origin::Kernel, Change::New, &with(1, 11, TcpState::ESTABLISHED));
    transmitted(&mut replica, at(4));
    role(&mut replica, at(5), Role::Backup);
    peer.tells(&mut replica, at(6), Change::New, &with(1, 77, TcpState::ESTABLISHED));
    (replica, peer)
}

/// What is removed now: port and id.
pub(super) fn removed(replica: &mut Replica, now: Instant) -> Vec<(u16, u32)> {
    let mut removed = Vec::new();
    play_kernel(replica, now, |_, request| match request {
        KernelRequest::Delete { token, flow } => {
            removed.push((flow.original.source_port, flow.id));
            Some(Played::Done(token))
        }
        other => panic!("{other:?}"),
    });
    removed
}

#[test]
fn a_flow_whose_closing_the_peer_has_seen_is_removed_by_its_own_id() {
    let (mut replica, mut peer) = stands_by(Role::Primary);
    peer.tells(&mut replica, at(7), Change::Update, &with(1, 77, TcpState::TIME_WAIT));
    assert_eq!(removed(&mut replica, at(7)), [], "it has not ended");
    peer.tells(&mut replica, at(8), Change::Destroy, &with(1, 77, TcpState::TIME_WAIT));
    assert_eq!(replica.poll_timeout(), Some(Instant::PAST));
    assert_eq!(removed(&mut replica, at(8)), [(1, 11)]);
    replica.handle_flow(at(9), Origin::Ourselves, Change::Destroy, &with(1, 11, TcpState::ESTABLISHED));
    assert_eq!((replica.internal().len(), replica.stats().kernel.leftovers_removed), (0, 1));
    // The peer knows: becoming primary begins without the hello that makes up for ends nobody has told.
    role(&mut replica, at(10), Role::Primary);
    play_kernel(&mut replica, at(10), |_, request| match request {
        KernelRequest::Dump { token } => Some(Played::Done(token)),
        other => panic!("{other:?}"),
    });
    assert_eq!(replica.stats().ftfw.ends_forgotten, 0);
}

#[test]
fn an_end_that_says_no_state_counts_with_what_was_told_before() {
    let (mut replica, mut peer) = stands_by(Role::Primary);
    peer.tells(&mut replica, at(7), Change::Update, &with(1, 77, TcpState::CLOSE));
    let mut end = with(1, 77, TcpState(0));
    end.present = end.present.without(AttrSet::TCP_STATE);
    peer.tells(&mut replica, at(8), Change::Destroy, &end);
    assert_eq!(removed(&mut replica, at(8)), [(1, 11)]);
}

#[test]
fn what_only_timed_out_at_the_peer_may_be_our_own_and_stays() {
    let (mut replica, mut peer) = stands_by(Role::Primary);
    // A login to this router: the peer had a copy, which never moved.
    peer.tells(&mut replica, at(7), Change::Destroy, &with(1, 77, TcpState::ESTABLISHED));
    assert_eq!(removed(&mut replica, at(8)), []);
}

#[test]
fn what_has_closed_here_too_may_be_our_own_and_stays() {
    let (mut replica, mut peer) = stands_by(Role::Primary);
    replica.handle_flow(at(7), Origin::Kernel, Change::Update, &with(1, 11, TcpState::TIME_WAIT));
    peer.tells(&mut replica, at(8), Change::Destroy, &with(1, 77, TcpState::TIME_WAIT));
    assert_eq!(removed(&mut replica, at(8)), []);
}

#[test]
fn what_was_born_while_we_stand_by_is_our_own_and_stays() {
    let (mut replica, mut peer) = stands_by(Role::Primary);
    replica.handle_flow(at(7), Origin::Kernel, Change::New, &with(2, 12, TcpState::ESTABLISHED));
    // The next life of the same flow, too.
    replica.handle_flow(at(7), Origin::Kernel, Change::Destroy, &with(1, 11, TcpState::TIME_WAIT));
    replica.handle_flow(at(7), Origin::Kernel, Change::New, &with(1, 13, TcpState::ESTABLISHED));
    for port in [1, 2] {
        peer.tells(&mut replica, at(8), Change::Destroy, &with(port, 77, TcpState::CLOSE));
    }
    assert_eq!(removed(&mut replica, at(8)), []);
}

#[test]
fn another_translation_is_another_flow() {
    let (mut replica, mut peer) = stands_by(Role::Primary);
    let mut other = with(1, 77, TcpState::CLOSE);
    other.reply.target_port = 4444;
    other.status = FlowStatus(other.status.0 | FlowStatus::SRC_NAT | FlowStatus::SRC_NAT_DONE);
    peer.tells(&mut replica, at(7), Change::New, &other);
    peer.tells(&mut replica, at(8), Change::Destroy, &other);
    assert_eq!(removed(&mut replica, at(8)), []);
}

#[test]
fn a_primary_removes_nothing_whatever_it_was_told_before() {
    let (mut replica, mut peer) = stands_by(Role::Primary);
    peer.tells(&mut replica, at(8), Change::Destroy, &with(1, 77, TcpState::CLOSE));
    role(&mut replica, at(8), Role::Primary);
    peer.tells(&mut replica, at(9), Change::New, &with(1, 77, TcpState::CLOSE));
    peer.tells(&mut replica, at(9), Change::Destroy, &with(1, 77, TcpState::CLOSE));
    let asked = play_kernel(&mut replica, at(9), |_, request| match request {
        KernelRequest::Dump { token } => Some(Played::Done(token)),
        KernelRequest::Find { token, .. } => Some(Played::Found(token, with(1, 11, TcpState::ESTABLISHED))),
        other => panic!("{other:?}"),
    });
    assert_eq!((asked.len(), replica.internal().len()), (0, 1));
}

#[test]
fn the_end_of_what_was_taken_over_is_told_though_nothing_was_told_of_it() {
    let (mut replica, mut peer) = settled();
    role(&mut replica, at(3), Role::Backup);
    peer.tells(&mut replica, at(4), Change::New, &flow(1));
    transmitted(&mut replica, at(4));
    // The peer is silent from now on: no bulk reaches it.
    replica.handle_channel(at(5), LINK, false);
    role(&mut replica, at(5), Role::Primary);
    play_kernel(&mut replica, at(5), |_, request| match request {
        KernelRequest::Create { token, .. } | KernelRequest::Dump { token } => Some(Played::Done(token)),
        KernelRequest::Find { token, flow, .. } => Some(Played::Found(token, *flow)),
        _ => None,
    });
    replica.handle_flow(at(6), Origin::Kernel, Change::Destroy, &flow(1));
    replica.handle_channel(at(7), LINK, true);
    assert_eq!(flows(&mut replica, at(7)), [(Change::Destroy, 1)], "its kernel may still have it");
}

/// A router that was left with its table has a new daemon, and hears of the ends it missed before it has read the table.
#[test]
fn ends_that_come_before_the_table_is_read_are_not_lost() {
    let mut replica = replica_with(Filter::default());
    let Some(KernelRequest::Count { token }) = replica.poll_kernel(at(0)) else {
        panic!("a count comes first")
    };
    replica.handle_kernel(at(0), KernelReply::Counted(token, 2));
    let Some(KernelRequest::Dump { token }) = replica.poll_kernel(at(0)) else { panic!("then a dump") };
    let mut peer = Peer(Seq(5000));
    transmitted(&mut replica, at(0));
    peer.says(&mut replica, at(1), Control::Alive, Flags::HELLO_BACK);
    // What the daemon before it was told last; the word of VRRP comes a moment later.
    role(&mut replica, at(1), Role::Primary);
    peer.tells(&mut replica, at(2), Change::Destroy, &with(1, 77, TcpState::TIME_WAIT));
    peer.tells(&mut replica, at(2), Change::Destroy, &with(2, 78, TcpState::ESTABLISHED));
    role(&mut replica, at(2), Role::Fault);
    for port in [1, 2] {
        let here = with(port, 10 + u32::from(port), TcpState::ESTABLISHED);
        replica.handle_kernel(at(3), KernelReply::Dumped(token, (&here).into()));
    }
    replica.handle_kernel(at(3), KernelReply::Done(token));
    replica.handle_timeout(at(3));
    let mut removed = Vec::new();
    play_kernel(&mut replica, at(3), |_, request| match request {
        KernelRequest::Expect(ExpectRequest::Dump { token }) => Some(Played::Done(token)),
        KernelRequest::Delete { token, flow } => {
            removed.push((flow.original.source_port, flow.id));
            Some(Played::Done(token))
        }
        // A primary reads it once more.
        KernelRequest::Dump { .. } => None,
        other => panic!("{other:?}"),
    });
    assert_eq!(removed, [(1, 11)]);
}

/// A peer that ends more flows than anybody remembers, while this router does not know its kernel yet.
#[test]
fn early_ends_beyond_the_limit_are_counted_and_told() {
    let mut replica = replica_with(Filter::default());
    let Some(KernelRequest::Count { token }) = replica.poll_kernel(at(0)) else {
        panic!("a count comes first")
    };
    replica.handle_kernel(at(0), KernelReply::Counted(token, 0));
    let Some(KernelRequest::Dump { token }) = replica.poll_kernel(at(0)) else { panic!("then a dump") };
    let mut peer = Peer(Seq(5000));
    transmitted(&mut replica, at(0));
    peer.says(&mut replica, at(1), Control::Alive, Flags::HELLO_BACK);
    for number in 0..EARLY + 7 {
        let end = with((number % 60_000) as u16 + 1, 1, TcpState::TIME_WAIT);
        peer.tells(&mut replica, at(2), Change::Destroy, &end);
    }
    assert_eq!(replica.stats().kernel.early_ends_dropped, 7);
    while replica.poll_notice().is_some() {}
    replica.handle_kernel(at(3), KernelReply::Done(token));
    replica.handle_timeout(at(3));
    let told: Vec<_> = core::iter::from_fn(|| replica.poll_notice()).collect();
    assert!(told.contains(&Notice::EarlyEndsDropped { flows: 7 }), "{told:?}");
}

/// Nobody takes the notices; every change of role makes one at least.
#[test]
fn notices_that_nobody_takes_are_counted_and_that_is_told_first() {
    let (mut replica, _) = settled();
    while replica.poll_notice().is_some() {}
    assert_eq!(replica.stats().notices_dropped, 0);
    for second in 0..NOTICES as u64 + 5 {
        let next = if second.is_multiple_of(2) { Role::Backup } else { Role::Fault };
        role(&mut replica, at(10), next);
    }
    let dropped = replica.stats().notices_dropped;
    assert!(dropped >= 5, "{dropped}");
    let told: Vec<_> = core::iter::from_fn(|| replica.poll_notice()).collect();
    assert_eq!(told.first(), Some(&Notice::NoticesDropped { notices: dropped as u32 }));
    assert_eq!(told.len(), NOTICES + 1);
    assert_eq!(replica.poll_notice(), None);
}
