//! When bytes arrived, as far as the verdict asks: the last time, and the longest interval around the fault.
//!
//! Never reads a clock. The ledger keeps one per direction of a stream. Tested in `tests/arithmetic.rs`.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Intervals count that overlap so much time after the fault.
const WINDOW: Duration = Duration::from_secs(10);
/// Arrivals remembered for a fault that is named after it happened: more than a second's at every usual pace.
const REMEMBERED: usize = 256;

/// The arrivals of one direction.
#[derive(Clone, Debug, Default)]
pub(super) struct Arrivals {
    recent: VecDeque<Instant>,
    fault: Option<Instant>,
    longest: Option<Duration>,
}

impl Arrivals {
    /// Bytes arrived.
    pub(super) fn note(&mut self, now: Instant) {
        if let Some(last) = self.last() {
            if last == now {
                return;
            }
            self.consider(last, now);
        }
        if self.recent.len() == REMEMBERED {
            self.recent.pop_front();
        }
        self.recent.push_back(now);
    }

    /// When bytes arrived last.
    pub(super) fn last(&self) -> Option<Instant> {
        self.recent.back().copied()
    }

    /// From now on gaps count from `fault`.
    pub(super) fn fault_at(&mut self, fault: Instant) {
        self.fault = Some(fault);
        self.longest = None;
        let recent = std::mem::take(&mut self.recent);
        for (from, to) in recent.iter().zip(recent.iter().skip(1)) {
            self.consider(*from, *to);
        }
        self.recent = recent;
    }

    /// The longest interval so far that overlaps the window; the one that has not ended yet counts until `end`.
    /// None without a fault, or if nothing ever arrived.
    pub(super) fn gap(&self, end: Instant) -> Option<Duration> {
        let fault = self.fault?;
        let last = self.last()?;
        let open =
            if overlaps(fault, last, end) { end.saturating_duration_since(last) } else { Duration::ZERO };
        Some(self.longest.unwrap_or_default().max(open))
    }

    fn consider(&mut self, from: Instant, to: Instant) {
        if self.fault.is_some_and(|fault| overlaps(fault, from, to)) {
            self.longest = self.longest.max(Some(to.saturating_duration_since(from)));
        }
    }
}

fn overlaps(fault: Instant, from: Instant, to: Instant) -> bool {
    to >= fault && from <= fault + WINDOW
}
