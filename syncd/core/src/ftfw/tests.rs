//! Each rule of the conversation, one test. All loss patterns of small worlds are enumerated in the simulator.

extern crate std;

use std::vec::Vec;

use super::send::{Sender, WINDOW};
use super::*;
use crate::time::{Duration, Instant};
use crate::wire::{Control, Flags, Seq, SeqRange};

const fn at(millis: u64) -> Instant {
    Instant::from_nanos(1_000_000_000 + millis * 1_000_000)
}

const fn range(from: u32, to: u32) -> SeqRange {
    SeqRange { from: Seq(from), to: Seq(to) }
}

/// Sends everything that may be sent; what it was, with its number and flags.
fn drain(session: &mut Session, now: Instant) -> Vec<(u32, Outgoing, Flags)> {
    let mut sent = Vec::new();
    while let Some((outgoing, flags)) = session.peek() {
        sent.push((session.next_seq().0, outgoing, flags));
        session.sent(now, outgoing);
    }
    sent
}

/// A session whose hello was answered, nothing in flight, next number 101; the peer's last number was 1000.
fn open_session() -> Session {
    let mut session = Session::new(Seq(100), at(0));
    session.say_hello(at(0));
    assert_eq!(drain(&mut session, at(0)), [(100, Outgoing::Control(Control::Alive), Flags::HELLO)]);
    let arrival = session.arrive(at(1), Seq(1000), Flags::HELLO_BACK);
    assert!(arrival.answered && arrival.returned && arrival.deliver);
    session.acked(at(1), range(100, 100), |_| {});
    session
}

fn items(sent: &[(u32, Outgoing, Flags)]) -> Vec<(u32, u32)> {
    sent.iter()
        .filter_map(|(seq, outgoing, _)| match outgoing {
            Outgoing::Item(item) => Some((*seq, item.0)),
            Outgoing::Control(_) => None,
        })
        .collect()
}

#[test]
fn nothing_but_control_is_sent_until_hello_is_answered() {
    let mut session = Session::new(Seq(100), at(0));
    session.say_hello(at(0));
    session.enqueue(Item(7));
    let sent = drain(&mut session, at(0));
    assert!(items(&sent).is_empty());
    session.arrive(at(1), Seq(5), Flags::HELLO_BACK);
    assert_eq!(items(&drain(&mut session, at(1))), [(101, 7)]);
}

#[test]
fn a_resend_takes_a_new_number_and_goes_before_what_is_newer() {
    let mut session = open_session();
    (1..=3).for_each(|n| session.enqueue(Item(n)));
    assert_eq!(items(&drain(&mut session, at(2))), [(101, 1), (102, 2), (103, 3)]);
    session.enqueue(Item(9));
    assert_eq!(session.nacked(range(101, 102)), 2);
    let sent = drain(&mut session, at(3));
    assert_eq!(items(&sent), [(104, 1), (105, 2), (107, 9)]);
    let ack = sent.iter().find(|(.., outgoing, _)| matches!(outgoing, Outgoing::Control(Control::Ack(_))));
    assert_eq!(ack.expect("the NACK's").0, 106, "whoever asked knows by it that all was sent again");
}

#[test]
fn newer_state_takes_an_item_out_of_flight() {
    let mut session = open_session();
    session.enqueue(Item(1));
    drain(&mut session, at(2));
    session.enqueue(Item(1));
    assert_eq!((session.queued(), session.in_flight()), (1, 0));
    let mut settled = 0;
    session.acked(at(3), range(101, 101), |_| settled += 1);
    assert_eq!(settled, 0, "the acknowledgement of the old number says nothing of the new state");
    assert_eq!(items(&drain(&mut session, at(4))), [(102, 1)]);
}

#[test]
fn acknowledgements_of_what_was_never_sent_are_ignored() {
    let mut session = open_session();
    session.enqueue(Item(1));
    drain(&mut session, at(2));
    let mut settled = Vec::new();
    let elsewhere = [range(0, 99), range(102, 5000), range(0x8000_0000, 0x8000_0001), range(200, 100)];
    // Who has heard what was never sent counts by a stranger's hello, and has not heard what was.
    let around = [range(101, 102), range(0xf000_0000, 0x1000_0000)];
    for strange in elsewhere.into_iter().chain(around) {
        session.acked(at(3), strange, |outgoing| settled.push(outgoing));
    }
    assert!(settled.is_empty());
    session.acked(at(3), range(0xf000_0000, 101), |outgoing| settled.push(outgoing));
    assert_eq!(settled, [Outgoing::Item(Item(1))], "a range that ends with ours covers it");
}

