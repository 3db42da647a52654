//! Expectations of the peer, waiting for a commit. What a commit could not write stays here with its reason; what a
//! resync did not name is swept.

use alloc::collections::BTreeMap;

use super::table::{ExpectEntry, ExpectSlot, ExpectTable};
use crate::flow::{Change, Expectation};

/// A commit could not write it; the error number is in the bits above.
const FAILED: u16 = 1;
const ERRNO_SHIFT: u32 = 1;

/// What a message of the peer did to the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// An expectation was added.
    Added,
    /// One was said again.
    Changed,
    /// One was removed.
    Removed,
    /// The end of one we did not have.
    Nothing,
    /// No room.
    Full,
}

/// The external cache of expectations.
#[derive(Debug)]
pub struct ExternalExpectations {
    table: ExpectTable,
    generation: u32,
    words: u64,
    /// Where each is, in the order in which they were said.
    order: BTreeMap<u64, ExpectSlot>,
}

impl ExternalExpectations {
    /// An empty cache for at most `limit` expectations.
    #[must_use]
    pub const fn new(limit: u32) -> Self {
        Self { table: ExpectTable::new(limit), generation: 0, words: 0, order: BTreeMap::new() }
    }

    /// Expectations in the cache.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.table.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether half of it is free: enough for what did not fit before.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.table.len() <= self.table.limit() / 2
    }

    /// One past the highest slot ever used.
    #[must_use]
    pub fn end(&self) -> u32 {
        self.table.end()
    }

    /// The entry in `slot`.
    #[must_use]
    pub fn get(&self, slot: ExpectSlot) -> Option<&ExpectEntry> {
        self.table.get(slot)
    }

    /// Expectations from slot `from` on.
    pub fn iter_from(&self, from: u32) -> impl Iterator<Item = (ExpectSlot, &ExpectEntry)> {
        self.table.iter_from(from)
    }

    /// Expectations in the order in which the peer has said them last, from its word `from` on, each with its word.
    pub fn said_from(&self, from: u64) -> impl Iterator<Item = (u64, ExpectSlot, &ExpectEntry)> {
        self.order.range(from..).filter_map(|(word, slot)| Some((*word, *slot, self.get(*slot)?)))
    }

    /// The kernel's error number, if a commit could not write the expectation in `slot`.
    #[must_use]
    pub fn failure(&self, slot: ExpectSlot) -> Option<u16> {
        self.table.get(slot).filter(|entry| entry.is(FAILED)).map(|entry| entry.marks >> ERRNO_SHIFT)
    }

    /// Takes over what the peer says. NEW and UPD both replace: an expectation is always said whole.
    pub fn apply(&mut self, change: Change, expectation: &Expectation, second: u32) -> Received {
        let generation = self.generation;
        match (self.table.find(&expectation.key()), change) {
            (None, Change::Destroy) => Received::Nothing,
            (None, _) => {
                let Some(slot) = self.table.insert(expectation, generation, second, 0) else {
                    return Received::Full;
                };
                self.said(slot);
                Received::Added
            }
            (Some(slot), Change::Destroy) => {
                self.remove(slot);
                Received::Removed
            }
            (Some(slot), _) => {
                let entry = self.table.get_mut(slot).expect("just found");
                *entry = ExpectEntry {
                    expectation: *expectation,
                    changed: second,
                    stamp: generation,
                    marks: 0,
                    ..*entry
                };
                self.said(slot);
                Received::Changed
            }
        }
    }

    /// What is in `slot` was said last.
    fn said(&mut self, slot: ExpectSlot) {
        let entry = self.table.get_mut(slot).expect("it was just said");
        self.order.remove(&entry.word);
        self.words += 1;
        entry.word = self.words;
        self.order.insert(self.words, slot);
    }

    /// Removes the expectation in `slot`: it was committed.
    pub fn remove(&mut self, slot: ExpectSlot) {
        if let Some(entry) = self.table.get(slot) {
            self.order.remove(&entry.word);
        }
        self.table.remove(slot);
    }

    /// Keeps the expectation in `slot` with the reason why it could not be committed.
    pub fn fail(&mut self, slot: ExpectSlot, errno: u16) {
        if let Some(entry) = self.table.get_mut(slot) {
            entry.marks = FAILED | errno << ERRNO_SHIFT;
        }
    }

    /// A resync is asked for: from now on expectations are stamped.
    pub const fn begin_resync(&mut self) {
        self.generation += 1;
    }

    /// What could not be committed is again the peer's like any other: a new role begins.
    pub fn forgive(&mut self) {
        for slot in (0..self.end()).map(ExpectSlot) {
            if let Some(entry) = self.table.get_mut(slot).filter(|entry| entry.is(FAILED)) {
                entry.marks = 0;
            }
        }
    }

    /// Removes what the peer has not named since the last resync was asked for. Says how many. What we could not commit
    /// is ours, and the peer's silence about it means nothing.
    pub fn sweep(&mut self) -> u32 {
        let mut swept = 0;
        for slot in (0..self.end()).map(ExpectSlot) {
            let unnamed = |entry: &ExpectEntry| entry.stamp != self.generation && !entry.is(FAILED);
            if self.table.get(slot).is_some_and(unnamed) {
                self.remove(slot);
                swept += 1;
            }
        }
        swept
    }
}
