//! Entering a role and working off its jobs: the steps between the parts, and what is made up for when a cache has
//! room again or ends were never told. Tested in `tests.rs` and by the simulator.

use super::Replica;
use super::account::Account;
use super::command::{Refusal, RequestId, Step};
use super::commit::Manner;
use super::notice::Notice;
use super::resync::Ends;
use super::role::{JobKind, Role};
use super::status::Reason;
use crate::time::Instant;

impl Replica {
    /// Whether a take-over is under way: the peer is told of its flows by the bulk that follows, not one by one.
    #[must_use]
    pub fn takes_over(&self) -> bool {
        self.jobs.flushes() || !self.commit.is_idle() && !self.commit.is_told_singly()
    }

    /// The one function by which a role is entered.
    pub(super) fn enter(&mut self, now: Instant, role: Role) {
        let from = core::mem::replace(&mut self.role, role);
        self.role_since = now;
        self.accounts.begin(Account {
            known: self.external.len(),
            internal: self.internal.len(),
            missing: self.session.missing(),
            unacknowledged: self.internal.fresh(),
            kept_out: self.audit.kept_out(),
            ..Account::begin(from, role, now)
        });
        self.tell(Some(Notice::RoleEntered { from, to: role }));
        let reading = matches!(self.jobs.current(), Some((JobKind::ReloadInternal, _)));
        if self.commit.is_deaf() || self.jobs.has(JobKind::ReloadInternal) && !reading {
            // Births were not heard for a while, or what was committed was not read back.
            self.resync.want(now);
        }
        self.commit.abandon(now);
        let warm = self.takes_over_warm(from, role);
        if from.replicates() || !self.preload.is_on() {
            // Whoever stands by knows what its kernel refuses, and goes on trying: see `preload.rs`.
            self.external.forgive();
        }
        self.expectations.external.forgive();
        self.expectations.abandon_commit();
        if !role.replicates() {
            // A backup says no word of an end: its timers expire while the flow lives on the primary.
            self.unsaid += self.forget_ends();
        }
        if role.replicates() {
            self.internal.pardon();
        }
        self.twin.settle();
        self.jobs.replace(role, if warm { Role::on_take_over_warm() } else { role.on_enter() });
        self.reschedule_purge(now, from);
        self.reconsider_preload(now, from);
        self.catch_up.left_role();
        if role == Role::Backup {
            let unheard = from == Role::Primary && !self.session.is_open();
            let notice = self.catch_up.became_backup(now, from == Role::Unknown, unheard);
            self.tell(notice);
        }
        self.step_jobs(now);
    }

    /// One step that an operator wants.
    pub(super) fn take_step(&mut self, now: Instant, id: RequestId, step: Step) {
        let job = match step {
            Step::Commit => JobKind::Commit,
            Step::ReloadInternal => JobKind::ReloadInternal,
            Step::Bulk => JobKind::Bulk,
            Step::ResetExternal if self.session.is_silent() => {
                return self.jobs.refuse(id, Refusal::PeerSilent);
            }
            Step::ResetExternal | Step::AskPeer => {
                let notice = self.catch_up.want(now, Reason::Operator);
                self.tell(notice);
                if step == Step::ResetExternal {
                    if !self.keeps_warm() {
                        self.external.forgive();
                    }
                    self.expectations.external.forgive();
                    return self.jobs.wait_for_peer(id, self.catch_up.completed() + 1);
                }
                JobKind::RequestResync
            }
        };
        if step == Step::Commit && self.keeps_warm() {
            // It is in the kernel already, or waits for that.
            self.preload.begin(now, false);
            self.jobs.wait_for(id, Some(job));
            return self.step_jobs(now);
        }
        // A router that stands by tells nothing: the ends of what it tells would never be told.
        let is_told = step != Step::Bulk || self.role.replicates();
        if step != Step::AskPeer && is_told {
            self.jobs.append(&[job]);
        }
        self.jobs.wait_for(id, Some(job));
        self.step_jobs(now);
    }

