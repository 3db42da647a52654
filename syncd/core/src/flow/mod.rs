//! The nouns: one entry of the kernel's connection tracking and its parts.
//!
//! A [`Flow`] never knows that there is a network; it is what the kernel says about one connection.
//! `conntrack` makes flows from kernel bytes, `wire` from the peer's frames. Tested in `tests.rs` beside it.

mod record;
mod text;
mod tuple;

#[cfg(test)]
mod tests;

pub use record::{AttrSet, Change, Flow, Key, Origin, Status, TcpFlags, TcpState};
pub use tuple::{Address, Family, Protocol, Tuple};