#[test]
fn what_an_acknowledgement_has_passed_over_is_sent_again_soon() {
    let mut session = open_session();
    (1..=3).for_each(|n| session.enqueue(Item(n)));
    assert_eq!(items(&drain(&mut session, at(2))), [(101, 1), (102, 2), (103, 3)]);
    session.acked(at(52), range(102, 102), |_| {});
    assert_eq!(session.lapse(at(151)).overdue, 0, "an acknowledgement may come late");
    assert!(items(&drain(&mut session, at(151))).is_empty());
    assert!(session.due() <= at(152));
    assert_eq!(session.lapse(at(152)).overdue, 1, "the third was not passed over");
    assert_eq!(items(&drain(&mut session, at(152))), [(105, 1)]);
}

/// Otherwise what was passed over would be taken for what was asked for, and the NACK be acknowledged too early: whoever
/// asked would believe its gap closed, and sweep.
#[test]
fn what_was_passed_over_does_not_count_for_what_was_asked_for() {
    let mut sender = Sender::new(Seq(1));
    (1..=4).for_each(|n| sender.enqueue(Item(n)));
    while let Some(outgoing) = sender.peek(true) {
        sender.sent(outgoing);
    }
    assert_eq!(sender.nacked(range(3, 3)), 1);
    assert_eq!(sender.items_again(Seq(3)), 2);
    let mut order = Vec::new();
    while let Some(outgoing) = sender.peek(true) {
        order.push((outgoing, sender.asked_for_is_sent()));
        sender.sent(outgoing);
    }
    let waiting = |n| (Outgoing::Item(Item(n)), false);
    assert_eq!(order, [waiting(1), waiting(2), waiting(3)]);
    assert!(sender.asked_for_is_sent());
}

#[test]
fn whoever_waits_for_an_answer_says_where_its_numbers_stand() {
    let mut session = open_session();
    session.lapse(at(1001));
    drain(&mut session, at(1001));
    session.enqueue(Item(1));
    drain(&mut session, at(1001));
    let mut probes = Vec::new();
    for millis in 1002..4000 {
        session.lapse(at(millis));
        let sent = drain(&mut session, at(millis));
        probes.extend(sent.iter().map(|(.., outgoing, _)| (millis, *outgoing)));
    }
    let alive = Outgoing::Control(Control::Alive);
    let at_last: Vec<u64> = probes.iter().filter(|(_, sent)| *sent == alive).map(|(at, _)| *at).collect();
    assert_eq!(at_last[0], 1101);
    assert!(at_last.windows(2).all(|pair| pair[1] - pair[0] <= 1000), "{at_last:?}");
    assert!(at_last.len() <= 6, "less and less often: {at_last:?}");
}

#[test]
fn a_gap_is_asked_for_once_and_what_came_before_it_is_acknowledged() {
    let mut session = open_session();
    assert_eq!(session.arrive(at(2), Seq(1003), Flags::NONE).lost, 2);
    let sent: Vec<_> = drain(&mut session, at(2)).into_iter().map(|(_, outgoing, _)| outgoing).collect();
    assert_eq!(
        sent,
        [
            Outgoing::Control(Control::Ack(range(1000, 1000))),
            Outgoing::Control(Control::Nack(range(1001, 1002))),
        ]
    );
    assert!(session.has_gap());
    session.acked(at(3), range(102, 102), |_| {});
    assert!(!session.has_gap());
}

#[test]
fn late_and_double_frames_are_not_delivered() {
    let mut session = open_session();
    assert!(session.arrive(at(2), Seq(1001), Flags::NONE).deliver);
    assert!(!session.arrive(at(2), Seq(1001), Flags::NONE).deliver);
    assert!(!session.arrive(at(2), Seq(999), Flags::NONE).deliver);
}

