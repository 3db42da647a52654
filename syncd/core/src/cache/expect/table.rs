//! A slab of expectations with an ordered index by key, so that those of one parent stand together.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::Bound;

use crate::flow::{ExpectKey, Expectation, Parent, Protocol, Tuple};

/// Place of an expectation in its table; stays until it is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExpectSlot(pub u32);

/// One expectation with what its cache knows about it.
#[derive(Clone, Copy, Debug)]
pub struct ExpectEntry {
    /// The expectation.
    pub expectation: Expectation,
    /// Second (of the replica's clock) in which it was added.
    pub created: u32,
    /// Second in which it was last said.
    pub changed: u32,
    /// The how manieth word of the peer said it last: what was said later is greater.
    pub(super) word: u64,
    /// Generation of the cache in which it was last said.
    pub(super) stamp: u32,
    /// Meaning is the owning cache's.
    pub(super) marks: u16,
}

impl ExpectEntry {
    pub(super) const fn is(&self, mark: u16) -> bool {
        self.marks & mark != 0
    }
}

/// The table.
#[derive(Debug)]
pub(super) struct ExpectTable {
    entries: Vec<Option<ExpectEntry>>,
    vacant: Vec<u32>,
    index: BTreeMap<ExpectKey, u32>,
    limit: u32,
}

impl ExpectTable {
    /// An empty table for at most `limit` expectations.
    pub(super) const fn new(limit: u32) -> Self {
        Self { entries: Vec::new(), vacant: Vec::new(), index: BTreeMap::new(), limit }
    }

    /// Expectations in the table.
    pub(super) fn len(&self) -> u32 {
        self.index.len() as u32
    }

    /// The most it may hold.
    pub(super) const fn limit(&self) -> u32 {
        self.limit
    }

    /// One past the highest slot ever used.
    pub(super) fn end(&self) -> u32 {
        self.entries.len() as u32
    }

    /// The slot of `key`.
    pub(super) fn find(&self, key: &ExpectKey) -> Option<ExpectSlot> {
        self.index.get(key).copied().map(ExpectSlot)
    }

    /// The slots of all expectations of one parent.
    pub(super) fn of_parent(&self, parent: &Parent) -> impl Iterator<Item = ExpectSlot> {
        let parent = *parent;
        let first = ExpectKey { parent, protocol: Protocol(0), tuple: Tuple::NOWHERE, mask: Tuple::NOWHERE };
        let range = self.index.range((Bound::Included(first), Bound::Unbounded));
        range.take_while(move |(key, _)| key.parent == parent).map(|(_, slot)| ExpectSlot(*slot))
    }

    /// Adds an expectation whose key is not there. `None` when the table is full.
    pub(super) fn insert(
        &mut self,
        expectation: &Expectation,
        stamp: u32,
        second: u32,
        marks: u16,
    ) -> Option<ExpectSlot> {
        if self.len() >= self.limit {
            return None;
        }
        let entry = ExpectEntry {
            expectation: *expectation,
            created: second,
            changed: second,
            word: 0,
            stamp,
            marks,
        };
        let slot = self.vacant.pop().unwrap_or_else(|| {
            self.entries.push(None);
            self.end() - 1
        });
        self.entries[slot as usize] = Some(entry);
        self.index.insert(expectation.key(), slot);
        Some(ExpectSlot(slot))
    }

    /// Removes the expectation in `slot`.
    pub(super) fn remove(&mut self, slot: ExpectSlot) {
        let entry = self.entries[slot.0 as usize].take().expect("a vacant slot was removed");
        self.index.remove(&entry.expectation.key());
        self.vacant.push(slot.0);
    }

    /// The entry in `slot`, if there is one.
    pub(super) fn get(&self, slot: ExpectSlot) -> Option<&ExpectEntry> {
        self.entries.get(slot.0 as usize)?.as_ref()
    }

    /// The entry in `slot`, to change everything but its key.
    pub(super) fn get_mut(&mut self, slot: ExpectSlot) -> Option<&mut ExpectEntry> {
        self.entries.get_mut(slot.0 as usize)?.as_mut()
    }

    /// The occupied slots from `from` on, in order.
    pub(super) fn iter_from(&self, from: u32) -> impl Iterator<Item = (ExpectSlot, &ExpectEntry)> {
        (from..self.end()).map(ExpectSlot).filter_map(|slot| Some((slot, self.get(slot)?)))
    }
}
