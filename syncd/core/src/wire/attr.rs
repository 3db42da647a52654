//! Attributes: length, number, payload, padding to four bytes. A borrowed iterator and a writer.
//!
//! The length comes first, is big endian, and counts the four bytes of itself and the number but not the padding.
//! Never knows what an attribute means; `encode.rs` and `decode.rs` do. Tested in `tests/attr.rs`.

use alloc::vec::Vec;
use core::fmt;

/// Bytes of length and number.
const ATTR_HEADER: usize = 4;

/// Every attribute begins at a multiple of this many bytes after the frame's header.
const ALIGNMENT: usize = 4;

/// The number of an attribute. The constants are those of flow messages; expectations have their own, beside their
/// codec. Those above 32 (of an expectation, above 20) are unknown to every conntrackd: it throws away the whole message
/// because of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AttrKind(pub u16);

impl AttrKind {
    /// Original source and target, 4 bytes each.
    pub const IPV4: Self = Self(0);
    /// Original source and target, 16 bytes each.
    pub const IPV6: Self = Self(1);
    /// Layer 4 protocol, 1 byte.
    pub const L4PROTO: Self = Self(2);
    /// Original source and target port, 2 bytes each.
    pub const PORT: Self = Self(3);
    /// State of TCP's tracking, 1 byte.
    pub const TCP_STATE: Self = Self(4);
    /// `IPS_*` bits, 4 bytes.
    pub const STATUS: Self = Self(5);
    /// Remaining seconds, 4 bytes.
    pub const TIMEOUT: Self = Self(6);
    /// `ct mark`, 4 bytes.
    pub const MARK: Self = Self(7);
    /// As [`AttrKind::IPV4`], of the parent.
    pub const MASTER_IPV4: Self = Self(8);
    /// As [`AttrKind::IPV6`], of the parent.
    pub const MASTER_IPV6: Self = Self(9);
    /// As [`AttrKind::L4PROTO`], of the parent.
    pub const MASTER_L4PROTO: Self = Self(10);
    /// As [`AttrKind::PORT`], of the parent.
    pub const MASTER_PORT: Self = Self(11);
    /// Reply target of a source-translated flow, 4 bytes.
    pub const SNAT_IPV4: Self = Self(12);
    /// Reply source of a target-translated flow, 4 bytes.
    pub const DNAT_IPV4: Self = Self(13);
    /// Reply target port, 2 bytes, little endian.
    pub const SPAT_PORT: Self = Self(14);
    /// Reply source port, 2 bytes, little endian.
    pub const DPAT_PORT: Self = Self(15);
    /// Shift of sequence numbers: position, before and after of the original direction, then of the reply; 4 bytes
    /// each.
    pub const NAT_SEQ_ADJ: Self = Self(16);
    /// State of SCTP's tracking, 1 byte.
    pub const SCTP_STATE: Self = Self(17);
    /// SCTP's verification tag of the original direction, 4 bytes.
    pub const SCTP_VTAG_ORIG: Self = Self(18);
    /// SCTP's verification tag of the reply direction, 4 bytes.
    pub const SCTP_VTAG_REPL: Self = Self(19);
    /// State of DCCP's tracking, 1 byte.
    pub const DCCP_STATE: Self = Self(20);
    /// DCCP's role of the original direction, 1 byte.
    pub const DCCP_ROLE: Self = Self(21);
    /// ICMP type of the original direction, 1 byte.
    pub const ICMP_TYPE: Self = Self(22);
    /// ICMP code, 1 byte.
    pub const ICMP_CODE: Self = Self(23);
    /// ICMP id, 2 bytes, little endian.
    pub const ICMP_ID: Self = Self(24);
    /// Window scale of the original direction, 1 byte.
    pub const TCP_WSCALE_ORIG: Self = Self(25);
    /// Window scale of the reply direction, 1 byte.
    pub const TCP_WSCALE_REPL: Self = Self(26);
    /// Name of the helper with its NUL; at most 12 bytes, because conntrackd counts the header in its limit of 16.
    pub const HELPER_NAME: Self = Self(27);
    /// Labels, words of 4 bytes; the kernel has 4 words.
    pub const LABELS: Self = Self(28);
    /// As [`AttrKind::SNAT_IPV4`], 16 bytes.
    pub const SNAT_IPV6: Self = Self(29);
    /// As [`AttrKind::DNAT_IPV4`], 16 bytes.
    pub const DNAT_IPV6: Self = Self(30);
    /// Three 4-byte numbers of a synproxy: initial timestamp, initial sequence number, timestamp offset; all zero for
    /// a flow made through netlink.
    pub const SYNPROXY: Self = Self(31);
    /// Conntrack zone, 2 bytes. Since conntrackd 1.4.7.
    pub const ZONE: Self = Self(32);
}

