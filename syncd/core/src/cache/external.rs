//! The external cache: flows of the peer, waiting for a commit. What a commit could not write stays here with its
//! reason; what a resync did not name is swept.

use alloc::collections::BTreeMap;

use super::table::{Entry, Slot, Table};
use crate::flow::{Change, Flow, FlowRef, Key};
use crate::time::Instant;

/// A commit could not write it; the error number is in the bits above.
const FAILED: u16 = 1;
const ERRNO_SHIFT: u32 = 1;
const ERRNO_MAX: u16 = 0x3ff;

/// It waits to be written to the kernel of a router that stands by.
const WAITS: u16 = 1 << 11;
/// It is to be written whether or not it has changed.
const ANYWAY: u16 = 1 << 12;
/// It was written since this router stands by.
const WRITTEN: u16 = 1 << 13;
/// This router was primary since, and had it in its kernel: what is here is older than what became of it.
const TAKEN: u16 = 1 << 14;

/// At most so many failures remember the flow that was in the way; the others keep their error number only.
const EXPLAINED: usize = 1024;

/// Why a flow could not be committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The kernel's error number.
    pub errno: u16,
    /// The flow of our own kernel that is in the way, if one was found.
    pub existing: Option<Flow>,
}

/// What a message of the peer did to the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// A flow was added.
    Added,
    /// A flow changed.
    Changed,
    /// A flow was removed.
    Removed,
    /// The end of a flow we did not have.
    Nothing,
    /// No room.
    Full,
}

/// The external cache.
#[derive(Debug)]
pub struct ExternalCache {
    table: Table,
    generation: u32,
    resync_began: Instant,
    /// Flows named since then.
    named: u32,
    in_the_way: BTreeMap<u32, Flow>,
    /// Flows that could not be committed.
    failed: u32,
}

impl ExternalCache {
    /// An empty cache for at most `limit` flows.
    #[must_use]
    pub fn new(limit: u32, seed: u64) -> Self {
        Self {
            table: Table::new(limit, seed),
            generation: 0,
            resync_began: Instant::default(),
            named: 0,
            in_the_way: BTreeMap::new(),
            failed: 0,
        }
    }

    /// Flows in the cache.
    #[must_use]
    pub const fn len(&self) -> u32 {
        self.table.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The most it may hold.
    #[must_use]
    pub const fn limit(&self) -> u32 {
        self.table.limit()
    }

    /// May hold so many from now on; what is there stays.
    pub const fn set_limit(&mut self, limit: u32) {
        self.table.set_limit(limit);
    }

    /// One past the highest slot ever used.
    #[must_use]
    pub const fn end(&self) -> u32 {
        self.table.end()
    }

    /// The entry in `slot`.
    #[must_use]
    pub fn get(&self, slot: Slot) -> Option<&Entry> {
        self.table.get(slot)
    }

    /// The flow in `slot`.
    #[must_use]
    pub fn flow(&self, slot: Slot) -> Option<FlowRef<'_>> {
        self.table.flow(slot)
    }

    /// Where the flow of that key is.
    #[must_use]
    pub fn find(&self, key: &Key) -> Option<Slot> {
        self.table.find(key)
    }

    /// Flows from slot `from` on.
    pub fn iter_from(&self, from: u32) -> impl Iterator<Item = (Slot, &Entry)> {
        self.table.iter_from(from)
    }

    /// Why the flow in `slot` could not be committed, if that was tried.
    #[must_use]
    pub fn failure(&self, slot: Slot) -> Option<Failure> {
        let entry = self.table.get(slot)?;
        entry.is(FAILED).then(|| Failure {
            errno: entry.marks >> ERRNO_SHIFT & ERRNO_MAX,
            existing: self.in_the_way.get(&slot.0).copied(),
        })
    }

