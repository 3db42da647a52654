//! Numbers wrap; of two, the one less than half the space ahead is newer.

use crate::wire::seq::{Seq, SeqRange};

const LAST: Seq = Seq(u32::MAX);

#[test]
fn the_number_after_the_last_is_zero() {
    assert_eq!(LAST.next(), Seq(0));
    assert_eq!(Seq(0).previous(), LAST);
    assert!(Seq(0).newer_than(LAST));
    assert!(!LAST.newer_than(Seq(0)));
    assert_eq!(Seq(4).distance_from(LAST), 5);
}

#[test]
fn nothing_is_newer_than_itself() {
    for seq in [Seq(0), Seq(7), LAST] {
        assert!(!seq.newer_than(seq));
        assert_eq!(seq.distance_from(seq), 0);
    }
}

#[test]
fn half_the_space_apart_neither_is_newer() {
    let (near, far) = (Seq(5), Seq(5 + (1 << 31)));
    assert!(!near.newer_than(far) && !far.newer_than(near));
    assert!(far.previous().newer_than(near));
    assert!(near.newer_than(far.next()));
}

#[test]
fn a_range_has_both_its_ends() {
    let range = SeqRange::new(LAST.previous(), Seq(1)).expect("an ordered range");
    assert_eq!(range.len(), 4);
    for inside in [LAST.previous(), LAST, Seq(0), Seq(1)] {
        assert!(range.contains(inside), "{inside}");
    }
    for outside in [Seq(u32::MAX - 2), Seq(2), Seq(1 << 31)] {
        assert!(!range.contains(outside), "{outside}");
    }
}

#[test]
fn a_range_never_ends_before_it_begins() {
    assert_eq!(SeqRange::new(Seq(10), Seq(9)), None);
    assert_eq!(SeqRange::new(Seq(0), LAST), None);
    assert_eq!(SeqRange::new(Seq(9), Seq(9)), Some(SeqRange::one(Seq(9))));
    assert_eq!(SeqRange::one(Seq(9)).len(), 1);
}
