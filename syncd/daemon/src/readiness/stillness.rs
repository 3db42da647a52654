//! Whether the machine was suspended: then what it knows of the peer's flows is older than its clock says.
//!
//! Never reads a clock. Tested in `readiness/tests.rs`.

use std::time::Duration;

use syncd_core::time::Instant;

/// Shorter is two clocks read one after the other.
const NOTICEABLE: Duration = Duration::from_secs(1);

/// What is known of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stillness {
    /// How long the machine had been suspended at the last look.
    before: Duration,
    /// When it was noticed last, and how long it has been since all was known.
    noticed: Option<(Instant, Duration)>,
}

impl Stillness {
    /// The machine has been suspended so long before we began.
    pub(crate) const fn new(before: Duration) -> Self {
        Self { before, noticed: None }
    }

    /// Looks. Whether the machine was suspended since the last look.
    pub(crate) fn look(&mut self, now: Instant, suspended: Duration) -> bool {
        let more = suspended.saturating_sub(self.before);
        if more < NOTICEABLE {
            return false;
        }
        self.before = suspended;
        let so_far = self.noticed.map_or(Duration::ZERO, |(_, span)| span);
        self.noticed = Some((now, so_far + more));
        true
    }

    /// All is known that the peer had to tell to a question of that moment.
    pub(crate) fn answered(&mut self, asked: Instant) {
        if self.noticed.is_some_and(|(at, _)| at <= asked) {
            self.noticed = None;
        }
    }

    /// How long it stood still, if what is known is of before.
    pub(crate) fn span(&self) -> Option<Duration> {
        self.noticed.map(|(_, span)| span)
    }
}
