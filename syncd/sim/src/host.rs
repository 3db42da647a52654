//! One router: its kernel, its helper thread, and the daemon's half of the contract with the replica.
//!
//! What the daemon does with sockets is done here with the model: events are read in batches, changes are carried
//! out by the kernel before the turn ends, look-ups and dumps go through one helper that hands over batches later.
//! It decides nothing about the protocol.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Display;

use syncd_core::filter::Filter;
use syncd_core::flow::{Expectation, Flow};
use syncd_core::replica::{
    By, ChannelId, Config, Errno, ExpectRequest, KernelReply, KernelRequest, Notice, Outside, Replica, Reply,
    RequestId, Settings, Stats, Token, turn,
};
use syncd_core::time::{Duration, Instant};
use syncd_core::wire::{Datagram, payload_limit};

use crate::chance::Chance;
use crate::conntrackd::{Conntrackd, HelloRule};
use crate::kernel::{Kernel, Name, Read};
use crate::trace::Glance;

/// The one dedicated link.
pub const LINK: ChannelId = ChannelId(0);

/// Kernel events read in one go, as the daemon's budget.
const EVENTS: usize = 32;

/// Datagrams sent in one turn.
const DATAGRAMS: usize = 8;

/// Kernel requests of one turn.
const REQUESTS: usize = 128;

/// Buckets a dump walks in one step.
const BUCKETS: u16 = 8192;

/// What runs on a router.
#[derive(Debug)]
pub enum Daemon {
    /// Nothing: it crashed.
    None,
    /// syncd.
    Syncd(Box<Replica>),
    /// A model of conntrackd.
    Conntrackd(Box<Conntrackd>),
}

/// Work for the helper thread.
#[derive(Clone, Copy, Debug)]
enum Work {
    Find { token: Token, tuple: Name },
    Dump { token: Token, cursor: Option<u16> },
    Count { token: Token },
    FindExpectation { token: Token, wanted: Expectation },
    DumpExpectations { token: Token },
}

/// What the helper thread hands over.
#[derive(Clone, Copy, Debug)]
pub enum Answer {
    /// One flow of a dump.
    Dumped(Token, Flow),
    /// What was looked for, or why not.
    Found(Token, Result<Flow, Errno>),
    /// One expectation of a dump, or the one that was looked for.
    Expectation(Token, Expectation),
    /// The end of a dump.
    Done(Token),
    /// How many flows there are.
    Counted(Token, u32),
    /// A dump that ended before its end.
    Failed(Token, Errno),
}

/// One router.
#[derive(Debug)]
pub struct Host {
    /// The name of the machine.
    pub name: &'static str,
    /// How far its monotonic clock is ahead of the world's time. No two machines' are the same, and each may jump.
    pub clock: Duration,
    /// Its kernel.
    pub kernel: Kernel,
    /// What runs on it.
    pub daemon: Daemon,
    /// Counts the starts of the daemon, so that what was meant for an earlier one is known.
    pub life: u32,
    /// The daemon does not get to read the kernel's events before.
    pub stalled_until: Instant,
    /// The daemon does nothing at all before (SIGSTOP).
    pub frozen_until: Instant,
    /// Datagrams that wait in its socket meanwhile.
    pub inbox: usize,
    /// When the next wake-up is on the agenda.
    pub wake_at: Option<Instant>,
    /// Whether reading events is on the agenda.
    pub reading: bool,
    /// Whether a step of the helper is on the agenda.
    pub helping: bool,
    /// How many lost events the daemon knows of.
    pub drops: u64,
    /// It is a conntrackd that has answered a stranger's hello, and its peer has not heard of that: it acknowledges numbers
    /// that it has leapt over.
    pub misled: bool,
    /// When the helper's last batch arrives: the next never comes before it.
    pub handed_over: Instant,
    /// A dump was asked for and waits until the events from before are read.
    dump_wanted: Option<Token>,
    /// The same of expectations.
    expectations_wanted: Option<Token>,
    helper: VecDeque<Work>,
    datagram: Datagram,
}

