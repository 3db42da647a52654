//! The peer's numbers: what is new, what is missing, what is to be acknowledged and what must not be yet.
//!
//! The acknowledgement of a RESYNC is held back until the last frame of our answer was sent: to whoever asked, it
//! is the end of the bulk. So is that of a NACK until what it asked for was sent again: to whoever asked, it is the
//! end of the gap. Other numbers are acknowledged around them.

use alloc::vec::Vec;

use crate::time::{Duration, Instant};
use crate::wire::{Seq, SeqRange};

/// Frames after which an acknowledgement is sent at once (conntrackd's `ACKWindowSize`).
const ACK_WINDOW: u32 = 300;

/// The most RESYNCs whose acknowledgement is held; a peer that asks more often is answered with the last.
const HELD: usize = 16;

/// The most NACKs whose acknowledgement is held; what comes beyond is acknowledged at once.
const HELD_NACKS: usize = 64;

/// So long only late numbers must come before we believe that the peer started over without saying so.
const STUCK_FOR: Duration = Duration::from_secs(2);

/// So many numbers are asked for again at most. Nobody keeps more; and a NACK that is longer covers numbers that the peer
/// will use only later, so that two routers whom a stranger has set apart would ask each other for each other's NACKs,
/// as fast as the link allows.
const MOST_MISSED: u32 = 1 << 18;

/// A hello so many numbers further on is taken for one in the same count.
const NEAR: u32 = 1 << 15;

/// How a number stands to what came before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tracked {
    /// Whether the frame is to be looked at; otherwise it is late or a duplicate.
    pub deliver: bool,
    /// Whether what it says of a flow may be older than what we hold.
    pub stale: bool,
    /// Numbers that are missing, to be asked for again.
    pub gap: Option<SeqRange>,
    /// Numbers to acknowledge at once.
    pub ack: Option<SeqRange>,
    /// The peer's numbers went back, or far ahead, without a hello.
    pub stuck: bool,
    /// A hello, or the first frame that was heard, had passed over this number: it was neither heard nor missed, and what it
    /// says is lost. Either it was overtaken, or the other was not the peer's, or not of this life of it.
    pub skipped: bool,
    /// A hello that leaps over numbers which the peer may well have used, or may be about to use: one that starts over
    /// begins anywhere.
    pub leap: bool,
}

/// The receiving half of a session.
#[derive(Debug, Default)]
pub struct Receiver {
    last: Option<Seq>,
    /// First number not yet acknowledged.
    pending: Option<Seq>,
    count: u32,
    held: Vec<Seq>,
    held_nacks: Vec<Seq>,
    /// Since when only late numbers came, and when the last of them did.
    late: Option<(Instant, Instant)>,
    /// When the peer said hello last.
    greeted: Option<Instant>,
    /// Numbers that a hello has passed over, or the first number that was heard: nobody has missed them, and nobody has heard
    /// them.
    skipped: Option<SeqRange>,
}

impl Receiver {
    /// The newest number accepted.
    #[must_use]
    pub const fn last(&self) -> Option<Seq> {
        self.last
    }

    /// Whether anything waits for its acknowledgement.
    #[must_use]
    pub const fn owes(&self) -> bool {
        self.pending.is_some()
    }

    /// Takes a number without hello over.
    pub fn track(&mut self, now: Instant, seq: Seq) -> Tracked {
        match self.last {
            Some(last) if seq != last.next() && seq.newer_than(last) => {
                let gap = SeqRange { from: last.next(), to: seq.previous() };
                if gap.len() > MOST_MISSED && self.greeted.is_some_and(|at| now.since(at) < STUCK_FOR) {
                    // Late, of the life that the peer had before its hello.
                    return self.track_late(now, seq);
                }
                if gap.len() > MOST_MISSED {
                    self.start_over();
                    return Tracked { stuck: true, ..self.accept(seq) };
                }
                let ack = self.take_ack();
                Tracked { gap: Some(gap), ack, ..self.accept(seq) }
            }
            Some(last) if seq != last.next() => self.track_late(now, seq),
            _ => self.accept(seq),
        }
    }

