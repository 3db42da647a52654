//! `syncd-core`: the replica, as a pure function of its inputs.
//!
//! One [`replica::Replica`] is one router's half of a pair. What happens around it (kernel events, datagrams,
//! commands, time) comes in through its doors as values; what it wants done is polled out of it.
//! There is no clock, socket, file, thread, environment or random source here, because there is no `std`
//! to name them.
//!
//! The rooms, each of which knows only those above it:
//!
//! | room | what it is about |
//! | --- | --- |
//! | [`time`] | an instant that somebody else read from a clock |
//! | [`flow`] | the nouns: tuple, flow, status |
//! | [`filter`] | which flows are replicated |
//! | [`cache`] | tables of flows: mine (internal) and the peer's (external) |
//! | [`wire`] | bytes on the dedicated link |
//! | [`ftfw`] | reliability towards one peer; it has never seen a flow |
//! | [`replica`] | the coordinator: control flow only |
//! | [`recording`] | what went in and out of a replica, as bytes, and once more |
#![no_std]

extern crate alloc;

pub mod cache;
pub mod filter;
pub mod flow;
pub mod ftfw;
mod paged;
pub mod recording;
pub mod replica;
pub mod time;
pub mod wire;
