//! The nouns: one entry of the kernel's connection tracking and its parts, and what a helper expects.
//!
//! A [`Flow`] never knows that there is a network; it is what the kernel says about one connection. What few flows
//! have is in [`Extras`]; a [`FlowRef`] or a [`Whole`] is both together. An [`Expectation`] is a flow that was
//! announced and has not come. `conntrack` makes them from kernel bytes, `wire` from the peer's frames. Tested in
//! `tests.rs` beside it.

mod expect;
mod extras;
mod name;
mod record;
mod text;
mod tuple;
mod whole;

#[cfg(test)]
mod tests;

pub use expect::{ExpectFlags, ExpectKey, ExpectNat, Expectation};
pub use extras::{Dccp, ExtraSet, Extras, Labels, Parent, SctpState, SequenceShift, Synproxy};
pub use name::{FnName, HelperName, Name};
pub use record::{AttrSet, Change, Flow, Key, Origin, Status, TcpFlags, TcpState};
pub use tuple::{Address, Family, Protocol, Tuple};
pub use whole::{FlowRef, Whole};
