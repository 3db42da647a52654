//! The kernel's connection tracking: ctnetlink bytes to [`Flow`](syncd_core::flow::Flow) and
//! [`Expectation`](syncd_core::flow::Expectation) and back, and the only sockets that speak it.
//!
//! This crate knows nothing about replication: it never decides which flow matters, when to retry or what to do
//! about a conflict. The daemon drives it. From the outside in:
//!
//! | file | what it is about |
//! | --- | --- |
//! | [`socket`] | three sockets: events, batched requests, blocking queries; the only IO |
//! | [`batch`] | many requests in one system call, in one reused buffer |
//! | [`encode`] | a flow as a request: the kernel's manners, each with its reason |
//! | [`mod@decode`] | a kernel message as a flow; no allocation |
//! | [`expect`] | expectations, both ways |
//! | [`message`] | a datagram as netlink messages |
//! | [`nla`] | netlink attributes: reading and writing |
//! | [`uapi`] | the kernel's numbers |
//!
//! Tested on bytes captured from a kernel (`tests/captured.rs`), against an independent codec (`tests/oracle`),
//! on a real kernel in private namespaces (`tests/kernel.rs`), and for its cost (`tests/no_alloc.rs`).
#![forbid(unsafe_code)]

pub mod batch;
pub mod decode;
pub mod encode;
pub mod expect;
pub mod message;
pub mod nla;
pub mod socket;
pub mod uapi;

pub use batch::Batch;
pub use decode::{Carried, Decoded, decode};
pub use expect::{DecodedExpectation, decode_expectation};
pub use message::{Message, MessageView, Messages};
pub use nix::errno::Errno;
pub use nla::DecodeError;
pub use socket::{
    DumpSummary, EventError, EventSocket, Inbox, ProcessorStats, QueryError, QuerySocket, RequestSocket,
    SocketError, Truncated,
};
