//! When the replica says that both routers know the same, and what makes it doubt.

use super::*;

/// What the kernel answers when its table is full.
const FULL: Errno = Errno::ENOMEM;

/// A second birth under one id, a count that does not fit, lost frames: what has to be seen of each.
fn with_id(port: u16, id: u32) -> Flow {
    let mut flow = flow(port);
    flow.id = id;
    flow.present = flow.present.with(AttrSet::ID);
    flow
}

fn dumps(replica: &mut Replica, now: Instant) -> usize {
    let asked = play_kernel(replica, now, |asked, request| match request {
        KernelRequest::Dump { token } => {
            asked.push("dump".into());
            Some(Played::Done(token))
        }
        KernelRequest::Find { token, flow, .. } => Some(Played::Found(token, *flow)),
        other => panic!("{other:?}"),
    });
    asked.len()
}

#[test]
fn a_second_birth_of_a_known_life_means_that_an_end_was_lost() {
    let (mut replica, _) = settled();
    replica.handle_flow(at(2000), Origin::Kernel, Change::New, &with_id(1, 7));
    assert_eq!(dumps(&mut replica, at(2000)), 0);
    replica.handle_flow(at(2001), Origin::Kernel, Change::New, &with_id(1, 7));
    assert_eq!(replica.stats().kernel.unheard_ends, 1);
    assert_eq!(replica.status(at(2001)).sync, Sync::CatchingUp(Reason::ReadingKernel));
    assert_eq!(dumps(&mut replica, at(2001)), 1);
}

/// The end of one flow and the birth of another were lost: the kernel's count fits.
#[test]
fn an_end_of_what_is_not_known_means_that_a_birth_was_lost() {
    let (mut replica, _) = settled();
    let unknown_end = |replica: &mut Replica, now, origin| {
        replica.handle_flow(now, origin, Change::Destroy, &with_id(1, 7));
        (replica.stats().kernel.unheard_births, dumps(replica, now))
    };
    assert_eq!(
        unknown_end(&mut replica, at(2000), Origin::Kernel),
        (0, 0),
        "the first dump has just shown it gone"
    );
    assert_eq!(unknown_end(&mut replica, at(9000), Origin::Ourselves), (0, 0));
    assert_eq!(unknown_end(&mut replica, at(9001), Origin::Kernel), (1, 1));
    let told: Vec<_> = core::iter::from_fn(|| replica.poll_notice()).collect();
    assert!(told.contains(&Notice::BirthMissed), "{told:?}");
    assert_eq!(unknown_end(&mut replica, at(9500), Origin::Kernel), (1, 0), "not all the time");
}

#[test]
fn a_birth_that_is_heard_after_a_dump_has_listed_it_means_nothing() {
    let (mut replica, _) = settled();
    replica.handle_overrun(at(2000));
    let listed = with_id(1, 7);
    let Some(KernelRequest::Dump { token }) = replica.poll_kernel(at(2000)) else { panic!("a dump") };
    replica.handle_kernel(at(2000), KernelReply::Begun(token));
    replica.handle_kernel(at(2000), KernelReply::Dumped(token, (&listed).into()));
    replica.handle_kernel(at(2000), KernelReply::Done(token));
    while replica.poll_kernel(at(2000)).is_some() {}
    replica.handle_flow(at(2001), Origin::Kernel, Change::New, &listed);
    assert_eq!((replica.stats().kernel.unheard_ends, dumps(&mut replica, at(4000))), (0, 0));
}

#[test]
fn a_count_that_does_not_fit_is_a_loss_and_says_so() {
    let (mut replica, _) = settled();
    for second in [5, 6, 7] {
        replica.handle_timeout(at(1000 * second));
        let Some(KernelRequest::Count { token }) = replica.poll_kernel(at(1000 * second)) else {
            panic!("a count is due after {second} s")
        };
        replica.handle_kernel(at(1000 * second), KernelReply::Counted(token, 3));
    }
    let told: Vec<_> = core::iter::from_fn(|| replica.poll_notice()).collect();
    assert!(told.contains(&Notice::CountDiffers { kernel: 3, difference: 3 }), "{told:?}");
    assert_eq!(replica.stats().kernel.count_mismatches, 1);
    assert_eq!(dumps(&mut replica, at(7001)), 1);
}

