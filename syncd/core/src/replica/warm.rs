//! Keeping the kernel of a router that stands by as the peer's is: the steps between the parts. See [`super::preload`] for
//! what is written and when, [`super::lent`] for how it is taken back; tested in `tests/preload.rs` and by the simulator.

use super::Replica;
use super::conflict::Life;
use super::kernel::{Errno, KernelReply, KernelRequest};
use super::notice::Notice;
use super::preload::{CLAIMED, Next, STANDBY, Settled};
use super::role::Role;
use super::rounds::{is_over, remaining};
use super::status::CommitStatus;
use crate::cache::external::{Applied, Failure};
use crate::cache::{ExternalCache, Slot};
use crate::flow::{AttrSet, Change, ExtraSet, Flow, Key, Origin};
use crate::time::Instant;

/// Slots looked at in one go.
const SLICE: u32 = 8192;

/// The end of a takeover whose flows are in the kernel already: they leave the external cache, as in a commit, and are this
/// router's own.
#[derive(Debug, Default)]
pub(super) struct Release {
    cursor: Option<u32>,
    /// It has become primary, and copies of the peer's flows may not count as its own yet.
    owes: bool,
    /// What waited was written before.
    flushed: bool,
}

impl Replica {
    /// Whether the peer's flows are kept in our kernel now.
    pub(super) const fn keeps_warm(&self) -> bool {
        self.preload.is_on() && !self.role.replicates()
    }

    /// Whether whoever stood by until now takes over what is in the kernel already.
    pub(super) fn takes_over_warm(&self, from: Role, to: Role) -> bool {
        self.preload.is_on() && !from.replicates() && to == Role::Primary
    }

    /// The role has changed.
    pub(super) fn reconsider_preload(&mut self, now: Instant, from: Role) {
        let release = core::mem::take(&mut self.release);
        let begins = from == Role::Unknown && self.role == Role::Primary;
        if release.owes || begins {
            // It was primary, although not for long, or is from the start, with what an earlier life of this daemon has put
            // there: what packets come for is its own, and told as such.
            self.internal.claim_copies();
        }
        if !self.role.replicates() {
            // A flush that was not done is none any more: what our filter keeps out waits for the next one.
            self.preload.end_flush();
            if release.owes && release.flushed {
                self.external.take_over();
            }
            if self.preload.is_on() && from.replicates() {
                self.preload.begin(now, true);
            }
            if from == Role::Unknown {
                self.warm_all(now);
            }
        } else {
            self.preload.end();
            self.lent.stop_comparing();
        }
    }

    /// An operator wants it, or not, from now on.
    pub(super) fn set_preload(&mut self, now: Instant, on: bool) {
        let news = self.preload.set(on);
        if !news || self.role.replicates() {
            return;
        }
        if on {
            self.preload.begin(now, true);
        } else {
            self.preload.end();
            self.lent.compare(false);
        }
    }

    /// The peer has said something of a flow.
    pub(super) fn warm(&mut self, now: Instant, key: &Key, applied: Applied) {
        if !self.keeps_warm() {
            if applied == Applied::Changed && self.preload.is_on() {
                self.external.unwritten(key);
            }
            return;
        }
        match applied {
            Applied::Added | Applied::Changed => {
                let slot = self.external.find(key).expect("it was just put there");
                let gathered = !self.preload.want(now, slot, &mut self.external);
                self.stats.preload.gathered += u64::from(gathered);
            }
            Applied::Removed => self.internal.give_back(key),
            Applied::Nothing | Applied::Full => {}
        }
    }

    /// The peer has named all its flows, or our kernel was read: what is missing here is written. Where both are so, the peer
    /// has no more what it has not named.
    pub(super) fn warm_all(&mut self, now: Instant) {
        if !self.keeps_warm() {
            return;
        }
        self.preload.begin(now, false);
        let told = self.catch_up.reason().is_none();
        if told && !self.room.external_full() && self.catch_up.refusals() == 0 {
            self.lent.compare(true);
        }
    }

