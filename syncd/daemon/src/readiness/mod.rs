//! Whether this router could take over now without loss, and what keepalived is told of it.
//!
//! [`judge`] says why not, [`priority`] what that means for the election, [`track_file`] writes it where keepalived looks.
//! Looked at once a second, and at once when the replica has said something. Never takes a role and never stands in the way
//! of one. Driven by the event loop; tested in `tests.rs`, end to end, and in the lab with a real keepalived.

pub(crate) mod judge;
pub(crate) mod priority;
pub(crate) mod sample;
mod stillness;
pub(crate) mod track_file;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::Duration;

use syncd_core::replica::{Replica, Role};
use syncd_core::time::Instant;

use crate::clock;
use crate::config::Failover;
use crate::kernel;
use judge::{Facts, Table, Unready};
use priority::{Level, Looked, Priority};
use sample::Sample;
use stillness::Stillness;
use track_file::{TrackFile, Written};

/// What is known of it, and what keepalived was told.
#[derive(Debug)]
pub(crate) struct Readiness {
    priority: Priority,
    patience: Duration,
    track_file: Option<TrackFile>,
    stillness: Stillness,
    sample: Sample,
    /// How often it was looked at.
    turn: u32,
    table: Option<Table>,
    /// Frames about helpers that are not replicated, when the configuration was read.
    skipped_before: u64,
    reasons: Vec<Unready>,
    /// Times that keepalived was let go on although this router was not ready.
    given_up: u64,
}

/// How this router stands, for whoever shows it.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    /// Why it could not take over; it could if there is no reason.
    pub(crate) reasons: Vec<Unready>,
    /// Flows of the peer that our kernel lacks.
    pub(crate) to_commit: u32,
    /// The kernel's table; none where it does not say.
    pub(crate) table: Option<Table>,
    /// The file that keepalived looks at.
    pub(crate) track_file: Option<PathBuf>,
    /// What it says.
    pub(crate) level: Level,
    /// Since when keepalived has been told that this router is not ready, if it is.
    pub(crate) waits_since: Option<Instant>,
    /// Whether it goes on all the same, because it has waited too long.
    pub(crate) gave_up: bool,
    /// For how long it waits at most.
    pub(crate) patience: Duration,
    /// How often it has waited too long.
    pub(crate) given_up: u64,
}

/// What a look has found out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct News {
    /// What keepalived is told has changed.
    pub(crate) looked: Looked,
    /// The machine was suspended since the last look: the peer is to be asked for all its flows.
    pub(crate) was_suspended: bool,
}

impl Readiness {
    /// Of a router that has just started.
    pub(crate) fn new(failover: &Failover) -> Self {
        Self {
            priority: Priority::new(false),
            patience: failover.ready_timeout,
            track_file: failover.track_file.clone().map(TrackFile::new),
            stillness: Stillness::new(clock::suspended()),
            sample: Sample::default(),
            turn: 0,
            table: None,
            skipped_before: 0,
            reasons: Vec::new(),
            given_up: 0,
        }
    }

    /// What was promised before a restart is kept.
    pub(crate) const fn resume(&mut self, yields: bool) {
        self.priority = Priority::new(yields);
    }

    /// The configuration was read again.
    pub(crate) fn change(&mut self, failover: &Failover, replica: &Replica) {
        self.patience = failover.ready_timeout;
        self.skipped_before = replica.stats().link.expectations_skipped;
    }

    /// Looks at what takes longer: once a second.
    pub(crate) fn look_closely(
        &mut self,
        now: Instant,
        replica: &Replica,
        links_down: Option<String>,
    ) -> News {
        let was_suspended = self.stillness.look(now, clock::suspended());
        self.turn = self.turn.wrapping_add(1);
        self.sample = Sample::take(replica.external(), replica.internal(), replica.filter(), self.turn);
        self.table =
            kernel::table_count().zip(kernel::table_limit()).map(|(count, limit)| Table { count, limit });
        News {
            looked: self.look(now, replica, links_down),
            was_suspended: was_suspended && replica.role() != Role::Primary,
        }
    }

    /// Looks; `links_down` names the dedicated links and their states, if none works.
    pub(crate) fn look(&mut self, now: Instant, replica: &Replica, links_down: Option<String>) -> Looked {
        let status = replica.status(now);
        if status.sync == syncd_core::replica::Sync::InSync {
            self.stillness.answered(replica.external().resync_began());
        }
        let skipped = replica.stats().link.expectations_skipped;
        self.reasons = judge::judge(&Facts {
            now,
            status,
            table: self.table,
            sample: self.sample.clone(),
            helpers_skipped: skipped.saturating_sub(self.skipped_before),
            stood_still: self.stillness.span(),
            links_down,
        });
        let looked = self.priority.look(now, status.role, self.reasons.is_empty(), self.patience);
        self.given_up += u64::from(looked.gave_up);
        looked
    }

    /// Sees to it that keepalived is told; nothing where it looks at no file.
    ///
    /// # Errors
    ///
    /// The file's.
    pub(crate) fn tell(&mut self) -> std::io::Result<Option<Written>> {
        let level = self.priority.level();
        self.track_file.as_mut().map(|file| file.say(level)).transpose()
    }

    /// The daemon ends: from now on nobody holds the peer's flows here.
    ///
    /// # Errors
    ///
    /// The file's.
    pub(crate) fn end(&mut self, role: Role) -> std::io::Result<()> {
        match &mut self.track_file {
            // A primary that is not replicated is better than one that is lowered because its daemon is being upgraded.
            Some(file) if role == Role::Primary => file.say(Level::Ready).map(drop),
            Some(file) => file.say(Level::Unready).map(drop),
            None => Ok(()),
        }
    }

    /// This router wants the other one to be primary, or does not any more.
    pub(crate) const fn hand_over(&mut self, wanted: bool) {
        self.priority.hand_over(wanted);
    }

    /// The role has gone because it was handed over.
    pub(crate) const fn step_back(&mut self) {
        self.priority.step_back();
    }

    /// What was handed over is wanted back, until then.
    pub(crate) const fn reclaim(&mut self, until: Instant) {
        self.priority.reclaim(until);
    }

    /// Whether this router has handed over and not been primary since: a restart must not forget it.
    pub(crate) const fn yields(&self) -> bool {
        self.priority.yields()
    }

    /// Why it could not take over; it could if there is no reason.
    pub(crate) fn reasons(&self) -> &[Unready] {
        &self.reasons
    }

    /// How long keepalived waits at most for a router that is not ready.
    pub(crate) const fn patience(&self) -> Duration {
        self.patience
    }

    /// The file that keepalived looks at.
    pub(crate) fn track_file(&self) -> Option<&Path> {
        self.track_file.as_ref().map(TrackFile::path)
    }

    /// How it stands, with so many flows of the peer.
    pub(crate) fn standing(&self, external: u32) -> Standing {
        let Self { priority, .. } = self;
        Standing {
            reasons: self.reasons.clone(),
            to_commit: self.sample.not_here(external),
            table: self.table,
            track_file: self.track_file().map(Path::to_owned),
            level: priority.level(),
            waits_since: priority.waits_since(),
            gave_up: priority.gave_up(),
            patience: self.patience,
            given_up: self.given_up,
        }
    }
}