/// What a turn left for the world to do.
#[derive(Debug, Default)]
pub struct Turned {
    /// Datagrams to carry.
    pub sent: Vec<Vec<u8>>,
    /// What the operator was told.
    pub notices: Vec<Notice>,
    /// What commands were answered.
    pub replies: Vec<(RequestId, Reply)>,
    /// The counters as they were when the notices were taken.
    pub stats: Stats,
    /// Whether a flow that was committed became news.
    pub told_own: bool,
    /// Whether a flow of the kernel was destroyed although nobody takes over.
    pub destroyed: bool,
    /// Flows that a router which stands by has removed from its kernel.
    pub removed: Vec<Name>,
    /// Flows that it has written, and has no room for in its internal cache.
    pub crowded: Vec<Name>,
    /// When to wake the daemon.
    pub wake: Option<Instant>,
    /// What was asked of the kernel, and what it answered.
    pub requests: Vec<(String, Result<(), Errno>)>,
}

impl Host {
    /// A router on which nothing runs yet.
    #[must_use]
    pub fn new(name: &'static str, clock: Duration, kernel: Kernel) -> Self {
        Self {
            name,
            clock,
            kernel,
            daemon: Daemon::None,
            life: 0,
            stalled_until: Instant::PAST,
            frozen_until: Instant::PAST,
            inbox: 0,
            wake_at: None,
            reading: false,
            helping: false,
            drops: 0,
            misled: false,
            handed_over: Instant::PAST,
            dump_wanted: None,
            expectations_wanted: None,
            helper: VecDeque::new(),
            datagram: Datagram::with_limit(payload_limit(1500)),
        }
    }

    /// The world's time as this machine's clock shows it.
    #[must_use]
    pub fn local(&self, now: Instant) -> Instant {
        now + self.clock
    }

    /// When this machine's clock will show `local`.
    fn global(&self, local: Instant) -> Instant {
        Instant::PAST + local.since(Instant::PAST + self.clock)
    }

    /// The replica, if syncd runs.
    #[must_use]
    pub fn replica(&self) -> Option<&Replica> {
        if let Daemon::Syncd(replica) = &self.daemon { Some(replica) } else { None }
    }

    /// Whether a daemon runs.
    #[must_use]
    pub const fn is_up(&self) -> bool {
        !matches!(self.daemon, Daemon::None)
    }

    /// Whether the helper thread has work.
    #[must_use]
    pub fn has_work(&self) -> bool {
        !self.helper.is_empty()
    }

    /// syncd starts: it subscribes first.
    pub fn start(
        &mut self,
        now: Instant,
        mut config: Config,
        entropy: [u8; 32],
        settings: Option<&Settings>,
    ) {
        self.kernel.listen(true);
        config.ends = self.kernel.enable_events();
        let local = self.local(now);
        let mut replica = Replica::new(config, entropy, local);
        if let Some(settings) = settings {
            replica.handle_settings(local, settings);
        }
        replica.handle_channel(local, LINK, true);
        self.begin_life(Daemon::Syncd(Box::new(replica)));
    }

    /// conntrackd starts.
    pub fn start_conntrackd(&mut self, now: Instant, first: u32, filter: Filter, rule: HelloRule) {
        self.kernel.listen(true);
        let mut conntrackd = Conntrackd::new(now, first, filter, rule);
        conntrackd.read_kernel(&self.kernel);
        self.begin_life(Daemon::Conntrackd(Box::new(conntrackd)));
    }

    /// Whether the daemon is a conntrackd that has lost events and no longer knows of this flow. What it does not name in
    /// its bulk, its peer may forget.
    #[must_use]
    pub fn overlooks(&self, name: &Name) -> bool {
        matches!(&self.daemon, Daemon::Conntrackd(conntrackd) if !conntrackd.knows(name))
    }

    /// Whether the daemon does not know of the present life of this flow.
    #[must_use]
    pub fn lags_behind(&self, name: &Name) -> bool {
        let (Some(replica), Some(flow)) = (self.replica(), self.kernel.get(name)) else { return false };
        let known = replica.internal().iter_from(0).find(|(_, entry)| Name::of(&entry.flow) == *name);
        known.is_none_or(|(_, entry)| entry.flow.id != flow.id)
    }

