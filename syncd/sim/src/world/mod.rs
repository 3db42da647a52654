//! The world of a run: two routers, the link between them, and the agenda of what happens next.
//!
//! [`World::step`] takes the earliest event, feeds one door of one host and calls one turn. There are two phases:
//! *safety*, with every fault the seed has drawn; then *convergence*: faults and packets stop, and within
//! [`DEADLINE`] both routers must know the same, and go on doing so.

mod daemons;
mod datagram;
mod election;
mod happenings;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use syncd_core::filter::{Filter, Helpers};
use syncd_core::flow::Protocol;
use syncd_core::replica::Role;
use syncd_core::time::{Duration, Instant};

use crate::chance::Chance;
use crate::convergence::{self, Circumstances, Progress};
use crate::faults::{self, Fault};
use crate::host::{Answer, Host};
use crate::kernel::Kernel;
use crate::network::Network;
use crate::options::Options;
use crate::oracle::Oracle;
use crate::trace::{Glance, Side, Trace};
use crate::traffic::Traffic;
use datagram::Parcel;

pub use datagram::Stranger;
pub use election::{Moment, Order};

/// So long after the last fault the routers must know the same, and after the last time when a kernel still owed an end. For
/// that is news: no packets come any more, so timers of up to 40 s run out, and some kernels tell of it 20 s later (`lag`).
pub const DEADLINE: Duration = Duration::from_secs(30);

/// And so long after the last fault in any case: a daemon that never reads what its kernel owes would have no deadline.
const LONGEST: Duration = Duration::from_secs(120);

/// So long after the last fault a loss of events that the kernel has concealed may be unknown.
const CONCEALED: Duration = Duration::from_secs(20);

/// So long they must go on knowing the same.
const STABLE: Duration = Duration::from_secs(3);

/// Between two looks at whether they do.
const LOOK: Duration = Duration::from_millis(100);

/// Timers of kernels are looked at so often.
const EXPIRY: Duration = Duration::from_millis(250);

/// Between two looks of a daemon at the kernel's count of lost events.
const DROPS: Duration = Duration::from_secs(1);

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
    LookAtDrops(Side, u32),
    HandOver(Side, u32, Vec<Answer>),
    Arrive(Side, Parcel),
    Role(Side),
    Yield(Side),
    Operator(Side, Role),
    Reload(Side, u32, Filter),
    Traffic,
    Expiry,
    /// A planned fault and its number, or what the world does by itself.
    Fault(Fault, Option<u32>),
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
    /// Flows that were taken over from a peer that yielded, and that its peer's VRRP had told of.
    pub adopted: u64,
    /// Flows that a router which stood by had left over, and removed.
    pub leftovers: u64,
    /// Acknowledged expectations that survived failovers.
    pub expected: u64,
    /// Of a split that healed without a word of VRRP to the survivor.
    pub untold: Untold,
    /// What went wrong, and when.
    pub failure: Option<String>,
}

/// What became of flows that began at the other router while both were primary, when only the dedicated link could tell
/// the survivor that they were two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Untold {
    /// Such splits that lasted, and were not at the start of the daemons.
    pub heals: u64,
    /// Flows of that router's that live on through the survivor.
    pub saved: u64,
    /// Flows that could, and do not.
    pub forsaken: u64,
}

/// The world.
#[derive(Debug)]
pub struct World {
    seed: u64,
    now: Instant,
    options: Options,
    filter: Filter,
    agenda: BinaryHeap<Reverse<Planned>>,
    number: u64,
    hosts: [Host; 2],
    /// What VRRP says each router is.
    vrrp: [Role; 2],
    /// Who has the addresses; with both, each gets some of the packets.
    owners: [bool; 2],
    /// The routers do not hear each other's adverts.
    split: bool,
    /// When that began.
    parted: Instant,
    untold: Untold,
    /// Whether each router has power.
    powered: [bool; 2],
    /// The machine in this place is gone for good, and the next one is not there yet.
    gone: [bool; 2],
    /// What operators are about to do.
    orders: Vec<Order>,
    network: Network,
    /// Datagrams and answers of helpers that have not arrived.
    on_the_way: u32,
    /// How many set out so far.
    datagrams: u64,
    /// The last that each side has heard.
    heard: [Vec<u8>; 2],
    /// Turns of all daemons so far.
    turns: u32,
    traffic: Traffic,
    chance: Chance,
    splits: Chance,
    strangers: Chance,
    clocks: Chance,
    calm: bool,
    oracle: Oracle,
    trace: Trace,
}

