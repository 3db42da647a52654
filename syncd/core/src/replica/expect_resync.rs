//! Kernel → internal cache, for expectations: a dump after that of the flows, then a sweep, as in [`super::resync`].
//!
//! A kernel without expectations refuses the dump; that is told once, and expectations are left alone until the next
//! resync.

use alloc::vec::Vec;

use super::kernel::{Errno, ExpectRequest, Token};
use super::tokens::Tokens;
use crate::cache::expect::{ExpectSlot, InternalExpectations};
use crate::time::{Duration, Instant};

/// Look-ups under way at once.
const CONFIRMING: usize = 16;

/// A dump that failed is tried again so much later.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Wanted { not_before: Instant },
    Dumping { token: Token },
    Sweeping { cursor: u32 },
}

/// The job.
#[derive(Debug)]
pub(super) struct ExpectResync {
    state: State,
    again: bool,
    /// A look-up has failed for another reason than that there is none.
    unsure: bool,
    /// The table was read, or there is none.
    knows: bool,
    confirming: Vec<(Token, ExpectSlot)>,
}

impl ExpectResync {
    pub(super) const fn new() -> Self {
        Self { state: State::Idle, again: false, unsure: false, knows: false, confirming: Vec::new() }
    }

    /// Whether the cache is known to equal the kernel's table, or never will.
    pub(super) const fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle)
    }

    /// Whether it is, but for what a look-up could not say and another dump will.
    pub(super) const fn is_through(&self) -> bool {
        self.is_idle() || matches!(self.state, State::Wanted { .. } if self.unsure)
    }

    /// Whether the kernel's table was read at least once, or there is none.
    pub(super) const fn knows(&self) -> bool {
        self.knows
    }

    /// Wants a dump that begins after this call.
    pub(super) const fn want(&mut self, now: Instant) {
        match self.state {
            State::Idle | State::Wanted { .. } => {
                self.unsure = false;
                self.state = State::Wanted { not_before: now };
            }
            State::Dumping { .. } | State::Sweeping { .. } => self.again = true,
        }
    }

    /// Whether `token` is that of the running dump.
    pub(super) fn is_dump(&self, token: Token) -> bool {
        self.state == State::Dumping { token }
    }

    /// When [`Self::poll`] has something to do by itself.
    pub(super) const fn due(&self) -> Option<Instant> {
        match self.state {
            State::Wanted { not_before } => Some(not_before),
            State::Sweeping { .. } if self.confirming.is_empty() => Some(Instant::PAST),
            State::Idle | State::Dumping { .. } | State::Sweeping { .. } => None,
        }
    }

    /// The next request for the kernel.
    pub(super) fn poll<'a>(
        &mut self,
        now: Instant,
        tokens: &mut Tokens,
        internal: &'a mut InternalExpectations,
    ) -> Option<ExpectRequest<'a>> {
        match self.state {
            State::Wanted { not_before } if not_before <= now => {
                let token = tokens.next();
                self.state = State::Dumping { token };
                self.unsure = false;
                internal.begin_dump();
                Some(ExpectRequest::Dump { token })
            }
            State::Sweeping { cursor } if self.confirming.len() < CONFIRMING => {
                let slot = internal.next_unnamed(cursor)?;
                self.state = State::Sweeping { cursor: slot.0 + 1 };
                let token = tokens.next();
                self.confirming.push((token, slot));
                let expectation = &internal.get(slot).expect("just found").expectation;
                Some(ExpectRequest::Find { token, expectation })
            }
            _ => None,
        }
    }

    /// The running dump is complete.
    pub(super) fn dumped(&mut self, internal: &mut InternalExpectations) {
        internal.end_dump();
        self.state = State::Sweeping { cursor: 0 };
    }

    /// The running dump failed. Says whether it is hopeless.
    pub(super) fn failed(&mut self, now: Instant, error: Errno, internal: &mut InternalExpectations) -> bool {
        internal.end_dump();
        let hopeless = matches!(error, Errno::EINVAL | Errno::EOPNOTSUPP | Errno::ENOENT | Errno::EPERM);
        self.knows |= hopeless;
        self.state = if hopeless { State::Idle } else { State::Wanted { not_before: now + PAUSE } };
        hopeless
    }

    /// The slot whose look-up `token` names, which is now answered.
    pub(super) fn take_confirmed(&mut self, token: Token) -> Option<ExpectSlot> {
        let index = self.confirming.iter().position(|(named, _)| *named == token)?;
        Some(self.confirming.swap_remove(index).1)
    }

    /// Whether one still stands in the kernel could not be said: it is left for another dump.
    pub(super) const fn unsure(&mut self) {
        self.unsure = true;
    }

    /// Ends the sweep when all slots were looked at and all look-ups are answered.
    pub(super) fn settle(&mut self, now: Instant, internal: &InternalExpectations) {
        let State::Sweeping { cursor } = self.state else { return };
        if self.confirming.is_empty() && internal.next_unnamed(cursor).is_none() {
            self.state = State::Idle;
            self.knows = true;
            if core::mem::take(&mut self.again) {
                self.want(now);
            } else if self.unsure {
                self.state = State::Wanted { not_before: now + PAUSE };
            }
        }
    }
}
