//! What is said on the control socket: values and their JSON. The version stands first in every record.
//!
//! Version 1. Unknown requests are refused, so a newer client and an older daemon part with a clear word.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use syncd_core::filter::{Filter, Network};
use syncd_core::replica::{Replica, Role, Step};
use syncd_core::wire::{Control, Seq};

use crate::config::shortened;
use crate::journal::told::LineView;
use crate::show::expectations::ExpectationView;
use crate::show::failover::FailoversView;
use crate::show::handover::HandoverView;
use crate::show::ready::ReadyView;
use crate::show::selection::Selection;
use crate::show::view::{FlowView, StatisticsView, StatusView, role_named};

/// The version of this protocol.
pub(crate) const VERSION: u32 = 1;

/// At most so many flows in one page: it is made within one turn and fits one record.
pub(crate) const PAGE: usize = 128;

/// At most so many numbers in one answer.
const NUMBERS: usize = 1024;

/// What a client wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Request {
    /// The replica at a glance.
    Status,
    /// Everything that is counted.
    Statistics,
    /// The page for Prometheus.
    Metrics,
    /// Whether this router could take over now without loss.
    Ready,
    /// What became of flows in the last changes of role.
    Failovers {
        /// At most so many, the newest first.
        most: u32,
    },
    /// One page of a cache.
    Cache {
        /// Which one.
        cache: Cache,
        /// Where the page begins: 0, then [`Page::next`].
        from: u32,
        /// How the flows shall be written.
        form: Form,
        /// Which of them.
        #[serde(default)]
        selection: Selection,
        /// At most so many; a page holds no more than [`PAGE`] anyway.
        #[serde(default)]
        most: Option<u32>,
    },
    /// Read the configuration again.
    Reload,
    /// Make the other router primary.
    Handover {
        /// How long both routers may take until they know the same, in seconds.
        patience_s: u32,
    },
    /// This router has that role from now on.
    Role {
        /// `primary`, `backup` or `fault`.
        role: String,
        /// The sync group that is meant, if the caller names it.
        group: Option<String>,
        /// Whether to answer only when the role's jobs are done.
        wait: bool,
    },
    /// One step by itself.
    Step {
        /// Which one.
        step: StepWord,
        /// Whether to answer only when it is done.
        wait: bool,
    },
    /// Which flows are told to the peer.
    Filter,
    /// Some of the messages that the peer has not acknowledged.
    Unacknowledged {
        /// Only those after this number, if there is one.
        after: Option<u32>,
    },
    /// End.
    Stop,
    /// End, and begin again as the same process with the same arguments.
    Restart,
    /// What the daemon said by itself.
    Told {
        /// Only lines after this number; 0 for all that are kept.
        after: u64,
        /// Whether to go on with every line as it comes, until the client hangs up.
        follow: bool,
    },
}

/// A step, as it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum StepWord {
    /// External cache into the kernel.
    Commit,
    /// Kernel into the internal cache.
    ReloadInternal,
    /// Internal cache to the peer.
    Bulk,
    /// Ask the peer for its internal cache.
    AskPeer,
    /// Make the external cache equal to the peer's internal one.
    ResetExternal,
}

impl StepWord {
    /// As the replica knows it.
    pub(crate) const fn step(self) -> Step {
        match self {
            Self::Commit => Step::Commit,
            Self::ReloadInternal => Step::ReloadInternal,
            Self::Bulk => Step::Bulk,
            Self::AskPeer => Step::AskPeer,
            Self::ResetExternal => Step::ResetExternal,
        }
    }
}

/// Which flows are told to the peer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FilterView {
    /// IANA's numbers; all protocols if empty.
    pub(crate) accepted: Vec<u8>,
    /// Networks whose flows are not told.
    pub(crate) ignored: Vec<String>,
}

impl FilterView {
    /// As it is.
    pub(crate) fn new(filter: &Filter) -> Self {
        let (accepted, ignored, _) = filter.parts();
        let network =
            |network: &Network| format!("{}/{}", network.address().ip(network.family()), network.prefix());
        Self {
            accepted: accepted.iter().map(|protocol| protocol.0).collect(),
            ignored: ignored.iter().map(network).collect(),
        }
    }
}

/// A cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Cache {
    /// Flows of our kernel.
    Internal,
    /// Flows of the peer.
    External,
    /// Expectations of our kernel.
    InternalExpectations,
    /// Expectations of the peer.
    ExternalExpectations,
}

/// How flows are written in a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Form {
    /// One line each.
    Lines,
    /// One object each.
    Objects,
    /// One element of conntrackd's XML each, as a line.
    Xml,
}

