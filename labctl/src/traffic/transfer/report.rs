//! What became of the transfers: the words and numbers of the verdict.
//!
//! Plain data, serialised as one `traffic` entry of a scenario's result. Never measures anything itself. Tested through
//! `tests.rs` and the scenarios.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

/// The verdict over one traffic of transfers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct TransferReport {
    /// Sessions that were asked for.
    pub(crate) wanted: usize,
    /// Sessions whose control flow opened and whose first announcement was accepted.
    pub(crate) announced: usize,
    /// Sessions that have carried all they had to, verified to the last byte, and whose control flow was alive
    /// afterwards.
    pub(crate) complete: usize,
    /// Sessions that cannot become complete any more.
    pub(crate) failed: usize,
    /// Payload bytes that differed from the seeded pattern.
    pub(crate) corrupted_bytes: u64,
    /// From the word to fulfil until the slowest complete session was complete, in milliseconds.
    pub(crate) slowest_ms: Option<u64>,
}

/// Where a session is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum TransferState {
    /// Its control flow is opening, or it is about to announce.
    #[default]
    Opening,
    /// It has announced and waits.
    Announced,
    /// See [`TransferReport::complete`].
    Complete,
    /// See [`TransferReport::failed`].
    Failed,
}

/// One session, for whoever looks for the reason.
#[derive(Clone, Debug, Default)]
pub(crate) struct TransferDetail {
    /// Its number in the lab.
    pub(crate) number: usize,
    /// [`TransferKind::word`](super::TransferKind::word).
    pub(crate) kind: &'static str,
    /// Where it is.
    pub(crate) state: TransferState,
    /// Whether its first announcement was accepted.
    pub(crate) announced: bool,
    /// What it did last, in its protocol's words.
    pub(crate) step: String,
    /// The announcements as they were written, in their order.
    pub(crate) written: Vec<String>,
    /// The same as they arrived, with what helpers have made of them.
    pub(crate) read: Vec<String>,
    /// Verified payload bytes that the client received.
    pub(crate) received: u64,
    /// Verified payload bytes that the server received.
    pub(crate) server_received: u64,
    /// Payload bytes that differed, both directions.
    pub(crate) corrupted: u64,
    /// From the word to fulfil until complete.
    pub(crate) took: Option<Duration>,
    /// Why it failed.
    pub(crate) error: Option<String>,
}

/// One line: `3 ftp-active Failed at RETR 262144.0, announced [PORT 10,1,0,10,46,230] read as [...], ...`.
impl fmt::Display for TransferDetail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, kind, state, step, written, read, .. } = self;
        write!(f, "{number} {kind} {state:?} at {step}, announced {written:?} read as {read:?}")?;
        write!(
            f,
            ", {} bytes down, {} up, {} corrupted",
            self.received, self.server_received, self.corrupted
        )?;
        self.error.as_ref().map_or(Ok(()), |error| write!(f, ": {error}"))
    }
}

/// The verdict over all sessions.
pub(super) fn report(details: &[TransferDetail]) -> TransferReport {
    let count = |state| details.iter().filter(|detail| detail.state == state).count();
    let slowest = details.iter().filter_map(|detail| detail.took).max();
    TransferReport {
        wanted: details.len(),
        announced: details.iter().filter(|detail| detail.announced).count(),
        complete: count(TransferState::Complete),
        failed: count(TransferState::Failed),
        corrupted_bytes: details.iter().map(|detail| detail.corrupted).sum(),
        slowest_ms: slowest.map(|slowest| u64::try_from(slowest.as_millis()).unwrap_or(u64::MAX)),
    }
}
