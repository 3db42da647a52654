//! What a run looked like from outside: coverage for a compiler that measures none.
//!
//! A target notes which errors, counters and requests it met. An input whose notes nobody had before is worth
//! mutating further.

use std::hash::{DefaultHasher, Hash, Hasher};

/// Notes of one run.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    hasher: DefaultHasher,
    notes: u32,
}

/// More notes say nothing new.
const NOTES: u32 = 64;

impl Seen {
    /// Notes something: an error's kind, a short text.
    pub fn note(&mut self, what: impl Hash) {
        if self.notes < NOTES {
            self.notes += 1;
            what.hash(&mut self.hasher);
        }
    }

    /// Notes how much there was of something, roughly.
    pub fn much(&mut self, count: usize) {
        self.note(usize::BITS - count.leading_zeros());
    }

    /// All of it as a number.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.hasher.finish()
    }
}
