//! A slab of flows with an index by key. The index stores slots and hashes, never tuples: each tuple exists once.
//!
//! Memory is bounded by the limit given at the start. Tuples come from strangers, so the hash is keyed.
//! The index is cut into shards: when one grows, it moves a few thousand pairs, not a million.
//! What few flows have is in a tree by slot: it costs the plain ones a look at one bit, and it never grows in a leap.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::hash::BuildHasher;

use foldhash::quality::FixedState;
use hashbrown::HashTable;

use crate::flow::{AttrSet, ExtraSet, Extras, Family, Flow, FlowRef, Key, Protocol, Tuple};
use crate::paged::Paged;

/// Place of a flow in its table; stays until the flow is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot(pub u32);

const SHARDS: usize = 256;

/// One flow with what its cache knows about it.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The flow. What few have is said by its cache's `flow`.
    pub flow: Flow,
    /// Generation of the cache in which it was last said.
    pub stamp: u32,
    /// Second (of the replica's clock) in which it was added.
    pub created: u32,
    /// Second in which it was last said.
    pub changed: u32,
    /// What events have said of it in the generation of its stamp (internal cache only).
    pub(super) said: AttrSet,
    /// Meaning is the owning cache's; bit 15 is the table's.
    pub(super) marks: u16,
}

const OCCUPIED: u16 = 1 << 15;

impl Default for Entry {
    fn default() -> Self {
        let flow = Flow::new(Family::V4, Protocol(0), Tuple::default());
        Self { flow, stamp: 0, created: 0, changed: 0, said: AttrSet::EMPTY, marks: 0 }
    }
}

impl Entry {
    pub(super) const fn is(&self, mark: u16) -> bool {
        self.marks & mark != 0
    }
}

/// What few flows have.
#[derive(Clone, Copy, Debug, Default)]
struct Rare {
    extras: Extras,
    /// As [`Entry::said`].
    said: ExtraSet,
}

/// The table.
#[derive(Debug)]
pub(super) struct Table {
    entries: Paged<Entry>,
    /// One for each occupied slot whose flow has [`AttrSet::EXTRAS`].
    rare: BTreeMap<u32, Rare>,
    vacant: Vec<u32>,
    fresh: u32,
    len: u32,
    limit: u32,
    shards: Box<[HashTable<(u32, u32)>]>,
    hasher: FixedState,
}

impl Table {
    /// An empty table for at most `limit` flows; `seed` keys the hash.
    pub(super) fn new(limit: u32, seed: u64) -> Self {
        Self {
            entries: Paged::new(),
            rare: BTreeMap::new(),
            vacant: Vec::new(),
            fresh: 0,
            len: 0,
            limit,
            shards: (0..SHARDS).map(|_| HashTable::new()).collect(),
            hasher: FixedState::with_seed(seed),
        }
    }

    /// Flows in the table.
    pub(super) const fn len(&self) -> u32 {
        self.len
    }

    /// The most it may hold.
    pub(super) const fn limit(&self) -> u32 {
        self.limit
    }

    /// May hold so many from now on; what is there stays.
    pub(super) const fn set_limit(&mut self, limit: u32) {
        self.limit = limit;
    }

    /// One past the highest slot ever used.
    pub(super) const fn end(&self) -> u32 {
        self.fresh
    }

    /// The slot of `key`.
    pub(super) fn find(&self, key: &Key) -> Option<Slot> {
        let hash = self.hasher.hash_one(key);
        let entries = &self.entries;
        self.shards[shard(hash)]
            .find(spread(hash), |(short, slot)| {
                *short == low(hash) && entries[*slot as usize].flow.key() == *key
            })
            .map(|(_, slot)| Slot(*slot))
    }

    /// Adds a flow whose key is not there. `None` when the table is full.
    pub(super) fn insert(&mut self, whole: FlowRef<'_>, stamp: u32, second: u32, marks: u16) -> Option<Slot> {
        if self.len >= self.limit {
            return None;
        }
        let slot = self.vacant.pop().unwrap_or_else(|| {
            let slot = self.fresh;
            self.entries.reach(slot as usize);
            self.fresh += 1;
            slot
        });
        let (flow, said) = (*whole.flow, whole.present);
        self.entries[slot as usize] =
            Entry { flow, stamp, created: second, changed: second, said, marks: marks | OCCUPIED };
        self.set_extras(slot, whole.extras);
        let hash = self.hasher.hash_one(flow.key());
        self.shards[shard(hash)]
            .insert_unique(spread(hash), (low(hash), slot), |(short, _)| spread(u64::from(*short)));
        self.len += 1;
        Some(Slot(slot))
    }

    /// Removes the flow in `slot`.
    pub(super) fn remove(&mut self, slot: Slot) {
        let entry = &mut self.entries[slot.0 as usize];
        assert!(entry.is(OCCUPIED), "a vacant slot was removed");
        entry.marks = 0;
        if entry.flow.has(AttrSet::EXTRAS) {
            self.rare.remove(&slot.0);
        }
        let hash = self.hasher.hash_one(entry.flow.key());
        let found = self.shards[shard(hash)].find_entry(spread(hash), |(_, other)| *other == slot.0);
        found.expect("each occupied slot is in the index").remove();
        self.vacant.push(slot.0);
        self.len -= 1;
    }

