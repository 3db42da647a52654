//! The streams of a scenario: how many of which kind, and how the routers treat them.
//!
//! Never opens one. A router's rules know a stream's treatment by its target's port. Driven by `load.rs` and `lab`;
//! tested in `tests.rs`.

use std::net::SocketAddr;
use std::time::Duration;

use serde::Deserialize;

use super::topology::{Hosts, Topology, VirtualAddresses};
use super::units::{Rate, Span};
use crate::traffic::{Kind, StreamGroup, TransferGroup, TransferKind};

/// Payload of a file where a scenario says nothing: many segments.
const FILE: u32 = 262_144;

/// Equal streams, or equal transfers, from the client to the server.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct StreamText {
    /// What each does.
    pub(crate) kind: StreamKind,
    /// How many.
    pub(crate) count: u32,
    /// How the router treats them.
    #[serde(default)]
    pub(crate) path: Path,
    /// IPv6 instead of IPv4.
    #[serde(default)]
    pub(crate) ipv6: bool,
    /// Between which hosts; the same for a whole traffic.
    #[serde(default)]
    pub(crate) hosts: Hosts,
    /// Which of the thousand ports of its path; otherwise its place in its list. Two traffics that run at a time need it.
    pub(crate) offset: Option<u16>,
    /// Of each download or upload.
    pub(crate) rate: Option<Rate>,
    /// Requests per second of each stream of the other kinds.
    pub(crate) per_second: Option<u32>,
    /// Instead of `per-second`, for streams that are idle most of the time: between two requests of each.
    pub(crate) every: Option<Span>,
    /// Payload of each request, or of each file of a transfer.
    pub(crate) bytes: Option<u32>,
}

/// The word for what a stream does; see [`Kind`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum StreamKind {
    /// The server talks first and never stops.
    Download,
    /// The client talks and never stops.
    Upload,
    /// Question and answer over TCP.
    RequestResponse,
    /// Question and answer over UDP.
    Udp,
    /// ICMP or ICMPv6 echo.
    Echo,
    /// Files over data connections that the server announces.
    FtpPassive,
    /// Files over data connections that the client announces.
    FtpActive,
    /// A call whose voice both sides announce.
    Sip,
}

impl StreamKind {
    /// What it is among transfers, if it is one.
    const fn transfer(self) -> Option<TransferKind> {
        match self {
            Self::FtpPassive => Some(TransferKind::FtpPassive),
            Self::FtpActive => Some(TransferKind::FtpActive),
            Self::Sip => Some(TransferKind::Sip),
            Self::Download | Self::Upload | Self::RequestResponse | Self::Udp | Self::Echo => None,
        }
    }
}

/// A helper of the routers' connection tracking: it reads along on control flows from the LAN, rewrites what they
/// announce, and lets the announced flow in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Helper {
    /// FTP, over TCP.
    Ftp,
    /// SIP, over UDP.
    Sip,
}

impl Helper {
    /// The kernel's name, and the daemons'.
    #[must_use]
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Ftp => "ftp",
            Self::Sip => "sip",
        }
    }

    /// Of the control flow.
    #[must_use]
    pub(crate) const fn protocol(self) -> &'static str {
        match self {
            Self::Ftp => "tcp",
            Self::Sip => "udp",
        }
    }

    /// Where control flows go to.
    #[must_use]
    pub(crate) const fn port(self) -> u16 {
        match self {
            Self::Ftp => 21,
            Self::Sip => 5060,
        }
    }
}

/// How the routers treat a stream, by its target's port: see [`Path::first_port`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Path {
    /// Source NAT only.
    #[default]
    Plain,
    /// Target NAT from the client's gateway to the server as well.
    Dnat,
    /// A mark on the flow as well.
    Mark,
    /// In a conntrack zone of its own, in both directions.
    Zone,
    /// Source NAT to one port only: no two flows to the same target at a time.
    Narrow,
}

impl Path {
    /// Streams go to ports from here on.
    pub(crate) const FIRST_PORT: u16 = Self::Plain.first_port();
    /// And not beyond this one.
    pub(crate) const LAST_PORT: u16 = Self::Mark.first_port() + 999;

    /// The rules treat a thousand ports from here on alike.
    #[must_use]
    pub(crate) const fn first_port(self) -> u16 {
        match self {
            Self::Plain => 7000,
            Self::Dnat => 8000,
            Self::Mark => 9000,
            Self::Zone => 5000,
            Self::Narrow => 6000,
        }
    }
}

impl StreamText {
    /// The helper without which it cannot work, if it is a transfer.
    #[must_use]
    pub(crate) fn helper(&self) -> Option<Helper> {
        self.kind.transfer().map(|kind| if kind == TransferKind::Sip { Helper::Sip } else { Helper::Ftp })
    }

    /// The transfers, if it is some. None also when the topology has no address of its family.
    #[must_use]
    pub(crate) fn transfers(&self, topology: &Topology) -> Option<TransferGroup> {
        let (kind, port) = (self.kind.transfer()?, self.helper()?.port());
        let server = topology.server.address(self.ipv6)?;
        let target = match self.path {
            Path::Plain | Path::Mark | Path::Zone | Path::Narrow => server,
            Path::Dnat => VirtualAddresses::first(&topology.virtual_addresses.lan, self.ipv6)?.address,
        };
        let bytes = self.bytes.unwrap_or(FILE);
        let (target, listen) = (SocketAddr::new(target, port), SocketAddr::new(server, port));
        Some(TransferGroup { kind, count: self.count, target, listen, bytes })
    }

    /// The traffic engine's group; `place` is the position in its list. None when the
    /// topology has no address of the family, and for transfers.
    #[must_use]
    pub(crate) fn group(&self, place: u16, topology: &Topology) -> Option<StreamGroup> {
        let port = self.path.first_port() + self.offset.unwrap_or(place);
        let (client, server) = topology.hosts(self.hosts)?;
        let server = server.address(self.ipv6)?;
        let target = match self.path {
            Path::Plain | Path::Mark | Path::Zone | Path::Narrow => server,
            Path::Dnat => VirtualAddresses::first(&topology.virtual_addresses.lan, self.ipv6)?.address,
        };
        let mut group = StreamGroup::new(self.kind()?, self.count, SocketAddr::new(target, port));
        group.listen = SocketAddr::new(server, port);
        group.source = client.address(self.ipv6);
        Some(group)
    }

    fn kind(&self) -> Option<Kind> {
        let bits_per_second = self.rate.map_or(1_000_000, |rate| rate.0);
        let per_second = self.per_second.unwrap_or(5);
        let bytes = self.bytes.unwrap_or(200);
        let kind = match self.kind {
            StreamKind::Download => Kind::Download { bits_per_second },
            StreamKind::Upload => Kind::Upload { bits_per_second },
            StreamKind::RequestResponse => {
                let often = Duration::from_secs(1).checked_div(per_second).unwrap_or_default();
                Kind::RequestResponse { every: self.every.map_or(often, |span| span.0), bytes }
            }
            StreamKind::Udp => Kind::Udp { per_second, bytes },
            StreamKind::Echo => Kind::Echo { per_second, bytes },
            StreamKind::FtpPassive | StreamKind::FtpActive | StreamKind::Sip => return None,
        };
        Some(kind)
    }
}
