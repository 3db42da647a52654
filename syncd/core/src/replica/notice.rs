//! Everything the replica can say by itself: one enum. The daemon gives each a level by consequence;
//! the simulator demands that no loss of reliability goes without one.

use super::kernel::Errno;
use super::role::Role;
use super::status::Reason;
use crate::flow::{Expectation, Flow, HelperName};
use crate::time::Duration;

/// Something worth telling an operator.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Notice {
    /// The router changed its role.
    RoleEntered {
        /// Before.
        from: Role,
        /// Now.
        to: Role,
    },
    /// The peer says hello: it started, restarted, or lost track.
    PeerHello,
    /// Nothing was heard from the peer for [`crate::ftfw::SILENCE`].
    PeerLost,
    /// The peer is heard (again).
    PeerHeard,
    /// The external cache equals the peer's internal cache.
    CaughtUp {
        /// Flows in the external cache.
        flows: u32,
        /// Stale flows removed, which the peer did not name.
        swept: u32,
        /// Since the resync was asked for.
        took: Duration,
    },
    /// The external cache may miss something or hold something stale; a resync is being asked for.
    CatchingUp(Reason),
    /// A bulk to the peer began.
    BulkBegun {
        /// Flows in the internal cache.
        flows: u32,
        /// What caused it.
        cause: BulkCause,
    },
    /// The last frame of a bulk was sent.
    BulkDone {
        /// Flows sent.
        flows: u32,
        /// Since it began.
        took: Duration,
    },
    /// The kernel dropped events; the table will be dumped and compared.
    EventsLost,
    /// A flow was born whose earlier life had not ended for us: events were lost although the kernel did not say so;
    /// the table will be dumped and compared.
    EndMissed,
    /// A flow ended that we did not know: events were lost although the kernel did not say so; the table will be dumped
    /// and compared.
    BirthMissed,
    /// The kernel holds more or fewer flows than we know of although it reported no loss; the table will be dumped and
    /// compared.
    CountDiffers {
        /// Flows in the kernel's table.
        kernel: u32,
        /// How many more it has than we know of (negative: fewer).
        difference: i64,
    },
    /// Flows were born before anybody listened and may end without an event (`nf_conntrack_events` was not 1): as long
    /// as some of them live the table is dumped and compared from time to time.
    EndsUnheard {
        /// How many.
        flows: u32,
    },
    /// The internal cache equals the kernel's table again.
    Reloaded {
        /// Flows in the internal cache.
        flows: u32,
        /// Flows added by the dump.
        added: u32,
        /// Flows whose end had gone unheard, each confirmed by a GET.
        swept: u32,
        /// Since the dump began.
        took: Duration,
    },
    /// A dump failed; it is tried again.
    ReloadFailed(Errno),
    /// The external cache is being written to the kernel.
    CommitBegun {
        /// Flows to commit.
        flows: u32,
    },
    /// Every flow of the external cache was tried.
    CommitDone {
        /// Flows now in the kernel.
        committed: u32,
        /// Flows that stay in the external cache with their reason.
        failed: u32,
        /// Since the commit began.
        took: Duration,
    },
    /// This router was primary and stands by now: what is left over in its kernel goes in a while.
    PurgeScheduled {
        /// In how long.
        after: Duration,
    },
    /// What is left over in the kernel goes now.
    PurgeBegun {
        /// How many flows.
        flows: u32,
    },
    /// One flow could not be committed (both flows are shown when another one stands in its place).
    CommitFailed {
        /// The flow as the peer had it.
        wanted: Flow,
        /// What the kernel said.
        error: Errno,
        /// The flow in our kernel that is in the way, if one was found.
        existing: Option<Flow>,
    },
    /// Our kernel has not the helper that flows of the peer have; they are committed without it.
    HelperUnknown {
        /// Its name.
        helper: HelperName,
    },
    /// One expectation could not be committed.
    ExpectationFailed {
        /// As the peer had it.
        wanted: Expectation,
        /// What the kernel said.
        error: Errno,
    },
    /// Our kernel tells of no expectations; flows are replicated as ever. Told once.
    ExpectationsUnavailable(Errno),
    /// A cache of expectations reached its limit; those beyond it are not replicated.
    ExpectationsFull {
        /// `true` for the internal cache.
        internal: bool,
        /// The limit, in expectations.
        limit: u32,
    },
    /// A cache reached its limit; flows beyond it are not replicated.
    CacheFull {
        /// `true` for the internal cache.
        internal: bool,
        /// The limit, in flows.
        limit: u32,
    },
    /// The peer acknowledges nothing although it is heard: we start over with hello.
    SendingStuck,
    /// The peer answers a hello that was not ours: somebody else has said it in our name. What we sent since may count as
    /// heard without having been; we say hello ourselves and send everything again.
    ForeignHello,
    /// The peer's numbers went back, or far ahead, without a hello: we follow them and ask for a resync.
    ReceivingStuck,
    /// Ends of flows that the peer was never told had to be forgotten; a hello makes it ask for a resync.
    EndsForgotten {
        /// How many.
        flows: u32,
    },
    /// The peer told of more ends, before our kernel's table was read, than are remembered. What of these flows is left over
    /// in our kernel goes by its timer.
    EarlyEndsDropped {
        /// How many.
        flows: u32,
    },
    /// Notices came faster than they were taken, and the oldest were dropped.
    NoticesDropped {
        /// How many.
        notices: u32,
    },
}

/// What causes a bulk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BulkCause {
    /// Our role, or an operator of ours.
    Ourselves,
    /// The peer said hello.
    PeerStarted,
    /// The peer asked for it.
    PeerAsked,
    /// Frames of the peer were lost for good; one of them may have asked.
    PeerUnheard,
}

impl BulkCause {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Ourselves, Self::PeerStarted, Self::PeerAsked, Self::PeerUnheard];

    /// In a word, for machines.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ourselves => "ourselves",
            Self::PeerStarted => "peer-started",
            Self::PeerAsked => "peer-asked",
            Self::PeerUnheard => "peer-unheard",
        }
    }
}
