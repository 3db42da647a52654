//! External cache → kernel, for expectations: after the flows, because the kernel wants the parent with its helper.
//!
//! ```text
//! create ─► its time ─► written
//!    │ place taken
//!    ▼
//!   find ─► same ─► its time ─► written (kept)
//!    │ another, or none
//!    ▼
//!   delete what was found, create ─► its time ─► written
//!                              └─ any error ─► failed
//! ```
//! Where what stands here shall not give way (see [`Manner`]), another one in the place is the end of it. They are tried in
//! the order in which the peer has said them: of two that claim one place the later counts, and the end of the other is on
//! its way.
//!
//! The kernel takes no time at creation, so that is a request of its own; where it is refused the helper's own time
//! stays.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::commit::Manner;
use super::kernel::{Errno, ExpectRequest, KernelReply, Token};
use super::tokens::Tokens;
use crate::cache::expect::{ExpectEntry, ExpectSlot, ExternalExpectations};
use crate::flow::{Expectation, Parent};
use crate::time::Instant;

/// Expectations under way at once.
const OPEN: usize = 32;

/// Seconds an expectation lives at least after it was written: whoever was told of the port needs a moment.
const SHORTEST: u32 = 10;

/// Failures told one by one; the others are counted and stay visible in the external cache.
const TOLD: u32 = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Create,
    Find,
    Delete,
    Replace,
    Renew,
}

/// One expectation under way.
#[derive(Clone, Copy, Debug)]
struct Open {
    slot: ExpectSlot,
    wanted: Expectation,
    /// What stands in its place and is to be deleted.
    existing: Option<Expectation>,
    timeout: Option<u32>,
    step: Step,
    /// The request under way; none while the step is still to be requested.
    token: Option<Token>,
}

/// What a kernel's reply meant.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum ExpectSettled {
    /// The reply was not for us.
    NotOurs,
    /// Nothing yet.
    Nothing,
    /// What stood in an expectation's place is removed.
    Replaced,
    /// The expectation is in the kernel now.
    Written,
    /// It stays in the external cache; whether to tell of it.
    Refused {
        /// As the peer had it.
        wanted: Box<Expectation>,
        /// What the kernel said.
        error: Errno,
        /// Whether it is among the first of this commit.
        tell: bool,
    },
}

/// The job.
#[derive(Debug)]
pub(super) struct ExpectCommit {
    manner: Manner,
    /// The next to try is that of this word of the peer, or a later one; none when nothing is left to try.
    cursor: Option<u64>,
    failed: u32,
    open: Vec<Open>,
}

impl ExpectCommit {
    pub(super) const fn new() -> Self {
        Self { manner: Manner::TakeOver, cursor: None, failed: 0, open: Vec::new() }
    }

    /// Whether none runs.
    pub(super) const fn is_idle(&self) -> bool {
        self.cursor.is_none() && self.open.is_empty()
    }

    /// Begins.
    pub(super) const fn begin(&mut self, manner: Manner) {
        self.manner = manner;
        self.cursor = Some(0);
        self.failed = 0;
    }

    /// The role changed: what was begun is left as it is.
    pub(super) fn abandon(&mut self) {
        self.cursor = None;
        self.open.clear();
    }

    /// Ends when nothing is left to try.
    pub(super) fn settle(&mut self, external: &ExternalExpectations) {
        self.cursor = self.cursor.filter(|cursor| self.next_from(*cursor, external).is_some());
    }

    /// When [`Self::poll`] has something to do by itself.
    pub(super) fn due(&self) -> Option<Instant> {
        let room = self.cursor.is_some() && self.open.len() < OPEN;
        let wants = self.open.iter().any(|open| open.token.is_none());
        (room || wants).then_some(Instant::PAST)
    }

