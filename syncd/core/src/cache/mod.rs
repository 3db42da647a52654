//! Tables of flows: mine ([`internal`]) and the peer's ([`external`]), and of expectations ([`expect`]). They never see
//! the wire, and do nothing by themselves: the replica drives them. Tested in `tests.rs` beside this file.

pub mod expect;
pub mod external;
pub mod internal;
mod table;

#[cfg(test)]
mod tests;

pub use external::ExternalCache;
pub use internal::InternalCache;
pub use table::{Entry, Slot};
