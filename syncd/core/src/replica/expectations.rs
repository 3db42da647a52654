//! Expectations in the replica: their caches, their jobs, and the steps that follow from what comes in.
//!
//! The rules are those of flows: a backup sends no news and no ends, what our own sockets caused is no news, what waits
//! is in the one transmit queue and is encoded in its present state. One more: the peer hears only of an expectation
//! whose parent it can know, that is, whose parent is in the internal cache.
//!
//! Where expectations are not wanted nothing is asked of the kernel and the peer's frames are counted only.

use alloc::vec::Vec;

use super::Replica;
use super::commit::Manner;
use super::expect_commit::{ExpectCommit, ExpectSettled};
use super::expect_resync::ExpectResync;
use super::kernel::{Errno, ExpectRequest, KernelReply};
use super::notice::Notice;
use super::subject::EXPECTATIONS;
use crate::cache::Slot;
use crate::cache::expect::{ExpectSlot, ExternalExpectations, Heard, InternalExpectations, Received};
use crate::flow::{Change, Expectation, Flow, Origin, Parent};
use crate::ftfw::Item;
use crate::time::Instant;
use crate::wire::{self, FrameView};

/// What the replica holds of expectations.
#[derive(Debug)]
pub(super) struct Expectations {
    pub(super) internal: InternalExpectations,
    pub(super) external: ExternalExpectations,
    resync: ExpectResync,
    commit: ExpectCommit,
    /// That the kernel has none was told.
    told_unavailable: bool,
    /// Whether the internal and the external cache were full, until what did not fit is fetched.
    pub(super) full: (bool, bool),
}

impl Expectations {
    pub(super) const fn new() -> Self {
        Self {
            internal: InternalExpectations::new(EXPECTATIONS),
            external: ExternalExpectations::new(EXPECTATIONS),
            resync: ExpectResync::new(),
            commit: ExpectCommit::new(),
            told_unavailable: false,
            full: (false, false),
        }
    }

    /// Whether the kernel's expectations are all read.
    pub(super) const fn has_read(&self) -> bool {
        self.resync.is_idle()
    }

    /// Whether they are, but for what a look-up could not say and another dump will.
    pub(super) const fn has_read_through(&self) -> bool {
        self.resync.is_through()
    }

    /// Whether they were read once, or there are none.
    pub(super) const fn knows(&self) -> bool {
        self.resync.knows()
    }

    /// Whether nothing is being written to the kernel.
    pub(super) const fn has_written(&self) -> bool {
        self.commit.is_idle()
    }

    /// The flows are committed: now their expectations.
    pub(super) fn begin_commit(&mut self, manner: Manner) {
        if !self.external.is_empty() {
            self.commit.begin(manner);
        }
    }

    /// Ends what has nothing left to do.
    pub(super) fn settle(&mut self, now: Instant) {
        self.commit.settle(&self.external);
        self.resync.settle(now, &self.internal);
    }

    /// The role changed.
    pub(super) fn abandon_commit(&mut self) {
        self.commit.abandon();
    }

    /// When the jobs have something to do by themselves.
    pub(super) fn due(&self) -> Option<Instant> {
        self.commit.due().or(self.resync.due())
    }
}

impl Replica {
    /// An event of our kernel about an expectation.
    pub fn handle_expectation(
        &mut self,
        now: Instant,
        origin: Origin,
        change: Change,
        expectation: &Expectation,
    ) {
        self.stats.kernel.expectation_events += 1;
        if !self.accepts_expectation(expectation) {
            return;
        }
        let zone = self.internal.zone_of(&expectation.parent);
        let heard = self.expectations.internal.apply(change, expectation, zone, self.second(now));
        self.expectation_news(heard, origin);
        if let (Change::New, Origin::Kernel, Some(zone)) = (change, origin, zone) {
            self.look_at_parent(now, &expectation.parent, zone);
        }
    }

    /// What its helper has announced may have changed the parent without an event.
    fn look_at_parent(&mut self, now: Instant, parent: &Parent, zone: u16) {
        if !self.parents.want(now, parent, zone) {
            self.resync.events_lost(now);
        }
    }

    /// Expectations of our kernel.
    #[must_use]
    pub const fn internal_expectations(&self) -> &InternalExpectations {
        &self.expectations.internal
    }

    /// Expectations of the peer.
    #[must_use]
    pub const fn external_expectations(&self) -> &ExternalExpectations {
        &self.expectations.external
    }