#[test]
fn numbers_wrap() {
    let mut session = Session::new(Seq(u32::MAX), at(0));
    session.arrive(at(0), Seq(u32::MAX), Flags::HELLO_BACK);
    assert!(session.arrive(at(0), Seq(0), Flags::NONE).deliver);
    session.enqueue(Item(1));
    session.enqueue(Item(2));
    let sent = items(&drain(&mut session, at(1)));
    assert_eq!(sent, [(u32::MAX, 1), (0, 2)]);
    let mut settled = 0;
    session.acked(at(2), range(u32::MAX, 0), |_| settled += 1);
    assert_eq!((settled, session.in_flight()), (2, 0));
}

#[test]
fn hello_is_an_episode() {
    let mut session = open_session();
    session.enqueue(Item(1));
    drain(&mut session, at(2));
    let first = session.arrive(at(3), Seq(50), Flags::HELLO);
    assert_eq!(first.episode, Some(1), "what was in flight waits again");
    let sent = drain(&mut session, at(3));
    assert!(sent[0].2.has(Flags::HELLO_BACK), "answered at once");
    assert!(!sent[1].2.has(Flags::HELLO_BACK), "and once");
    for number in 51..60 {
        assert_eq!(session.arrive(at(4), Seq(number), Flags::HELLO).episode, None);
        let (.., flags) = {
            session.enqueue(Item(number));
            drain(&mut session, at(4))[0]
        };
        assert!(flags.has(Flags::HELLO_BACK), "refreshed");
    }
    assert_eq!(session.arrive(at(5), Seq(60), Flags::NONE).episode, None);
    assert!(session.arrive(at(6), Seq(10), Flags::HELLO).episode.is_some());
}

#[test]
fn state_with_hello_that_is_older_than_what_we_hold_is_stale() {
    let mut session = open_session();
    assert!(session.arrive(at(2), Seq(900), Flags::HELLO).stale);
    assert!(!session.arrive(at(2), Seq(901), Flags::HELLO).stale);
    assert!(!session.arrive(at(2), Seq(905), Flags::HELLO).stale, "a gap during hello");
    assert!(session.arrive(at(2), Seq(903), Flags::HELLO).stale, "the late one of it");
}

#[test]
fn what_a_hello_has_passed_over_is_lost_and_that_is_said() {
    let mut session = open_session();
    session.arrive(at(2), Seq(1010), Flags::HELLO);
    let late = session.arrive(at(3), Seq(1005), Flags::NONE);
    assert!(!late.deliver && late.skipped);
    let heard = session.arrive(at(3), Seq(1000), Flags::NONE);
    assert!(!heard.deliver && !heard.skipped, "that one was heard");
}

/// The first may be a late one of the life before, and the peer goes on below it. (The simulator found it.)
#[test]
fn what_comes_before_the_first_number_that_was_heard_is_lost_and_that_is_said() {
    let mut session = Session::new(Seq(1), at(0));
    for (number, flags) in [(1000, Flags::HELLO), (1001, Flags::HELLO), (1002, Flags::NONE)] {
        assert!(session.arrive(at(1), Seq(number), flags).deliver);
    }
    let late = session.arrive(at(2), Seq(999), Flags::NONE);
    assert!(!late.deliver && late.skipped);
    let heard = session.arrive(at(2), Seq(1001), Flags::NONE);
    assert!(!heard.deliver && !heard.skipped, "that one was heard");
}

#[test]
fn the_acknowledgement_of_a_resync_waits_for_the_end_of_the_bulk() {
    let mut session = open_session();
    session.arrive(at(2), Seq(1001), Flags::NONE);
    session.arrive(at(2), Seq(1002), Flags::RESYNC);
    session.hold_resync();
    session.arrive(at(2), Seq(1003), Flags::NONE);
    session.lapse(at(1500));
    let acknowledged = |session: &mut Session, now| -> Vec<_> {
        drain(session, now)
            .into_iter()
            .filter_map(|(_, outgoing, _)| match outgoing {
                Outgoing::Control(Control::Ack(range)) => Some((range.from.0, range.to.0)),
                _ => None,
            })
            .collect()
    };
    assert_eq!(acknowledged(&mut session, at(1500)), [(1000, 1001), (1003, 1003)]);
    session.release_resync();
    assert_eq!(acknowledged(&mut session, at(1600)), [(1002, 1002)]);
}

