//! The time that a router which stands by has lent to entries of its kernel, and how it gets it back.
//!
//! - *The peer has the flow no more.* A copy goes at once. What was here before the peer told of it (a router that was
//!   primary stands by with a kernel full of such flows) is looked up: if it still has nearly the whole time that we have
//!   given it, no packet has come here since, and it goes; else it lives here by itself, with the time that its packets have
//!   given it. When the peer has named all its flows, what it has not may have ended unheard: copies go then, too, and what
//!   was here before gets its own time. So that a daemon that starts can tell them apart, copies were given less.
//! - *This router is primary.* Its copies are its own from now on. What the dump that follows a takeover finds with more time
//!   than its protocol would give it gets that, a few at a time. Packets do it by themselves, so one that an event has named
//!   meanwhile is left alone. The kernel makes an event of each, which is no news.
//! - *Our filter keeps the flow out.* It gets its own time, whatever this router is: of its end nobody would hear.
//!
//! Tested in `tests/preload.rs`.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::Replica;
use super::kernel::{By, Errno, KernelReply, KernelRequest, Token};
use super::preload::{CLAIMED, LEAST, LEAST_CLAIMED, usual_life};
use super::role::Role;
use crate::cache::Slot;
use crate::cache::internal::Applied;
use crate::flow::{AttrSet, Flow, FlowRef, Key};
use crate::time::{Duration, Instant};

/// Slots looked at in one go.
const SLICE: u32 = 8192;

/// Look-ups under way at once.
const LOOKING: usize = 64;

/// So many entries get their own time in so long: one per 80 µs, of which the kernel needs 5.
const FEW: u32 = 128;
const PAUSE: Duration = Duration::from_millis(10);

/// Flows that are kept out and wait for it, at most.
const KEPT_OUT: usize = 1 << 16;

/// Seconds a flow lives at least after its time was given back.
const SHORTEST: u32 = 60;

/// One request about a flow that is here.
#[derive(Clone, Copy, Debug)]
struct Open {
    token: Token,
    slot: Slot,
    key: Key,
}

/// What is under way.
#[derive(Debug)]
pub(super) struct Lent {
    /// Whether time that was lent can be told from what the kernel gives by itself.
    shows: bool,
    /// The next slot to compare with what the peer has; whether anything shall stay.
    comparing: Option<(u32, bool)>,
    looking: Vec<Open>,
    shortening: VecDeque<Open>,
    /// Flows that our filter keeps out, and that have time which we have given them: they wait for their own.
    kept_out: VecDeque<Flow>,
    shortening_kept_out: Vec<(Token, Flow)>,
    /// So many may be shortened until then.
    left: u32,
    due: Instant,
}

impl Default for Lent {
    fn default() -> Self {
        let due = Instant::default();
        Self {
            shows: true,
            comparing: None,
            looking: Vec::new(),
            shortening: VecDeque::new(),
            kept_out: VecDeque::new(),
            shortening_kept_out: Vec::new(),
            left: 0,
            due,
        }
    }
}

impl Lent {
    /// An operator may have given flows as much time as is lent.
    pub(super) const fn set_shows(&mut self, shows: bool) {
        self.shows = shows;
    }

    /// Copies that the peer has not (or, if nothing shall stay, all of them) are looked for from now on.
    pub(super) const fn compare(&mut self, keeps: bool) {
        self.comparing = Some((0, keeps));
    }

    /// The role has changed.
    pub(super) const fn stop_comparing(&mut self) {
        self.comparing = None;
    }

    /// Whether another flow that is kept out may wait.
    pub(super) fn has_room(&self) -> bool {
        self.kept_out.len() < KEPT_OUT
    }

    /// A flow that our filter keeps out gets its own time. One that finds no room is shown by the next dump.
    pub(super) fn give_back_kept_out(&mut self, flow: Flow) {
        if self.has_room() {
            self.kept_out.push_back(flow);
        }
    }