    /// Takes a number with hello over: it counts whatever came before, but what it says of a flow does not when
    /// the number is not newer.
    pub fn track_hello(&mut self, now: Instant, seq: Seq) -> Tracked {
        self.greeted = Some(now);
        let stale = self.last.is_some_and(|last| !seq.newer_than(last));
        let contiguous = self.last.is_some_and(|last| seq == last.next());
        if let Some(last) = self.last.filter(|_| !contiguous) {
            // Whoever says hello anew begins anywhere.
            self.skipped = (!stale).then(|| SeqRange { from: last.next(), to: seq.previous() });
        }
        let ack = if contiguous || stale { None } else { self.take_ack() };
        if !contiguous {
            self.pending = None;
        }
        let tracked = self.accept(seq);
        let leap = !contiguous && self.skipped.is_some_and(|skipped| skipped.len() < NEAR);
        Tracked { stale, ack: ack.or(tracked.ack), leap, ..tracked }
    }

    /// Holds back the acknowledgement of the number accepted last. Returns what can be acknowledged before it.
    pub fn hold(&mut self) -> Option<SeqRange> {
        let (last, before) = self.withhold();
        if self.held.len() == HELD {
            self.held.remove(0);
        }
        self.held.push(last);
        before
    }

    /// As [`Self::hold`], for a NACK.
    pub fn hold_nack(&mut self) -> Option<SeqRange> {
        if self.held_nacks.len() == HELD_NACKS {
            return None;
        }
        let (last, before) = self.withhold();
        self.held_nacks.push(last);
        before
    }

    /// The NACKs whose acknowledgement is held back, which may be acknowledged now.
    pub fn release_nacks(&mut self) -> Vec<Seq> {
        core::mem::take(&mut self.held_nacks)
    }

    /// Takes the number accepted last out of what is to be acknowledged; with what is before it.
    fn withhold(&mut self) -> (Seq, Option<SeqRange>) {
        let last = self.last.expect("a frame was accepted");
        let from = self.pending.take().expect("the number accepted last is pending");
        (last, (from != last).then_some(SeqRange { from, to: last.previous() }))
    }

    /// Whether the acknowledgement of a number is held back.
    #[must_use]
    pub const fn holds(&self) -> bool {
        !self.held.is_empty()
    }

    /// The numbers held back, which may be acknowledged now.
    pub fn release(&mut self) -> Vec<Seq> {
        core::mem::take(&mut self.held)
    }

    /// What can be acknowledged now.
    pub fn take_ack(&mut self) -> Option<SeqRange> {
        self.count = 0;
        let from = self.pending.take()?;
        self.last.map(|to| SeqRange { from, to })
    }

    /// The peer started over: numbers held back mean nothing to it.
    pub fn start_over(&mut self) {
        self.held.clear();
        self.held_nacks.clear();
        self.pending = None;
        self.count = 0;
    }

    /// Takes a number over. A full window is acknowledged with the frame after it, so that the acknowledgement of
    /// the number accepted last can still be held.
    fn accept(&mut self, seq: Seq) -> Tracked {
        let ack = if self.count >= ACK_WINDOW { self.take_ack() } else { None };
        if self.last.is_none() {
            // The first number that is heard may be a late one of the life before: the peer goes on below it.
            self.skipped = Some(SeqRange { from: Seq(seq.0.wrapping_sub(NEAR)), to: seq.previous() });
        }
        self.last = Some(seq);
        self.late = None;
        self.pending.get_or_insert(seq);
        self.count += 1;
        Tracked { deliver: true, stale: false, gap: None, ack, stuck: false, skipped: false, leap: false }
    }

    fn track_late(&mut self, now: Instant, seq: Seq) -> Tracked {
        // In what order does not matter: on a bad link they overtake each other.
        // Who was stopped, or whose clock has leapt, has not listened for so long.
        let since =
            self.late.filter(|(_, last)| now.since(*last) < STUCK_FOR).map_or(now, |(since, _)| since);
        self.late = Some((since, now));
        if now.since(since) >= STUCK_FOR {
            self.start_over();
            return Tracked { stuck: true, stale: true, ..self.accept(seq) };
        }
        let skipped = self.skipped.is_some_and(|skipped| skipped.contains(seq));
        Tracked { deliver: false, stale: false, gap: None, ack: None, stuck: false, skipped, leap: false }
    }
}
