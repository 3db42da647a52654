//! What an operator may change while the replica runs: the steps by which it takes effect. Caches, numbers and sessions
//! stay. Tested in `tests/settings.rs` and by the daemon's reload, end to end.
//!
//! Flows that a new filter keeps out leave the internal cache as if they had ended: the peer hears so and forgets them,
//! and the kernels keep them. Flows that it lets in come by a dump. A lower limit of a cache removes nothing: no flow is
//! added until there is room.

use alloc::vec::Vec;

use super::Replica;
use super::status::Reason;
use crate::cache::Slot;
use crate::cache::expect::ExpectSlot;
use crate::filter::Filter;
use crate::flow::Origin;
use crate::time::{Duration, Instant};

/// Slots looked at in one go.
const SLICE: u32 = 8192;

/// What may be changed while the replica runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Which flows are told to the peer, and which expectations.
    pub filter: Filter,
    /// Most flows in the internal cache.
    pub internal_limit: u32,
    /// Most flows in the external cache.
    pub external_limit: u32,
    /// How many dedicated links there are. One that is new, or means another one, is down: see
    /// [`Replica::handle_channel`].
    pub channels: u8,
    /// Most bytes of a datagram from now on. Whoever hands out datagrams keeps to it, not the replica: it is here so that a
    /// recording tells.
    pub datagram_limit: u16,
    /// Seconds that every committed flow lives; none: what is left of its own timeout.
    pub commit_timeout: Option<u32>,
    /// After a silence of so long the peer counts as lost.
    pub silence: Duration,
    /// So long after this router was primary its kernel is emptied of what it had then; none: never.
    pub purge: Option<Duration>,
    /// Whether the peer's flows are kept in the kernel while this router stands by.
    pub preload: bool,
    /// Whether the kernel gives no flow 17 days or more by itself, so that the time which a router that stands by lends to
    /// them shows. Where it does not show, nothing is lent.
    pub lent_shows: bool,
}

/// Looking for flows that the filter keeps out since it was changed.
#[derive(Debug, Default)]
pub(super) struct Sifting {
    /// The next slot to look at.
    cursor: Option<u32>,
    /// The next dump may bring flows whose end makes no event, as the first one did.
    doubts: bool,
    /// When so many dumps are completed, a peer that is told no news must ask.
    asks: Option<u32>,
}

impl Sifting {
    /// Whether nothing is left to be looked at.
    pub(super) const fn is_idle(&self) -> bool {
        self.cursor.is_none()
    }

    /// A dump begins: whether it is the first since the filter was changed.
    pub(super) const fn begin_dump(&mut self) -> bool {
        core::mem::replace(&mut self.doubts, false)
    }

    /// When it goes on by itself.
    pub(super) fn due(&self) -> Option<Instant> {
        self.cursor.map(|_| Instant::PAST)
    }
}

impl Replica {
    /// An operator wants it otherwise from now on.
    pub fn handle_settings(&mut self, now: Instant, settings: &Settings) {
        let Settings { filter, internal_limit, external_limit, channels, commit_timeout, .. } = settings;
        self.internal.set_limit(*internal_limit);
        if *external_limit > self.external.limit() {
            self.room.made(now);
        }
        self.external.set_limit(*external_limit);
        self.channels.resize(*channels);
        self.commit.set_lifetime(*commit_timeout);
        self.session.set_silence(settings.silence);
        self.purge.set(settings.purge);
        self.lent.set_shows(settings.lent_shows);
        self.set_preload(now, settings.preload && settings.lent_shows);
        if self.filter != *filter {
            self.change_filter(now, filter.clone());
        }
    }

    fn change_filter(&mut self, now: Instant, filter: Filter) {
        let before = core::mem::replace(&mut self.filter, filter);
        self.sift_expectations();
        // Whatever is let in since now: a dump that is under way was partly read with the filter of before.
        let read = self.resync.want(now);
        self.sifting = Sifting { cursor: Some(0), doubts: true, asks: Some(read) };
        if self.keeps_warm() {
            self.preload.begin(now, true);
        }
        let (_, _, helpers_before) = before.parts();
        let (_, _, helpers) = self.filter.parts();
        if helpers_before != helpers && self.filter.wants_expectations() {
            // What the peer said of expectations until now was passed over.
            let notice = self.catch_up.want(now, Reason::Reconfigured);
            self.tell(notice);
        }
    }

    /// When the next flows are looked at: at once, or when what was lent to the last is given back.
    pub(super) fn sifting_due(&self) -> Option<Instant> {
        let due = self.sifting.due();
        if self.lent.has_room() { due } else { due.and(self.lent_request_due()) }
    }

    /// Looks at the next flows, and lets those go that are kept out.
    pub(super) fn sift(&mut self) {
        let Some(from) = self.sifting.cursor else { return };
        let end = self.internal.end();
        let to = end.min(from.saturating_add(SLICE));
        let alive = self.internal.iter_from(from).take_while(|(slot, _)| slot.0 < to);
        let kept_out: Vec<Slot> =
            alive.filter(|(_, entry)| !self.filter.accepts(&entry.flow)).map(|(slot, _)| slot).collect();
        for slot in kept_out {
            if self.internal.is_lent(slot) {
                if !self.lent.has_room() {
                    self.sifting.cursor = Some(slot.0);
                    return;
                }
                // Nobody will tell of its end any more.
                self.lent.give_back_kept_out(self.internal.get(slot).expect("it lives").flow);
            }
            let applied = self.internal.sweep(slot);
            self.news(applied, Origin::Kernel);
        }
        self.sifting.cursor = (to < end).then_some(to);
    }

    /// A filter was changed and the kernel read again. Whoever tells no news (a backup) lets the peer ask, by a hello.
    pub(super) fn sifted(&mut self, now: Instant) {
        if self.sifting.is_idle() && self.sifting.asks.is_some_and(|read| read <= self.resync.completed()) {
            self.sifting.asks = None;
            if !self.role.replicates() {
                self.session.say_hello(now);
            }
        }
    }

    fn sift_expectations(&mut self) {
        let kept_out = |helper| !self.filter.accepts_helper(helper);
        let mine: Vec<ExpectSlot> = self
            .expectations
            .internal
            .all_from(0)
            .filter(|(_, entry)| kept_out(entry.expectation.helper))
            .map(|(slot, _)| slot)
            .collect();
        let peers: Vec<ExpectSlot> = self
            .expectations
            .external
            .iter_from(0)
            .filter(|(_, entry)| kept_out(entry.expectation.helper))
            .map(|(slot, _)| slot)
            .collect();
        for slot in mine {
            let heard = self.expectations.internal.sweep(slot);
            self.expectation_news(heard, Origin::Kernel);
        }
        for slot in peers {
            self.expectations.external.remove(slot);
        }
    }
}
