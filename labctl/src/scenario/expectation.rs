//! What must be seen in a scenario, and until when.
//!
//! Never judges; `verdict` does. Checked by `check.rs`; tested in `tests.rs`.

use std::fmt;

use serde::Deserialize;

use super::units::{Share, Span};

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
    /// This share of a traffic's transfers is complete, and no byte of it is corrupted.
    Complete(String, Share),
    /// The router's external cache holds what the helpers of its peer's kernel expect, and they expect something.
    ExpectationsCached(String),
    /// The router's kernel expects everything that the kernel of the router that was left expected, and that was
    /// something.
    ExpectationsCommitted(String),
    /// The router's daemon says that it is in sync with its peer.
    InSync(String),
    /// The router's external cache holds what its peer's kernel holds, after the filter.
    CacheEqual(String),
    /// It holds all of that; what it holds besides is what its daemon, a conntrackd, does not forget by itself.
    CacheComplete(String),
    /// The router's commit has ended, and nothing failed; of conntrackd, its operator's script has run to its end.
    Committed(String),
    /// The router's kernel holds every flow that the primary's held when the addresses began to move, translated alike.
    Kept(String),
}

impl fmt::Display for Sight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Primary(node) => write!(f, "{node} is the only primary and holds all virtual addresses"),
            Self::Alive(name, share) => write!(f, "{share} of {name} alive, nothing corrupted"),
            Self::Complete(name, share) => write!(f, "{share} of {name} complete, nothing corrupted"),
            Self::ExpectationsCached(node) => {
                write!(f, "the external cache of {node} holds what its peer's helpers expect")
            }
            Self::ExpectationsCommitted(node) => {
                write!(f, "the kernel of {node} expects what the other router's expected")
            }
            Self::InSync(node) => write!(f, "{node} is in sync"),
            Self::CacheEqual(node) => write!(f, "the external cache of {node} equals its peer's kernel"),
            Self::CacheComplete(node) => {
                write!(
                    f,
                    "the external cache of {node}, which may hold stale flows, lacks none of its peer's kernel"
                )
            }
            Self::Kept(node) => write!(f, "the kernel of {node} holds all flows that the other one held"),
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
    pub(crate) transfers: Option<String>,
    pub(crate) complete: Option<Share>,
    pub(crate) expectations: Option<String>,
    pub(crate) expectations_committed: Option<String>,
    pub(crate) in_sync: Option<String>,
    pub(crate) cache_equal: Option<String>,
    pub(crate) cache_complete: Option<String>,
    pub(crate) committed: Option<String>,
    pub(crate) kept: Option<String>,
    pub(crate) within: Span,
    #[serde(rename = "for", default)]
    pub(crate) stable: Span,
}
