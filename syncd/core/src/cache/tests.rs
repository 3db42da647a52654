//! What an event, a dump and the peer may do to a cache.

use super::external::{self, ExternalCache, Failure};
use super::internal::{Applied, Births, InternalCache};
use crate::flow::{Address, AttrSet, Change, Family, Flow, Protocol, Status, TcpState, Tuple};
use crate::time::Instant;

fn flow(port: u16, id: u32, state: u8) -> Flow {
    let original = Tuple {
        source: Address::from_v4([10, 1, 0, 2]),
        target: Address::from_v4([10, 2, 0, 2]),
        source_port: port,
        target_port: 80,
    };
    let mut flow = Flow::new(Family::V4, Protocol::TCP, original);
    flow.id = id;
    flow.tcp_state = TcpState(state);
    flow.status = Status(Status::CONFIRMED);
    flow.present = AttrSet::REPLY.with(AttrSet::ID).with(AttrSet::TCP_STATE).with(AttrSet::STATUS);
    flow
}

fn internal() -> InternalCache {
    InternalCache::new(100, 42)
}

#[test]
fn a_life_is_new_then_updated_then_ended_until_buried() {
    let mut cache = internal();
    let Applied::Added(slot) = cache.apply(Change::New, &flow(1, 7, 1), 0) else { panic!() };
    assert_eq!(cache.news(slot, Births::All).unwrap().0, Change::New);
    cache.told(slot);
    assert_eq!(cache.apply(Change::Update, &flow(1, 7, 3), 1), Applied::Changed(slot));
    assert_eq!(
        cache.news(slot, Births::All).unwrap().0,
        Change::New,
        "the peer may hold an earlier life, which UPD would keep"
    );
    cache.acknowledged(slot, Births::All);
    assert_eq!(cache.news(slot, Births::All).unwrap().0, Change::Update);
    assert_eq!(cache.apply(Change::Destroy, &flow(1, 7, 3), 2), Applied::Ended(slot));
    assert_eq!(cache.news(slot, Births::All).unwrap().0, Change::Destroy);
    assert_eq!((cache.len(), cache.dead()), (0, 1));
    cache.bury(slot);
    assert_eq!((cache.len(), cache.dead()), (0, 0));
    assert!(cache.get(slot).is_none());
}

#[test]
fn an_end_the_peer_need_not_hear_frees_the_slot_at_once() {
    let mut cache = internal();
    let Applied::Added(slot) = cache.apply(Change::New, &flow(1, 7, 1), 0) else { panic!() };
    assert_eq!(cache.apply(Change::Destroy, &flow(1, 7, 1), 0), Applied::Vanished(slot));
}

#[test]
fn the_late_end_of_an_earlier_life_does_not_end_the_next() {
    let mut cache = internal();
    cache.apply(Change::New, &flow(1, 7, 1), 0);
    cache.apply(Change::New, &flow(1, 8, 1), 0);
    assert_eq!(cache.apply(Change::Destroy, &flow(1, 7, 1), 0), Applied::Late);
    assert_eq!(cache.len(), 1);
}

#[test]
fn two_words_about_one_flow_that_contradict_each_other_are_looked_into() {
    let mut cache = internal();
    let Applied::Added(slot) = cache.apply(Change::New, &flow(1, 8, 1), 0) else { panic!() };
    assert_eq!(cache.take_doubted(), None);
    cache.apply(Change::Destroy, &flow(1, 7, 1), 0);
    cache.apply(Change::Destroy, &flow(1, 6, 1), 0);
    assert!(cache.has_doubted() && !cache.is_unnamed(slot));
    assert_eq!(cache.take_doubted(), Some(slot));
    assert!(cache.is_unnamed(slot), "what is found now is newer than anything heard");
    assert_eq!((cache.take_doubted(), cache.has_doubted()), (None, false));
}

