//! What is said between the verbs and a lab: JSON, one value per line, over a Unix socket.
//!
//! Never used between different versions: a lab is the same program that asks it. The owner's stream, given to the lab at
//! its start, carries the same words; the lab ends with it unless it was told to stay. Tested in
//! `labctl/tests/scenarios/holder.rs`.

mod answer;
mod client;
mod server;

use serde::{Deserialize, Serialize};

use crate::bench;
use crate::scenario::{Fault, Sources};

pub(crate) use client::Client;
pub(crate) use server::serve;

/// What can be asked of a lab.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Request {
    /// Build it; the first request of the owner.
    Build(Box<Sources>),
    /// Measure instead; the lab has no nodes but those that are measured.
    Bench(bench::Plan),
    /// Live on without the owner.
    Stay,
    /// Run the scenario.
    Run,
    /// Nodes, roles, programs, traffic.
    Status,
    /// Start a traffic of the scenario, or all.
    TrafficStart(Option<String>),
    /// Let the transfers of a traffic, or all, open what they have announced.
    TrafficFulfil(Option<String>),
    /// How the running traffic is.
    TrafficStatus,
    /// End a traffic, or all.
    TrafficStop(Option<String>),
    /// Break something.
    Failover(Fault),
    /// Look whether the pair is healthy.
    Verify,
    /// A node's namespaces, as descriptors: of its network, mounts, processes and users, in this order. That of users
    /// may be the asker's own.
    Namespaces(String),
    /// End.
    Down,
}

/// What a lab answers; the last one is `Done` or `Failed`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Answer {
    /// What is being done.
    Progress(String),
    /// For the person at the terminal.
    Text(String),
    /// The end of a run.
    Outcome(Box<Outcome>),
    /// What was measured.
    Sample(bench::Sample),
    /// A piece of evidence: name and text.
    File(String, String),
    /// The answer is complete; whether all is as it should be.
    Done {
        /// All is well.
        well: bool,
    },
    /// It could not be done.
    Failed {
        /// What and why.
        message: String,
        /// The exit code that belongs to it.
        code: u8,
    },
}

/// The end of a run in its three forms.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Outcome {
    /// For programs.
    pub(crate) document: serde_json::Value,
    /// For people.
    pub(crate) table: String,
    /// For comparison with earlier runs.
    pub(crate) snapshot: String,
}
