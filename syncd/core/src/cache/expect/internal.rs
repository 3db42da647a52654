//! Expectations of my kernel, and the ends of those that the peer has not acknowledged yet.
//!
//! An expectation may be announced before its parent is: by the first packet of a call, whose own birth is told when
//! that packet leaves. It is hidden until then, and for ever if the filter keeps its parent out. One that is hidden after the
//! peer was told of it has ended for the peer, though not for us.

use alloc::vec::Vec;

use super::table::{ExpectEntry, ExpectSlot, ExpectTable};
use crate::flow::{Change, Expectation, Parent};

/// Ended in the kernel: kept until the peer has acknowledged it, or until the dump is over.
const DEAD: u16 = 1;
/// The peer may know it: it was sent at least once.
const TOLD: u16 = 1 << 1;
/// Its parent is not in the internal cache: the peer hears nothing of it.
const HIDDEN: u16 = 1 << 2;

/// What an event or a dump did to the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// An expectation was added, or another took its place; the peer should hear of it.
    Added(ExpectSlot),
    /// One that the peer may know ended, or is hidden from it; its end waits until [`InternalExpectations::bury`].
    Ended(ExpectSlot),
    /// One that the peer never heard of ended, or is hidden; the slot may be about to be free: forget it everywhere.
    Vanished(ExpectSlot),
    /// Nothing the peer would care about.
    Nothing,
    /// No room.
    Full,
}

/// The internal cache of expectations.
#[derive(Debug)]
pub struct InternalExpectations {
    table: ExpectTable,
    dead: u32,
    hidden: u32,
    generation: u32,
    dumping: bool,
    graves: Vec<ExpectSlot>,
}

impl InternalExpectations {
    /// An empty cache for at most `limit` expectations.
    #[must_use]
    pub const fn new(limit: u32) -> Self {
        let table = ExpectTable::new(limit);
        Self { table, dead: 0, hidden: 0, generation: 0, dumping: false, graves: Vec::new() }
    }

    /// Living expectations whose parent is known.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.table.len() - self.dead - self.hidden
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Ended ones that still hold a slot.
    #[must_use]
    pub const fn dead(&self) -> u32 {
        self.dead
    }

    /// Whether some wait for their parent.
    #[must_use]
    pub const fn has_hidden(&self) -> bool {
        self.hidden > 0
    }