/// What a client gets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Response {
    /// To [`Request::Status`].
    Status(Box<StatusView>),
    /// To [`Request::Statistics`].
    Statistics(Box<StatisticsView>),
    /// To [`Request::Metrics`].
    Metrics(String),
    /// To [`Request::Ready`].
    Ready(Box<ReadyView>),
    /// To [`Request::Failovers`].
    Failovers(Box<FailoversView>),
    /// To [`Request::Handover`], when it is over.
    HandedOver(Box<HandoverView>),
    /// To [`Request::Cache`].
    Page(Page),
    /// To [`Request::Filter`].
    Filter(FilterView),
    /// To [`Request::Unacknowledged`]: the oldest first, none when there are no more.
    Unacknowledged(Vec<Unacknowledged>),
    /// To [`Request::Told`]: some lines, none when there are no more and nobody follows.
    Told(Vec<LineView>),
    /// To every other request: done, or begun when nobody waits.
    Done,
    /// To [`Request::Reload`]: it was applied.
    Reloaded(Reloaded),
    /// It was not done.
    Refused {
        /// Why.
        reason: String,
        /// What to do about it.
        remedy: String,
    },
}

/// A message that the peer has not acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Unacknowledged {
    /// Its number.
    pub(crate) seq: u32,
    /// Its flags, if it is about no flow and no expectation.
    pub(crate) flags: Option<u8>,
}

impl Unacknowledged {
    /// The next few after that number.
    pub(crate) fn of(replica: &Replica, after: Option<u32>) -> Vec<Self> {
        let newer = |seq: Seq| after.is_none_or(|after| seq.newer_than(Seq(after)));
        let waiting = replica.unacknowledged().filter(|(seq, _)| newer(*seq));
        let view = |(seq, control): (Seq, Option<Control>)| Self {
            seq: seq.0,
            flags: control.map(|control| control.flag().0),
        };
        waiting.take(NUMBERS).map(view).collect()
    }
}

/// What a reload has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reloaded {
    /// Keys of the configuration that mean something else now.
    pub(crate) changed: Vec<String>,
    /// What is right and probably not meant.
    pub(crate) remarks: Vec<String>,
}

/// More characters of a refusal's reason are not said: it may quote the request, and an answer must fit a record.
const LONGEST_REASON: usize = 1000;

impl Response {
    /// A refusal.
    pub(crate) fn refused(reason: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Refused { reason: shortened(&reason.into(), LONGEST_REASON), remedy: remedy.into() }
    }
}

/// The role that a client means, if this daemon follows `ours`.
///
/// # Errors
///
/// The refusal to answer with.
pub(crate) fn wanted_role(ours: &str, word: &str, group: Option<&str>) -> Result<Role, Response> {
    if let Some(group) = group
        && group != ours
    {
        let reason = format!("cannot change the role of group {group}: this daemon follows {ours}");
        return Err(Response::refused(reason, "name that group, or none"));
    }
    role_named(word).ok_or_else(|| {
        Response::refused(format!("there is no role {word}"), "roles are primary, backup and fault")
    })
}

/// Some flows, or expectations, of a cache.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Page {
    /// For [`Form::Lines`] and [`Form::Xml`].
    pub(crate) lines: Vec<String>,
    /// For [`Form::Objects`].
    pub(crate) flows: Vec<FlowView>,
    /// For [`Form::Objects`].
    #[serde(default)]
    pub(crate) expectations: Vec<ExpectationView>,
    /// Where the next page begins; none after the last.
    pub(crate) next: Option<u32>,
}

impl Page {
    /// How many flows or expectations are in it.
    pub(crate) const fn len(&self) -> usize {
        self.lines.len() + self.flows.len() + self.expectations.len()
    }
}

/// A record: the version, then what is said.
#[derive(Debug, Serialize, Deserialize)]
struct Record<T> {
    version: u32,
    says: T,
}

/// Why a record cannot be understood.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RecordError {
    /// It speaks another version.
    #[error("protocol version {0}, this side speaks {VERSION}")]
    Version(u32),
    /// It is not what it should be.
    #[error("a record that makes no sense: {0}")]
    Malformed(String),
}

/// Writes a record.
pub(crate) fn encode(says: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(&Record { version: VERSION, says }).expect("our own values are always JSON")
}

/// Reads a record.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, RecordError> {
    #[derive(Deserialize)]
    struct Head {
        version: u32,
    }
    let malformed = |error: serde_json::Error| RecordError::Malformed(error.to_string());
    let head: Head = serde_json::from_slice(bytes).map_err(malformed)?;
    if head.version != VERSION {
        return Err(RecordError::Version(head.version));
    }
    let record: Record<T> = serde_json::from_slice(bytes).map_err(malformed)?;
    Ok(record.says)
}