type Verdict = Result<(), String>;

impl World {
    /// The world of a seed.
    #[must_use]
    pub fn new(seed: u64, options: Options, printing: bool) -> Self {
        let mut clocks = Chance::new(seed, "clocks");
        let hosts = Side::BOTH.map(|side| {
            let name = side.first_name();
            Host::new(name, uptime(&mut clocks), Kernel::new(seed, name, &options))
        });
        let mut world = Self {
            seed,
            now: Instant::PAST,
            options,
            filter: filter(vec![Protocol::TCP, Protocol::UDP, Protocol::ICMP], &options),
            agenda: BinaryHeap::new(),
            number: 0,
            hosts,
            vrrp: [Role::Primary, Role::Backup],
            owners: [true, false],
            split: false,
            parted: Instant::PAST,
            untold: Untold::default(),
            powered: [true; 2],
            gone: [false; 2],
            orders: Vec::new(),
            network: Network::new(seed, &options),
            on_the_way: 0,
            datagrams: 0,
            heard: [Vec::new(), Vec::new()],
            turns: 0,
            traffic: Traffic::new(seed, &options),
            chance: Chance::new(seed, "world"),
            splits: Chance::new(seed, "splits"),
            strangers: Chance::new(seed, "strangers"),
            clocks,
            calm: false,
            oracle: Oracle::default(),
            trace: Trace::new(printing),
        };
        world.begin();
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
            adopted: self.oracle.adopted,
            leftovers: self.oracle.leftovers,
            expected: self.oracle.expected,
            untold: self.untold,
            failure: verdict.err().map(|why| format!("at {seconds:.6}s: {why}")),
        }
    }

    fn begin(&mut self) {
        for faults::Planned { at, number, fault } in faults::plan(self.seed, &self.options) {
            self.plan(at, Event::Fault(fault, Some(number)));
        }
        for side in Side::BOTH {
            let start = Duration::from_millis(self.chance.pick(&[0, 1, 100, 3000]));
            self.plan(self.now + start, Event::Fault(Fault::Start(side), None));
        }
        self.plan(self.now, Event::Traffic);
        self.plan(self.now, Event::Expiry);
    }

    fn both_phases(&mut self) -> Result<Duration, String> {
        let end = Instant::PAST + Duration::from_secs(u64::from(self.options.seconds));
        self.run_until(end)?;
        let primary = self.calm_down()?;
        let (mut since, mut news, mut waits_for) = (None, end, String::new());
        loop {
            self.run_until(self.now + LOOK)?;
            if self.hosts.iter().any(|host| host.kernel.owes_ends()) {
                news = self.now;
            }
            let known = Circumstances {
                filter: &self.filter,
                primary,
                quiet: self.is_quiet(),
                concealed: self.options.mute > 0
                    || (self.options.silent > 0 && self.now.since(end) < CONCEALED),
                coarse: self.options.silent > 0 && self.options.uncounted == 1,
                preload: self.options.preload > 0,
                kernel_limit: self.options.kernel_limit as usize,
            };
            match convergence::judge(&self.hosts, known, self.now) {
                Progress::Converged => {
                    let at = *since.get_or_insert(self.now);
                    if self.now.since(at) >= STABLE {
                        Side::BOTH.into_iter().try_for_each(|side| self.audit(side))?;
                        self.oracle.owed().map_or(Ok(()), Err)?;
                        self.count_forsaken();
                        return Ok(at.since(end));
                    }
                }
                Progress::NotYet(why)
                    if self.now.since(news) >= DEADLINE || self.now.since(end) >= LONGEST =>
                {
                    return Err(format!("no convergence: {why}"));
                }
                Progress::NotYet(why) => {
                    since = None;
                    if why != waits_for {
                        self.note("not yet", || why.clone());
                        waits_for = why;
                    }
                }
                Progress::Deceived(why) => return Err(format!("in sync, but not the same: {why}")),
            }
        }
    }

    /// Faults and packets stop. Says who is primary from now on.
    fn calm_down(&mut self) -> Result<Side, String> {
        self.note("calm", || "faults and packets stop".into());
        self.calm = true;
        self.network.heal();
        self.orders.clear();
        self.settle_filter();
        self.powered = [true; 2];
        for side in Side::BOTH {
            if std::mem::take(&mut self.gone[side.index()]) {
                self.replace(side);
            }
            self.hosts[side.index()].kernel.heal();
            self.hosts[side.index()].stalled_until = Instant::PAST;
            // Who is frozen goes on at its time: what waits for it must not come behind what is sent from now on.
            self.gather_soon(side);
            if !self.hosts[side.index()].is_up() {
                self.start(side)?;
            }
            // Behind whatever an operator has told one who is frozen.
            self.plan_reload(side, self.filter.clone());
        }
        Ok(self.settle_election())
    }

    /// Whether nothing is under way: neither between the routers nor between a kernel and its daemon.
    fn is_quiet(&self) -> bool {
        let inside = |host: &Host| host.kernel.has_untold() || host.has_work();
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
        match self.unless_frozen(planned.event) {
            None => Ok(()),
            Some(event) => self.happen(event),
        }
    }

    fn happen(&mut self, event: Event) -> Verdict {
        match event {
            Event::Wake(side, life) => self.wake(side, life),
            Event::Gather(side, life) => self.gather(side, life),
            Event::Help(side, life) => self.help(side, life),
            Event::LookAtDrops(side, life) => self.look_at_drops(side, life),
            Event::HandOver(side, life, answers) => self.hand_over(side, life, &answers),
            Event::Arrive(side, parcel) => self.arrive(side, &parcel),
            Event::Role(side) => self.tell_role(side),
            Event::Yield(side) => self.yielded(side),
            Event::Operator(side, role) => self.operator(side, role),
            Event::Reload(side, life, filter) => self.reload(side, life, filter),
            Event::Traffic => self.packets(),
            Event::Expiry => self.expiry(),
            Event::Fault(fault, number) => self.fault(fault, number),
        }
    }

    /// What would reach a daemon that is stopped comes when it goes on.
    fn unless_frozen(&mut self, event: Event) -> Option<Event> {
        let side = match event {
            Event::Wake(side, _)
            | Event::Gather(side, _)
            | Event::Help(side, _)
            | Event::LookAtDrops(side, _)
            | Event::HandOver(side, _, _)
            | Event::Arrive(side, _)
            | Event::Role(side)
            | Event::Yield(side)
            | Event::Operator(side, _)
            | Event::Reload(side, _, _) => side,
            Event::Traffic | Event::Expiry | Event::Fault(..) => return Some(event),
        };
        let host = &mut self.hosts[side.index()];
        let until = host.frozen_until;
        if until <= self.now {
            return Some(event);
        }
        match event {
            Event::Arrive(side, parcel) => self.let_wait(side, parcel),
            Event::Wake(_, life) if host.life == life && host.wake_at == Some(self.now) => {
                host.wake_at = Some(until);
                self.plan(until, event);
            }
            Event::Wake(..) => {}
            _ => self.plan(until, event),
        }
        None
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

    fn plan_reload(&mut self, side: Side, filter: Filter) {
        let life = self.hosts[side.index()].life;
        self.plan(self.now, Event::Reload(side, life, filter));
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
        let wanted = host.kernel.has_events() || host.wants_dump();
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

/// What is replicated of flows of these protocols.
fn filter(protocols: Vec<Protocol>, options: &Options) -> Filter {
    let helpers = if options.with_helpers() > 0 { Helpers::All } else { Helpers::None };
    Filter::new(protocols, Vec::new()).with_helpers(helpers)
}

/// How long a machine has run when the world begins.
fn uptime(clocks: &mut Chance) -> Duration {
    Duration::from_millis(clocks.between(1_000, 40 * 86_400_000))
}
