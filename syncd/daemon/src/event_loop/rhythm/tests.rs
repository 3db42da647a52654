//! Rare events never wait; a burst is noticed within its own window and forgotten after the next; the more, the shorter.

use super::*;

fn at(micros: u64) -> Instant {
    Instant::from_nanos(micros * 1000)
}

#[test]
fn rare_events_are_not_gathered() {
    let mut rhythm = Rhythm::new(at(0));
    assert!((1..1000).all(|i| rhythm.gathering(at(i * 100), 1).is_none()));
}

#[test]
fn a_burst_is_gathered_at_once_and_for_one_window_more() {
    let mut rhythm = Rhythm::new(at(0));
    assert!(rhythm.gathering(at(100), 33).is_some());
    assert!(rhythm.gathering(at(1100), 0).is_some());
    assert!(rhythm.gathering(at(2200), 0).is_none());
}

#[test]
fn a_burst_of_long_ago_is_forgotten() {
    let mut rhythm = Rhythm::new(at(0));
    assert!(rhythm.gathering(at(100), 33).is_some());
    assert!(rhythm.gathering(at(500_000), 1).is_none());
}

#[test]
fn the_faster_they_come_the_shorter_they_are_gathered() {
    let gathering = |micros, events| Rhythm::new(at(0)).gathering(at(micros), events);
    assert_eq!(gathering(900, 17), Some(MOST));
    assert_eq!(gathering(900, 64), Some(Duration::from_micros(225)));
    assert_eq!(gathering(900, 100_000), Some(LEAST));
}

#[test]
fn a_burst_that_has_just_begun_counts_by_its_own_rate() {
    let mut rhythm = Rhythm::new(at(0));
    assert_eq!(rhythm.gathering(at(50), 17), Some(LEAST));
    assert_eq!(rhythm.gathering(at(990), 3), Some(MOST));
    // The rate of the last window, while the present one has said nothing yet.
    assert_eq!(rhythm.gathering(at(1000), 0), Some(MOST));
    assert_eq!(rhythm.gathering(at(1100), 17), Some(LEAST));
}