#[test]
fn an_end_told_late_does_not_hide_the_next_life_from_a_dump() {
    let mut cache = internal();
    let Applied::Added(slot) = cache.apply(Change::New, &flow(1, 7, 3), 0) else { panic!() };
    cache.told(slot);
    cache.begin_dump();
    assert_eq!(cache.apply(Change::Destroy, &flow(1, 7, 3), 0), Applied::Ended(slot));
    assert_eq!(cache.apply_dumped(&flow(1, 8, 3), 0), Applied::Added(slot));
    assert_eq!(cache.take_doubted(), Some(slot), "or the picture is the older of the two");
    cache.apply(Change::Destroy, &flow(2, 5, 3), 0);
    assert!(matches!(cache.apply_dumped(&flow(2, 6, 3), 0), Applied::Added(_)), "unknown before its end");
}

#[test]
fn a_flow_that_lives_again_before_its_end_was_told_is_new() {
    let mut cache = internal();
    let Applied::Added(slot) = cache.apply(Change::New, &flow(1, 7, 3), 0) else { panic!() };
    cache.told(slot);
    cache.apply(Change::Destroy, &flow(1, 7, 3), 0);
    assert_eq!(cache.apply(Change::New, &flow(1, 8, 1), 0), Applied::Added(slot));
    assert_eq!(cache.news(slot, Births::All).unwrap().0, Change::New);
    assert_eq!((cache.len(), cache.dead()), (1, 0));
}

#[test]
fn a_dump_does_not_bring_back_what_ended_while_it_was_read() {
    let mut cache = internal();
    cache.begin_dump();
    assert_eq!(cache.apply(Change::Destroy, &flow(1, 7, 3), 0), Applied::Nothing, "unknown so far");
    assert_eq!(cache.apply_dumped(&flow(1, 7, 3), 0), Applied::Nothing, "a picture from before its end");
    let Applied::Added(slot) = cache.apply(Change::New, &flow(2, 8, 1), 0) else { panic!() };
    let Applied::Vanished(_) = cache.apply(Change::Destroy, &flow(2, 8, 1), 0) else { panic!() };
    cache.bury(slot);
    assert_eq!(cache.apply_dumped(&flow(2, 8, 1), 0), Applied::Nothing);
    cache.end_dump();
    assert!(!cache.clear_graves(1), "one is left");
    assert!(cache.clear_graves(1));
    assert_eq!((cache.len(), cache.dead()), (0, 0));
}

#[test]
fn a_dump_does_not_undo_an_event_but_fills_in_what_is_unknown() {
    let mut cache = internal();
    cache.begin_dump();
    let mut partial = flow(1, 7, 4);
    partial.present = partial.present.without(AttrSet::MARK);
    let Applied::Added(slot) = cache.apply(Change::Update, &partial, 0) else { panic!() };
    let mut older = flow(1, 7, 3);
    older.mark = 42;
    older.present = older.present.with(AttrSet::MARK);
    assert_eq!(cache.apply_dumped(&older, 0), Applied::Changed(slot));
    let known = cache.get(slot).unwrap().flow;
    assert_eq!((known.tcp_state, known.mark), (TcpState(4), 42));
}

#[test]
fn a_dump_adds_nothing_to_a_birth() {
    let mut cache = internal();
    cache.begin_dump();
    cache.apply(Change::Destroy, &flow(1, 7, 3), 0);
    let Applied::Added(slot) = cache.apply(Change::New, &flow(1, 7, 1), 0) else { panic!() };
    let mut life_before = flow(1, 7, 3);
    life_before.mark = 42;
    life_before.present = life_before.present.with(AttrSet::MARK);
    assert_eq!(cache.apply_dumped(&life_before, 0), Applied::Nothing);
    let known = cache.get(slot).unwrap().flow;
    assert_eq!((known.tcp_state, known.mark), (TcpState(1), 0));
}

#[test]
fn a_dump_leaves_unnamed_what_it_missed() {
    let mut cache = internal();
    let Applied::Added(gone) = cache.apply(Change::New, &flow(1, 7, 3), 0) else { panic!() };
    let Applied::Added(there) = cache.apply(Change::New, &flow(2, 8, 3), 0) else { panic!() };
    cache.begin_dump();
    cache.apply_dumped(&flow(2, 8, 3), 0);
    cache.end_dump();
    assert_eq!(cache.next_unnamed(0, cache.end()), Some(gone));
    assert!(!cache.is_unnamed(there));
    assert_eq!(cache.sweep(gone), Applied::Vanished(gone));
}

