//! The conntrack sockets, and the way between them and the replica's doors.
//!
//! Events and answers are handed to the replica, requests are batched or given to the query thread. Never decides
//! what a flow means or what to do about a refusal. Driven by the event loop; tested end to end.

mod queries;
mod writer;

use std::fs;
use std::task::{Context, Poll};

use syncd_conntrack::{
    DecodeError, EventError, EventSocket, Inbox, Message, MessageView, Messages, SocketError, decode,
    decode_expectation,
};
use syncd_core::flow::Change;
use syncd_core::replica::{Ends, ExpectRequest, KernelReply, KernelRequest, Token};
use syncd_core::time::Instant;

use crate::clock;
use crate::doors::Doors;
use crate::journal::Journal;
use crate::ready::Ready;
use queries::{Answer, Ask, QueryThread};
use writer::Writer;

/// With which receive buffer listening begins, in bytes; it is doubled on each overrun, up to the configured limit.
const FIRST_BUFFER: usize = 2 << 20;
/// Where the kernel's settings of connection tracking are.
const SYSCTLS: &str = "/proc/sys/net/netfilter";
/// 1: flows carry events from their birth, also while nobody listens; else their ends may never be heard.
const EVENTS_SYSCTL: &str = "/proc/sys/net/netfilter/nf_conntrack_events";
/// The most flows the kernel holds.
const MAX_SYSCTL: &str = "/proc/sys/net/netfilter/nf_conntrack_max";
/// How many it holds.
const COUNT_SYSCTL: &str = "/proc/sys/net/netfilter/nf_conntrack_count";

/// What the daemon counts about the kernel by itself.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct KernelCounts {
    /// Events that could not be read.
    pub(crate) malformed: u64,
    /// Attributes of events that are not carried.
    pub(crate) attributes_skipped: u64,
    /// Batches of requests the kernel did not take.
    pub(crate) batches_refused: u64,
    /// Events the kernel could not deliver, attempts to deliver an end again included.
    pub(crate) events_dropped: u64,
    /// Bytes that ended flows had carried.
    pub(crate) bytes: u64,
    /// Packets that ended flows had carried.
    pub(crate) packets: u64,
}

/// A dump that was asked for.
#[derive(Debug)]
struct Waiting {
    ask: Ask,
    token: Token,
    /// The most events that may still be queued from before.
    queued: usize,
}

/// The least an event takes of the receive buffer: its `sk_buff` alone. What is queued is fewer events than the buffer
/// has of this, so that a dump begins also under a load that never lets the buffer run empty.
const EVENT_SIZE: usize = 512;

/// The kernel's connection tracking.
#[derive(Debug)]
pub(crate) struct Kernel {
    events: EventSocket,
    ready: Ready,
    inbox: Inbox,
    buffer_limit: usize,
    writer: Writer,
    queries: QueryThread,
    /// A dump that waits until the events from before it are read.
    dump: Option<Waiting>,
    counts: KernelCounts,
    /// A socket broke in the middle of a turn; told at its end.
    broken: Option<SocketError>,
}

impl Kernel {
    /// Opens all sockets, listens to events (of expectations too, if these are wanted), starts the query thread.
    ///
    /// # Errors
    ///
    /// Without `CAP_NET_ADMIN`, or out of descriptors.
    pub(crate) fn open(event_buffer: usize, expectations: bool) -> anyhow::Result<Self> {
        let events = EventSocket::open(FIRST_BUFFER.min(event_buffer))?;
        if expectations {
            events.join_expectations()?;
        }
        let ready = Ready::to_read(&events)?;
        Ok(Self {
            ready,
            events,
            inbox: Inbox::new(EventSocket::LONGEST),
            buffer_limit: event_buffer,
            writer: Writer::start()?,
            queries: QueryThread::start()?,
            dump: None,
            counts: KernelCounts::default(),
            broken: None,
        })
    }

    /// From now on the buffer for events may grow up to so many bytes.
    pub(crate) const fn limit_buffer(&mut self, bytes: usize) {
        self.buffer_limit = bytes;
    }

