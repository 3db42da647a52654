//! External cache → kernel, on failover, and when the peer yields after both were primary.
//!
//! Flows without parent go first, of those what was active last, and related ones after them (see [`super::rounds`]).
//! For the duration births are not listened to: inserts are 2.3 times as fast, ends and updates still arrive. Every flow
//! that was written leaves the external cache, so what remains is exactly what could not be written, with its reason.
//!
//! Where a flow's place is taken, whatever stands there is looked up by the original and by the wanted translated
//! reply tuple, removed if it is another flow, and the creation is tried once more: see [`super::conflict`]. A flow
//! whose helper or parent our kernel does not have is written without: it lives, and only what the helper would do for
//! it from now on is lost.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::conflict::{Conflict, Life, Outcome, refused_extra};
use super::kernel::{Errno, KernelReply, KernelRequest, Token};
use super::notice::Notice;
use super::rounds::{
    RELATED, ROUNDS, adopts, is_for_lack_of_room, is_over, may_try_again, remaining, round_of,
};
use super::status::CommitStatus;
use super::tokens::Tokens;
use crate::cache::external::Failure;
use crate::cache::{ExternalCache, InternalCache, Slot};
use crate::flow::{AttrSet, ExtraSet, Flow, HelperName, Key, Status, Whole};
use crate::time::{Duration, Instant};

/// Conflicts being resolved at once; while there are more, no new flow is tried.
const CONFLICTS: usize = 64;

/// Creations under way at once: as many as the daemon's batches hold.
const OPEN: usize = 1024;

/// Slots looked at in one go.
const SLICE: u32 = 8192;

/// Failures told one by one; the others are counted and stay visible in the external cache.
const TOLD: u32 = 16;

/// What the kernel had no room for is tried again so long after a commit, then after twice as long each time.
const RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(30);

/// Whose word counts where two flows want one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// The peer's: it was primary until now, and what stands here is left over.
    TakeOver,
    /// Ours: we were and are primary. Only what we do not have is created, nothing gives way, births are heard on. Of a
    /// TCP flow that both have, packets are taken as they come: it may have gone on at the other router.
    Adopt,
    /// As for [`Manner::Adopt`], after a take-over: only what the kernel had no room for is tried again.
    Retry,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Running { round: u8, cursor: u32, tried: u32 },
}

/// A creation under way.
#[derive(Clone, Copy, Debug)]
struct Open {
    token: Token,
    slot: Slot,
    key: Key,
    /// It is in our kernel already; only its packets are to be taken as they come.
    relaxes: bool,
}

/// What to ask of the kernel next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Whether births are to be heard.
    ListenNew(bool),
    /// Create the flow in `slot` of the external cache.
    Create { token: Token, slot: Slot, timeout: u32 },
    /// Take packets of the flow in `slot` of the external cache as they come.
    Relax { token: Token, slot: Slot },
    /// The next step of the conflict `index`: see [`Commit::conflict`].
    Conflict { index: usize },
}

/// What a kernel's reply meant for the commit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Settled {
    /// The reply was not for us.
    NotOurs,
    /// Nothing yet.
    Nothing,
    /// The flow's place is taken.
    Conflict,
    /// What stood in a flow's place was removed.
    Replaced,
    /// Our kernel will not have this of a flow, which is tried again without.
    LeftOut(ExtraSet),
    /// Packets of the flow are taken as they come.
    Relaxed,
    /// The flow is in the kernel now; `before` is why it was refused the last time, and `ran_out` whether its own time had.
    Written { flow: Flow, ran_out: bool, before: Option<Errno> },
    /// The flow stays in the external cache.
    Refused { flow: Flow, error: Errno, before: Option<Errno> },
}

