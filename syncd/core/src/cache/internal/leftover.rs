//! Flows that are left over in our kernel, as far as it is known, and wait to be removed. Which they are is the replica's to
//! say (`replica/leftover.rs`, `replica/purge.rs`), and tested there.

use super::copies::COPY;
use super::{BORN, CONDEMNED, DEAD, GAINED, InternalCache, SUSPECT};
use crate::cache::table::{Entry, Slot};
use crate::flow::{AttrSet, Flow, Key};

impl InternalCache {
    /// The peer, which has its packets, has seen the end of a flow while we stood by. If it lives here as it did there it is
    /// left over, and waits to be removed. Says whether it does.
    ///
    /// Only a life with a known id, because nobody must remove the next one; and none that was born while we stood by:
    /// that is a flow of this router's own.
    pub fn condemn(&mut self, ended: &Flow) -> bool {
        let Some(slot) = self.table.find(&ended.key()) else { return false };
        let entry = self.entry(slot);
        let same = entry.flow.reply == ended.reply && entry.flow.has(AttrSet::ID);
        // A copy goes by the peer's word alone, and that is of the life of now.
        let own = entry.is(BORN) && !entry.is(GAINED) || entry.is(COPY);
        if entry.is(DEAD) || entry.is(CONDEMNED) || !same || own {
            return false;
        }
        entry.marks |= CONDEMNED;
        self.condemned.push_back(slot);
        true
    }

    /// The peer has told an end that does not prove that the flow here is left over: an operator may have it removed as such
    /// all the same, see [`Self::condemn_all`]. As many as the cache may hold flows, once more for each life: what is not
    /// suspected is left to its timer.
    pub fn suspect(&mut self, ended: &Flow) {
        if self.suspects.len() < self.table.limit() as usize
            && let Some(slot) = self.table.find(&ended.key())
            && !self.entry(slot).is(SUSPECT)
        {
            self.entry(slot).marks |= SUSPECT;
            self.suspects.push(slot);
        }
    }

    /// Of the slots `from..to` all that this router has, or may have, got as primary and that is elsewhere waits to be
    /// removed, as by [`Self::condemn`]; what is suspected is elsewhere. Says how much it is.
    pub fn condemn_all(&mut self, from: u32, to: u32, elsewhere: impl Fn(&Key) -> bool) -> u32 {
        let goes = |entry: &Entry| {
            let own = entry.is(BORN) && !entry.is(GAINED);
            let known = !entry.is(DEAD) && entry.flow.has(AttrSet::ID);
            known && !own && !entry.is(CONDEMNED) && (entry.is(SUSPECT) || elsewhere(&entry.flow.key()))
        };
        let before = self.condemned.len();
        let Self { table, condemned, .. } = self;
        let slots = table.iter_from(from).take_while(|(slot, _)| slot.0 < to);
        condemned.extend(slots.filter(|(_, entry)| goes(entry)).map(|(slot, _)| slot));
        for slot in condemned.range(before..) {
            table.get_mut(*slot).expect("just seen").marks |= CONDEMNED;
        }
        u32::try_from(condemned.len() - before).expect("no more than slots")
    }

    /// The next flow whose end the peer has seen and which still lives here.
    pub fn take_condemned(&mut self) -> Option<Slot> {
        while let Some(slot) = self.condemned.pop_front() {
            if let Some(entry) = self.table.get_mut(slot).filter(|entry| entry.is(CONDEMNED)) {
                entry.marks &= !CONDEMNED;
                if !entry.is(DEAD) {
                    return Some(slot);
                }
            }
        }
        None
    }

    /// Whether such a flow waits to be removed.
    #[must_use]
    pub fn has_condemned(&self) -> bool {
        !self.condemned.is_empty()
    }

    /// We do not stand by any more: nothing is removed because of what the peer has seen.
    pub fn pardon(&mut self) {
        while self.take_condemned().is_some() {}
        for slot in core::mem::take(&mut self.suspects) {
            if let Some(entry) = self.table.get_mut(slot) {
                entry.marks &= !SUSPECT;
            }
        }
    }
}
