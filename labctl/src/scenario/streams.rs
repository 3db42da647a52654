//! The streams of a scenario: how many of which kind, and how the routers treat them.
//!
//! Never opens one. A router's rules know a stream's treatment by its target's port. Driven by `load.rs` and `lab`;
//! tested in `tests.rs`.

use std::net::SocketAddr;

use serde::Deserialize;

use super::topology::{Topology, VirtualAddresses};
use super::units::Rate;
use crate::traffic::{Kind, StreamGroup};

/// Equal streams from the client to the server.
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
    /// Of each download or upload.
    pub(crate) rate: Option<Rate>,
    /// Requests per second of each stream of the other kinds.
    pub(crate) per_second: Option<u32>,
    /// Payload of each request.
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
}

impl Path {
    /// The rules treat a thousand ports from here on alike.
    #[must_use]
    pub(crate) const fn first_port(self) -> u16 {
        match self {
            Self::Plain => 7000,
            Self::Dnat => 8000,
            Self::Mark => 9000,
        }
    }
}

impl StreamText {
    /// The traffic engine's group; `place` is the position in its list, which chooses the port. None when the
    /// topology has no address of the family.
    #[must_use]
    pub(crate) fn group(&self, place: u16, topology: &Topology) -> Option<StreamGroup> {
        let port = self.path.first_port() + place;
        let server = topology.server.address(self.ipv6)?;
        let target = match self.path {
            Path::Plain | Path::Mark => server,
            Path::Dnat => VirtualAddresses::first(&topology.virtual_addresses.lan, self.ipv6)?.address,
        };
        let mut group = StreamGroup::new(self.kind(), self.count, SocketAddr::new(target, port));
        group.listen = SocketAddr::new(server, port);
        group.source = topology.client.address(self.ipv6);
        Some(group)
    }

    fn kind(&self) -> Kind {
        let bits_per_second = self.rate.map_or(1_000_000, |rate| rate.0);
        let per_second = self.per_second.unwrap_or(5);
        let bytes = self.bytes.unwrap_or(200);
        match self.kind {
            StreamKind::Download => Kind::Download { bits_per_second },
            StreamKind::Upload => Kind::Upload { bits_per_second },
            StreamKind::RequestResponse => Kind::RequestResponse { per_second, bytes },
            StreamKind::Udp => Kind::Udp { per_second, bytes },
            StreamKind::Echo => Kind::Echo { per_second, bytes },
        }
    }
}
