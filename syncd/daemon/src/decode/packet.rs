//! From a captured packet to the UDP payload in it: link layer, IPv4 or IPv6, UDP.
//!
//! Says nothing of what is no UDP. Checksums are not looked at: a capture on the sending side has none yet. Fragments are
//! handed out as such, and taken again when they were put together. Tested in `tests.rs` beside it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::fragments::{Fragment, Joined, Whose};

/// `LINKTYPE_*` that are understood.
const ETHERNET: u32 = 1;
const RAW: [u32; 3] = [12, 14, 101];
const LINUX_SLL: u32 = 113;
const IPV4: u32 = 228;
const IPV6: u32 = 229;
const LINUX_SLL2: u32 = 276;

/// EtherTypes.
const TYPE_IPV4: u16 = 0x0800;
const TYPE_IPV6: u16 = 0x86dd;
const TYPE_VLAN: [u16; 2] = [0x8100, 0x88a8];

const UDP: u8 = 17;

/// A UDP datagram in a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Udp<'a> {
    /// Who sent it.
    pub(crate) source: SocketAddr,
    /// To whom.
    pub(crate) target: SocketAddr,
    /// What is in it, as far as it was captured.
    pub(crate) payload: &'a [u8],
    /// Whether bytes at its end are missing.
    pub(crate) partial: bool,
}

/// What a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contents<'a> {
    /// A UDP datagram, or its beginning.
    Udp(Udp<'a>),
    /// A part of what may be one.
    Fragment(Fragment<'a>),
    /// Something else.
    Other,
    /// It comes from a kind of link that is not understood.
    UnknownLink,
}

/// What is in a packet of that kind of link.
pub(crate) fn contents(link: u32, bytes: &[u8]) -> Contents<'_> {
    let ip = match link {
        ETHERNET => ethernet(bytes),
        LINUX_SLL => bytes.get(16..).zip(number(bytes, 14)).and_then(|(rest, kind)| behind(kind, rest)),
        LINUX_SLL2 => bytes.get(20..).zip(number(bytes, 0)).and_then(|(rest, kind)| behind(kind, rest)),
        link if RAW.contains(&link) || link == IPV4 || link == IPV6 => Some(bytes),
        _ => return Contents::UnknownLink,
    };
    ip.and_then(internet).unwrap_or(Contents::Other)
}

/// The UDP datagram that was put together, as far as it goes.
pub(crate) fn joined(joined: &Joined) -> Option<Udp<'_>> {
    let Whose { source, target, .. } = joined.whose;
    match behind_extensions(joined.next?, &joined.bytes)? {
        Behind::Udp(bytes) => udp(source, target, bytes),
        Behind::Fragment { .. } => None,
    }
}

fn ethernet(bytes: &[u8]) -> Option<&[u8]> {
    behind(number(bytes, 12)?, bytes.get(14..)?)
}

/// What follows an `EtherType`, if it is IP; tags of VLANs are passed.
fn behind(mut kind: u16, mut rest: &[u8]) -> Option<&[u8]> {
    while TYPE_VLAN.contains(&kind) {
        (kind, rest) = (number(rest, 2)?, rest.get(4..)?);
    }
    [TYPE_IPV4, TYPE_IPV6].contains(&kind).then_some(rest)
}

fn internet(bytes: &[u8]) -> Option<Contents<'_>> {
    match bytes.first()? >> 4 {
        4 => ipv4(bytes),
        6 => ipv6(bytes),
        _ => None,
    }
}

fn ipv4(bytes: &[u8]) -> Option<Contents<'_>> {
    let head: &[u8; 20] = bytes.first_chunk()?;
    let (length, field) = (usize::from(head[0] & 0x0f) * 4, number(head, 6)?);
    let (offset, more) = (usize::from(field & 0x1fff) * 8, field & 0x2000 != 0);
    if head[9] != UDP || length < head.len() {
        return None;
    }
    let end = length_or_rest(number(head, 2)?, bytes);
    let [source, target] =
        [12, 16].map(|at| Ipv4Addr::new(head[at], head[at + 1], head[at + 2], head[at + 3]).into());
    let bytes = bytes.get(length..end)?;
    if offset == 0 && !more {
        return udp(source, target, bytes).map(Contents::Udp);
    }
    let whose = Whose { source, target, id: number(head, 4)?.into() };
    Some(Contents::Fragment(Fragment { whose, next: UDP, offset, more, bytes }))
}

fn ipv6(bytes: &[u8]) -> Option<Contents<'_>> {
    let (head, rest) = bytes.split_first_chunk::<40>()?;
    let rest = rest.get(..length_or_rest(number(head, 4)?, rest))?;
    let address = |at: usize| {
        IpAddr::from(Ipv6Addr::from(<[u8; 16]>::try_from(&head[at..at + 16]).expect("within the head")))
    };
    let (source, target) = (address(8), address(24));
    match behind_extensions(head[6], rest)? {
        Behind::Udp(bytes) => udp(source, target, bytes).map(Contents::Udp),
        Behind::Fragment { id, next, offset, more, bytes } => {
            let whose = Whose { source, target, id };
            Some(Contents::Fragment(Fragment { whose, next, offset, more, bytes }))
        }
    }
}

/// What stands behind the extension headers of IPv6.
enum Behind<'a> {
    Udp(&'a [u8]),
    Fragment { id: u32, next: u8, offset: usize, more: bool, bytes: &'a [u8] },
}

/// Options for the way, routing, fragments, options for the target (RFC 8200). A fragment that is the whole is none.
fn behind_extensions(mut next: u8, mut rest: &[u8]) -> Option<Behind<'_>> {
    while let 0 | 43 | 44 | 60 = next {
        let (extension, behind) = rest.split_first_chunk::<8>()?;
        if next != 44 {
            rest = rest.get(8 * (1 + usize::from(extension[1]))..)?;
            next = extension[0];
            continue;
        }
        let field = number(extension, 2)?;
        let (offset, more) = (usize::from(field & 0xfff8), field & 1 != 0);
        (next, rest) = (extension[0], behind);
        if offset != 0 || more {
            let id = u32::from_be_bytes(*extension.last_chunk()?);
            let may_be_udp = matches!(next, 0 | 43 | 60 | UDP);
            return may_be_udp.then_some(Behind::Fragment { id, next, offset, more, bytes: rest });
        }
    }
    (next == UDP).then_some(Behind::Udp(rest))
}

/// Where a packet ends. Padding of Ethernet is no part of it; one that was captured before the card cut it says 0.
fn length_or_rest(said: u16, bytes: &[u8]) -> usize {
    if said == 0 { bytes.len() } else { bytes.len().min(usize::from(said)) }
}

fn udp(source: IpAddr, target: IpAddr, bytes: &[u8]) -> Option<Udp<'_>> {
    let (head, rest) = bytes.split_first_chunk::<8>()?;
    let length = usize::from(number(head, 4)?).checked_sub(head.len())?;
    Some(Udp {
        source: SocketAddr::new(source, number(head, 0)?),
        target: SocketAddr::new(target, number(head, 2)?),
        payload: &rest[..length.min(rest.len())],
        partial: length > rest.len(),
    })
}

/// Two bytes at that place, big endian.
fn number(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}
