//! From a captured packet to the UDP payload in it: link layer, IPv4 or IPv6, UDP.
//!
//! Says nothing of what is no UDP. Checksums are not looked at: a capture on the sending side has none yet. Tested in
//! `tests.rs` beside it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

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
    /// Whether a part is missing: not captured, or in other fragments.
    pub(crate) partial: bool,
}

/// What a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contents<'a> {
    /// A UDP datagram, or its beginning.
    Udp(Udp<'a>),
    /// Something else, or a later fragment of one.
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
    ip.and_then(internet).map_or(Contents::Other, Contents::Udp)
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

fn internet(bytes: &[u8]) -> Option<Udp<'_>> {
    match bytes.first()? >> 4 {
        4 => ipv4(bytes),
        6 => ipv6(bytes),
        _ => None,
    }
}

fn ipv4(bytes: &[u8]) -> Option<Udp<'_>> {
    let head: &[u8; 20] = bytes.first_chunk()?;
    let (length, offset) = (usize::from(head[0] & 0x0f) * 4, number(head, 6)?);
    let (later, more) = (offset & 0x1fff != 0, offset & 0x2000 != 0);
    if head[9] != UDP || later || length < head.len() {
        return None;
    }
    let end = length_or_rest(number(head, 2)?, bytes);
    let [source, target] =
        [12, 16].map(|at| Ipv4Addr::new(head[at], head[at + 1], head[at + 2], head[at + 3]));
    udp(source.into(), target.into(), bytes.get(length..end)?, more)
}

fn ipv6(bytes: &[u8]) -> Option<Udp<'_>> {
    let (head, mut rest) = bytes.split_first_chunk::<40>()?;
    rest = rest.get(..length_or_rest(number(head, 4)?, rest))?;
    let address =
        |at: usize| Ipv6Addr::from(<[u8; 16]>::try_from(&head[at..at + 16]).expect("within the head"));
    let (mut next, mut more) = (head[6], false);
    // Options for the way, routing, fragments, options for the target (RFC 8200).
    while let 0 | 43 | 44 | 60 = next {
        let extension: &[u8; 8] = rest.first_chunk()?;
        let length = if next == 44 {
            let offset = number(extension, 2)?;
            if offset & 0xfff8 != 0 {
                return None;
            }
            more = offset & 1 != 0;
            8
        } else {
            8 * (1 + usize::from(extension[1]))
        };
        next = extension[0];
        rest = rest.get(length..)?;
    }
    if next == UDP { udp(address(8).into(), address(24).into(), rest, more) } else { None }
}

/// Where a packet ends. Padding of Ethernet is no part of it; one that was captured before the card cut it says 0.
fn length_or_rest(said: u16, bytes: &[u8]) -> usize {
    if said == 0 { bytes.len() } else { bytes.len().min(usize::from(said)) }
}

fn udp(source: IpAddr, target: IpAddr, bytes: &[u8], more: bool) -> Option<Udp<'_>> {
    let (head, rest) = bytes.split_first_chunk::<8>()?;
    let length = usize::from(number(head, 4)?).checked_sub(head.len())?;
    Some(Udp {
        source: SocketAddr::new(source, number(head, 0)?),
        target: SocketAddr::new(target, number(head, 2)?),
        payload: &rest[..length.min(rest.len())],
        partial: more || length > rest.len(),
    })
}

/// Two bytes at that place, big endian.
fn number(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}
