//! External cache → kernel while this router stands by, so that a takeover has nothing left to write.
//!
//! A flow that the peer has told of waits once, whatever is said of it meanwhile; a moment later what waits is written, in
//! its present state and under a long timeout: traffic at the primary refreshes a flow without an event, so what the peer
//! said of its life is no end, only the peer's word is. The peer's flow wins the place it wants, as in a commit. The flow
//! stays in the external cache with its true timeout; what the kernel refused carries its reason there.
//!
//! Becoming primary begins with a flush: what still waits is written, under what is left of the true timeouts. So the work
//! of entering the role does not grow with the number of flows, but with what waits.
//!
//! Control flow is the replica's (`warm.rs`); tested in `tests/preload.rs`.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::conflict::{Conflict, Life, Outcome, refused_extra};
use super::kernel::{Errno, KernelReply, KernelRequest, Token};
use super::tokens::Tokens;
use crate::cache::external::Failure;
use crate::cache::{ExternalCache, InternalCache, Slot};
use crate::filter::Filter;
use crate::flow::{AttrSet, ExtraSet, Flow, Key, Status, Whole};
use crate::time::{Duration, Instant};

/// Seconds an entry lives while nobody refreshes it here: 20 days. Above every timeout that the kernel has by itself (5 days
/// of an established TCP flow), below the kernel's limit at 1000 ticks a second, which is 24.8 days.
pub(super) const STANDBY: u32 = 20 * DAY;

/// The same of an entry that was here before the peer told of it: 24 days. A daemon that starts tells by it what its
/// predecessor has created for the peer from what may be this router's own.
pub(super) const CLAIMED: u32 = 24 * DAY;

/// Seconds. An entry that has more left than this, and was given it by us, was given [`CLAIMED`].
pub(super) const LEAST_CLAIMED: u32 = 21 * DAY;

/// Everything is written anew so often, so that an entry never has less than [`LEAST`] left, or [`LEAST_CLAIMED`].
const RENEWAL: Duration = Duration::from_secs(2 * DAY as u64);

/// Seconds. An entry that has so much left, and not more than is lent, got it from us, and no packet has come here since.
pub const LEAST: u32 = 17 * DAY;

const DAY: u32 = 86_400;

/// What is said within so long is written at once: a handshake is one request, not three. VRRP needs longer to notice that a
/// primary is dead.
const GATHERING: Duration = Duration::from_millis(20);

/// Requests under way at once; as many conflicts are resolved at once.
const OPEN: usize = 128;
const CONFLICTS: usize = 64;

/// Slots looked at in one go; so few wait while everything is written anew, because a takeover waits for them.
const SLICE: u32 = 8192;
const FEW: u32 = 1024;

/// What has ended here without a word of the peer is written again, so many in so long: a kernel without room drops flows
/// for each other.
const AGAIN: usize = 128;
const PAUSE: Duration = Duration::from_millis(100);

/// What the kernel had no room for is tried again after so long.
const RETRY: Duration = Duration::from_secs(10);

/// A request under way.
#[derive(Clone, Copy, Debug)]
struct Open {
    token: Token,
    slot: Slot,
    /// As it was asked for: the peer may have told otherwise by the time of the answer.
    wanted: Flow,
    life: Life,
    updates: bool,
}

/// What to ask of the kernel next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Create the flow in `slot` of the external cache.
    Create { token: Token, slot: Slot, timeout: u32 },
    /// Renew it: it is in our kernel, translated alike.
    Update { token: Token, slot: Slot, timeout: u32 },
    /// The next step of the conflict `index`.
    Conflict { index: usize },
}

/// What a kernel's reply meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// The flow is in the kernel as it is here; whether it was created, and whether it was given more time than its
    /// own.
    Written { flow: Flow, created: bool, lent: bool },
    /// The flow is not in the kernel, for the reason that the external cache keeps.
    Refused,
}

/// A round over the whole cache.
#[derive(Clone, Copy, Debug)]
struct Round {
    cursor: u32,
    /// Everything is written, not only what is missing here.
    anyway: bool,
}