    /// Listens to events of expectations too.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub(crate) fn hear_expectations(&self) -> Result<(), SocketError> {
        self.events.join_expectations()
    }

    /// What was counted.
    pub(crate) const fn counts(&self) -> KernelCounts {
        self.counts
    }

    /// The receive buffer for events, in bytes.
    pub(crate) fn event_buffer(&self) -> usize {
        self.events.receive_buffer().unwrap_or(0)
    }

    /// Ready when an event or an answer of the query thread waits.
    pub(crate) fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let events = self.ready.poll_read(context);
        let answers = self.queries.poll(context);
        if events.is_ready() { events } else { answers }
    }

    /// Hands at most `budget` events to the replica. Says how many there were.
    ///
    /// # Errors
    ///
    /// When the socket is broken.
    pub(crate) fn gather_events(
        &mut self,
        now: Instant,
        replica: &mut Doors,
        journal: &Journal,
        budget: usize,
    ) -> Result<usize, SocketError> {
        // What tokio saw may be old; a dump must know.
        if !self.ready.is_readable() && self.dump.is_none() {
            return Ok(0);
        }
        self.read_events(now, replica, journal, budget)
    }

    /// The same without asking tokio, which looks between rounds only: what came since this one began counts, too.
    ///
    /// # Errors
    ///
    /// When the socket is broken.
    pub(crate) fn read_events(
        &mut self,
        now: Instant,
        replica: &mut Doors,
        journal: &Journal,
        budget: usize,
    ) -> Result<usize, SocketError> {
        assert!(self.writer.is_told(), "an event of a flow that was written comes behind the outcome");
        let ours = [self.writer.port_id()];
        let mut done = 0;
        while done < budget {
            match self.events.recv(&mut self.inbox, budget - done) {
                Ok(0) => {
                    self.ready.exhausted();
                    self.begin_dump(now, replica, usize::MAX);
                    return Ok(done);
                }
                Ok(taken) => done += taken,
                Err(EventError::Overrun) => {
                    done += 1;
                    self.events_lost(now, replica, journal)?;
                    continue;
                }
                Err(EventError::Socket(error)) => return Err(error),
            }
            let mut truncated = false;
            for datagram in self.inbox.iter() {
                let Ok(datagram) = datagram else {
                    truncated = true;
                    continue;
                };
                for message in Messages::new(datagram) {
                    let Ok(Message::Netfilter(view)) = message else {
                        self.counts.malformed += 1;
                        continue;
                    };
                    if hand_over(&view, &ours, now, replica, &mut self.counts).is_err() {
                        self.counts.malformed += 1;
                    }
                }
            }
            if truncated {
                self.events_lost(now, replica, journal)?;
            }
        }
        self.begin_dump(now, replica, budget);
        Ok(budget)
    }

    /// The kernel has dropped events for lack of buffer, or one did not fit.
    fn events_lost(
        &mut self,
        now: Instant,
        replica: &mut Doors,
        journal: &Journal,
    ) -> Result<(), SocketError> {
        // What was dropped up to here is told by this; see `look_at_drops`.
        self.counts.events_dropped = self.events.drops().unwrap_or(self.counts.events_dropped);
        replica.handle_overrun(now);
        let size = self.events.grow(self.buffer_limit)?;
        journal.event_buffer(size, size >= self.buffer_limit);
        Ok(())
    }

    /// Compares the kernel's own count of undelivered events with what it has reported: a loss it was silent about
    /// (it reports one per congestion, and none while an option says so) is a loss all the same.
    pub(crate) fn look_at_drops(&mut self, now: Instant, replica: &mut Doors) {
        // Where `/proc` does not tell, the count of the table does.
        let Ok(dropped) = self.events.drops() else { return };
        if dropped > self.counts.events_dropped {
            self.counts.events_dropped = dropped;
            replica.handle_overrun(now);
        }
    }

    /// So many events were read: the dump that waits begins when none from before it can be left.
    fn begin_dump(&mut self, now: Instant, replica: &mut Doors, read: usize) {
        let Some(waiting) = &mut self.dump else { return };
        waiting.queued = waiting.queued.saturating_sub(read);
        if waiting.queued == 0 {
            let Some(Waiting { ask, token, .. }) = self.dump.take() else { return };
            replica.handle_kernel(now, KernelReply::Begun(token));
            self.queries.ask(ask);
        }
    }

    /// Whether a dump waits for events to be read.
    pub(crate) const fn has_dump_waiting(&self) -> bool {
        self.dump.is_some()
    }

    /// Hands at most `budget` batches of the query thread to the replica. Says how many there were.
    pub(crate) fn gather_answers(&mut self, now: Instant, replica: &mut Doors, budget: usize) -> usize {
        let mut taken = 0;
        for answer in (0..budget).map_while(|_| self.queries.take()) {
            taken += 1;
            match answer {
                Answer::Dumped(token, flows) => {
                    for flow in &flows {
                        replica.handle_kernel(now, KernelReply::Dumped(token, flow.into()));
                    }
                }
                Answer::Found(token, flow) => {
                    replica.handle_kernel(now, KernelReply::Found(token, (&*flow).into()));
                }
                Answer::Expectations(token, expectations) => {
                    for expectation in &expectations {
                        replica.handle_kernel(now, KernelReply::Expectation(token, expectation));
                    }
                }
                Answer::FoundExpectation(token, expectation) => {
                    replica.handle_kernel(now, KernelReply::Expectation(token, &expectation));
                }
                Answer::Done(token) => replica.handle_kernel(now, KernelReply::Done(token)),
                Answer::Counted(token, flows) => {
                    replica.handle_kernel(now, KernelReply::Counted(token, flows));
                }
                Answer::Failed(token, errno) => replica.handle_kernel(now, KernelReply::Failed(token, errno)),
            }
        }
        taken
    }

    /// Whether one more request has room.
    pub(crate) fn can_request(&self) -> bool {
        self.writer.has_room() && self.dump.is_none() && self.queries.can_ask()
    }

    /// Takes a request. Writes are executed by [`Self::execute`] at the latest.
    pub(crate) fn request(&mut self, request: KernelRequest<'_>) {
        match request {
            KernelRequest::Create { token, flow, timeout } => {
                self.writer.add(|batch| batch.create(token.0, flow, timeout));
            }
            KernelRequest::Update { token, flow, timeout, with_status: true } => {
                self.writer.add(|batch| batch.update(token.0, flow, timeout));
            }
            KernelRequest::Update { token, flow, timeout, with_status: false } => {
                self.writer.add(|batch| batch.update_without_status(token.0, flow, timeout));
            }
            KernelRequest::Relax { token, flow } => self.writer.add(|batch| batch.relax(token.0, flow)),
            KernelRequest::Shorten { token, flow, timeout } => {
                self.writer.add(|batch| batch.shorten(token.0, flow, timeout));
            }
            KernelRequest::Delete { token, flow } => self.writer.add(|batch| batch.delete(token.0, flow)),
            KernelRequest::Find { token, flow, by } => self.queries.ask(Ask::Find(token, by, *flow)),
            KernelRequest::Dump { token } => self.dump_when_read(token, Ask::Dump(token)),
            KernelRequest::Count { token } => self.queries.ask(Ask::Count(token)),
            KernelRequest::ListenNew(listen) => {
                // What was asked for before happens before.
                self.writer.wait();
                let done = if listen { self.events.join_new() } else { self.events.leave_new() };
                self.broken = self.broken.or(done.err());
            }
            KernelRequest::Expect(request) => self.request_about_expectation(request),
        }
    }

    fn request_about_expectation(&mut self, request: ExpectRequest<'_>) {
        match request {
            ExpectRequest::Create { token, expectation } => {
                self.writer.add(|batch| batch.create_expectation(token.0, expectation));
            }
            ExpectRequest::Renew { token, expectation, timeout } => {
                self.writer.add(|batch| batch.renew_expectation(token.0, expectation, timeout));
            }
            ExpectRequest::Delete { token, expectation } => {
                self.writer.add(|batch| batch.delete_expectation(token.0, expectation));
            }
            ExpectRequest::Find { token, expectation } => {
                self.queries.ask(Ask::FindExpectation(token, Box::new(*expectation)));
            }
            ExpectRequest::Dump { token } => self.dump_when_read(token, Ask::DumpExpectations(token)),
        }
    }

    /// A dump begins when no event from before it is left unread.
    fn dump_when_read(&mut self, token: Token, ask: Ask) {
        let queued = 2 * self.event_buffer() / EVENT_SIZE;
        self.dump = Some(Waiting { ask, token, queued });
    }

    /// Executes what was requested and tells the replica how it ended. Whether there was anything.
    ///
    /// # Errors
    ///
    /// When a socket is broken.
    pub(crate) fn execute(&mut self, replica: &mut Doors) -> Result<bool, SocketError> {
        let mut any = false;
        while let Some(written) = self.writer.next_written() {
            any = true;
            self.counts.batches_refused += u64::from(written.refused);
            self.broken = self.broken.or(written.broken);
            // Executing takes a while: the outcomes are of a later instant than the requests.
            let now = clock::now();
            for &(token, outcome) in &written.outcomes {
                let reply =
                    outcome.map_or(KernelReply::Done(token), |errno| KernelReply::Failed(token, errno));
                replica.handle_kernel(now, reply);
            }
            self.writer.told(written);
        }
        match self.broken.take() {
            Some(error) => Err(error),
            None => Ok(any),
        }
    }
}

