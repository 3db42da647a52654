//! Living flows that are one to the peer, because the plain dialect cannot say in what they differ. While one of them lives,
//! no other must be told as ended. For flows that the dialect can tell apart this costs a look at their protocol.
//!
//! Tested in `cache/tests.rs` and `replica/tests/alike.rs`.

use alloc::collections::BTreeSet;

use super::{Births, InternalCache, is_birth};
use crate::cache::table::Slot;
use crate::flow::{Change, FlowRef, Key};

/// Which living flows make the same frame: by what a frame says of their key.
#[derive(Debug, Default)]
pub(super) struct Alike(BTreeSet<(Key, Slot)>);

impl Alike {
    /// The flow in `slot` lives.
    pub(super) fn lives(&mut self, key: &Key, slot: Slot) {
        if let Some(said) = key.said_in_part() {
            self.0.insert((said, slot));
        }
    }

    /// It does not any more.
    pub(super) fn ended(&mut self, key: &Key, slot: Slot) {
        if let Some(said) = key.said_in_part() {
            self.0.remove(&(said, slot));
        }
    }

    /// A living flow that makes the same frame as one of this key.
    fn survivor(&self, key: &Key) -> Option<Slot> {
        let said = key.said_in_part()?;
        self.0.range((said, Slot(0))..=(said, Slot(u32::MAX))).next().map(|(_, slot)| *slot)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl InternalCache {
    /// What the peer hears instead of the end of a flow of this key: another one lives that is the same to it. Where all
    /// are told as births, so is it: that replaces what the peer holds of the one that ended.
    pub(super) fn survivor(&self, key: &Key, births: Births) -> Option<(Change, FlowRef<'_>)> {
        let slot = self.alike.survivor(key)?;
        let entry = self.table.get(slot)?;
        let birth = births == Births::All || is_birth(entry, births);
        Some((if birth { Change::New } else { Change::Update }, self.table.flow(slot)?))
    }

    /// Whether the flow in `slot` has ended and another lives that is the same to the peer.
    #[must_use]
    pub fn has_survivor(&self, slot: Slot) -> bool {
        !self.is_alive(slot)
            && self.table.get(slot).is_some_and(|entry| self.alike.survivor(&entry.flow.key()).is_some())
    }
}
