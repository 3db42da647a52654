//! The replica: one router's half of a pair. Control flow only; the parts hold the state.
//!
//! Values come in through the doors (`handle_*`), which never return an error: what the world does wrong is counted,
//! what we do wrong is asserted, what the operator does wrong is answered. What is to be done is polled out
//! (`poll_*`, in the order of [`turn()`]). Looking ([`Replica::status`], the caches, the statistics) changes nothing.
//!
//! Driven by the daemon's event loop and by the simulator; tested by the simulator and in `tests.rs`.

mod account;
mod audit;
mod bulk;
mod catch_up;
mod command;
mod commit;
mod conflict;
mod doors;
mod entering;
mod expect_commit;
mod expect_resync;
mod expectations;
mod jobs;
mod kernel;
mod leftover;
mod lent;
mod notice;
mod notices;
mod parents;
mod preload;
mod purge;
mod resync;
mod role;
mod room;
mod rounds;
mod settings;
mod stats;
mod status;
mod subject;
mod tokens;
mod transmit;
mod turn;
mod twin;
mod warm;

#[cfg(test)]
mod tests;

use alloc::vec::Vec;

use audit::Audit;
use bulk::Bulk;
use catch_up::CatchUp;
use commit::{Commit, Next};
use expectations::Expectations;
use jobs::Jobs;
use lent::Lent;
use notices::Notices;
use parents::Parents;
use preload::Preload;
use purge::Purge;
use resync::Resync;
use room::Room;
use settings::Sifting;
use tokens::Tokens;
use twin::Twin;
use warm::Release;

use crate::cache::internal::Applied;
use crate::cache::{ExternalCache, InternalCache, Slot};
use crate::filter::Filter;
use crate::flow::{Flow, Origin};
use crate::ftfw::channels::Channels;
use crate::ftfw::{Item, Lag, Session};
use crate::time::{Duration, Instant};
use crate::wire::{Control, Datagram, Options, Seq};

use account::Accounts;
pub use account::{Account, Class, REMEMBERED, Tally};
pub use command::{Command, Refusal, Reply, RequestId, Step};
pub use kernel::{By, Errno, ExpectRequest, KernelReply, KernelRequest, Token};
pub use notice::{BulkCause, Notice};
pub use preload::LEAST as LENT;
pub use resync::Ends;
pub use role::{JobKind, Role};
pub use settings::Settings;
pub use stats::{CacheStats, CommitStats, FtfwStats, KernelStats, LinkStats, PreloadStats, Stats};
pub use status::{CommitStatus, Divergence, Progress, Reason, Status, Sync};
pub use turn::{ChannelId, Outside, turn};

/// Flows unacknowledged for longer than this are worth a word in the status.
const UNACKNOWLEDGED: Duration = Duration::from_secs(1);

/// Something that has waited for the peer for longer than this is no ordinary moment: a conntrackd acknowledges once a
/// second.
const BACKLOG: Duration = Duration::from_millis(1500);

/// A little less than conntrackd's default for `ResendQueueSize`, 131,072 objects: every number is one object at most, and
/// the oldest go first.
pub const PEER_KEEPS: u32 = 130_000;

/// What an operator decides.
#[derive(Clone, Debug)]
pub struct Config {
    /// Which flows are told to the peer.
    pub filter: Filter,
    /// Most flows in the internal cache.
    pub internal_limit: u32,
    /// Most flows in the external cache.
    pub external_limit: u32,
    /// How many dedicated links there are. All start down: see [`Replica::handle_channel`].
    pub channels: u8,
    /// How flows are written on the wire.
    pub wire: Options,
    /// Which flows may end without an event of the kernel.
    pub ends: Ends,
    /// Until so many others have followed, a peer that may be a conntrackd is trusted to keep an object for sending it
    /// again; see [`PEER_KEEPS`].
    pub peer_keeps: u32,
}