    /// Whether the daemon takes some life of this flow for living.
    #[must_use]
    pub fn believes_in(&self, name: &Name) -> bool {
        let lives = |replica: &Replica| {
            replica.internal().iter_from(0).any(|(_, entry)| Name::of(&entry.flow) == *name)
        };
        self.replica().is_some_and(lives)
    }

    /// The daemon is gone, and with it all it knew.
    pub fn crash(&mut self) {
        self.kernel.listen(false);
        self.begin_life(Daemon::None);
    }

    fn begin_life(&mut self, daemon: Daemon) {
        self.daemon = daemon;
        self.life += 1;
        self.helper.clear();
        (self.dump_wanted, self.expectations_wanted) = (None, None);
        (self.reading, self.helping, self.drops) = (false, false, 0);
        (self.wake_at, self.handed_over, self.misled) = (None, Instant::PAST, false);
        (self.stalled_until, self.frozen_until, self.inbox) = (Instant::PAST, Instant::PAST, 0);
    }

    /// Takes a batch of events out of the kernel's buffer. The second value says whether events were lost.
    pub fn gather(&mut self) -> (Vec<crate::kernel::Event>, bool) {
        let (mut events, mut lost) = (Vec::new(), false);
        while events.len() < EVENTS {
            match self.kernel.read() {
                Some(Read::Event(event)) => events.push(event),
                Some(Read::Overrun) => {
                    // What was dropped up to here is told by this.
                    self.drops = self.kernel.drops().unwrap_or(self.drops);
                    lost = true;
                }
                None => break,
            }
        }
        (events, lost)
    }

    /// The daemon compares the kernel's own count of lost events with what it was told. Says whether there are more.
    pub fn look_at_drops(&mut self) -> bool {
        let more = self.kernel.drops().filter(|drops| *drops > self.drops);
        self.drops = more.unwrap_or(self.drops);
        more.is_some()
    }

    /// Whether a dump waits to begin.
    #[must_use]
    pub const fn wants_dump(&self) -> bool {
        self.dump_wanted.is_some() || self.expectations_wanted.is_some()
    }

    /// The dump that may begin, because nothing from before it was asked for is left to read.
    pub fn begin_dump(&mut self) -> Option<Token> {
        if self.kernel.has_events() {
            return None;
        }
        if let Some(token) = self.dump_wanted.take() {
            self.helper.push_back(Work::Dump { token, cursor: None });
            return Some(token);
        }
        let token = self.expectations_wanted.take()?;
        self.helper.push_back(Work::DumpExpectations { token });
        Some(token)
    }

    /// One step of the helper thread: a look-up, or a part of a dump.
    pub fn help(&mut self, chance: &mut Chance, missed: u32) -> Vec<Answer> {
        match self.helper.pop_front() {
            None => Vec::new(),
            Some(Work::Find { token, tuple }) => {
                let refused = self.kernel.refuse(&[Errno::ENOMEM]);
                let found = || self.kernel.find(&tuple).copied().ok_or(Errno::ENOENT);
                vec![Answer::Found(token, refused.and_then(|()| found()))]
            }
            Some(Work::Count { token }) => {
                let entries = u32::try_from(self.kernel.count()).expect("its limit is 32 bits");
                vec![Answer::Counted(token, entries)]
            }
            Some(Work::FindExpectation { token, wanted }) => vec![match self
                .kernel
                .refuse(&[Errno::ENOMEM])
                .and_then(|()| self.kernel.find_expectation(&wanted))
            {
                Ok(found) => Answer::Expectation(token, *found),
                Err(errno) => Answer::Failed(token, errno),
            }],
            Some(Work::DumpExpectations { token }) => {
                if let Err(errno) = self.kernel.refuse(&[Errno::EBUSY, Errno::ENOMEM]) {
                    return vec![Answer::Failed(token, errno)];
                }
                let answers = self.kernel.expectations().map(|found| Answer::Expectation(token, *found));
                answers.chain([Answer::Done(token)]).collect()
            }
            Some(Work::Dump { token, cursor }) => {
                let from = cursor.unwrap_or(0);
                let to = from.checked_add(BUCKETS);
                let here = |name: &Name| name.bucket() >= from && to.is_none_or(|to| name.bucket() < to);
                if let Err(errno) = self.kernel.refuse(&[Errno::EBUSY, Errno::ENOMEM]) {
                    return vec![Answer::Failed(token, errno)];
                }
                self.kernel.walk(here);
                let flows = self.kernel.flows().filter(|(name, _)| here(name)).map(|(_, flow)| *flow);
                // What nobody knows cannot be looked up, so only lives that are known are missed.
                let known = if missed > 0 { self.known() } else { BTreeMap::new() };
                let mut misses =
                    |flow: &Flow| known.get(&Name::of(flow)) == Some(&flow.id) && chance.permille(missed);
                let mut answers: Vec<Answer> =
                    flows.filter(|flow| !misses(flow)).map(|flow| Answer::Dumped(token, flow)).collect();
                match to {
                    Some(to) => self.helper.push_front(Work::Dump { token, cursor: Some(to) }),
                    None => answers.push(Answer::Done(token)),
                }
                answers
            }
        }
    }

