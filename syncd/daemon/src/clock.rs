//! The only reading of clocks. The event loop reads the monotonic one once per round; wall-clock time is for what
//! operators read and decides nothing. Tested by use.

use std::time::{SystemTime, UNIX_EPOCH};

use nix::time::{ClockId, clock_gettime};
use syncd_core::time::{Duration, Instant};

/// Now, on `CLOCK_MONOTONIC`: the clock whose nanoseconds `status` shows and labctl compares.
pub(crate) fn now() -> Instant {
    Instant::from_nanos(nanos(ClockId::CLOCK_MONOTONIC))
}

/// How long the machine was suspended since it booted: what `CLOCK_BOOTTIME` counts and `CLOCK_MONOTONIC` does not.
pub(crate) fn suspended() -> Duration {
    let monotonic = nanos(ClockId::CLOCK_MONOTONIC);
    Duration::from_nanos(nanos(ClockId::CLOCK_BOOTTIME).saturating_sub(monotonic))
}

fn nanos(clock: ClockId) -> u64 {
    let spec = clock_gettime(clock).expect("every Linux has this clock");
    let seconds = u64::try_from(spec.tv_sec()).expect("it begins at 0");
    let nanos = u64::try_from(spec.tv_nsec()).expect("it begins at 0");
    seconds * 1_000_000_000 + nanos
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
