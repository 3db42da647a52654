//! Kernel → internal cache: dump, then sweep what neither the dump nor an event has named and a GET confirms gone.
//!
//! A dump is no snapshot: it may miss living flows and bring pictures from before their end. So the sweep touches
//! only flows that nothing has named since before the dump began, and believes none of them dead without a look-up.
//! Where an event and a picture, or two events, speak of different lives of a flow, it is looked up at any time.

use alloc::vec::Vec;

use super::kernel::{By, Errno, KernelRequest, Token};
use super::notice::Notice;
use super::tokens::Tokens;
use crate::cache::{InternalCache, Slot};
use crate::flow::Key;
use crate::time::{Duration, Instant};

/// Look-ups under way at once.
const CONFIRMING: usize = 64;

/// Slots looked at in one go while sweeping.
const SLICE: u32 = 8192;

/// Dumps because of lost events begin at least so far apart; a long one is followed by a pause as long.
const SPACING: Duration = Duration::from_secs(1);

/// No dump counts as longer than this: if we did not run meanwhile, events were lost all the same.
const LONGEST: Duration = Duration::from_secs(10);

/// A dump that nothing proved to be needed begins no earlier than after so many times what the last one took.
const SHARE: u32 = 20;

/// While flows may end without an event or a count that shows it, a dump begins so long after the last one ended.
const BLIND: Duration = Duration::from_secs(10);

/// An overloaded daemon reads an event so late.
const LATENESS: Duration = Duration::from_secs(5);

/// Which flows may end without an event: a flow has events for life or not at all, decided by
/// `net.netfilter.nf_conntrack_events` when it is born (0: never, 2: if somebody on the host listens, 1: always).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Ends {
    /// None: it was 1 before we came.
    #[default]
    Told,
    /// Those that are older than we: it is 1 now.
    UntoldBefore,
    /// All: it is not 1, and we may not set it.
    Untold,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Wanted { not_before: Instant },
    Dumping { token: Token },
    Sweeping { cursor: u32 },
}

/// One flow whose end is being confirmed.
#[derive(Clone, Copy, Debug)]
struct Confirming {
    token: Token,
    slot: Slot,
    key: Key,
}

/// The job.
#[derive(Debug)]
pub(super) struct Resync {
    state: State,
    again: bool,
    /// Events were lost since the running dump began.
    lost: bool,
    /// When the next dump is due, if some flows may end and nothing but a dump shows it.
    blind: Option<Instant>,
    /// The running dump is such a one: nothing is known to be wrong.
    routine: bool,
    ended: (Instant, Duration),
    begun: Instant,
    error: Option<Errno>,
    completed: u32,
    /// Flows the running dump has listed.
    seen: u32,
    added: u32,
    swept: u32,
    confirming: Vec<Confirming>,
}

