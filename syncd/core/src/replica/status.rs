//! What an operator sees first: role, whether a failover would lose flows, and why.

use core::fmt;

use super::role::Role;
use crate::time::Instant;

/// The replica at a glance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Status {
    /// Our role.
    pub role: Role,
    /// Since when.
    pub role_since: Instant,
    /// Whether both routers know the same.
    pub sync: Sync,
    /// Since when.
    pub sync_since: Instant,
    /// The last commit, if there was one.
    pub commit: Option<CommitStatus>,
    /// Flows in the internal cache.
    pub internal: u32,
    /// Flows in the external cache.
    pub external: u32,
    /// Flows waiting to be sent.
    pub queued: u32,
    /// Flows sent and not acknowledged.
    pub in_flight: u32,
}

/// The last commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitStatus {
    /// When it began.
    pub begin: Instant,
    /// When it ended; none while it runs.
    pub end: Option<Instant>,
    /// Flows written to the kernel.
    pub committed: u32,
    /// Flows that could not be written.
    pub failed: u32,
}

/// Whether both routers know the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// Our external cache equals the peer's internal one, and the peer has acknowledged all of ours.
    InSync,
    /// Not yet, and why.
    CatchingUp(Reason),
    /// The peer is silent.
    PeerLost {
        /// When it was heard last; none if never.
        heard: Option<Instant>,
    },
}

/// Why the routers may not know the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// We have just started and were not answered yet.
    Starting,
    /// The peer was asked for its flows and has not sent them all.
    AwaitingFlows,
    /// The peer said hello.
    PeerHello,
    /// The peer was silent for a while.
    PeerReturned,
    /// We became backup.
    BecameBackup,
    /// Frames were lost while the peer answered our resync; we ask again.
    GapDuringResync,
    /// The peer did not finish its answer to our resync; we ask again.
    NoAnswer,
    /// The peer's numbers went back.
    ReceivingStuck,
    /// A gap in the peer's frames is not closed yet.
    GapOpen,
    /// Our own kernel's table is being read.
    ReadingKernel,
    /// Our flows are being sent to the peer.
    Sending,
    /// The peer has not acknowledged flows for more than a second.
    Unacknowledged,
    /// A cache is full.
    CacheFull,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Starting => "starting: no answer from the peer yet",
            Self::AwaitingFlows => {
                "the peer was asked for its flows, which it sends at most once in five seconds"
            }
            Self::PeerHello => "the peer said hello: it has started or restarted",
            Self::PeerReturned => "the peer was silent for a while",
            Self::BecameBackup => "this router became backup",
            Self::GapDuringResync => "frames were lost during a resync; asking again",
            Self::NoAnswer => "the peer did not finish its answer to a resync; asking again",
            Self::ReceivingStuck => "the peer's sequence numbers went back without a hello",
            Self::GapOpen => "frames of the peer are missing and were asked for again",
            Self::ReadingKernel => "the kernel's table is being read",
            Self::Sending => "flows are being sent to the peer",
            Self::Unacknowledged => "the peer has not acknowledged flows for more than a second",
            Self::CacheFull => "a cache is full",
        })
    }
}