/// The replica counts (which fits) and asks for a dump.
fn dump_after_count(replica: &mut Replica, now: Instant) -> Token {
    let Some(KernelRequest::Count { token }) = replica.poll_kernel(now) else { panic!("a count is due") };
    let flows = replica.internal().len();
    replica.handle_kernel(now, KernelReply::Counted(token, flows));
    let Some(KernelRequest::Dump { token }) = replica.poll_kernel(now) else { panic!("a dump is due") };
    token
}

#[test]
fn flows_whose_end_may_go_unheard_are_looked_at_again_and_again() {
    let mut config = config();
    config.ends = Ends::UntoldBefore;
    let mut replica = Replica::new(config, [7; 32], at(0));
    let list = |replica: &mut Replica, now, flows: &[Flow]| {
        let token = dump_after_count(replica, now);
        replica.handle_kernel(now, KernelReply::Begun(token));
        for flow in flows {
            replica.handle_kernel(now, KernelReply::Dumped(token, flow.into()));
        }
        replica.handle_kernel(now, KernelReply::Done(token));
        dumps(replica, now)
    };
    list(&mut replica, at(0), &[with_id(1, 7), with_id(2, 8)]);
    let told: Vec<_> = core::iter::from_fn(|| replica.poll_notice()).collect();
    assert!(told.contains(&Notice::EndsUnheard { flows: 2 }), "{told:?}");
    assert_ne!(
        replica.status(at(15_000)).sync,
        Sync::CatchingUp(Reason::ReadingKernel),
        "to look again is no doubt"
    );
    // One of them has an event and so is not mute; the other one ends unheard.
    replica.handle_flow(at(10_000), Origin::Kernel, Change::Update, &with_id(1, 7));
    let token = dump_after_count(&mut replica, at(15_000));
    replica.handle_kernel(at(15_000), KernelReply::Begun(token));
    replica.handle_kernel(at(15_000), KernelReply::Dumped(token, (&with_id(1, 7)).into()));
    replica.handle_kernel(at(15_000), KernelReply::Done(token));
    play_kernel(&mut replica, at(15_000), |_, request| match request {
        KernelRequest::Find { token, .. } => Some(Played::Failed(token, Errno::ENOENT)),
        other => panic!("{other:?}"),
    });
    assert_eq!(replica.internal().len(), 1);
    assert_eq!(dumps(&mut replica, at(60_000)), 0, "all that is left has shown that it has events");
}

/// A settled replica that has asked for a resync (it became backup), with the number of its question.
fn asked() -> (Replica, Peer, Seq) {
    let (mut replica, mut peer) = settled();
    role(&mut replica, at(3), Role::Primary);
    play_kernel(&mut replica, at(3), |_, request| match request {
        KernelRequest::Dump { token } => Some(Played::Done(token)),
        other => panic!("{other:?}"),
    });
    peer.tells(&mut replica, at(3), Change::New, &flow(9));
    role(&mut replica, at(4), Role::Backup);
    let sent = transmitted(&mut replica, at(4));
    let asked = sent.iter().find(|(.., frame)| *frame == Frame::Control(Control::Resync)).expect("asked").0;
    (replica, peer, asked)
}

/// One number of the peer does not arrive; what follows makes a gap, which is asked for and acknowledged.
fn lose_one(replica: &mut Replica, peer: &mut Peer, now: Instant) -> Seq {
    peer.0 = peer.0.next();
    peer.tells(replica, now, Change::New, &flow(1));
    let sent = transmitted(replica, now);
    sent.iter().find(|(.., frame)| matches!(frame, Frame::Control(Control::Nack(_)))).expect("a NACK").0
}

