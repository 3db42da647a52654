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
fn what_follows_a_burst_soon_is_the_next_one_and_nothing_is_none() {
    let mut rhythm = Rhythm::new(at(0));
    assert!(rhythm.count(at(100), 33));
    assert!(!rhythm.count(at(3000), 0));
    assert!(rhythm.count(at(3100), 1));
    // Alone it is no burst that another one could follow.
    assert!(!rhythm.count(at(4200), 1));
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
    assert_eq!(first(900, 17), MOST_IN_BURST);
    assert_eq!(first(900, 100), Duration::from_micros(144));
    assert_eq!(first(900, 100_000), LEAST);
}

/// As many each 0.2 ms for 2.2 ms, and `last` 0.2 ms later.
fn after_eleven(each: usize, last: usize) -> (Rhythm, Instant) {
    let mut rhythm = Rhythm::new(at(0));
    for i in 1..=11 {
        rhythm.count(at(i * 200), each);
    }
    rhythm.count(at(2400), last);
    (rhythm, at(2400))
}

#[test]
fn what_comes_steadily_fills_several_datagrams_at_once() {
    let gathering = |each| {
        let (rhythm, now) = after_eleven(each, each);
        rhythm.gathering(now, 16, 16)
    };
    // 30, 50, 150 in a millisecond; in 0.75 ms one, two, seven are full.
    assert_eq!(gathering(6), MOST);
    assert_eq!(gathering(10), Duration::from_micros(640));
    assert_eq!(gathering(30), Duration::from_nanos(746_662));
    // And no more events than are enough.
    assert_eq!(gathering(200), Duration::from_micros(256));
}

#[test]
fn a_pause_makes_a_burst_of_it() {
    let (rhythm, now) = after_eleven(30, 0);
    assert_eq!(rhythm.gathering(now, 16, 16), Duration::from_nanos(106_666));
    assert_eq!(rhythm.budget(now), BUDGET_IN_BURST);
    // Until it has been steady again for as long.
    assert_eq!(rhythm.budget(now + STEADY), BUDGET);
}

#[test]
fn that_few_come_for_a_moment_is_no_pause() {
    // 15 in a millisecond: within 0.2 ms three would have been due, within 0.4 six.
    let (mut rhythm, now) = after_eleven(3, 0);
    assert_eq!(rhythm.budget(now), BUDGET);
    rhythm.count(now + Duration::from_micros(200), 0);
    assert_eq!(rhythm.budget(now), BUDGET_IN_BURST);
}

#[test]
fn nothing_for_long_is_a_pause_however_few_were_due() {
    let mut rhythm = Rhythm::new(at(0));
    rhythm.count(at(2000), 1);
    assert_eq!(rhythm.budget(at(2000)), BUDGET);
    rhythm.count(at(2600), 0);
    assert_eq!(rhythm.budget(at(2600)), BUDGET_IN_BURST);
}

#[test]
fn a_window_that_lasted_longer_counts_for_as_much_less() {
    let mut rhythm = Rhythm::new(at(0));
    assert!(rhythm.count(at(1600), 64));
    assert_eq!(rhythm.gathering(at(1600), 8, 16), Duration::from_micros(200));
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
    assert_eq!(gathering(&mut rhythm, 900, 3), MOST_IN_BURST);
    // The rate of the last window, while the present one has said nothing yet.
    assert_eq!(gathering(&mut rhythm, 1000, 0), MOST_IN_BURST);
    assert_eq!(gathering(&mut rhythm, 1100, 17), LEAST);
    assert_eq!(gathering(&mut rhythm, 1100, 100), LEAST);
}