impl Resync {
    /// The first dump is wanted from the start.
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            state: State::Wanted { not_before: now },
            again: false,
            lost: false,
            blind: None,
            routine: false,
            ended: (now, Duration::ZERO),
            begun: now,
            error: None,
            completed: 0,
            seen: 0,
            added: 0,
            swept: 0,
            confirming: Vec::new(),
        }
    }

    /// Whether the internal cache is known to equal the kernel's table.
    pub(super) const fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle)
    }

    /// Whether nothing speaks against the internal cache being equal to the kernel's table.
    pub(super) const fn is_certain(&self) -> bool {
        self.is_idle() || (self.routine && !self.again && !self.lost)
    }

    /// Why the last attempt to read the kernel's table failed, until one succeeds.
    pub(super) const fn error(&self) -> Option<Errno> {
        self.error
    }

    /// Whether the kernel's table was read at least once.
    pub(super) const fn knows(&self) -> bool {
        self.completed > 0
    }

    /// Wants a dump that begins after this call. Returns the count of completed ones at which it is done.
    pub(super) fn want(&mut self, now: Instant) -> u32 {
        match self.state {
            State::Idle | State::Wanted { .. } => {
                self.routine = false;
                self.state = State::Wanted { not_before: now };
                self.completed + 1
            }
            State::Dumping { .. } | State::Sweeping { .. } => {
                self.again = true;
                self.completed + 2
            }
        }
    }

    /// Wants a dump because events were lost; not more often than once a second, nor all the time.
    pub(super) fn events_lost(&mut self, now: Instant) {
        let (ended, took) = self.ended;
        match self.state {
            State::Idle => {
                let not_before = (self.begun + SPACING).max(ended + took).max(now);
                self.state = State::Wanted { not_before };
            }
            State::Wanted { .. } => self.routine = false,
            State::Dumping { .. } | State::Sweeping { .. } => self.lost = true,
        }
    }

    /// A flow has ended that is not known although nothing is under way: its birth was lost in silence, and perhaps more
    /// with it that no count shows, because as many ends were. Says whether that is so: ends that are heard soon after a
    /// dump may be of flows that it has shown to be gone. Whoever tells each end twice does not make us read all the time.
    pub(super) fn birth_lost(&mut self, now: Instant) -> bool {
        let (ended, took) = self.ended;
        let proved = self.is_idle() && ended + LATENESS.max(took * SHARE) <= now;
        if proved {
            self.events_lost(now);
        }
        proved
    }

    /// Dumps completed so far.
    pub(super) const fn completed(&self) -> u32 {
        self.completed
    }

    /// When [`Self::poll`] has something to do by itself.
    pub(super) fn due(&self, internal: &InternalCache) -> Option<Instant> {
        if internal.has_doubted() && self.confirming.len() < CONFIRMING {
            return Some(Instant::PAST);
        }
        match self.state {
            State::Wanted { not_before } => Some(not_before),
            State::Sweeping { cursor } => {
                let more = cursor < internal.end() && self.confirming.len() < CONFIRMING;
                (more || self.is_swept(cursor, internal)).then_some(Instant::PAST)
            }
            State::Idle => self.blind,
            State::Dumping { .. } => None,
        }
    }

    /// Whether some flows may end and nothing but a dump shows it: then dumps are repeated.
    pub(super) fn repeat(&mut self, blind: bool) {
        let (ended, took) = self.ended;
        self.blind = blind.then(|| ended + BLIND.max(took * SHARE));
    }

    /// The dump has listed a flow.
    pub(super) const fn count_seen(&mut self) {
        self.seen += 1;
    }

    /// How many flows the running dump has listed.
    pub(super) const fn seen(&self) -> u32 {
        self.seen
    }

    /// A flow was added or changed by the dump.
    pub(super) const fn count_added(&mut self) {
        self.added += 1;
    }

    /// Whether `token` is that of the running dump.
    pub(super) fn is_dump(&self, token: Token) -> bool {
        self.state == State::Dumping { token }
    }

    /// The next request for the kernel. A slice of the sweep may end without one although there is more to do;
    /// [`Self::due`] says so.
    pub(super) fn poll<'a>(
        &mut self,
        now: Instant,
        tokens: &mut Tokens,
        internal: &'a mut InternalCache,
    ) -> Option<KernelRequest<'a>> {
        if self.state == State::Idle && self.blind.is_some_and(|due| due <= now) {
            self.state = State::Wanted { not_before: now };
            self.routine = true;
        }
        if self.confirming.len() < CONFIRMING
            && let Some(slot) = internal.take_doubted()
        {
            return Some(self.look_up(slot, tokens, internal));
        }
        match self.state {
            State::Wanted { not_before } if not_before <= now => {
                let token = tokens.next();
                self.state = State::Dumping { token };
                (self.begun, self.seen, self.added, self.swept) = (now, 0, 0, 0);
                self.begin_dump(internal);
                Some(KernelRequest::Dump { token })
            }
            State::Sweeping { cursor } if self.confirming.len() < CONFIRMING => {
                if !internal.clear_graves(SLICE) {
                    return None;
                }
                let end = internal.end().min(cursor.saturating_add(SLICE));
                let Some(slot) = internal.next_unnamed(cursor, end) else {
                    self.state = State::Sweeping { cursor: end };
                    return None;
                };
                self.state = State::Sweeping { cursor: slot.0 + 1 };
                Some(self.look_up(slot, tokens, internal))
            }
            _ => None,
        }
    }

    fn look_up<'a>(
        &mut self,
        slot: Slot,
        tokens: &mut Tokens,
        internal: &'a InternalCache,
    ) -> KernelRequest<'a> {
        let token = tokens.next();
        let flow = &internal.get(slot).expect("just found").flow;
        self.confirming.push(Confirming { token, slot, key: flow.key() });
        KernelRequest::Find { token, flow, by: By::Original }
    }

    /// The running dump is complete.
    pub(super) fn dumped(&mut self, internal: &mut InternalCache) {
        internal.end_dump();
        self.error = None;
        self.state = State::Sweeping { cursor: 0 };
    }

    /// The running dump failed: it is tried again.
    pub(super) fn failed(&mut self, now: Instant, error: Errno, internal: &mut InternalCache) -> Notice {
        internal.end_dump();
        self.error = Some(error);
        self.state = State::Wanted { not_before: now + SPACING };
        Notice::ReloadFailed(error)
    }

    /// A dump is asked for or begins, after which nobody can say any more what was said of a flow before. Look-ups under
    /// way of what was said since are not waited for: the dump is newer.
    pub(super) fn begin_dump(&mut self, internal: &mut InternalCache) {
        self.confirming.retain(|confirming| internal.is_unsaid(confirming.slot));
        internal.begin_dump();
    }

    /// We have written the flow `key`: look-ups of it that are under way know less.
    pub(super) fn written(&mut self, key: &Key) {
        self.confirming.retain(|confirming| confirming.key != *key);
    }

    /// The slot whose look-up `token` names, which is now answered; none if another flow is in it by now.
    pub(super) fn take_confirmed(&mut self, token: Token, internal: &InternalCache) -> Option<Slot> {
        let index = self.confirming.iter().position(|confirming| confirming.token == token)?;
        let Confirming { slot, key, .. } = self.confirming.swap_remove(index);
        internal.get(slot).filter(|entry| entry.flow.key() == key).map(|_| slot)
    }

    /// A flow was found gone.
    pub(super) const fn count_swept(&mut self) {
        self.swept += 1;
    }

    /// Whether all slots were looked at and all look-ups are answered.
    fn is_swept(&self, cursor: u32, internal: &InternalCache) -> bool {
        cursor >= internal.end() && self.confirming.is_empty()
    }

    /// Ends the sweep when all slots were looked at and all look-ups are answered.
    pub(super) fn finish(&mut self, now: Instant, internal: &InternalCache) -> Option<Notice> {
        let State::Sweeping { cursor } = self.state else { return None };
        if !self.is_swept(cursor, internal) {
            return None;
        }
        self.completed += 1;
        self.state = State::Idle;
        self.routine = false;
        let took = now.since(self.begun);
        self.ended = (now, took.min(LONGEST));
        let lost = core::mem::take(&mut self.lost);
        if core::mem::take(&mut self.again) {
            self.want(now);
        } else if lost {
            self.events_lost(now);
        }
        Some(Notice::Reloaded { flows: internal.len(), added: self.added, swept: self.swept, took })
    }
}