    /// Whether another request to give a flow its own time may be made.
    fn may_shorten(&self) -> bool {
        self.shortening.len() + self.shortening_kept_out.len() < FEW as usize
    }

    /// Whether nothing is looked for or looked up.
    pub(super) const fn is_idle(&self) -> bool {
        self.comparing.is_none() && self.looking.is_empty()
    }
}

impl Replica {
    /// When there is something to do.
    pub(super) fn lent_due(&self) -> Option<Instant> {
        if self.lent.comparing.is_some() { Some(Instant::PAST) } else { self.lent_request_due() }
    }

    /// When there is something to ask of the kernel.
    pub(super) fn lent_request_due(&self) -> Option<Instant> {
        let Lent { looking, kept_out, due, left, .. } = &self.lent;
        if self.looks_up() && looking.len() < LOOKING {
            return Some(Instant::PAST);
        }
        let waits = self.internal.has_exceeding() || !kept_out.is_empty();
        let shortens = waits && self.lent.may_shorten();
        shortens.then_some(if *left > 0 { Instant::PAST } else { *due })
    }

    /// Whether a flow waits to be looked up because the peer has told its end.
    fn looks_up(&self) -> bool {
        !self.role.replicates() && self.internal.has_unsure()
    }

    /// Looks at the next of our flows: what the peer has not is given back.
    pub(super) fn compare_copies(&mut self) {
        let Some((from, keeps)) = self.lent.comparing else { return };
        let to = self.internal.end().min(from.saturating_add(SLICE));
        for slot in (from..to).map(Slot) {
            let lent = self.internal.is_alive(slot) && self.internal.is_lent(slot);
            let Some(entry) = self.internal.get(slot).filter(|_| lent) else { continue };
            let key = entry.flow.key();
            if !keeps || self.external.find(&key).is_none() {
                // The peer may have heard of it from us.
                self.unsaid += 1;
                self.internal.give_back_unnamed(slot);
            }
        }
        self.lent.comparing = (to < self.internal.end()).then_some((to, keeps));
    }

