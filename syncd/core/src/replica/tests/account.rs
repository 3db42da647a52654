//! What is told of a change of role, when it is over: what was carried, what was not and why.

use super::*;
use crate::replica::{Account, Class, REMEMBERED, Tally};

/// Commits, with a kernel that answers creations so; each is asked for its port.
fn commits(replica: &mut Replica, now: Instant, answer: impl Fn(u16) -> Option<Errno>) {
    play_kernel(replica, now, |_, request| match request {
        KernelRequest::Create { token, flow, .. } => Some(match answer(flow.original.source_port) {
            None => Played::Done(token),
            Some(errno) => Played::Failed(token, errno),
        }),
        KernelRequest::Find { token, .. } => Some(Played::Failed(token, Errno::ENOENT)),
        KernelRequest::Dump { token } | KernelRequest::Expect(ExpectRequest::Dump { token }) => {
            Some(Played::Done(token))
        }
        _ => None,
    });
}

fn present(replica: &Replica) -> &Account {
    replica.accounts().next().expect("the role has changed")
}

fn classes(tally: &Tally) -> Vec<(&'static str, u32)> {
    let counted = Class::ALL.iter().zip(tally.classes).filter(|(_, count)| *count > 0);
    counted.map(|(class, count)| (class.word(), count)).collect()
}

#[test]
fn flows_are_counted_by_what_they_are() {
    let with = |protocol, state| {
        let mut one = flow(1);
        (one.protocol, one.tcp_state) = (protocol, TcpState(state));
        one.reply = one.original.inverse(protocol);
        one
    };
    for (state, class) in (0..=9).zip([
        Class::TcpOpening,
        Class::TcpOpening,
        Class::TcpOpening,
        Class::TcpEstablished,
        Class::TcpClosing,
        Class::TcpClosing,
        Class::TcpClosing,
        Class::TcpClosing,
        Class::TcpClosing,
        Class::TcpOpening,
    ]) {
        assert_eq!(Class::of(&with(Protocol::TCP, state)), class, "{state}");
    }
    for (protocol, class) in [
        (Protocol::UDP, Class::Udp),
        (Protocol::UDPLITE, Class::Udp),
        (Protocol::ICMP, Class::Icmp),
        (Protocol::ICMP6, Class::Icmp),
        (Protocol::SCTP, Class::Sctp),
        (Protocol::GRE, Class::Other),
    ] {
        assert_eq!(Class::of(&with(protocol, 0)), class);
    }
    let mut tally = Tally::default();
    tally.count(&with(Protocol::TCP, 3));
    assert_eq!((tally.flows(), tally.translated, tally.related, tally.zoned, tally.ipv6), (1, 0, 0, 0, 0));
    let mut special = with(Protocol::UDP, 0);
    (special.zone, special.family) = (7, Family::V6);
    special.status.0 |= FlowStatus::EXPECTED;
    special.reply.target_port = 4000;
    tally.count(&special);
    assert_eq!((tally.flows(), tally.translated, tally.related, tally.zoned, tally.ipv6), (2, 1, 1, 1, 1));
}

#[test]
fn what_was_carried_and_what_the_kernel_refused_and_why() {
    let (mut replica, mut peer) = settled();
    role(&mut replica, at(3), Role::Backup);
    for port in 1..=5 {
        peer.tells(&mut replica, at(4), Change::New, &flow(port));
    }
    let mut short = flow(6);
    short.timeout = 2;
    peer.tells(&mut replica, at(4), Change::New, &short);
    // One frame is on its way still.
    peer.0 = peer.0.next();
    peer.tells(&mut replica, at(4), Change::New, &flow(7));
    role(&mut replica, at(9000), Role::Primary);
    let errno = |port| match port {
        1 => Some(Errno::EPERM),
        2 | 3 => Some(Errno::ENOMEM),
        _ => None,
    };
    commits(&mut replica, at(9000), errno);
    let account = present(&replica);
    assert_eq!((account.from, account.to, account.entered), (Role::Backup, Role::Primary, at(9000)));
    assert_eq!((account.known, account.missing), (7, 1));
    assert_eq!((classes(&account.carried), account.ran_out), (Vec::from([("tcp-established", 4)]), 1));
    let refused: Vec<_> = account.refused.iter().map(|(error, tally)| (*error, tally.flows())).collect();
    assert_eq!(refused, [(Errno::EPERM, 1), (Errno::ENOMEM, 2)]);

    // There is room for one of them a second later.
    commits(&mut replica, at(10_100), |port| (port == 3).then_some(Errno::ENOMEM));
    let account = present(&replica);
    assert_eq!((account.carried.flows(), account.refusals()), (5, 2));
    let refused: Vec<_> = account.refused.iter().map(|(error, tally)| (*error, tally.flows())).collect();
    assert_eq!(refused, [(Errno::EPERM, 1), (Errno::ENOMEM, 1)]);
    assert_eq!(u64::from(account.carried.flows()), replica.stats().commit.committed);
    // What is tried again is no second commit.
    assert_eq!((account.commit_begun, account.commit_done), (Some(at(9000)), Some(at(9000))));
}

#[test]
fn what_found_no_room_is_not_tried_again_when_its_time_is_over() {
    let (mut replica, mut peer) = settled();
    role(&mut replica, at(3), Role::Backup);
    peer.tells(&mut replica, at(4), Change::New, &Flow { timeout: 100, ..flow(1) });
    role(&mut replica, at(5), Role::Primary);
    for (second, tries) in [(0, 1), (50, 2), (99, 3), (150, 3)] {
        let now = at(5 + second * 1000);
        commits(&mut replica, now, |_| Some(Errno::ENOMEM));
        assert_eq!(replica.stats().commit.failed, tries, "after {second} s");
    }
}

