//! Values of attributes with their exact sizes, and why a message is refused. Used by the decoders beside it.

use core::fmt;

use crate::flow::{Address, Family};
use crate::wire::attr::{Attr, AttrKind, AttrWriter, BrokenAttr, pair};

/// Why a message about a flow or an expectation is refused. Its sequence number counts as arrived all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PayloadError {
    /// The frame is about an expectation or the conversation.
    NotAFlow,
    /// The frame is about a flow or the conversation.
    NotAnExpectation,
    /// No attribute at all.
    Empty,
    /// An attribute's length is less than its header or more than is left of the frame.
    Broken,
    /// An attribute that we read has another size than it must have.
    BadLength(AttrKind),
    /// A value that no kernel understands.
    BadValue(AttrKind),
    /// No address.
    NoAddress,
    /// No layer 4 protocol.
    NoProtocol,
    /// No ports although the protocol has them, or no type, code and id although it is ICMP.
    NoPorts,
    /// An expectation without its parent.
    NoParent,
    /// An expectation without its mask.
    NoMask,
    /// Addresses of an expectation that are not all of one family.
    MixedFamilies,
}

impl fmt::Display for PayloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAFlow => f.write_str("not about a flow"),
            Self::NotAnExpectation => f.write_str("not about an expectation"),
            Self::Empty => f.write_str("no attributes"),
            Self::Broken => f.write_str("an attribute reaches beyond its message"),
            Self::BadLength(kind) => write!(f, "{kind} has the wrong length"),
            Self::BadValue(kind) => write!(f, "{kind} has an impossible value"),
            Self::NoAddress => f.write_str("no address"),
            Self::NoProtocol => f.write_str("no layer 4 protocol"),
            Self::NoPorts => f.write_str("no ports or ICMP id"),
            Self::NoParent => f.write_str("no parent"),
            Self::NoMask => f.write_str("no mask"),
            Self::MixedFamilies => f.write_str("addresses of two families"),
        }
    }
}

impl core::error::Error for PayloadError {}

impl From<BrokenAttr> for PayloadError {
    fn from(_: BrokenAttr) -> Self {
        Self::Broken
    }
}

/// A pair of addresses and their family.
pub(super) type Addresses = (Family, Address, Address);

pub(super) fn addresses_v4(attr: Attr<'_>) -> Result<Addresses, PayloadError> {
    let (source, target) = pair(attr.payload).ok_or(PayloadError::BadLength(attr.kind))?;
    Ok((Family::V4, Address::from_v4(source), Address::from_v4(target)))
}

pub(super) fn addresses_v6(attr: Attr<'_>) -> Result<Addresses, PayloadError> {
    let (source, target) = pair(attr.payload).ok_or(PayloadError::BadLength(attr.kind))?;
    Ok((Family::V6, Address::from_v6(source), Address::from_v6(target)))
}

pub(super) fn ports(attr: Attr<'_>) -> Result<(u16, u16), PayloadError> {
    let (source, target) = pair(attr.payload).ok_or(PayloadError::BadLength(attr.kind))?;
    Ok((u16::from_be_bytes(source), u16::from_be_bytes(target)))
}

pub(super) fn fixed<const N: usize>(attr: Attr<'_>) -> Result<[u8; N], PayloadError> {
    attr.payload.try_into().map_err(|_| PayloadError::BadLength(attr.kind))
}

pub(super) fn read_u8(attr: Attr<'_>) -> Result<u8, PayloadError> {
    fixed(attr).map(|[byte]| byte)
}

pub(super) fn read_u8_up_to(attr: Attr<'_>, max: u8) -> Result<u8, PayloadError> {
    let value = read_u8(attr)?;
    if value > max { Err(PayloadError::BadValue(attr.kind)) } else { Ok(value) }
}

pub(super) fn read_u16_swapped(attr: Attr<'_>) -> Result<u16, PayloadError> {
    fixed(attr).map(u16::from_le_bytes)
}

pub(super) fn read_u32(attr: Attr<'_>) -> Result<u32, PayloadError> {
    fixed(attr).map(u32::from_be_bytes)
}

/// Big-endian words of four bytes; as many as fit.
pub(super) fn words(bytes: &[u8]) -> impl Iterator<Item = u32> {
    bytes.chunks_exact(4).map(|word| u32::from_be_bytes(word.try_into().expect("chunks of four")))
}

/// A pair of addresses under the number of its family.
pub(super) fn put_addresses(
    attrs: &mut AttrWriter<'_>,
    (v4, v6): (AttrKind, AttrKind),
    (family, source, target): Addresses,
) {
    match family {
        Family::V4 => attrs.put(v4, &[&source.v4(), &target.v4()]),
        Family::V6 => attrs.put(v6, &[&source.v6(), &target.v6()]),
    }
}

/// Two ports.
pub(super) fn put_ports(attrs: &mut AttrWriter<'_>, kind: AttrKind, source: u16, target: u16) {
    attrs.put(kind, &[&source.to_be_bytes(), &target.to_be_bytes()]);
}
