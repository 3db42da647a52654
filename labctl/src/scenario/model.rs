//! A scenario: what runs on the stage, what happens to it, what must be seen.
//!
//! The `...Text` types are what a file says, unknown keys refused; the others are what remains after the checks of
//! `load.rs`. Never reads a file. `plan`, `lab` and `verdict` use it; tested in `tests.rs`.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::topology::{Topology, VirtualAddresses};
use super::units::{Rate, Share, Span};
use crate::link::{Cut, Weather};
use crate::traffic::{Kind, StreamGroup};

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

/// How the daemons reach each other over the dedicated link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Channel {
    /// Group 225.0.0.50.
    #[default]
    Multicast,
    /// To the peer's address.
    Unicast,
}

/// Equal streams from the client to the server.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct StreamText {
    /// What each does.
    pub(crate) kind: StreamKind,
    /// How many.
    pub(crate) count: u32,
    /// How the router treats them.
    #[serde(default)]
    pub(crate) path: Path,
    /// IPv6 instead of IPv4.
    #[serde(default)]
    pub(crate) ipv6: bool,
    /// Of each download or upload.
    pub(crate) rate: Option<Rate>,
    /// Requests per second of each stream of the other kinds.
    pub(crate) per_second: Option<u32>,
    /// Payload of each request.
    pub(crate) bytes: Option<u32>,
}

/// The word for what a stream does; see [`Kind`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum StreamKind {
    /// The server talks first and never stops.
    Download,
    /// The client talks and never stops.
    Upload,
    /// Question and answer over TCP.
    RequestResponse,
    /// Question and answer over UDP.
    Udp,
    /// ICMP or ICMPv6 echo.
    Echo,
}

/// How the routers treat a stream, by its target's port: see [`Path::first_port`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Path {
    /// Source NAT only.
    #[default]
    Plain,
    /// Target NAT from the client's gateway to the server as well.
    Dnat,
    /// A mark on the flow as well.
    Mark,
}

impl Path {
    /// The rules treat a thousand ports from here on alike.
    #[must_use]
    pub(crate) const fn first_port(self) -> u16 {
        match self {
            Self::Plain => 7000,
            Self::Dnat => 8000,
            Self::Mark => 9000,
        }
    }
}

impl StreamText {
    /// The traffic engine's group; `place` is the position in its list, which chooses the port. None when the
    /// topology has no address of the family.
    #[must_use]
    pub(crate) fn group(&self, place: u16, topology: &Topology) -> Option<StreamGroup> {
        let port = self.path.first_port() + place;
        let server = topology.server.address(self.ipv6)?;
        let target = match self.path {
            Path::Plain | Path::Mark => server,
            Path::Dnat => VirtualAddresses::first(&topology.virtual_addresses.lan, self.ipv6)?.address,
        };
        let mut group = StreamGroup::new(self.kind(), self.count, SocketAddr::new(target, port));
        group.listen = SocketAddr::new(server, port);
        group.source = topology.client.address(self.ipv6);
        Some(group)
    }

    fn kind(&self) -> Kind {
        let bits_per_second = self.rate.map_or(1_000_000, |rate| rate.0);
        let per_second = self.per_second.unwrap_or(5);
        let bytes = self.bytes.unwrap_or(200);
        match self.kind {
            StreamKind::Download => Kind::Download { bits_per_second },
            StreamKind::Upload => Kind::Upload { bits_per_second },
            StreamKind::RequestResponse => Kind::RequestResponse { per_second, bytes },
            StreamKind::Udp => Kind::Udp { per_second, bytes },
            StreamKind::Echo => Kind::Echo { per_second, bytes },
        }
    }
}

/// One entry of the timeline.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    /// Not before this time after the timeline began; otherwise as soon as the entry before it is done.
    pub(crate) at: Option<Span>,
    /// What happens.
    pub(crate) action: Action,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Action {
    /// A named traffic starts, and the timeline goes on when every stream has opened.
    Start(String),
    /// Something breaks on a router.
    Fault(Fault, String),
    /// A killed router returns with empty tables: interfaces, rules and its replicating daemon, but no VRRP.
    Boot(String),
    /// keepalived starts on a router that returned.
    StartVrrp(String),
    /// The replicating daemon starts again.
    StartDaemon(String),
    /// The dedicated link changes.
    Weather(WeatherText),
    /// Many short flows.
    Births(BirthsText),
    /// The timeline goes on when this is seen.
    Wait(Expectation),
}

/// What can break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Fault {
    /// The router's namespace goes, with every process and link in it.
    KillRouter,
    /// keepalived is stopped in an orderly way.
    StopVrrp,
    /// The router's LAN interface goes down.
    LinkDown,
    /// The replicating daemon is killed.
    KillDaemon,
}

