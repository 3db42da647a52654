//! The world of a run: two routers, the link between them, and the agenda of what happens next.
//!
//! [`World::step`] takes the earliest event, feeds one door of one host and calls one turn. There are two phases:
//! *safety*, with every fault the seed has drawn; then *convergence*: faults and packets stop, and within
//! [`DEADLINE`] both routers must know the same, and go on doing so.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use syncd_core::filter::Filter;
use syncd_core::flow::{Change, Origin, Protocol};
use syncd_core::replica::{Command, Config, KernelReply, RequestId, Role};
use syncd_core::time::{Duration, Instant};
use syncd_core::wire::Options as WireOptions;

use crate::chance::Chance;
use crate::convergence::{self, Progress};
use crate::faults::{self, Fault};
use crate::host::{Answer, Daemon, Host, LINK};
use crate::kernel::Kernel;
use crate::network::Network;
use crate::options::Options;
use crate::oracle::Oracle;
use crate::trace::{Glance, Side, Trace};
use crate::traffic::Traffic;

/// So long after the last fault the routers must know the same. A resync that cannot be trusted is asked for again
/// after up to 60 s, an unfinished one after 30 s, a silence is noticed after 3.5 s.
pub const DEADLINE: Duration = Duration::from_secs(120);

/// So long they must go on knowing the same.
const STABLE: Duration = Duration::from_secs(3);

/// Between two looks at whether they do.
const LOOK: Duration = Duration::from_millis(100);

/// Timers of kernels are looked at so often.
const EXPIRY: Duration = Duration::from_millis(250);

/// Between two turns of a daemon that has more to do at once.
const TURN: Duration = Duration::from_micros(30);

/// More steps than any run needs: a daemon that never comes to rest.
const STEPS: u64 = 3_000_000;

/// What happens.
#[derive(Debug)]
enum Event {
    Wake(Side, u32),
    Gather(Side, u32),
    Help(Side, u32),
    HandOver(Side, u32, Vec<Answer>),
    Arrive(Side, Vec<u8>),
    Role(Side),
    Traffic,
    Expiry,
    Fault(Fault),
}

#[derive(Debug)]
struct Planned {
    at: Instant,
    number: u64,
    event: Event,
}

impl PartialEq for Planned {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Planned {}

impl PartialOrd for Planned {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Planned {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Hash over everything that happened.
    pub hash: u64,
    /// How much happened.
    pub events: u64,
    /// How long after the last fault both knew the same.
    pub converged_after: Option<Duration>,
    /// Acknowledged flows that survived failovers.
    pub kept: u64,
    /// What went wrong, and when.
    pub failure: Option<String>,
}

/// The world.
#[derive(Debug)]
pub struct World {
    now: Instant,
    options: Options,
    filter: Filter,
    agenda: BinaryHeap<Reverse<Planned>>,
    number: u64,
    hosts: [Host; 2],
    /// What VRRP says each router is.
    vrrp: [Role; 2],
    /// Who gets the packets.
    owner: Option<Side>,
    /// Whether each router has power.
    powered: [bool; 2],
    network: Network,
    /// Datagrams and answers of helpers that have not arrived.
    on_the_way: u32,
    traffic: Traffic,
    chance: Chance,
    calm: bool,
    oracle: Oracle,
    trace: Trace,
}

type Verdict = Result<(), String>;

impl World {
    /// The world of a seed.
    #[must_use]
    pub fn new(seed: u64, options: Options, printing: bool) -> Self {
        let kernel = || Kernel::new(options.kernel_limit, options.events);
        let mut world = Self {
            now: Instant::PAST,
            options,
            filter: Filter::new(vec![Protocol::TCP, Protocol::UDP, Protocol::ICMP], Vec::new()),
            agenda: BinaryHeap::new(),
            number: 0,
            hosts: [Host::new(kernel()), Host::new(kernel())],
            vrrp: [Role::Primary, Role::Backup],
            owner: Some(Side::First),
            powered: [true; 2],
            network: Network::new(seed, &options),
            on_the_way: 0,
            traffic: Traffic::new(seed, &options),
            chance: Chance::new(seed, "world"),
            calm: false,
            oracle: Oracle::default(),
            trace: Trace::new(printing),
        };
        world.begin(seed);
        world
    }

    /// Runs both phases.
    pub fn run(mut self) -> Outcome {
        let verdict = self.both_phases();
        let seconds = self.now.as_nanos() as f64 / 1e9;
        Outcome {
            hash: self.trace.hash(),
            events: self.trace.events(),
            converged_after: verdict.as_ref().ok().copied(),
            kept: self.oracle.kept,
            failure: verdict.err().map(|why| format!("at {seconds:.6}s: {why}")),
        }
    }

