//! Peer → external cache: ask for a resync, know when its answer is complete, sweep what it did not name.
//!
//! The first acknowledgement that covers our RESYNC comes after the last frame of the bulk, from us as from
//! conntrackd. Everything that was not named is stale then, unless something was lost in between for good: a conntrackd
//! forgets, without a word, what it should send again when `ResendQueueSize` (131,072) other objects have followed.
//! Whether that can be is told by the peer's numbers: how far it was beyond a gap when it acknowledged our NACK. It also
//! forgets everything when a hello of ours comes late, behind the question. Then we ask again and sweep nothing. A peer
//! that has shown that it forgets nothing ([`Session::peer_keeps`]) is believed in any case. A burst of a hundred
//! thousand flows, as conntrackd answers a RESYNC, overruns every socket's buffer: if each gap counted, nobody beside it
//! would ever be in sync.

use super::bulk;
use super::notice::Notice;
use super::status::{Progress, Reason};
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
    Wanted {
        reason: Reason,
        not_before: Instant,
    },
    /// `doubted`: a gap was open meanwhile. `lost`: frames were put aside that will not come again. `answered`: the end
    /// of the answer is there, but not yet all of its frames.
    Asked {
        reason: Reason,
        at: Instant,
        doubted: bool,
        lost: bool,
        answered: bool,
    },
    Sweeping {
        cursor: u32,
        swept: u32,
    },
}

/// The job.
#[derive(Debug)]
pub(super) struct CatchUp {
    state: State,
    /// The pause behind the last question whose answer was doubted.
    pause: Duration,
    /// Answers that were complete and trusted.
    completed: u32,
    /// Frames about flows that were refused since the last question, and when the first of them was.
    refused: u32,
    refused_at: Instant,
    /// The next answer may have holes that no number shows.
    suspect: bool,
    /// We stepped back, and the peer may not have heard that when it was said.
    yields: bool,
    /// So many numbers later a peer is still trusted to have kept what it should send again.
    trusted: u32,
}

impl CatchUp {
    /// A fresh router has nothing of the peer.
    pub(super) const fn new(now: Instant, trusted: u32) -> Self {
        let state = State::Wanted { reason: Reason::Starting, not_before: now };
        Self {
            state,
            pause: bulk::SPACING,
            completed: 0,
            refused: 0,
            refused_at: now,
            suspect: false,
            yields: false,
            trusted,
        }
    }

    /// Answers that were complete and trusted.
    pub(super) const fn completed(&self) -> u32 {
        self.completed
    }

    /// A frame of the peer about a flow was refused.
    pub(super) const fn refused(&mut self, now: Instant) {
        if self.refused == 0 {
            self.refused_at = now;
        }
        self.refused = self.refused.saturating_add(1);
    }

    /// Frames about flows that were refused since the last question.
    pub(super) const fn refusals(&self) -> u32 {
        self.refused
    }

    /// How far the peer's answer has come.
    pub(super) fn progress(&self, external: &ExternalCache) -> Option<Progress> {
        let State::Asked { .. } = self.state else { return None };
        let (done, known) = (external.named(), external.len());
        Some(Progress { done, of: (known > done).then_some(known) })
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
        self.yields |= self.says_yielded() && reason != Reason::BecameBackup;
        self.state = State::Wanted { reason, not_before: now };
        news.then_some(Notice::CatchingUp(reason))
    }

    /// We stand by from now on. A backup is told of no ends, so what we hold from before may be stale; a commit has
    /// emptied the external cache, also of what was said in answer to a question that is still under way. A router
    /// that never had another role has always been told. `unheard`: it was primary, and the peer cannot hear our question.
    pub(super) fn became_backup(&mut self, now: Instant, was_unknown: bool, unheard: bool) -> Option<Notice> {
        self.yields = unheard;
        if !was_unknown { self.want(now, Reason::BecameBackup) } else { None }
    }

    /// The role of a router that stands by has ended.
    pub(super) const fn left_role(&mut self) {
        self.yields = false;
    }

    /// To a primary that was told of births our question means that we have yielded (see [`super::twin`]), but it must not
    /// come before they do. So whoever stepped back unheard asks once more when all that it had to tell is acknowledged.
    pub(super) fn say_yielded(&mut self, now: Instant, session: &Session) {
        let told = session.is_open() && session.queued() == 0 && session.in_flight() == 0;
        if self.state == State::InSync && told && core::mem::take(&mut self.yields) {
            self.state = State::Wanted { reason: Reason::BecameBackup, not_before: now };
        }
    }

    /// Whether the question that is not answered yet is the one by which we step back.
    fn says_yielded(&self) -> bool {
        let (State::Wanted { reason, .. } | State::Asked { reason, .. }) = self.state else { return false };
        reason == Reason::BecameBackup
    }

    /// The peer is gone: an unanswered question is asked again when it is back.
    pub(super) fn interrupt(&mut self, now: Instant) {
        self.yields |= self.says_yielded();
        if let State::Asked { reason, .. } = self.state {
            self.state = State::Wanted { reason, not_before: now };
        }
    }

