//! When a count that does not fit is a loss, and when it is not.

extern crate std;

use std::vec::Vec;

use super::*;

fn at(seconds: u64) -> Instant {
    Instant::from_nanos(seconds * 1_000_000_000)
}

/// Counts once at `now`. Says when the next count is due, and what was found.
fn look(audit: &mut Audit, now: Instant, kernel: u32, known: Option<u32>) -> (Instant, Option<i64>) {
    let mut tokens = Tokens::default();
    assert!(audit.poll(now, &mut tokens).is_some(), "a count is due");
    assert!(audit.poll(now, &mut tokens).is_none(), "one at a time");
    let found = audit.counted(now, kernel, known);
    (audit.due().expect("the next one"), found)
}

#[test]
fn a_difference_that_stays_is_a_loss() {
    let mut audit = Audit::new(at(0));
    let (due, found) = look(&mut audit, at(0), 100, Some(100));
    assert_eq!((due, found), (at(0) + EVERY, None));
    let (due, found) = look(&mut audit, due, 107, Some(100));
    assert_eq!(found, None, "it may be on its way");
    let (due, found) = look(&mut audit, due, 107, Some(100));
    assert_eq!(found, None);
    assert_eq!(look(&mut audit, due, 107, Some(100)).1, Some(7));
}

#[test]
fn a_difference_that_goes_is_none() {
    let mut audit = Audit::new(at(0));
    let mut due = at(0);
    for known in [90, 110, 90, 110, 100, 90] {
        let found;
        (due, found) = look(&mut audit, due, 100, Some(known));
        assert_eq!(found, None);
    }
}

#[test]
fn what_may_be_on_its_way_is_no_difference() {
    let mut audit = Audit::new(at(0));
    look(&mut audit, at(0), 0, Some(0));
    let mut due = at(5);
    for _ in 0..LOOKS + 2 {
        for _ in 0..1000 {
            audit.event();
        }
        let found;
        (due, found) = look(&mut audit, due, 1040, Some(1000));
        assert_eq!(found, None);
    }
}

#[test]
fn what_the_filter_keeps_out_is_known_too() {
    let mut audit = Audit::new(at(0));
    audit.filtered(Change::New);
    audit.filtered(Change::New);
    audit.filtered(Change::Update);
    audit.filtered(Change::Destroy);
    let mut due = at(0);
    for _ in 0..LOOKS {
        let found;
        (due, found) = look(&mut audit, due, 101, Some(100));
        assert_eq!(found, None);
    }
}

#[test]
fn what_a_resync_does_not_remove_is_accepted() {
    let mut audit = Audit::new(at(0));
    let mut due = at(0);
    let mut found = Vec::new();
    for _ in 0..3 * LOOKS {
        let (next, said) = look(&mut audit, due, 110, Some(100));
        due = next;
        found.extend(said);
    }
    assert_eq!(found, [10], "one resync, not one every few seconds");
    for _ in 0..LOOKS {
        let (next, said) = look(&mut audit, due, 113, Some(100));
        due = next;
        found.extend(said);
    }
    assert_eq!(found, [10, 3], "but a further loss is one");
}

#[test]
fn nothing_is_judged_while_we_know_that_we_do_not_know() {
    let mut audit = Audit::new(at(0));
    let mut due = at(0);
    for _ in 0..2 * LOOKS {
        let found;
        (due, found) = look(&mut audit, due, 110, None);
        assert_eq!(found, None);
    }
    assert_eq!(audit.kernel(), Some(110));
}