#[test]
fn a_dump_brings_back_a_flow_whose_next_birth_went_unheard() {
    let mut cache = internal();
    let Applied::Added(slot) = cache.apply(Change::New, &flow(1, 7, 3), 0) else { panic!() };
    cache.told(slot);
    assert_eq!(cache.apply(Change::Destroy, &flow(1, 7, 3), 0), Applied::Ended(slot));
    cache.begin_dump();
    assert_eq!(cache.apply_dumped(&flow(1, 8, 3), 0), Applied::Added(slot));
    assert_eq!((cache.len(), cache.dead()), (1, 0));
}

/// Ends of earlier lives may be told late, when we have written the flow and do not know its id yet.
#[test]
fn the_late_end_of_another_life_does_not_hide_what_a_dump_shows() {
    let written = flow(1, 0, 3);
    let written = Flow { present: written.present.without(AttrSet::ID), ..written };
    let lives = |ends: &[u32]| {
        let mut cache = internal();
        cache.begin_dump();
        cache.adopt(&written, 0);
        for id in ends {
            cache.apply(Change::Destroy, &flow(1, *id, 3), 0);
        }
        cache.apply_dumped(&flow(1, 8, 3), 0);
        cache.len()
    };
    assert_eq!([lives(&[7]), lives(&[7, 6]), lives(&[7, 8])], [1, 1, 0]);
}

#[test]
fn a_flow_we_wrote_ourselves_lives() {
    let mut cache = internal();
    cache.begin_dump();
    cache.apply(Change::Destroy, &flow(1, 7, 3), 0);
    let mut written = flow(1, 0, 3);
    written.present = written.present.without(AttrSet::ID);
    assert!(matches!(cache.adopt(&written, 0), Applied::Added(_)));
    cache.end_dump();
    assert!(cache.clear_graves(u32::MAX));
    assert_eq!((cache.len(), cache.dead()), (1, 0));
}

/// The event that would say it may be lost in silence, and a picture be older.
#[test]
fn what_we_wrote_ourselves_is_newer_than_what_was_said_before() {
    let state = |cache: &InternalCache| cache.find(&flow(1, 7, 3).key()).unwrap().flow.tcp_state.0;
    let written = flow(1, 0, 1);
    let written = Flow { present: written.present.without(AttrSet::ID), ..written };
    let mut cache = internal();
    cache.begin_dump();
    cache.apply(Change::Update, &flow(1, 7, 2), 0);
    assert!(matches!(cache.adopt(&written, 0), Applied::Changed(_)));
    assert_eq!(state(&cache), 1);
    assert_eq!(cache.apply_dumped(&flow(1, 7, 2), 0), Applied::Nothing);
    assert_eq!(state(&cache), 1);
    cache.begin_dump();
    cache.apply_dumped(&flow(1, 7, 3), 0);
    assert_eq!(state(&cache), 3, "a dump that began later shows what became of it");
}

#[test]
fn a_full_cache_says_so() {
    let mut cache = InternalCache::new(2, 1);
    cache.apply(Change::New, &flow(1, 1, 1), 0);
    cache.apply(Change::New, &flow(2, 2, 1), 0);
    assert_eq!(cache.apply(Change::New, &flow(3, 3, 1), 0), Applied::Full);
}

/// A list of suspicions does not grow with every life: beyond what the cache may hold, flows are left to their timers.
#[test]
fn suspicions_are_bounded() {
    let suspected = |lives: u32| {
        let mut cache = InternalCache::new(2, 1);
        for id in 1..=lives {
            let Applied::Added(slot) = cache.apply(Change::Update, &flow(1, id, 3), 0) else { panic!() };
            cache.suspect(&flow(1, id, 3));
            assert_eq!(cache.apply(Change::Destroy, &flow(1, id, 3), 0), Applied::Vanished(slot));
        }
        cache.apply(Change::Update, &flow(2, 9, 3), 0);
        cache.suspect(&flow(2, 9, 3));
        cache.condemn_all(0, cache.end(), |_| false)
    };
    assert_eq!([suspected(0), suspected(1), suspected(2), suspected(3)], [1, 1, 0, 0]);
}

