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

/// Counts again and again, and compares a dump whenever something was found. `known` follows the kernel in that dump
/// up to `hidden` entries that no dump shows. Says what was found.
fn watch(
    audit: &mut Audit,
    mut now: Instant,
    counts: &[u32],
    known: &mut u32,
    hidden: u32,
) -> (Instant, Vec<i64>) {
    let mut found = Vec::new();
    for kernel in counts {
        let (next, said) = look(audit, now, *kernel, Some(*known));
        now = next;
        if let Some(difference) = said {
            found.push(difference);
            *known = kernel - hidden;
            audit.reloaded(now);
            now = audit.due().expect("at once");
        }
    }
    (now, found)
}

#[test]
fn what_a_resync_does_not_remove_is_accepted() {
    let (mut audit, mut known) = (Audit::new(at(0)), 100);
    let (now, found) = watch(&mut audit, at(0), &[110; 12], &mut known, 10);
    assert_eq!(found, [10], "one resync, not one every few seconds");
    let (_, found) = watch(&mut audit, now, &[113; 12], &mut known, 10);
    assert_eq!(found, [3], "but a further loss is one");
}

#[test]
fn a_filtered_flow_counted_twice_does_not_hide_a_loss() {
    let (mut audit, mut known) = (Audit::new(at(0)), 100);
    audit.begin_dump();
    // Its birth was heard, and the dump has listed it as well.
    audit.filtered(Change::New);
    audit.filtered(Change::New);
    audit.reloaded(at(0));
    let (now, found) = watch(&mut audit, at(0), &[101; 8], &mut known, 1);
    assert_eq!(found, [-1], "one dump more, and that is accepted");
    let (_, found) = watch(&mut audit, now, &[102; 6], &mut known, 1);
    assert_eq!(found, [1]);
}

#[test]
fn a_flow_that_ended_unheard_while_the_dump_was_read_is_noticed() {
    let (mut audit, mut known) = (Audit::new(at(0)), 100);
    audit.begin_dump();
    audit.reloaded(at(0));
    let (_, found) = watch(&mut audit, at(0), &[99; 12], &mut known, 0);
    assert_eq!((found.as_slice(), known), (&[-1][..], 99));
}

#[test]
fn the_end_of_a_filtered_flow_that_no_dump_has_listed_does_not_hide_a_loss() {
    let (mut audit, mut known) = (Audit::new(at(0)), 100);
    audit.begin_dump();
    audit.filtered(Change::Destroy);
    audit.reloaded(at(0));
    let (_, found) = watch(&mut audit, at(0), &[99; 12], &mut known, 0);
    assert_eq!((found.as_slice(), known), (&[-1][..], 99));
}

#[test]
fn ends_that_go_unheard_one_after_the_other_are_all_noticed() {
    let (mut audit, mut known) = (Audit::new(at(0)), 100);
    let counts: Vec<u32> = (0..5).flat_map(|ended| [97 - 3 * ended; 4]).collect();
    let (_, found) = watch(&mut audit, at(0), &counts, &mut known, 0);
    assert_eq!(found, [-3; 5]);
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