impl fmt::Display for AttrKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "attribute {}", self.0)
    }
}

/// One attribute, borrowed from the datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attr<'a> {
    /// Its number.
    pub kind: AttrKind,
    /// Its payload, without padding.
    pub payload: &'a [u8],
}

/// An attribute's length is smaller than its header or larger than what is left of the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokenAttr;

/// The attributes in `body`, which is what follows the header of a flow message.
#[must_use]
pub const fn attributes(body: &[u8]) -> Attributes<'_> {
    Attributes { rest: body }
}

/// See [`attributes`]. After an error there is nothing more.
#[derive(Clone, Debug)]
pub struct Attributes<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<Attr<'a>, BrokenAttr>;

    fn next(&mut self) -> Option<Self::Item> {
        // conntrackd never looks at a header without payload at the very end, nor at fewer bytes; nor do we.
        if self.rest.len() <= ATTR_HEADER {
            return None;
        }
        let rest = core::mem::take(&mut self.rest);
        let (header, _) = rest.split_first_chunk::<ATTR_HEADER>()?;
        let [length_high, length_low, kind @ ..] = *header;
        let length = usize::from(u16::from_be_bytes([length_high, length_low]));
        let Some(payload) = rest.get(ATTR_HEADER..length) else {
            return Some(Err(BrokenAttr));
        };
        // The last one may come without its padding.
        self.rest = rest.get(length.next_multiple_of(ALIGNMENT)..).unwrap_or_default();
        Some(Ok(Attr { kind: AttrKind(u16::from_be_bytes(kind)), payload }))
    }
}

/// The two halves of `bytes`, when both are `N` long.
pub(super) fn pair<const N: usize>(bytes: &[u8]) -> Option<([u8; N], [u8; N])> {
    let (first, second) = bytes.split_first_chunk()?;
    Some((*first, second.try_into().ok()?))
}

/// Writes attributes behind what `bytes` already holds.
pub(super) struct AttrWriter<'a> {
    pub(super) bytes: &'a mut Vec<u8>,
}

impl AttrWriter<'_> {
    /// One attribute whose payload is the concatenation of `parts`.
    pub(super) fn put(&mut self, kind: AttrKind, parts: &[&[u8]]) {
        let payload: usize = parts.iter().map(|part| part.len()).sum();
        let length = ATTR_HEADER + payload;
        let stated = u16::try_from(length).expect("we never write an attribute longer than a frame");
        self.bytes.extend_from_slice(&stated.to_be_bytes());
        self.bytes.extend_from_slice(&kind.0.to_be_bytes());
        for part in parts {
            self.bytes.extend_from_slice(part);
        }
        let padding = length.next_multiple_of(ALIGNMENT) - length;
        self.bytes.resize(self.bytes.len() + padding, 0);
    }

    /// One byte.
    pub(super) fn put_u8(&mut self, kind: AttrKind, value: u8) {
        self.put(kind, &[&[value]]);
    }

    /// Two bytes, big endian.
    pub(super) fn put_u16(&mut self, kind: AttrKind, value: u16) {
        self.put(kind, &[&value.to_be_bytes()]);
    }

    /// Two bytes, little endian: the fields that conntrackd swaps once too often
    /// ([`AttrKind::SPAT_PORT`], [`AttrKind::DPAT_PORT`], [`AttrKind::ICMP_ID`]).
    pub(super) fn put_u16_swapped(&mut self, kind: AttrKind, value: u16) {
        self.put(kind, &[&value.to_le_bytes()]);
    }

    /// Four bytes, big endian.
    pub(super) fn put_u32(&mut self, kind: AttrKind, value: u32) {
        self.put(kind, &[&value.to_be_bytes()]);
    }
}