    /// The flows that the daemon knows, and the life of each.
    fn known(&self) -> BTreeMap<Name, u32> {
        let Daemon::Syncd(replica) = &self.daemon else { return BTreeMap::new() };
        replica.internal().iter_from(0).map(|(_, entry)| (Name::of(&entry.flow), entry.flow.id)).collect()
    }

    /// One turn of whatever runs.
    pub fn turn_any(&mut self, now: Instant) -> Turned {
        if let Daemon::Conntrackd(conntrackd) = &mut self.daemon {
            let sent = conntrackd.transmit(now);
            return Turned { sent, wake: Some(conntrackd.due()), ..Turned::default() };
        }
        self.turn(now)
    }

    /// One turn of syncd: everything the replica wants is done, then it hears what its kernel said.
    fn turn(&mut self, now: Instant) -> Turned {
        let local = self.local(now);
        let Daemon::Syncd(replica) = &mut self.daemon else { return Turned::default() };
        let mut outside = SimOutside {
            now,
            kernel: &mut self.kernel,
            helper: &mut self.helper,
            dump_wanted: &mut self.dump_wanted,
            expectations_wanted: &mut self.expectations_wanted,
            datagram: &mut self.datagram,
            answers: Vec::new(),
            wanted: Vec::new(),
            datagrams_left: DATAGRAMS,
            requests_left: REQUESTS,
            turned: Turned::default(),
        };
        let took_over = replica.takes_over();
        turn(replica, local, &mut outside);
        let SimOutside { answers, wanted, datagrams_left, requests_left, mut turned, .. } = outside;
        turned.stats = *replica.stats();
        let stands_by = !replica.role().replicates();
        turned.destroyed &= !took_over && !stands_by;
        if !stands_by {
            turned.removed.clear();
        }
        let before = Glance::of(replica, local).unsettled();
        let takes_over = replica.takes_over();
        for (token, answer) in &answers {
            let failed = replica.stats().internal.create_failed;
            replica.handle_kernel(
                local,
                match answer {
                    Ok(()) => KernelReply::Done(*token),
                    Err(errno) => KernelReply::Failed(*token, *errno),
                },
            );
            if replica.stats().internal.create_failed > failed {
                turned.crowded.extend(wanted.iter().filter(|(of, _)| of == token).map(|(_, name)| *name));
            }
        }
        turned.told_own = takes_over && Glance::of(replica, local).unsettled() > before;
        let again = !answers.is_empty() || datagrams_left == 0 || requests_left == 0;
        turned.wake = if again { Some(local) } else { replica.poll_timeout() }.map(|due| self.global(due));
        turned
    }
}