    /// An event of our kernel: one that ends what the peer still has, or one by which packets give a flow its own time.
    pub(super) fn heard_of_copy(&mut self, now: Instant, origin: Origin, change: Change, key: &Key) {
        if origin == Origin::Ourselves
            && change == Change::New
            && self.keeps_warm()
            && self.external.find(key).is_none()
        {
            // It has ended there meanwhile.
            self.internal.give_back(key);
        }
        if !self.keeps_warm() {
            if origin == Origin::Kernel && self.internal.has_exceeding() {
                self.internal.exceeds_no_more(key);
            }
            return;
        }
        if change == Change::Destroy
            && !self.internal.has(key)
            && let Some(slot) = self.external.find(key)
            && self.external.failure(slot).is_none()
            && self.preload.want_again(now, slot, &mut self.external)
        {
            self.stats.preload.ended_here += 1;
        }
    }

    /// A look-up has shown that a flow has ended here unheard. It waits from now on, not only when all were looked up: who
    /// becomes primary meanwhile writes what waits.
    pub(super) fn missed_copy(&mut self, key: &Key) {
        if self.keeps_warm()
            && let Some(slot) = self.external.find(key)
            && self.external.failure(slot).is_none()
            && self.preload.want_at_once(slot, &mut self.external)
        {
            self.stats.preload.ended_here += 1;
        }
    }

    /// When something of this is to be done.
    pub(super) fn preload_due(&self) -> Option<Instant> {
        let release = self.release.cursor.map(|_| Instant::PAST);
        let writes = if self.keeps_warm() || self.jobs.flushes() { self.preload.due() } else { None };
        [release, writes, self.lent_due()].into_iter().flatten().min()
    }

    /// The next request, while we stand by, or for what waited when we became primary.
    pub(super) fn next_preload(&mut self, now: Instant) -> Option<Next> {
        if !(self.keeps_warm() || self.jobs.flushes()) {
            return None;
        }
        let (second, stands_by) = (self.second(now), self.keeps_warm());
        if stands_by {
            self.preload.begin_rounds(now);
        }
        let Self { preload, tokens, external, internal, filter, commit, stats, .. } = self;
        let life = |external: &ExternalCache, slot: Slot, is_copy: bool| {
            let entry = external.get(slot).expect("it waits");
            if stands_by {
                return Life { created: STANDBY, here: if is_copy { STANDBY } else { CLAIMED } };
            }
            Life::of(commit.lifetime().unwrap_or_else(|| remaining(entry, second)))
        };
        let next = preload.next(now, tokens, external, internal, filter, life);
        stats.preload.unchanged = preload.unchanged();
        next
    }