/// The work.
#[derive(Debug, Default)]
pub(super) struct Preload {
    on: bool,
    flushing: bool,
    /// Slots with their mark, once each.
    waiting: VecDeque<Slot>,
    /// Related flows, behind those: their parents go first.
    related: VecDeque<Slot>,
    /// What our filter keeps out: it is not told of, and written by a flush only, as by a commit.
    kept_out: VecDeque<Slot>,
    /// What has ended here, in its own time behind both.
    ended: VecDeque<Slot>,
    ended_due: Instant,
    /// Until then what waits is gathered.
    gathers: Instant,
    round: Option<Round>,
    retry: Option<Instant>,
    renewal: Option<Instant>,
    open: VecDeque<Open>,
    conflicts: Vec<Conflict>,
    /// Flows of which something was said while they were under way.
    blocked: Vec<Slot>,
    /// Flows written by the flush.
    flushed: u32,
    /// Flows that were in the kernel already as they shall be.
    unchanged: u64,
}

impl Preload {
    /// Whether the peer's flows are kept in our kernel while we stand by. Says whether that is news.
    pub(super) const fn set(&mut self, on: bool) -> bool {
        let news = self.on != on;
        self.on = on;
        news
    }

    /// Whether they are.
    pub(super) const fn is_on(&self) -> bool {
        self.on
    }

    /// From now on everything is written once: what is missing here, or `anyway` also what is here and has the life that its
    /// packets have given it.
    pub(super) fn begin(&mut self, now: Instant, anyway: bool) {
        self.waiting.append(&mut self.kept_out);
        self.begin_round(anyway);
        if anyway {
            self.renewal = Some(now + RENEWAL);
        }
    }

    /// What a round under way had still to write, this one writes.
    fn begin_round(&mut self, anyway: bool) {
        let anyway = anyway || self.round.is_some_and(|round| round.anyway);
        self.round = Some(Round { cursor: 0, anyway });
    }

    /// It does not any more, or shall not keep the peer's flows: what is under way is left as it is. What waits goes on
    /// waiting, for a flush.
    pub(super) fn end(&mut self) {
        (self.retry, self.renewal, self.flushing) = (None, None, false);
    }

    /// What waits is written now, and what the kernel had no room for is tried once more. Says how many that may be.
    pub(super) fn flush(&mut self, external: &ExternalCache) -> u32 {
        self.flushing = true;
        self.flushed = 0;
        // What is here needs no longer life any more; what is missing is looked for as before.
        let round = self.round.map(|round| Round { anyway: false, ..round });
        self.round = if external.failed() > 0 { Some(Round { cursor: 0, anyway: false }) } else { round };
        self.waiting.append(&mut self.ended);
        self.waiting.append(&mut self.kept_out);
        let waits = self.waiting.len() + self.related.len() + self.open.len() + self.conflicts.len();
        u32::try_from(waits).unwrap_or(u32::MAX)
    }

    /// Says how many flows the flush has written, when it is done.
    pub(super) fn end_flush(&mut self) -> u32 {
        self.flushing = false;
        self.flushed
    }

    /// The flow in `slot` is to be written, unless it waits for that already. Says whether it did not.
    pub(super) fn want(&mut self, now: Instant, slot: Slot, external: &mut ExternalCache) -> bool {
        if self.waiting.is_empty() && self.related.is_empty() && self.open.is_empty() {
            self.gathers = now + GATHERING;
        }
        self.queue(slot, external, false)
    }

    /// As [`Self::want`], and nothing more is waited for.
    pub(super) fn want_at_once(&mut self, slot: Slot, external: &mut ExternalCache) -> bool {
        self.queue(slot, external, false)
    }

    /// The flow in `slot` has ended here, and not at the peer.
    pub(super) fn want_again(&mut self, now: Instant, slot: Slot, external: &mut ExternalCache) -> bool {
        let waits_not = external.wait(slot, true);
        if waits_not {
            if self.ended.is_empty() {
                self.ended_due = self.ended_due.max(now);
            }
            self.ended.push_back(slot);
            self.keep_short(external);
        }
        waits_not
    }

