//! A scenario: what runs on the stage, what happens to it, what must be seen.
//!
//! The `...Text` types, here and beside, are what a file says, unknown keys refused; the others are what remains after
//! the checks. Never reads a file. `plan`, `lab` and `verdict` use it; tested in `tests.rs`.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::event::{Event, EventText};
use super::expectation::{Expectation, ExpectationText};
use super::streams::{Helper, StreamText};
use super::topology::Topology;
use crate::traffic::TransferGroup;

/// A scenario that can be run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scenario {
    /// The file's name without its ending.
    pub(crate) name: String,
    /// One line for people.
    pub(crate) title: String,
    /// The stage.
    pub(crate) topology: Topology,
    /// The file's name of the stage, without its ending.
    pub(crate) topology_name: String,
    /// The daemon of each router.
    pub(crate) sync: BTreeMap<String, SyncKind>,
    /// How they talk.
    pub(crate) channel: Channel,
    /// What reads along on the routers, each once. With helpers a router lets in only what is known or announced.
    pub(crate) helpers: Vec<Helper>,
    /// Kernel settings of the routers, in place of the lab's own or besides.
    pub(crate) settings: BTreeMap<String, String>,
    /// keepalived goes by what its router's syncd says in a track file.
    pub(crate) track_file: bool,
    /// How the syncd of a router differs from the lab's usual one.
    pub(crate) syncd: BTreeMap<String, SyncdText>,
    /// How a conntrackd differs from the lab's usual one.
    pub(crate) conntrackd: ConntrackdText,
    /// By name.
    pub(crate) traffic: BTreeMap<String, Vec<StreamText>>,
    /// In order.
    pub(crate) timeline: Vec<Event>,
    /// Judged after the last event.
    pub(crate) expect: Vec<Expectation>,
    /// What the result snapshot holds.
    pub(crate) snapshot: Vec<SnapshotPart>,
}

impl Scenario {
    /// The daemon of a router.
    #[must_use]
    pub(crate) fn sync_of(&self, router: &str) -> SyncKind {
        self.sync.get(router).copied().unwrap_or(SyncKind::None)
    }

    /// The transfers of a traffic; None if it consists of streams.
    #[must_use]
    pub(crate) fn transfers_of(&self, traffic: &str) -> Option<Vec<TransferGroup>> {
        self.traffic.get(traffic)?.iter().map(|group| group.transfers(&self.topology)).collect()
    }
}

/// A scenario as its file gives it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct ScenarioText {
    pub(crate) title: String,
    pub(crate) topology: String,
    pub(crate) sync: Option<BTreeMap<String, SyncKind>>,
    #[serde(default)]
    pub(crate) channel: Channel,
    #[serde(default)]
    pub(crate) helpers: Vec<Helper>,
    #[serde(default)]
    pub(crate) settings: BTreeMap<String, Setting>,
    #[serde(default)]
    pub(crate) track_file: bool,
    #[serde(default)]
    pub(crate) syncd: BTreeMap<String, SyncdText>,
    #[serde(default)]
    pub(crate) conntrackd: ConntrackdText,
    pub(crate) traffic: Option<BTreeMap<String, Vec<StreamText>>>,
    #[serde(default)]
    pub(crate) timeline: Vec<EventText>,
    #[serde(default)]
    pub(crate) expect: Vec<ExpectationText>,
    #[serde(default)]
    pub(crate) snapshot: Vec<SnapshotPart>,
}

/// Which program replicates flows on a router.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SyncKind {
    /// The daemon of this project.
    Syncd,
    /// conntrackd of conntrack-tools, with its usual notify work.
    Conntrackd,
    /// Nothing.
    None,
}

impl SyncKind {
    /// Each of them.
    pub(crate) const ALL: [Self; 3] = [Self::Syncd, Self::Conntrackd, Self::None];

    /// The word of a scenario.
    #[must_use]
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Syncd => "syncd",
            Self::Conntrackd => "conntrackd",
            Self::None => "none",
        }
    }
}

/// The value of a kernel setting; a number needs no quotes.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Setting {
    /// As most are.
    Number(i64),
    /// Any other.
    Text(String),
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// What of a syncd's configuration a scenario may choose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct SyncdText {
    /// The most flows in each cache.
    pub(crate) cache_limit: Option<u32>,
    /// For how many seconds keepalived waits for it to be ready.
    pub(crate) ready_timeout: Option<u32>,
    /// Whether the peer's flows are in the kernel of the router that stands by.
    #[serde(default)]
    pub(crate) disable_external_cache: bool,
}

/// What of a conntrackd's configuration a scenario may choose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct ConntrackdText {
    /// As VyOS has it: the kernel is to keep ends for whoever is slow, and nothing is read again after an overrun.
    #[serde(default)]
    pub(crate) reliable_events: bool,
    /// Objects that it can send again; its own default is 131,072.
    pub(crate) resend_queue_size: Option<u32>,
}

/// How the daemons reach each other over the dedicated link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Channel {
    /// Group 225.0.0.50.
    #[default]
    Multicast,
    /// To the peer's address.
    Unicast,
}

impl Channel {
    /// The word of a scenario.
    #[must_use]
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Multicast => "multicast",
            Self::Unicast => "unicast",
        }
    }
}

/// A part of the result snapshot: `roles`, `flows r2`, `statistics r2 commit link.malformed`, `link`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) enum SnapshotPart {
    /// Every router's role.
    Roles,
    /// A router's flow table.
    Flows(String),
    /// Counters of a router's daemon, each as `0` or `>0`; a name is a counter's, or a group's.
    Statistics(String, Vec<String>),
    /// What the dedicated link did, each as `0` or `>0`.
    Link,
}

impl TryFrom<String> for SnapshotPart {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.split_once(' ') {
            None if text == "roles" => Ok(Self::Roles),
            None if text == "link" => Ok(Self::Link),
            Some(("flows", node)) => Ok(Self::Flows(node.to_owned())),
            Some(("statistics", rest)) => {
                let mut words = rest.split_whitespace().map(str::to_owned);
                let (node, names) = (words.next().unwrap_or_default(), words.collect::<Vec<_>>());
                if names.is_empty() {
                    return Err(format!("`{text}` names no counter: write `statistics NODE commit.failed`"));
                }
                Ok(Self::Statistics(node, names))
            }
            _ => Err(format!(
                "`{text}` is no part of a snapshot: write roles, link, `flows NODE` or `statistics NODE COUNTER...`"
            )),
        }
    }
}