#[test]
fn a_resync_is_held_wherever_in_the_window_it_comes() {
    for position in 290..310 {
        let mut session = open_session();
        for number in 1001..1001 + position {
            session.arrive(at(2), Seq(number), Flags::NONE);
        }
        let asked = Seq(1001 + position);
        session.arrive(at(2), asked, Flags::RESYNC);
        session.hold_resync();
        session.arrive(at(2), asked.next(), Flags::NONE);
        session.lapse(at(1500));
        let acknowledged = |sent: Vec<(u32, Outgoing, Flags)>| {
            sent.into_iter().any(|(_, outgoing, _)| {
                matches!(outgoing, Outgoing::Control(Control::Ack(range)) if range.contains(asked))
            })
        };
        assert!(!acknowledged(drain(&mut session, at(1500))), "position {position}");
        session.release_resync();
        assert!(acknowledged(drain(&mut session, at(1600))), "position {position}");
    }
}

/// It answers the question itself later than what came behind it. That a later question is answered says nothing of an
/// earlier one, whose acknowledgement may have been put aside as late.
#[test]
fn only_who_passes_over_a_resync_and_comes_back_to_it_keeps_what_it_owes() {
    let asks = |session: &mut Session, now| {
        session.ask_resync();
        drain(session, now);
    };
    let mut session = open_session();
    asks(&mut session, at(2));
    session.acked(at(3), range(102, 102), |_| {});
    asks(&mut session, at(4));
    session.acked(at(5), range(103, 104), |_| {});
    session.acked(at(6), range(105, 105), |_| {});
    assert!(!session.peer_keeps(), "101 was never acknowledged");
    asks(&mut session, at(7));
    session.acked(at(8), range(106, 106), |_| {});
    assert!(!session.peer_keeps());
    session.acked(at(9), range(105, 105), |_| {});
    assert!(session.peer_keeps());
}

/// Whoever asks many times would wait for answers that a peer which remembers only some questions never gives.
#[test]
fn only_the_last_question_is_waited_for() {
    let mut session = open_session();
    session.ask_resync();
    drain(&mut session, at(2));
    session.ask_resync();
    session.ask_resync();
    let sent = drain(&mut session, at(3));
    let resync = Outgoing::Control(Control::Resync);
    let asked: Vec<u32> =
        sent.iter().filter(|(_, outgoing, _)| *outgoing == resync).map(|(seq, ..)| *seq).collect();
    assert_eq!(asked, [104], "one that was not sent yet is not sent any more");
    session.nacked(range(101, 101));
    assert_eq!(drain(&mut session, at(4)).iter().filter(|(_, outgoing, _)| *outgoing == resync).count(), 0);
    session.acked(at(5), range(101, 103), |_| {});
    assert!(session.awaits_resync());
    session.acked(at(6), range(104, 104), |_| {});
    assert!(!session.awaits_resync());
    assert_eq!(session.inconsistency(), None);
}

#[test]
fn the_window_limits_what_is_in_flight() {
    let mut session = open_session();
    (0..WINDOW + 10).for_each(|n| session.enqueue(Item(n)));
    assert_eq!(items(&drain(&mut session, at(2))).len(), WINDOW as usize);
    assert_eq!(session.queued(), 10);
    session.acked(at(3), range(101, 105), |_| {});
    assert_eq!(items(&drain(&mut session, at(3))).len(), 5);
}

#[test]
fn a_silent_peer_is_lost_and_what_it_may_miss_waits() {
    let mut session = open_session();
    session.enqueue(Item(1));
    drain(&mut session, at(2));
    let mut now = at(2);
    let mut lost = None;
    while lost.is_none() {
        now = session.due().max(now + Duration::from_millis(1));
        lost = session.lapse(now).lost;
        assert!(items(&drain(&mut session, now)).is_empty());
        assert!(now.since(at(1)) < Duration::from_secs(6));
    }
    assert_eq!((lost, session.queued(), session.in_flight()), (Some(1), 1, 0));
    assert!(session.arrive(now, Seq(1001), Flags::NONE).returned);
    assert_eq!(items(&drain(&mut session, now)).len(), 1);
}

