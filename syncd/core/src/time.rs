//! Time as a value. Nothing here can ask what time it is; the daemon and the simulator say so once per turn.
//!
//! The daemon reads `CLOCK_MONOTONIC`; wall-clock time never enters, so a clock step cannot stall a timer.

pub use core::time::Duration;

/// Nanoseconds of a monotonic clock whose zero means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(u64);

impl Instant {
    /// Before everything: what is due then is due at once.
    pub const PAST: Self = Self(0);

    /// An instant from nanoseconds of the caller's monotonic clock.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds of the caller's monotonic clock.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// How long ago `earlier` was; zero if it lies in the future.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl core::ops::Add<Duration> for Instant {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}
