//! `syncd ready`: whether this router could take over now without loss, and what keepalived is told, as a value and as
//! text. Tested in `show/tests/ready.rs`.

use std::fmt::Write;

use serde::{Deserialize, Serialize};
use syncd_core::replica::{Role, Status};
use syncd_core::time::Instant;

use crate::readiness::Standing;
use crate::readiness::judge::Unready;

/// What no router can know of the other one: the protocol of the dedicated link has no word for it.
const NOT_KNOWN: [&str; 3] = [
    "the other router's configuration, but for what it tells of flows and expectations",
    "what still waits in the other router's queue: its own 'syncd ready' says so",
    "whether the other router's caches and kernel have room: its own 'syncd ready' says so",
];

/// The document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReadyView {
    /// Of this document.
    pub(crate) version: u32,
    /// Whether this router could take over now without loss, as far as it can know.
    pub(crate) ready: bool,
    /// Why not.
    pub(crate) reasons: Vec<ReasonView>,
    /// What it cannot know.
    pub(crate) not_known: Vec<String>,
    /// Our role.
    pub(crate) role: String,
    /// Flows of the peer.
    pub(crate) external_flows: u32,
    /// Of these, those that our kernel lacks; an estimate where they are many.
    pub(crate) to_commit: u32,
    /// How many flows the kernel has room for; null where it does not say.
    pub(crate) table_room: Option<u32>,
    /// What keepalived is told.
    pub(crate) keepalived: KeepalivedView,
    /// When this was written, monotonic.
    pub(crate) monotonic_ns: u64,
}

/// A reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReasonView {
    /// `fault`, `commit`, `link`, `peer`, `kernel`, `bulk`, `lag`, `unacknowledged`, `cache`, `table-space`, `configuration`
    /// or `clock`.
    pub(crate) reason: String,
    /// The sentence.
    pub(crate) text: String,
}

/// What keepalived is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeepalivedView {
    /// The file that it looks at; null: none.
    pub(crate) track_file: Option<String>,
    /// The number in it, which keepalived multiplies by its weight: 0, -1, -2 or -3.
    pub(crate) level: i8,
    /// The same as a word: `ready`, `stepped back`, `handing over` or `not ready`.
    pub(crate) says: String,
    /// Since when it has been told that this router is not ready, monotonic; null while it is not told so.
    pub(crate) waits_since_ns: Option<u64>,
    /// Whether it goes on although this router is not ready, because it has waited for so long.
    pub(crate) gave_up: bool,
    /// For how long it waits at most, in seconds.
    pub(crate) ready_timeout_s: u64,
    /// How often it has waited too long, since the start of the daemon.
    pub(crate) ready_timeouts: u64,
}

impl ReasonView {
    /// The reason.
    pub(crate) fn new(unready: &Unready) -> Self {
        Self { reason: unready.code.word().to_owned(), text: unready.text.clone() }
    }
}

impl ReadyView {
    /// As it was found at the last look.
    pub(crate) fn new(now: Instant, status: &Status, standing: &Standing) -> Self {
        Self {
            version: 1,
            ready: standing.reasons.is_empty(),
            reasons: standing.reasons.iter().map(ReasonView::new).collect(),
            not_known: NOT_KNOWN.map(str::to_owned).to_vec(),
            role: status.role.name().to_owned(),
            external_flows: status.external,
            to_commit: standing.to_commit,
            table_room: standing.table.map(|table| table.limit.saturating_sub(table.count)),
            keepalived: KeepalivedView::new(standing),
            monotonic_ns: now.as_nanos(),
        }
    }
}

impl KeepalivedView {
    /// As it was told last.
    pub(crate) fn new(standing: &Standing) -> Self {
        Self {
            track_file: standing.track_file.as_ref().map(|file| file.display().to_string()),
            level: standing.level.number(),
            says: standing.level.word().to_owned(),
            waits_since_ns: standing.waits_since.map(Instant::as_nanos),
            gave_up: standing.gave_up,
            ready_timeout_s: standing.patience.as_secs(),
            ready_timeouts: standing.given_up,
        }
    }

    /// In a sentence.
    pub(crate) fn sentence(&self, monotonic_ns: u64) -> String {
        let Some(file) = &self.track_file else { return "no track-file: it is not told".to_owned() };
        let waited = |since: u64| monotonic_ns.saturating_sub(since) / 1_000_000_000;
        let more = match self.waits_since_ns {
            _ if self.gave_up => {
                format!(", although this router is not ready: it has waited {} s", self.ready_timeout_s)
            }
            Some(since) => format!(" for {} s, of {} at most", waited(since), self.ready_timeout_s),
            None => String::new(),
        };
        format!("{} ({} in {file}){more}", self.says, self.level)
    }
}

/// As text.
pub(crate) fn text(view: &ReadyView) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let is_primary = view.role == Role::Primary.name();
    _ = match (view.ready, is_primary) {
        (true, false) => {
            writeln!(out, "ready: this router ({}) could take over now without loss", view.role)
        }
        (true, true) => {
            writeln!(
                out,
                "ready: the other router could take over now without loss, as far as this one (primary) knows"
            )
        }
        (false, false) => writeln!(out, "not ready ({}):", view.role),
        (false, true) => {
            writeln!(out, "not ready (primary): the other router could not take over now without loss:")
        }
    };
    for ReasonView { reason, text } in &view.reasons {
        _ = writeln!(out, "  {reason}: {text}");
    }
    _ = writeln!(out, "keepalived is told: {}", view.keepalived.sentence(view.monotonic_ns));
    out
}
