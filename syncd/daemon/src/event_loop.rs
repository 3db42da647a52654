//! The daemon's one loop: wait, gather, turn, flush.
//!
//! Takes inputs to the replica's doors in a fixed order (events first), each with a budget, so that no round lasts
//! longer than about 2 ms, and carries out what the replica wants. Decides nothing about the protocol. Everything that
//! may wait for somebody (clients, the FIFO, signals) is a task that hands values to this loop. Tested end to end.

mod accounting;
mod gatekeeping;
mod handing_over;
mod reload;
mod rhythm;
mod sending;
mod standing;
mod views;

use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

use serde_json::json;
use syncd_core::replica::{ChannelId, Command, Notice, Reply, RequestId, Role};
use syncd_core::time::Instant;
use tokio::sync::{mpsc, oneshot};
use tokio::task::yield_now;

use crate::channels::Channels;
use crate::clock;
use crate::config::Config;
use crate::control::protocol::{self, FilterView, PAGE, Request, Response, Unacknowledged};
use crate::control::server::Call;
use crate::doors::Doors;
use crate::failovers::{Failovers, Voice};
use crate::gate::Gate;
use crate::journal::{Journal, Level};
use crate::kernel::Kernel;
use crate::last_role::{LastRole, Transition};
use crate::metrics::handovers::Handovers;
use crate::metrics::transitions::Transitions;
use crate::outside::Outbox;
use crate::readiness::Readiness;
use crate::reload::{Read, Reader};
use crate::run::Rehearsal;
use crate::show::page::{self, Ask};
use crate::show::view::Setting;
use crate::signals::Signal;
use crate::supervisor::Supervisor;
use crate::timer::{self, Timer};
use crate::vrrp::{Fifo, Vrrp};
use handing_over::UnderWay;
use rhythm::Rhythm;
use sending::{Filling, Turned};

/// Datagrams of one round and channel: some ten frames each.
const DATAGRAMS: usize = 64;
/// Batches of the query thread in one round, of some 130 flows.
const ANSWERS: usize = 4;
/// Requests of clients in one round; one may be a page of 128 flows.
const CALLS: usize = 4;
/// How often the interfaces are looked at.
const LOOK_AT_LINKS: Duration = Duration::from_secs(1);
/// After so long a full socket of a dedicated link is tried again.
const TRY_AGAIN: Duration = Duration::from_millis(1);

/// What tasks tell the loop.
#[derive(Debug)]
pub(crate) struct Inputs {
    /// Requests of clients.
    pub(crate) calls: mpsc::Receiver<Call>,
    /// Orders of the system.
    pub(crate) signals: mpsc::Receiver<Signal>,
    /// Configurations that were read again.
    pub(crate) reloads: mpsc::Receiver<Read>,
}

/// What the loop is made of.
#[derive(Debug)]
pub(crate) struct Parts {
    /// The state machine.
    pub(crate) replica: Doors,
    /// The conntrack sockets.
    pub(crate) kernel: Kernel,
    /// The dedicated links.
    pub(crate) channels: Channels,
    /// The configuration in force.
    pub(crate) config: Config,
    /// Reads it again.
    pub(crate) reader: Reader,
    /// What the configuration adds to the status.
    pub(crate) setting: Setting,
    /// conntrackd's word for the transport.
    pub(crate) transport: &'static str,
    /// Where keepalived says the role, if it does.
    pub(crate) fifo: Option<Fifo>,
    /// Where the role is kept.
    pub(crate) last_role: LastRole,
    /// Where notices go.
    pub(crate) journal: Journal,
    /// What tasks say.
    pub(crate) inputs: Inputs,
    /// Who is told that the loop goes round.
    pub(crate) supervisor: Supervisor,
    /// Whether a daemon that starts now would come up.
    pub(crate) rehearsal: Rehearsal,
}

/// How the loop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// For good.
    Stop,
    /// To begin again.
    Restart,
}

