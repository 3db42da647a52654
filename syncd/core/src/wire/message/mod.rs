//! What a frame says about a flow or the conversation: attributes to values and back.
//!
//! Never looks at a header (`header.rs`) and never decides where a frame goes (`datagram.rs`).

mod decode;
mod encode;
mod expect;
mod rare;
mod value;

pub use decode::{DecodedFlow, decode_flow};
pub use encode::{Options, Unsaid, encode_control, encode_flow, unsaid};
pub use expect::{DecodedExpectation, decode_expectation, encode_expectation, unsaid_of_expectation};
pub use value::PayloadError;
