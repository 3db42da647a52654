//! What must be seen in a scenario, and until when.
//!
//! Never judges; `verdict` does. Checked by `check/expectations.rs`; tested in `tests.rs`.

use std::fmt;

use serde::Deserialize;

use super::size::Scaled;
use super::units::{Bytes, Share, Span};

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
    /// Both routers are primary and hold every virtual address.
    BothPrimary,
    /// The router is primary, has heard of another one of lower priority, and VRRP has told it nothing else since.
    LowerHeard(String),
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
    /// The router's daemon says that it is catching up, whatever the reason.
    CatchingUp(String),
    /// The router's external cache holds what its peer's kernel holds, after the filter.
    CacheEqual(String),
    /// The same of the cache and the router's own kernel together; `verify` asks so.
    Held(String),
    /// The external cache holds all of that; what it holds besides is what its daemon, a conntrackd, does not forget by itself.
    CacheComplete(String),
    /// The router's external cache is being filled: it holds so many flows at least, and its peer's kernel so many more.
    Filling {
        /// The router.
        node: String,
        /// In the cache.
        least: u32,
        /// In the kernel besides.
        missing: u32,
    },
    /// The router's external cache and its peer's kernel differ, by so many flows at least.
    CacheDiffers {
        /// The router.
        node: String,
        /// In the kernel only.
        missing: u32,
        /// In the cache only.
        extra: u32,
    },
    /// The router's commit has ended, and nothing failed; of conntrackd, its operator's script has run to its end.
    Committed(String),
    /// The router's kernel holds every flow that the primary's held when the addresses began to move, translated alike.
    Kept(String),
    /// A router's daemon has answered everything in less than this, since the timeline began.
    Answers(String, Span),
    /// A router's daemon has never held as much memory, since the timeline began, beside what flows need: how many fit
    /// into a kernel's table is the host's affair.
    Memory(String, Bytes),
    /// The status of a router's daemon has said this at some time since the timeline began.
    Said(String, String),
    /// A line of a router's daemon's log holds this.
    Logged(String, String),
    /// A router's daemon has counted at least so much.
    Counted {
        /// The router.
        node: String,
        /// The counter, with its group.
        counter: String,
        /// The least.
        least: u64,
    },
    /// No flow of a traffic that was stopped is left in a router's kernel.
    Ended {
        /// The traffic.
        traffic: String,
        /// The router.
        node: String,
    },
}

impl Sight {
    /// The router whose daemon must be watched all the time for it.
    #[must_use]
    pub(crate) fn watched(&self) -> Option<&str> {
        match self {
            Self::Answers(node, _) | Self::Memory(node, _) | Self::Said(node, _) => Some(node),
            _ => None,
        }
    }
}

impl fmt::Display for Sight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Primary(node) => write!(f, "{node} is the only primary and holds all virtual addresses"),
            Self::BothPrimary => write!(f, "both routers are primary and hold all virtual addresses"),
            Self::LowerHeard(node) => {
                write!(f, "{node} is primary, has heard of a lower priority and of no new role")
            }
            Self::Alive(name, share) => write!(f, "{share} of {name} alive, nothing corrupted"),
            Self::Complete(name, share) => write!(f, "{share} of {name} complete, nothing corrupted"),
            Self::ExpectationsCached(node) => {
                write!(f, "the external cache of {node} holds what its peer's helpers expect")
            }
            Self::ExpectationsCommitted(node) => {
                write!(f, "the kernel of {node} expects what the other router's expected")
            }
            Self::InSync(node) => write!(f, "{node} is in sync"),
            Self::CatchingUp(node) => write!(f, "{node} says that it is catching up"),
            Self::CacheEqual(node) => write!(f, "the external cache of {node} equals its peer's kernel"),
            Self::Held(node) => {
                write!(f, "the external cache of {node}, or its kernel, holds what its peer's kernel holds")
            }
            Self::CacheComplete(node) => {
                write!(
                    f,
                    "the external cache of {node}, which may hold stale flows, lacks none of its peer's kernel"
                )
            }
            Self::Kept(node) => write!(f, "the kernel of {node} holds all flows that the other one held"),
            Self::CacheDiffers { node, missing, extra } => write!(
                f,
                "the external cache of {node} lacks at least {missing} flows of its peer's kernel and holds at least \
                 {extra} others"
            ),
            Self::Filling { node, least, missing } => {
                write!(
                    f,
                    "the external cache of {node} holds at least {least} flows and lacks at least {missing}"
                )
            }
            Self::Committed(node) => write!(f, "{node} has committed, nothing failed"),
            Self::Answers(node, limit) => write!(f, "the daemon of {node} always answers within {limit}"),
            Self::Memory(node, limit) => {
                write!(f, "the daemon of {node} never holds {limit} beside its flows")
            }
            Self::Said(node, text) => write!(f, "the status of {node} has said `{text}`"),
            Self::Logged(node, text) => write!(f, "the daemon of {node} has said `{text}`"),
            Self::Counted { node, counter, least } => {
                write!(f, "the daemon of {node} has counted at least {least} {counter}")
            }
            Self::Ended { traffic, node } => {
                write!(f, "no flow of {traffic} is left in the kernel of {node}")
            }
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
    #[serde(default)]
    pub(crate) both_primary: bool,
    pub(crate) lower_heard: Option<String>,
    pub(crate) streams: Option<String>,
    pub(crate) alive: Option<Share>,
    pub(crate) transfers: Option<String>,
    pub(crate) complete: Option<Share>,
    pub(crate) expectations: Option<String>,
    pub(crate) expectations_committed: Option<String>,
    pub(crate) in_sync: Option<String>,
    pub(crate) catching_up: Option<String>,
    pub(crate) cache_equal: Option<String>,
    pub(crate) cache_complete: Option<String>,
    pub(crate) kept: Option<String>,
    pub(crate) cache_differs: Option<String>,
    pub(crate) filling: Option<String>,
    pub(crate) missing: Option<Scaled<u32>>,
    pub(crate) extra: Option<Scaled<u32>>,
    pub(crate) committed: Option<String>,
    pub(crate) answers: Option<String>,
    pub(crate) under: Option<Span>,
    pub(crate) memory: Option<String>,
    pub(crate) below: Option<Scaled<Bytes>>,
    pub(crate) said: Option<String>,
    pub(crate) logged: Option<String>,
    pub(crate) text: Option<String>,
    pub(crate) counted: Option<String>,
    pub(crate) counter: Option<String>,
    pub(crate) at_least: Option<Scaled<u32>>,
    pub(crate) ended: Option<String>,
    pub(crate) on: Option<String>,
    pub(crate) within: Scaled<Span>,
    #[serde(rename = "for")]
    pub(crate) stable: Option<Scaled<Span>>,
}