/// The job.
#[derive(Debug)]
pub(super) struct Commit {
    state: State,
    manner: Manner,
    /// Seconds that every flow lives which is written; none: what is left of its own timeout.
    lifetime: Option<u32>,
    /// When what the kernel had no room for is tried again, and the pause after that.
    retry: Option<(Instant, Duration)>,
    /// Failures of this commit that may be tried again.
    no_room: u32,
    deaf: bool,
    begun: Instant,
    /// The same in seconds, for the order of flows.
    begun_second: u32,
    committed: u32,
    failed: u32,
    /// How many had been written when what was refused began to be tried again.
    committed_before: u32,
    last: Option<CommitStatus>,
    open: VecDeque<Open>,
    /// Flows that our kernel has just lost, as their relaxing has shown: the peer's live on.
    lost: Vec<(Slot, Key)>,
    conflicts: Vec<Conflict>,
    /// Helpers that our kernel does not have, as far as told.
    unknown: Vec<HelperName>,
    told: VecDeque<Notice>,
}

impl Commit {
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            state: State::Idle,
            manner: Manner::TakeOver,
            lifetime: None,
            retry: None,
            no_room: 0,
            deaf: false,
            begun: now,
            begun_second: 0,
            committed: 0,
            failed: 0,
            committed_before: 0,
            last: None,
            open: VecDeque::new(),
            lost: Vec::new(),
            conflicts: Vec::new(),
            unknown: Vec::new(),
            told: VecDeque::new(),
        }
    }

    /// Whether none runs and births are listened to.
    pub(super) const fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle) && !self.deaf
    }

    /// Whose word counts in the commit that runs, or ran last.
    pub(super) const fn manner(&self) -> Manner {
        self.manner
    }

    /// Whether births of flows are not heard at the moment.
    pub(super) const fn is_deaf(&self) -> bool {
        self.deaf
    }

    /// The last commit.
    pub(super) fn status(&self) -> Option<CommitStatus> {
        let (committed, failed) = (self.committed, self.failed);
        match self.state {
            State::Running { .. } => Some(CommitStatus { begin: self.begun, end: None, committed, failed }),
            State::Idle => self.last,
        }
    }

    /// A notice about a failure.
    pub(super) fn take_notice(&mut self) -> Option<Notice> {
        self.told.pop_front()
    }

    /// Whether it adopts what the peer has and we have not.
    fn adopts(&self) -> bool {
        self.manner == Manner::Adopt
    }

    /// Whether the peer must be told of each flow that is written: after a take-over a bulk tells it all there is.
    pub(super) fn is_told_singly(&self) -> bool {
        self.manner != Manner::TakeOver
    }

    /// Begins.
    pub(super) fn begin(
        &mut self,
        now: Instant,
        second: u32,
        manner: Manner,
        external: &ExternalCache,
    ) -> Notice {
        self.state = State::Running { round: 0, cursor: 0, tried: 0 };
        self.manner = manner;
        (self.begun, self.begun_second) = (now, second);
        (self.committed, self.failed, self.no_room) = (0, 0, 0);
        self.retry = None;
        self.unknown.clear();
        Notice::CommitBegun { flows: external.len() }
    }

    /// Begins once more with what the kernel had no room for, when that is due. The status goes on with the counts of
    /// the commit.
    pub(super) fn try_again(&mut self, now: Instant, second: u32) {
        if let Some((due, pause)) = self.retry
            && due <= now
            && self.is_idle()
        {
            self.state = State::Running { round: 0, cursor: 0, tried: 0 };
            self.manner = Manner::Retry;
            self.committed_before = self.committed;
            self.begun_second = second;
            self.failed -= core::mem::take(&mut self.no_room);
            self.retry = Some((now + pause, (pause * 2).min(LONGEST_RETRY)));
        }
    }

    /// The role changed: what was begun is left as it is.
    pub(super) fn abandon(&mut self, now: Instant) {
        self.retry = None;
        if let State::Running { .. } = self.state {
            self.finish(now);
        }
        if let Some(last) = &mut self.last {
            last.end = last.end.or(Some(now));
        }
        self.open.clear();
        self.lost.clear();
        self.conflicts.clear();
    }

    /// When [`Self::next`] has something to do by itself.
    pub(super) fn due(&self, external: &ExternalCache) -> Option<Instant> {
        let at_once = match self.state {
            State::Idle => self.deaf,
            State::Running { cursor, .. } if cursor < external.end() || !self.lost.is_empty() => {
                self.open.len() < OPEN && self.conflicts.len() < CONFLICTS
            }
            State::Running { .. } => self.is_answered(),
        };
        if at_once || self.conflicts.iter().any(Conflict::wants) {
            return Some(Instant::PAST);
        }
        self.retry.filter(|_| self.is_over()).map(|(due, _)| due)
    }

    /// Whether no reply of the kernel is missing.
    fn is_answered(&self) -> bool {
        self.open.is_empty() && self.conflicts.is_empty() && self.lost.is_empty()
    }

    /// The next thing to ask of the kernel. A slice may end without one although there is more to do;
    /// [`Self::due`] says so.
    pub(super) fn next(
        &mut self,
        second: u32,
        tokens: &mut Tokens,
        external: &ExternalCache,
        internal: &InternalCache,
    ) -> Option<Next> {
        let State::Running { round, .. } = self.state else {
            return core::mem::take(&mut self.deaf).then_some(Next::ListenNew(true));
        };
        if round == 0 && !self.deaf && !external.is_empty() && self.manner == Manner::TakeOver {
            self.deaf = true;
            return Some(Next::ListenNew(false));
        }
        if let Some(index) = self.conflicts.iter().position(Conflict::wants) {
            return Some(Next::Conflict { index });
        }
        if self.open.len() >= OPEN || self.conflicts.len() >= CONFLICTS {
            return None;
        }
        let lost = self.next_lost(external);
        let slot = lost.or_else(|| self.next_slot(second, external, internal))?;
        let entry = external.get(slot).expect("just found");
        let token = tokens.next();
        let relaxes = lost.is_none() && self.adopts() && internal.has(&entry.flow.key());
        self.open.push_back(Open { token, slot, key: entry.flow.key(), relaxes });
        if relaxes {
            return Some(Next::Relax { token, slot });
        }
        let timeout = self.lifetime.unwrap_or_else(|| remaining(entry, second));
        Some(Next::Create { token, slot, timeout })
    }

    /// What is in the kernel already is taken over: see [`super::preload`].
    pub(super) fn begin_flush(&mut self, now: Instant) {
        self.manner = Manner::TakeOver;
        self.last = Some(CommitStatus { begin: now, end: None, committed: 0, failed: 0 });
    }

    /// What was left to write is written.
    pub(super) fn end_flush(&mut self, now: Instant, committed: u32, failed: u32) {
        if let Some(last) = &mut self.last {
            *last = CommitStatus { end: Some(now), committed, failed, ..*last };
        }
    }

    /// What the kernel had no room for while we stood by is tried again, as after a commit.
    pub(super) fn retry_soon(&mut self, now: Instant) {
        self.retry = Some((now + RETRY, RETRY * 2));
    }

    /// Seconds that every flow lives which is written, where an operator says so.
    pub(super) const fn lifetime(&self) -> Option<u32> {
        self.lifetime
    }

    /// So many seconds every flow lives that is written from now on.
    pub(super) const fn set_lifetime(&mut self, lifetime: Option<u32>) {
        self.lifetime = lifetime;
    }

    /// The next step of a conflict.
    pub(super) fn conflict(&mut self, index: usize, tokens: &mut Tokens) -> KernelRequest<'_> {
        self.conflicts[index].poll(tokens)
    }

    /// A reply of the kernel.
    pub(super) fn reply(
        &mut self,
        second: u32,
        reply: KernelReply<'_>,
        external: &mut ExternalCache,
    ) -> Settled {
        let token = reply.token();
        if let Some(index) = self.open.iter().position(|open| open.token == token) {
            let open = self.open.remove(index).expect("just found");
            if open.relaxes {
                return self.relaxed(&open, reply.error());
            }
            return self.created(second, open, reply, external);
        }
        let Some(index) = self.conflicts.iter().position(|conflict| conflict.awaits(token)) else {
            return Settled::NotOurs;
        };
        match self.conflicts[index].reply(token, reply) {
            Outcome::GoesOn => Settled::Nothing,
            Outcome::Removed(_) => Settled::Replaced,
            Outcome::LeftOut(what) => {
                let helper =
                    external.flow(self.conflicts[index].slot()).and_then(|flow| flow.extras?.helper());
                self.left_out(what, helper)
            }
            Outcome::Written => {
                let conflict = self.conflicts.swap_remove(index);
                self.written(second, conflict.slot(), conflict.wanted(), external)
            }
            Outcome::Failed { error, existing } => {
                let conflict = self.conflicts.swap_remove(index);
                self.refused(conflict.slot(), conflict.wanted(), error, existing, external)
            }
        }
    }

    /// Ends the commit when every flow was tried and every reply is there. Says whether expectations may find a parent
    /// that was not there before, and what to tell.
    pub(super) fn step(&mut self, now: Instant, external: &ExternalCache) -> (bool, Option<Notice>) {
        let State::Running { round, cursor, tried } = self.state else { return (false, None) };
        if cursor < external.end() || !self.is_answered() {
            return (false, None);
        }
        let more = round <= RELATED || (tried > 0 && round < ROUNDS);
        if more && !external.is_empty() {
            // Only a take-over has an order.
            let next = if self.manner == Manner::TakeOver { round + 1 } else { RELATED.max(round + 1) };
            self.state = State::Running { round: next, cursor: 0, tried: 0 };
            return (false, None);
        }
        self.finish(now);
        let took = now.since(self.begun);
        if self.no_room == 0 {
            self.retry = None;
        } else if self.retry.is_none() && !self.adopts() {
            self.retry = Some((now + RETRY, RETRY * 2));
        }
        let again = self.manner == Manner::Retry;
        let done = Notice::CommitDone { committed: self.committed, failed: self.failed, took };
        (!again || self.committed > self.committed_before, (!again || tried > 0).then_some(done))
    }

    const fn is_over(&self) -> bool {
        matches!(self.state, State::Idle)
    }

    fn finish(&mut self, now: Instant) {
        let (committed, failed) = (self.committed, self.failed);
        self.last = Some(CommitStatus { begin: self.begun, end: Some(now), committed, failed });
        self.state = State::Idle;
    }

    fn next_slot(&mut self, second: u32, external: &ExternalCache, internal: &InternalCache) -> Option<Slot> {
        let State::Running { round, cursor, tried } = self.state else { return None };
        let end = external.end().min(cursor.saturating_add(SLICE));
        let found = (cursor..end).map(Slot).find(|slot| {
            external.get(*slot).is_some_and(|entry| {
                let related = entry.flow.status.has(Status::EXPECTED);
                // What was tried is gone, or has failed, but for what is adopted: so only a take-over has an order.
                let in_turn = match (round, self.manner) {
                    (0..=RELATED, Manner::TakeOver) => {
                        round_of(entry, self.begun_second) <= round && external.failure(*slot).is_none()
                    }
                    (0, _) => !related,
                    (1..=RELATED, _) => related && round == RELATED,
                    _ => external.failure(*slot).is_none(),
                };
                in_turn
                    && match self.manner {
                        Manner::TakeOver => true,
                        Manner::Adopt => adopts(&entry.flow, round, internal),
                        Manner::Retry => {
                            let fails = may_try_again(external, *slot, entry, second);
                            round <= RELATED && fails && !internal.has(&entry.flow.key())
                        }
                    }
            })
        });
        let cursor = found.map_or(end, |slot| slot.0 + 1);
        self.state = State::Running { round, cursor, tried: tried + u32::from(found.is_some()) };
        found
    }

    /// The next flow that our kernel has lost while it was to be relaxed, if the peer still has it.
    fn next_lost(&mut self, external: &ExternalCache) -> Option<Slot> {
        core::iter::from_fn(|| self.lost.pop()).find_map(|(slot, key)| {
            external.get(slot).filter(|entry| entry.flow.key() == key && !is_over(&entry.flow)).map(|_| slot)
        })
    }

    /// One that has ended here meanwhile is as one that was never here.
    fn relaxed(&mut self, open: &Open, error: Option<Errno>) -> Settled {
        if error == Some(Errno::ENOENT) {
            self.lost.push((open.slot, open.key));
        }
        if error.is_none() { Settled::Relaxed } else { Settled::Nothing }
    }

    fn created(
        &mut self,
        second: u32,
        open: Open,
        reply: KernelReply<'_>,
        external: &mut ExternalCache,
    ) -> Settled {
        let entry = external.get(open.slot).filter(|entry| entry.flow.key() == open.key);
        let Some(entry) = entry.copied() else { return Settled::Nothing };
        let wanted = external.flow(open.slot).expect("just found").whole();
        let life = Life::of(self.lifetime.unwrap_or_else(|| remaining(&entry, second)));
        match reply {
            KernelReply::Failed(_, Errno::EEXIST) if self.manner == Manner::TakeOver => {
                self.conflicts.push(Conflict::new(open.slot, wanted, life));
                Settled::Conflict
            }
            KernelReply::Failed(_, error) => {
                let Some(what) = refused_extra(&wanted, error) else {
                    return self.refused(open.slot, &entry.flow, error, None, external);
                };
                if what == ExtraSet::PARENT && self.parent_waits(&wanted, external) {
                    // A later round comes to it again.
                    return Settled::Nothing;
                }
                self.conflicts.push(Conflict::without(
                    open.slot,
                    wanted,
                    life,
                    what,
                    self.manner == Manner::TakeOver,
                ));
                self.left_out(what, wanted.extras.helper())
            }
            _ => self.written(second, open.slot, &entry.flow, external),
        }
    }

    /// Whether the parent of a flow has still to be tried: chains of related flows are longer than two.
    fn parent_waits(&self, wanted: &Whole, external: &ExternalCache) -> bool {
        let State::Running { round, .. } = self.state else { return false };
        let parent = wanted.extras.parent.key(wanted.flow.zone);
        let waits = |slot: Slot| parent != wanted.flow.key() && external.failure(slot).is_none();
        round + 1 < ROUNDS && external.find(&parent).is_some_and(waits)
    }

    /// Tells of a helper that is missing here, once per commit.
    fn left_out(&mut self, what: ExtraSet, helper: Option<HelperName>) -> Settled {
        if let Some(helper) = helper.filter(|_| what == ExtraSet::HELPER)
            && self.unknown.len() < TOLD as usize
            && !self.unknown.contains(&helper)
        {
            self.unknown.push(helper);
            self.told.push_back(Notice::HelperUnknown { helper });
        }
        Settled::LeftOut(what)
    }

    fn written(&mut self, second: u32, slot: Slot, flow: &Flow, external: &mut ExternalCache) -> Settled {
        let (mut before, mut ran_out) = (None, false);
        if let Some(entry) = external.get(slot).filter(|entry| entry.flow.key() == flow.key()) {
            ran_out = entry.flow.has(AttrSet::TIMEOUT)
                && second.saturating_sub(entry.changed) >= entry.flow.timeout;
            before = reason(external, slot);
            external.remove(slot);
        }
        self.committed += 1;
        Settled::Written { flow: *flow, ran_out, before }
    }

    fn refused(
        &mut self,
        slot: Slot,
        wanted: &Flow,
        error: Errno,
        existing: Option<Flow>,
        external: &mut ExternalCache,
    ) -> Settled {
        self.failed += 1;
        self.no_room += u32::from(is_for_lack_of_room(error));
        let mut before = None;
        if external.get(slot).is_some_and(|entry| entry.flow.key() == wanted.key()) {
            before = reason(external, slot);
            external.fail(slot, Failure { errno: error.0, existing });
        }
        if self.failed <= TOLD && self.manner != Manner::Retry {
            self.told.push_back(Notice::CommitFailed { wanted: *wanted, error, existing });
        }
        Settled::Refused { flow: *wanted, error, before }
    }
}

/// Why the flow in `slot` was refused, if it was.
fn reason(external: &ExternalCache, slot: Slot) -> Option<Errno> {
    external.failure(slot).map(|failure| Errno(failure.errno))
}
