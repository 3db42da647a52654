//! Fragments of IP datagrams put together again.
//!
//! A conntrackd over IPv6 computes with IPv4's header and fragments every full datagram. Holds at most [`MOST`] datagrams of
//! at most 64 KiB; what stays incomplete for 30 seconds of the capture, or is the oldest when there are too many, or is still
//! there at its end, is handed out as far as it goes. Fragments that overlap are not believed (RFC 5722, RFC 8200); the
//! same one twice, as a capture of every interface has it, is one. Driven by [`super::print`]; tested in `tests.rs` beside it.

use std::collections::BTreeMap;
use std::net::IpAddr;

/// So many datagrams may be incomplete at a time.
const MOST: usize = 64;

/// How long a kernel waits for the rest (`net.ipv4.ipfrag_time`, RFC 8200: 60 s at most), in nanoseconds.
const PATIENCE: u64 = 30_000_000_000;

/// No datagram is longer, in bytes: an IP length has 16 bits.
const LONGEST: usize = u16::MAX as usize;

/// To which datagram a fragment belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Whose {
    /// Who sent it.
    pub(crate) source: IpAddr,
    /// To whom.
    pub(crate) target: IpAddr,
    /// The number that the sender gave it.
    pub(crate) id: u32,
}

/// A part of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fragment<'a> {
    /// Of which datagram.
    pub(crate) whose: Whose,
    /// What its first bytes are (IANA's protocol number); of the first fragment this counts.
    pub(crate) next: u8,
    /// Where it stands in it, in bytes.
    pub(crate) offset: usize,
    /// Whether others follow.
    pub(crate) more: bool,
    /// Its bytes, as far as they were captured.
    pub(crate) bytes: &'a [u8],
}

/// A datagram that was put together, or its beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Joined {
    /// When its first fragment was seen, in nanoseconds since 1970.
    pub(crate) time: u64,
    /// Whose it is.
    pub(crate) whose: Whose,
    /// What its first bytes are; none if the first fragment is missing.
    pub(crate) next: Option<u8>,
    /// Its bytes from the first on, up to the first that is missing.
    pub(crate) bytes: Vec<u8>,
    /// Whether nothing is missing.
    pub(crate) whole: bool,
}

#[derive(Debug)]
struct Pending {
    time: u64,
    whose: Whose,
    next: Option<u8>,
    /// Where the datagram ends, once its last fragment was seen.
    end: Option<usize>,
    parts: BTreeMap<usize, Vec<u8>>,
}

/// The datagrams that are incomplete, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Fragments {
    pending: Vec<Pending>,
}

impl Fragments {
    /// Takes a fragment that was captured at `time`; hands out its datagram if it is complete now.
    pub(crate) fn take(&mut self, fragment: &Fragment<'_>, time: u64) -> Option<Joined> {
        let known = self.pending.iter().position(|pending| pending.whose == fragment.whose);
        let at = known.unwrap_or_else(|| {
            self.pending.push(Pending::new(fragment.whose, time));
            self.pending.len() - 1
        });
        self.pending[at].add(fragment);
        self.pending[at].is_whole().then(|| self.pending.remove(at).finish())
    }

    /// One that nobody waits for any longer at that time of the capture.
    pub(crate) fn give_up(&mut self, now: u64) -> Option<Joined> {
        let oldest = self.pending.first()?;
        let over = now.saturating_sub(oldest.time) > PATIENCE || self.pending.len() > MOST;
        over.then(|| self.pending.remove(0).finish())
    }

    /// What is incomplete at the end.
    pub(crate) fn finish(self) -> impl Iterator<Item = Joined> {
        self.pending.into_iter().map(Pending::finish)
    }
}

impl Pending {
    const fn new(whose: Whose, time: u64) -> Self {
        Self { time, whose, next: None, end: None, parts: BTreeMap::new() }
    }

    fn add(&mut self, fragment: &Fragment<'_>) {
        let (from, to) = (fragment.offset, fragment.offset + fragment.bytes.len());
        let before = self.parts.range(..to).next_back();
        let overlaps = before.is_some_and(|(start, part)| start + part.len() > from);
        // An empty one says nothing, and would stand in another's place.
        if overlaps || fragment.bytes.is_empty() || to > LONGEST {
            return;
        }
        if from == 0 {
            self.next = Some(fragment.next);
        }
        if !fragment.more {
            self.end = Some(to);
        }
        self.parts.insert(from, fragment.bytes.to_vec());
    }

    /// How many bytes from the first on are there.
    fn reach(&self) -> usize {
        let next = |reach, (from, part): (&usize, &Vec<u8>)| (*from == reach).then(|| reach + part.len());
        self.parts
            .iter()
            .try_fold(0, |reach, part| next(reach, part).ok_or(reach))
            .unwrap_or_else(|reach| reach)
    }

    fn is_whole(&self) -> bool {
        self.end.is_some_and(|end| self.reach() == end)
    }

    fn finish(self) -> Joined {
        let (whole, reach) = (self.is_whole(), self.reach());
        let bytes =
            self.parts.into_iter().filter(|(from, _)| *from < reach).flat_map(|(_, part)| part).collect();
        Joined { time: self.time, whose: self.whose, next: self.next, bytes, whole }
    }
}