    /// How many flows wait or are under way.
    pub(super) fn waits(&self) -> usize {
        let waits = self.waiting.len() + self.related.len() + self.ended.len() + self.blocked.len();
        waits + self.open.len() + self.conflicts.len() + usize::from(self.round.is_some())
    }

    fn has_work(&self) -> bool {
        self.round.is_some() || !self.waiting.is_empty() || !self.related.is_empty()
    }

    /// When [`Self::next`] has something to do by itself.
    pub(super) fn due(&self) -> Option<Instant> {
        if self.conflicts.iter().any(Conflict::wants) {
            return Some(Instant::PAST);
        }
        let room = self.open.len() < OPEN && self.conflicts.len() < CONFLICTS;
        let gathered = if self.flushing { Instant::PAST } else { self.gathers };
        let waiting = (room && self.has_work()).then_some(gathered);
        let ended = (room && !self.ended.is_empty()).then_some(self.ended_due);
        [waiting, ended, self.retry, self.renewal].into_iter().flatten().min()
    }

    /// Rounds begin when they are due.
    pub(super) fn begin_rounds(&mut self, now: Instant) {
        let is_due = |at: &mut Option<Instant>| at.take_if(|at| *at <= now).is_some();
        if is_due(&mut self.renewal) {
            self.begin(now, true);
        }
        if is_due(&mut self.retry) {
            self.begin_round(false);
        }
        if !self.ended.is_empty() && self.ended_due <= now {
            let few = self.ended.len().min(AGAIN);
            self.waiting.extend(self.ended.drain(..few));
            self.ended_due = now + PAUSE;
        }
    }

    /// The next thing to ask of the kernel; `life` says how long an entry shall live, which is a copy or not. A slice may end
    /// without a request although there is more to do.
    pub(super) fn next(
        &mut self,
        now: Instant,
        tokens: &mut Tokens,
        external: &mut ExternalCache,
        internal: &InternalCache,
        filter: &Filter,
        life: impl Fn(&ExternalCache, Slot, bool) -> Life,
    ) -> Option<Next> {
        if let Some(index) = self.conflicts.iter().position(Conflict::wants) {
            return Some(Next::Conflict { index });
        }
        if now < self.gathers && !self.flushing {
            return None;
        }
        self.go_round(external, internal, filter);
        while self.open.len() < OPEN && self.conflicts.len() < CONFLICTS {
            let slot = self.take()?;
            // One that was removed meanwhile has lost its mark.
            let Some(as_written) = external.waited(slot) else { continue };
            let wanted = external.flow(slot).expect("it had a mark");
            let key = wanted.key();
            if !self.flushing && !filter.accepts(&wanted) {
                external.wait(slot, true);
                self.kept_out.push_back(slot);
                continue;
            }
            if self.is_under_way(&key) {
                // One request for a flow at a time: what is said last is written last.
                external.wait(slot, true);
                self.blocked.push(slot);
                continue;
            }
            let here = internal.find(&key).map(|entry| &entry.flow);
            let updates = here.is_some_and(|here| here.reply == wanted.reply);
            if as_written && wanted.extras.is_none() && here.is_some_and(|here| here.same_state(wanted.flow))
            {
                self.unchanged += 1;
                continue;
            }
            let is_copy = internal.slot(&key).is_some_and(|slot| internal.holds_copy(slot));
            let (token, life) = (tokens.next(), life(external, slot, is_copy));
            self.open.push_back(Open { token, slot, wanted: *wanted.flow, life, updates });
            return Some(if updates {
                Next::Update { token, slot, timeout: life.here }
            } else {
                Next::Create { token, slot, timeout: life.created }
            });
        }
        None
    }

    /// How many flows were in the kernel already as they shall be.
    pub(super) const fn unchanged(&self) -> u64 {
        self.unchanged
    }