/// One router's half of a pair.
#[derive(Debug)]
pub struct Replica {
    filter: Filter,
    wire: Options,
    ends: Ends,
    start: Instant,
    role: Role,
    role_since: Instant,
    accounts: Accounts,
    internal: InternalCache,
    external: ExternalCache,
    expectations: Expectations,
    parents: Parents,
    session: Session,
    channels: Channels,
    jobs: Jobs,
    twin: Twin,
    resync: Resync,
    commit: Commit,
    bulk: Bulk,
    catch_up: CatchUp,
    audit: Audit,
    tokens: Tokens,
    stats: Stats,
    notices: Notices,
    sync: (Sync, Instant),
    room: Room,
    /// Ends the peer has told of before we knew our kernel: see `leftover.rs`.
    early_ends: Vec<Flow>,
    /// How many found no place there.
    early_ends_dropped: u32,
    /// Ends the peer was not told, because a backup tells none.
    unsaid: u32,
    sifting: Sifting,
    purge: Purge,
    preload: Preload,
    lent: Lent,
    release: Release,
}

impl Replica {
    /// A replica that knows nothing: it asks for a dump of its kernel and says hello.
    ///
    /// `entropy` gives the first sequence number and the keys of the tables' hashes. It must differ between any two
    /// starts.
    #[must_use]
    pub fn new(config: Config, entropy: [u8; 32], now: Instant) -> Self {
        let word = |at: usize| u64::from_le_bytes(core::array::from_fn(|i| entropy[at + i]));
        let first = Seq(u32::from_le_bytes(core::array::from_fn(|i| entropy[i])));
        let mut session = Session::new(first, now);
        session.say_hello(now);
        let mut internal = InternalCache::new(config.internal_limit, word(8));
        internal.doubt_ends(config.ends != Ends::Told);
        Self {
            filter: config.filter,
            wire: config.wire,
            ends: config.ends,
            start: now,
            role: Role::Unknown,
            role_since: now,
            accounts: Accounts::new(now),
            internal,
            external: ExternalCache::new(config.external_limit, word(16)),
            expectations: Expectations::new(),
            parents: Parents::new(),
            session,
            channels: Channels::new(config.channels),
            jobs: Jobs::default(),
            twin: Twin::default(),
            resync: Resync::new(now),
            commit: Commit::new(now),
            bulk: Bulk::new(),
            catch_up: CatchUp::new(now, config.peer_keeps),
            audit: Audit::new(now),
            tokens: Tokens::default(),
            stats: Stats::default(),
            notices: Notices::default(),
            sync: (Sync::PeerLost { heard: None }, now),
            room: Room::new(now),
            early_ends: Vec::new(),
            early_ends_dropped: 0,
            unsaid: 0,
            sifting: Sifting::default(),
            purge: Purge::default(),
            preload: Preload::default(),
            lent: Lent::default(),
            release: Release::default(),
        }
    }

    // ----- Out: something is to be done. Poll until `None`. -----

