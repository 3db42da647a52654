//! A flow or a control message to bytes, exactly as conntrackd 1.4.7 would send it.
//!
//! The order of attributes is conntrackd's. Nothing is written that was not said: a field whose bit in
//! [`Flow::present`] is missing has no attribute. Driven by `replica`. Tested in `tests/message.rs` and against
//! captured frames in `tests/golden.rs` of the crate.

use crate::flow::{AttrSet, Change, Family, Flow, Protocol, Status};
use crate::wire::attr::{AttrKind, AttrWriter};
use crate::wire::datagram::{Datagram, Full};
use crate::wire::header::{Control, Flags, MessageType};
use crate::wire::seq::{Seq, SeqRange};

/// What conntrackd's configuration decides about the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Options {
    /// conntrackd's `TCPWindowTracking On`: window scales are sent. Off by default, there and here.
    pub window_scale: bool,
}

/// Appends a frame that tells `change` about `flow`.
///
/// `greetings` is [`Flags::NONE`], HELLO, HELLO_BACK or both.
///
/// # Errors
///
/// [`Full`]: the datagram is as before, and an empty one will take the frame.
///
/// # Panics
///
/// When `greetings` holds anything else: the peer would throw the frame away.
pub fn encode_flow(
    into: &mut Datagram,
    change: Change,
    greetings: Flags,
    seq: Seq,
    flow: &Flow,
    options: Options,
) -> Result<(), Full> {
    assert!(greetings.only_greets(), "a flow frame may greet and nothing else: {greetings:?}");
    into.append(change.into(), greetings, seq, |attrs| {
        write_identity(attrs, flow, options);
        write_metadata(attrs, flow);
        write_translation(attrs, flow);
        write_rare(attrs, flow);
    })
}

/// Appends a control frame. `greetings` as in [`encode_flow`].
///
/// # Errors
///
/// [`Full`]: the datagram is as before, and an empty one will take the frame.
///
/// # Panics
///
/// As [`encode_flow`].
pub fn encode_control(into: &mut Datagram, control: Control, greetings: Flags, seq: Seq) -> Result<(), Full> {
    assert!(greetings.only_greets(), "the control says its own flag: {greetings:?}");
    let flags = control.flag().with(greetings);
    into.append(MessageType::Control, flags, seq, |body| match control {
        Control::Alive => {}
        // conntrackd says RESYNC with a range that means nothing.
        Control::Resync => write_range(body, SeqRange::one(Seq(0))),
        Control::Nack(range) | Control::Ack(range) => write_range(body, range),
    })
}

fn write_range(body: &mut AttrWriter<'_>, range: SeqRange) {
    body.bytes.extend_from_slice(&range.from.0.to_be_bytes());
    body.bytes.extend_from_slice(&range.to.0.to_be_bytes());
}

/// Addresses, status, protocol, and what the protocol adds. The addresses come first because conntrackd derives
/// ICMP's answering type from the family it has seen by then.
fn write_identity(attrs: &mut AttrWriter<'_>, flow: &Flow, options: Options) {
    let (source, target) = (flow.original.source, flow.original.target);
    match flow.family {
        Family::V4 => attrs.put(AttrKind::IPV4, &[&source.v4(), &target.v4()]),
        Family::V6 => attrs.put(AttrKind::IPV6, &[&source.v6(), &target.v6()]),
    }
    if flow.has(AttrSet::STATUS) {
        attrs.put_u32(AttrKind::STATUS, flow.status.0);
    }
    attrs.put_u8(AttrKind::L4PROTO, flow.protocol.0);
    if flow.protocol.has_wire_ports() {
        let (source, target) = (flow.original.source_port, flow.original.target_port);
        attrs.put(AttrKind::PORT, &[&source.to_be_bytes(), &target.to_be_bytes()]);
    }
    if flow.protocol == Protocol::TCP && flow.has(AttrSet::TCP_STATE) {
        attrs.put_u8(AttrKind::TCP_STATE, flow.tcp_state.0);
        if options.window_scale && flow.has(AttrSet::TCP_SCALE) {
            attrs.put_u8(AttrKind::TCP_WSCALE_ORIG, flow.tcp_scale_original);
            attrs.put_u8(AttrKind::TCP_WSCALE_REPL, flow.tcp_scale_reply);
        }
    }
    if flow.protocol.is_icmp() {
        attrs.put_u8(AttrKind::ICMP_TYPE, flow.original.icmp_type());
        attrs.put_u8(AttrKind::ICMP_CODE, flow.original.icmp_code());
        attrs.put_u16_swapped(AttrKind::ICMP_ID, flow.original.icmp_id());
    }
}

fn write_metadata(attrs: &mut AttrWriter<'_>, flow: &Flow) {
    if flow.has(AttrSet::TIMEOUT) {
        attrs.put_u32(AttrKind::TIMEOUT, flow.timeout);
    }
    if flow.has(AttrSet::MARK) {
        attrs.put_u32(AttrKind::MARK, flow.mark);
    }
}

/// What the reply tuple says beyond the plain inverse. The reply itself never travels.
///
/// conntrackd compares the ports of every protocol. Where ICMP has an id and a type with a code, it compares the one
/// with the other, finds them different, and sends two port translations of value 0, because it holds no port.
/// [`crate::flow::Tuple`] keeps both in the same two fields, so the same comparison gives the same frames.
fn write_translation(attrs: &mut AttrWriter<'_>, flow: &Flow) {
    if !flow.has(AttrSet::REPLY) {
        return;
    }
    let decided = |bit| !flow.has(AttrSet::STATUS) || flow.status.has(bit);
    let (source_done, target_done) = (decided(Status::SRC_NAT_DONE), decided(Status::DST_NAT_DONE));
    let (original, reply) = (flow.original, flow.reply);
    if source_done && reply.target != original.source {
        match flow.family {
            Family::V4 => attrs.put(AttrKind::SNAT_IPV4, &[&reply.target.v4()]),
            Family::V6 => attrs.put(AttrKind::SNAT_IPV6, &[&reply.target.v6()]),
        }
    }
    if target_done && reply.source != original.target {
        match flow.family {
            Family::V4 => attrs.put(AttrKind::DNAT_IPV4, &[&reply.source.v4()]),
            Family::V6 => attrs.put(AttrKind::DNAT_IPV6, &[&reply.source.v6()]),
        }
    }
    let port = |port| if flow.protocol.is_icmp() { 0 } else { port };
    if source_done && reply.target_port != original.source_port {
        attrs.put_u16_swapped(AttrKind::SPAT_PORT, port(reply.target_port));
    }
    if target_done && reply.source_port != original.target_port {
        attrs.put_u16_swapped(AttrKind::DPAT_PORT, port(reply.source_port));
    }
}

fn write_rare(attrs: &mut AttrWriter<'_>, flow: &Flow) {
    if flow.has(AttrSet::SYNPROXY_ZERO) {
        attrs.put(AttrKind::SYNPROXY, &[&[0; 12]]);
    }
    if flow.has(AttrSet::ZONE) {
        attrs.put_u16(AttrKind::ZONE, flow.zone);
    }
}
