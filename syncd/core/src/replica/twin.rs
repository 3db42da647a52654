//! Whether the peer was primary while we were, as far as the dedicated link shows it.
//!
//! VRRP need not say so: where the router of lower priority hears first that there is another, it steps back, and the
//! other one never learns that it was not alone. But a *birth* is the word of a router that has the packets: one that
//! stands by tells of its flows as updates, but for those that it got as primary and nobody has acknowledged (see
//! [`Role::births`](super::Role::births)). So whoever is primary and is told of births has a twin; and when that one asks
//! for a resync, and then tells of no more births, it stands by again. (A twin that asks for another reason goes on to
//! tell of them.)
//!
//! It takes no decision: the coordinator says what was heard and begins the jobs. Tested in `tests/split.rs` and by the
//! simulator.

use crate::ftfw::SILENCE;
use crate::time::{Duration, Instant};

/// So long after we have become primary, births may be the last words of the one that was it before; VRRP needs as long
/// to make two primaries.
const LAST_WORDS: Duration = SILENCE;

/// So long after its start the peer may not know yet what it is, and tells of whatever is born in its kernel.
const START: Duration = Duration::from_secs(5);

/// Whoever tells of no births for so long has none to tell of.
const QUIET: Duration = Duration::from_secs(1);

/// What is known of it.
#[derive(Debug, Default)]
pub(super) struct Twin {
    /// Births were told since the last adoption.
    born: bool,
    /// After that it has asked for a resync.
    asked: bool,
    /// When it did either for the last time.
    last: Instant,
    /// When the peer has started.
    started: Option<Instant>,
    /// The peer has shown in this life of it that it is one of us: a conntrackd tells of births whatever it is.
    ours: bool,
}

impl Twin {
    /// The peer has started, or restarted.
    pub(super) const fn started(&mut self, now: Instant) {
        self.started = Some(now);
        self.ours = false;
    }

    /// The peer is one of us.
    pub(super) const fn is_ours(&mut self) {
        self.ours = true;
    }

    /// The peer has told of a birth. We have been primary since `since`.
    pub(super) fn told_birth(&mut self, now: Instant, since: Instant) {
        self.born |= self.ours && now.since(since) >= LAST_WORDS && !self.starts(now);
        self.last = now;
    }

    /// The peer has asked for a resync.
    pub(super) fn asked(&mut self, now: Instant) {
        self.asked |= self.born && !self.starts(now);
        self.last = now;
    }

    /// When [`Self::yields`] has something to say.
    pub(super) fn due(&self) -> Option<Instant> {
        self.asked.then(|| self.last + QUIET)
    }

    /// Whether there was one that stands by now. Said once.
    pub(super) fn yields(&mut self, now: Instant) -> bool {
        let yields = self.due().is_some_and(|due| due <= now);
        if yields {
            self.settle();
        }
        yields
    }

    /// What is known was dealt with, or counts no more.
    pub(super) const fn settle(&mut self) {
        (self.born, self.asked) = (false, false);
    }

    fn starts(&self, now: Instant) -> bool {
        self.started.is_some_and(|started| now.since(started) < START)
    }
}
