//! What an operator sees first: role, whether a failover would lose flows, and why.

use core::fmt;

use super::kernel::Errno;
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
    /// How far catching up has come, where that can be said.
    pub progress: Option<Progress>,
    /// The last commit, if there was one.
    pub commit: Option<CommitStatus>,
    /// Where the peer's flows are kept in the kernel while we stand by: how many of them wait to be written.
    pub preload: Option<u32>,
    /// Flows in the internal cache.
    pub internal: u32,
    /// Of these, flows whose end may make no event: it is noticed only by reading the kernel's table.
    pub mute: u32,
    /// Flows in the external cache.
    pub external: u32,
    /// Expectations in the internal cache.
    pub internal_expectations: u32,
    /// Expectations in the external cache.
    pub external_expectations: u32,
    /// Flows and expectations waiting to be sent.
    pub queued: u32,
    /// Flows and expectations sent and not acknowledged.
    pub in_flight: u32,
    /// Since when at least something waits for the peer's acknowledgement, queued or in flight; none while nothing has for
    /// long.
    pub waits_since: Option<Instant>,
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

/// How far something has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Flows done.
    pub done: u32,
    /// Of so many, as far as we know; none where nobody knows (the peer does not say how many it has) or none is known yet.
    pub of: Option<u32>,
}

/// Whether both routers know the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// Our external cache equals the peer's internal one as far as the peer has told it, and the peer has acknowledged all
    /// of ours, save what is younger than a second or two: on a router with traffic something is always on its way. What
    /// still waits in the peer's queue only the peer can know, and says in its own status.
    InSync,
    /// Not yet, and why. This ends by itself.
    CatchingUp(Reason),
    /// They do not, and that does not end by itself.
    Diverged(Divergence),
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
    /// The peer's numbers went back, or far ahead.
    ReceivingStuck,
    /// A gap in the peer's frames is not closed yet.
    GapOpen,
    /// Our own kernel's table is being read.
    ReadingKernel,
    /// Our flows are being sent to the peer.
    Sending,
    /// The peer has not acknowledged flows for more than a second.
    Unacknowledged,
    /// Something has waited for the peer for more than a second, although it acknowledges all the time.
    Backlog,
    /// More frames were lost at once than the peer may have kept.
    LargeGap,
    /// A cache was full, and has room again.
    RoomAgain,
    /// Frames were refused a minute ago: what they may have said is asked for again.
    Refused,
    /// What is replicated was changed.
    Reconfigured,
    /// The peer stepped back after both were primary: its flows are taken over.
    PeerYielded,
    /// An operator asked for it.
    Operator,
}

/// Why the routers do not know the same although everything works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Divergence {
    /// Our kernel has more flows than we may keep; the peer does not learn of the others.
    InternalFull {
        /// The most we may keep.
        limit: u32,
    },
    /// The peer has more flows than we may keep.
    ExternalFull {
        /// The most we may keep.
        limit: u32,
    },
    /// The kernel's table cannot be read.
    KernelUnreadable(Errno),
    /// Frames of the peer about flows were refused; what they said is missing here.
    Refused {
        /// How many, since the last resync.
        frames: u32,
    },
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InternalFull { limit } => {
                write!(f, "the internal cache is full: flows beyond {limit} are unknown to the peer")
            }
            Self::ExternalFull { limit } => {
                write!(f, "the external cache is full: flows of the peer beyond {limit} are unknown here")
            }
            Self::KernelUnreadable(error) => write!(f, "the kernel's table cannot be read: {error}"),
            Self::Refused { frames } => {
                write!(f, "{frames} flow messages of the peer made no sense and were refused")
            }
        }
    }
}

impl Reason {
    /// Those for which the peer is asked for all it has; the others end by themselves.
    pub const ASKING: [Self; 13] = [
        Self::Starting,
        Self::PeerHello,
        Self::PeerReturned,
        Self::BecameBackup,
        Self::GapDuringResync,
        Self::NoAnswer,
        Self::ReceivingStuck,
        Self::LargeGap,
        Self::RoomAgain,
        Self::Refused,
        Self::Reconfigured,
        Self::PeerYielded,
        Self::Operator,
    ];

    /// In a word, for machines.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::AwaitingFlows => "awaiting-flows",
            Self::PeerHello => "peer-hello",
            Self::PeerReturned => "peer-returned",
            Self::BecameBackup => "became-backup",
            Self::GapDuringResync => "gap-during-resync",
            Self::NoAnswer => "no-answer",
            Self::ReceivingStuck => "receiving-stuck",
            Self::GapOpen => "gap-open",
            Self::ReadingKernel => "reading-kernel",
            Self::Sending => "sending",
            Self::Unacknowledged => "unacknowledged",
            Self::Backlog => "backlog",
            Self::LargeGap => "large-gap",
            Self::RoomAgain => "room-again",
            Self::Refused => "refused",
            Self::Reconfigured => "reconfigured",
            Self::PeerYielded => "peer-yielded",
            Self::Operator => "operator",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Starting => "starting: no answer from the peer yet",
            Self::AwaitingFlows => "the peer was asked for its flows and has not sent all of them yet",
            Self::PeerHello => "the peer said hello: it has started or restarted",
            Self::PeerReturned => "the peer was silent for a while",
            Self::BecameBackup => "this router became backup",
            Self::GapDuringResync => "frames were lost during a resync; asking again",
            Self::NoAnswer => "the peer did not finish its answer to a resync; asking again",
            Self::ReceivingStuck => "the peer's sequence numbers went back, or far ahead, without a hello",
            Self::GapOpen => "frames of the peer are missing and were asked for again",
            Self::ReadingKernel => "the kernel's table is being read",
            Self::Sending => "flows are being sent to the peer",
            Self::Unacknowledged => "the peer has not acknowledged flows for more than a second",
            Self::Backlog => {
                "flows wait longer than a second: the dedicated link, or the peer, is slower than they come"
            }
            Self::LargeGap => "more frames were lost at once than the peer may have kept",
            Self::RoomAgain => "a cache was full and has room again",
            Self::Refused => "frames were refused a minute ago",
            Self::Reconfigured => "what is replicated was changed",
            Self::PeerYielded => "the peer stepped back after both were primary",
            Self::Operator => "an operator asked for it",
        })
    }
}