    pub(super) fn preload_request(&mut self, next: Next) -> KernelRequest<'_> {
        match next {
            Next::Create { token, slot, timeout } => {
                let flow = self.external.flow(slot).expect("just found");
                KernelRequest::Create { token, flow, timeout }
            }
            Next::Update { token, slot, timeout } => {
                let flow = self.external.flow(slot).expect("just found");
                KernelRequest::Update { token, flow, timeout, with_status: true }
            }
            Next::Conflict { index } => self.preload.conflict(index, &mut self.tokens),
        }
    }

    /// How many flows wait to be written, or removed.
    pub(super) fn preload_waits(&self) -> u32 {
        if !self.keeps_warm() && !self.jobs.flushes() {
            return 0;
        }
        let returns = !self.lent.is_idle() || self.internal.has_unsure() || self.internal.has_condemned();
        u32::try_from(self.preload.waits() + usize::from(returns)).unwrap_or(u32::MAX)
    }

    /// Whether the reply was for us.
    pub(super) fn preload_reply(&mut self, now: Instant, reply: KernelReply<'_>) -> bool {
        let settled = self.preload.reply(now, reply, &mut self.external);
        let stats = &mut self.stats.preload;
        match settled {
            Settled::NotOurs => return false,
            Settled::Conflict => stats.conflicts += 1,
            Settled::Replaced => stats.replaced += 1,
            Settled::LeftOut(ExtraSet::HELPER) => stats.without_helper += 1,
            Settled::LeftOut(ExtraSet::PARENT) => stats.without_parent += 1,
            // Labels that no rule here uses are no loss.
            Settled::LeftOut(_) | Settled::Nothing => {}
            Settled::Refused => stats.refused += 1,
            Settled::Written { flow, created, lent } => {
                *if created { &mut stats.created } else { &mut stats.updated } += 1;
                self.preloaded(now, &flow, created);
                if lent && self.role.replicates() {
                    // It was asked for while we stood by, and no dump need show it any more.
                    self.internal.exceeds_here(&flow.key());
                }
            }
        }
        true
    }

    /// A flow of the peer is in our kernel, as it is here.
    fn preloaded(&mut self, now: Instant, flow: &Flow, created: bool) {
        let key = flow.key();
        if self.external.find(&key).is_none() {
            // It has ended there meanwhile. One that our cache does not have yet goes when its birth is heard.
            self.mark_written(&key, created);
            return self.internal.give_back(&key);
        }
        if !self.filter.accepts(flow) {
            return;
        }
        let mut copy = *flow;
        copy.present = copy.present.without(AttrSet::ID.with(AttrSet::EXTRAS));
        let applied = self.internal.adopt(&copy, self.second(now));
        self.mark_written(&key, created);
        self.news(applied, Origin::Ourselves);
    }

    fn mark_written(&mut self, key: &Key, created: bool) {
        self.internal.is_known_to_peer(key);
        match (self.role.replicates(), created) {
            (true, _) => self.internal.took_over(key),
            (false, true) => self.internal.is_copy(key),
            (false, false) => self.internal.is_claimed(key),
        }
    }

    /// What still waits is written, then the expectations.
    pub(super) fn begin_flush(&mut self, now: Instant) {
        let flows = self.preload.flush(&self.external);
        self.stats.preload.takeovers += 1;
        self.release.owes = true;
        self.commit.begin_flush(now);
        self.accounts.present().commit_begun.get_or_insert(now);
        self.tell(Some(Notice::CommitBegun { flows }));
    }

    /// Whether the flush is done.
    pub(super) fn has_flushed(&mut self, now: Instant) -> bool {
        if self.preload.waits() > 0 {
            return false;
        }
        if let Some(CommitStatus { begin, end: None, .. }) = self.commit.status() {
            let (committed, failed) = (self.preload.end_flush(), self.external.failed());
            self.release.flushed = true;
            self.commit.end_flush(now, committed, failed);
            self.accounts.present().commit_done.get_or_insert(now);
            self.stats.preload.flushed += u64::from(committed);
            self.expectations.begin_commit(super::commit::Manner::TakeOver);
            self.expectations.settle(now);
            self.tell(Some(Notice::CommitDone { committed, failed, took: now.since(begin) }));
        }
        self.expectations.has_written()
    }

    /// Whether flows that a takeover has found in our kernel are not counted yet: its table is read first.
    #[must_use]
    pub const fn has_flows_to_count(&self) -> bool {
        self.release.owes
    }

    /// The flows that were taken over leave the external cache from now on.
    pub(super) const fn begin_release(&mut self) {
        self.release.cursor = Some(0);
    }

    /// Whether they have.
    pub(super) const fn has_released(&self) -> bool {
        self.release.cursor.is_none()
    }

    /// The next few of them go. What was said since we are primary stays, and so does what our kernel has lost.
    pub(super) fn release(&mut self, now: Instant) {
        let Some(from) = self.release.cursor else { return };
        let knows = self.hears_all();
        let end = self.external.end().max(self.internal.end());
        let to = end.min(from.saturating_add(SLICE));
        self.internal.own_copies(from, to);
        for slot in (from..to).map(Slot) {
            let Some(flow) = self.external.get(slot).map(|entry| entry.flow) else { continue };
            let written = self.external.is_written(slot);
            if written && knows && self.has_lost(slot, &flow) {
                self.external.fail(slot, Failure { errno: Errno::EAGAIN.0, existing: None });
                self.accounts.present().refuse(&flow, Errno::EAGAIN, None);
                self.stats.preload.ended_here += 1;
            } else if written {
                self.accounts.present().carry(&flow, false, None);
                self.external.remove(slot);
            } else if let Some(failure) = self.external.failure(slot) {
                self.accounts.present().refuse(&flow, Errno(failure.errno), None);
            }
        }
        let done = to == end;
        (self.release.cursor, self.release.owes) = ((!done).then_some(to), !done);
        if done && self.external.failed() > 0 {
            self.commit.retry_soon(now);
        }
    }

    /// Whether our kernel, whose table was read since, has no more what was written to it. It was so when the packets came:
    /// what has a long life does not end so soon after. The event that says so has found no room, or was read too late. It is
    /// tried again like what found no room.
    fn has_lost(&self, slot: Slot, flow: &Flow) -> bool {
        let replicated = || self.external.flow(slot).is_some_and(|flow| self.filter.accepts(&flow));
        !self.internal.has(&flow.key()) && !is_over(flow) && replicated()
    }
}