    fn begin(&mut self, seed: u64) {
        for (at, fault) in faults::plan(seed, &self.options) {
            self.plan(at, Event::Fault(fault));
        }
        for side in Side::BOTH {
            let start = Duration::from_millis(self.chance.pick(&[0, 1, 100, 3000]));
            self.plan(self.now + start, Event::Fault(Fault::Start(side)));
        }
        self.plan(self.now, Event::Traffic);
        self.plan(self.now, Event::Expiry);
    }

    fn both_phases(&mut self) -> Result<Duration, String> {
        let end = Instant::PAST + Duration::from_secs(u64::from(self.options.seconds));
        self.run_until(end)?;
        self.calm_down()?;
        let mut since = None;
        loop {
            self.run_until(self.now + LOOK)?;
            let primary = self.owner.expect("calm has seen to it");
            match convergence::judge(&self.hosts, &self.filter, primary, self.is_quiet(), self.now) {
                Progress::Converged => {
                    let at = *since.get_or_insert(self.now);
                    if self.now.since(at) >= STABLE {
                        return Ok(at.since(end));
                    }
                }
                Progress::NotYet(why) if self.now.since(end) >= DEADLINE => {
                    return Err(format!("no convergence: {why}"));
                }
                Progress::NotYet(_) => since = None,
                Progress::Deceived(why) => return Err(format!("in sync, but not the same: {why}")),
            }
        }
    }

    /// Faults and packets stop.
    fn calm_down(&mut self) -> Verdict {
        self.note("calm", || "faults and packets stop".into());
        self.calm = true;
        self.network.heal();
        self.powered = [true; 2];
        for side in Side::BOTH {
            self.hosts[side.index()].stalled_until = Instant::PAST;
            self.gather_soon(side);
            if !self.hosts[side.index()].is_up() {
                self.start(side)?;
            }
        }
        let primary = Side::BOTH.into_iter().find(|side| self.vrrp[side.index()] == Role::Primary);
        let primary = primary.unwrap_or(Side::First);
        self.vrrp = [Role::Backup; 2];
        self.vrrp[primary.index()] = Role::Primary;
        self.owner = Some(primary);
        for side in Side::BOTH {
            self.plan_role(side, 300);
        }
        Ok(())
    }

    /// Whether nothing is under way: neither between the routers nor between a kernel and its daemon.
    fn is_quiet(&self) -> bool {
        let inside = |host: &Host| host.kernel.has_events() || host.has_work();
        self.on_the_way == 0 && !self.hosts.iter().any(inside)
    }

    fn run_until(&mut self, end: Instant) -> Verdict {
        while self.agenda.peek().is_some_and(|Reverse(planned)| planned.at <= end) {
            self.step()?;
        }
        self.now = end;
        Ok(())
    }

    /// Takes the earliest event.
    fn step(&mut self) -> Verdict {
        let Some(Reverse(planned)) = self.agenda.pop() else { return Ok(()) };
        self.now = planned.at;
        if self.number > STEPS {
            return Err("the daemons never come to rest".into());
        }
        match planned.event {
            Event::Wake(side, life) => self.wake(side, life),
            Event::Gather(side, life) => self.gather(side, life),
            Event::Help(side, life) => self.help(side, life),
            Event::HandOver(side, life, answers) => self.hand_over(side, life, &answers),
            Event::Arrive(side, bytes) => self.arrive(side, &bytes),
            Event::Role(side) => self.tell_role(side),
            Event::Traffic => self.packets(),
            Event::Expiry => self.expiry(),
            Event::Fault(fault) => self.fault(fault),
        }
    }

    // ----- What reaches a daemon. -----

    fn wake(&mut self, side: Side, life: u32) -> Verdict {
        let host = &mut self.hosts[side.index()];
        if host.life != life || host.wake_at != Some(self.now) {
            return Ok(());
        }
        host.wake_at = None;
        self.turn(side, "wake", String::new)
    }

