//! A variation of a scenario: the same events and expectations with other daemons, over another channel, or larger.
//!
//! What a daemon cannot tell is not expected of it then; a scenario as its file says it may not expect that. Pure.
//! Given by `--sync`, `--channel` and `--scale` of `labctl run` and by the rows of a matrix; applied by `load.rs`, tested in
//! `tests.rs`.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::model::{Channel, SyncKind};
use super::size::Scale;

/// What is otherwise than the scenario says. The default changes nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Variation {
    /// The daemons of the routers that it names.
    pub(crate) sync: BTreeMap<String, SyncKind>,
    /// How they talk.
    pub(crate) channel: Option<Channel>,
    /// How large it is.
    pub(crate) scale: Scale,
}

impl Variation {
    /// Whether anything is otherwise but the size, which nobody's daemon is the wrong one for.
    #[must_use]
    pub(crate) fn is_any(&self) -> bool {
        Self { scale: Scale::default(), ..self.clone() } != Self::default()
    }

    /// The scenario's daemons, with those that are otherwise in their place.
    #[must_use]
    pub(crate) fn sync(&self, said: BTreeMap<String, SyncKind>) -> BTreeMap<String, SyncKind> {
        said.into_iter().chain(self.sync.clone()).collect()
    }
}

/// As the arguments of `labctl run`, with a space before each: nothing when nothing is otherwise.
impl fmt::Display for Variation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sync: Vec<String> =
            self.sync.iter().map(|(router, kind)| format!("{router}={}", kind.word())).collect();
        if !sync.is_empty() {
            write!(f, " --sync {}", sync.join(","))?;
        }
        if let Some(channel) = self.channel {
            write!(f, " --channel {}", channel.word())?;
        }
        if self.scale == Scale::Full {
            write!(f, " --scale full")?;
        }
        Ok(())
    }
}

/// One router and its daemon, as in `r1=conntrackd`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Runs(pub(crate) String, pub(crate) SyncKind);

impl FromStr for Runs {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let kind = |word: &str| SyncKind::ALL.into_iter().find(|kind| kind.word() == word);
        text.split_once('=')
            .and_then(|(router, word)| Some(Self(router.to_owned(), kind(word)?)))
            .ok_or_else(|| "write ROUTER=DAEMON; a DAEMON is syncd, conntrackd or none".to_owned())
    }
}
