//! Emptying the kernel of a router that was primary, a while after it stands by: conntrackd's `PurgeTimeout`, for whoever
//! configures it. What cannot be proved to be left over (see `leftover.rs`) goes by the operator's word.
//!
//! Only what this router had as primary, or does not know how it came; only what the peer has now, or has told the end of
//! since; and only when both routers know the same. So nothing goes that this one has alone. Becoming primary calls it off, and so does a commit. Tested in `tests/purge.rs`.

use super::Replica;
use super::notice::Notice;
use super::role::Role;
use super::status::Sync;
use crate::time::{Duration, Instant};

/// Slots looked at in one go.
const SLICE: u32 = 8192;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Idle,
    /// The while is not over.
    Scheduled { due: Instant },
    /// It is, and the routers do not know the same.
    Overdue,
    /// Slots are looked at, from the next one on.
    Running { cursor: u32, flows: u32 },
}

/// When the table is emptied.
#[derive(Debug, Default)]
pub(super) struct Purge {
    /// After so long; none: never.
    after: Option<Duration>,
    state: State,
}

impl Purge {
    /// From now on after so long. What is under way keeps its time, unless there shall be none.
    pub(super) const fn set(&mut self, after: Option<Duration>) {
        self.after = after;
        if after.is_none() {
            self.call_off();
        }
    }

    /// When the replica must look at it.
    pub(super) const fn due(&self) -> Option<Instant> {
        match self.state {
            State::Scheduled { due } => Some(due),
            State::Running { .. } => Some(Instant::PAST),
            // Something happens when the routers know the same, and it is looked at then.
            State::Idle | State::Overdue => None,
        }
    }

    /// Whether something is to go in a while.
    pub(super) fn is_scheduled(&self) -> bool {
        self.state != State::Idle
    }

    /// Nothing is to go.
    pub(super) const fn call_off(&mut self) {
        self.state = State::Idle;
    }

    fn left_primary(&mut self, now: Instant) -> Option<Notice> {
        let after = self.after.filter(|_| self.state == State::Idle)?;
        self.state = State::Scheduled { due: now + after };
        Some(Notice::PurgeScheduled { after })
    }
}

impl Replica {
    /// The role has changed.
    pub(super) fn reschedule_purge(&mut self, now: Instant, from: Role) {
        if self.role.replicates() {
            self.purge.call_off();
        } else if from == Role::Primary && !self.preload.is_on() {
            let notice = self.purge.left_primary(now);
            self.tell(notice);
        }
    }

    /// Begins when it is time, and goes on: the next few of what is to go wait to be removed.
    pub(super) fn purge_when_due(&mut self, now: Instant) {
        if matches!(self.purge.state, State::Scheduled { due } if due <= now) {
            self.purge.state = State::Overdue;
        }
        if self.purge.state == State::Overdue && self.sync(now) == Sync::InSync {
            self.purge.state = State::Running { cursor: 0, flows: 0 };
        }
        if let State::Running { cursor, flows } = self.purge.state {
            let end = self.internal.end();
            let to = end.min(cursor.saturating_add(SLICE));
            let Self { internal, external, .. } = self;
            let flows = flows + internal.condemn_all(cursor, to, |key| external.find(key).is_some());
            self.purge.state = State::Running { cursor: to, flows };
            if to == end {
                self.purge.call_off();
                self.tell(Some(Notice::PurgeBegun { flows }));
            }
        }
    }
}
