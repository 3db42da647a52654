//! Whether events come fast. Then the loop gathers for a moment before it sends, so that a datagram is full and a
//! wake-up is shared; when they are rare, nothing waits. Tested below in `event_loop/rhythm/tests.rs`.

#[cfg(test)]
mod tests;

use std::time::Duration;

use syncd_core::time::Instant;

/// The length over which events are counted.
const WINDOW: Duration = Duration::from_millis(1);
/// More than so many in a window is fast.
const MANY: u32 = 16;
/// A gathering lasts until a datagram is full at the present rate, but at least so long, because it costs the processor
/// some ten microseconds.
const LEAST: Duration = Duration::from_micros(100);
/// And at most so long: in the median a flow waits for half of it.
const MOST: Duration = Duration::from_micros(500);
/// Where even two datagrams fill within this, both are gathered: the wake-up is what a flow pays most for then.
const BOTH: Duration = Duration::from_micros(600);

/// A count of events in the present window, and of those in the last one.
#[derive(Debug)]
pub(super) struct Rhythm {
    since: Instant,
    events: u32,
    before: u32,
}

impl Rhythm {
    /// No events yet.
    pub(super) const fn new(now: Instant) -> Self {
        Self { since: now, events: 0, before: 0 }
    }

    /// Notes that `events` more came until `now`. Whether they come fast.
    pub(super) fn count(&mut self, now: Instant, events: usize) -> bool {
        let elapsed = now.since(self.since);
        if elapsed >= WINDOW {
            // A window of which nothing was heard for long says nothing any more.
            self.before = if elapsed < 2 * WINDOW { self.events } else { 0 };
            (self.since, self.events) = (now, 0);
        }
        self.events = self.events.saturating_add(u32::try_from(events).unwrap_or(u32::MAX));
        self.before.max(self.events) > MANY
    }

    /// How long to gather until so many more have come that one datagram is full, or a second one, where `whole` fill one.
    pub(super) fn gathering(&self, now: Instant, lacking: u32, whole: u32) -> Duration {
        let both = self.until(now, lacking.saturating_add(whole));
        if both <= BOTH { both.max(LEAST) } else { self.until(now, lacking).clamp(LEAST, MOST) }
    }

    /// How long it takes until so many more have come.
    fn until(&self, now: Instant, wanted: u32) -> Duration {
        // A burst may have just begun: what counts is its own rate.
        let mean = WINDOW * wanted / self.before.max(1);
        let present = now.since(self.since).max(LEAST) * wanted / self.events.max(1);
        mean.min(present)
    }
}