    /// The entry in `slot`, if there is one.
    pub(super) fn get(&self, slot: Slot) -> Option<&Entry> {
        let entry = (slot.0 < self.fresh).then(|| &self.entries[slot.0 as usize])?;
        entry.is(OCCUPIED).then_some(entry)
    }

    /// The flow in `slot` with what few have.
    pub(super) fn flow(&self, slot: Slot) -> Option<FlowRef<'_>> {
        let flow = &self.get(slot)?.flow;
        let extras = if flow.has(AttrSet::EXTRAS) { self.extras(slot) } else { None };
        Some(FlowRef { flow, extras })
    }

    /// Puts another life of the same flow into `slot`.
    pub(super) fn replace(&mut self, slot: Slot, whole: FlowRef<'_>) {
        self.entries[slot.0 as usize].flow = *whole.flow;
        self.rare.remove(&slot.0);
        self.set_extras(slot.0, whole.extras);
    }

    /// The flow in `slot` takes over what `newer` says.
    pub(super) fn merge(&mut self, slot: Slot, newer: FlowRef<'_>) {
        let flow = &mut self.entries[slot.0 as usize].flow;
        let had_extras = flow.has(AttrSet::EXTRAS);
        flow.merge(newer.flow);
        if had_extras || newer.extras.is_some() {
            self.merge_extras(slot, newer);
        } else {
            flow.present = flow.present.without(AttrSet::EXTRAS);
        }
    }

    /// What events have said of the extras in `slot` in the generation of its stamp.
    pub(super) fn said_of_extras(&self, slot: Slot) -> ExtraSet {
        self.rare.get(&slot.0).map_or(ExtraSet::EMPTY, |rare| rare.said)
    }

    /// Stamps the flow in `slot`, of which events have said so much.
    pub(super) fn stamp(&mut self, slot: Slot, generation: u32, (said, of_extras): (AttrSet, ExtraSet)) {
        let entry = &mut self.entries[slot.0 as usize];
        (entry.stamp, entry.said) = (generation, said);
        if entry.flow.has(AttrSet::EXTRAS)
            && let Some(rare) = self.rare.get_mut(&slot.0)
        {
            rare.said = of_extras;
        }
    }

    fn extras(&self, slot: Slot) -> Option<&Extras> {
        self.rare.get(&slot.0).map(|rare| &rare.extras)
    }

    /// The extras of a flow that was just put into `slot`.
    fn set_extras(&mut self, slot: u32, extras: Option<&Extras>) {
        let flow = &mut self.entries[slot as usize].flow;
        let plain = flow.present.without(AttrSet::EXTRAS);
        flow.present = if extras.is_some() { plain.with(AttrSet::EXTRAS) } else { plain };
        if let Some(extras) = extras {
            self.rare.insert(slot, Rare { extras: *extras, said: extras.present });
        }
    }

    /// A synproxy block of zeros and one that is not take each other's place.
    fn merge_extras(&mut self, slot: Slot, newer: FlowRef<'_>) {
        let flow = &mut self.entries[slot.0 as usize].flow;
        let rare = self.rare.entry(slot.0).or_default();
        if newer.has(AttrSet::SYNPROXY_ZERO) {
            rare.extras = rare.extras.without(ExtraSet::SYNPROXY);
        }
        if let Some(extras) = newer.extras {
            rare.extras.merge(extras);
        }
        if rare.extras.has(ExtraSet::SYNPROXY) {
            flow.present = flow.present.without(AttrSet::SYNPROXY_ZERO);
        }
        if rare.extras.is_empty() {
            self.rare.remove(&slot.0);
            flow.present = flow.present.without(AttrSet::EXTRAS);
        } else {
            flow.present = flow.present.with(AttrSet::EXTRAS);
        }
    }

    /// The entry in `slot`, to change everything but the flow.
    pub(super) fn get_mut(&mut self, slot: Slot) -> Option<&mut Entry> {
        let entry = (slot.0 < self.fresh).then(|| &mut self.entries[slot.0 as usize])?;
        entry.is(OCCUPIED).then_some(entry)
    }

    /// The occupied slots from `from` on, in order.
    pub(super) fn iter_from(&self, from: u32) -> impl Iterator<Item = (Slot, &Entry)> {
        (from..self.fresh).map(Slot).filter_map(|slot| Some((slot, self.get(slot)?)))
    }
}

/// The stored half of a hash; its shard is in the other half.
#[expect(clippy::cast_possible_truncation, reason = "the low half is what is wanted")]
const fn low(hash: u64) -> u32 {
    hash as u32
}

const fn shard(hash: u64) -> usize {
    (hash >> 56) as usize % SHARDS
}

/// A hash for one shard, computable again from the stored half: `hashbrown` wants entropy at both ends.
const fn spread(hash: u64) -> u64 {
    (low(hash) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
