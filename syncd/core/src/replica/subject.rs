//! What an item of the transmit queue stands for.
//!
//! `ftfw` sees numbers only. Expectations have the low ones, because there are few: so the arrays behind the queue stay
//! as long as the table of flows, and nobody pays for a range that is not used.

use crate::cache::Slot;
use crate::cache::expect::ExpectSlot;
use crate::ftfw::Item;

/// The most expectations in each cache. The kernel holds 4 per hash bucket of its own small table; its default limit
/// (`nf_conntrack_expect_max`) is far below this.
pub(super) const EXPECTATIONS: u32 = 16_384;

/// What an item stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// A slot of the internal cache of flows.
    Flow(Slot),
    /// A slot of the internal cache of expectations.
    Expectation(ExpectSlot),
}

impl From<Item> for Subject {
    fn from(Item(number): Item) -> Self {
        match number.checked_sub(EXPECTATIONS) {
            Some(slot) => Self::Flow(Slot(slot)),
            None => Self::Expectation(ExpectSlot(number)),
        }
    }
}

impl From<Slot> for Item {
    fn from(Slot(slot): Slot) -> Self {
        Self(EXPECTATIONS + slot)
    }
}

impl From<ExpectSlot> for Item {
    fn from(ExpectSlot(slot): ExpectSlot) -> Self {
        Self(slot)
    }
}
