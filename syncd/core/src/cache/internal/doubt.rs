//! Flows of which it is not known which life of them this is: two sources contradict each other, and they wait to be looked
//! up. Driven by the events and dumps that contradict, and by `replica/resync.rs`, which asks. Tested in `cache/tests.rs`
//! and `replica/tests/certainty.rs`.

use super::{DEAD, DOUBTED, InternalCache};
use crate::cache::table::Slot;

impl InternalCache {
    /// The next flow of which it is not known which life of it this is. It counts as unnamed from now on, and whoever
    /// calls looks it up: an answer to a question asked now is newer than what was contradicted.
    pub fn take_doubted(&mut self) -> Option<Slot> {
        while let Some(slot) = self.doubted.pop_front() {
            let stale = self.generation.wrapping_sub(1);
            if let Some(entry) = self.table.get_mut(slot).filter(|entry| entry.is(DOUBTED)) {
                entry.marks &= !DOUBTED;
                if !entry.is(DEAD) {
                    entry.stamp = stale;
                    return Some(slot);
                }
            }
        }
        None
    }

    /// Whether a flow waits to be looked up.
    #[must_use]
    pub fn has_doubted(&self) -> bool {
        !self.doubted.is_empty()
    }

    pub(super) fn doubt(&mut self, slot: Slot) {
        let entry = self.entry(slot);
        if !entry.is(DOUBTED) {
            entry.marks |= DOUBTED;
            self.doubted.push_back(slot);
        }
    }
}
