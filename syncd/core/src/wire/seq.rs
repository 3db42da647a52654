//! Sequence numbers: 32 bits that wrap, compared by their signed difference, as conntrackd does.
//!
//! Never says what a gap means; that is `ftfw`. Tested in `tests/seq.rs`.

use core::fmt;

/// The number of one frame. Each frame of a speaker has one, acknowledgements too.
///
/// It has no order of its own (`Ord`), because numbers wrap: of two, the one is newer that lies less than half
/// the number space ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Seq(pub u32);

impl Seq {
    /// The number after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }

    /// The number before this one.
    #[must_use]
    pub const fn previous(self) -> Self {
        Self(self.0.wrapping_sub(1))
    }

    /// Whether this number comes after `other`. At exactly half the number space apart neither is newer.
    #[must_use]
    pub const fn newer_than(self, other: Self) -> bool {
        self.0.wrapping_sub(other.0).cast_signed() > 0
    }

    /// How many steps lead from `earlier` to this number. Meaningful when this one is not older.
    #[must_use]
    pub const fn distance_from(self, earlier: Self) -> u32 {
        self.0.wrapping_sub(earlier.0)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Consecutive numbers, both ends included: what an ACK or NACK is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SeqRange {
    /// The oldest number.
    pub from: Seq,
    /// The newest number. Never older than `from` in a range that came through [`SeqRange::new`] or the link.
    pub to: Seq,
}

impl SeqRange {
    /// The range `from..=to`, or `None` when `to` is older than `from` or half the number space away.
    #[must_use]
    pub const fn new(from: Seq, to: Seq) -> Option<Self> {
        if to.0.wrapping_sub(from.0).cast_signed() < 0 { None } else { Some(Self { from, to }) }
    }

    /// The range of one number.
    #[must_use]
    pub const fn one(seq: Seq) -> Self {
        Self { from: seq, to: seq }
    }

    /// Whether `seq` lies in the range.
    #[must_use]
    pub const fn contains(self, seq: Seq) -> bool {
        seq.distance_from(self.from) <= self.to.distance_from(self.from)
    }

    /// How many numbers it holds; at least one.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "both ends belong to it: it is never empty")]
    pub const fn len(self) -> u32 {
        self.to.distance_from(self.from) + 1
    }
}

impl fmt::Display for SeqRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..={}", self.from, self.to)
    }
}
