//! What the captured frames of the crate's `tests/golden.rs` do not show: borders, wrong input, every field.

extern crate std;

mod attr;
mod datagram;
mod expect;
mod header;
mod message;
mod rare;
mod seq;

use std::vec::Vec;

use super::datagram::{Datagram, frames, payload_limit};
use super::header::FrameView;
use crate::flow::{Address, Family, Flow, Protocol, Tuple};

/// A datagram for an Ethernet of usual size.
fn datagram() -> Datagram {
    Datagram::with_limit(payload_limit(1500))
}

/// The only frame in `bytes`.
fn only_frame(bytes: &[u8]) -> FrameView<'_> {
    let views: Vec<_> = frames(bytes).collect();
    assert_eq!(views.len(), 1);
    views[0].expect("a frame without fault")
}

/// `10.1.0.2:33113 > 10.2.0.2:7001` of that protocol, nothing else known.
fn flow_of(protocol: Protocol) -> Flow {
    let source = Address::from_v4([10, 1, 0, 2]);
    let target = Address::from_v4([10, 2, 0, 2]);
    Flow::new(Family::V4, protocol, Tuple { source, target, source_port: 33113, target_port: 7001 })
}