#[test]
fn the_peer_creates_by_update_and_replaces_by_new() {
    let mut cache = ExternalCache::new(10, 3);
    let mut marked = flow(1, 0, 3);
    marked.mark = 9;
    marked.present = marked.present.with(AttrSet::MARK);
    assert_eq!(cache.apply(Change::Update, &marked, 0), external::Applied::Added);
    assert_eq!(cache.apply(Change::New, &flow(1, 0, 1), 0), external::Applied::Changed);
    let (_, entry) = cache.iter_from(0).next().unwrap();
    assert!(!entry.flow.has(AttrSet::MARK));
    cache.apply(Change::Update, &marked, 0);
    cache.apply(Change::Update, &flow(1, 0, 4), 0);
    let (_, entry) = cache.iter_from(0).next().unwrap();
    assert_eq!(
        (entry.flow.mark, entry.flow.tcp_state),
        (9, TcpState(4)),
        "an update keeps what it does not say"
    );
    assert_eq!(cache.apply(Change::Destroy, &flow(1, 0, 1), 0), external::Applied::Removed);
    assert_eq!(cache.apply(Change::Destroy, &flow(1, 0, 1), 0), external::Applied::Nothing);
}

#[test]
fn a_sweep_takes_what_was_not_named_since_the_question() {
    let mut cache = ExternalCache::new(10, 3);
    cache.apply(Change::New, &flow(1, 0, 3), 0);
    cache.apply(Change::New, &flow(2, 0, 3), 0);
    cache.begin_resync(Instant::PAST);
    cache.apply(Change::Update, &flow(2, 0, 3), 0);
    assert_eq!(cache.sweep(0, cache.end(), true), 1);
    assert_eq!(cache.iter_from(0).next().unwrap().1.flow.original.source_port, 2);
}

#[test]
fn the_first_word_since_the_question_replaces_what_was_held() {
    let mut cache = ExternalCache::new(10, 3);
    let mut marked = flow(1, 0, 3);
    marked.mark = 9;
    marked.present = marked.present.with(AttrSet::MARK);
    cache.apply(Change::New, &marked, 0);
    cache.begin_resync(Instant::PAST);
    cache.apply(Change::Update, &flow(1, 0, 4), 0);
    let (_, entry) = cache.iter_from(0).next().unwrap();
    assert!(!entry.flow.has(AttrSet::MARK), "a mark of an earlier life");
    cache.apply(Change::Update, &marked, 0);
    cache.apply(Change::Update, &flow(1, 0, 4), 0);
    let (_, entry) = cache.iter_from(0).next().unwrap();
    assert_eq!(entry.flow.mark, 9, "later words add to it");
}

#[test]
fn a_failure_stays_with_its_flow_until_the_peer_tells_of_another_life() {
    let mut cache = ExternalCache::new(10, 3);
    cache.apply(Change::New, &flow(1, 0, 3), 0);
    let slot = cache.iter_from(0).next().unwrap().0;
    let failure = Failure { errno: 17, existing: Some(flow(5, 1, 3)) };
    cache.fail(slot, failure);
    assert_eq!(cache.failure(slot), Some(failure));
    cache.apply(Change::Update, &flow(1, 0, 3), 0);
    assert_eq!(cache.failure(slot), Some(failure), "the peer, which stands by, was asked what it has");
    cache.apply(Change::New, &flow(1, 0, 3), 0);
    assert_eq!(cache.failure(slot), None);
}

#[test]
fn a_table_finds_what_it_holds_through_many_births_and_ends() {
    let mut cache = InternalCache::new(20_000, 7);
    for port in 0..20_000 {
        assert!(matches!(cache.apply(Change::New, &flow(port, u32::from(port), 1), 0), Applied::Added(_)));
    }
    for port in (0..20_000).step_by(2) {
        let Applied::Vanished(slot) = cache.apply(Change::Destroy, &flow(port, u32::from(port), 1), 0) else {
            panic!("flow {port} was not found");
        };
        cache.bury(slot);
    }
    assert_eq!(cache.len(), 10_000);
    for port in 0..20_000 {
        let applied = cache.apply(Change::Update, &flow(port, u32::from(port), 3), 0);
        assert_eq!(matches!(applied, Applied::Added(_)), port % 2 == 0, "flow {port}");
    }
}
