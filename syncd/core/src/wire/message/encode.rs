//! A flow or a control message to bytes, exactly as conntrackd 1.4.7 would send it.
//!
//! The order of attributes is conntrackd's. Nothing is written that was not said: a field whose bit in
//! [`Flow::present`] is missing has no attribute. Driven by `replica`. Tested in `tests/message.rs` and against
//! captured frames in `tests/golden.rs` of the crate.

use super::rare;
use super::value::{put_addresses, put_ports};
use crate::flow::{AttrSet, Change, ExtraSet, Family, Flow, FlowRef, Protocol, Status};
use crate::wire::attr::{AttrKind, AttrWriter};
use crate::wire::datagram::{Datagram, Full};
use crate::wire::header::{Control, Flags, MessageType};
use crate::wire::seq::{Seq, SeqRange};

/// What conntrackd's configuration decides about the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Options {
    /// conntrackd's `TCPWindowTracking On`: window scales are sent.
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
pub fn encode_flow<'a>(
    into: &mut Datagram,
    change: Change,
    greetings: Flags,
    seq: Seq,
    flow: impl Into<FlowRef<'a>>,
    options: Options,
) -> Result<(), Full> {
    assert!(greetings.only_greets(), "a flow frame may greet and nothing else: {greetings:?}");
    let FlowRef { flow, extras } = flow.into();
    into.append(change.into(), greetings, seq, |attrs| {
        write_identity(attrs, flow, options);
        if let Some(extras) = extras {
            rare::write_protocol(attrs, extras);
        }
        write_metadata(attrs, flow);
        if let Some(extras) = extras {
            rare::write_parent(attrs, extras);
        }
        write_translation(attrs, flow);
        rare::write_rest(attrs, extras, flow.has(AttrSet::SYNPROXY_ZERO));
        if flow.has(AttrSet::ZONE) {
            attrs.put_u16(AttrKind::ZONE, flow.zone);
        }
    })
}

/// What a frame about a flow leaves out, because the dialect has no word for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Unsaid {
    /// Attributes: a helper's name of more than 11 characters, an ICMP id that is translated.
    pub attributes: u32,
    /// Whether other flows make the same frame: of UDPlite the ports and of GRE the keys have no attribute. To the
    /// peer, as to conntrackd, all of them between two hosts are one flow.
    pub ambiguous: bool,
}

/// What [`encode_flow`] leaves out of a frame about this flow.
#[must_use]
pub fn unsaid(flow: FlowRef<'_>) -> Unsaid {
    let protocol = flow.protocol;
    let ambiguous = flow.key().said_in_part().is_some_and(|said| said != flow.key());
    let id =
        protocol.is_icmp() && flow.has(AttrSet::REPLY) && flow.reply.icmp_id() != flow.original.icmp_id();
    let long = |helper| !rare::can_say(helper);
    let helper = flow.extras.filter(|extras| extras.has(ExtraSet::HELPER) && long(extras.helper)).is_some();
    Unsaid { attributes: u32::from(id) + u32::from(helper), ambiguous }
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
    let addresses = (flow.family, flow.original.source, flow.original.target);
    put_addresses(attrs, (AttrKind::IPV4, AttrKind::IPV6), addresses);
    if flow.has(AttrSet::STATUS) {
        attrs.put_u32(AttrKind::STATUS, flow.status.0);
    }
    attrs.put_u8(AttrKind::L4PROTO, flow.protocol.0);
    if flow.protocol.has_wire_ports() {
        put_ports(attrs, AttrKind::PORT, flow.original.source_port, flow.original.target_port);
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
