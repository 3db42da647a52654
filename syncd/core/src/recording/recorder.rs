//! Entries to bytes. Whoever drives it takes the bytes from time to time; until then they wait here.

use alloc::vec::Vec;

use super::doors::{Entry, Start, TurnEnd};
use super::number::{Coded, put_counted};
use super::{MAGIC, VERSION};
use crate::time::Instant;

/// Kinds of entries.
pub(super) mod kind {
    pub(crate) const START: u8 = 0;
    pub(crate) const INPUT: u8 = 1;
    pub(crate) const TURN: u8 = 2;
    pub(crate) const OUTPUT: u8 = 3;
    pub(crate) const TURN_END: u8 = 4;
    pub(crate) const END: u8 = 5;
}

/// Writes a recording.
#[derive(Debug)]
pub struct Recorder {
    bytes: Vec<u8>,
    body: Vec<u8>,
    thread: Thread,
}

/// What each entry takes over from those before it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Thread {
    /// When the last entry was that says when.
    pub(super) now: Instant,
    /// Over all entries.
    pub(super) digest: u64,
}

impl Recorder {
    /// A recording that begins with `start`.
    #[must_use]
    pub fn new(now: Instant, start: Start<'_>) -> Self {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        let mut recorder = Self { bytes, body: Vec::new(), thread: Thread::default() };
        recorder.write(&Entry::Start(now, start));
        recorder
    }

    /// Writes an entry.
    pub fn write(&mut self, entry: &Entry<'_>) {
        self.body.clear();
        put_entry(entry, &mut self.thread, &mut self.body);
        put_counted(&self.body, &mut self.bytes);
    }

    /// How many bytes wait to be taken.
    #[must_use]
    pub const fn waiting(&self) -> usize {
        self.bytes.len()
    }

    /// The bytes that wait. `empty` takes their place, so that its memory is used again.
    #[must_use]
    pub fn take(&mut self, mut empty: Vec<u8>) -> Vec<u8> {
        empty.clear();
        core::mem::replace(&mut self.bytes, empty)
    }
}

fn put_entry(entry: &Entry<'_>, thread: &mut Thread, out: &mut Vec<u8>) {
    match entry {
        Entry::Start(now, start) => {
            out.push(kind::START);
            thread.put_time(*now, out);
            start.put(out);
        }
        Entry::Input(now, input) => {
            out.push(kind::INPUT);
            thread.put_time(*now, out);
            input.put(out);
        }
        Entry::Turn(now) => {
            out.push(kind::TURN);
            thread.put_time(*now, out);
        }
        Entry::Output(output) => {
            out.push(kind::OUTPUT);
            output.put(out);
        }
        Entry::TurnEnd(end) => {
            out.push(kind::TURN_END);
            thread.put_end(end, out);
        }
        Entry::End(now) => {
            out.push(kind::END);
            thread.put_time(*now, out);
        }
    }
    thread.digest = digest(thread.digest, out);
}

impl Thread {
    fn put_time(&mut self, now: Instant, out: &mut Vec<u8>) {
        let (before, after) = (self.now.as_nanos(), now.as_nanos());
        after.wrapping_sub(before).cast_signed().put(out);
        self.now = now;
    }

    fn put_end(&self, end: &TurnEnd, out: &mut Vec<u8>) {
        let TurnEnd { due } = end;
        let after = |due: &Instant| due.as_nanos().wrapping_sub(self.now.as_nanos()).cast_signed();
        due.as_ref().map(after).put(out);
        out.extend_from_slice(&self.digest.to_le_bytes());
    }
}

/// A number that another row of bytes has not, save by an accident of one in 2^64; no protection against malice.
pub(super) fn digest(before: u64, bytes: &[u8]) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |sum: u64, word: u64| {
        let mixed = (sum ^ word).wrapping_mul(FACTOR);
        mixed ^ mixed >> 32
    };
    let (words, rest) = bytes.as_chunks();
    let sum = words.iter().fold(before, |sum, word| mix(sum, u64::from_le_bytes(*word)));
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    mix(mix(sum, u64::from_le_bytes(last)), bytes.len() as u64)
}
