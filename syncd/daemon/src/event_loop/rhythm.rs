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
/// What comes so soon after that is fast, too: the beginning of the next burst.
const SOON: Duration = Duration::from_millis(4);
/// A gathering lasts until a datagram is full at the present rate, but at least so long, because it costs the processor
/// some ten microseconds.
const LEAST: Duration = Duration::from_micros(100);
/// And at most so long: in the median a flow waits for half of it.
const MOST: Duration = Duration::from_micros(500);
/// In a burst less: whoever kept the processor from us for the whole of it has made its first flows wait already.
const MOST_IN_BURST: Duration = Duration::from_micros(200);
/// While they come steadily, as many whole datagrams as fill within this are gathered: the wake-up is what a flow pays most
/// for then.
const SEVERAL: Duration = Duration::from_micros(750);
/// But no more events than this, so that no buffer must hold many.
const ENOUGH: u32 = 256;
/// Steady is what made no pause for so long; bursts have pauses between them.
const STEADY: Duration = Duration::from_millis(2);
/// A pause is when none came while so many were due.
const DUE: u32 = 4;

/// Events of one round: about 1 µs each, with the merge.
const BUDGET: usize = 512;
/// In a burst less: what fills two datagrams leaves before more is read.
const BUDGET_IN_BURST: usize = 32;

/// A count of events in the present window, and of those in the last one.
#[derive(Debug)]
pub(super) struct Rhythm {
    /// When the present window began.
    since: Instant,
    events: u32,
    /// In as long as a window, rounded down.
    before: u32,
    /// When the last ones came.
    heard: Instant,
    /// When a pause was noticed last.
    paused: Instant,
    /// When many had come last.
    many: Option<Instant>,
}

impl Rhythm {
    /// No events yet.
    pub(super) const fn new(now: Instant) -> Self {
        Self { since: now, events: 0, before: 0, heard: now, paused: now, many: None }
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
        if events > 0 {
            self.heard = now;
        }
        if self.is_pause(now) {
            self.paused = now;
        }
        if self.before.max(self.events) > MANY {
            self.many = Some(now);
            return true;
        }
        events > 0 && self.many.is_some_and(|many| now.since(many) < SOON)
    }

    /// Whether the silence since the last ones, until `now`, is a pause. Behind `count` of some at `now` it is none.
    pub(super) fn is_pause(&self, now: Instant) -> bool {
        let silence = now.since(self.heard);
        silence >= MOST || silence * self.before >= WINDOW * DUE
    }

    /// Whether they come without pauses.
    fn is_steady(&self, now: Instant) -> bool {
        now.since(self.paused) >= STEADY
    }

    /// How many events are read in one round.
    pub(super) fn budget(&self, now: Instant) -> usize {
        if self.is_steady(now) { BUDGET } else { BUDGET_IN_BURST }
    }

    /// How long to gather until so many more have come that one datagram is full, and others, each of which `whole` fill.
    pub(super) fn gathering(&self, now: Instant, lacking: u32, whole: u32) -> Duration {
        if !self.is_steady(now) {
            return self.until(now, lacking).clamp(LEAST, MOST_IN_BURST);
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
