//! Reliability towards one peer, as conntrackd's FTFW does it, with its holes closed.
//!
//! It handles numbers and opaque [`Item`]s; it has never seen a flow, so that it can be enumerated exhaustively
//! with integers. The replica drives it and turns items into flows.
//!
//! *Every message takes a number, ACK and ALIVE too. A resend is a new message under a new number, with the item's
//! present state. An item is in at most one queue.*
//!
//! ```text
//!            enqueue                next, sent                 ack
//!   (idle) ──────────► transmit queue ────────► in flight ──────────► (idle)
//!                           ▲                       │ nack, peer's hello, silence, newer state
//!                           └───────────────────────┘
//! ```
//!
//! | part | what it holds |
//! | --- | --- |
//! | [`send`] | the transmit queue, what is in flight, our numbers |
//! | [`recv`] | the peer's numbers: gaps, acknowledgements due |
//! | [`hello`] | who has answered whom; episodes |
//! | [`lag`] | how long the peer is behind, counted |
//! | [`channels`] | which dedicated link is used |

pub mod channels;
pub mod hello;
mod lag;
pub mod recv;
pub mod send;
mod session;

#[cfg(test)]
mod tests;

pub use lag::{LAG_BOUNDS, Lag};
pub use send::{Item, Outgoing};
pub use session::{ALIVE_EVERY, Arrival, SILENCE, STUCK, Session};
