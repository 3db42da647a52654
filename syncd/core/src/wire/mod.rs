//! Bytes on the dedicated link: the plain dialect, which is conntrackd's FTFW byte for byte.
//!
//! A *datagram* is one UDP payload; it holds one or several *frames*, one after the other; a frame is a header
//! and, when it is about a flow or an expectation, attributes. Reading: [`frames`] splits; a
//! [`FrameView`] has been checked when one holds it and no accessor of it can panic;
//! [`decode_flow`] and [`decode_expectation`] make values of it. Writing: [`encode_flow`], [`encode_expectation`] and
//! [`encode_control`] append to a [`Datagram`] until it is full.
//!
//! The room does not know who is speaking, in which order frames must come, or what time it is: that is `ftfw`
//! and `replica`. It keeps nothing between two calls. What a stranger may send makes an error value, never a
//! panic, never an allocation.
//!
//! Fixed by frames captured from a real conntrackd 1.4.7: `tests/golden.rs`, `tests/malformed.rs`.

pub mod attr;
pub mod datagram;
pub mod header;
pub mod message;
pub mod seq;

#[cfg(test)]
mod tests;

pub use datagram::{BadFrame, Datagram, Frames, Full, frames, payload_limit};
pub use header::{Control, Flags, FrameError, FrameView, MessageType};
pub use message::{
    DecodedExpectation, DecodedFlow, Options, PayloadError, Unsaid, decode_expectation, decode_flow,
    encode_control, encode_expectation, encode_flow, unsaid, unsaid_of_expectation,
};
pub use seq::{Seq, SeqRange};