    /// The daemon reads its kernel's events.
    fn gather(&mut self, side: Side, life: u32) -> Verdict {
        let host = &mut self.hosts[side.index()];
        if host.life != life {
            return Ok(());
        }
        host.reading = false;
        if self.now < host.stalled_until {
            self.gather_soon(side);
            return Ok(());
        }
        let (events, lost) = host.gather();
        if events.is_empty() && !lost && host.dump_wanted.is_none() {
            return Ok(());
        }
        let now = self.now;
        for event in &events {
            let host = &mut self.hosts[side.index()];
            // The end of a flow that had to give way is news: the peer may know it.
            let quiet = event.origin == Origin::Ourselves && event.change != Change::Destroy;
            match &mut host.daemon {
                Daemon::Syncd(replica) => {
                    let before = Glance::of(replica, now);
                    replica.handle_flow(now, event.origin, event.change, &event.flow);
                    self.oracle.fed(side, before, replica, now, quiet)?;
                    let what = || format!("{:?} {:?} {}", event.change, event.origin, event.flow);
                    self.trace.note(now, Some(side), Glance::of(replica, now), "flow", what);
                }
                Daemon::Conntrackd(conntrackd) => conntrackd.event(event),
                Daemon::None => {}
            }
        }
        if lost {
            match &mut self.hosts[side.index()].daemon {
                Daemon::Syncd(replica) => replica.handle_overrun(now),
                Daemon::Conntrackd(_) | Daemon::None => self.resync_conntrackd(side),
            }
        }
        let host = &mut self.hosts[side.index()];
        if let Some(token) = host.begin_dump()
            && let Daemon::Syncd(replica) = &mut host.daemon
        {
            replica.handle_kernel(now, KernelReply::Begun(token));
        }
        self.gather_soon(side);
        self.turn(side, "gathered", || format!("{} events{}", events.len(), if lost { ", overrun" } else { "" }))
    }

    /// conntrackd dumps its kernel again after an overrun.
    fn resync_conntrackd(&mut self, side: Side) {
        let Host { kernel, daemon, .. } = &mut self.hosts[side.index()];
        if let Daemon::Conntrackd(conntrackd) = daemon {
            conntrackd.overrun(kernel);
        }
    }

    /// The helper thread works.
    fn help(&mut self, side: Side, life: u32) -> Verdict {
        let missed = if self.calm { 0 } else { self.options.missed };
        let host = &mut self.hosts[side.index()];
        if host.life != life {
            return Ok(());
        }
        host.helping = false;
        let answers = host.help(&mut self.chance, missed);
        let delay = Duration::from_micros(self.chance.pick(&[50, 500, 10_000]));
        let at = (self.now + delay).max(host.handed_over);
        host.handed_over = at;
        self.on_the_way += 1;
        self.plan(at, Event::HandOver(side, life, answers));
        self.help_soon(side);
        Ok(())
    }

    /// The helper thread's batch reaches the daemon.
    fn hand_over(&mut self, side: Side, life: u32, answers: &[Answer]) -> Verdict {
        self.on_the_way -= 1;
        let now = self.now;
        let host = &mut self.hosts[side.index()];
        if host.life != life {
            return Ok(());
        }
        let Daemon::Syncd(replica) = &mut host.daemon else { return Ok(()) };
        let before = Glance::of(replica, now);
        for answer in answers {
            replica.handle_kernel(now, match answer {
                Answer::Dumped(token, flow) => KernelReply::Dumped(*token, flow),
                Answer::Found(token, Ok(flow)) => KernelReply::Found(*token, flow),
                Answer::Found(token, Err(errno)) => KernelReply::Failed(*token, *errno),
                Answer::Done(token) => KernelReply::Done(*token),
            });
        }
        self.oracle.fed(side, before, replica, now, false)?;
        self.turn(side, "kernel", || format!("{} answers: {:?}", answers.len(), answers.last().map(brief)))
    }

    fn arrive(&mut self, side: Side, bytes: &[u8]) -> Verdict {
        self.on_the_way -= 1;
        self.trace.mix_bytes(bytes);
        let now = self.now;
        match &mut self.hosts[side.index()].daemon {
            Daemon::None => return Ok(()),
            Daemon::Conntrackd(conntrackd) => conntrackd.datagram(bytes),
            Daemon::Syncd(replica) => {
                replica.handle_datagram(now, LINK, bytes);
                self.oracle.arrived(side, bytes, replica, now)?;
            }
        }
        self.turn(side, "datagram", || describe(bytes))
    }

    /// VRRP tells a daemon what it is.
    fn tell_role(&mut self, side: Side) -> Verdict {
        let (now, role) = (self.now, self.vrrp[side.index()]);
        if role == Role::Primary {
            self.oracle.takes_over(side, &self.hosts, now)?;
        }
        let Host { kernel, daemon, .. } = &mut self.hosts[side.index()];
        match daemon {
            Daemon::None => return Ok(()),
            Daemon::Conntrackd(conntrackd) => conntrackd.role(now, role, kernel),
            Daemon::Syncd(replica) => replica.handle_command(now, RequestId(0), Command::Role(role)),
        }
        self.turn(side, "role", || role.name().into())
    }

