//! Some of the peer's flows, looked at: whether our kernel has them already, and whether our own filter would tell them.
//!
//! A look at each of a million flows would hold up the loop; at two thousand it takes a third of a millisecond, and they
//! are taken from the whole cache, others each time. Where the cache is not larger than that, the numbers are exact.
//! Tested in `readiness/tests.rs`.

use syncd_core::cache::{ExternalCache, InternalCache, Slot};
use syncd_core::filter::Filter;
use syncd_core::flow::{Flow, Protocol};

/// So many slots are looked at.
pub(super) const LOOKS: u32 = 2048;

/// What was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sample {
    /// Flows looked at.
    looked: u32,
    /// Of these, those that our kernel has.
    here: u32,
    /// Those whose addresses the filter ignores.
    ignored: u32,
    /// Those whose protocol the filter does not accept, by protocol.
    kept_out: Vec<(Protocol, u32)>,
}

impl Sample {
    /// Looks; `turn` says which slots, of those that could be.
    pub(crate) fn take(
        external: &ExternalCache,
        internal: &InternalCache,
        filter: &Filter,
        turn: u32,
    ) -> Self {
        let mut sample = Self::default();
        let stride = external.end().div_ceil(LOOKS).max(1);
        let slots = (turn % stride..external.end()).step_by(stride as usize);
        for entry in slots.filter_map(|slot| external.get(Slot(slot))) {
            sample.looked += 1;
            sample.here += u32::from(internal.has(&entry.flow.key()));
            if !filter.accepts(&entry.flow) {
                sample.keep_out(&entry.flow, filter);
            }
        }
        sample
    }

    fn keep_out(&mut self, flow: &Flow, filter: &Filter) {
        let (accepted, ..) = filter.parts();
        if accepted.is_empty() || accepted.contains(&flow.protocol) {
            self.ignored += 1;
            return;
        }
        match self.kept_out.iter_mut().find(|(protocol, _)| *protocol == flow.protocol) {
            Some((_, seen)) => *seen += 1,
            None => self.kept_out.push((flow.protocol, 1)),
        }
    }

    /// Of `all` flows of the peer, how many our kernel lacks.
    pub(super) fn not_here(&self, all: u32) -> u32 {
        if self.looked == 0 {
            return all;
        }
        all.saturating_sub(u32::try_from(self.scaled(self.here, all)).unwrap_or(all))
    }

    /// Of `all` flows, how many are as those of which `seen` were seen.
    pub(super) fn scaled(&self, seen: u32, all: u32) -> u64 {
        u64::from(seen) * u64::from(all) / u64::from(self.looked.max(1))
    }

    /// Flows that `ignore-address` keeps out.
    pub(super) const fn ignored(&self) -> u32 {
        self.ignored
    }

    /// The protocol that `accept-protocol` keeps out most often, and how often.
    pub(super) fn protocol_kept_out(&self) -> Option<(Protocol, u32)> {
        self.kept_out.iter().copied().max_by_key(|(_, seen)| *seen)
    }
}
