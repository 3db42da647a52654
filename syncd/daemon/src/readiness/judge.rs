//! Whether this router could take over now without loss: a function of what is known, and nothing else.
//!
//! Every reason has a code, which machines know it by, and a sentence. Judges the same for every role but for what
//! concerns only a router that does not hold the flows yet. Tested in `readiness/tests.rs`, one test for each reason.

use std::time::Duration;

use syncd_core::replica::{Divergence, Progress, Reason, Role, Status, Sync};
use syncd_core::time::Instant;

use super::sample::Sample;

/// So many flows of the peer that `ignore-address` keeps out here are no difference of the configurations: logins from
/// one router to the other, which each keeps out at home.
const OWN: u64 = 16;

/// What waits for the peer for longer than this is behind. A conntrackd acknowledges once a second.
const BEHIND: Duration = Duration::from_millis(1500);

/// What is known.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    /// Now.
    pub(crate) now: Instant,
    /// The replica's own view.
    pub(crate) status: Status,
    /// The kernel's table; none where it does not say.
    pub(crate) table: Option<Table>,
    /// Some of the peer's flows, looked at.
    pub(crate) sample: Sample,
    /// What the peer has sent of expectations whose helpers are not replicated here, since the configuration was read.
    pub(crate) helpers_skipped: u64,
    /// How long the machine was suspended since the peer last told all its flows.
    pub(crate) stood_still: Option<Duration>,
    /// Every dedicated link and its state, if none of them works.
    pub(crate) links_down: Option<String>,
}

/// The kernel's table of this network namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    /// Flows it holds.
    pub(crate) count: u32,
    /// The most that it holds.
    pub(crate) limit: u32,
}

/// Why not, for machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Code {
    /// The router must not forward.
    Fault,
    /// A commit is running.
    Commit,
    /// No dedicated link works.
    Link,
    /// The peer is silent, or has not answered yet.
    Peer,
    /// Our own kernel's table is not known.
    Kernel,
    /// One of both has not got all flows of the other yet.
    Bulk,
    /// One of both is behind the other.
    Lag,
    /// The peer acknowledges nothing.
    Unacknowledged,
    /// A cache lacks flows, and that does not end by itself.
    Cache,
    /// The kernel has no room for the peer's flows.
    TableSpace,
    /// Both routers are configured differently.
    Configuration,
    /// What is known is older than our clock says.
    Clock,
}

impl Code {
    /// Each of them, in the order in which they are told.
    pub(crate) const ALL: [Self; 12] = [
        Self::Fault,
        Self::Commit,
        Self::Link,
        Self::Peer,
        Self::Kernel,
        Self::Bulk,
        Self::Lag,
        Self::Unacknowledged,
        Self::Cache,
        Self::TableSpace,
        Self::Configuration,
        Self::Clock,
    ];

    /// The word.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Fault => "fault",
            Self::Commit => "commit",
            Self::Link => "link",
            Self::Peer => "peer",
            Self::Kernel => "kernel",
            Self::Bulk => "bulk",
            Self::Lag => "lag",
            Self::Unacknowledged => "unacknowledged",
            Self::Cache => "cache",
            Self::TableSpace => "table-space",
            Self::Configuration => "configuration",
            Self::Clock => "clock",
        }
    }
}

/// One reason why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unready {
    /// For machines.
    pub(crate) code: Code,
    /// For people.
    pub(crate) text: String,
}

/// Every reason why this router could not take over now without loss; it could if there is none.
pub(crate) fn judge(facts: &Facts) -> Vec<Unready> {
    let mut reasons = Vec::new();
    let mut say = |code, text: String| reasons.push(Unready { code, text });
    let Facts { now, status, .. } = facts;
    if status.role == Role::Fault {
        say(Code::Fault, "keepalived says that this router must not forward (fault or stopped)".to_owned());
    }
    if let Some(commit) = status.commit.filter(|commit| commit.end.is_none()) {
        let took = now.since(commit.begin).as_secs_f64();
        say(Code::Commit, format!("a commit is running for {took:.1} s: {} flows so far", commit.committed));
    }
    // The kernel says so at once; that the peer is silent is known some seconds later.
    if let Some(links) = &facts.links_down {
        say(Code::Link, format!("no dedicated link works ({links})"));
    }
    let sync = unsynced(*now, status);
    let lags = matches!(sync, Some((Code::Lag | Code::Unacknowledged | Code::Peer, _)));
    if let Some((code, text)) = sync {
        say(code, text);
    }
    if let Some(waited) = status.waits_since.map(|since| now.since(since)).filter(|_| !lags)
        && waited > BEHIND
    {
        let waiting = status.queued + status.in_flight;
        let text =
            format!("the peer is behind by {:.1} s, {waiting} flows wait for it", waited.as_secs_f64());
        say(Code::Lag, text);
    }
    // Whoever is primary has its flows already, and nobody tells it of others.
    if status.role != Role::Primary {
        for (code, text) in
            [no_room(facts), kept_out(facts), skipped(facts), stood_still(facts)].into_iter().flatten()
        {
            say(code, text);
        }
    }
    reasons
}