/// The loop.
#[derive(Debug)]
pub(crate) struct EventLoop {
    parts: Parts,
    outbox: Outbox,
    start: Instant,
    timer: Timer,
    rhythm: Rhythm,
    filling: Filling,
    links_due: Instant,
    calls: Vec<Call>,
    waiting: Vec<(RequestId, oneshot::Sender<Response>)>,
    next_id: u64,
    replies: Vec<(RequestId, Reply)>,
    notices: Vec<Notice>,
    last: Option<Transition>,
    /// The role that was told since it was kept last.
    told: Option<Role>,
    transitions: Transitions,
    /// The transition that is being entered again after a restart.
    kept: Option<Transition>,
    fifo_garbage: u64,
    ending: Option<Ending>,
    /// The dedicated link that was used at the last look.
    active: Option<ChannelId>,
    readiness: Readiness,
    /// The handover that is under way.
    under_way: Option<UnderWay>,
    handovers: Handovers,
    gate: Gate,
    failovers: Failovers,
    /// This round ends with a closer look at what takes longer.
    look_closely: bool,
    /// keepalived could not be told at the last look.
    track_file_fails: bool,
}

/// When the next round begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// At once: something was left over.
    Now,
    /// After a moment of gathering.
    Soon(Duration),
    /// When something happens.
    Wait,
}

/// What came in during one round.
struct Gathered {
    /// Events of the kernel.
    events: usize,
    /// A budget was used up: more may wait.
    more: bool,
}

impl EventLoop {
    /// A loop that has not begun.
    ///
    /// # Errors
    ///
    /// Out of descriptors.
    pub(crate) fn new(parts: Parts, start: Instant) -> anyhow::Result<Self> {
        let outbox = Outbox::new(parts.channels.payload_limit());
        Ok(Self {
            outbox,
            start,
            timer: Timer::new()?,
            rhythm: Rhythm::new(start),
            filling: Filling::default(),
            links_due: start,
            calls: Vec::new(),
            waiting: Vec::new(),
            next_id: 1,
            replies: Vec::new(),
            notices: Vec::new(),
            last: None,
            told: None,
            transitions: Transitions::default(),
            kept: None,
            fifo_garbage: 0,
            ending: None,
            active: None,
            readiness: Readiness::new(&parts.config.failover),
            under_way: None,
            handovers: Handovers::default(),
            gate: Gate::new(),
            failovers: Failovers::default(),
            look_closely: true,
            track_file_fails: false,
            parts,
        })
    }

    /// Enters the role that was kept over a restart.
    pub(crate) fn resume(&mut self, kept: Transition, yields: bool) {
        self.kept = Some(kept);
        self.readiness.resume(yields);
        self.enter(clock::now(), kept.role, Voice::Kept, None);
    }

    /// Runs until a signal or an operator ends it.
    ///
    /// # Errors
    ///
    /// When a socket of the kernel's connection tracking breaks.
    pub(crate) async fn run(mut self) -> anyhow::Result<Ending> {
        timer::be_punctual()?;
        let done = self.until_signal().await;
        if let Ok(Ending::Stop) = done {
            self.parts.supervisor.ending();
            self.stand_down();
        }
        self.gate.end();
        self.parts.replica.end_recording(clock::now());
        done
    }

    async fn until_signal(&mut self) -> anyhow::Result<Ending> {
        loop {
            let now = clock::now();
            let next = self.round(now)?;
            self.parts.supervisor.beat(now);
            match self.parts.inputs.signals.try_recv() {
                Ok(Signal::End) => return Ok(Ending::Stop),
                Ok(Signal::Reload) => self.parts.reader.begin(None),
                Err(_) => {}
            }
            if let Some(ending) = self.ending {
                // Lets the server hand over the answer; a client that misses it sees the end itself.
                for _ in 0..8 {
                    yield_now().await;
                }
                return Ok(ending);
            }
            match next {
                Next::Now => yield_now().await,
                Next::Soon(gathering) => {
                    timer::nap_until(now + gathering);
                    // Lets tokio look at the sockets: what came meanwhile shall be seen in this round.
                    yield_now().await;
                }
                Next::Wait => {
                    let Parts { replica, supervisor, journal, .. } = &self.parts;
                    let handover = self.under_way.as_ref().map(UnderWay::due);
                    let due =
                        [replica.poll_timeout(), supervisor.due(), journal.due(), self.gate.due(), handover];
                    let due = due.into_iter().flatten().fold(self.links_due, Instant::min);
                    self.timer.ring_by(due)?;
                    match poll_fn(|context| self.poll(context)).await {
                        Some(Signal::End) => return Ok(Ending::Stop),
                        Some(Signal::Reload) => self.parts.reader.begin(None),
                        None => {}
                    }
                }
            }
        }
    }

