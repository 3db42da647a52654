//! Flows of the peer that this router has put into its kernel while it stood by: which they are, and which of them wait for
//! something. What is done with them is the replica's to say (`replica/preload.rs`, `replica/lent.rs`), and tested there.

use alloc::collections::VecDeque;

use super::{CONDEMNED, DEAD, GAINED, InternalCache, TOLD, call_it};
use crate::cache::table::{Entry, Slot};
use crate::flow::{Change, Flow, Key};

/// We have created it while we stood by: it lives as long as the peer has it.
pub(super) const COPY: u16 = 1 << 10;

/// It was here when the peer told of it while we stood by, and was given a long life for that.
const CLAIMED: u16 = 1 << 11;

/// The peer has such a flow no more: it waits to be looked up whether it lives here by itself.
const UNSURE: u16 = 1 << 12;

/// We have given it a longer life than its protocol would, and it waits for its own.
const EXCEEDS: u16 = 1 << 13;

/// What a new life of a flow is not.
pub(super) const ALL: u16 = COPY | CLAIMED | UNSURE | EXCEEDS;

/// Slots that wait, once each; some of them may have settled since.
#[derive(Debug, Default)]
pub(super) struct Queues {
    unsure: VecDeque<Slot>,
    exceeding: VecDeque<Slot>,
}

impl InternalCache {
    /// Where the flow of this key is, or its end.
    #[must_use]
    pub fn slot(&self, key: &Key) -> Option<Slot> {
        self.table.find(key)
    }

    /// Our creation of this flow stands, and we stand by.
    pub fn is_copy(&mut self, key: &Key) {
        self.mark_living(key, COPY);
    }

    /// The flow was here before, and we have written to it what the peer says of it.
    pub fn is_claimed(&mut self, key: &Key) {
        self.mark_living(key, CLAIMED);
    }

    /// Of the slots `from..to`, copies are this router's own from now on: it is primary, and their packets come here.
    pub fn own_copies(&mut self, from: u32, to: u32) {
        for slot in (from..to).map(Slot) {
            if let Some(entry) = self.table.get_mut(slot).filter(|entry| is_lent(entry)) {
                entry.marks = entry.marks & !(COPY | CLAIMED) | GAINED;
            }
        }
    }

    /// Copies are of flows whose packets have come here: they are told as this router's own, and still have the long life.
    pub fn claim_copies(&mut self) {
        for slot in (0..self.table.end()).map(Slot) {
            if let Some(entry) = self.table.get_mut(slot).filter(|entry| entry.is(COPY)) {
                entry.marks = entry.marks & !COPY | CLAIMED | GAINED;
            }
        }
    }

    /// An event has told of a flow with the time that we have lent it: our creation, or something that changed it.
    pub fn is_lent_by(&mut self, change: Change, key: &Key) {
        match change {
            Change::New => self.is_copy(key),
            Change::Update => self.is_claimed(key),
            Change::Destroy => {}
        }
    }

    /// The peer has told of the flow: its end is told to it, whatever we are by then.
    pub fn is_known_to_peer(&mut self, key: &Key) {
        self.mark_living(key, TOLD);
    }

    /// Whether we have given the living flow in `slot` a longer life than its protocol would, as far as we know.
    #[must_use]
    pub fn is_lent(&self, slot: Slot) -> bool {
        self.get(slot).is_some_and(is_lent)
    }

    /// The peer has not named the flow in `slot`, which it had. A copy goes; what was here before gets its own time.
    pub fn give_back_unnamed(&mut self, slot: Slot) {
        if self.entry(slot).is(COPY) {
            self.condemn_copy(slot);
        } else if self.entry(slot).is(CLAIMED) {
            self.entry(slot).marks &= !CLAIMED;
            self.exceeds(slot);
        }
    }

    /// Whether we have created the living flow in `slot` while we stood by, and were not primary since.
    #[must_use]
    pub fn holds_copy(&self, slot: Slot) -> bool {
        self.get(slot).is_some_and(|entry| entry.is(COPY))
    }

    /// The peer has told the end of a flow. A copy goes; what was here before is looked up first.
    pub fn give_back(&mut self, key: &Key) {
        let Some(slot) = self.table.find(key) else { return };
        let entry = self.entry(slot);
        if entry.is(COPY) {
            self.condemn_copy(slot);
        } else if entry.is(CLAIMED) && !entry.is(DEAD | CONDEMNED | UNSURE) {
            entry.marks |= UNSURE;
            self.copies.unsure.push_back(slot);
        }
    }

    /// The next flow of which it is not known whether it lives here by itself.
    pub fn take_unsure(&mut self) -> Option<Slot> {
        while let Some(slot) = self.copies.unsure.pop_front() {
            if self.settles(slot, UNSURE) {
                return Some(slot);
            }
        }
        None
    }

    /// It does not: it waits to be removed.
    pub fn condemn_copy(&mut self, slot: Slot) {
        let entry = self.entry(slot);
        if !entry.is(DEAD | CONDEMNED) {
            entry.marks |= CONDEMNED;
            self.condemned.push_back(slot);
        }
    }

    /// As [`Self::condemn_copy`], the very life that a look-up has `found`.
    pub fn condemn_found(&mut self, slot: Slot, found: &Flow) {
        call_it(&mut self.entry(slot).flow, found);
        self.condemn_copy(slot);
    }

    /// Whether such a flow waits to be looked up.
    #[must_use]
    pub fn has_unsure(&self) -> bool {
        !self.copies.unsure.is_empty()
    }

    /// The living flow in `slot` waits for the life that its protocol gives it.
    pub fn exceeds(&mut self, slot: Slot) {
        let room = self.copies.exceeding.len() < self.table.limit() as usize;
        let entry = self.entry(slot);
        if room && !entry.is(DEAD | EXCEEDS) {
            entry.marks |= EXCEEDS;
            self.copies.exceeding.push_back(slot);
        }
    }

    /// The living flow of this key, if there is one, waits for the life that its protocol gives it.
    pub fn exceeds_here(&mut self, key: &Key) {
        if let Some(slot) = self.table.find(key) {
            self.exceeds(slot);
        }
    }

    /// A packet has given the flow its own life, or it has ended.
    pub fn exceeds_no_more(&mut self, key: &Key) {
        if let Some(slot) = self.table.find(key) {
            self.entry(slot).marks &= !EXCEEDS;
        }
    }

    /// The next flow that waits for that.
    pub fn take_exceeding(&mut self) -> Option<Slot> {
        while let Some(slot) = self.copies.exceeding.pop_front() {
            if self.settles(slot, EXCEEDS) {
                return Some(slot);
            }
        }
        None
    }

    /// Whether one does.
    #[must_use]
    pub fn has_exceeding(&self) -> bool {
        !self.copies.exceeding.is_empty()
    }

    /// Takes the mark of a flow that waited; says whether it had it, and lives.
    fn settles(&mut self, slot: Slot, mark: u16) -> bool {
        let Some(entry) = self.table.get_mut(slot).filter(|entry| entry.is(mark)) else { return false };
        entry.marks &= !mark;
        !entry.is(DEAD)
    }

    pub(super) fn mark_living(&mut self, key: &Key, mark: u16) {
        if let Some(slot) = self.table.find(key) {
            let entry = self.entry(slot);
            entry.marks |= if entry.is(DEAD) { 0 } else { mark };
        }
    }
}

const fn is_lent(entry: &Entry) -> bool {
    entry.is(COPY | CLAIMED | EXCEEDS)
}