/// The answer is there when the peer is `beyond` numbers further than a gap in it.
fn answered_beyond_a_gap(beyond: u32) -> Replica {
    let (mut replica, mut peer, asked) = asked();
    let nack = lose_one(&mut replica, &mut peer, at(2005));
    // The one that is missing and the one that showed it, which name the same flow, have gone before.
    for _ in 2..beyond {
        peer.tells(&mut replica, at(2005), Change::Update, &flow(1));
    }
    let range = crate::wire::SeqRange { from: asked, to: nack };
    peer.says(&mut replica, at(2006), Control::Ack(range), Flags::NONE);
    transmitted(&mut replica, at(2006));
    replica
}

#[test]
fn a_gap_that_the_peer_may_have_forgotten_sweeps_nothing() {
    let replica = answered_beyond_a_gap(PEER_KEEPS);
    assert_eq!(replica.external().len(), 2, "flow 9 was not named, and stays");
    assert_eq!(replica.status(at(2006)).sync, Sync::CatchingUp(Reason::GapDuringResync));
    assert_eq!(replica.stats().ftfw.resyncs_doubted, 1);
}

#[test]
fn a_gap_that_the_peer_still_knew_when_it_was_asked_is_no_doubt() {
    let replica = answered_beyond_a_gap(PEER_KEEPS - 1);
    assert_eq!(replica.external().len(), 1, "flow 9 was not named");
    assert_eq!(replica.stats().ftfw.resyncs_doubted, 0);
}

/// The question may overtake a hello of ours: when that arrives at last, the peer forgets its answer.
#[test]
fn a_gap_soon_after_our_own_hello_is_a_doubt() {
    for (millis, doubted) in [(900, 1), (1100, 0)] {
        let (mut replica, mut peer) = settled();
        // Nothing is acknowledged, so it says hello again; the peer answers, and is asked.
        replica.handle_flow(at(3), Origin::Kernel, Change::New, &flow(1));
        let mut said = at(3);
        for second in 1..=6 {
            transmitted(&mut replica, said);
            said = at(second * 1000);
            peer.says(&mut replica, said, Control::Alive, Flags::NONE);
            replica.handle_timeout(said);
        }
        let sent = transmitted(&mut replica, said);
        assert!(sent.iter().any(|(_, flags, _)| flags.has(Flags::HELLO)), "{sent:?}");
        peer.says(&mut replica, said, Control::Alive, Flags::HELLO_BACK);
        let sent = transmitted(&mut replica, said);
        let asked =
            sent.iter().find(|(.., frame)| *frame == Frame::Control(Control::Resync)).expect("asked").0;
        let gap = said + Duration::from_millis(millis);
        let nack = lose_one(&mut replica, &mut peer, gap);
        let range = crate::wire::SeqRange { from: asked, to: nack };
        peer.says(&mut replica, gap, Control::Ack(range), Flags::NONE);
        transmitted(&mut replica, gap);
        assert_eq!(replica.stats().ftfw.resyncs_doubted, doubted);
    }
}

#[test]
fn outside_of_an_answer_a_gap_that_may_be_forgotten_makes_ask() {
    for (beyond, sync) in [(PEER_KEEPS - 1, Sync::InSync), (PEER_KEEPS, Sync::CatchingUp(Reason::LargeGap))] {
        let (mut replica, mut peer) = settled();
        peer.0 = Seq(peer.0.0 + beyond - 1);
        peer.says(&mut replica, at(3), Control::Alive, Flags::NONE);
        let sent = transmitted(&mut replica, at(3));
        let nack = sent.iter().find(|(.., frame)| matches!(frame, Frame::Control(Control::Nack(_))));
        let range = wire_range(nack.expect("a NACK").0);
        peer.says(&mut replica, at(4), Control::Ack(range), Flags::NONE);
        assert_eq!(replica.status(at(4)).sync, sync, "{beyond}");
    }
}

