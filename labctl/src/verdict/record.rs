//! The record of a run: observations, each with its time.
//!
//! Plain data; never says what it means. `lab` writes it, the judge reads it. Tested in `tests.rs`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

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
    /// How many flows a router's external cache and its peer's kernel hold.
    Filling {
        /// The router.
        node: String,
        /// In the cache.
        cached: u64,
        /// In the kernel.
        kernel: u64,
    },
    /// What the primary's kernel held when the addresses began to move, against a router's kernel.
    Kept(String, Difference),
    /// A router's daemon, watched since the timeline began.
    Watched(String, WatchSeen),
    /// The machine: for so long some processor ran nobody.
    StoodStill {
        /// When it went on.
        end: Instant,
        /// How long it had not.
        lasted: Duration,
    },
    /// What a router's daemon has counted.
    Counters(String, BTreeMap<String, u64>),
    /// Whether a router's daemon has said something, and the line.
    Logged(String, String, Option<String>),
    /// What a router's kernel still holds of a traffic that has ended.
    Remaining {
        /// The traffic.
        traffic: String,
        /// The router.
        node: String,
        /// Flows that are left.
        left: usize,
        /// Flows that there were.
        of: usize,
        /// One of those that are left.
        example: Option<String>,
    },
}

/// A daemon, watched for a while.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct WatchSeen {
    /// Answers to its status.
    pub(crate) answers: u32,
    /// The longest of them took so long, without waiting for a processor.
    pub(crate) longest: Duration,
    /// And so long it waited for one.
    pub(crate) waited: Duration,
    /// Questions that were not answered.
    pub(crate) failures: u32,
    /// Why not, at last.
    pub(crate) why: Option<String>,
    /// The most memory it held, in bytes.
    pub(crate) memory: u64,
    /// The most flows its caches held.
    pub(crate) flows: u64,
    /// What its status said of the peer, and when first: state and reason, with every number as `N`.
    pub(crate) said: BTreeMap<String, Instant>,
    /// When it was asked what it has not answered yet.
    pub(crate) asked: Option<Instant>,
}

impl WatchSeen {
    /// Notes a question.
    pub(crate) fn note_question(&mut self, at: Instant) {
        self.asked = Some(at);
    }

    /// Notes an answer; `waited` is what it took because a processor was missing.
    pub(crate) fn note_answer(&mut self, at: Instant, took: Duration, waited: Duration, status: &Status) {
        self.asked = None;
        self.answers += 1;
        let own = took.saturating_sub(waited);
        if own > self.longest {
            (self.longest, self.waited) = (own, waited);
        }
        self.flows = self.flows.max(status.internal_flows + status.external_flows);
        self.said.entry(without_numbers(&status.words())).or_insert(at);
    }

    /// Notes a question without an answer.
    pub(crate) fn note_failure(&mut self, why: String) {
        self.asked = None;
        self.failures += 1;
        self.why = Some(why);
    }
}

/// A text in which every number is `N`.
fn without_numbers(text: &str) -> String {
    let mut short = String::new();
    for character in text.chars() {
        match character {
            '0'..='9' if short.ends_with('N') => {}
            '0'..='9' => short.push('N'),
            other => short.push(other),
        }
    }
    short
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
    /// VRRP has told it, being primary, of another primary of lower priority, and of no new role since.
    pub(crate) lower_heard: bool,
}

/// Whether `node` alone is primary and holds every virtual address, and the words for it.
#[must_use]
pub(crate) fn primary(node: &str, nodes: &[NodeSeen]) -> (bool, String) {
    let holds = nodes.iter().all(|seen| {
        let wanted = if seen.name == node { seen.all } else { 0 };
        (seen.role == Role::Primary) == (seen.name == node) && seen.held == wanted
    });
    (holds, words(nodes))
}

fn words(nodes: &[NodeSeen]) -> String {
    let word =
        |seen: &NodeSeen| format!("{} {} with {}/{} addresses", seen.name, seen.role, seen.held, seen.all);
    nodes.iter().map(word).collect::<Vec<_>>().join(", ")
}

/// Whether every router is primary and holds every virtual address, and the words for it.
#[must_use]
pub(crate) fn both_primary(nodes: &[NodeSeen]) -> (bool, String) {
    (nodes.iter().all(|seen| seen.role == Role::Primary && seen.held == seen.all), words(nodes))
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
