//! What a frame says about a flow or the conversation: attributes to values and back.
//!
//! Never looks at a header (`header.rs`) and never decides where a frame goes (`datagram.rs`).

mod decode;
mod encode;

pub use decode::{DecodedFlow, PayloadError, decode_flow};
pub use encode::{Options, encode_control, encode_flow};
