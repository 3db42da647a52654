//! One message of a flow dump, from the crate's attributes to a [`SeenFlow`].
//!
//! The crate types only some attributes; identifier, type and code of ICMP and the zone come as raw bytes. Never touches
//! a socket. Driven by the dump, tested with it.

use netlink_packet_core::{DefaultNla, Nla, NlasIterator};
use netlink_packet_netfilter::conntrack::{
    ConntrackAttribute, ConntrackMessage, IPTuple, ProtoInfo, ProtoInfoTCP, ProtoTuple, Tuple,
};
use netlink_packet_netfilter::{NetfilterMessage, NetfilterMessageInner};

use super::{DumpError, SeenFamily, SeenFlow, SeenPorts, SeenTuple, Shift};

/// `NLA_F_NESTED | NLA_F_NET_BYTEORDER`, which an untyped attribute's kind keeps.
pub(in crate::probes) const NLA_FLAGS: u16 = 0xc000;
/// `CTA_ZONE` at the top level, `CTA_TUPLE_ZONE` inside a tuple (`linux/netfilter/nfnetlink_conntrack.h`).
const CTA_ZONE: u16 = 18;
/// `CTA_SEQ_ADJ_ORIG`, `_REPLY`: position, distance before and after it, in this order from 1 on.
const CTA_SEQ_ADJ: [u16; 2] = [15, 16];
/// `CTA_PROTO_ICMP_ID`, `_TYPE`, `_CODE`, and the same for ICMPv6.
const CTA_PROTO_ICMP: [u16; 3] = [4, 5, 6];
const CTA_PROTO_ICMPV6: [u16; 3] = [7, 8, 9];

/// Reads one flow.
pub(super) fn flow(message: NetfilterMessage) -> Result<SeenFlow, DumpError> {
    let NetfilterMessageInner::Conntrack(ConntrackMessage::New(attributes)) = message.inner else {
        return Err(DumpError::Decode("a message that is no flow".to_owned()));
    };
    let (mut original, mut reply) = (None, None);
    let (mut zone, mut mark, mut status, mut timeout, mut tcp_state) = (0, 0, 0, 0, None);
    let mut shifts: Option<[Shift; 2]> = None;
    for attribute in &attributes {
        match attribute {
            ConntrackAttribute::CtaTupleOrig(parts) => original = Some(tuple(parts)?),
            ConntrackAttribute::CtaTupleReply(parts) => reply = Some(tuple(parts)?),
            ConntrackAttribute::CtaStatus(bits) => status = bits.bits(),
            ConntrackAttribute::CtaTimeout(seconds) => timeout = *seconds,
            ConntrackAttribute::CtaMark(value) => mark = *value,
            ConntrackAttribute::CtaProtoInfo(infos) => tcp_state = state(infos),
            ConntrackAttribute::Other(other) if other.kind() & !NLA_FLAGS == CTA_ZONE => zone = be16(other)?,
            ConntrackAttribute::Other(other) => {
                let kind = other.kind() & !NLA_FLAGS;
                if let Some(direction) = CTA_SEQ_ADJ.iter().position(|shift| *shift == kind) {
                    shifts.get_or_insert_default()[direction] = shift(other)?;
                }
            }
            _ => {}
        }
    }
    let (Some((protocol, original)), Some((_, reply))) = (original, reply) else {
        return Err(DumpError::Decode("a flow without both tuples".to_owned()));
    };
    let family = if original.source.is_ipv4() { SeenFamily::V4 } else { SeenFamily::V6 };
    Ok(SeenFlow { family, protocol, zone, original, reply, mark, tcp_state, status, timeout, shifts })
}

pub(in crate::probes) fn tuple(parts: &[Tuple]) -> Result<(u8, SeenTuple), DumpError> {
    let (mut source, mut target, mut protocol) = (None, None, 0);
    let (mut from, mut to, mut echo) = (None, None, [None::<u16>; 3]);
    for part in parts {
        match part {
            Tuple::Ip(addresses) => {
                for address in addresses {
                    match address {
                        IPTuple::SourceAddress(ip) => source = Some(*ip),
                        IPTuple::DestinationAddress(ip) => target = Some(*ip),
                        _ => {}
                    }
                }
            }
            Tuple::Proto(members) => {
                for member in members {
                    match member {
                        ProtoTuple::Protocol(number) => protocol = (*number).into(),
                        ProtoTuple::SourcePort(port) => from = Some(*port),
                        ProtoTuple::DestinationPort(port) => to = Some(*port),
                        ProtoTuple::Other(other) => echo_part(other, &mut echo)?,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    let (Some(source), Some(target)) = (source, target) else {
        return Err(DumpError::Decode("a tuple without addresses".to_owned()));
    };
    let ports = match (from, to, echo) {
        (Some(source), Some(target), _) => SeenPorts::Ports { source, target },
        (_, _, [Some(id), Some(kind), Some(code)]) => {
            // Type and code come from attributes of one byte.
            SeenPorts::Echo { id, kind: kind as u8, code: code as u8 }
        }
        _ => SeenPorts::Nothing,
    };
    Ok((protocol, SeenTuple { source, target, ports }))
}

/// ICMP identifier, type or code: attributes that the crate leaves untyped.
fn echo_part(attribute: &DefaultNla, echo: &mut [Option<u16>; 3]) -> Result<(), DumpError> {
    let kind = attribute.kind() & !NLA_FLAGS;
    let place = CTA_PROTO_ICMP.iter().position(|k| *k == kind);
    let Some(place) = place.or_else(|| CTA_PROTO_ICMPV6.iter().position(|k| *k == kind)) else {
        return Ok(());
    };
    echo[place] = Some(if place == 0 { be16(attribute)? } else { u16::from(byte(attribute)?) });
    Ok(())
}

fn state(infos: &[ProtoInfo]) -> Option<u8> {
    infos.iter().find_map(|info| match info {
        ProtoInfo::TCP(members) => members.iter().find_map(|member| match member {
            ProtoInfoTCP::State(state) => Some(*state),
            _ => None,
        }),
        _ => None,
    })
}

fn shift(attribute: &DefaultNla) -> Result<Shift, DumpError> {
    let mut bytes = vec![0; attribute.value_len()];
    attribute.emit_value(&mut bytes);
    let mut numbers = [0; 3];
    for member in NlasIterator::new(&bytes) {
        let member = member.map_err(|error| DumpError::Decode(error.to_string()))?;
        let place = usize::from(member.kind() & !NLA_FLAGS).wrapping_sub(1);
        if let (Some(number), Ok(value)) = (numbers.get_mut(place), member.value().try_into()) {
            *number = u32::from_be_bytes(value);
        }
    }
    let [position, before, after] = numbers;
    Ok(Shift { position, before: before.cast_signed(), after: after.cast_signed() })
}

fn be16(attribute: &DefaultNla) -> Result<u16, DumpError> {
    value::<2>(attribute).map(u16::from_be_bytes)
}

fn byte(attribute: &DefaultNla) -> Result<u8, DumpError> {
    value::<1>(attribute).map(|[byte]| byte)
}

/// The attribute has no getter for its bytes, and `emit_value` panics unless the buffer is exactly as long as they are.
fn value<const N: usize>(attribute: &DefaultNla) -> Result<[u8; N], DumpError> {
    let mut bytes = [0; N];
    if attribute.value_len() != N {
        return Err(DumpError::Decode(format!(
            "attribute {} has {} bytes instead of {N}",
            attribute.kind() & !NLA_FLAGS,
            attribute.value_len()
        )));
    }
    attribute.emit_value(&mut bytes);
    Ok(bytes)
}
