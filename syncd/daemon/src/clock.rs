//! The only reading of clocks. The event loop reads the monotonic one once per round; wall-clock time is for what
//! operators read and decides nothing. Tested by use.

use std::time::{SystemTime, UNIX_EPOCH};

use nix::time::{ClockId, clock_gettime};
use syncd_core::time::Instant;

/// Now, on `CLOCK_MONOTONIC`: the clock whose nanoseconds `status` shows and labctl compares.
pub(crate) fn now() -> Instant {
    let spec = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("every Linux has a monotonic clock");
    let seconds = u64::try_from(spec.tv_sec()).expect("the monotonic clock begins at 0");
    let nanos = u64::try_from(spec.tv_nsec()).expect("the monotonic clock begins at 0");
    Instant::from_nanos(seconds * 1_000_000_000 + nanos)
}

/// Milliseconds since 1970, for human eyes.
pub(crate) fn unix_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Seconds since 1970, for human eyes.
pub(crate) fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