#[test]
fn without_any_acknowledgement_from_a_living_peer_we_say_hello_again() {
    let mut session = open_session();
    session.enqueue(Item(1));
    drain(&mut session, at(2));
    let mut stuck = None;
    for second in 1..8 {
        let now = at(second * 1000);
        session.arrive(now, Seq(1000 + u32::try_from(second).unwrap()), Flags::NONE);
        stuck = stuck.or(session.lapse(now).stuck);
        drain(&mut session, now);
    }
    assert_eq!(stuck, Some(1));
    assert!(session.peek().is_none_or(|(_, flags)| flags.has(Flags::HELLO)));
    assert!(!session.is_open());
}

#[test]
fn a_peer_whose_numbers_went_back_without_hello_is_followed_after_a_while() {
    let mut session = open_session();
    let mut stuck_at = None;
    for n in 0..6_u32 {
        let now = at(2 + u64::from(n) * 1000);
        let arrival = session.arrive(now, Seq(10 + n), Flags::NONE);
        if arrival.stuck {
            stuck_at = Some(n);
            break;
        }
        assert!(!arrival.deliver);
    }
    assert_eq!(stuck_at, Some(2));
    assert!(session.arrive(at(9000), Seq(13), Flags::NONE).deliver);
}

/// Two routers whom a stranger had set half the numbers apart asked each other for each other's NACKs without end (seed
/// 27630).
#[test]
fn a_leap_that_nobody_can_fill_is_followed_and_not_asked_for() {
    let mut session = open_session();
    let arrival = session.arrive(at(2), Seq(0x4000_0000), Flags::NONE);
    assert!(arrival.stuck && arrival.deliver && arrival.lost == 0);
    assert!(
        drain(&mut session, at(2))
            .iter()
            .all(|(.., sent, _)| !matches!(sent, Outgoing::Control(Control::Nack(_))))
    );
    assert!(session.arrive(at(3), Seq(0x4000_0001), Flags::NONE).deliver);
    // Nor is a NACK believed that covers what was never sent.
    session.enqueue(Item(1));
    let sent = items(&drain(&mut session, at(3)));
    assert_eq!(session.nacked(range(sent[0].0, sent[0].0 + 5000)), 0);
    assert_eq!(session.nacked(range(sent[0].0, sent[0].0)), 1);
}

/// It may look as if it were far ahead; on a bad link it comes after the hello of the present life.
#[test]
fn a_late_frame_of_the_life_before_a_hello_is_not_followed() {
    let mut session = open_session();
    assert!(session.arrive(at(10), Seq(70), Flags::HELLO).episode.is_some());
    let late = session.arrive(at(20), Seq(0x4000_0000), Flags::NONE);
    assert!(!late.deliver && !late.stuck && late.lost == 0);
    assert!(session.arrive(at(30), Seq(71), Flags::NONE).deliver);
    // Who goes on there has come to stay.
    for (millis, number) in [(40, 0x4000_0001), (1000, 0x4000_0002)] {
        assert!(!session.arrive(at(millis), Seq(number), Flags::NONE).deliver);
    }
    assert!(session.arrive(at(2040), Seq(0x4000_0003), Flags::NONE).stuck);
}

#[test]
fn an_item_is_in_one_queue_at_most_and_leaves_no_trace_when_forgotten() {
    let mut sender = Sender::new(Seq(1));
    (0..4).for_each(|n| sender.enqueue(Item(n)));
    sender.enqueue(Item(2));
    assert_eq!(sender.queued(), 4);
    sender.forget(Item(0));
    sender.forget(Item(3));
    assert_eq!((sender.queued(), sender.tail()), (2, Some(Item(2))));
    assert_eq!(sender.peek(true), Some(Outgoing::Item(Item(1))));
    sender.sent(Outgoing::Item(Item(1)));
    sender.forget(Item(1));
    assert_eq!((sender.queued(), sender.in_flight()), (1, 0));
    assert!(!sender.holds(Item(1)) && sender.holds(Item(2)));
}

