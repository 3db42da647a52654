//! What an event, a dump and the peer may do to a cache of expectations.

extern crate std;

use std::vec::Vec;

use super::*;
use crate::flow::{Address, Change, Expectation, Family, Parent, Protocol, Tuple};

/// The expectation of a port, announced by the flow from another port.
fn expectation(parent: u16, port: u16) -> Expectation {
    let host = |last| Address::from_v4([10, 0, 0, last]);
    let tuple =
        |source_port, target_port| Tuple { source: host(1), target: host(2), source_port, target_port };
    let parent = Parent { original: tuple(parent, 21), family: Family::V4, protocol: Protocol::TCP };
    let everything = Address::from_v4([255; 4]);
    let mask = Tuple { source: everything, target: everything, source_port: 0, target_port: u16::MAX };
    Expectation::new(parent, Protocol::TCP, tuple(0, port), mask)
}

fn internal() -> InternalExpectations {
    InternalExpectations::new(4)
}

fn added(heard: Heard) -> ExpectSlot {
    let Heard::Added(slot) = heard else { panic!("{heard:?}") };
    slot
}

#[test]
fn a_life_is_told_and_its_end_until_it_is_buried() {
    let mut cache = internal();
    let slot = added(cache.apply(Change::New, &expectation(1, 5), Some(0), 0));
    assert_eq!(cache.news(slot).map(|(change, _)| change), Some(Change::New));
    cache.told(slot);
    assert_eq!(cache.apply(Change::Destroy, &expectation(1, 5), Some(0), 1), Heard::Ended(slot));
    assert_eq!(cache.news(slot).map(|(change, _)| change), Some(Change::Destroy));
    assert_eq!((cache.len(), cache.dead()), (0, 1));
    cache.bury(slot);
    assert!(cache.get(slot).is_none());
}

#[test]
fn an_end_the_peer_need_not_hear_frees_the_slot_at_once() {
    let mut cache = internal();
    let slot = added(cache.apply(Change::New, &expectation(1, 5), Some(0), 0));
    assert_eq!(cache.apply(Change::Destroy, &expectation(1, 5), Some(0), 0), Heard::Vanished(slot));
}

#[test]
fn one_that_comes_again_before_its_end_was_told_is_new() {
    let mut cache = internal();
    let slot = added(cache.apply(Change::New, &expectation(1, 5), Some(0), 0));
    cache.told(slot);
    cache.apply(Change::Destroy, &expectation(1, 5), Some(0), 0);
    assert_eq!(cache.apply(Change::New, &expectation(1, 5), Some(0), 0), Heard::Added(slot));
    assert_eq!((cache.len(), cache.dead()), (1, 0));
}

#[test]
fn one_whose_parent_is_not_known_waits_for_it() {
    let mut cache = internal();
    assert_eq!(cache.apply(Change::New, &expectation(1, 5), None, 0), Heard::Nothing);
    assert_eq!(cache.apply(Change::New, &expectation(2, 5), None, 0), Heard::Nothing);
    assert_eq!((cache.len(), cache.iter_from(0).count(), cache.has_hidden()), (0, 0, true));
    let mut shown = Vec::new();
    cache.reveal(&expectation(1, 5).parent, 7, |slot| shown.push(slot));
    assert_eq!(shown.len(), 1);
    let shown = cache.get(shown[0]).map(|entry| entry.expectation);
    assert_eq!(shown, Some(Expectation { zone: 7, ..expectation(1, 5) }), "in the zone of its parent");
    cache.reveal(&expectation(1, 5).parent, 7, |_| panic!("once is enough"));
    assert_eq!((cache.len(), cache.has_hidden()), (1, true));
    let Heard::Vanished(slot) = cache.apply(Change::Destroy, &expectation(2, 5), None, 0) else {
        panic!("nobody was told of it")
    };
    cache.bury(slot);
    assert!(!cache.has_hidden());
}