    /// The internal cache has changed: what it means for the peer.
    pub(super) fn expectation_news(&mut self, heard: Heard, origin: Origin) {
        let stats = &mut self.stats.internal_expectations;
        match heard {
            Heard::Added(slot) => {
                stats.created += 1;
                let item = Item::from(slot);
                let told = self.session.holds(item);
                // After a take-over a bulk tells all there is; what is adopted, or written late, is told here.
                let news = origin == Origin::Kernel || told || self.commit.is_told_singly();
                if self.role.replicates() && news {
                    self.session.enqueue(item);
                } else {
                    self.session.forget(item);
                    self.bulk.forgotten(item, &self.session);
                }
            }
            Heard::Ended(slot) if self.role.replicates() => {
                stats.destroyed += 1;
                self.session.enqueue(slot.into());
            }
            Heard::Ended(slot) | Heard::Vanished(slot) => {
                stats.destroyed += 1;
                self.unsaid += u32::from(matches!(heard, Heard::Ended(_)));
                self.bury_expectation(slot);
            }
            Heard::Full => {
                stats.create_failed += 1;
                if !core::mem::replace(&mut self.expectations.full.0, true) {
                    self.tell(Some(Notice::ExpectationsFull { internal: true, limit: EXPECTATIONS }));
                }
            }
            Heard::Nothing => {}
        }
    }

    /// A flow was added to the internal cache: expectations that waited for their parent may be told.
    pub(super) fn reveal_expectations(&mut self, slot: Slot, origin: Origin) {
        if !self.expectations.internal.has_hidden() {
            return;
        }
        let (parent, zone) = self.parent_in(slot);
        let mut revealed = Vec::new();
        self.expectations.internal.reveal(&parent, zone, |slot| revealed.push(slot));
        for slot in revealed {
            self.expectation_news(Heard::Added(slot), origin);
        }
    }

    /// The flow in `slot` has left the internal cache. If it has ended, what it has announced ended with it, also where nobody
    /// says so; if it is kept out from now on, the peer hears no more of that.
    pub(super) fn end_expectations(&mut self, slot: Slot) {
        if self.expectations.internal.is_empty() {
            return;
        }
        let (parent, zone) = self.parent_in(slot);
        let announced: Vec<ExpectSlot> = self.expectations.internal.of_parent(&parent, zone).collect();
        for slot in announced {
            let heard = self.expectations.internal.sweep(slot);
            self.expectation_news(heard, Origin::Kernel);
        }
    }

    /// A birth of the flow in `slot` was heard. What it has announced already was announced by an earlier life, whose end was
    /// not heard.
    pub(super) fn doubt_expectations(&mut self, now: Instant, slot: Slot) {
        if self.expectations.internal.is_empty() {
            return;
        }
        let (parent, zone) = self.parent_in(slot);
        if self.expectations.internal.of_parent(&parent, zone).next().is_some() {
            self.read_expectations(now);
        }
    }

    /// How expectations name the flow in `slot`.
    fn parent_in(&self, slot: Slot) -> (Parent, u16) {
        let Flow { original, family, protocol, zone, .. } =
            self.internal.get(slot).expect("it is in the cache").flow;
        (Parent { original, family, protocol }, zone)
    }

    /// The slot of an ended expectation is needed no more.
    fn bury_expectation(&mut self, slot: ExpectSlot) {
        let item = Item::from(slot);
        self.session.forget(item);
        self.bulk.forgotten(item, &self.session);
        self.expectations.internal.bury(slot);
    }

    /// Ends that the peer has not acknowledged are forgotten. Says how many.
    pub(super) fn forget_expectation_ends(&mut self) -> u32 {
        let mut forgotten = 0;
        let mut from = 0;
        loop {
            let Some(slot) = self.expectations.internal.ends_from(from).next() else { break };
            from = slot.0 + 1;
            if self.session.holds(slot.into()) {
                self.bury_expectation(slot);
                forgotten += 1;
            }
        }
        forgotten
    }

    fn accepts_expectation(&mut self, expectation: &Expectation) -> bool {
        let accepts = self.filter.accepts_helper(expectation.helper);
        self.stats.kernel.expectations_filtered += u64::from(!accepts);
        accepts
    }

    // ----- A frame. -----

    /// A frame of the peer about an expectation.
    pub(super) fn expectation_frame(&mut self, now: Instant, view: &FrameView<'_>) {
        if !self.filter.wants_expectations() {
            self.stats.link.expectations_skipped += 1;
            return;
        }
        let Ok(decoded) = wire::decode_expectation(view) else {
            self.stats.link.malformed += 1;
            self.stats.link.bad_payload += 1;
            return;
        };
        self.stats.link.attributes_skipped += u64::from(decoded.skipped);
        if !self.filter.accepts_helper(decoded.expectation.helper) {
            self.stats.link.expectations_skipped += 1;
            return;
        }
        let second = self.second(now);
        let received = self.expectations.external.apply(decoded.change, &decoded.expectation, second);
        let stats = &mut self.stats.external_expectations;
        match received {
            Received::Added => stats.created += 1,
            Received::Changed => stats.updated += 1,
            Received::Removed => stats.destroyed += 1,
            Received::Full => {
                stats.create_failed += 1;
                if !core::mem::replace(&mut self.expectations.full.1, true) {
                    self.tell(Some(Notice::ExpectationsFull { internal: false, limit: EXPECTATIONS }));
                }
            }
            Received::Nothing => {}
        }
    }

