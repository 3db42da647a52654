//! Flows by the thousand, as a scenario's words: born of traffic, or written into a router's kernel and ended there.
//!
//! A written flow has a number, which makes its tuple: the same number is the same flow. Never writes one; `lab` does.
//! Checked by `check/timeline.rs`; tested in `tests.rs`.

use std::fmt;

use serde::Deserialize;

use super::size::Scaled;
use crate::bench::flows::Kind;

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
    /// What they are.
    pub(crate) kind: Kind,
    /// The timeline goes on at once, and ends not before this has.
    pub(crate) meanwhile: bool,
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} flows of {}", self.count, self.on)
    }
}

/// What carries a written flow. Between two hosts flows of GRE differ by their keys only, and those of UDPlite by ports for
/// which conntrackd's dialect has no word either.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Over {
    #[default]
    Tcp,
    Gre,
    Udplite,
}

impl Over {
    /// The kind of a flow; none of those without TCP is translated.
    #[must_use]
    pub(crate) const fn kind(self, translated: bool) -> Option<Kind> {
        match (self, translated) {
            (Self::Tcp, false) => Some(Kind::Plain),
            (Self::Tcp, true) => Some(Kind::Translated),
            (Self::Gre, false) => Some(Kind::Gre),
            (Self::Udplite, false) => Some(Kind::Udplite),
            (Self::Gre | Self::Udplite, true) => None,
        }
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
    #[serde(default)]
    pub(crate) over: Over,
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
    pub(crate) over: Over,
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