/// From this second on: when the replica asks, and under which number. The peer acknowledges everything else.
pub(super) fn asks_from(replica: &mut Replica, peer: &mut Peer, second: u64) -> (u64, Seq) {
    for second in second..second + 100 {
        let now = at(second * 1000);
        peer.says(replica, now, Control::Alive, Flags::NONE);
        replica.handle_timeout(now);
        let sent = transmitted(replica, now);
        if let Some((asked, ..)) = sent.iter().find(|(.., frame)| *frame == Frame::Control(Control::Resync)) {
            return (second, *asked);
        }
        if let (Some((from, ..)), Some((to, ..))) = (sent.first(), sent.last()) {
            let all = crate::wire::SeqRange { from: *from, to: *to };
            peer.says(replica, now, Control::Ack(all), Flags::NONE);
        }
    }
    panic!("it never asks");
}

#[test]
fn only_what_is_asked_because_of_a_doubt_is_asked_more_and_more_seldom() {
    let (mut replica, mut peer, asked) = asked();
    let doubted = |replica: &mut Replica, peer: &mut Peer, second: u64, asked: Seq| {
        let now = at(second * 1000);
        peer.0 = Seq(peer.0.0 + PEER_KEEPS);
        peer.says(replica, now, Control::Alive, Flags::NONE);
        let sent = transmitted(replica, now);
        let nack = sent.iter().find(|(.., frame)| matches!(frame, Frame::Control(Control::Nack(_))));
        let range = crate::wire::SeqRange { from: asked, to: nack.expect("a NACK").0 };
        peer.says(replica, now, Control::Ack(range), Flags::NONE);
        transmitted(replica, now);
    };
    doubted(&mut replica, &mut peer, 1, asked);
    let (second, asked) = asks_from(&mut replica, &mut peer, 1);
    assert_eq!(second, 6, "the first question was asked after 4 ms");
    doubted(&mut replica, &mut peer, 7, asked);
    let (second, asked) = asks_from(&mut replica, &mut peer, 8);
    assert_eq!(second, 16);
    doubted(&mut replica, &mut peer, 17, asked);
    // Before it asks again there is another reason to.
    peer.says(&mut replica, at(18_000), Control::Alive, Flags::HELLO);
    let (second, asked) = asks_from(&mut replica, &mut peer, 18);
    assert_eq!(second, 18);
    doubted(&mut replica, &mut peer, 19, asked);
    assert_eq!(asks_from(&mut replica, &mut peer, 20).0, 23);
    assert_eq!(replica.stats().ftfw.resyncs_doubted, 4);
}

#[test]
fn a_gap_in_the_answer_of_who_forgets_nothing_is_waited_for() {
    let (mut replica, mut peer, asked) = asked();
    // It acknowledges the ALIVE behind the RESYNC first: it holds the RESYNC, as a conntrackd never does.
    peer.says(&mut replica, at(5), Control::Ack(wire_range(asked.next())), Flags::NONE);
    let nack = lose_one(&mut replica, &mut peer, at(5));
    peer.says(&mut replica, at(6), Control::Ack(wire_range(asked)), Flags::NONE);
    transmitted(&mut replica, at(6));
    assert_eq!(replica.external().len(), 2, "the missing frame may name flow 9");
    peer.says(&mut replica, at(7), Control::Ack(wire_range(nack)), Flags::NONE);
    transmitted(&mut replica, at(7));
    assert_eq!(replica.external().len(), 1, "everything it has was named");
    assert_eq!(replica.stats().ftfw.resyncs_doubted, 0);
}