    // ----- The kernel. -----

    /// The next request about expectations.
    pub(super) fn poll_expectations(&mut self, now: Instant) -> Option<ExpectRequest<'_>> {
        let second = self.second(now);
        let Expectations { internal, external, resync, commit, .. } = &mut self.expectations;
        // Asked twice, because a request that borrows from the one cannot be returned before the other is asked.
        if commit.due().is_some() {
            let flows = &self.internal;
            return commit.poll(second, &mut self.tokens, external, |parent| flows.zone_of(parent));
        }
        resync.poll(now, &mut self.tokens, internal)
    }

    /// The flows of the kernel are read: now its expectations.
    pub(super) fn read_expectations(&mut self, now: Instant) {
        if self.filter.wants_expectations() {
            self.expectations.resync.want(now);
        }
    }

    /// A reply of the kernel. Says whether it was about expectations.
    pub(super) fn expectation_reply(&mut self, now: Instant, reply: KernelReply<'_>) -> bool {
        let second = self.second(now);
        let Expectations { external, commit, resync, .. } = &mut self.expectations;
        match commit.reply(reply, external) {
            ExpectSettled::NotOurs => {}
            settled => {
                self.expectation_settled(settled);
                return true;
            }
        }
        let token = reply.token();
        if resync.is_dump(token) {
            self.expectations_dumped(now, reply);
            return true;
        }
        let Some(slot) = resync.take_confirmed(token) else { return false };
        if self.expectations.internal.is_unnamed(slot) {
            self.expectation_confirmed(slot, reply, second);
        }
        true
    }

    fn expectation_settled(&mut self, settled: ExpectSettled) {
        let (stats, account) = (&mut self.stats.commit, self.accounts.present());
        match settled {
            ExpectSettled::NotOurs | ExpectSettled::Nothing => {}
            ExpectSettled::Replaced => stats.expectations_replaced += 1,
            ExpectSettled::Written => {
                stats.expectations_committed += 1;
                account.expectations_carried += 1;
            }
            ExpectSettled::Refused { wanted, error, tell } => {
                stats.expectations_failed += 1;
                account.expectations_refused += 1;
                self.tell(tell.then_some(Notice::ExpectationFailed { wanted: *wanted, error }));
            }
        }
    }

    fn expectations_dumped(&mut self, now: Instant, reply: KernelReply<'_>) {
        let second = self.second(now);
        match reply {
            KernelReply::Expectation(_, expectation) => {
                if self.accepts_expectation(expectation) {
                    let zone = self.internal.zone_of(&expectation.parent);
                    let heard = self.expectations.internal.apply_dumped(expectation, zone, second);
                    self.expectation_news(heard, Origin::Kernel);
                }
            }
            KernelReply::Begun(_) => self.expectations.internal.begin_dump(),
            KernelReply::Failed(_, error) => {
                self.stats.kernel.expectation_dump_failures += 1;
                let Expectations { internal, resync, told_unavailable, .. } = &mut self.expectations;
                let hopeless = resync.failed(now, error, internal);
                if hopeless && !core::mem::replace(told_unavailable, true) {
                    self.tell(Some(Notice::ExpectationsUnavailable(error)));
                }
            }
            KernelReply::Done(_) => {
                let Expectations { internal, resync, .. } = &mut self.expectations;
                resync.dumped(internal);
            }
            KernelReply::Dumped(..) | KernelReply::Found(..) | KernelReply::Counted(..) => {}
        }
    }

    /// An expectation that a dump did not name was looked up. Only "there is none", or another in its place, ends it.
    fn expectation_confirmed(&mut self, slot: ExpectSlot, reply: KernelReply<'_>, second: u32) {
        self.stats.kernel.confirmations += 1;
        let known = self.expectations.internal.get(slot).map(|entry| entry.expectation.key());
        let gone = match reply {
            KernelReply::Expectation(_, found) if Some(found.key()) == known => {
                let zone = self.internal.zone_of(&found.parent);
                let heard = self.expectations.internal.apply_dumped(found, zone, second);
                return self.expectation_news(heard, Origin::Kernel);
            }
            KernelReply::Expectation(..) | KernelReply::Failed(_, Errno::ENOENT) => true,
            _ => false,
        };
        if gone {
            let heard = self.expectations.internal.sweep(slot);
            self.stats.internal_expectations.swept += 1;
            self.expectation_news(heard, Origin::Kernel);
        } else {
            self.expectations.internal.name(slot);
            self.expectations.resync.unsure();
        }
    }
}
