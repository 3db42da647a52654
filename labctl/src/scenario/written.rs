//! Flows by the thousand, as a scenario's words: born of traffic, or written into a router's kernel and ended there.
//!
//! A written flow has a number, which makes its tuple: the same number is the same flow. Never writes one; `lab` does.
//! Checked by `check/timeline.rs`; tested in `tests.rs`.

use std::fmt;

use serde::Deserialize;

use super::size::Scaled;

/// Flows that are written, or that end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    /// The router into whose kernel.
    pub(crate) on: String,
    /// The number of the first.
    pub(crate) first: u32,
    /// How many.
    pub(crate) count: u32,
    /// How many in a second.
    pub(crate) per_second: u32,
    /// Behind source NAT.
    pub(crate) translated: bool,
    /// The timeline goes on at once, and ends not before this has.
    pub(crate) meanwhile: bool,
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} flows of {}", self.count, self.on)
    }
}

/// Flows at a rate.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct BirthsText {
    pub(crate) count: Scaled<u32>,
    pub(crate) per_second: u32,
    /// Where they are written; without it they are short UDP flows from the client to the server.
    pub(crate) on: Option<String>,
    #[serde(default)]
    pub(crate) first: Option<Scaled<u32>>,
    #[serde(default)]
    pub(crate) translated: bool,
    /// Not before nobody on the host listens.
    #[serde(default)]
    pub(crate) mute: bool,
    #[serde(default)]
    pub(crate) meanwhile: bool,
}

/// Ends at a rate, of flows that were written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct DeathsText {
    pub(crate) count: Scaled<u32>,
    pub(crate) per_second: u32,
    pub(crate) on: String,
    #[serde(default)]
    pub(crate) first: Option<Scaled<u32>>,
    #[serde(default)]
    pub(crate) meanwhile: bool,
}

/// A full table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct FillText {
    pub(crate) on: String,
    pub(crate) leave: u32,
}