#[test]
fn the_last_changes_are_remembered_the_newest_first() {
    let (mut replica, _) = settled();
    assert_eq!(replica.accounts().count(), 0, "a start is no change");
    for change in 0..100 {
        role(&mut replica, at(100 + change), if change % 2 == 0 { Role::Backup } else { Role::Primary });
    }
    role(&mut replica, at(300), Role::Primary);
    let numbers: Vec<u32> = replica.accounts().map(|account| account.number).collect();
    assert!(numbers.iter().copied().eq((69..=100).rev()), "{numbers:?}");
    assert_eq!((numbers.len(), present(&replica).entered), (REMEMBERED, at(199)));
}

/// Of a night in which the roles go to and fro, the takeover before is what somebody will ask for.
#[test]
fn changes_that_carried_nothing_are_forgotten_first() {
    let (mut replica, mut peer) = settled();
    let mut carries = |replica: &mut Replica, now: Instant, port: u16| {
        role(replica, now, Role::Backup);
        peer.tells(replica, now, Change::New, &flow(port));
        role(replica, now, Role::Primary);
        commits(replica, now, |_| None);
    };
    carries(&mut replica, at(3), 1);
    carries(&mut replica, at(4), 2);
    for change in 0..100 {
        role(&mut replica, at(100 + change), if change % 2 == 0 { Role::Backup } else { Role::Primary });
    }
    let numbers: Vec<u32> = replica.accounts().map(|account| account.number).collect();
    assert!(numbers.iter().copied().eq((75..=104).rev().chain([4, 2])), "{numbers:?}");

    // Where all of them carried something, the oldest goes.
    for port in 3..40 {
        carries(&mut replica, at(1000 + u64::from(port)), port);
    }
    let carried: Vec<u32> = replica.accounts().map(|account| account.carried.flows()).collect();
    assert_eq!((carried.len(), carried.iter().sum::<u32>()), (REMEMBERED, 32));
    let numbers: Vec<u32> = replica.accounts().map(|account| account.number).collect();
    assert!(numbers.iter().copied().eq((0..32).map(|back| 178 - 2 * back)), "{numbers:?}");
}

#[test]
fn what_ends_before_its_turn_and_the_first_packet() {
    let (mut replica, mut peer) = settled();
    role(&mut replica, at(3), Role::Backup);
    for port in [1, 2] {
        peer.tells(&mut replica, at(4), Change::New, &flow(port));
    }
    // What a standby hears of its own kernel is no sign of a takeover.
    replica.handle_flow(at(4), Origin::Kernel, Change::New, &flow(9));
    role(&mut replica, at(5), Role::Primary);
    assert_eq!(present(&replica).first_packet, None);
    peer.tells(&mut replica, at(6), Change::Destroy, &flow(2));
    replica.handle_flow(at(6), Origin::Ourselves, Change::New, &flow(1));
    replica.handle_flow(at(7), Origin::Kernel, Change::Destroy, &flow(9));
    assert_eq!(present(&replica).first_packet, None, "neither is ours, nor the end of a timer");
    commits(&mut replica, at(7), |_| None);
    replica.handle_flow(at(8), Origin::Kernel, Change::Update, &flow(1));
    replica.handle_flow(at(9), Origin::Kernel, Change::Update, &flow(1));
    let account = present(&replica);
    assert_eq!((account.carried.flows(), account.ended, account.first_packet), (1, 1, Some(at(8))));
    // A flow that ends later was carried.
    peer.tells(&mut replica, at(10), Change::New, &flow(3));
    peer.tells(&mut replica, at(11), Change::Destroy, &flow(3));
    assert_eq!(present(&replica).ended, 1);
}

#[test]
fn whoever_leaves_says_what_the_other_one_may_not_know() {
    let ignored = crate::filter::Network::new(Family::V4, Address::from_v4([10, 9, 0, 0]), 16).unwrap();
    let (mut replica, mut peer) = settled_with(Filter::new(Vec::new(), Vec::from([ignored])));
    role(&mut replica, at(3), Role::Primary);
    commits(&mut replica, at(3), |_| None);
    for port in 1..=3 {
        replica.handle_flow(at(4), Origin::Kernel, Change::New, &flow(port));
    }
    let mut outside = flow(4);
    outside.original.source = Address::from_v4([10, 9, 0, 1]);
    replica.handle_flow(at(4), Origin::Kernel, Change::New, &outside);
    let sent = transmitted(&mut replica, at(4));
    let (first, ..) = *sent.iter().find(|(.., frame)| matches!(frame, Frame::Flow(_, 1))).unwrap();
    peer.says(&mut replica, at(5), Control::Ack(wire_range(first)), Flags::NONE);
    // An update of what was acknowledged is no flow that nobody knows.
    replica.handle_flow(at(6), Origin::Kernel, Change::Update, &flow(1));
    replica.handle_flow(at(6), Origin::Kernel, Change::Destroy, &flow(3));
    role(&mut replica, at(7), Role::Backup);
    let account = present(&replica);
    assert_eq!((account.internal, account.unacknowledged, account.kept_out), (2, 1, 1));
    assert_eq!(replica.inconsistency(), None);
}
