//! The result of a scenario as one JSON document.
//!
//! Its members are part of labctl's interface; durations are in milliseconds from the fault, and null where they do not
//! apply. Never holds anything that a program would have to parse out of a sentence. Made by `session`; tested in
//! `tests.rs`.

use std::collections::BTreeMap;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::lab::Lab;
use crate::probes::caches::Difference;
use crate::traffic::{TrafficReport, TransferReport};

/// The whole result.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Document {
    /// The scenario's name.
    pub(crate) scenario: String,
    /// Whether every expectation was met.
    pub(crate) passed: bool,
    /// In the order in which they were judged.
    pub(crate) expectations: Vec<ExpectationSeen>,
    /// By name.
    pub(crate) traffic: BTreeMap<String, TrafficSeen>,
    /// Times of the last failover.
    pub(crate) failover: FailoverTimes,
    /// The last comparison of an external cache with its peer's kernel, if one was expected to be equal.
    pub(crate) cache: Option<Compared>,
}

/// An external cache against its peer's kernel, in flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Compared {
    /// In the kernel.
    pub(crate) kernel: usize,
    /// In the cache.
    pub(crate) cached: usize,
    /// In the kernel only.
    pub(crate) missing: usize,
    /// In the cache only.
    pub(crate) stale: usize,
    /// In both, but not equal.
    pub(crate) different: usize,
}

impl Compared {
    fn of(difference: &Difference) -> Self {
        let Difference { kernel, cached, missing, extra: stale, different, .. } = *difference;
        Self { kernel, cached, missing, stale, different }
    }
}

/// What became of a named traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(crate) enum TrafficSeen {
    /// One of streams.
    Streams(TrafficReport),
    /// One of transfers.
    Transfers(TransferReport),
}

/// One expectation and what was seen.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct ExpectationSeen {
    /// What was expected.
    pub(crate) text: String,
    /// Whether it was met.
    pub(crate) passed: bool,
    /// What was last seen of it.
    pub(crate) seen: String,
}

/// When what happened, from the fault on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct FailoverTimes {
    /// Until the other router's group was MASTER.
    pub(crate) vrrp_ms: Option<u64>,
    /// Until its syncd began to commit.
    pub(crate) commit_begin_ms: Option<u64>,
    /// Until its syncd had committed.
    pub(crate) commit_end_ms: Option<u64>,
    /// Flows in the kernel of the router that was left, just before.
    pub(crate) flows_before: Option<usize>,
    /// Flows in the kernel of the router that took over, when judged.
    pub(crate) flows_after: Option<usize>,
}

impl FailoverTimes {
    /// Of the lab's last failover, as far as it is known now.
    #[must_use]
    pub(crate) fn of(lab: &Lab) -> Self {
        let Some(failover) = lab.failover() else { return Self::default() };
        let flows_before = failover.flows_before.map(|flows| flows.len());
        let mut times = Self { flows_before, ..Self::default() };
        let taken = lab.roles().taken_over(failover.from.as_deref(), failover.at);
        times.vrrp_ms = taken.map(|at| at.duration_since(failover.at).as_millis() as u64);
        let Some(primary) = lab.primary() else { return times };
        times.flows_after = lab.flows(&primary).ok().map(|flows| flows.len());
        if let Some(commit) = lab.daemon_status(&primary).ok().and_then(|status| status.commit) {
            // A commit before the fault is another one's.
            times.commit_begin_ms = since(failover.at_ns, commit.begin_ns);
            // The role is heard from keepalived by two: what it has caused was not before it.
            times.vrrp_ms = times.vrrp_ms.map(|heard| heard.min(times.commit_begin_ms.unwrap_or(heard)));
            let end = times.commit_begin_ms.and(commit.end_ns);
            times.commit_end_ms = end.and_then(|end| since(failover.at_ns, end));
        }
        times
    }
}

fn since(fault_ns: u64, at_ns: u64) -> Option<u64> {
    at_ns.checked_sub(fault_ns).map(|span| span / 1_000_000)
}

impl Document {
    /// The result of a scenario whose lab could not be built.
    #[must_use]
    pub(crate) fn of_no_lab(scenario: &str, why: String) -> Self {
        let text = "the lab can be built".to_owned();
        Self {
            scenario: scenario.to_owned(),
            passed: false,
            expectations: vec![ExpectationSeen { text, passed: false, seen: why }],
            traffic: BTreeMap::new(),
            failover: FailoverTimes::default(),
            cache: None,
        }
    }

    /// The result of a lab's scenario now.
    #[must_use]
    pub(crate) fn of(lab: &Lab, expectations: Vec<ExpectationSeen>) -> Self {
        let mut traffic = BTreeMap::new();
        lab.each_traffic(|name, running| {
            traffic.insert(name.to_owned(), TrafficSeen::Streams(running.judge(Instant::now())));
        });
        lab.each_transfers(|name, running| {
            traffic.insert(name.to_owned(), TrafficSeen::Transfers(running.report()));
        });
        Self {
            scenario: lab.scenario().name.clone(),
            passed: expectations.iter().all(|expectation| expectation.passed),
            expectations,
            traffic,
            failover: FailoverTimes::of(lab),
            cache: lab.compared().as_ref().map(Compared::of),
        }
    }
}
