//! Every pattern of fates for the first datagrams of a small world: see `syncd_sim::exhaustive`. `cargo ci sim`
//! enumerates two datagrams more.

use syncd_sim::exhaustive::ours::{Alone, Ours};
use syncd_sim::exhaustive::theirs::{Original, Repaired};
use syncd_sim::exhaustive::{Enumerated, Fate, Start, enumerate};

/// As many datagrams meet their fate, of four: 16,384 patterns.
const DATAGRAMS: u32 = 7;

fn held(patterns: u32) -> Enumerated {
    Enumerated { patterns, failed: 0, first: None }
}

#[test]
fn an_open_session_converges_whatever_is_lost_late_or_doubled() {
    assert_eq!(enumerate::<Ours>(Start::Open, &Fate::ALL, DATAGRAMS), held(4_u32.pow(DATAGRAMS)));
}

#[test]
fn a_session_that_begins_with_hello_converges_whatever_is_lost_late_or_doubled() {
    assert_eq!(enumerate::<Ours>(Start::Hello, &Fate::ALL, DATAGRAMS), held(4_u32.pow(DATAGRAMS)));
}

/// Without a resync to repair it all: flows wait until our hello is answered, and a hello takes back what was not
/// acknowledged. In nine patterns of 1,024 the first number that a fresh peer hears comes behind what was lost, which no
/// gap shows: that is sent again when it is overdue. Without the two rules there are hundreds.
#[test]
fn a_session_that_begins_with_hello_needs_nothing_else_if_nothing_comes_late() {
    let fates = [Fate::Deliver, Fate::Drop];
    let found = enumerate::<Alone>(Start::Hello, &fates, 10);
    assert!(found.failed == 0, "{found:?}");
    assert_eq!(enumerate::<Alone>(Start::Open, &fates, 10), held(1024));
}

/// Whoever judges must find what is known to be wrong: conntrackd sends flows while its hello is unanswered, and each
/// hello empties the peer's resend queue. With syncd's rule in the place of that one everything converges.
#[test]
fn the_enumeration_finds_the_hole_in_the_original_hello_and_only_there() {
    let fates = [Fate::Deliver, Fate::Drop];
    let found = enumerate::<Original>(Start::Hello, &fates, 10);
    assert!(found.failed > found.patterns / 4, "{found:?}");
    assert_eq!(enumerate::<Original>(Start::Open, &fates, 10), held(1024));
    assert_eq!(enumerate::<Repaired>(Start::Hello, &fates, 10), held(1024));
    assert_eq!(enumerate::<Repaired>(Start::Open, &fates, 10), held(1024));
}
