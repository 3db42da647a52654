//! What happens in a scenario: the entries of its timeline.
//!
//! Never makes anything happen; `lab` and `faults` do. Checked by `check/timeline.rs`; tested in `tests.rs`.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::expectation::{Expectation, ExpectationText};
use super::model::SyncKind;
use super::size::Scaled;
use super::units::Span;
use super::weather::WeatherText;
use super::written::{BirthsText, DeathsText, FillText, Written};

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
    /// A named traffic starts, and the timeline goes on when every stream has opened, every transfer announced.
    Start(String),
    /// The transfers of a named traffic open what they have announced; the timeline goes on at once.
    Fulfil(String),
    /// A named traffic ends.
    Stop(String),
    /// Something breaks on a router.
    Fault(Fault, String),
    /// A killed router returns with empty tables: interfaces, rules and its replicating daemon, but no VRRP.
    Boot(String),
    /// keepalived starts on a router that returned.
    StartVrrp(String),
    /// The replicating daemon starts again.
    StartDaemon(String),
    /// A router's replicating daemon ends in an orderly way and another one starts, with its configuration and that of
    /// keepalived, which reads it when it starts again.
    ReplaceDaemon {
        /// The router.
        on: String,
        /// The other one.
        with: SyncKind,
    },
    /// A replicating daemon that hung goes on.
    WakeDaemon(String),
    /// A syncd reads its configuration again: that of the beginning, with these keys otherwise.
    Reload {
        /// The router.
        on: String,
        /// Keys below `conntrack-sync`; one without a value is left out.
        change: serde_yaml::Mapping,
    },
    /// The router's LAN interface comes up again.
    LinkUp(String),
    /// LAN and WAN are divided, or one again.
    Networks(Networks),
    /// Every host forgets who answers for which address, as it would in time.
    ForgetNeighbours,
    /// The dedicated link changes.
    Weather(WeatherText),
    /// Whoever is primary hands over to the other one, so many times.
    HandOver(u32),
    /// Whoever is primary wants to hand over, and does not: what it says became of it.
    FailToHandOver(String),
    /// Many short flows from the client to the server.
    Births {
        /// How many.
        count: u32,
        /// How many in a second.
        per_second: u32,
    },
    /// Flows are written into a router's kernel.
    Write(Written),
    /// Flows are written into a router's kernel while nobody on the host listens, so that nobody will ever hear of them.
    WriteMute(Written),
    /// Flows that were written end.
    Erase(Written),
    /// A router's flow table is filled up to the kernel's limit.
    Fill {
        /// The router.
        on: String,
        /// How many flows still fit.
        leave: u32,
    },
    /// The flows that fill a router's table end.
    Drain(String),
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
    /// The replicating daemon is stopped in its tracks (SIGSTOP), and reads nothing more.
    HangDaemon,
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
            Self::HangDaemon => "hang-daemon",
        }
    }

    /// Whether the other router takes over.
    #[must_use]
    pub(crate) const fn moves_addresses(self) -> bool {
        !matches!(self, Self::KillDaemon | Self::HangDaemon)
    }
}

/// Whether the hosts of each network hear each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Networks {
    /// Each router is alone with its own hosts: the one of higher priority with `client` and `server`, the other with the second pair.
    Split,
    /// The side of higher priority hears the other one, and is not heard.
    HigherHears,
    /// The side of lower priority hears the other one, and is not heard.
    LowerHears,
    /// Everybody hears everybody.
    Whole,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(traffic) => write!(f, "start {traffic}"),
            Self::Fulfil(traffic) => write!(f, "what {traffic} announced is opened"),
            Self::Stop(traffic) => write!(f, "stop {traffic}"),
            Self::Fault(fault, node) => write!(f, "{} {node}", fault.word()),
            Self::Boot(node) => write!(f, "boot {node}"),
            Self::StartVrrp(node) => write!(f, "start keepalived on {node}"),
            Self::StartDaemon(node) => write!(f, "start the daemon on {node}"),
            Self::ReplaceDaemon { on, with } => write!(f, "the daemon on {on} makes way for {}", with.word()),
            Self::WakeDaemon(node) => write!(f, "the daemon on {node} goes on"),
            Self::Reload { on, change } => {
                let keys: Vec<&str> = change.keys().filter_map(serde_yaml::Value::as_str).collect();
                let what = if keys.is_empty() { "as at first".to_owned() } else { keys.join(", ") };
                write!(f, "the daemon on {on} reloads its configuration: {what}")
            }
            Self::LinkUp(node) => write!(f, "the LAN interface of {node} comes up"),
            Self::Networks(Networks::Split) => write!(f, "LAN and WAN are divided between the routers"),
            Self::Networks(Networks::HigherHears) => {
                write!(f, "the router of higher priority hears the other one")
            }
            Self::Networks(Networks::LowerHears) => {
                write!(f, "the router of lower priority hears the other one")
            }
            Self::Networks(Networks::Whole) => write!(f, "LAN and WAN are whole again"),
            Self::ForgetNeighbours => write!(f, "every host asks anew who has its addresses"),
            Self::Weather(_) => write!(f, "the weather of the dedicated link changes"),
            Self::HandOver(count) => write!(f, "whoever is primary hands over, {count} times"),
            Self::FailToHandOver(result) => write!(f, "whoever is primary wants to hand over: {result}"),
            Self::Births { count, .. } => write!(f, "{count} flows are born"),
            Self::Write(written) => write!(f, "{written} are born"),
            Self::WriteMute(written) => write!(f, "{written} are born, and nobody will hear of them"),
            Self::Erase(written) => write!(f, "{written} end"),
            Self::Fill { on, leave } => write!(f, "the flow table of {on} fills up, but for {leave}"),
            Self::Drain(on) => write!(f, "the flows that filled the table of {on} end"),
            Self::Wait(expectation) => write!(f, "wait: {expectation}"),
        }
    }
}

/// One entry as the file gives it: at most `at`, and exactly one of the others.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct EventText {
    pub(crate) at: Option<Scaled<Span>>,
    pub(crate) start: Option<String>,
    pub(crate) fulfil: Option<String>,
    pub(crate) stop: Option<String>,
    pub(crate) fault: Option<Fault>,
    pub(crate) node: Option<String>,
    pub(crate) boot: Option<String>,
    pub(crate) start_vrrp: Option<String>,
    pub(crate) start_daemon: Option<String>,
    pub(crate) replace_daemon: Option<String>,
    pub(crate) with: Option<SyncKind>,
    pub(crate) wake_daemon: Option<String>,
    pub(crate) reload: Option<String>,
    pub(crate) change: Option<serde_yaml::Mapping>,
    pub(crate) link_up: Option<String>,
    pub(crate) networks: Option<Networks>,
    #[serde(default)]
    pub(crate) forget_neighbours: bool,
    pub(crate) weather: Option<WeatherText>,
    pub(crate) handovers: Option<Scaled<u32>>,
    pub(crate) no_handover: Option<String>,
    pub(crate) births: Option<BirthsText>,
    pub(crate) deaths: Option<DeathsText>,
    pub(crate) fill: Option<FillText>,
    pub(crate) drain: Option<String>,
    pub(crate) wait: Option<ExpectationText>,
}
