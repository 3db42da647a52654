//! What keepalived's priority shall be made of: the number in the track file.
//!
//! keepalived multiplies it by the `weight` in its own configuration and adds it to the priority, so the order of these
//! levels is the order in which routers become primary, as long as the weight is larger than the difference of the
//! priorities: one that is ready before one that has stepped back, that one before one that is handing over, and all
//! before one that is not ready. So *VRRP itself carries the word whether the peer is ready*, for which the protocol of the
//! dedicated link has none. Nothing of it ever keeps the only router from being primary.
//!
//! Whoever is primary is never lowered because of its state: nobody knows its flows better. Decides from values only;
//! tested in `readiness/tests.rs`.

use std::time::Duration;

use syncd_core::replica::Role;
use syncd_core::time::Instant;

/// A router that was ready counts as not ready only after so long without: a frame that is asked for again is no reason to
/// move priorities.
const FLICKER: Duration = Duration::from_secs(3);

/// What the file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// The priority of the configuration.
    Ready,
    /// Ready, and has handed over: does not take its role back from a router that has it and is ready.
    Yields,
    /// Primary, and wants the other one to be it.
    HandsOver,
    /// Would lose flows.
    Unready,
}

impl Level {
    /// The number in the file.
    pub(crate) const fn number(self) -> i8 {
        match self {
            Self::Ready => 0,
            Self::Yields => -1,
            Self::HandsOver => -2,
            Self::Unready => -3,
        }
    }

    /// The word.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Yields => "stepped back",
            Self::HandsOver => "handing over",
            Self::Unready => "not ready",
        }
    }
}

/// What a look has changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Looked {
    /// The level is another one.
    pub(crate) changed: bool,
    /// It is another one only because it was waited too long.
    pub(crate) gave_up: bool,
}

/// The level, and what it comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Priority {
    level: Level,
    role: Role,
    yields: bool,
    hands_over: bool,
    /// Until then it wants its role back, whatever it knows.
    reclaims: Option<Instant>,
    /// Since when the router has not been ready.
    unready_since: Option<Instant>,
    /// Since when keepalived has been told so.
    waits_since: Option<Instant>,
    gave_up: bool,
}

impl Priority {
    /// Of a router of which nothing is known yet; `yields` is what it had promised before a restart.
    pub(crate) const fn new(yields: bool) -> Self {
        Self {
            level: Level::Unready,
            role: Role::Unknown,
            yields,
            hands_over: false,
            reclaims: None,
            unready_since: None,
            waits_since: None,
            gave_up: false,
        }
    }

    /// What keepalived is told.
    pub(crate) const fn level(&self) -> Level {
        self.level
    }

    /// Since when keepalived has been told to wait, if it is.
    pub(crate) const fn waits_since(&self) -> Option<Instant> {
        self.waits_since
    }

    /// Whether keepalived goes on although the router is not ready, because it has waited too long.
    pub(crate) const fn gave_up(&self) -> bool {
        self.gave_up
    }

    /// Whether the router has handed over and not been primary since.
    pub(crate) const fn yields(&self) -> bool {
        self.yields
    }

    /// The router wants the other one to be primary, or does not any more.
    pub(crate) const fn hand_over(&mut self, wanted: bool) {
        self.hands_over = wanted;
    }

    /// The role has gone because it was handed over: this router does not take it back from one that is ready.
    pub(crate) const fn step_back(&mut self) {
        (self.yields, self.hands_over) = (true, false);
    }

    /// What was handed over is wanted back, until then.
    pub(crate) const fn reclaim(&mut self, until: Instant) {
        (self.yields, self.reclaims) = (false, Some(until));
    }

    /// Looks: keepalived waits for a router that is not ready for `patience` at most.
    pub(crate) fn look(&mut self, now: Instant, role: Role, ready: bool, patience: Duration) -> Looked {
        let entered = std::mem::replace(&mut self.role, role) != role;
        let before = (self.level, self.gave_up);
        if entered {
            self.settle();
        }
        self.level = match role {
            Role::Primary => {
                (self.yields, self.hands_over, self.reclaims) = (false, self.hands_over && !entered, None);
                self.settle();
                if self.hands_over { Level::HandsOver } else { Level::Ready }
            }
            _ if ready => {
                self.settle();
                self.standing()
            }
            Role::Backup if self.reclaims.is_some_and(|until| now < until) => Level::Ready,
            // It waits for its own link, or for keepalived: nobody would gain by the end of it.
            Role::Fault => Level::Unready,
            Role::Backup | Role::Unknown => self.unready(now, entered, patience),
        };
        let gave_up = self.gave_up && !before.1;
        Looked { changed: self.level != before.0 || gave_up, gave_up }
    }

    fn unready(&mut self, now: Instant, entered: bool, patience: Duration) -> Level {
        let since = *self.unready_since.get_or_insert(now);
        let was_ready = matches!(self.level, Level::Ready | Level::Yields) && !self.gave_up;
        if was_ready && !entered && now.since(since) < FLICKER {
            return self.standing();
        }
        let waits = *self.waits_since.get_or_insert(now);
        self.gave_up |= now.since(waits) >= patience;
        if self.gave_up { self.standing() } else { Level::Unready }
    }

    /// The level of a router that is ready and not primary.
    const fn standing(&self) -> Level {
        if self.yields { Level::Yields } else { Level::Ready }
    }

    const fn settle(&mut self) {
        (self.unready_since, self.waits_since, self.gave_up) = (None, None, false);
    }
}