    /// The most it may hold.
    #[must_use]
    pub const fn limit(&self) -> u32 {
        self.table.limit()
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

    /// What the peer must be told about the expectation in `slot`. One that lives is always new: it never changes.
    #[must_use]
    pub fn news(&self, slot: ExpectSlot) -> Option<(Change, &Expectation)> {
        let entry = self.table.get(slot)?;
        Some((if entry.is(DEAD | HIDDEN) { Change::Destroy } else { Change::New }, &entry.expectation))
    }

    /// Whether the expectation in `slot` lives, and the peer may hear of it.
    #[must_use]
    pub fn is_shown(&self, slot: ExpectSlot) -> bool {
        self.table.get(slot).is_some_and(|entry| !entry.is(DEAD | HIDDEN))
    }

    /// Living expectations with a known parent, from slot `from` on.
    pub fn iter_from(&self, from: u32) -> impl Iterator<Item = (ExpectSlot, &ExpectEntry)> {
        self.table.iter_from(from).filter(|(_, entry)| !entry.is(DEAD | HIDDEN))
    }

    /// Living expectations from slot `from` on, those included whose parent is not here.
    pub fn all_from(&self, from: u32) -> impl Iterator<Item = (ExpectSlot, &ExpectEntry)> {
        self.table.iter_from(from).filter(|(_, entry)| !entry.is(DEAD))
    }

    /// Expectations that have ended, or have for the peer, from slot `from` on.
    pub fn ends_from(&self, from: u32) -> impl Iterator<Item = ExpectSlot> {
        self.table.iter_from(from).filter(|(_, entry)| entry.is(DEAD | HIDDEN)).map(|(slot, _)| slot)
    }

    /// Takes over an event of the kernel. `zone` is that of its parent, if that is in the internal cache.
    pub fn apply(
        &mut self,
        change: Change,
        expectation: &Expectation,
        zone: Option<u16>,
        second: u32,
    ) -> Heard {
        match (self.table.find(&expectation.key()), change) {
            (None, Change::Destroy) => self.remember_end(expectation, second),
            (None, _) => self.add(expectation, zone, second),
            (Some(slot), Change::Destroy) => self.end_of(slot),
            (Some(slot), _) => self.replace(slot, expectation, zone, second),
        }
    }

    /// Takes over an expectation from a dump or a look-up.
    pub fn apply_dumped(&mut self, expectation: &Expectation, zone: Option<u16>, second: u32) -> Heard {
        let Some(slot) = self.table.find(&expectation.key()) else {
            return self.add(expectation, zone, second);
        };
        let generation = self.generation;
        let entry = self.entry(slot);
        if entry.stamp == generation {
            // What an event said is newer than the picture.
            return Heard::Nothing;
        }
        if entry.is(DEAD) || !entry.expectation.same(expectation) {
            return self.replace(slot, expectation, zone, second);
        }
        (entry.stamp, entry.changed) = (generation, second);
        entry.expectation = Expectation { zone: entry.expectation.zone, ..*expectation };
        zone.map_or(Heard::Nothing, |zone| self.show(slot, zone))
    }

    /// The flow `parent` is in the internal cache now, in that zone: hands over its expectations that the peer may
    /// hear of thereby.
    pub fn reveal(&mut self, parent: &Parent, zone: u16, mut revealed: impl FnMut(ExpectSlot)) {
        let children: Vec<ExpectSlot> = self.table.of_parent(parent).collect();
        for slot in children {
            if let Heard::Added(slot) = self.show(slot, zone) {
                revealed(slot);
            }
        }
    }

    /// Living expectations of the flow `parent` in that zone, but for those that wait for it.
    pub fn of_parent(&self, parent: &Parent, zone: u16) -> impl Iterator<Item = ExpectSlot> {
        let in_zone =
            move |slot: &ExpectSlot| self.get(*slot).is_some_and(|entry| entry.expectation.zone == zone);
        self.table.of_parent(parent).filter(|slot| self.is_shown(*slot)).filter(in_zone)
    }

    /// A dump is asked for, or begins: see [`InternalCache::begin_dump`](crate::cache::InternalCache::begin_dump).
    pub const fn begin_dump(&mut self) {
        self.generation += 1;
        self.dumping = true;
    }

    /// The dump is over (or failed): tombstones the peer need not hear of are freed.
    pub fn end_dump(&mut self) {
        self.dumping = false;
        for slot in core::mem::take(&mut self.graves) {
            if self.table.get(slot).is_some_and(|entry| entry.is(DEAD) && !entry.is(TOLD)) {
                self.bury(slot);
            }
        }
    }

    /// The next slot from `from` on whose living expectation nothing has named since the last dump began.
    #[must_use]
    pub fn next_unnamed(&self, from: u32) -> Option<ExpectSlot> {
        (from..self.end()).map(ExpectSlot).find(|slot| self.is_unnamed(*slot))
    }

    /// Whether nothing has named this expectation since the last dump began.
    #[must_use]
    pub fn is_unnamed(&self, slot: ExpectSlot) -> bool {
        self.table.get(slot).is_some_and(|entry| !entry.is(DEAD) && entry.stamp != self.generation)
    }

    /// Names an expectation: a look-up found it.
    pub fn name(&mut self, slot: ExpectSlot) {
        let generation = self.generation;
        self.entry(slot).stamp = generation;
    }

    /// The expectation in `slot` is gone from the kernel although its end was not heard.
    pub fn sweep(&mut self, slot: ExpectSlot) -> Heard {
        self.lay_to_rest(slot)
    }

    /// The peer may know the expectation in `slot` from now on.
    pub fn told(&mut self, slot: ExpectSlot) {
        self.entry(slot).marks |= TOLD;
    }

    /// The peer knows of the end, or will never: frees the slot of one that ended. One that is hidden stays.
    pub fn bury(&mut self, slot: ExpectSlot) {
        assert!(!self.is_shown(slot), "a living expectation was buried");
        if self.entry(slot).is(HIDDEN) {
            self.entry(slot).marks &= !TOLD;
            return;
        }
        if self.dumping {
            self.entry(slot).marks &= !TOLD;
            self.graves.push(slot);
            return;
        }
        self.dead -= 1;
        self.table.remove(slot);
    }

    fn entry(&mut self, slot: ExpectSlot) -> &mut ExpectEntry {
        self.table.get_mut(slot).expect("slots come from this table")
    }

    fn add(&mut self, expectation: &Expectation, zone: Option<u16>, second: u32) -> Heard {
        let marks = if zone.is_some() { 0 } else { HIDDEN };
        let expectation = Expectation { zone: zone.unwrap_or(0), ..*expectation };
        let Some(slot) = self.table.insert(&expectation, self.generation, second, marks) else {
            return Heard::Full;
        };
        self.hidden += u32::from(zone.is_none());
        zone.map_or(Heard::Nothing, |_| Heard::Added(slot))
    }

    /// An end of something unknown matters only while a dump may still bring its picture.
    fn remember_end(&mut self, expectation: &Expectation, second: u32) -> Heard {
        if self.dumping
            && let Some(slot) = self.table.insert(expectation, self.generation, second, DEAD)
        {
            self.dead += 1;
            self.graves.push(slot);
        }
        Heard::Nothing
    }

    /// Another life of the same expectation, whose end may have gone unheard.
    fn replace(
        &mut self,
        slot: ExpectSlot,
        expectation: &Expectation,
        zone: Option<u16>,
        second: u32,
    ) -> Heard {
        let (generation, entry) = (self.generation, self.entry(slot));
        let (was_dead, was_hidden, was_shown) = (entry.is(DEAD), entry.is(HIDDEN), !entry.is(DEAD | HIDDEN));
        entry.expectation = Expectation { zone: zone.unwrap_or(0), ..*expectation };
        (entry.stamp, entry.created, entry.changed) = (generation, second, second);
        entry.marks &= !(DEAD | HIDDEN);
        if zone.is_none() {
            entry.marks |= HIDDEN;
        }
        self.dead -= u32::from(was_dead);
        self.hidden -= u32::from(was_hidden);
        self.hidden += u32::from(zone.is_none());
        match zone {
            Some(_) => Heard::Added(slot),
            None if was_shown => self.gone(slot),
            None => Heard::Nothing,
        }
    }

    fn end_of(&mut self, slot: ExpectSlot) -> Heard {
        let (generation, entry) = (self.generation, self.entry(slot));
        if entry.is(DEAD) {
            entry.stamp = generation;
            return Heard::Nothing;
        }
        self.lay_to_rest(slot)
    }

    fn lay_to_rest(&mut self, slot: ExpectSlot) -> Heard {
        let (generation, entry) = (self.generation, self.entry(slot));
        let was_hidden = entry.is(HIDDEN);
        entry.marks = entry.marks & !HIDDEN | DEAD;
        entry.stamp = generation;
        self.dead += 1;
        self.hidden -= u32::from(was_hidden);
        self.gone(slot)
    }

    /// What it means for the peer that it shall not know the expectation in `slot` any more.
    fn gone(&mut self, slot: ExpectSlot) -> Heard {
        if self.entry(slot).is(TOLD) { Heard::Ended(slot) } else { Heard::Vanished(slot) }
    }

    fn show(&mut self, slot: ExpectSlot, zone: u16) -> Heard {
        let entry = self.entry(slot);
        if !entry.is(HIDDEN) || entry.is(DEAD) {
            return Heard::Nothing;
        }
        entry.expectation.zone = zone;
        entry.marks &= !HIDDEN;
        self.hidden -= 1;
        Heard::Added(slot)
    }
}
