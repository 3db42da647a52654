//! How often a handover was asked for, and what became of it. Driven by the event loop.

use crate::handover::Outcome;

/// Counts since the start of the daemon.
#[derive(Clone, Debug, Default)]
pub(crate) struct Handovers {
    counts: [u64; Outcome::ALL.len()],
}

impl Handovers {
    /// One is over.
    pub(crate) fn count(&mut self, outcome: Outcome) {
        let place = Outcome::ALL.iter().position(|known| *known == outcome).expect("ALL has every outcome");
        self.counts[place] += 1;
    }

    /// Every outcome and how often it was seen.
    pub(super) fn all(&self) -> impl Iterator<Item = (Outcome, u64)> + '_ {
        Outcome::ALL.into_iter().zip(self.counts)
    }
}
