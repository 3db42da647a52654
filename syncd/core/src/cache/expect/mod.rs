//! Tables of expectations: mine ([`InternalExpectations`]) and the peer's ([`ExternalExpectations`]).
//!
//! There are few, they never change, and none outlives a few minutes, so an ordered index and a vector do. The rules
//! about dumps, tombstones and sweeps are those of flows. Driven by `replica`; tested in `tests.rs` beside this file.

mod external;
mod internal;
mod table;

#[cfg(test)]
mod tests;

pub use external::{ExternalExpectations, Received};
pub use internal::{Heard, InternalExpectations};
pub use table::{ExpectEntry, ExpectSlot};
