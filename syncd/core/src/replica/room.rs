//! Caches that were full and have room again: what did not fit is fetched.
//!
//! Of our kernel's table that costs a dump. Of the peer it costs everything that the peer has, and where the peer has more than
//! fits, each end makes room that its next birth fills: so whoever finds no room again and again asks more and more seldom, and
//! is full until then. Tested in `tests/room.rs`.

use super::Replica;
use super::bulk;
use super::notice::Notice;
use super::status::Reason;
use crate::time::{Duration, Instant};

/// The longest pause between two questions because of room.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Which caches of flows have refused something that was not fetched since.
#[derive(Debug)]
pub(super) struct Room {
    internal_full: bool,
    external_full: bool,
    /// The next question because of room is asked no earlier, and the one behind it no earlier than so long after it.
    ask_at: Instant,
    pause: Duration,
}

impl Room {
    pub(super) const fn new(now: Instant) -> Self {
        Self { internal_full: false, external_full: false, ask_at: now, pause: bulk::SPACING }
    }

    /// Whether our kernel has flows that found no room.
    pub(super) const fn internal_full(&self) -> bool {
        self.internal_full
    }

    /// Whether the peer has, or had, flows that found no room.
    pub(super) const fn external_full(&self) -> bool {
        self.external_full
    }

    /// An operator has made room.
    pub(super) const fn made(&mut self, now: Instant) {
        (self.ask_at, self.pause) = (now, bulk::SPACING);
    }

    fn ask(&mut self, now: Instant) {
        if now.since(self.ask_at) >= LONGEST_PAUSE {
            self.pause = bulk::SPACING;
        }
        self.ask_at = now + self.pause;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }
}

impl Replica {
    /// A flow found no room.
    pub(super) fn cache_full(&mut self, internal: bool) {
        let flag = if internal { &mut self.room.internal_full } else { &mut self.room.external_full };
        if !core::mem::replace(flag, true) {
            let limit = if internal { self.internal.limit() } else { self.external.limit() };
            self.tell(Some(Notice::CacheFull { internal, limit }));
        }
    }

    /// When the peer is asked because there is room; none while a question is under way, whose answer may fill it.
    pub(super) fn room_due(&self) -> Option<Instant> {
        let flows = self.room.external_full && self.external.len() < self.external.limit();
        let expectations = self.expectations.full.1 && self.expectations.external.has_room();
        let asks = (flows || expectations) && self.catch_up.reason().is_none();
        asks.then_some(self.room.ask_at)
    }

    /// The peer is asked for all it has: what finds no room now, or found none before, its answer will tell.
    pub(super) const fn peer_asked(&mut self) {
        (self.room.external_full, self.expectations.full.1) = (false, false);
    }

    /// Time has passed: what did not fit is fetched, where there is room.
    pub(super) fn room_again(&mut self, now: Instant) {
        let internal = &self.internal;
        if self.room.internal_full && internal.len() + internal.dead() < internal.limit() {
            self.room.internal_full = false;
            self.resync.events_lost(now);
        }
        if self.expectations.full.0 && self.expectations.internal.has_room() {
            self.expectations.full.0 = false;
            self.read_expectations(now);
        }
        if self.room_due().is_some_and(|due| due <= now) {
            self.room.ask(now);
            let notice = self.catch_up.want(now, Reason::RoomAgain);
            self.tell(notice);
        }
    }
}
