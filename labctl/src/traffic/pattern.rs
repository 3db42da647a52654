//! What a stream carries: bytes that seed, direction, stream and offset determine.
//!
//! Never keeps what was sent: the receiver knows by itself what belongs at an offset. Both engines and the datagram
//! codec use it. Tested in `tests/arithmetic.rs`.

use crate::link::Chance;

/// The pattern repeats after so many bytes: a prime, so that no power of two and no usual segment size is a multiple.
const PERIOD: usize = 65_521;
/// The longest piece that [`Pattern::piece`] gives.
pub(super) const PIECE_MAX: usize = 65_536;
/// Streams start at places of the period that are this far apart; coprime to it, so that no two start alike.
const STRIDE: u64 = 7_919;

/// Which way the bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Course {
    /// From client to server.
    Up,
    /// From server to client.
    Down,
}

/// A period of seeded bytes and a bit more, so that every piece lies in one slice: comparing is one memcmp even in a
/// debug build.
#[derive(Debug)]
pub(super) struct Pattern {
    block: Vec<u8>,
    tag: u32,
}

impl Pattern {
    pub(super) fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let tag = chance.bits().to_le_bytes();
        let mut period = Vec::with_capacity(PERIOD + 8);
        while period.len() < PERIOD {
            period.extend_from_slice(&chance.bits().to_le_bytes());
        }
        period.truncate(PERIOD);
        let block = period.iter().copied().cycle().take(PERIOD + PIECE_MAX).collect();
        Self { block, tag: u32::from_le_bytes([tag[0], tag[1], tag[2], tag[3]]) }
    }

    /// Tells this traffic and course from every other one; leads preambles and datagrams.
    pub(super) fn tag(&self, course: Course) -> u32 {
        match course {
            Course::Up => self.tag,
            Course::Down => !self.tag,
        }
    }

    /// The `length` bytes that belong at `offset` of a stream; at most [`PIECE_MAX`] are given.
    pub(super) fn piece(&self, course: Course, stream: u32, offset: u64, length: usize) -> &[u8] {
        let place = (u64::from(stream) * 2 + u64::from(course == Course::Down)) * STRIDE;
        let start = ((place + offset % PERIOD as u64) % PERIOD as u64) as usize;
        &self.block[start..start + length.min(PIECE_MAX)]
    }

    /// How many of the bytes received at `offset` differ from what belongs there.
    pub(super) fn differing(&self, course: Course, stream: u32, offset: u64, received: &[u8]) -> u64 {
        let mut differing = 0;
        let mut offset = offset;
        for part in received.chunks(PIECE_MAX) {
            let expected = self.piece(course, stream, offset, part.len());
            if expected != part {
                differing += expected.iter().zip(part).filter(|(wanted, got)| wanted != got).count() as u64;
            }
            offset += part.len() as u64;
        }
        differing
    }
}
