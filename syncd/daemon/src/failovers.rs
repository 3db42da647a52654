//! What the daemon knows of the last changes of role besides the replica's accounts of them: who said the role, the wall
//! clock, the gate. Belongs to the account of the same number. Driven by the event loop; tested in `show/tests/failover.rs`
//! and end to end.

use std::collections::VecDeque;

use syncd_core::time::Instant;

use crate::clock;
use crate::gate::News;

/// Who said the role.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Voice {
    /// keepalived, by its FIFO.
    Keepalived,
    /// A command.
    #[default]
    Command,
    /// Nobody: it was kept over a restart.
    Kept,
}

impl Voice {
    /// Its word.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Keepalived => "keepalived",
            Self::Command => "command",
            Self::Kept => "kept over a restart",
        }
    }
}

/// A change of role, as the daemon has seen it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// That of the account.
    pub(crate) number: u32,
    /// Who said the role.
    pub(crate) voice: Voice,
    /// When, in milliseconds since 1970.
    pub(crate) unix_millis: u64,
    /// When the gate was closed.
    pub(crate) gate_closed: Option<Instant>,
    /// When it was open again.
    pub(crate) gate_open: Option<Instant>,
    /// Packets that it has dropped, where nft says so.
    pub(crate) gate_held: Option<u64>,
    /// Why there was none.
    pub(crate) gate_failed: Option<String>,
    /// It was told in the log.
    pub(crate) told: bool,
}

/// The last of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Failovers {
    /// The oldest first.
    list: VecDeque<Seen>,
}

impl Failovers {
    /// Forgets those whose account is not kept: the replica says which.
    pub(crate) fn keep(&mut self, mut is_kept: impl FnMut(u32) -> bool) {
        self.list.retain(|seen| is_kept(seen.number));
    }

    /// What is known of that change; from now on something, if nothing was.
    pub(crate) fn of(&mut self, number: u32, voice: Voice) -> &mut Seen {
        let at = self.list.iter().position(|seen| seen.number == number).unwrap_or_else(|| {
            self.list.push_back(Seen { number, voice, unix_millis: clock::unix_millis(), ..Seen::default() });
            self.list.len() - 1
        });
        &mut self.list[at]
    }

    /// What is known of that change.
    pub(crate) fn get(&self, number: u32) -> Option<&Seen> {
        self.list.iter().find(|seen| seen.number == number)
    }

    /// Something has happened to the gate, which is that of the last change, or of the one before.
    pub(crate) fn gate(&mut self, now: Instant, news: &News) {
        let last = self.list.iter_mut().rev();
        match news {
            News::Closed { .. } => {
                if let Some(seen) = { last }.next() {
                    seen.gate_closed.get_or_insert(now);
                }
            }
            News::Opened { held, .. } => {
                if let Some(seen) =
                    { last }.find(|seen| seen.gate_closed.is_some() && seen.gate_open.is_none())
                {
                    (seen.gate_open, seen.gate_held) = (Some(now), *held);
                }
            }
            News::Failed { reason } => {
                if let Some(seen) = { last }.next() {
                    seen.gate_failed.get_or_insert_with(|| reason.clone());
                }
            }
            News::Overdue => {}
        }
    }
}