    /// Begins and ends jobs as far as it goes.
    pub(super) fn step_jobs(&mut self, now: Instant) {
        self.commit.try_again(now, self.second(now));
        self.step_commit(now);
        self.expectations.settle(now);
        while let Some(notice) = self.commit.take_notice() {
            self.tell(Some(notice));
        }
        let first = !self.resync.knows();
        let notice = self.resync.finish(now, &self.internal);
        if notice.is_some() {
            self.audit.reloaded(now);
            self.warm_all(now);
        }
        if first && self.resync.knows() && self.internal.unheard() > 0 {
            self.tell(Some(Notice::EndsUnheard { flows: self.internal.unheard() }));
        }
        self.tell(notice);
        self.sifted(now);
        self.look_at_early_ends();
        if self.twin.yields(now) {
            self.jobs.append(self.role.on_peer_yielded());
        }
        // Whoever does not hold all flows cannot tell by their count that an end went unheard.
        let blind = self.ends == Ends::Untold || self.internal.unheard() > 0 || self.room.internal_full();
        self.resync.repeat(blind);
        loop {
            if let Some(job) = self.jobs.to_begin() {
                let until = self.begin_job(now, job);
                self.jobs.begin(until);
            }
            let done = match self.jobs.current() {
                None => break,
                Some((JobKind::Commit | JobKind::Adopt, _)) => {
                    self.commit.is_idle() && self.expectations.has_written()
                }
                Some((JobKind::Flush, _)) => self.has_flushed(now),
                Some((JobKind::Release, _)) => self.has_released(),
                Some((JobKind::AwaitPeer, until)) => self.catch_up.completed() >= until,
                Some((JobKind::ReloadInternal, until)) => {
                    self.resync.completed() >= until && self.expectations.has_read_through()
                }
                Some((JobKind::Bulk | JobKind::RequestResync, _)) => true,
            };
            if !done {
                break;
            }
            self.jobs.done();
        }
        self.purge_when_due(now);
        self.jobs.answer();
        self.jobs.peer_answered(self.catch_up.completed(), self.session.is_silent());
    }

    /// Ends the commit of flows if it is done; that of expectations begins then.
    fn step_commit(&mut self, now: Instant) {
        let (written, notice) = self.commit.step(now, &self.external);
        if notice.is_some() && self.commit.manner() == Manner::TakeOver {
            self.accounts.present().commit_done.get_or_insert(now);
        }
        if written {
            self.expectations.begin_commit(self.commit.manner());
        }
        self.tell(notice);
    }

    fn begin_job(&mut self, now: Instant, job: JobKind) -> u32 {
        match job {
            JobKind::Commit => {
                self.stats.commit.begun += 1;
                self.purge.call_off();
                if self.role != Role::Primary {
                    // An operator wants it of a router that stands by, and what is written leaves the external cache.
                    let notice = self.catch_up.want(now, Reason::Operator);
                    self.tell(notice);
                }
                self.begin_commit(now, Manner::TakeOver);
                0
            }
            JobKind::Adopt => {
                self.stats.commit.adoptions += 1;
                self.begin_commit(now, Manner::Adopt);
                0
            }
            JobKind::AwaitPeer => {
                let notice = self.catch_up.want(now, Reason::PeerYielded);
                self.tell(notice);
                self.catch_up.completed() + 1
            }
            JobKind::Flush => {
                self.begin_flush(now);
                0
            }
            JobKind::Release => {
                self.begin_release();
                0
            }
            JobKind::ReloadInternal => self.resync.want(now),
            JobKind::Bulk => {
                let unsaid = core::mem::take(&mut self.unsaid);
                self.tell_of_forgotten(now, unsaid);
                self.bulk.demand(now, &self.internal);
                0
            }
            // Asked for when the role was entered, where it is known what the router was before.
            JobKind::RequestResync => 0,
        }
    }

    fn begin_commit(&mut self, now: Instant, manner: Manner) {
        if manner == Manner::TakeOver {
            self.accounts.present().commit_begun.get_or_insert(now);
        }
        let notice = self.commit.begin(now, self.second(now), manner, &self.external);
        self.tell(Some(notice));
        self.step_commit(now);
    }

    /// Ends the peer was not told of must not fill the cache while nobody listens: they are forgotten, and a hello
    /// makes the peer ask for a resync, which sweeps them there.
    pub(super) fn limit_ends(&mut self, now: Instant) {
        let (flows, expectations) = (&self.internal, &self.expectations.internal);
        let many = flows.dead() > flows.limit() / 4 || expectations.dead() > expectations.limit() / 4;
        if self.session.is_silent() && many {
            let flows = self.forget_ends();
            self.tell_of_forgotten(now, flows);
        }
    }

    /// The peer holds flows whose end it was never told, and a bulk removes nothing: a hello makes it ask for a
    /// resync, which does.
    fn tell_of_forgotten(&mut self, now: Instant, flows: u32) {
        if flows > 0 {
            self.stats.ftfw.ends_forgotten += u64::from(flows);
            self.session.say_hello(now);
            self.tell(Some(Notice::EndsForgotten { flows }));
        }
    }
}