    /// The next request about what was lent.
    pub(super) fn poll_lent(&mut self, now: Instant) -> Option<KernelRequest<'_>> {
        let looks_up = self.looks_up();
        let Self { lent, internal, tokens, .. } = self;
        if looks_up && lent.looking.len() < LOOKING {
            let slot = internal.take_unsure()?;
            let flow = &internal.get(slot).expect("just taken").flow;
            let token = tokens.next();
            lent.looking.push(Open { token, slot, key: flow.key() });
            return Some(KernelRequest::Find { token, flow, by: By::Original });
        }
        if lent.due <= now {
            (lent.left, lent.due) = (FEW, now + PAUSE);
        }
        if lent.left == 0 || !lent.may_shorten() {
            return None;
        }
        let token = tokens.next();
        let flow = if let Some(slot) = internal.take_exceeding() {
            let flow = &internal.get(slot).expect("just taken").flow;
            lent.shortening.push_back(Open { token, slot, key: flow.key() });
            flow
        } else {
            let flow = lent.kept_out.pop_front()?;
            lent.shortening_kept_out.push((token, flow));
            &lent.shortening_kept_out.last().expect("just pushed").1
        };
        lent.left -= 1;
        let said = if flow.has(AttrSet::TIMEOUT) { flow.timeout.max(SHORTEST) } else { usual_life(flow) };
        let timeout = self.commit.lifetime().unwrap_or(said);
        Some(KernelRequest::Shorten { token, flow, timeout })
    }

    /// Whether the reply was for us.
    pub(super) fn lent_reply(&mut self, reply: KernelReply<'_>) -> bool {
        let token = reply.token();
        if let Some(index) = self.lent.shortening.iter().position(|open| open.token == token) {
            let open = self.lent.shortening.remove(index).expect("just found");
            match reply.error() {
                None => self.stats.preload.shortened += 1,
                // It has ended meanwhile.
                Some(Errno::ENOENT) => {}
                Some(_) => {
                    if self.is_here(&open) {
                        self.internal.exceeds(open.slot);
                    }
                }
            }
            return true;
        }
        let kept_out = &mut self.lent.shortening_kept_out;
        if let Some(index) = kept_out.iter().position(|(open, _)| *open == token) {
            let (_, flow) = kept_out.swap_remove(index);
            match reply.error() {
                None => self.stats.preload.shortened += 1,
                Some(Errno::ENOENT) => {}
                Some(_) => self.lent.give_back_kept_out(flow),
            }
            return true;
        }
        let Some(index) = self.lent.looking.iter().position(|open| open.token == token) else { return false };
        let open = self.lent.looking.swap_remove(index);
        if reply.error().is_some_and(|error| error != Errno::ENOENT) && self.is_here(&open) {
            // It is not known whose it is: it ends in its own time, unless its packets come here.
            self.internal.give_back_unnamed(open.slot);
        }
        if let KernelReply::Found(_, found) = reply
            && !self.role.replicates()
            && self.is_here(&open)
            && (self.external.find(&open.key).is_none() || !self.preload.is_on())
        {
            // The event that would have told its id may be lost: so it is this one that goes, and that no other is hit.
            let same = found.key() == open.key && found.has(AttrSet::ID);
            if same && is_lent(found.flow) {
                self.internal.condemn_found(open.slot, found.flow);
            } else {
                self.stats.preload.spared += 1;
            }
        }
        true
    }

    /// Our kernel tells of a flow that our filter keeps out: if it has time that we have given it, it gets its own.
    pub(super) fn gives_back_kept_out(&mut self, flow: FlowRef<'_>) {
        if let (said, true) = self.without_lent(flow) {
            self.lent.give_back_kept_out(said);
        }
    }

    fn is_here(&self, open: &Open) -> bool {
        let same = self.internal.get(open.slot).is_some_and(|entry| entry.flow.key() == open.key);
        same && self.internal.is_alive(open.slot)
    }

    /// What our kernel says of a flow, with the time that is known of it where we have given it more. Whether we have.
    pub(super) fn without_lent(&self, flow: FlowRef<'_>) -> (Flow, bool) {
        let mut said = *flow.flow;
        if !self.lent.shows || !is_lent(&said) {
            return (said, false);
        }
        let key = said.key();
        let here = self.internal.slot(&key).filter(|slot| self.internal.is_alive(*slot));
        let there = self.external.find(&key).and_then(|slot| self.external.get(slot));
        let known = there.or_else(|| here.and_then(|slot| self.internal.get(slot)));
        match known.filter(|entry| entry.flow.has(AttrSet::TIMEOUT) && !is_lent(&entry.flow)) {
            Some(entry) => said.timeout = entry.flow.timeout,
            None => said.timeout = usual_life(&said),
        }
        (said, true)
    }

    /// A dump has listed `flow`, which has time that we have given it.
    pub(super) fn found_lent(&mut self, flow: &Flow, applied: Applied) {
        let key = &flow.key();
        let Some(slot) = self.internal.slot(key) else { return };
        if self.role == Role::Primary {
            self.internal.exceeds(slot);
            return;
        }
        if matches!(applied, Applied::Added(_)) && flow.timeout < LEAST_CLAIMED {
            // Created in an earlier life of ours: nothing here knows of it, and no packet has come since.
            self.internal.is_copy(key);
        } else if !self.internal.is_lent(slot) {
            // It is another life than the one that was claimed, or was taken for one.
            self.internal.is_claimed(key);
        }
        if !self.preload.is_on() {
            self.internal.give_back(key);
        }
    }
}

/// Whether the kernel gives an entry so much time only because we said so.
const fn is_lent(flow: &Flow) -> bool {
    flow.has(AttrSet::TIMEOUT) && flow.timeout >= LEAST && flow.timeout <= CLAIMED
}