    /// The next step of a conflict.
    pub(super) fn conflict(&mut self, index: usize, tokens: &mut Tokens) -> KernelRequest<'_> {
        self.conflicts[index].poll(tokens)
    }

    /// A reply of the kernel.
    pub(super) fn reply(
        &mut self,
        now: Instant,
        reply: KernelReply<'_>,
        external: &mut ExternalCache,
    ) -> Settled {
        let token = reply.token();
        self.waiting.extend(self.blocked.drain(..));
        if let Some(index) = self.open.iter().position(|open| open.token == token) {
            let open = self.open.remove(index).expect("just found");
            return self.answered(now, open, reply, external);
        }
        let Some(index) = self.conflicts.iter().position(|conflict| conflict.awaits(token)) else {
            return Settled::NotOurs;
        };
        match self.conflicts[index].reply(token, reply) {
            Outcome::GoesOn => Settled::Nothing,
            Outcome::LeftOut(what) => Settled::LeftOut(what),
            Outcome::Removed(key) => {
                let wanted = *self.conflicts[index].wanted();
                if key != wanted.key()
                    && let Some(slot) = external.find(&key)
                {
                    // The peer has told of both, and its last word counts: a kernel has room for one.
                    external.fail(slot, Failure { errno: Errno::EEXIST.0, existing: Some(wanted) });
                }
                Settled::Replaced
            }
            Outcome::Written => {
                let conflict = self.conflicts.swap_remove(index);
                // Whether an entry stood there already is found by looking only where creating failed.
                let created = !conflict.has_updated();
                self.written(conflict.slot(), *conflict.wanted(), created, conflict.life(), external)
            }
            Outcome::Failed { error, existing } => {
                let conflict = self.conflicts.swap_remove(index);
                let (slot, key) = (conflict.slot(), conflict.wanted().key());
                self.refused(now, slot, &key, Failure { errno: error.0, existing }, external)
            }
        }
    }

    fn answered(
        &mut self,
        now: Instant,
        open: Open,
        reply: KernelReply<'_>,
        external: &mut ExternalCache,
    ) -> Settled {
        let Open { slot, wanted, life, updates, .. } = open;
        let key = wanted.key();
        let Some(error) = reply.error() else {
            return self.written(slot, wanted, !updates, life, external);
        };
        let Some(wanted) = still_wanted(slot, &key, external) else { return Settled::Nothing };
        let conflict = match error {
            Errno::EEXIST => Conflict::new(slot, wanted, life),
            Errno::EBUSY if updates => {
                self.conflicts.push(Conflict::further(slot, wanted, life));
                return Settled::Nothing;
            }
            // It is not in our kernel after all: found out by looking.
            Errno::ENOENT if updates => Conflict::new(slot, wanted, life),
            _ => {
                let Some(what) = refused_extra(&wanted, error) else {
                    return self.refused(
                        now,
                        slot,
                        &key,
                        Failure { errno: error.0, existing: None },
                        external,
                    );
                };
                self.conflicts.push(Conflict::without(slot, wanted, life, what, true));
                return Settled::LeftOut(what);
            }
        };
        self.conflicts.push(conflict);
        Settled::Conflict
    }

    fn written(
        &mut self,
        slot: Slot,
        flow: Flow,
        created: bool,
        life: Life,
        external: &mut ExternalCache,
    ) -> Settled {
        self.flushed += u32::from(self.flushing);
        if external.get(slot).is_some_and(|entry| entry.flow.key() == flow.key()) {
            external.written(slot);
        }
        Settled::Written { flow, created, lent: life.created == STANDBY }
    }

    fn refused(
        &mut self,
        now: Instant,
        slot: Slot,
        key: &Key,
        failure: Failure,
        external: &mut ExternalCache,
    ) -> Settled {
        if external.get(slot).is_some_and(|entry| entry.flow.key() == *key) {
            external.fail(slot, failure);
        }
        if is_for_lack_of_room(failure.errno) {
            self.retry = self.retry.or(Some(now + RETRY));
        }
        Settled::Refused
    }

    fn is_under_way(&self, key: &Key) -> bool {
        self.open.iter().any(|open| open.wanted.key() == *key)
            || self.conflicts.iter().any(|conflict| conflict.wanted().key() == *key)
    }

    fn take(&mut self) -> Option<Slot> {
        let related = || if self.round.is_none() { self.related.pop_front() } else { None };
        self.waiting.pop_front().or_else(related)
    }

    fn queue(&mut self, slot: Slot, external: &mut ExternalCache, anyway: bool) -> bool {
        let waits_not = external.wait(slot, anyway);
        if waits_not {
            let related = external.get(slot).is_some_and(|entry| entry.flow.status.has(Status::EXPECTED));
            if related { &mut self.related } else { &mut self.waiting }.push_back(slot);
            self.keep_short(external);
        }
        waits_not
    }

    /// Slots of flows that were removed while they waited, and came again, are in a queue twice: no longer than until it
    /// is twice as long as the cache.
    fn keep_short(&mut self, external: &mut ExternalCache) {
        let most = 2 * external.len() as usize + SLICE as usize;
        for queue in [&mut self.waiting, &mut self.related, &mut self.kept_out, &mut self.ended] {
            if queue.len() > most {
                let mut anyway = Vec::new();
                queue.retain(|slot| {
                    let as_written = external.waited(*slot);
                    anyway.extend(as_written.map(|as_written| (*slot, !as_written)));
                    as_written.is_some()
                });
                for (slot, anyway) in anyway {
                    external.wait(slot, anyway);
                }
            }
        }
    }

    /// Looks at the next slots of a round: what our kernel has not as the peer tells it, waits to be written. Of what was taken
    /// over since it was told our kernel knows better: what is otherwise here by now is no flow of the peer's any more.
    fn go_round(&mut self, external: &mut ExternalCache, internal: &InternalCache, filter: &Filter) {
        let Some(Round { cursor, anyway }) = self.round else { return };
        let slice = if anyway { FEW } else { SLICE };
        if self.waiting.len() >= slice as usize {
            return;
        }
        let to = external.end().min(cursor.saturating_add(slice));
        for slot in (cursor..to).map(Slot) {
            let was_ours = external.forget_taken(slot);
            let Some(entry) = external.get(slot) else { continue };
            let here = internal.find(&entry.flow.key());
            let missing = here.is_none_or(|here| differs(&here.flow, &entry.flow));
            if was_ours && missing && external.flow(slot).is_some_and(|flow| filter.accepts(&flow)) {
                external.remove(slot);
                continue;
            }
            let may_work = match external.failure(slot) {
                Some(failure) => is_for_lack_of_room(failure.errno),
                None => missing,
            };
            if anyway || may_work {
                self.queue(slot, external, true);
            }
        }
        self.round = (to < external.end()).then_some(Round { cursor: to, anyway });
    }
}