/// Why both routers do not know the same.
fn unsynced(now: Instant, status: &Status) -> Option<(Code, String)> {
    let progress = match status.progress {
        Some(Progress { done, of: Some(of) }) => format!(" ({done} of {of} flows)"),
        Some(Progress { done, of: None }) => format!(" ({done} flows so far)"),
        None => String::new(),
    };
    Some(match status.sync {
        Sync::InSync => return None,
        Sync::PeerLost { heard: None } => (Code::Peer, "the peer was never heard".to_owned()),
        Sync::PeerLost { heard: Some(heard) } => {
            (Code::Peer, format!("the peer is silent, heard last {} s ago", now.since(heard).as_secs()))
        }
        Sync::CatchingUp(reason) => (code_of(reason), format!("{reason}{progress}")),
        Sync::Diverged(divergence) => {
            let code = match divergence {
                Divergence::KernelUnreadable(_) => Code::Kernel,
                Divergence::InternalFull { .. }
                | Divergence::ExternalFull { .. }
                | Divergence::Refused { .. } => Code::Cache,
            };
            (code, divergence.to_string())
        }
    })
}

const fn code_of(reason: Reason) -> Code {
    match reason {
        Reason::Starting => Code::Peer,
        Reason::ReadingKernel => Code::Kernel,
        Reason::GapOpen | Reason::Backlog => Code::Lag,
        Reason::Unacknowledged => Code::Unacknowledged,
        Reason::AwaitingFlows
        | Reason::PeerHello
        | Reason::PeerReturned
        | Reason::BecameBackup
        | Reason::GapDuringResync
        | Reason::NoAnswer
        | Reason::ReceivingStuck
        | Reason::Sending
        | Reason::LargeGap
        | Reason::RoomAgain
        | Reason::Refused
        | Reason::Reconfigured
        | Reason::PeerYielded
        | Reason::Operator => Code::Bulk,
    }
}

/// What a commit would find no room for.
fn no_room(facts: &Facts) -> Option<(Code, String)> {
    let Table { count, limit } = facts.table?;
    let needed = facts.sample.not_here(facts.status.external);
    let room = limit.saturating_sub(count);
    (needed > room).then(|| {
        let remedy = "raise nf_conntrack_max, on both routers";
        let text = format!(
            "the kernel's table has room for {room} flows (of {limit}), and {needed} of the peer's would come; {remedy}"
        );
        (Code::TableSpace, text)
    })
}

/// What the peer tells, and this router would not tell.
fn kept_out(facts: &Facts) -> Option<(Code, String)> {
    let sample = &facts.sample;
    let estimate = |seen: u32| sample.scaled(seen, facts.status.external);
    if let Some((protocol, seen)) = sample.protocol_kept_out() {
        let text = format!(
            "the peer tells of flows of {} (some {}), which accept-protocol keeps out here; write the same on both routers",
            protocol.name(),
            estimate(seen)
        );
        return Some((Code::Configuration, text));
    }
    let ignored = estimate(sample.ignored());
    (ignored > OWN).then(|| {
        let text = format!(
            "the peer tells of some {ignored} flows that ignore-address keeps out here; write the same on both routers"
        );
        (Code::Configuration, text)
    })
}

/// Helpers that are replicated there and not here.
fn skipped(facts: &Facts) -> Option<(Code, String)> {
    let frames = facts.helpers_skipped;
    (frames > 0).then(|| {
        let text = format!(
            "the peer has told {frames} times of expectations whose helper expect-sync leaves out here; write the same on \
             both routers"
        );
        (Code::Configuration, text)
    })
}

fn stood_still(facts: &Facts) -> Option<(Code, String)> {
    let span = facts.stood_still?.as_secs();
    let text =
        format!("this machine was suspended for {span} s, and the peer has not told all its flows since");
    Some((Code::Clock, text))
}