#[test]
fn a_refused_frame_is_a_divergence_until_the_next_answer() {
    let (mut replica, mut peer, asked) = asked();
    let number = peer.0.0.to_be_bytes();
    let mut bytes = std::vec![0x10, 0, 0, 16, number[0], number[1], number[2], number[3]];
    bytes.extend([0, 7, 0, 5, 1, 2, 3, 0]);
    replica.handle_datagram(at(5), LINK, &bytes);
    peer.0 = peer.0.next();
    peer.says(&mut replica, at(6), Control::Ack(wire_range(asked)), Flags::NONE);
    transmitted(&mut replica, at(6));
    assert_eq!(replica.external().len(), 1, "nobody knows which flow it named");
    assert_eq!(replica.status(at(6)).sync, Sync::Diverged(Divergence::Refused { frames: 1 }));
    // Once a minute it is looked at again: it may have been a stranger's.
    let mut asks = |second: u64| {
        let now = at(second * 1000);
        replica.handle_timeout(now);
        let sent = transmitted(&mut replica, now);
        if let (Some((from, ..)), Some((to, ..))) = (sent.first(), sent.last()) {
            let all = crate::wire::SeqRange { from: *from, to: *to };
            peer.says(&mut replica, now, Control::Ack(all), Flags::NONE);
        } else {
            peer.says(&mut replica, now, Control::Alive, Flags::NONE);
        }
        sent.iter().any(|(.., frame)| *frame == Frame::Control(Control::Resync))
    };
    let asked_at: Vec<u64> = (1..=150).filter(|second| asks(*second)).collect();
    assert_eq!(asked_at, [61]);
    assert_eq!(replica.status(at(150_000)).sync, Sync::InSync);
}

#[test]
fn a_nack_is_acknowledged_only_after_what_it_asked_for() {
    let (mut replica, mut peer) = settled();
    for port in 1..4 {
        replica.handle_flow(at(3), Origin::Kernel, Change::New, &flow(port));
    }
    let sent = transmitted(&mut replica, at(3));
    let told: Vec<_> =
        sent.iter().filter(|(.., frame)| matches!(frame, Frame::Flow(..))).map(|(seq, ..)| *seq).collect();
    let missing = crate::wire::SeqRange { from: told[0], to: told[1] };
    let nack = peer.0;
    peer.says(&mut replica, at(4), Control::Nack(missing), Flags::NONE);
    replica.handle_timeout(at(60));
    let answer = contents(&mut replica, at(60));
    let acked = |frame: &Frame| matches!(frame, Frame::Control(Control::Ack(range)) if range.contains(nack));
    let ack = answer.iter().position(acked).expect("the NACK is acknowledged");
    let last = answer.iter().rposition(|frame| matches!(frame, Frame::Flow(..))).expect("sent again");
    assert!(last < ack, "{answer:?}");
}

#[test]
fn what_a_full_table_had_no_room_for_is_tried_again_and_not_swept() {
    let (mut replica, mut peer) = settled();
    role(&mut replica, at(3), Role::Backup);
    for port in [1, 2] {
        peer.tells(&mut replica, at(4), Change::New, &flow(port));
    }
    role(&mut replica, at(5), Role::Primary);
    let commit = |replica: &mut Replica, now, room_for: u16| {
        play_kernel(replica, now, |asked, request| match request {
            KernelRequest::Create { token, flow, .. } => {
                let port = flow.original.source_port;
                asked.push(std::format!("create {port}"));
                Some(if port <= room_for { Played::Done(token) } else { Played::Failed(token, FULL) })
            }
            KernelRequest::ListenNew(on) => {
                asked.push(std::format!("listen {on}"));
                None
            }
            KernelRequest::Dump { token } => Some(Played::Done(token)),
            KernelRequest::Find { token, flow, .. } => Some(Played::Found(token, *flow)),
            KernelRequest::Count { .. } => None,
            other => panic!("{other:?}"),
        })
    };
    assert_eq!(commit(&mut replica, at(5), 1), ["listen false", "create 1", "create 2", "listen true"]);
    assert_eq!(replica.external().len(), 1);
    assert!(commit(&mut replica, at(500), 2).is_empty(), "not at once");
    // The other router is back, and has nothing: that is no word about what we failed to take over.
    peer.says(&mut replica, at(600), Control::Alive, Flags::HELLO);
    let sent = transmitted(&mut replica, at(600));
    let asked = sent.iter().find(|(.., frame)| *frame == Frame::Control(Control::Resync)).expect("asked").0;
    peer.says(&mut replica, at(601), Control::Ack(wire_range(asked)), Flags::NONE);
    transmitted(&mut replica, at(601));
    assert_eq!(replica.external().len(), 1);
    replica.handle_timeout(at(1100));
    assert_eq!(commit(&mut replica, at(1100), 1), ["create 2"], "births are heard on");
    replica.handle_timeout(at(3200));
    transmitted(&mut replica, at(3200));
    assert_eq!(commit(&mut replica, at(3200), 2), ["create 2"]);
    assert_eq!((replica.external().len(), replica.internal().len()), (0, 2));
    let status = replica.status(at(3200)).commit.expect("there was one");
    assert_eq!((status.committed, status.failed), (2, 0));
    replica.handle_timeout(at(60_000));
    assert!(commit(&mut replica, at(60_000), 2).is_empty());
}