    /// The next thing to ask of the kernel; `second` is now, `zone_of` says in which zone a parent lives.
    pub(super) fn poll(
        &mut self,
        second: u32,
        tokens: &mut Tokens,
        external: &ExternalExpectations,
        zone_of: impl FnOnce(&Parent) -> Option<u16>,
    ) -> Option<ExpectRequest<'_>> {
        if self.open.iter().all(|open| open.token.is_some()) {
            self.open_next(second, external, zone_of)?;
        }
        let open = self.open.iter_mut().find(|open| open.token.is_none())?;
        let token = tokens.next();
        open.token = Some(token);
        let expectation = &open.wanted;
        Some(match open.step {
            Step::Create | Step::Replace => ExpectRequest::Create { token, expectation },
            Step::Find => ExpectRequest::Find { token, expectation },
            Step::Delete => {
                let expectation = open.existing.as_ref().unwrap_or(expectation);
                ExpectRequest::Delete { token, expectation }
            }
            Step::Renew => {
                let timeout = open.timeout.unwrap_or(SHORTEST);
                ExpectRequest::Renew { token, expectation, timeout }
            }
        })
    }

    /// A reply of the kernel.
    pub(super) fn reply(
        &mut self,
        reply: KernelReply<'_>,
        external: &mut ExternalExpectations,
    ) -> ExpectSettled {
        let token = reply.token();
        let Some(index) = self.open.iter().position(|open| open.token == Some(token)) else {
            return ExpectSettled::NotOurs;
        };
        let open = &mut self.open[index];
        open.token = None;
        let (mut error, mut replaced) = (reply.error(), false);
        let next = match (open.step, error) {
            (Step::Create | Step::Replace, None) if open.timeout.is_some() => Some(Step::Renew),
            (Step::Create, Some(Errno::EEXIST | Errno::EBUSY)) => Some(Step::Find),
            (Step::Find, Some(Errno::ENOENT)) => Some(Step::Replace),
            (Step::Find, None) => match reply {
                KernelReply::Expectation(_, existing) if existing.same(&open.wanted) => {
                    open.timeout.map(|_| Step::Renew)
                }
                KernelReply::Expectation(..) if self.manner != Manner::TakeOver => {
                    error = Some(Errno::EEXIST);
                    None
                }
                KernelReply::Expectation(_, existing) => {
                    open.existing = Some(Expectation { zone: open.wanted.zone, ..*existing });
                    Some(Step::Delete)
                }
                _ => Some(Step::Replace),
            },
            (Step::Delete, refused) => {
                replaced = refused.is_none();
                Some(Step::Replace)
            }
            (Step::Create | Step::Replace | Step::Renew | Step::Find, _) => None,
        };
        if let Some(step) = next {
            open.step = step;
            return if replaced { ExpectSettled::Replaced } else { ExpectSettled::Nothing };
        }
        let open = self.open.swap_remove(index);
        match error.filter(|_| open.step != Step::Renew) {
            None => Self::written(&open, external),
            Some(error) => self.refused(&open, error, external),
        }
    }

    fn open_next(
        &mut self,
        second: u32,
        external: &ExternalExpectations,
        zone_of: impl FnOnce(&Parent) -> Option<u16>,
    ) -> Option<()> {
        if self.open.len() >= OPEN {
            return None;
        }
        let cursor = self.cursor?;
        let next = self.next_from(cursor, external);
        self.cursor = next.map(|(word, ..)| word + 1);
        let (_, slot, entry) = next?;
        let age = second.saturating_sub(entry.changed);
        let timeout = entry.expectation.timeout.map(|timeout| timeout.saturating_sub(age).max(SHORTEST));
        let zone = zone_of(&entry.expectation.parent).unwrap_or(0);
        let wanted = Expectation { zone, ..entry.expectation };
        self.open.push(Open { slot, wanted, existing: None, timeout, step: Step::Create, token: None });
        Some(())
    }

    /// What was refused before is tried again by a take-over, and by any where room was missing: also for its parent, which
    /// may have found some now.
    fn next_from<'a>(
        &self,
        cursor: u64,
        external: &'a ExternalExpectations,
    ) -> Option<(u64, ExpectSlot, &'a ExpectEntry)> {
        let is_due = |slot| match (self.manner, external.failure(slot)) {
            (Manner::TakeOver, _) | (Manner::Adopt, None) => true,
            (Manner::Adopt | Manner::Retry, Some(errno)) => {
                [Errno::ENOENT, Errno::ENOMEM].contains(&Errno(errno))
            }
            (Manner::Retry, None) => false,
        };
        external.said_from(cursor).find(|(_, slot, _)| is_due(*slot))
    }

    /// The peer may have said it again meanwhile, or said that it is over; what is in the slot then is left alone.
    fn is_there(open: &Open, external: &ExternalExpectations) -> bool {
        external.get(open.slot).is_some_and(|entry| entry.expectation.key() == open.wanted.key())
    }

    fn written(open: &Open, external: &mut ExternalExpectations) -> ExpectSettled {
        if Self::is_there(open, external) {
            external.remove(open.slot);
        }
        ExpectSettled::Written
    }

    fn refused(&mut self, open: &Open, error: Errno, external: &mut ExternalExpectations) -> ExpectSettled {
        if Self::is_there(open, external) {
            external.fail(open.slot, error.0);
        }
        self.failed += 1;
        ExpectSettled::Refused { wanted: Box::new(open.wanted), error, tell: self.failed <= TOLD }
    }
}
