//! How long the peer is behind: a histogram of rounds, each the time until all that waited or was in flight at one
//! moment had come to its end by an acknowledgement.
//!
//! Counts only, decides nothing. Driven by `session`; tested in `ftfw/tests.rs`.

use crate::time::Duration;

/// The upper ends of the buckets, in microseconds. From a quiet link to one that has failed and come back; a peer
/// acknowledges within some tenth of a second what does not fill a window.
pub const LAG_BOUNDS: [u64; 13] = [
    1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 10_000_000,
    60_000_000,
];

/// The histogram. Counts only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lag {
    /// Rounds that took at most the bound of the same place in [`LAG_BOUNDS`], and longer than the one before.
    pub buckets: [u64; LAG_BOUNDS.len()],
    /// All rounds, also those longer than every bound.
    pub rounds: u64,
    /// How long all rounds took together, in microseconds.
    pub micros: u64,
}

impl Lag {
    /// A round has taken so long.
    pub(super) fn observe(&mut self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.rounds += 1;
        self.micros = self.micros.saturating_add(micros);
        if let Some(bucket) = LAG_BOUNDS.iter().position(|bound| micros <= *bound) {
            self.buckets[bucket] += 1;
        }
    }
}
