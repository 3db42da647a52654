//! What traffic is wanted: plain data, checked once before anything opens.
//!
//! Never opens a socket and never reads a clock. A scenario's traffic entry becomes one [`TrafficSpec`];
//! [`Traffic::start`](super::Traffic::start) consumes it. Tested in `tests.rs`.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use thiserror::Error;

/// Without a verified byte for so long a direction is not alive.
pub(crate) const ALIVE: Duration = Duration::from_secs(1);
/// Without a verified byte for so long a direction is stalled.
const STALLED: Duration = Duration::from_secs(3);
/// Whoever asks as often never misses a second.
const OFTEN: Duration = Duration::from_millis(500);
/// Between two requests.
const SHORTEST: Duration = Duration::from_millis(1);
/// See [`SHORTEST`].
const LONGEST: Duration = Duration::from_secs(60);

/// One named traffic of a scenario: groups of equal streams, and the seed of their contents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TrafficSpec {
    /// The groups; streams are numbered through all groups in this order, from zero.
    pub(crate) groups: Vec<StreamGroup>,
    /// Seed of the byte pattern that every stream carries.
    pub(crate) seed: u64,
}

impl TrafficSpec {
    /// Streams of all groups.
    #[must_use]
    pub(crate) fn count(&self) -> usize {
        self.groups.iter().map(|group| group.count as usize).sum()
    }

    /// Finds what could never work, before a socket is opened.
    ///
    /// # Errors
    /// The first [`SpecError`] in the order of groups.
    pub(crate) fn check(&self) -> Result<(), SpecError> {
        let mut listeners: BTreeMap<(bool, SocketAddr), Kind> = BTreeMap::new();
        for (group, wanted) in self.groups.iter().enumerate() {
            wanted.check(group)?;
            if matches!(wanted.kind, Kind::Echo { .. }) {
                continue;
            }
            let key = (wanted.kind.is_tcp(), wanted.listen);
            if *listeners.entry(key).or_insert(wanted.kind) != wanted.kind {
                return Err(SpecError::ListenerShared { group, listen: wanted.listen });
            }
        }
        Ok(())
    }
}

/// Equal streams: same kind, same target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StreamGroup {
    /// What each stream does.
    pub(crate) kind: Kind,
    /// How many streams.
    pub(crate) count: u32,
    /// Where the client connects or sends to. With DNAT this is the router's address, not the server's. The port of
    /// [`Kind::Echo`] is not used.
    pub(crate) target: SocketAddr,
    /// Where the server listens; the address may be unspecified. Groups may share it (a direct and a DNAT group) when
    /// their kind is the same. Not used by [`Kind::Echo`], which the server's kernel answers.
    pub(crate) listen: SocketAddr,
    /// The client's address, where it has several.
    pub(crate) source: Option<IpAddr>,
    /// The client's port of the group's first stream, the next stream takes the next port; for [`Kind::Echo`] the
    /// echo identifier. The kernel chooses ports (and the seed chooses identifiers) when absent.
    pub(crate) source_port: Option<u16>,
}

impl StreamGroup {
    /// `count` streams of a kind to a target on which the server listens itself.
    #[must_use]
    pub(crate) fn new(kind: Kind, count: u32, target: SocketAddr) -> Self {
        Self { kind, count, target, listen: target, source: None, source_port: None }
    }

    fn check(&self, group: usize) -> Result<(), SpecError> {
        if self.count == 0 {
            return Err(SpecError::NoStreams { group });
        }
        if self.source.is_some_and(|source| source.is_ipv4() != self.target.is_ipv4()) {
            return Err(SpecError::MixedFamilies { group });
        }
        if self.source_port.is_some_and(|first| u32::from(first) + self.count > 1 << 16) {
            return Err(SpecError::PortsOverflow { group });
        }
        let sound = match self.kind {
            Kind::Download { bits_per_second } | Kind::Upload { bits_per_second } => {
                (8_000..=100_000_000).contains(&bits_per_second)
            }
            Kind::RequestResponse { every, bytes } => {
                (SHORTEST..=LONGEST).contains(&every) && (1..=16_384).contains(&bytes)
            }
            Kind::Udp { per_second, bytes } | Kind::Echo { per_second, bytes } => {
                (2..=1_000).contains(&per_second) && (32..=1_400).contains(&bytes)
            }
        };
        if sound { Ok(()) } else { Err(SpecError::Pace { group }) }
    }
}

