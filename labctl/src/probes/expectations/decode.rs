//! One message of an expectation dump, from raw attributes to a [`SeenExpectation`].
//!
//! `netlink-packet-netfilter` types no expectation: it hands over attributes as bytes, and its tuples are used for what
//! is in them. Never touches a socket. Driven by the dump, tested with it.

use netlink_packet_core::{DefaultNla, Nla, NlaBuffer, NlasIterator, Parseable};
use netlink_packet_netfilter::conntrack::Tuple;
use netlink_packet_netfilter::{NetfilterMessage, NetfilterMessageInner, NetfilterSubsystem};

use super::{SUBSYSTEM, SeenExpectation};
use crate::probes::dump::DumpError;
use crate::probes::flows::SeenTuple;
use crate::probes::flows::decode::{NLA_FLAGS, tuple};

/// `CTA_EXPECT_*` (`linux/netfilter/nfnetlink_conntrack.h`).
const MASTER: u16 = 1;
const TUPLE: u16 = 2;
const MASK: u16 = 3;
const HELP_NAME: u16 = 6;
const ZONE: u16 = 7;
const FLAGS: u16 = 8;
const CLASS: u16 = 9;
const NAT: u16 = 10;
const FN: u16 = 11;
/// `CTA_EXPECT_NAT_*`.
const NAT_DIRECTION: u16 = 1;
const NAT_TUPLE: u16 = 2;

/// Reads one expectation.
pub(super) fn expectation(message: &NetfilterMessage) -> Result<SeenExpectation, DumpError> {
    let NetfilterMessageInner::Other { subsys: NetfilterSubsystem::Other(SUBSYSTEM), attributes, .. } =
        &message.inner
    else {
        return Err(wrong("a message that is no expectation"));
    };
    let attributes: Vec<(u16, Vec<u8>)> = attributes.iter().map(raw).collect();
    let find = |kind: u16| attributes.iter().find(|(of, _)| *of == kind).map(|(_, bytes)| bytes.as_slice());
    let (Some(expected), Some(mask), Some(parent)) = (find(TUPLE), find(MASK), find(MASTER)) else {
        return Err(wrong("an expectation without its tuples"));
    };
    let (protocol, expected) = nested_tuple(expected)?;
    let nat = match find(NAT) {
        None => None,
        Some(bytes) => {
            let members = nest(bytes)?;
            let member = |kind| members.iter().find(|(of, _)| *of == kind).map(|(_, bytes)| bytes.as_slice());
            let (Some(direction), Some(announced)) = (member(NAT_DIRECTION), member(NAT_TUPLE)) else {
                return Err(wrong("a translation without direction or tuple"));
            };
            Some((be32(direction)?, nested_tuple(announced)?.1))
        }
    };
    Ok(SeenExpectation {
        protocol,
        expected,
        mask: nested_tuple(mask)?.1,
        parent: nested_tuple(parent)?,
        zone: find(ZONE).map(be16).transpose()?.unwrap_or(0),
        helper: find(HELP_NAME).map(text).unwrap_or_default(),
        class: find(CLASS).map(be32).transpose()?.unwrap_or(0),
        flags: find(FLAGS).map(be32).transpose()?.unwrap_or(0),
        nat,
        function: find(FN).map(text).filter(|name| !name.is_empty()),
    })
}

fn wrong(what: &str) -> DumpError {
    DumpError::Decode(what.to_owned())
}

/// Number and bytes of an attribute; it has no getter for the latter.
fn raw(attribute: &DefaultNla) -> (u16, Vec<u8>) {
    let mut bytes = vec![0; attribute.value_len()];
    attribute.emit_value(&mut bytes);
    (attribute.kind() & !NLA_FLAGS, bytes)
}

fn nest(bytes: &[u8]) -> Result<Vec<(u16, Vec<u8>)>, DumpError> {
    let members = NlasIterator::new(bytes).map(|member| {
        let member = member.map_err(|error| wrong(&error.to_string()))?;
        Ok((member.kind() & !NLA_FLAGS, member.value().to_vec()))
    });
    members.collect()
}

fn nested_tuple(bytes: &[u8]) -> Result<(u8, SeenTuple), DumpError> {
    let mut parts = Vec::new();
    for part in NlasIterator::new(bytes) {
        let part: NlaBuffer<&[u8]> = part.map_err(|error| wrong(&error.to_string()))?;
        parts.push(Tuple::parse(&part).map_err(|error| wrong(&error.to_string()))?);
    }
    tuple(&parts)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned()
}

fn be16(bytes: &[u8]) -> Result<u16, DumpError> {
    bytes.try_into().map(u16::from_be_bytes).map_err(|_| wrong("a 16-bit attribute of another length"))
}

fn be32(bytes: &[u8]) -> Result<u32, DumpError> {
    bytes.try_into().map(u32::from_be_bytes).map_err(|_| wrong("a 32-bit attribute of another length"))
}
