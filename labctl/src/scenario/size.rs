//! How large a scenario is run: at the size that every change is tried with, or at full size.
//!
//! A number or a span may be given once, or once for each. Never knows what a size is of. Resolved by `check.rs`; tested
//! in `tests.rs`.

use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer, Serialize};

/// How large.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Scale {
    /// So that it takes seconds.
    #[default]
    Usual,
    /// As large as the figures that it is compared with; needs the host's limits raised.
    Full,
}

/// A value that may depend on the scale: `40000`, or `{ usual: 40000, full: 500000 }`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scaled<T> {
    usual: T,
    full: T,
}

impl<T> Scaled<T> {
    /// The value at a scale.
    #[must_use]
    pub(crate) fn at(self, scale: Scale) -> T {
        match scale {
            Scale::Usual => self.usual,
            Scale::Full => self.full,
        }
    }
}

impl<T: Copy> From<T> for Scaled<T> {
    fn from(value: T) -> Self {
        Self { usual: value, full: value }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Both<T> {
    usual: T,
    full: T,
}

// By hand: of an untagged enum serde says only that nothing matched.
impl<'de, T: Copy + DeserializeOwned> Deserialize<'de> for Scaled<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_yaml::Value::deserialize(deserializer)?;
        let said = if value.is_mapping() {
            serde_yaml::from_value(value).map(|Both { usual, full }| Self { usual, full })
        } else {
            serde_yaml::from_value(value).map(|value: T| Self::from(value))
        };
        said.map_err(D::Error::custom)
    }
}