    /// The next request for the kernel.
    pub fn poll_kernel(&mut self, now: Instant) -> Option<KernelRequest<'_>> {
        self.step_jobs(now);
        let second = self.second(now);
        match self.commit.next(second, &mut self.tokens, &self.external, &self.internal) {
            Some(Next::ListenNew(listen)) => return Some(KernelRequest::ListenNew(listen)),
            Some(Next::Create { token, slot, timeout }) => {
                let flow = self.external.flow(slot).expect("just found");
                return Some(KernelRequest::Create { token, flow, timeout });
            }
            Some(Next::Relax { token, slot }) => {
                let flow = &self.external.get(slot).expect("just found").flow;
                return Some(KernelRequest::Relax { token, flow });
            }
            Some(Next::Conflict { index }) => return Some(self.commit.conflict(index, &mut self.tokens)),
            None => {}
        }
        if let Some(next) = self.next_preload(now) {
            return Some(self.preload_request(next));
        }
        if self.jobs.flushes() {
            // Whatever else there is waits until this router is ready.
            return if self.expectations.has_written() {
                None
            } else {
                self.poll_expectations(now).map(KernelRequest::Expect)
            };
        }
        if self.lent_request_due().is_some_and(|due| due <= now) {
            return self.poll_lent(now);
        }
        if self.removes_leftovers() {
            return self.poll_leftover();
        }
        if let Some(request) = self.audit.poll(now, &mut self.tokens) {
            return Some(request);
        }
        if self.parents.due().is_some_and(|due| due <= now) {
            return self.parents.poll(now, &mut self.tokens);
        }
        if self.expectations.due().is_some_and(|due| due <= now) {
            return self.poll_expectations(now).map(KernelRequest::Expect);
        }
        self.resync.poll(now, &mut self.tokens, &mut self.internal)
    }

    /// Fills a datagram with what the peer must hear, and says where to send it.
    pub fn poll_transmit(&mut self, now: Instant, into: &mut Datagram) -> Option<ChannelId> {
        let channel = self.channels.current()?;
        self.feed(now);
        while let Some((outgoing, flags)) = self.session.peek() {
            let seq = self.session.next_seq();
            if self.write(into, outgoing, flags, seq).is_err() {
                assert!(!into.is_empty(), "every frame fits into an empty datagram");
                break;
            }
            self.sent(now, outgoing);
        }
        if into.is_empty() {
            return None;
        }
        self.stats.link.datagrams_sent += 1;
        self.stats.link.bytes_sent += into.as_bytes().len() as u64;
        Some(channel)
    }

    /// The next answer to a command.
    pub fn poll_reply(&mut self) -> Option<(RequestId, Reply)> {
        self.jobs.take_reply()
    }

    /// The next thing to tell an operator.
    pub fn poll_notice(&mut self) -> Option<Notice> {
        self.notices.take()
    }

    /// When [`Self::handle_timeout`] is to be called, if nothing happens before.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let bulk =
            if self.session.is_open() && self.knows_kernel() { self.bulk.due(&self.session) } else { None };
        let catch_up = if self.commit.is_idle() { self.catch_up.due(&self.session) } else { None };
        let (kernel, expectations, parents) =
            (self.resync.due(&self.internal), self.expectations.due(), self.parents.due());
        let jobs = [
            bulk,
            catch_up,
            kernel,
            self.commit.due(&self.external),
            self.audit.due(),
            expectations,
            parents,
            self.sifting_due(),
            self.leftover_due(),
            self.purge.due(),
            self.preload_due(),
            self.twin.due(),
            self.room_due(),
        ];
        core::iter::once(Some(self.session.due())).chain(jobs).flatten().min()
    }

    // ----- Look: nothing changes. -----

    /// Everything that was counted.
    #[must_use]
    pub const fn stats(&self) -> &Stats {
        &self.stats
    }

    /// How long the peer is behind with our news, counted.
    #[must_use]
    pub const fn lag(&self) -> &Lag {
        self.session.lag()
    }

    /// The numbers that the peer has not acknowledged, the oldest first; with the message, unless it was about a flow or an
    /// expectation.
    pub fn unacknowledged(&self) -> impl Iterator<Item = (Seq, Option<Control>)> {
        self.session.unacknowledged()
    }

    /// How many flows and expectations wait to be sent.
    #[must_use]
    pub const fn queued(&self) -> u32 {
        self.session.queued()
    }

    /// Flows of our kernel.
    #[must_use]
    pub const fn internal(&self) -> &InternalCache {
        &self.internal
    }

    /// Flows of the peer.
    #[must_use]
    pub const fn external(&self) -> &ExternalCache {
        &self.external
    }

    /// Whether flows of the peer that are written to our kernel are news: it yielded, or a flow that found no room was
    /// tried again. After a take-over a bulk tells it all there is.
    #[must_use]
    pub fn tells_what_it_writes(&self) -> bool {
        self.commit.is_told_singly()
    }

    /// The dedicated link that is used; none while all are down.
    #[must_use]
    pub const fn channel(&self) -> Option<ChannelId> {
        self.channels.current()
    }

    /// Which flows are told to the peer.
    #[must_use]
    pub const fn filter(&self) -> &Filter {
        &self.filter
    }

    /// What became of the peer's flows in the last changes of role, the newest first; that one goes on.
    pub fn accounts(&self) -> impl Iterator<Item = &Account> {
        self.accounts.latest()
    }

    /// Our role.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    /// What contradicts itself in the queues and caches. Walks all of them; for whoever tests.
    #[must_use]
    pub fn inconsistency(&self) -> Option<&'static str> {
        let wrong = self.session.inconsistency();
        // Whatever ended waits for somebody: for the peer to hear of it, or for the end of a dump.
        let forgotten = |slot: Slot| !self.session.holds(Item::from(slot));
        let leaks = !self.internal.keeps_graves() && self.internal.dead_from(0).any(forgotten);
        let wrong = wrong.or_else(|| self.internal.inconsistency());
        wrong.or_else(|| leaks.then_some("an ended flow keeps its slot and nobody waits for it"))
    }

    /// The second in which the caches say something happened at `now`.
    #[must_use]
    pub fn second(&self, now: Instant) -> u32 {
        u32::try_from(now.since(self.start).as_secs()).unwrap_or(u32::MAX)
    }

    /// The replica at a glance.
    #[must_use]
    pub fn status(&self, now: Instant) -> Status {
        let sync = self.sync(now);
        Status {
            role: self.role,
            role_since: self.role_since,
            sync,
            sync_since: if sync == self.sync.0 { self.sync.1 } else { now },
            progress: self.progress(sync),
            commit: self.commit.status(),
            preload: self.preload.is_on().then(|| self.preload_waits()),
            internal: self.internal.len(),
            mute: self.internal.unheard(),
            external: self.external.len(),
            internal_expectations: self.expectations.internal.len(),
            external_expectations: self.expectations.external.len(),
            queued: self.session.queued(),
            in_flight: self.session.in_flight(),
            waits_since: self.session.waits_since(),
        }
    }

    /// Whether both routers know the same, and if not, why.
    fn sync(&self, now: Instant) -> Sync {
        let waits = self.session.queued() > 0 || self.session.in_flight() > 0;
        if self.session.is_silent() {
            Sync::PeerLost { heard: self.session.heard() }
        } else if !self.session.is_open() {
            Sync::CatchingUp(Reason::Starting)
        } else if let Some(reason) = self.catch_up.reason() {
            Sync::CatchingUp(reason)
        } else if let Some(error) = self.resync.error() {
            Sync::Diverged(Divergence::KernelUnreadable(error))
        } else if !self.resync.is_certain() || self.commit.is_deaf() || !self.expectations.has_read() {
            Sync::CatchingUp(Reason::ReadingKernel)
        } else if !self.bulk.is_idle() {
            Sync::CatchingUp(Reason::Sending)
        } else if self.session.has_gap() {
            Sync::CatchingUp(Reason::GapOpen)
        } else if waits && now.since(self.session.progress()) > UNACKNOWLEDGED {
            Sync::CatchingUp(Reason::Unacknowledged)
        } else if self.session.waits_since().is_some_and(|since| now.since(since) > BACKLOG) {
            Sync::CatchingUp(Reason::Backlog)
        } else if self.room.internal_full() {
            Sync::Diverged(Divergence::InternalFull { limit: self.internal.limit() })
        } else if self.room.external_full() {
            Sync::Diverged(Divergence::ExternalFull { limit: self.external.limit() })
        } else if self.catch_up.refusals() > 0 {
            Sync::Diverged(Divergence::Refused { frames: self.catch_up.refusals() })
        } else {
            Sync::InSync
        }
    }

    /// How far that has come which we wait for.
    fn progress(&self, sync: Sync) -> Option<Progress> {
        match sync {
            Sync::CatchingUp(Reason::ReadingKernel) => {
                let done = self.resync.seen();
                Some(Progress { done, of: self.audit.kernel().filter(|kernel| *kernel >= done.max(1)) })
            }
            Sync::CatchingUp(Reason::Sending) => Some(self.bulk.progress(&self.internal)),
            Sync::CatchingUp(Reason::Unacknowledged | Reason::Backlog) => {
                let flows = self.internal.len() + self.internal.dead();
                let of = flows + self.expectations.internal.len();
                let waiting = self.session.queued() + self.session.in_flight();
                Some(Progress { done: of.saturating_sub(waiting), of: Some(of) })
            }
            Sync::CatchingUp(_) => self.catch_up.progress(&self.external),
            Sync::InSync | Sync::Diverged(_) | Sync::PeerLost { .. } => None,
        }
    }

    // ----- Between the parts. -----

    /// The internal cache has changed: what it means for the peer.
    fn news(&mut self, applied: Applied, origin: Origin) {
        let stats = &mut self.stats.internal;
        match applied {
            Applied::Added(slot) | Applied::Again(slot) | Applied::Changed(slot) => {
                let added = !matches!(applied, Applied::Changed(_));
                *if added { &mut stats.created } else { &mut stats.updated } += 1;
                // A flow that ended and lives again must not be told as ended by what waits.
                let item = Item::from(slot);
                let told = added && self.session.holds(item);
                // After a take-over a bulk tells all there is; of what is written singly our kernel's version is told.
                let news = origin == Origin::Kernel || told || self.commit.is_told_singly();
                if self.role.replicates() && news {
                    self.session.enqueue(item);
                } else if added {
                    // What is in flight is of an earlier life: its acknowledgement must not count for this one.
                    self.session.forget(item);
                    self.bulk.forgotten(item, &self.session);
                }
                if added && self.role == Role::Primary {
                    self.internal.gained(slot);
                }
                if added {
                    self.reveal_expectations(slot, origin);
                }
            }
            Applied::Ended(slot) if self.role.replicates() => {
                stats.destroyed += 1;
                self.session.enqueue(slot.into());
                self.end_expectations(slot);
            }
            Applied::Ended(slot) | Applied::Vanished(slot) => {
                stats.destroyed += 1;
                // What is left over here and was removed, has ended there.
                let untold = origin == Origin::Kernel && matches!(applied, Applied::Ended(_));
                self.unsaid += u32::from(untold);
                self.end_expectations(slot);
                self.bury(slot);
            }
            Applied::Late => self.stats.kernel.late_destroys += 1,
            Applied::Full => {
                stats.create_failed += 1;
                self.cache_full(true);
            }
            Applied::Nothing | Applied::Unknown => {}
        }
    }

    /// The slot of an ended flow is needed no more.
    fn bury(&mut self, slot: Slot) {
        let item = Item::from(slot);
        self.session.forget(item);
        self.bulk.forgotten(item, &self.session);
        self.internal.bury(slot);
    }

    /// Ends that the peer has not acknowledged are forgotten. Says how many.
    fn forget_ends(&mut self) -> u32 {
        let mut forgotten = 0;
        let mut from = 0;
        loop {
            let Some(slot) = self.internal.dead_from(from).next() else { break };
            from = slot.0 + 1;
            if self.session.holds(slot.into()) {
                self.bury(slot);
                forgotten += 1;
            }
        }
        forgotten + self.forget_expectation_ends()
    }

    /// Whether all there is in our kernel was read once. Before that a bulk would name nearly nothing, and the peer would
    /// sweep all it has of us.
    fn knows_kernel(&self) -> bool {
        self.resync.knows() && (self.expectations.knows() || !self.filter.wants_expectations())
    }

    /// Lets the bulk and the question for a resync go on.
    fn feed(&mut self, now: Instant) {
        if !self.session.is_open() {
            return;
        }
        let copies = self.role == Role::Primary;
        let notice = if self.knows_kernel() {
            self.bulk.feed(now, &self.internal, copies, &self.expectations.internal, &mut self.session)
        } else {
            None
        };
        if let Some(Notice::BulkBegun { cause, .. }) = notice {
            self.stats.ftfw.begin_bulk(cause);
        }
        self.tell(notice);
        if !self.commit.is_idle() {
            // A router that crashed and is back with an empty table must not take from us what we are committing.
            return;
        }
        self.catch_up.say_yielded(now, &self.session);
        if self.catch_up.is_complete(&self.session) {
            let doubted = self.catch_up.decide(now, &self.external, self.session.peer_keeps());
            self.stats.ftfw.resyncs_doubted += u64::from(doubted);
        }
        let keeps_failed = !self.keeps_warm();
        let (asked, notice) = self.catch_up.step(now, &mut self.external, &mut self.session, keeps_failed);
        if let Some(reason) = asked {
            self.stats.ftfw.ask_resync(reason);
            self.expectations.external.begin_resync();
            self.peer_asked();
        }
        if let Some(Notice::CaughtUp { swept, .. }) = notice {
            self.stats.external.swept += u64::from(swept);
            self.warm_all(now);
            self.stats.external_expectations.swept += u64::from(self.expectations.external.sweep());
        }
        self.tell(notice);
    }

    fn tell(&mut self, notice: Option<Notice>) {
        let Some(notice) = notice else { return };
        self.stats.notices_dropped += u64::from(self.notices.put(notice));
    }
}
