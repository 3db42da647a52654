//! The queue of jobs of a role, and who waits for its end. There is one function for entering a role:
//! [`super::Replica::enter`] replaces what the old one has left to do.

use alloc::collections::VecDeque;

use super::command::{Refusal, Reply, RequestId};
use super::role::{JobKind, Role};

/// Commands that wait for the end of the jobs; more are refused.
const WAITING: usize = 64;

/// What is left to do of entering the role.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    queue: VecDeque<JobKind>,
    /// Whether the first of the queue was begun, and what it waits for (a count of dumps).
    begun: Option<u32>,
    /// Who waits, and for which job; for all of them if for none.
    waiting: VecDeque<(RequestId, Option<JobKind>)>,
    /// Who waits until the peer has answered so many questions.
    asking: VecDeque<(RequestId, u32)>,
    replies: VecDeque<(RequestId, Reply)>,
}

impl Jobs {
    /// The jobs of a new role take the place of what was left. Whoever waited for them is told.
    pub(super) fn replace(&mut self, role: Role, jobs: &[JobKind]) {
        let waiting = core::mem::take(&mut self.waiting).into_iter().map(|(id, _)| id);
        let asking = core::mem::take(&mut self.asking).into_iter().map(|(id, _)| id);
        for id in waiting.chain(asking) {
            self.replies.push_back((id, Reply::Refused(Refusal::Overtaken { by: role })));
        }
        self.begun = None;
        self.queue = jobs.iter().copied().collect();
    }

    /// More jobs, behind those that are left. What is left to do in their order already is not done twice, because VRRP
    /// repeats itself. But it is done again where something that comes before it was begun: that has not seen what the
    /// peer, which may have been primary all the time, has told since.
    pub(super) fn append(&mut self, jobs: &[JobKind]) {
        let mut left = self.queue.iter();
        let known = jobs.iter().take_while(|job| left.any(|queued| queued == *job)).count();
        self.queue.extend(&jobs[known..]);
    }

    /// Somebody waits for the end of the jobs.
    pub(super) fn wait(&mut self, id: RequestId) {
        self.wait_for(id, None);
    }

    /// Somebody waits for the end of one job, or of all.
    pub(super) fn wait_for(&mut self, id: RequestId, job: Option<JobKind>) {
        if self.waiting.len() == WAITING {
            self.refuse(id, Refusal::TooManyWaiting);
        } else {
            self.waiting.push_back((id, job));
        }
    }

    /// Somebody waits until the peer has answered so many questions. Nothing else waits for that.
    pub(super) fn wait_for_peer(&mut self, id: RequestId, until: u32) {
        if self.asking.len() == WAITING {
            self.refuse(id, Refusal::TooManyWaiting);
        } else {
            self.asking.push_back((id, until));
        }
    }

    /// So many questions were answered; or the peer is silent, and no answer will come soon.
    pub(super) fn peer_answered(&mut self, answered: u32, silent: bool) {
        let Self { asking, replies, .. } = self;
        asking.retain(|(id, until)| {
            let waits = answered < *until && !silent;
            if !waits {
                replies.push_back((*id, Reply::Done));
            }
            waits
        });
    }

    /// Answers without waiting.
    pub(super) fn refuse(&mut self, id: RequestId, refusal: Refusal) {
        self.replies.push_back((id, Reply::Refused(refusal)));
    }

    /// The job to begin, if the first was not begun yet.
    pub(super) fn to_begin(&self) -> Option<JobKind> {
        if self.begun.is_some() { None } else { self.queue.front().copied() }
    }

    /// The first job was begun; `until` is what it waits for.
    pub(super) const fn begin(&mut self, until: u32) {
        self.begun = Some(until);
    }

    /// Whether what waits to be preloaded is written first, or is being written.
    pub(super) fn flushes(&self) -> bool {
        self.queue.front() == Some(&JobKind::Flush)
    }

    /// Whether this job is still to be done.
    pub(super) fn has(&self, job: JobKind) -> bool {
        self.queue.contains(&job)
    }

    /// The job that was begun and what it waits for.
    pub(super) fn current(&self) -> Option<(JobKind, u32)> {
        Some((self.queue.front().copied()?, self.begun?))
    }

    /// The first job is done.
    pub(super) fn done(&mut self) {
        self.queue.pop_front();
        self.begun = None;
    }

    /// Answers whoever waits for what is no longer to be done.
    pub(super) fn answer(&mut self) {
        let Self { queue, waiting, replies, .. } = self;
        waiting.retain(|(id, job)| {
            let waits = job.map_or(!queue.is_empty(), |job| queue.contains(&job));
            if !waits {
                replies.push_back((*id, Reply::Done));
            }
            waits
        });
    }

    /// The next answer.
    pub(super) fn take_reply(&mut self) -> Option<(RequestId, Reply)> {
        self.replies.pop_front()
    }
}
