//! The flow table of a network namespace, read with `netlink-packet-netfilter`: the independent witness.
//!
//! Shares no line with syncd's own decoder and never changes a table. Probes drive it; one call walks the host's whole
//! hash table (42 ms for an empty namespace with a million buckets), so nobody should poll with it quickly.
//! Tested in `flows/tests.rs` against flows that real sockets made.

use std::fmt;
use std::net::IpAddr;
use std::os::fd::BorrowedFd;

use netlink_packet_netfilter::conntrack::ConntrackMessage;
use netlink_packet_netfilter::{NetfilterHeader, NetfilterMessage, NetfilterProtoFamily};

use super::dump::{self, DumpError};

pub(super) mod decode;
#[cfg(test)]
mod tests;

/// Addresses and ports of one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SeenTuple {
    /// Who sends in this direction.
    pub(crate) source: IpAddr,
    /// Who receives in this direction.
    pub(crate) target: IpAddr,
    /// What tells flows between the same addresses apart.
    pub(crate) ports: SeenPorts,
}

/// The part of a tuple that belongs to the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum SeenPorts {
    /// TCP, UDP, SCTP...
    Ports {
        /// Source port.
        source: u16,
        /// Target port.
        target: u16,
    },
    /// ICMP and ICMPv6.
    Echo {
        /// Echo identifier.
        id: u16,
        /// ICMP type of this direction.
        kind: u8,
        /// ICMP code.
        code: u8,
    },
    /// A protocol without ports.
    Nothing,
}

impl SeenPorts {
    /// The target's port, where there are ports.
    #[must_use]
    pub(crate) const fn target_port(self) -> Option<u16> {
        match self {
            Self::Ports { target, .. } => Some(target),
            Self::Echo { .. } | Self::Nothing => None,
        }
    }
}

/// A flow as the kernel reported it. Ordered by family, protocol, zone and tuples first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SeenFlow {
    /// Address family.
    pub(crate) family: SeenFamily,
    /// Layer 4 protocol number.
    pub(crate) protocol: u8,
    /// Zone, 0 when absent.
    pub(crate) zone: u16,
    /// The original direction.
    pub(crate) original: SeenTuple,
    /// The reply direction, after NAT.
    pub(crate) reply: SeenTuple,
    /// `ct mark`, 0 when absent.
    pub(crate) mark: u32,
    /// TCP state (`TCP_CONNTRACK_*`: 1 SYN_SENT, 3 ESTABLISHED, 7 TIME_WAIT...), for TCP.
    pub(crate) tcp_state: Option<u8>,
    /// Status word (`IPS_*`).
    pub(crate) status: u32,
    /// Seconds left.
    pub(crate) timeout: u32,
    /// How sequence numbers are shifted, original and reply; what a helper's rewriting has made necessary.
    pub(crate) shifts: Option<[Shift; 2]>,
}

/// How the kernel shifts TCP's sequence numbers in one direction (`CTA_SEQ_ADJ_*`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Shift {
    /// The number from which the second distance counts.
    pub(crate) position: u32,
    /// Before it.
    pub(crate) before: i32,
    /// From it on.
    pub(crate) after: i32,
}

/// Address family of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum SeenFamily {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl SeenFlow {
    /// `IPS_EXPECTED`: a helper had announced it.
    #[must_use]
    pub(crate) const fn expected(&self) -> bool {
        self.status & 0x1 != 0
    }

    /// `IPS_SEEN_REPLY`.
    #[must_use]
    pub(crate) const fn seen_reply(&self) -> bool {
        self.status & 0x2 != 0
    }

    /// `IPS_ASSURED`.
    #[must_use]
    pub(crate) const fn assured(&self) -> bool {
        self.status & 0x4 != 0
    }

    /// `IPS_SRC_NAT`.
    #[must_use]
    pub(crate) const fn src_nat(&self) -> bool {
        self.status & 0x10 != 0
    }

    /// `IPS_DST_NAT`.
    #[must_use]
    pub(crate) const fn dst_nat(&self) -> bool {
        self.status & 0x20 != 0
    }

    /// The TCP state's name as conntrack(8) prints it.
    #[must_use]
    pub(crate) fn tcp_state_name(&self) -> Option<&'static str> {
        const NAMES: [&str; 10] = [
            "NONE",
            "SYN_SENT",
            "SYN_RECV",
            "ESTABLISHED",
            "FIN_WAIT",
            "CLOSE_WAIT",
            "LAST_ACK",
            "TIME_WAIT",
            "CLOSE",
            "SYN_SENT2",
        ];
        self.tcp_state.map(|state| NAMES.get(usize::from(state)).copied().unwrap_or("UNKNOWN"))
    }
}

/// One line without what changes by itself (the timeout), e.g.
/// `tcp 10.1.0.2:40000>198.51.100.2:80 reply 198.51.100.2:80>198.51.100.1:40000 ESTABLISHED assured src-nat mark=7`.
/// A flow whose reply was never seen says `unreplied`.
impl fmt::Display for SeenFlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.protocol {
            1 => f.write_str("icmp")?,
            6 => f.write_str("tcp")?,
            17 => f.write_str("udp")?,
            47 => f.write_str("gre")?,
            58 => f.write_str("icmp6")?,
            132 => f.write_str("sctp")?,
            136 => f.write_str("udplite")?,
            other => write!(f, "proto-{other}")?,
        }
        write!(f, " {} reply {}", self.original, self.reply)?;
        if let Some(state) = self.tcp_state_name() {
            write!(f, " {state}")?;
        }
        let words = [
            (self.expected(), "expected"),
            (!self.seen_reply(), "unreplied"),
            (self.assured(), "assured"),
            (self.src_nat(), "src-nat"),
            (self.dst_nat(), "dst-nat"),
        ];
        for (_, word) in words.iter().filter(|(said, _)| *said) {
            write!(f, " {word}")?;
        }
        if self.mark != 0 {
            write!(f, " mark={}", self.mark)?;
        }
        if self.zone != 0 {
            write!(f, " zone={}", self.zone)?;
        }
        Ok(())
    }
}

impl fmt::Display for SeenTuple {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, target, ports } = self;
        match ports {
            SeenPorts::Ports { source: from, target: to } => {
                let (source, target) =
                    (std::net::SocketAddr::new(*source, *from), std::net::SocketAddr::new(*target, *to));
                write!(f, "{source}>{target}")
            }
            SeenPorts::Echo { id, kind, code } => {
                write!(f, "{source}>{target} type={kind} code={code} id={id}")
            }
            SeenPorts::Nothing => write!(f, "{source}>{target}"),
        }
    }
}

/// Reads the whole flow table, both families, sorted. Flows that come or go meanwhile may be missed (the kernel walks a
/// living table); a flow that it lists twice is returned once.
///
/// # Errors
/// [`DumpError`].
pub(crate) fn dump_flows(ns: BorrowedFd<'_>) -> Result<Vec<SeenFlow>, DumpError> {
    let request = NetfilterMessage::new(
        NetfilterHeader::new(NetfilterProtoFamily::Unspec, 0, 0),
        ConntrackMessage::Get(Vec::new()),
    );
    let mut flows = Vec::new();
    for message in dump::of(ns, request)? {
        flows.push(decode::flow(message)?);
    }
    flows.sort_unstable();
    flows.dedup_by_key(|flow| (flow.zone, flow.protocol, flow.original));
    Ok(flows)
}
