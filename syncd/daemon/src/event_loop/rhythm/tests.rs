//! Rare events never wait; a burst is noticed within its own window and forgotten after the next.

use super::*;

fn at(micros: u64) -> Instant {
    Instant::from_nanos(micros * 1000)
}

#[test]
fn rare_events_are_not_fast() {
    let mut rhythm = Rhythm::new(at(0));
    assert!((1..1000).all(|i| !rhythm.is_fast(at(i * 100), 1)));
}

#[test]
fn a_burst_is_fast_at_once_and_for_one_window_more() {
    let mut rhythm = Rhythm::new(at(0));
    assert!(rhythm.is_fast(at(100), 33));
    assert!(rhythm.is_fast(at(1100), 0));
    assert!(!rhythm.is_fast(at(2200), 0));
}

#[test]
fn a_burst_of_long_ago_is_forgotten() {
    let mut rhythm = Rhythm::new(at(0));
    assert!(rhythm.is_fast(at(100), 33));
    assert!(!rhythm.is_fast(at(500_000), 1));
}