    /// Takes over what the peer says. NEW replaces, UPD merges or creates, DEL removes.
    pub fn apply<'a>(&mut self, change: Change, flow: impl Into<FlowRef<'a>>, second: u32) -> Applied {
        let (flow, generation) = (flow.into(), self.generation);
        match (self.table.find(&flow.key()), change) {
            (None, Change::Destroy) => Applied::Nothing,
            (None, _) => {
                if self.table.insert(flow, generation, second, 0).is_none() {
                    return Applied::Full;
                }
                self.named += 1;
                Applied::Added
            }
            (Some(slot), Change::Destroy) => {
                self.remove(slot);
                Applied::Removed
            }
            (Some(slot), _) => {
                // The first word since we asked is the whole truth, too: what we hold may be of a life whose frames
                // came late (after a crash of the peer, or a stop of ours), and no update would take its mark away.
                let first = self.table.get(slot).is_some_and(|entry| entry.stamp != generation);
                if change == Change::New || first {
                    self.table.replace(slot, flow);
                } else {
                    self.table.merge(slot, flow);
                }
                let entry = self.table.get_mut(slot).expect("just found");
                self.named += u32::from(entry.stamp != generation);
                (entry.stamp, entry.changed) = (generation, second);
                entry.marks &= !TAKEN;
                // A router that stands by tells of it again when it is asked; that makes no room for it here.
                if change == Change::New {
                    entry.created = second;
                    self.failed -= u32::from(entry.is(FAILED));
                    entry.marks &= !(FAILED | ERRNO_MAX << ERRNO_SHIFT);
                    self.in_the_way.remove(&slot.0);
                }
                Applied::Changed
            }
        }
    }

    /// The flow in `slot` waits to be written from now on; `anyway` says that it is written also if that changes nothing.
    /// Says whether it did not wait before.
    pub fn wait(&mut self, slot: Slot, anyway: bool) -> bool {
        let Some(entry) = self.table.get_mut(slot) else { return false };
        let waits = entry.is(WAITS);
        entry.marks |= if anyway { WAITS | ANYWAY } else { WAITS };
        !waits
    }

    /// The flow in `slot` waits no more. Says whether it did, and whether it may be left as it was written.
    pub fn waited(&mut self, slot: Slot) -> Option<bool> {
        let entry = self.table.get_mut(slot).filter(|entry| entry.is(WAITS))?;
        let as_written = entry.is(WRITTEN) && !entry.is(ANYWAY);
        entry.marks &= !(WAITS | ANYWAY);
        Some(as_written)
    }

    /// The flow in `slot` was written to the kernel of a router that stands by.
    pub fn written(&mut self, slot: Slot) {
        if let Some(entry) = self.table.get_mut(slot) {
            entry.marks |= WRITTEN;
            self.failed -= u32::from(entry.is(FAILED));
            entry.marks &= !(FAILED | TAKEN | ERRNO_MAX << ERRNO_SHIFT);
        }
    }

    /// What was written, and does not wait to be written again, was this router's own for a while, until the peer says
    /// something of it.
    pub fn take_over(&mut self) {
        for slot in (0..self.end()).map(Slot) {
            if let Some(entry) = self.table.get_mut(slot)
                && entry.is(WRITTEN)
                && !entry.is(WAITS)
            {
                entry.marks |= TAKEN;
            }
        }
    }

    /// Forgets it of the flow in `slot`. Whether it was so.
    pub fn forget_taken(&mut self, slot: Slot) -> bool {
        let taken = self.table.get_mut(slot).filter(|entry| entry.is(TAKEN));
        taken.map(|entry| entry.marks &= !TAKEN).is_some()
    }

    /// The peer has said something of the flow of this key that was not written.
    pub fn unwritten(&mut self, key: &Key) {
        if let Some(entry) = self.table.find(key).and_then(|slot| self.table.get_mut(slot)) {
            entry.marks &= !WRITTEN;
        }
    }

    /// Whether it was, since this router stands by or did so.
    #[must_use]
    pub fn is_written(&self, slot: Slot) -> bool {
        self.table.get(slot).is_some_and(|entry| entry.is(WRITTEN))
    }

    /// How many could not be written.
    #[must_use]
    pub const fn failed(&self) -> u32 {
        self.failed
    }

    /// Removes the flow in `slot`: it was committed, or swept.
    pub fn remove(&mut self, slot: Slot) {
        self.in_the_way.remove(&slot.0);
        self.failed -= u32::from(self.table.get(slot).is_some_and(|entry| entry.is(FAILED)));
        self.table.remove(slot);
    }

    /// What could not be committed is again a flow of the peer like any other: a new role begins.
    pub fn forgive(&mut self) {
        if core::mem::take(&mut self.failed) == 0 {
            return;
        }
        self.in_the_way.clear();
        for slot in (0..self.end()).map(Slot) {
            if let Some(entry) = self.table.get_mut(slot) {
                entry.marks &= !(FAILED | ERRNO_MAX << ERRNO_SHIFT);
            }
        }
    }

    /// Keeps the flow in `slot` with the reason why it could not be committed.
    pub fn fail(&mut self, slot: Slot, failure: Failure) {
        let Some(entry) = self.table.get_mut(slot) else { return };
        self.failed += u32::from(!entry.is(FAILED));
        entry.marks &= !(ERRNO_MAX << ERRNO_SHIFT | WRITTEN);
        entry.marks |= FAILED | failure.errno.min(ERRNO_MAX) << ERRNO_SHIFT;
        if let Some(existing) = failure.existing
            && self.in_the_way.len() < EXPLAINED
        {
            self.in_the_way.insert(slot.0, existing);
        }
    }

    /// A resync is asked for: from now on flows are stamped, so that what the peer does not name can be told.
    pub const fn begin_resync(&mut self, now: Instant) {
        self.generation += 1;
        self.resync_began = now;
        self.named = 0;
    }

    /// How many flows the peer has named since then, those that ended meanwhile included.
    #[must_use]
    pub const fn named(&self) -> u32 {
        self.named
    }

    /// When the last resync was asked for.
    #[must_use]
    pub const fn resync_began(&self) -> Instant {
        self.resync_began
    }

    /// Removes the flows of slots `from..from + count` that the peer has not named since the last resync was
    /// asked for. Says how many. What we could not commit is ours (`keeps_failed`), and the peer's silence about it means
    /// nothing.
    pub fn sweep(&mut self, from: u32, count: u32, keeps_failed: bool) -> u32 {
        let mut swept = 0;
        for slot in (from..self.end().min(from.saturating_add(count))).map(Slot) {
            if self
                .table
                .get(slot)
                .is_some_and(|entry| entry.stamp != self.generation && !(keeps_failed && entry.is(FAILED)))
            {
                self.remove(slot);
                swept += 1;
            }
        }
        swept
    }
}
