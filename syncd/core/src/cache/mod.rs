//! Tables of flows: mine ([`internal`]) and the peer's ([`external`]). They never see the wire, and do nothing
//! by themselves: the replica drives them. Tested in `tests.rs` beside this file.

pub mod external;
pub mod internal;
mod table;

#[cfg(test)]
mod tests;

pub use external::ExternalCache;
pub use internal::InternalCache;
pub use table::{Entry, Slot};
