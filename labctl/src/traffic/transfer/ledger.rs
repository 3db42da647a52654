//! What each session has seen so far. Both sides write, the report reads.
//!
//! Never judges. Tested through `tests.rs`.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::report::{self, TransferDetail, TransferReport, TransferState};
use super::spec::TransferSpec;

/// All sessions of one traffic, and the bell for whoever waits for them.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// The first session's number.
    first: usize,
    entries: Mutex<Entries>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Entries {
    details: Vec<TransferDetail>,
    fulfil: Option<Instant>,
}

impl Ledger {
    pub(super) fn new(spec: &TransferSpec, first: usize) -> Self {
        let detail = |(number, group): (usize, super::TransferGroup)| TransferDetail {
            number,
            kind: group.kind.word(),
            ..TransferDetail::default()
        };
        let details = (first..).zip(spec.each()).map(detail).collect();
        Self { first, entries: Mutex::new(Entries { details, fulfil: None }), changed: Condvar::new() }
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        // A panic of one session leaves entries behind that are still worth reading.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes a session's entry. A number from the network that no session has is passed over.
    pub(super) fn note(&self, number: usize, change: impl FnOnce(&mut TransferDetail)) {
        if let Some(detail) = self.entries().details.get_mut(number.wrapping_sub(self.first)) {
            change(detail);
        }
        self.changed.notify_all();
    }

    /// A session has announced.
    pub(super) fn announced(&self, number: usize) {
        self.note(number, |detail| (detail.state, detail.announced) = (TransferState::Announced, true));
    }

    /// A session has done all it had to.
    pub(super) fn complete(&self, number: usize) {
        let mut entries = self.entries();
        let took = entries.fulfil.map(|fulfil| fulfil.elapsed());
        if let Some(detail) = entries.details.get_mut(number.wrapping_sub(self.first)) {
            (detail.state, detail.took) = (TransferState::Complete, took);
        }
        self.changed.notify_all();
    }

    /// A session cannot become complete.
    pub(super) fn failed(&self, number: usize, why: &std::io::Error) {
        self.note(number, |detail| {
            detail.state = TransferState::Failed;
            // The first reason is the cause of the others.
            detail.error.get_or_insert_with(|| format!("{}: {why}", detail.step));
        });
    }

    /// From now on what was announced is opened.
    pub(super) fn fulfil(&self, now: Instant) {
        self.entries().fulfil.get_or_insert(now);
    }

    /// One session.
    pub(super) fn detail(&self, number: usize) -> TransferDetail {
        self.entries().details.get(number.wrapping_sub(self.first)).cloned().unwrap_or_default()
    }

    /// All sessions.
    pub(super) fn details(&self) -> Vec<TransferDetail> {
        self.entries().details.clone()
    }

    /// Waits until the sessions are as wanted, or until the deadline.
    pub(super) fn wait(
        &self,
        deadline: Instant,
        wanted: impl Fn(&[TransferDetail]) -> bool,
    ) -> TransferReport {
        let patience = deadline.saturating_duration_since(Instant::now());
        let entries = self.entries();
        let (entries, _) = self
            .changed
            .wait_timeout_while(entries, patience, |entries| !wanted(&entries.details))
            .unwrap_or_else(PoisonError::into_inner);
        report::report(&entries.details)
    }
}
