//! What is said on the control socket: values and their JSON. The version stands first in every record.
//!
//! Version 1. Unknown requests are refused, so a newer client and an older daemon part with a clear word.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use syncd_core::replica::Role;

use crate::show::expectations::ExpectationView;
use crate::show::view::{FlowView, StatisticsView, StatusView, role_named};

/// The version of this protocol.
pub(crate) const VERSION: u32 = 1;

/// At most so many flows in one page: it is made within one turn and fits one record.
pub(crate) const PAGE: usize = 128;

/// What a client wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Request {
    /// The replica at a glance.
    Status,
    /// Everything that is counted.
    Statistics,
    /// One page of a cache.
    Cache {
        /// Which one.
        cache: Cache,
        /// Where the page begins: 0, then [`Page::next`].
        from: u32,
        /// How the flows shall be written.
        form: Form,
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
}

/// What a client gets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Response {
    /// To [`Request::Status`].
    Status(Box<StatusView>),
    /// To [`Request::Statistics`].
    Statistics(Box<StatisticsView>),
    /// To [`Request::Cache`].
    Page(Page),
    /// To [`Request::Role`]: done, or begun when nobody waits.
    Done,
    /// It was not done.
    Refused {
        /// Why.
        reason: String,
        /// What to do about it.
        remedy: String,
    },
}

/// More characters of a refusal's reason are not said: it may quote the request, and an answer must fit a record.
const LONGEST_REASON: usize = 1000;

impl Response {
    /// A refusal.
    pub(crate) fn refused(reason: impl Into<String>, remedy: impl Into<String>) -> Self {
        let mut reason = reason.into();
        if let Some((end, _)) = reason.char_indices().nth(LONGEST_REASON) {
            reason.truncate(end);
            reason.push('…');
        }
        Self::Refused { reason, remedy: remedy.into() }
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
    /// For [`Form::Lines`].
    pub(crate) lines: Vec<String>,
    /// For [`Form::Objects`].
    pub(crate) flows: Vec<FlowView>,
    /// For [`Form::Objects`].
    #[serde(default)]
    pub(crate) expectations: Vec<ExpectationView>,
    /// Where the next page begins; none after the last.
    pub(crate) next: Option<u32>,
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
