//! Peer → external cache: ask for a resync, know when its answer is complete, sweep what it did not name.
//!
//! The first acknowledgement that covers our RESYNC comes after the last frame of the bulk, from us as from
//! conntrackd. Only if no gap was open in between is everything that was not named stale; otherwise we ask again
//! and sweep nothing (a conntrackd peer forgets what it should resend beyond 131,072 objects).

use super::bulk;
use super::notice::Notice;
use super::status::Reason;
use crate::cache::ExternalCache;
use crate::ftfw::Session;
use crate::time::{Duration, Instant};

/// Without an answer for so long we ask again.
const PATIENCE: Duration = Duration::from_secs(30);

/// The longest pause between two questions while answers cannot be trusted.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Slots swept in one go.
const SLICE: u32 = 8192;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    InSync,
    Wanted { reason: Reason, not_before: Instant },
    Asked { reason: Reason, at: Instant, doubted: bool },
    Sweeping { cursor: u32, swept: u32 },
}

/// The job.
#[derive(Debug)]
pub(super) struct CatchUp {
    state: State,
    pause: Duration,
}

impl CatchUp {
    /// A fresh router has nothing of the peer.
    pub(super) const fn new(now: Instant) -> Self {
        Self { state: State::Wanted { reason: Reason::Starting, not_before: now }, pause: bulk::SPACING }
    }

    /// Why the external cache may not equal the peer's internal one; none if it does.
    pub(super) const fn reason(&self) -> Option<Reason> {
        match self.state {
            State::InSync => None,
            // Once it is asked, that is what we wait for, whatever the start was.
            State::Asked { reason: Reason::Starting, .. } | State::Sweeping { .. } => {
                Some(Reason::AwaitingFlows)
            }
            State::Wanted { reason, .. } | State::Asked { reason, .. } => Some(reason),
        }
    }

    /// Something happened after which we cannot be sure. A question under way covers what happened before it.
    pub(super) fn want(&mut self, now: Instant, reason: Reason) -> Option<Notice> {
        let news = self.state == State::InSync;
        self.state = State::Wanted { reason, not_before: now };
        news.then_some(Notice::CatchingUp(reason))
    }

    /// We stand by from now on. A backup is told of no ends, so what we hold from before may be stale; a commit has
    /// emptied the external cache, also of what was said in answer to a question that is still under way. A router
    /// that never had another role has always been told.
    pub(super) fn became_backup(&mut self, now: Instant, was_unknown: bool) -> Option<Notice> {
        if !was_unknown { self.want(now, Reason::BecameBackup) } else { None }
    }

    /// The peer is gone: an unanswered question is asked again when it is back.
    pub(super) fn interrupt(&mut self, now: Instant) {
        if let State::Asked { reason, .. } = self.state {
            self.state = State::Wanted { reason, not_before: now };
        }
    }

    /// Frames of the peer are missing.
    pub(super) fn gap(&mut self) {
        if let State::Asked { doubted, .. } = &mut self.state {
            *doubted = true;
        }
    }

    /// When [`Self::step`] has something to do by itself.
    pub(super) fn due(&self, session: &Session) -> Option<Instant> {
        match self.state {
            State::InSync => None,
            State::Wanted { not_before, .. } => session.is_open().then_some(not_before),
            State::Asked { at, .. } => Some(at + PATIENCE),
            State::Sweeping { .. } => Some(Instant::PAST),
        }
    }

    /// Asks, or sweeps a slice. Says whether a question was asked, and what to tell.
    pub(super) fn step(
        &mut self,
        now: Instant,
        external: &mut ExternalCache,
        session: &mut Session,
    ) -> (bool, Option<Notice>) {
        match self.state {
            State::Wanted { reason, not_before } if session.is_open() && not_before <= now => {
                external.begin_resync(now);
                session.ask_resync();
                self.state = State::Asked { reason, at: now, doubted: session.has_gap() };
                (true, None)
            }
            State::Asked { at, .. } if now.since(at) >= PATIENCE => {
                self.state = State::Wanted { reason: Reason::NoAnswer, not_before: now };
                (false, Some(Notice::CatchingUp(Reason::NoAnswer)))
            }
            State::Sweeping { cursor, swept } => {
                let swept = swept + external.sweep(cursor, SLICE);
                let cursor = cursor.saturating_add(SLICE);
                if cursor < external.end() {
                    self.state = State::Sweeping { cursor, swept };
                    return (false, None);
                }
                self.state = State::InSync;
                self.pause = bulk::SPACING;
                let took = now.since(external.resync_began());
                (false, Some(Notice::CaughtUp { flows: external.len(), swept, took }))
            }
            _ => (false, None),
        }
    }

    /// Our RESYNC was acknowledged: the bulk is complete. Says whether it cannot be trusted.
    pub(super) fn answered(&mut self, now: Instant) -> bool {
        let State::Asked { at, doubted, .. } = self.state else { return false };
        if !doubted {
            self.state = State::Sweeping { cursor: 0, swept: 0 };
            return false;
        }
        let not_before = (at + self.pause).max(now);
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        self.state = State::Wanted { reason: Reason::GapDuringResync, not_before };
        true
    }
}
