//! Whether events come fast. Then the loop gathers for a moment before it sends, so that a datagram is full and a
//! wake-up is shared; when they are rare, nothing waits. Tested below in `event_loop/rhythm/tests.rs`.

#[cfg(test)]
mod tests;

use std::time::Duration;

use syncd_core::time::Instant;

/// The length over which events are counted.
const WINDOW: Duration = Duration::from_millis(1);
/// More than so many in a window is fast: some four full datagrams.
const MANY: usize = 32;

/// A count of events in the present window, and what the last one was like.
#[derive(Debug)]
pub(super) struct Rhythm {
    since: Instant,
    events: usize,
    was_fast: bool,
}

impl Rhythm {
    /// No events yet.
    pub(super) const fn new(now: Instant) -> Self {
        Self { since: now, events: 0, was_fast: false }
    }

    /// Whether events come fast, with `events` more that came until `now`.
    pub(super) fn is_fast(&mut self, now: Instant, events: usize) -> bool {
        let elapsed = now.since(self.since);
        if elapsed >= WINDOW {
            // A window of which nothing was heard for long says nothing any more.
            self.was_fast = self.events > MANY && elapsed < 2 * WINDOW;
            (self.since, self.events) = (now, 0);
        }
        self.events += events;
        self.was_fast || self.events > MANY
    }
}
