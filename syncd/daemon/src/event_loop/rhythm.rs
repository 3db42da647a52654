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
/// While they come steadily, as many whole datagrams as fill within this are gathered: the wake-up is what a flow pays most
/// for then.
const SEVERAL: Duration = Duration::from_micros(750);
/// But no more events than this, so that no buffer must hold many.
const ENOUGH: u32 = 256;
/// Steady is what brought events each of so many times; between bursts there is a time that brings none.
const STEADY: u32 = 4;

/// A count of events in the present window, and of those in the last one.
#[derive(Debug)]
pub(super) struct Rhythm {
    /// When the present window began.
    since: Instant,
    events: u32,
    /// In as long as a window, rounded down.
    before: u32,
    /// When it was looked last whether they come steadily.
    looked: Instant,
    /// Events since then.
    fresh: u32,
    /// So many times in a row some had come.
    steady: u32,
}

impl Rhythm {
    /// No events yet.
    pub(super) const fn new(now: Instant) -> Self {
        Self { since: now, events: 0, before: 0, looked: now, fresh: 0, steady: 0 }
    }

    /// Notes that `events` more came until `now`. Whether they come fast.
    pub(super) fn count(&mut self, now: Instant, events: usize) -> bool {
        let events = u32::try_from(events).unwrap_or(u32::MAX);
        let elapsed = now.since(self.since);
        if elapsed >= 2 * WINDOW {
            // A window of which nothing was heard for long says nothing any more.
            (self.since, self.before, self.events) = (now, 0, events);
        } else {
            self.events = self.events.saturating_add(events);
        }
        if now.since(self.since) >= WINDOW {
            self.before = per_window(self.events, elapsed);
            (self.since, self.events) = (now, 0);
        }
        self.fresh = self.fresh.saturating_add(events);
        if now.since(self.looked) >= LEAST {
            self.steady = if self.fresh > 0 { self.steady.saturating_add(1) } else { 0 };
            (self.looked, self.fresh) = (now, 0);
        }
        self.before.max(self.events) > MANY
    }

    /// How long to gather until so many more have come that one datagram is full, and others, each of which `whole` fill.
    pub(super) fn gathering(&self, now: Instant, lacking: u32, whole: u32) -> Duration {
        if self.steady < STEADY {
            return self.until(now, lacking).clamp(LEAST, MOST);
        }
        let [first, one] = [lacking, whole].map(|wanted| WINDOW * wanted / self.before.max(1));
        let others = SEVERAL.saturating_sub(first).as_nanos() / one.as_nanos().max(1);
        let room = ENOUGH.saturating_sub(lacking) / whole.max(1);
        match u32::try_from(others).unwrap_or(u32::MAX).min(room) {
            0 => first.clamp(LEAST, MOST),
            others => (first + one * others).max(LEAST),
        }
    }

    /// How long it takes until so many more have come.
    fn until(&self, now: Instant, wanted: u32) -> Duration {
        // A burst may have just begun: what counts is its own rate.
        let mean = WINDOW * wanted / self.before.max(1);
        let present = now.since(self.since).max(LEAST) * wanted / self.events.max(1);
        mean.min(present)
    }
}

/// So many in `elapsed`: how many in a window.
fn per_window(events: u32, elapsed: Duration) -> u32 {
    let events = u128::from(events) * WINDOW.as_nanos() / elapsed.as_nanos().max(1);
    u32::try_from(events).unwrap_or(u32::MAX)
}