struct SimOutside<'a> {
    now: Instant,
    kernel: &'a mut Kernel,
    helper: &'a mut VecDeque<Work>,
    dump_wanted: &'a mut Option<Token>,
    expectations_wanted: &'a mut Option<Token>,
    datagram: &'a mut Datagram,
    answers: Vec<(Token, Result<(), Errno>)>,
    /// The flows that shall be in the kernel.
    wanted: Vec<(Token, Name)>,
    datagrams_left: usize,
    requests_left: usize,
    turned: Turned,
}

impl SimOutside<'_> {
    fn did(&mut self, token: Token, what: &str, flow: &impl Display, done: Result<(), Errno>) {
        self.turned.requests.push((format!("{what} {flow}"), done));
        self.answers.push((token, done));
    }
}

impl SimOutside<'_> {
    fn request_about_expectation(&mut self, request: ExpectRequest<'_>) {
        let now = self.now;
        match request {
            ExpectRequest::Create { token, expectation } => {
                let done = self.kernel.create_expectation(now, expectation);
                self.did(token, "expect", expectation, done);
            }
            ExpectRequest::Renew { token, expectation, timeout } => {
                let done = self.kernel.renew_expectation(now, expectation, timeout);
                self.did(token, "renew", expectation, done);
            }
            ExpectRequest::Delete { token, expectation } => {
                let done = self.kernel.delete_expectation(now, expectation);
                self.did(token, "expect no more", expectation, done);
            }
            ExpectRequest::Find { token, expectation } => {
                self.helper.push_back(Work::FindExpectation { token, wanted: *expectation });
            }
            ExpectRequest::Dump { token } => *self.expectations_wanted = Some(token),
        }
    }
}

impl Outside for SimOutside<'_> {
    fn datagram(&mut self) -> Option<&mut Datagram> {
        (self.datagrams_left > 0).then_some(&mut *self.datagram)
    }

    fn transmit(&mut self, channel: ChannelId) {
        assert_eq!(channel, LINK, "there is one link");
        self.datagrams_left -= 1;
        self.turned.sent.push(self.datagram.as_bytes().to_vec());
    }

    fn can_request(&self) -> bool {
        self.requests_left > 0
    }

    fn request(&mut self, request: KernelRequest<'_>) {
        self.requests_left -= 1;
        let now = self.now;
        match request {
            KernelRequest::Create { token, flow, timeout } => {
                let done = self.kernel.create(now, flow.flow, timeout);
                self.did(token, "create", flow.flow, done);
                self.wanted.push((token, Name::of(flow.flow)));
            }
            KernelRequest::Update { token, flow, timeout, with_status } => {
                let done = self.kernel.update(now, flow.flow, timeout, with_status);
                self.did(token, "update", flow.flow, done);
                self.wanted.push((token, Name::of(flow.flow)));
            }
            KernelRequest::Relax { token, flow } => {
                let done = self.kernel.relax(flow);
                self.did(token, "relax", flow, done);
            }
            KernelRequest::Shorten { token, flow, timeout } => {
                let done = self.kernel.shorten(now, flow, timeout);
                self.did(token, "shorten", flow, done);
            }
            KernelRequest::Delete { token, flow } => {
                let done = self.kernel.delete(now, flow);
                self.did(token, "delete", flow, done);
                self.turned.destroyed = true;
                self.turned.removed.push(Name::of(flow));
            }
            KernelRequest::Find { token, flow, by } => {
                let tuple = match by {
                    By::Original => Name::of(flow),
                    By::Reply => Name::reply(flow),
                };
                self.helper.push_back(Work::Find { token, tuple });
            }
            KernelRequest::Dump { token } => *self.dump_wanted = Some(token),
            KernelRequest::Count { token } => self.helper.push_back(Work::Count { token }),
            KernelRequest::ListenNew(hears) => self.kernel.listen_new(hears),
            KernelRequest::Expect(request) => self.request_about_expectation(request),
        }
    }

    fn reply(&mut self, id: RequestId, reply: Reply) {
        self.turned.replies.push((id, reply));
    }

    fn notice(&mut self, notice: Notice) {
        self.turned.notices.push(notice);
    }
}