impl Fault {
    /// The word of a scenario.
    #[must_use]
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::KillRouter => "kill-router",
            Self::StopVrrp => "stop-vrrp",
            Self::LinkDown => "link-down",
            Self::KillDaemon => "kill-daemon",
        }
    }

    /// Whether the other router takes over.
    #[must_use]
    pub(crate) const fn moves_addresses(self) -> bool {
        !matches!(self, Self::KillDaemon)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(traffic) => write!(f, "start {traffic}"),
            Self::Fault(fault, node) => write!(f, "{} {node}", fault.word()),
            Self::Boot(node) => write!(f, "boot {node}"),
            Self::StartVrrp(node) => write!(f, "start keepalived on {node}"),
            Self::StartDaemon(node) => write!(f, "start the daemon on {node}"),
            Self::Weather(_) => write!(f, "the weather of the dedicated link changes"),
            Self::Births(births) => write!(f, "{} flows are born", births.count),
            Self::Wait(expectation) => write!(f, "wait: {expectation}"),
        }
    }
}

/// One entry as the file gives it: at most `at`, and exactly one of the others.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct EventText {
    pub(crate) at: Option<Span>,
    pub(crate) start: Option<String>,
    pub(crate) fault: Option<Fault>,
    pub(crate) node: Option<String>,
    pub(crate) boot: Option<String>,
    pub(crate) start_vrrp: Option<String>,
    pub(crate) start_daemon: Option<String>,
    pub(crate) weather: Option<WeatherText>,
    pub(crate) births: Option<BirthsText>,
    pub(crate) wait: Option<ExpectationText>,
}

/// What the dedicated link does to frames from now on. What is not named does not happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct WeatherText {
    loss: Share,
    duplicate: Share,
    reorder: Share,
    corrupt: Share,
    delay: Span,
    jitter: Span,
    cut: CutText,
    seed: u64,
}

/// Directions of the dedicated link that carry nothing; a is the router that comes first in the topology.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum CutText {
    #[default]
    None,
    Both,
    AToB,
    BToA,
}

impl WeatherText {
    /// The link's own words.
    #[must_use]
    pub(crate) fn weather(self) -> Weather {
        let milliseconds = |span: Span| u32::try_from(span.0.as_millis()).unwrap_or(u32::MAX);
        Weather {
            loss: self.loss.fraction(),
            duplicate: self.duplicate.fraction(),
            reorder: self.reorder.fraction(),
            corrupt: self.corrupt.fraction(),
            delay_ms: milliseconds(self.delay),
            jitter_ms: milliseconds(self.jitter),
            cut: match self.cut {
                CutText::None => Cut::None,
                CutText::Both => Cut::Both,
                CutText::AToB => Cut::AToB,
                CutText::BToA => Cut::BToA,
            },
            seed: self.seed,
        }
    }
}

/// Short flows at a rate, from the client to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct BirthsText {
    /// How many.
    pub(crate) count: u32,
    /// How many in a second.
    pub(crate) per_second: u32,
}

/// Something that must be seen.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Expectation {
    /// What.
    pub(crate) seen: Sight,
    /// Not later than this after the last event.
    pub(crate) within: Span,
    /// And without interruption for this long.
    pub(crate) stable: Span,
}

/// What can be expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sight {
    /// This router is primary, no other is, and it holds every virtual address.
    Primary(String),
    /// This share of a traffic's streams is alive, and no byte of it is corrupted.
    Alive(String, Share),
    /// The router's daemon says that it is in sync with its peer.
    InSync(String),
    /// The router's external cache holds what its peer's kernel holds, after the filter.
    CacheEqual(String),
    /// The router's commit has ended, and nothing failed.
    Committed(String),
}

impl fmt::Display for Sight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Primary(node) => write!(f, "{node} is the only primary and holds all virtual addresses"),
            Self::Alive(name, share) => write!(f, "{share} of {name} alive, nothing corrupted"),
            Self::InSync(node) => write!(f, "{node} is in sync"),
            Self::CacheEqual(node) => write!(f, "the external cache of {node} equals its peer's kernel"),
            Self::Committed(node) => write!(f, "{node} has committed, nothing failed"),
        }
    }
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} within {}", self.seen, self.within)?;
        if self.stable > Span::default() {
            write!(f, " for {}", self.stable)?;
        }
        Ok(())
    }
}

/// An expectation as the file gives it: one subject, `within`, perhaps `for`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct ExpectationText {
    pub(crate) primary: Option<String>,
    pub(crate) streams: Option<String>,
    pub(crate) alive: Option<Share>,
    pub(crate) in_sync: Option<String>,
    pub(crate) cache_equal: Option<String>,
    pub(crate) committed: Option<String>,
    pub(crate) within: Span,
    #[serde(rename = "for", default)]
    pub(crate) stable: Span,
}

/// A part of the result snapshot: `roles`, `flows r2`, `statistics r2`, `link`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) enum SnapshotPart {
    /// Every router's role.
    Roles,
    /// A router's flow table.
    Flows(String),
    /// A router's daemon's counters, each as `0` or `>0`.
    Statistics(String),
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
            Some(("statistics", node)) => Ok(Self::Statistics(node.to_owned())),
            _ => Err(format!(
                "`{text}` is no part of a snapshot: write roles, link, `flows NODE` or `statistics NODE`"
            )),
        }
    }
}