#[test]
fn a_look_up_that_fails_ends_nothing() {
    let (mut replica, _) = settled();
    replica.handle_flow(at(3), Origin::Kernel, Change::New, &flow(1));
    replica.handle_overrun(at(2000));
    play_kernel(&mut replica, at(2000), |_, request| match request {
        KernelRequest::Dump { token } => Some(Played::Done(token)),
        KernelRequest::Find { token, .. } => Some(Played::Failed(token, Errno::ENOMEM)),
        other => panic!("{other:?}"),
    });
    assert_eq!(replica.internal().len(), 1, "only 'there is none' ends a flow");
}

#[test]
fn how_far_it_has_come_is_said() {
    let (mut replica, mut peer, _) = asked();
    peer.tells(&mut replica, at(5), Change::New, &flow(1));
    let status = replica.status(at(5));
    assert_eq!(status.sync, Sync::CatchingUp(Reason::BecameBackup));
    assert_eq!(status.progress, Some(Progress { done: 1, of: Some(2) }));
}

/// "0 of 0 flows" would read as if nothing were left to do.
#[test]
fn of_none_is_not_said_while_something_is_waited_for() {
    let (mut replica, _) = settled();
    replica.handle_overrun(at(2000));
    let status = replica.status(at(2000));
    assert_eq!(status.sync, Sync::CatchingUp(Reason::ReadingKernel));
    assert_eq!(status.progress, Some(Progress { done: 0, of: None }));

    let (mut replica, mut peer) = settled();
    peer.says(&mut replica, at(6000), Control::Resync, Flags::NONE);
    let status = replica.status(at(6000));
    assert_eq!(status.sync, Sync::CatchingUp(Reason::Sending));
    assert_eq!(status.progress, Some(Progress { done: 0, of: None }));
}

#[test]
fn the_end_of_another_life_is_looked_into_and_what_is_gone_is_swept() {
    let (mut replica, _) = settled();
    replica.handle_flow(at(2000), Origin::Kernel, Change::New, &with_id(1, 7));
    replica.handle_flow(at(2000), Origin::Kernel, Change::Destroy, &with_id(1, 9));
    assert_eq!(replica.poll_timeout(), Some(Instant::PAST));
    let Some(KernelRequest::Find { token, .. }) = replica.poll_kernel(at(2000)) else { panic!("a look-up") };
    replica.handle_kernel(at(2000), KernelReply::Found(token, (&with_id(1, 7)).into()));
    assert_eq!(replica.status(at(2000)).internal, 1, "it was an earlier life");
    replica.handle_flow(at(2001), Origin::Kernel, Change::Destroy, &with_id(1, 9));
    let Some(KernelRequest::Find { token, .. }) = replica.poll_kernel(at(2001)) else { panic!("a look-up") };
    replica.handle_kernel(at(2001), KernelReply::Failed(token, Errno::ENOENT));
    assert_eq!(replica.status(at(2001)).internal, 0, "it was a later one");
}

