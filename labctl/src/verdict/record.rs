//! The record of a run: observations, each with its time.
//!
//! Plain data; never says what it means. `lab` writes it, the judge reads it. Tested in `tests.rs`.

use std::time::Instant;

use crate::probes::caches::Difference;
use crate::probes::roles::Role;
use crate::probes::syncd::Status;
use crate::traffic::{TrafficReport, TransferReport};

/// One look at something.
#[derive(Clone, Debug)]
pub(crate) struct Observation {
    /// When.
    pub(crate) at: Instant,
    /// What.
    pub(crate) seen: Seen,
}

/// What can be looked at.
#[derive(Clone, Debug)]
pub(crate) enum Seen {
    /// Every router.
    Nodes(Vec<NodeSeen>),
    /// A named traffic.
    Traffic(String, TrafficReport),
    /// A named traffic that consists of transfers.
    Transfers(String, TransferReport),
    /// What a router's external cache knows against what its peer's helpers expect.
    Expectations(String, Difference),
    /// What a router's kernel expects against what the kernel of the router that was left expected.
    ExpectationsKept(String, Difference),
    /// A router's daemon.
    Daemon(String, Status),
    /// What failed in the script of a router's conntrackd for the primary; None before it has run to its end.
    Script(String, Option<Vec<String>>),
    /// A router's external cache against its peer's kernel.
    Cache(String, Difference),
    /// What the primary's kernel held when the addresses began to move, against a router's kernel.
    Kept(String, Difference),
}

/// A router as the network sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NodeSeen {
    /// Its name.
    pub(crate) name: String,
    /// As VRRP announced it.
    pub(crate) role: Role,
    /// Virtual addresses that its interfaces hold.
    pub(crate) held: usize,
    /// Virtual addresses that there are.
    pub(crate) all: usize,
}

/// Whether `node` alone is primary and holds every virtual address, and the words for it.
#[must_use]
pub(crate) fn primary(node: &str, nodes: &[NodeSeen]) -> (bool, String) {
    let holds = nodes.iter().all(|seen| {
        let wanted = if seen.name == node { seen.all } else { 0 };
        (seen.role == Role::Primary) == (seen.name == node) && seen.held == wanted
    });
    let word =
        |seen: &NodeSeen| format!("{} {} with {}/{} addresses", seen.name, seen.role, seen.held, seen.all);
    (holds, nodes.iter().map(word).collect::<Vec<_>>().join(", "))
}

/// All observations of a run, in the order of their times.
#[derive(Debug, Default)]
pub(crate) struct Record(Vec<Observation>);

impl Record {
    /// Adds an observation; times never go back.
    pub(crate) fn add(&mut self, at: Instant, seen: Seen) {
        assert!(self.end().is_none_or(|end| end <= at), "observations are added in order");
        self.0.push(Observation { at, seen });
    }

    /// The observations from a moment on.
    pub(crate) fn since(&self, from: Instant) -> impl Iterator<Item = &Observation> {
        self.0[self.0.partition_point(|observation| observation.at < from)..].iter()
    }

    /// The time of the last observation.
    #[must_use]
    pub(crate) fn end(&self) -> Option<Instant> {
        self.0.last().map(|observation| observation.at)
    }
}
