//! Rare events never wait; a burst is noticed within its own window and forgotten after the next; the more, the shorter.

use super::*;

fn at(micros: u64) -> Instant {
    Instant::from_nanos(micros * 1000)
}

/// So many came until then: how long until 16 more have come.
fn gathering(rhythm: &mut Rhythm, micros: u64, events: usize) -> Duration {
    assert!(rhythm.count(at(micros), events));
    rhythm.gathering(at(micros), 16, 16)
}

#[test]
fn rare_events_are_not_gathered() {
    let mut rhythm = Rhythm::new(at(0));
    assert!((1..1000).all(|i| !rhythm.count(at(i * 100), 1)));
}

#[test]
fn a_burst_is_gathered_at_once_and_for_one_window_more() {
    let mut rhythm = Rhythm::new(at(0));
    assert!(rhythm.count(at(100), 33));
    assert!(rhythm.count(at(1100), 0));
    assert!(!rhythm.count(at(2200), 0));
}

#[test]
fn a_burst_of_long_ago_is_forgotten() {
    let mut rhythm = Rhythm::new(at(0));
    assert!(rhythm.count(at(100), 33));
    assert!(!rhythm.count(at(500_000), 1));
}

#[test]
fn the_faster_they_come_the_shorter_they_are_gathered() {
    let first = |micros, events| gathering(&mut Rhythm::new(at(0)), micros, events);
    assert_eq!(first(900, 17), MOST);
    assert_eq!(first(900, 40), Duration::from_micros(360));
    assert_eq!(first(900, 64), Duration::from_micros(225));
    assert_eq!(first(900, 100_000), LEAST);
}

/// As many each 0.2 ms, and `last` in the end; how long until 16 more have come.
fn after_five(each: usize, last: usize) -> Duration {
    let mut rhythm = Rhythm::new(at(0));
    for i in 1..=5 {
        rhythm.count(at(i * 200), each);
    }
    rhythm.count(at(1200), last);
    rhythm.gathering(at(1200), 16, 16)
}

#[test]
fn what_comes_steadily_fills_several_datagrams_at_once() {
    // 30, 50, 150 in a millisecond; in 0.75 ms one, two, seven are full.
    assert_eq!(after_five(6, 6), MOST);
    assert_eq!(after_five(10, 10), Duration::from_micros(640));
    assert_eq!(after_five(30, 30), Duration::from_nanos(746_662));
    // And no more events than are enough.
    assert_eq!(after_five(200, 200), Duration::from_micros(256));
}

#[test]
fn what_comes_in_bursts_fills_one_datagram_at_once() {
    assert_eq!(after_five(10, 0), Duration::from_micros(320));
    assert_eq!(after_five(30, 0), Duration::from_nanos(106_666));
}

#[test]
fn a_window_that_lasted_longer_counts_for_as_much_less() {
    let mut rhythm = Rhythm::new(at(0));
    assert!(rhythm.count(at(1600), 64));
    assert_eq!(rhythm.gathering(at(1600), 16, 16), Duration::from_micros(400));
}

#[test]
fn the_less_is_wanted_the_shorter_they_are_gathered() {
    let mut rhythm = Rhythm::new(at(0));
    assert!(rhythm.count(at(900), 64));
    assert_eq!(rhythm.gathering(at(900), 8, 40), Duration::from_nanos(112_500));
}

#[test]
fn a_burst_that_has_just_begun_counts_by_its_own_rate() {
    let mut rhythm = Rhythm::new(at(0));
    assert_eq!(gathering(&mut rhythm, 50, 17), Duration::from_nanos(94_117).max(LEAST));
    assert_eq!(gathering(&mut rhythm, 900, 3), MOST);
    // The rate of the last window, while the present one has said nothing yet.
    assert_eq!(gathering(&mut rhythm, 1000, 0), MOST);
    assert_eq!(gathering(&mut rhythm, 1100, 17), LEAST);
    assert_eq!(gathering(&mut rhythm, 1100, 100), LEAST);
}
