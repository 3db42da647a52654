//! Internal cache → peer: every living flow is queued once, paced by the queue.
//!
//! A bulk goes once around the slots, and then through the expectations, whose parents the peer has by then. A RESYNC that comes meanwhile joins it: the round then goes on until it has
//! come full circle from there, so that whoever asked hears every flow after its question. The acknowledgement of
//! the RESYNCs (see [`crate::ftfw::recv`]) follows the last frame.

use super::notice::{BulkCause, Notice};
use super::status::Progress;
use crate::cache::expect::InternalExpectations;
use crate::cache::{InternalCache, Slot};
use crate::ftfw::{Item, Session};
use crate::time::{Duration, Instant};

/// Bulks that the peer causes begin at least so far apart: a hello may come on thousands of messages.
pub(super) const SPACING: Duration = Duration::from_secs(5);

/// After a hello the peer's own RESYNC is awaited so long, so that one bulk serves both.
const GRACE: Duration = Duration::from_secs(1);

/// The queue is fed when fewer items wait.
const LOW: u32 = 2048;

/// Slots looked at in one go.
const SLICE: u32 = 8192;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Waiting { due: Instant },
    Running { cursor: u32, left: u32 },
    Draining { last: Item },
}

/// The job.
#[derive(Debug)]
pub(super) struct Bulk {
    state: State,
    begun: Option<Instant>,
    cause: BulkCause,
    /// When the last one that the peer caused began.
    spaced: Option<Instant>,
    flows: u32,
}

impl Bulk {
    pub(super) const fn new() -> Self {
        Self { state: State::Idle, begun: None, cause: BulkCause::Ourselves, spaced: None, flows: 0 }
    }

    /// Whether nothing is to be sent.
    pub(super) const fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle)
    }

    /// How many flows were queued, and of how many.
    pub(super) const fn progress(&self, internal: &InternalCache) -> Progress {
        let of = if internal.is_empty() { None } else { Some(internal.len()) };
        Progress { done: if self.begun.is_some() { self.flows } else { 0 }, of }
    }

    /// The peer said hello: it gets a bulk, with the one it asks for itself if it does so soon.
    pub(super) fn peer_hello(&mut self, now: Instant) {
        self.cause = BulkCause::PeerStarted;
        self.state = State::Waiting { due: self.earliest(now + GRACE) };
    }

    /// Our role demands it. It is not the peer's fault, so the peer's next question need not wait.
    pub(super) fn demand(&mut self, now: Instant, internal: &InternalCache) {
        match self.state {
            State::Idle => {
                self.cause = BulkCause::Ourselves;
                self.state = State::Waiting { due: now };
            }
            State::Waiting { .. } => self.state = State::Waiting { due: now },
            State::Running { .. } | State::Draining { .. } => self.go_round(internal),
        }
    }

    /// The peer asked, or may have.
    pub(super) fn want(&mut self, now: Instant, cause: BulkCause, internal: &InternalCache) {
        self.cause = cause;
        if matches!(self.state, State::Idle | State::Waiting { .. }) {
            self.state = State::Waiting { due: self.earliest(now) };
        } else {
            self.spaced = Some(now);
            self.go_round(internal);
        }
    }

    /// Every slot once more, from where we are.
    fn go_round(&mut self, internal: &InternalCache) {
        self.state = match self.state {
            waiting @ (State::Idle | State::Waiting { .. }) => waiting,
            State::Running { cursor, .. } => State::Running { cursor, left: internal.end() },
            State::Draining { .. } => State::Running { cursor: 0, left: internal.end() },
        };
    }

    /// The peer fell silent: what was under way begins again when it is back.
    pub(super) fn interrupt(&mut self, now: Instant) {
        if !self.is_idle() {
            let due = if self.is_for_peer() { self.earliest(now) } else { now };
            self.state = State::Waiting { due };
        }
    }

    /// When [`Self::feed`] has something to do by itself. Where many slots in a row are empty, nothing is sent that would
    /// bring it on.
    pub(super) const fn due(&self, session: &Session) -> Option<Instant> {
        match self.state {
            State::Waiting { due } => Some(due),
            State::Running { .. } if session.queued() < LOW => Some(Instant::PAST),
            State::Idle | State::Running { .. } | State::Draining { .. } => None,
        }
    }

    /// Begins, or goes on while the queue is short. Without `copies`, what we have created for the peer while we stood by is
    /// not told. Only while the session is open.
    pub(super) fn feed(
        &mut self,
        now: Instant,
        internal: &InternalCache,
        copies: bool,
        expectations: &InternalExpectations,
        session: &mut Session,
    ) -> Option<Notice> {
        let mut notice = None;
        if let State::Waiting { due } = self.state
            && due <= now
        {
            self.state = State::Running { cursor: 0, left: internal.end() };
            (self.begun, self.flows) = (Some(now), 0);
            if self.is_for_peer() {
                self.spaced = Some(now);
            }
            notice = Some(Notice::BulkBegun { flows: internal.len(), cause: self.cause });
        }
        let State::Running { cursor, left } = self.state else { return notice };
        if session.queued() >= LOW {
            return notice;
        }
        let end = internal.end();
        let cursor = if cursor >= end { 0 } else { cursor };
        let count = left.min(SLICE).min(end - cursor).min(LOW);
        let own = |slot: &Slot| internal.is_alive(*slot) && (copies || !internal.holds_copy(*slot));
        for slot in (cursor..cursor + count).map(Slot).filter(own) {
            session.enqueue(slot.into());
            self.flows += 1;
        }
        let left = left - count;
        if left == 0 {
            expectations.iter_from(0).for_each(|(slot, _)| session.enqueue(slot.into()));
        }
        self.state = match (left, session.tail()) {
            (0, Some(last)) => State::Draining { last },
            (0, None) => State::Idle,
            _ => State::Running { cursor: cursor + count, left },
        };
        if self.is_idle() {
            session.release_resync();
            return Some(self.done(now));
        }
        notice
    }

    /// An item left the queue: it was sent.
    pub(super) fn sent(&mut self, now: Instant, item: Item, session: &mut Session) -> Option<Notice> {
        if self.state != (State::Draining { last: item }) {
            return None;
        }
        self.state = State::Idle;
        session.release_resync();
        Some(self.done(now))
    }

    /// An item was forgotten. When the bulk waited for it, it waits for whoever is last now.
    pub(super) fn forgotten(&mut self, item: Item, session: &Session) {
        if self.state == (State::Draining { last: item }) {
            self.state = match session.tail() {
                Some(last) => State::Draining { last },
                None => State::Running { cursor: 0, left: 0 },
            };
        }
    }

    fn is_for_peer(&self) -> bool {
        self.cause != BulkCause::Ourselves
    }

    fn done(&self, now: Instant) -> Notice {
        let took = self.begun.map_or(Duration::ZERO, |begun| now.since(begun));
        Notice::BulkDone { flows: self.flows, took }
    }

    fn earliest(&self, due: Instant) -> Instant {
        self.spaced.map_or(due, |last| due.max(last + SPACING))
    }
}
