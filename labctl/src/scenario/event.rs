//! What happens in a scenario: the entries of its timeline.
//!
//! Never makes anything happen; `lab` and `faults` do. Checked by `check.rs`; tested in `tests.rs`.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::expectation::{Expectation, ExpectationText};
use super::units::{Share, Span};
use crate::link::{Cut, Weather};

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
            Self::Fulfil(traffic) => write!(f, "what {traffic} announced is opened"),
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
    pub(crate) fulfil: Option<String>,
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
