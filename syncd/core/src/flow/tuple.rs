//! Addresses, ports and protocol of one direction of a flow.

use core::fmt;
use core::hash::{Hash, Hasher};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Layer 3 family of a flow (`nfgenmsg.nfgen_family`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Family {
    /// `AF_INET`.
    V4 = 2,
    /// `AF_INET6`.
    V6 = 10,
}

/// An IPv4 or IPv6 address in 16 bytes; the flow's [`Family`] says which. IPv4 uses the first four bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Address([u8; 16]);

/// As one number: an array is hashed with its length, byte by byte.
impl Hash for Address {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u128(u128::from_ne_bytes(self.0));
    }
}

impl Address {
    /// No address: all bytes zero.
    pub const UNSPECIFIED: Self = Self([0; 16]);

    /// From four bytes in network order.
    #[must_use]
    pub const fn from_v4(b: [u8; 4]) -> Self {
        Self([b[0], b[1], b[2], b[3], 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    }

    /// From sixteen bytes in network order.
    #[must_use]
    pub const fn from_v6(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The first four bytes: the address of an IPv4 flow.
    #[must_use]
    pub const fn v4(self) -> [u8; 4] {
        [self.0[0], self.0[1], self.0[2], self.0[3]]
    }

    /// All sixteen bytes: the address of an IPv6 flow.
    #[must_use]
    pub const fn v6(self) -> [u8; 16] {
        self.0
    }

    /// As the standard library's address of the given family.
    #[must_use]
    pub const fn ip(self, family: Family) -> IpAddr {
        match family {
            Family::V4 => {
                let b = self.v4();
                IpAddr::V4(Ipv4Addr::new(b[0], b[1], b[2], b[3]))
            }
            Family::V6 => IpAddr::V6(Ipv6Addr::from_octets(self.0)),
        }
    }
}

impl From<IpAddr> for Address {
    fn from(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(a) => Self::from_v4(a.octets()),
            IpAddr::V6(a) => Self::from_v6(a.octets()),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let family = if self.0[4..].iter().all(|b| *b == 0) { Family::V4 } else { Family::V6 };
        self.ip(family).fmt(f)
    }
}

/// Layer 4 protocol number (IANA "protocol numbers"; `CTA_PROTO_NUM`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Protocol(pub u8);

impl Protocol {
    /// ICMP for IPv4, RFC 792.
    pub const ICMP: Self = Self(1);
    /// TCP, RFC 9293.
    pub const TCP: Self = Self(6);
    /// UDP, RFC 768.
    pub const UDP: Self = Self(17);
    /// GRE, RFC 2784.
    pub const GRE: Self = Self(47);
    /// ICMP for IPv6, RFC 4443.
    pub const ICMP6: Self = Self(58);
    /// DCCP, RFC 4340.
    pub const DCCP: Self = Self(33);
    /// SCTP, RFC 9260.
    pub const SCTP: Self = Self(132);
    /// UDP-Lite, RFC 3828.
    pub const UDPLITE: Self = Self(136);

    /// Whether the tuple carries ICMP's id, type and code.
    #[must_use]
    pub const fn is_icmp(self) -> bool {
        matches!(self, Self::ICMP | Self::ICMP6)
    }

    /// Whether conntrackd's plain dialect carries ports for this protocol (attribute 3, PORT).
    #[must_use]
    pub const fn has_wire_ports(self) -> bool {
        matches!(self, Self::TCP | Self::UDP | Self::SCTP | Self::DCCP)
    }

    /// Whether the kernel's tuple has ports (for GRE: call ids) for this protocol (`nf_ct_port_nlattr_to_tuple`). A
    /// kernel that no longer tracks DCCP ignores them.
    #[must_use]
    pub const fn has_kernel_ports(self) -> bool {
        self.has_wire_ports() || matches!(self, Self::GRE | Self::UDPLITE)
    }

    /// The name `conntrack(8)` prints, or `unknown`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ICMP => "icmp",
            Self::TCP => "tcp",
            Self::UDP => "udp",
            Self::GRE => "gre",
            Self::ICMP6 => "icmpv6",
            Self::DCCP => "dccp",
            Self::SCTP => "sctp",
            Self::UDPLITE => "udplite",
            _ => "unknown",
        }
    }
}

/// Source and target of one direction.
///
/// The two 16-bit fields hold ports; for ICMP the first holds the id, the second type and code
/// (use [`Tuple::icmp`] and its accessors); zero for protocols without either.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Tuple {
    /// Address the packets of this direction come from.
    pub source: Address,
    /// Address the packets of this direction go to.
    pub target: Address,
    /// Source port, or ICMP id.
    pub source_port: u16,
    /// Target port, or ICMP type and code.
    pub target_port: u16,
}

impl Tuple {
    /// No addresses, no ports.
    pub const NOWHERE: Self =
        Self { source: Address::UNSPECIFIED, target: Address::UNSPECIFIED, source_port: 0, target_port: 0 };

    /// A tuple of ICMP or ICMPv6.
    #[must_use]
    pub const fn icmp(source: Address, target: Address, id: u16, kind: u8, code: u8) -> Self {
        Self { source, target, source_port: id, target_port: u16::from_be_bytes([kind, code]) }
    }

    /// ICMP identifier of an echo or similar query.
    #[must_use]
    pub const fn icmp_id(&self) -> u16 {
        self.source_port
    }

    /// ICMP type.
    #[must_use]
    pub const fn icmp_type(&self) -> u8 {
        self.target_port.to_be_bytes()[0]
    }

    /// ICMP code.
    #[must_use]
    pub const fn icmp_code(&self) -> u8 {
        self.target_port.to_be_bytes()[1]
    }

    /// The tuple that answers this one when nothing is translated
    /// (the kernel's `nf_ct_invert_tuple`; ICMP types are mapped as in `nf_conntrack_proto_icmp*.c`).
    ///
    /// An ICMP type without an answer keeps its type.
    #[must_use]
    pub const fn inverse(&self, protocol: Protocol) -> Self {
        if protocol.is_icmp() {
            let kind = icmp_answer(protocol, self.icmp_type());
            return Self::icmp(self.target, self.source, self.icmp_id(), kind, self.icmp_code());
        }
        Self {
            source: self.target,
            target: self.source,
            source_port: self.target_port,
            target_port: self.source_port,
        }
    }
}

/// The ICMP type that answers `kind`.
const fn icmp_answer(protocol: Protocol, kind: u8) -> u8 {
    match (protocol, kind) {
        (Protocol::ICMP, 8) => 0,
        (Protocol::ICMP, 0) => 8,
        (Protocol::ICMP, 13) => 14,
        (Protocol::ICMP, 14) => 13,
        (Protocol::ICMP, 15) => 16,
        (Protocol::ICMP, 16) => 15,
        (Protocol::ICMP, 17) => 18,
        (Protocol::ICMP, 18) => 17,
        (Protocol::ICMP6, 128) => 129,
        (Protocol::ICMP6, 129) => 128,
        (Protocol::ICMP6, 139) => 140,
        (Protocol::ICMP6, 140) => 139,
        (_, other) => other,
    }
}