    /// Ready when anything happens; every source is asked, so that each wakes us.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Signal>> {
        if let Poll::Ready(Some(signal)) = self.parts.inputs.signals.poll_recv(context) {
            return Poll::Ready(Some(signal));
        }
        let mut ready = self.parts.kernel.poll_read(context).is_ready();
        ready |= self.parts.channels.poll_read(context).is_ready();
        ready |= self.timer.poll(context).is_ready();
        ready |= self.gate.poll_read(context).is_ready();
        let room = CALLS.saturating_sub(self.calls.len()).max(1);
        // A channel that is closed says so for ever: only values count.
        ready |= matches!(
            self.parts.inputs.calls.poll_recv_many(context, &mut self.calls, room),
            Poll::Ready(1..)
        );
        if let Poll::Ready(Some(read)) = self.parts.inputs.reloads.poll_recv(context) {
            self.reload(clock::now(), read);
            ready = true;
        }
        ready |= self.parts.fifo.as_ref().is_some_and(|fifo| fifo.poll_read(context).is_ready());
        if ready { Poll::Ready(None) } else { Poll::Pending }
    }

    /// Gathers, turns, flushes.
    fn round(&mut self, now: Instant) -> anyhow::Result<Next> {
        let Gathered { events, more } = self.gather(now)?;
        self.tend_gate(now);
        let fast = self.rhythm.count(now, events);
        let Turned { was_full, all_sent, held, more: more_now } = self.turn(now, fast)?;
        let Parts { replica, kernel, .. } = &mut self.parts;
        let answered = kernel.execute(replica)?;
        self.tell(now);
        self.parts.journal.catch_up(now);
        if let Some(reason) = self.parts.replica.keep_recording(now) {
            let text = format_args!("the recording has ended: {reason}; the daemon goes on without");
            self.parts.journal.say(Level::Warn, text);
        }
        let left_over = more
            || more_now
            || answered
            || (was_full && all_sent)
            || !self.calls.is_empty()
            || self.parts.kernel.has_dump_waiting();
        Ok(if left_over {
            Next::Now
        } else if fast {
            Next::Soon(self.rhythm.gathering(now, self.filling.lacking(held), self.filling.lacking(0)))
        } else if all_sent {
            Next::Wait
        } else {
            Next::Soon(TRY_AGAIN)
        })
    }

    /// Everything that happened, in a fixed order.
    fn gather(&mut self, now: Instant) -> anyhow::Result<Gathered> {
        let most = self.rhythm.budget(now);
        let Parts { replica, kernel, channels, journal, .. } = &mut self.parts;
        let events = kernel.gather_events(now, replica, journal, most)?;
        channels.gather(DATAGRAMS, |from, bytes| replica.handle_datagram(now, from, bytes));
        let answers = kernel.gather_answers(now, replica, ANSWERS);
        self.hear_keepalived(now);
        while let Ok(read) = self.parts.inputs.reloads.try_recv() {
            self.reload(now, read);
        }
        while self.calls.len() < CALLS
            && let Ok(call) = self.parts.inputs.calls.try_recv()
        {
            self.calls.push(call);
        }
        for call in std::mem::take(&mut self.calls) {
            self.answer(now, call);
        }
        if self.parts.channels.take_link_news() || now >= self.links_due {
            self.links_due = now + LOOK_AT_LINKS;
            self.look_at_links(now);
            self.parts.kernel.look_at_drops(now, &mut self.parts.replica);
            self.look_closely = true;
        }
        Ok(Gathered { events, more: events == most || answers == ANSWERS })
    }

    fn look_at_links(&mut self, now: Instant) {
        let Parts { replica, channels, journal, .. } = &mut self.parts;
        let mut changes = Vec::new();
        if let Err(error) = channels.refresh(|channel, up| changes.push((channel, up))) {
            journal.say(Level::Warn, format_args!("cannot look at the interfaces: {error}"));
        }
        for (channel, up) in changes {
            let interface = channels.interface(channel);
            if up {
                let details = json!({ "interface": interface });
                let text = format_args!("dedicated link {interface} is up");
                journal.happened(Level::Info, "link-up", &details, text);
            } else {
                let state = channels.state(channel);
                let details = json!({ "interface": interface, "state": state });
                let text = format_args!("dedicated link {interface} is down ({state})");
                journal.happened(Level::Warn, "link-down", &details, text);
            }
            replica.handle_channel(now, channel, up);
        }
        self.look_at_active();
    }

    /// Tells when another link is used than before.
    fn look_at_active(&mut self) {
        let Parts { replica, channels, journal, .. } = &self.parts;
        let active = replica.channel();
        if active == std::mem::replace(&mut self.active, active) {
            return;
        }
        let name = active.map(|channel| channels.interface(channel));
        let details = json!({ "interface": name });
        match name {
            Some(name) => {
                let text = format_args!("device {name} becomes dedicated link");
                journal.happened(Level::Info, "link-active", &details, text);
            }
            None => {
                let text = "no dedicated link works: nothing is replicated";
                journal.happened(Level::Error, "link-none", &details, text);
            }
        }
    }

    fn answer(&mut self, now: Instant, call: Call) {
        if call.request == Request::Ready {
            self.look_again(now);
        }
        let Parts { replica, setting, .. } = &self.parts;
        let response = match call.request {
            Request::Status => Response::Status(Box::new(self.status(now))),
            Request::Statistics => Response::Statistics(Box::new(self.statistics(now))),
            Request::Metrics => Response::Metrics(self.metrics(now)),
            Request::Ready => Response::Ready(Box::new(self.ready(now))),
            Request::Failovers { most } => Response::Failovers(Box::new(self.show_failovers(now, most))),
            Request::Cache { cache, from, form, selection, most } => {
                let most = most.map_or(PAGE, |most| most as usize);
                match selection.read() {
                    Ok(chosen) => {
                        let ask = Ask { cache, from, form, chosen, most };
                        Response::Page(page::page(replica, replica.second(now), ask))
                    }
                    Err(wrong) => Response::refused(wrong, "see 'syncd show --help'"),
                }
            }
            Request::Unacknowledged { after } => Response::Unacknowledged(Unacknowledged::of(replica, after)),
            Request::Filter => Response::Filter(FilterView::new(replica.filter())),
            Request::Stop => self.end(Ending::Stop),
            Request::Restart => self.restart(now),
            // The server has the lines.
            Request::Told { .. } => Response::Told(Vec::new()),
            Request::Step { step, wait } => {
                let waits = if wait { Some(call.answer) } else { answer(call.answer, Response::Done) };
                return self.command(now, Command::Step(step.step()), waits);
            }
            Request::Reload => return self.parts.reader.begin(Some(call.answer)),
            Request::Handover { patience_s } => {
                let patience = Duration::from_secs(u64::from(patience_s));
                return self.begin_handover(now, patience, call.answer);
            }
            Request::Role { role, group, wait } => {
                match protocol::wanted_role(&setting.sync_group, &role, group.as_deref()) {
                    Err(refused) => refused,
                    Ok(role) => {
                        self.note_overruling(role);
                        if wait {
                            return self.enter(now, role, Voice::Command, Some(call.answer));
                        }
                        self.enter(now, role, Voice::Command, None);
                        self.keep_role();
                        Response::Done
                    }
                }
            }
        };
        // A client that has gone wants no answer.
        drop(call.answer.send(response));
    }

    fn end(&mut self, ending: Ending) -> Response {
        self.ending = Some(ending);
        Response::Done
    }

    /// Ends to begin again, unless that would hurt.
    fn restart(&mut self, now: Instant) -> Response {
        if self.under_way.is_some() {
            let reason = "cannot restart while the role is being handed over";
            return Response::refused(reason, "wait for its end: 'syncd watch' tells it");
        }
        let commit = self.parts.replica.status(now).commit;
        if let Some(commit) = commit.filter(|commit| commit.end.is_none()) {
            let done = commit.committed;
            let reason =
                format!("cannot restart while a commit is in progress ({done} flows are written so far)");
            return Response::refused(
                reason,
                "wait until 'syncd show conntrack-sync status' says that it is done",
            );
        }
        match self.parts.rehearsal.play() {
            Ok(()) => self.end(Ending::Restart),
            Err(wrong) => {
                let reason =
                    format!("a daemon that starts now would not come up, so this one goes on: {wrong:#}");
                Response::refused(reason, "correct it and try again")
            }
        }
    }

    /// Tells the replica what keepalived says. It stays in the FIFO until the role is kept, at the end of this round.
    fn hear_keepalived(&mut self, now: Instant) {
        let Some(fifo) = &mut self.parts.fifo else { return };
        match fifo.look() {
            Ok(heard) => {
                self.fifo_garbage += heard.garbage;
                for said in heard.said {
                    match said {
                        Vrrp::Role(role) => self.enter(now, role, Voice::Keepalived, None),
                        Vrrp::PeerYielded => self.command(now, Command::PeerYielded, None),
                    }
                }
            }
            Err(error) => self.lose_fifo(&error),
        }
    }

    fn lose_fifo(&mut self, error: &std::io::Error) {
        let remedy = "roles come by 'syncd role' only, until syncd is restarted";
        let text = format_args!("cannot read the notify FIFO: {error}; {remedy}");
        self.parts.journal.say(Level::Error, text);
        self.parts.fifo = None;
    }

    /// Writes down the role that was told in this round, for a restart; only then it leaves the FIFO.
    ///
    /// Whether it was told before makes no difference: another keepalived may have said it.
    fn keep_role(&mut self) {
        let Parts { journal, last_role, fifo, .. } = &mut self.parts;
        if let Some(role) = self.told.take() {
            let transition =
                self.last.filter(|last| last.role == role).unwrap_or_else(|| Transition::now(role));
            if let Err(error) = last_role.write(transition, self.readiness.yields()) {
                journal.say(Level::Warn, format_args!("cannot keep the role for a restart: {error}"));
            }
        }
        match fifo.as_mut().map_or(Ok(true), Fifo::kept) {
            Ok(true) => {}
            Ok(false) => {
                let remedy = "roles may be lost; let keepalived write and only this syncd read it";
                journal.say(Level::Warn, format_args!("somebody else reads the notify FIFO, too: {remedy}"));
            }
            Err(error) => self.lose_fifo(&error),
        }
    }

    /// Tells the replica its role; whoever waits is answered when the role's jobs are done.
    fn enter(&mut self, now: Instant, role: Role, voice: Voice, waits: Option<oneshot::Sender<Response>>) {
        self.told = Some(role);
        self.command(now, Command::Role(role), waits);
        self.note_failover(voice);
    }

    fn command(&mut self, now: Instant, command: Command, waits: Option<oneshot::Sender<Response>>) {
        let id = RequestId(self.next_id);
        self.next_id += 1;
        self.waiting.extend(waits.map(|waits| (id, waits)));
        self.parts.replica.handle_command(now, id, command);
    }

    /// Keeps the role, writes notices, tells keepalived, answers who waits: what anybody hears of a role is true after a
    /// restart, too.
    fn tell(&mut self, now: Instant) {
        let mut notices = std::mem::take(&mut self.notices);
        let happened = !notices.is_empty();
        for notice in &notices {
            if let Notice::RoleEntered { from, to } = *notice {
                self.transitions.count(from, to);
                self.note_departure(to);
                let kept = self.kept.take().filter(|kept| kept.role == to);
                self.last = Some(kept.unwrap_or_else(|| Transition::now(to)));
            }
        }
        self.keep_role();
        for notice in notices.drain(..) {
            self.parts.journal.notice(&notice);
        }
        self.notices = notices;
        self.tell_of_failovers();
        if std::mem::take(&mut self.look_closely) {
            self.look_at_readiness(now);
        } else if happened {
            self.look_again(now);
        }
        self.go_on_handing_over(now);
        for (id, reply) in self.replies.drain(..) {
            let Some(at) = self.waiting.iter().position(|(waits, _)| *waits == id) else { continue };
            let (_, answer) = self.waiting.swap_remove(at);
            let response = match reply {
                Reply::Done => Response::Done,
                Reply::Refused(refusal) => {
                    Response::refused(refusal.to_string(), "see 'syncd show conntrack-sync status'")
                }
            };
            drop(answer.send(response));
        }
    }
}

/// Answers at once; nobody waits.
fn answer(client: oneshot::Sender<Response>, response: Response) -> Option<oneshot::Sender<Response>> {
    // A client that has gone wants no answer.
    drop(client.send(response));
    None
}