/// Hands one event to the replica, and counts which of its attributes are not carried.
fn hand_over(
    view: &MessageView<'_>,
    ours: &[u32],
    now: Instant,
    replica: &mut Doors,
    counts: &mut KernelCounts,
) -> Result<(), DecodeError> {
    if view.is_about_expectation() {
        let event = decode_expectation(view, ours)?;
        replica.handle_expectation(now, event.origin, event.change, &event.expectation);
        counts.attributes_skipped += u64::from(event.skipped);
        return Ok(());
    }
    let event = decode(view, ours)?;
    replica.handle_flow(now, event.origin, event.change, event.whole());
    counts.attributes_skipped += u64::from(event.skipped);
    if event.change == Change::Destroy {
        counts.bytes += event.carried.iter().map(|carried| carried.bytes).sum::<u64>();
        counts.packets += event.carried.iter().map(|carried| carried.packets).sum::<u64>();
    }
    Ok(())
}

/// Sees to it that flows carry events from their birth. Says which ones do not, and why not if it cannot.
pub(crate) fn enable_events() -> (Ends, Result<(), String>) {
    match fs::read_to_string(EVENTS_SYSCTL) {
        Err(error) => (Ends::Untold, Err(format!("cannot read {EVENTS_SYSCTL}: {error}"))),
        Ok(now) if now.trim() == "1" => (Ends::Told, Ok(())),
        Ok(_) => match fs::write(EVENTS_SYSCTL, "1") {
            Ok(()) => (Ends::UntoldBefore, Ok(())),
            Err(error) => (Ends::Untold, Err(format!("cannot set {EVENTS_SYSCTL} to 1: {error}"))),
        },
    }
}

/// The most flows that the kernel holds, if it says.
pub(crate) fn table_limit() -> Option<u32> {
    number_in(MAX_SYSCTL)
}

/// How many flows the kernel holds in this network namespace, if it says.
pub(crate) fn table_count() -> Option<u32> {
    number_in(COUNT_SYSCTL)
}

/// The longest of the kernel's timeouts (`nf_conntrack_*_timeout*`) in this network namespace, with its name; seconds.
pub(crate) fn longest_timeout() -> Option<(String, u32)> {
    let names = fs::read_dir(SYSCTLS).ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let timeouts = names.filter(|name| name.starts_with("nf_conntrack_") && name.contains("_timeout"));
    let known =
        timeouts.filter_map(|name| number_in(&format!("{SYSCTLS}/{name}")).map(|seconds| (name, seconds)));
    known.max_by_key(|(_, seconds)| *seconds)
}

fn number_in(path: &str) -> Option<u32> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}