/// The look-up is answered after the picture was taken. Only an event may be newer than its answer.
#[test]
fn a_look_up_is_newer_than_the_picture_that_was_handed_over_before() {
    let remains = |born: bool| {
        let (mut replica, _) = settled();
        replica.handle_flow(at(2000), Origin::Kernel, Change::New, &with_id(1, 7));
        replica.handle_overrun(at(2000));
        let Some(KernelRequest::Dump { token: dump }) = replica.poll_kernel(at(2000)) else {
            panic!("a dump")
        };
        replica.handle_kernel(at(2000), KernelReply::Begun(dump));
        replica.handle_flow(at(2001), Origin::Kernel, Change::Destroy, &with_id(1, 9));
        let Some(KernelRequest::Find { token, .. }) = replica.poll_kernel(at(2001)) else {
            panic!("a look-up")
        };
        replica.handle_kernel(at(2001), KernelReply::Dumped(dump, (&with_id(1, 9)).into()));
        if born {
            replica.handle_flow(at(2002), Origin::Kernel, Change::New, &with_id(1, 11));
        }
        replica.handle_kernel(at(2002), KernelReply::Failed(token, Errno::ENOENT));
        replica.internal().len()
    };
    assert_eq!((remains(false), remains(true)), (0, 1));
}

/// A settled replica that knows a flow under id 7 and has asked whether it still lives.
fn doubting() -> (Replica, Token) {
    let (mut replica, _) = settled();
    replica.handle_flow(at(2000), Origin::Kernel, Change::New, &with_id(1, 7));
    replica.handle_flow(at(2000), Origin::Kernel, Change::Destroy, &with_id(1, 9));
    let Some(KernelRequest::Find { token, .. }) = replica.poll_kernel(at(2000)) else { panic!("a look-up") };
    (replica, token)
}

/// A dump that has begun.
fn begun(replica: &mut Replica, now: Instant) -> Token {
    replica.handle_overrun(now);
    let Some(KernelRequest::Dump { token }) = replica.poll_kernel(now) else { panic!("a dump") };
    replica.handle_kernel(now, KernelReply::Begun(token));
    token
}

/// That a dump begins makes all that was said before as good as unsaid, but not older than the look-up.
#[test]
fn a_birth_is_newer_than_the_look_up_that_was_asked_for_before_although_a_dump_begins() {
    let (mut replica, token) = doubting();
    replica.handle_flow(at(2001), Origin::Kernel, Change::New, &with_id(1, 11));
    begun(&mut replica, at(2002));
    replica.handle_kernel(at(2003), KernelReply::Failed(token, Errno::ENOENT));
    assert_eq!(replica.internal().len(), 1);
}

/// Its next life may have the same id, and its birth may have gone unheard.
#[test]
fn what_a_dump_shows_lives_although_a_look_up_has_not_found_it() {
    let (mut replica, token) = doubting();
    let dump = begun(&mut replica, at(2001));
    replica.handle_kernel(at(2002), KernelReply::Failed(token, Errno::ENOENT));
    assert_eq!(replica.internal().len(), 0);
    replica.handle_kernel(at(2003), KernelReply::Dumped(dump, (&with_id(1, 7)).into()));
    assert_eq!(replica.internal().len(), 1);
}

