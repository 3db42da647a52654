//! Which flows are told as births, and which as changes.

use super::{BORN, FRESH, GAINED, UPDATED};
use crate::cache::table::Entry;

/// Which lives are told as births.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Births {
    /// All that the peer has not acknowledged: whoever is primary says what is.
    All,
    /// Of these, those that an event has told: with what is older than we, nobody knows who has it now.
    Heard,
    /// Of these, those that this router has got as primary: whoever stands by has no others to tell of.
    Gained,
}

/// Whether the living flow is told as a birth.
pub(super) const fn is_birth(entry: &Entry, births: Births) -> bool {
    match births {
        Births::All => entry.is(FRESH) || !entry.is(UPDATED),
        Births::Heard => entry.is(BORN) && (entry.is(FRESH) || !entry.is(UPDATED)),
        Births::Gained => entry.is(GAINED) && entry.is(FRESH),
    }
}