/// Whether what is `here` is not what the peer has. Of a status the kernel may know more.
fn differs(here: &Flow, wanted: &Flow) -> bool {
    here.reply != wanted.reply || here.tcp_state != wanted.tcp_state || here.mark != wanted.mark
}

/// Whether the kernel may take the flow later.
fn is_for_lack_of_room(errno: u16) -> bool {
    [Errno::ENOMEM, Errno::ENOSPC, Errno::EAGAIN].contains(&Errno(errno))
}

fn still_wanted(slot: Slot, key: &Key, external: &ExternalCache) -> Option<Whole> {
    external.flow(slot).filter(|flow| flow.key() == *key).map(|flow| flow.whole())
}

/// The seconds that a kernel gives a flow in this state by itself (`nf_conntrack_*_timeout*`, defaults of Linux 6.18), where
/// nobody has said otherwise.
pub(super) fn usual_life(flow: &Flow) -> u32 {
    use crate::flow::Protocol;
    match flow.protocol {
        Protocol::TCP if !flow.has(AttrSet::TCP_STATE) => 300,
        Protocol::TCP => match flow.tcp_state.0 {
            1 | 4 | 7 | 9 => 120,
            2 | 5 => 60,
            3 => 432_000,
            6 => 30,
            8 => 10,
            _ => 300,
        },
        Protocol::UDP if flow.status.has(Status::ASSURED) => 120,
        Protocol::UDP => 30,
        protocol if protocol.is_icmp() => 30,
        Protocol::SCTP => 210,
        _ => 600,
    }
}