#[test]
fn a_dump_does_not_bring_back_what_ended_while_it_was_read() {
    let mut cache = internal();
    cache.begin_dump();
    assert_eq!(
        cache.apply(Change::Destroy, &expectation(1, 5), Some(0), 0),
        Heard::Nothing,
        "unknown so far"
    );
    assert_eq!(
        cache.apply_dumped(&expectation(1, 5), Some(0), 0),
        Heard::Nothing,
        "a picture from before its end"
    );
    cache.end_dump();
    assert_eq!((cache.len(), cache.dead(), cache.end()), (0, 0, 1));
    assert_eq!(cache.apply_dumped(&expectation(1, 5), Some(0), 0), Heard::Added(ExpectSlot(0)));
}

#[test]
fn a_dump_leaves_unnamed_what_it_missed() {
    let mut cache = internal();
    let gone = added(cache.apply(Change::New, &expectation(1, 5), Some(0), 0));
    let there = added(cache.apply(Change::New, &expectation(1, 6), Some(0), 0));
    cache.told(gone);
    cache.begin_dump();
    assert_eq!(cache.apply_dumped(&expectation(1, 6), Some(0), 0), Heard::Nothing, "known already");
    let born = added(cache.apply(Change::New, &expectation(1, 7), Some(0), 0));
    cache.end_dump();
    assert_eq!(cache.next_unnamed(0), Some(gone));
    assert!(!cache.is_unnamed(there) && !cache.is_unnamed(born));
    assert_eq!(cache.sweep(gone), Heard::Ended(gone));
    assert_eq!(cache.next_unnamed(0), None);
}

#[test]
fn a_dump_tells_what_has_become_of_one() {
    let mut cache = internal();
    let slot = added(cache.apply(Change::New, &expectation(1, 5), Some(0), 0));
    cache.begin_dump();
    let mut other = expectation(1, 5);
    other.class = Some(2);
    assert_eq!(cache.apply_dumped(&other, Some(0), 3), Heard::Added(slot));
    assert_eq!(cache.get(slot).map(|entry| entry.expectation), Some(other));
}

#[test]
fn a_full_cache_says_so() {
    let mut cache = internal();
    for port in 1..=4 {
        added(cache.apply(Change::New, &expectation(1, port), Some(0), 0));
    }
    assert_eq!(cache.apply(Change::New, &expectation(1, 5), Some(0), 0), Heard::Full);
    let mut cache = ExternalExpectations::new(1);
    assert_eq!(cache.apply(Change::New, &expectation(1, 1), 0), Received::Added);
    assert_eq!(cache.apply(Change::New, &expectation(1, 2), 0), Received::Full);
}

#[test]
fn the_peer_creates_replaces_and_removes() {
    let mut cache = ExternalExpectations::new(4);
    assert_eq!(cache.apply(Change::Update, &expectation(1, 5), 1), Received::Added);
    let slot = cache.iter_from(0).next().expect("one").0;
    cache.fail(slot, 95);
    assert_eq!(cache.failure(slot), Some(95));
    assert_eq!(cache.apply(Change::New, &expectation(1, 5), 2), Received::Changed);
    let entry = cache.get(slot).expect("still there");
    assert_eq!((entry.created, entry.changed, cache.failure(slot)), (1, 2, None));
    assert_eq!(cache.apply(Change::Destroy, &expectation(1, 5), 3), Received::Removed);
    assert_eq!(cache.apply(Change::Destroy, &expectation(1, 5), 3), Received::Nothing);
}

#[test]
fn a_sweep_takes_what_was_not_named_since_the_question() {
    let mut cache = ExternalExpectations::new(4);
    cache.apply(Change::New, &expectation(1, 5), 0);
    cache.apply(Change::New, &expectation(1, 6), 0);
    cache.begin_resync();
    cache.apply(Change::New, &expectation(1, 6), 0);
    assert_eq!((cache.sweep(), cache.len()), (1, 1));
    let slot = cache.iter_from(0).next().expect("one").0;
    cache.begin_resync();
    cache.fail(slot, 2);
    assert_eq!((cache.sweep(), cache.len()), (0, 1), "what could not be written is ours");
    cache.forgive();
    assert_eq!((cache.failure(slot), cache.sweep()), (None, 1));
}