    /// One turn of a daemon, and everything it causes.
    fn turn(&mut self, side: Side, door: &'static str, what: impl FnOnce() -> String) -> Verdict {
        let now = self.now;
        let glance = self.hosts[side.index()].replica().map_or(Glance::default(), |r| Glance::of(r, now));
        self.trace.note(now, Some(side), glance, door, what);
        let turned = self.hosts[side.index()].turn_any(now);
        let glance = self.hosts[side.index()].replica().map_or(Glance::default(), |r| Glance::of(r, now));
        for (request, done) in &turned.requests {
            self.trace.note(now, Some(side), glance, "request", || format!("{request}: {done:?}"));
        }
        for notice in &turned.notices {
            self.trace.note(now, Some(side), glance, "notice", || format!("{notice:?}"));
        }
        if turned.told_own {
            return Err(format!("{}: a flow that was committed became news", side.name()));
        }
        for bytes in turned.sent {
            self.oracle.sent(side, &bytes, &self.hosts, now)?;
            self.send(side, glance, bytes);
        }
        self.oracle.notices(side, &turned.notices, &turned.stats, &self.hosts[side.index()])?;
        if let Some(wake) = turned.wake {
            self.plan_wake(side, wake);
        }
        self.gather_soon(side);
        self.help_soon(side);
        Ok(())
    }

    fn send(&mut self, side: Side, glance: Glance, bytes: Vec<u8>) {
        let now = self.now;
        let journey = self.network.send(now, side);
        let door = if journey.first.is_some() { "transmit" } else { "dropped" };
        self.trace.mix_bytes(&bytes);
        self.trace.note(now, Some(side), glance, door, || describe(&bytes));
        for at in [journey.first, journey.second].into_iter().flatten() {
            self.on_the_way += 1;
            self.plan(at, Event::Arrive(side.other(), bytes.clone()));
        }
    }

    // ----- What happens by itself. -----

    fn packets(&mut self) -> Verdict {
        if self.calm {
            return Ok(());
        }
        let mean = 1_000_000 / u64::from(self.options.traffic.max(1));
        // Sometimes a burst, sometimes a pause.
        let pause = self.chance.pick(&[mean / 8, mean / 4, mean, mean * 2]);
        self.plan(self.now + Duration::from_micros(pause.max(1)), Event::Traffic);
        if self.options.traffic > 0
            && let Some(side) = self.owner.filter(|side| self.powered[side.index()])
        {
            let what = self.traffic.act(self.now, &mut self.hosts[side.index()].kernel);
            self.note("traffic", || what.into());
            self.gather_soon(side);
        }
        Ok(())
    }

    fn expiry(&mut self) -> Verdict {
        for side in Side::BOTH {
            self.hosts[side.index()].kernel.expire(self.now);
            self.gather_soon(side);
        }
        self.plan(self.now + EXPIRY, Event::Expiry);
        Ok(())
    }

    fn fault(&mut self, fault: Fault) -> Verdict {
        if self.calm {
            return Ok(());
        }
        self.note("fault", || format!("{fault:?}"));
        match fault {
            Fault::Cut(sides) => Side::BOTH.into_iter().for_each(|side| self.network.cut(side, sides[side.index()])),
            Fault::Mend => Side::BOTH.into_iter().for_each(|side| self.network.cut(side, false)),
            Fault::Stall(side, length) => self.hosts[side.index()].stalled_until = self.now + length,
            Fault::Crash(side) => {
                self.hosts[side.index()].crash();
                self.oracle.crashed(side, None);
            }
            Fault::RouterCrash(side) => self.router_crash(side),
            Fault::RouterBack(side) => {
                self.powered[side.index()] = true;
                self.start_again(side)?;
            }
            Fault::Start(side) => self.start_again(side)?,
            Fault::Failover => self.failover(),
            Fault::NoPrimary => {
                (self.vrrp, self.owner) = ([Role::Backup, Role::Fault], None);
                Side::BOTH.into_iter().for_each(|side| self.plan_role(side, 200));
            }
        }
        Ok(())
    }

    fn start_again(&mut self, side: Side) -> Verdict {
        if self.hosts[side.index()].is_up() || !self.powered[side.index()] {
            return Ok(());
        }
        self.plan_role(side, 1000);
        self.start(side)
    }

