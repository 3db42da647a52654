//! What became of the streams: the words and numbers of the verdict.
//!
//! Plain data, judged by [`judge`](super::judge) and serialised as one `traffic` entry of a scenario's result.
//! Never measures anything itself. Tested in `tests.rs`.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use serde::Serialize;

/// How opening went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Opened {
    /// Streams that were asked for.
    pub(crate) wanted: usize,
    /// Streams over which a verified byte has arrived in each direction they use.
    pub(crate) opened: usize,
    /// Streams that ended with a socket error before that.
    pub(crate) failed: usize,
}

impl Opened {
    /// Whether every stream that was asked for opened.
    #[must_use]
    pub(crate) const fn all(self) -> bool {
        self.opened == self.wanted
    }
}

/// The verdict over one traffic; serialises as the result document's `traffic` entry.
///
/// A stream that was between one and three seconds without a byte when judged is counted neither as alive nor as
/// stalled, and one that never opened is counted in `wanted` only: compare `alive` with `wanted`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct TrafficReport {
    /// Streams that were asked for.
    #[serde(skip)]
    pub(crate) wanted: usize,
    /// Streams that opened at all.
    pub(crate) opened: usize,
    /// At least one verified byte within the last second, in each direction that the stream uses.
    pub(crate) alive: usize,
    /// Ended by a socket error, or closed by the far side; of UDP also: now under another address or port to the
    /// server than in the beginning, which makes it another flow. An echo's identifier is nobody's.
    pub(crate) reset: usize,
    /// Opened, no error, and no verified byte for three seconds in a direction that the stream uses.
    pub(crate) stalled: usize,
    /// Payload bytes that differed from the seeded pattern at their offset, both directions.
    pub(crate) corrupted_bytes: u64,
    /// The gap after the fault.
    pub(crate) gap_ms: GapMs,
}

/// Over the opened streams: the longest interval between received bytes that overlaps the ten seconds after the fault,
/// in milliseconds. An interval that has not ended counts until judged, or until the stream's error. Absent without a
/// fault or without streams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct GapMs {
    /// The median stream's; of an even number the lower of the middle two.
    pub(crate) median: Option<u64>,
    /// The worst stream's.
    pub(crate) max: Option<u64>,
}

/// The word for one stream when judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum StreamState {
    /// Not opened, and no error yet.
    Opening,
    /// Not opened, and it never will.
    NeverOpened,
    /// See [`TrafficReport::alive`].
    Alive,
    /// Between alive and stalled.
    Waiting,
    /// See [`TrafficReport::stalled`].
    Stalled,
    /// See [`TrafficReport::reset`].
    Reset,
}

impl fmt::Display for StreamState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Opening => "opening",
            Self::NeverOpened => "never opened",
            Self::Alive => "alive",
            Self::Waiting => "waiting",
            Self::Stalled => "stalled",
            Self::Reset => "reset",
        })
    }
}

/// One stream, for whoever looks for the reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct StreamDetail {
    /// Number of the stream in its traffic, from zero.
    pub(crate) number: usize,
    /// [`Kind::word`](super::Kind::word).
    pub(crate) kind: &'static str,
    /// The client's own address; for an echo the identifier stands in the place of the port.
    pub(crate) local: Option<SocketAddr>,
    /// Where the client connects or sends to.
    pub(crate) target: SocketAddr,
    /// The client's address as the server sees it (after source NAT), once known.
    pub(crate) seen_as: Option<SocketAddr>,
    /// The word.
    pub(crate) state: StreamState,
    /// Verified bytes that the client received.
    pub(crate) received: u64,
    /// Verified bytes that the server received.
    pub(crate) server_received: u64,
    /// Differing bytes, both directions.
    pub(crate) corrupted_bytes: u64,
    /// Time since the last verified byte, the staler direction.
    pub(crate) silence: Option<Duration>,
    /// See [`GapMs`].
    pub(crate) gap: Option<Duration>,
    /// The socket error, either side's.
    pub(crate) error: Option<String>,
}