    /// What is missing now may be forgotten already.
    pub(super) const fn doubt(&mut self) {
        if let State::Asked { doubted, .. } = &mut self.state {
            *doubted = true;
        }
    }

    /// A gap is closed, as far as the peer could close it: it was asked for, and the peer, which was `beyond` numbers
    /// further by then, has sent what it still had. Says whether that may not have been all, and what to tell.
    pub(super) fn gap_closed(
        &mut self,
        now: Instant,
        beyond: u32,
        peer_keeps: bool,
    ) -> (bool, Option<Notice>) {
        if beyond < self.trusted || peer_keeps {
            return (false, None);
        }
        if matches!(self.state, State::Asked { .. }) {
            self.doubt();
            return (true, None);
        }
        (true, self.want(now, Reason::LargeGap))
    }

    /// A frame of the peer was put aside as late although it was never heard. What it said, perhaps in answer to our
    /// question, is not asked for again.
    pub(super) const fn lost(&mut self) {
        if let State::Asked { lost, .. } = &mut self.state {
            *lost = true;
        }
    }

    /// A hello has leapt over numbers nearby. If it was not the peer's, the answer to the next question has those numbers,
    /// and what is lost of it will not be missed: that one is not believed.
    pub(super) const fn suspect(&mut self) {
        self.suspect = true;
    }

    /// When [`Self::step`] has something to do by itself.
    pub(super) fn due(&self, session: &Session) -> Option<Instant> {
        match self.state {
            State::InSync if self.refused > 0 => Some(self.refused_at + LONGEST_PAUSE),
            State::InSync => None,
            State::Wanted { not_before, .. } => session.is_open().then_some(not_before),
            State::Asked { at, .. } => Some(at + PATIENCE),
            State::Sweeping { .. } => Some(Instant::PAST),
        }
    }

    /// Asks, or sweeps a slice (see [`ExternalCache::sweep`] for `keeps_failed`). Says why a question was asked, if one was,
    /// and what to tell.
    pub(super) fn step(
        &mut self,
        now: Instant,
        external: &mut ExternalCache,
        session: &mut Session,
        keeps_failed: bool,
    ) -> (Option<Reason>, Option<Notice>) {
        match self.state {
            State::Wanted { reason, not_before } if session.is_open() && not_before <= now => {
                external.begin_resync(now);
                self.refused = 0;
                session.ask_resync();
                let lost = core::mem::take(&mut self.suspect);
                self.state = State::Asked { reason, at: now, doubted: false, lost, answered: false };
                (Some(reason), None)
            }
            State::Asked { at, .. } if now.since(at) >= PATIENCE => {
                self.state = State::Wanted { reason: Reason::NoAnswer, not_before: now };
                (None, Some(Notice::CatchingUp(Reason::NoAnswer)))
            }
            State::InSync if self.refused > 0 && now.since(self.refused_at) >= LONGEST_PAUSE => {
                // It may have been a stranger's, or the peer speaks clearly by now.
                (None, self.want(now, Reason::Refused))
            }
            State::Sweeping { cursor, swept } => {
                let swept = swept + external.sweep(cursor, SLICE, keeps_failed);
                let cursor = cursor.saturating_add(SLICE);
                if cursor < external.end() {
                    self.state = State::Sweeping { cursor, swept };
                    return (None, None);
                }
                self.state = State::InSync;
                self.completed += 1;
                let took = now.since(external.resync_began());
                (None, Some(Notice::CaughtUp { flows: external.len(), swept, took }))
            }
            _ => (None, None),
        }
    }

    /// Our RESYNC was acknowledged: the last frame of the answer was sent. What is missing of it is on its way.
    pub(super) const fn answered(&mut self) {
        if let State::Asked { answered, .. } = &mut self.state {
            *answered = true;
        }
    }

    /// Whether the answer is there with all its frames: then [`Self::decide`] says what it is worth.
    pub(super) fn is_complete(&self, session: &Session) -> bool {
        matches!(self.state, State::Asked { answered: true, .. }) && !session.has_gap()
    }

    /// Says whether the answer cannot be trusted.
    pub(super) fn decide(&mut self, now: Instant, external: &ExternalCache, peer_keeps: bool) -> bool {
        let State::Asked { reason, at, doubted, lost, .. } = self.state else { return false };
        if !lost && (!doubted || peer_keeps) {
            // What a refused frame has named is not known: nothing is swept then, and the status says so.
            let cursor = if self.refused > 0 { external.end() } else { 0 };
            self.state = State::Sweeping { cursor, swept: 0 };
            return false;
        }
        // Only what we ask because an answer was doubted, we ask more and more seldom. A question for another reason is not
        // made by our asking, and on a bad link there may be many.
        let again = reason == Reason::GapDuringResync;
        self.pause = if again { (self.pause * 2).min(LONGEST_PAUSE) } else { bulk::SPACING };
        let not_before = (at + self.pause).max(now);
        self.state = State::Wanted { reason: Reason::GapDuringResync, not_before };
        true
    }
}