#[test]
fn channels_follow_the_peer_and_leave_a_dead_link() {
    use super::channels::{ChannelId, Channels};
    let mut channels = Channels::new(2);
    assert_eq!(channels.current(), None);
    channels.set(ChannelId(0), true);
    channels.set(ChannelId(1), true);
    assert_eq!(channels.current(), Some(ChannelId(0)));
    channels.heard(ChannelId(1));
    assert_eq!(channels.current(), Some(ChannelId(1)));
    channels.set(ChannelId(1), false);
    assert_eq!(channels.current(), Some(ChannelId(0)));
    channels.heard(ChannelId(1));
    assert_eq!(channels.current(), Some(ChannelId(0)), "a link that is down is not used");
}

/// A late frame of a peer's earlier life makes all of its present one look late; on a bad link they overtake each other.
#[test]
fn a_run_of_late_frames_may_be_out_of_order() {
    let mut session = open_session();
    let arrivals = [(0, 999), (500, 13), (1000, 12), (1900, 15), (2000, 14)];
    let stuck = arrivals.map(|(millis, seq)| session.arrive(at(10 + millis), Seq(seq), Flags::NONE).stuck);
    assert_eq!(stuck, [false, false, false, false, true]);
    assert!(session.arrive(at(2200), Seq(15), Flags::NONE).deliver);
    assert_eq!(session.arrive(at(2201), Seq(17), Flags::NONE).lost, 1);
}

/// A router that was stopped, or whose clock has leapt, has not listened meanwhile.
#[test]
fn a_late_frame_before_a_pause_and_one_after_it_are_no_run() {
    let mut session = open_session();
    let arrivals = [(0, 999), (500, 13), (4000, 12), (5000, 11), (5900, 10), (6000, 9)];
    let stuck = arrivals.map(|(millis, seq)| session.arrive(at(10 + millis), Seq(seq), Flags::NONE).stuck);
    assert_eq!(stuck, [false, false, false, false, false, true]);
}

#[test]
fn how_long_something_waits_is_known_whatever_becomes_of_it() {
    let mut session = open_session();
    assert_eq!(session.waits_since(), None);
    (1..=4).for_each(|n| session.enqueue(Item(n)));
    drain(&mut session, at(10));
    assert_eq!(session.waits_since(), Some(at(10)));
    // One has arrived, one is overtaken by newer state, one is wanted by nobody; the last one is lost and sent again.
    session.acked(at(20), range(101, 101), |_| {});
    session.enqueue(Item(2));
    session.forget(Item(3));
    session.nacked(range(104, 104));
    assert_eq!((session.waits_since(), session.inconsistency()), (Some(at(10)), None));
    assert_eq!(items(&drain(&mut session, at(30))), [(105, 4), (107, 2)]);
    assert_eq!(session.waits_since(), Some(at(10)));
    // What came later waits since the last look.
    session.acked(at(40), range(105, 105), |_| {});
    assert_eq!((session.waits_since(), session.inconsistency()), (Some(at(40)), None));
    session.acked(at(50), range(106, 107), |_| {});
    assert_eq!((session.waits_since(), session.inconsistency()), (None, None));
    // One round of 30 ms and one of 10.
    assert_eq!((session.lag().rounds, session.lag().micros), (2, 40_000));
}

#[test]
fn how_long_the_peer_is_behind_is_counted_by_acknowledgements_only() {
    let mut session = open_session();
    session.enqueue(Item(1));
    drain(&mut session, at(10));
    session.forget(Item(1));
    session.enqueue(Item(2));
    // Nobody waits any more for what began at 10.
    drain(&mut session, at(5000));
    session.acked(at(5002), range(102, 102), |_| {});
    // An hour is longer than every bound.
    session.enqueue(Item(3));
    drain(&mut session, at(6000));
    session.acked(at(3_606_000), range(103, 103), |_| {});
    let lag = session.lag();
    assert_eq!((lag.rounds, lag.micros), (2, 2000 + 3_600_000_000));
    assert_eq!((lag.buckets[1], lag.buckets.iter().sum::<u64>()), (1, 1));
}

#[test]
fn what_a_silence_has_put_back_still_waits() {
    let mut session = open_session();
    session.enqueue(Item(1));
    drain(&mut session, at(10));
    session.say_hello(at(20));
    assert_eq!((session.queued(), session.waits_since()), (1, Some(at(10))));
    assert_eq!(session.inconsistency(), None);
}