/// What a stream does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// TCP; the server talks first and never stops, the client never sends a byte.
    Download {
        /// Pace of each stream, 8,000 to 100,000,000.
        bits_per_second: u32,
    },
    /// TCP; the client talks first and never stops, the server never sends a byte.
    Upload {
        /// Pace of each stream, 8,000 to 100,000,000.
        bits_per_second: u32,
    },
    /// TCP; the client asks, the server answers, the client asks again when it is time and the answer is there.
    RequestResponse {
        /// Time between the requests of each stream, 1 ms to 60 s. With more than half a second between them a stream is
        /// idle for most of its life.
        every: Duration,
        /// Size of a request and of its answer, 1 to 16,384.
        bytes: u32,
    },
    /// UDP; like request and response, but the client does not wait for the answer.
    Udp {
        /// Requests per second of each stream, 2 to 1,000 (alive means: within the last second).
        per_second: u32,
        /// Payload of a request and of its answer, 32 to 1,400.
        bytes: u32,
    },
    /// ICMP or ICMPv6 echo, one identifier per stream; the family is the target's.
    Echo {
        /// Requests per second of each stream, 2 to 1,000 (alive means: within the last second).
        per_second: u32,
        /// Payload of a request and of its answer, 32 to 1,400.
        bytes: u32,
    },
}

impl Kind {
    /// Whether the stream is a TCP connection.
    #[must_use]
    pub(crate) const fn is_tcp(self) -> bool {
        matches!(self, Self::Download { .. } | Self::Upload { .. } | Self::RequestResponse { .. })
    }

    /// Whether the client receives data.
    #[must_use]
    pub(crate) const fn client_receives(self) -> bool {
        !matches!(self, Self::Upload { .. })
    }

    /// Whether the receipt of data at the server is watched. An echo's answer proves both directions at the client.
    #[must_use]
    pub(crate) const fn server_receives(self) -> bool {
        matches!(self, Self::Upload { .. } | Self::RequestResponse { .. })
    }

    /// Without a verified byte for so long a stream that uses a direction is not alive in it, and for so long it is
    /// stalled: one and three seconds, and where it is idle longer by itself so much more.
    #[must_use]
    pub(crate) fn patience(self) -> (Duration, Duration) {
        let idle = match self {
            Self::RequestResponse { every, .. } if every > OFTEN => every,
            _ => Duration::ZERO,
        };
        (ALIVE + idle, STALLED + idle)
    }

    /// The word in reports.
    #[must_use]
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Download { .. } => "download",
            Self::Upload { .. } => "upload",
            Self::RequestResponse { .. } => "request-response",
            Self::Udp { .. } => "udp",
            Self::Echo { .. } => "echo",
        }
    }
}

/// Why a [`TrafficSpec`] cannot be started. Groups are numbered from zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum SpecError {
    /// A group without streams.
    #[error("traffic group {group} has no streams: give a count of at least 1")]
    NoStreams {
        /// The group.
        group: usize,
    },
    /// The source is IPv4 and the target IPv6, or the reverse.
    #[error("traffic group {group} has a source of another address family than its target")]
    MixedFamilies {
        /// The group.
        group: usize,
    },
    /// The first port plus the count exceeds 65,535.
    #[error(
        "traffic group {group} needs more source ports than follow its first one: lower source_port or count"
    )]
    PortsOverflow {
        /// The group.
        group: usize,
    },
    /// Pace or size outside the documented range.
    #[error("traffic group {group} has a pace or a size outside the range of its kind")]
    Pace {
        /// The group.
        group: usize,
    },
    /// One listening address, two kinds of stream.
    #[error(
        "traffic group {group} listens on {listen}, where another group of another kind or pace listens already: take another port"
    )]
    ListenerShared {
        /// The later group.
        group: usize,
        /// The address.
        listen: SocketAddr,
    },
}