    fn router_crash(&mut self, side: Side) {
        self.powered[side.index()] = false;
        let host = &mut self.hosts[side.index()];
        self.oracle.crashed(side, Some(&host.kernel));
        host.crash();
        host.kernel = Kernel::new(self.options.kernel_limit, self.options.events);
        let was_primary = self.vrrp[side.index()] == Role::Primary;
        self.vrrp[side.index()] = Role::Backup;
        if was_primary && self.powered[side.other().index()] {
            self.vrrp[side.other().index()] = Role::Primary;
            self.owner = Some(side.other());
            self.plan_role(side.other(), 500);
        }
    }

    /// The addresses move first; the daemons hear of it soon after, in any order.
    fn failover(&mut self) {
        let to = self.owner.map_or(Side::First, Side::other);
        if !self.powered[to.index()] {
            return;
        }
        self.vrrp[to.index()] = Role::Primary;
        self.vrrp[to.other().index()] = self.chance.pick(&[Role::Backup, Role::Backup, Role::Fault]);
        self.owner = Some(to);
        Side::BOTH.into_iter().for_each(|side| self.plan_role(side, 300));
    }

    fn start(&mut self, side: Side) -> Verdict {
        let entropy = self.chance.entropy();
        let config = Config {
            filter: self.filter.clone(),
            internal_limit: self.options.internal_limit,
            external_limit: self.options.external_limit,
            channels: 1,
            wire: WireOptions::default(),
        };
        self.oracle.started(side, self.now);
        let host = &mut self.hosts[side.index()];
        if self.options.conntrackd == side.index() as u32 + 1 {
            // Seconds since 1970, as conntrackd takes them for its first number.
            let first = u32::try_from(1_790_000_000 + self.now.as_nanos() / 1_000_000_000).expect("runs are short");
            host.start_conntrackd(self.now, first, self.filter.clone());
        } else {
            host.start(self.now, config, entropy);
        }
        self.turn(side, "start", String::new)
    }

    // ----- The agenda. -----

    fn plan(&mut self, at: Instant, event: Event) {
        self.number += 1;
        self.agenda.push(Reverse(Planned { at, number: self.number, event }));
    }

    fn plan_role(&mut self, side: Side, millis: u64) {
        let at = self.now + Duration::from_micros(self.chance.below(millis * 1000));
        self.plan(at, Event::Role(side));
    }

    fn plan_wake(&mut self, side: Side, wake: Instant) {
        let host = &mut self.hosts[side.index()];
        let at = wake.max(self.now + TURN);
        if host.wake_at.is_none_or(|earlier| at < earlier) {
            host.wake_at = Some(at);
            let life = host.life;
            self.plan(at, Event::Wake(side, life));
        }
    }

    /// The kernel's events are read soon, if there are any.
    fn gather_soon(&mut self, side: Side) {
        let host = &mut self.hosts[side.index()];
        let wanted = host.kernel.has_events() || host.dump_wanted.is_some();
        if host.reading || !host.is_up() || !wanted {
            return;
        }
        host.reading = true;
        let (life, stalled_until) = (host.life, host.stalled_until);
        let delay = Duration::from_micros(self.chance.pick(&[10, 100, 1000]));
        let at = (self.now + delay).max(stalled_until);
        self.plan(at, Event::Gather(side, life));
    }

    fn help_soon(&mut self, side: Side) {
        let host = &mut self.hosts[side.index()];
        if host.helping || !host.has_work() {
            return;
        }
        host.helping = true;
        let life = host.life;
        let delay = Duration::from_micros(self.chance.pick(&[20, 200, 5000]));
        self.plan(self.now + delay, Event::Help(side, life));
    }

    fn note(&mut self, door: &str, what: impl FnOnce() -> String) {
        self.trace.note(self.now, None, Glance::default(), door, what);
    }
}

fn brief(answer: &Answer) -> String {
    match answer {
        Answer::Dumped(_, flow) => format!("dumped {flow}"),
        Answer::Found(_, Ok(flow)) => format!("found {flow}"),
        Answer::Found(_, Err(errno)) => format!("{errno}"),
        Answer::Done(_) => "done".into(),
    }
}

/// A datagram in a line.
fn describe(bytes: &[u8]) -> String {
    let mut text = String::new();
    for view in syncd_core::wire::frames(bytes).flatten() {
        let flags = (if view.hello() { "H" } else { "" }, if view.hello_back() { "b" } else { "" });
        let what = match (view.control(), view.change()) {
            (Some(control), _) => format!("{control:?}"),
            (None, Some(change)) => {
                let flow = syncd_core::wire::decode_flow(&view).map(|decoded| decoded.flow.to_string());
                format!("{change:?} {}", flow.unwrap_or_default())
            }
            (None, None) => "?".into(),
        };
        text.push_str(&format!("[{}{}{} {what}] ", view.seq(), flags.0, flags.1));
    }
    text
}