/// A take-over has written it, and nobody listens to births meanwhile.
#[test]
fn what_we_have_written_is_not_taken_away_by_a_look_up_from_before() {
    let (mut replica, mut peer) = settled();
    peer.tells(&mut replica, at(1999), Change::New, &flow(1));
    replica.handle_flow(at(2000), Origin::Kernel, Change::New, &with_id(1, 7));
    replica.handle_flow(at(2000), Origin::Kernel, Change::Destroy, &with_id(1, 9));
    let Some(KernelRequest::Find { token, .. }) = replica.poll_kernel(at(2000)) else { panic!("a look-up") };
    role(&mut replica, at(2001), Role::Primary);
    play_kernel(&mut replica, at(2001), |_, request| match request {
        KernelRequest::Create { token, .. } => Some(Played::Done(token)),
        _ => None,
    });
    replica.handle_kernel(at(2002), KernelReply::Failed(token, Errno::ENOENT));
    assert_eq!((replica.stats().commit.committed, replica.internal().len()), (1, 1));
}

#[test]
fn a_look_up_that_fails_for_another_reason_leads_to_another_dump() {
    let (mut replica, _) = settled();
    replica.handle_flow(at(2000), Origin::Kernel, Change::New, &with_id(1, 7));
    replica.handle_flow(at(2000), Origin::Kernel, Change::Destroy, &with_id(1, 9));
    let Some(KernelRequest::Find { token, .. }) = replica.poll_kernel(at(2000)) else { panic!("a look-up") };
    replica.handle_kernel(at(2000), KernelReply::Failed(token, Errno::ENOMEM));
    assert_eq!((replica.status(at(2000)).internal, dumps(&mut replica, at(4000))), (1, 1));
}

/// Asks the kernel for all there is to ask now, and answers nothing but dumps. Says what waits for an answer.
fn asked_of_kernel(replica: &mut Replica, now: Instant) -> Vec<Token> {
    let mut waiting = Vec::new();
    for _ in 0..10 {
        replica.handle_timeout(now);
        while let Some(request) = replica.poll_kernel(now) {
            match request {
                KernelRequest::Dump { token } => {
                    replica.handle_kernel(now, KernelReply::Begun(token));
                    replica.handle_kernel(now, KernelReply::Done(token));
                }
                KernelRequest::Find { token, .. } | KernelRequest::Create { token, .. } => {
                    waiting.push(token);
                }
                KernelRequest::Count { token } => replica.handle_kernel(now, KernelReply::Counted(token, 1)),
                KernelRequest::ListenNew(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }
    waiting
}

#[test]
fn the_last_look_ups_of_a_sweep_are_waited_for() {
    let (mut replica, _) = settled();
    replica.handle_flow(at(10), Origin::Kernel, Change::New, &flow(1));
    replica.handle_overrun(at(2000));
    let waiting = asked_of_kernel(&mut replica, at(2000));
    assert_eq!(waiting.len(), 1, "the dump has not listed it");
    transmitted(&mut replica, at(2000));
    assert!(replica.poll_timeout() > Some(at(2000)), "an answer wakes us up, not the clock");
    replica.handle_kernel(at(2010), KernelReply::Failed(waiting[0], Errno::ENOENT));
    assert!(replica.poll_timeout() <= Some(at(2010)));
    replica.handle_timeout(at(2010));
    assert_eq!(replica.internal().len(), 0);
    let told: Vec<_> = core::iter::from_fn(|| replica.poll_notice()).collect();
    assert!(matches!(told.last(), Some(Notice::Reloaded { swept: 1, .. })), "{told:?}");
}

#[test]
fn the_last_creations_of_a_commit_are_waited_for() {
    let (mut replica, mut peer) = settled();
    peer.tells(&mut replica, at(3), Change::New, &flow(1));
    role(&mut replica, at(2000), Role::Primary);
    let waiting = asked_of_kernel(&mut replica, at(2000));
    assert_eq!(waiting.len(), 1);
    transmitted(&mut replica, at(2000));
    assert!(replica.poll_timeout() > Some(at(2000)), "an answer wakes us up, not the clock");
    replica.handle_kernel(at(2001), KernelReply::Done(waiting[0]));
    assert!(replica.poll_timeout() <= Some(at(2001)));
    replica.handle_timeout(at(2001));
    assert!(replica.external().is_empty());
}
