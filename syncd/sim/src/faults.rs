//! What goes wrong, and when: a plan drawn from the seed before the run begins.
//!
//! Each kind of fault has its own stream of chance, so that leaving one out does not move the others. Carried out
//! by the world.

use syncd_core::flow::Protocol;
use syncd_core::replica::{Role, Step};
use syncd_core::time::{Duration, Instant};

use crate::chance::Chance;
use crate::options::Options;
use crate::trace::Side;
use crate::world::{Moment, Order, Stranger};

/// One thing that goes wrong, or is repaired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing sent by these sides arrives.
    Cut([bool; 2]),
    /// The cable is whole again.
    Mend,
    /// The daemon crashes; the kernel does not notice.
    Crash(Side),
    /// The daemon starts.
    Start(Side),
    /// The whole router crashes.
    RouterCrash(Side),
    /// It is back, with an empty kernel, and its daemon starts.
    RouterBack(Side),
    /// The daemon does not get to read events for so long.
    Stall(Side, Duration),
    /// The daemon does nothing for so long (SIGSTOP).
    Freeze(Side, Duration),
    /// The monotonic clock of a machine goes ahead by so much.
    Jump(Side, Duration),
    /// A router dies for good.
    Replace(Side),
    /// Another machine takes its place.
    Replacement(Side),
    /// VRRP moves the addresses to the other router.
    Failover,
    /// Neither router is primary for a while, as when both are told to stand by.
    NoPrimary,
    /// The routers do not hear each other's adverts, so that both are primary.
    Part,
    /// They hear each other again.
    Reunite,
    /// An operator gives a role by hand.
    Operator(Order),
    /// A stranger's datagram arrives.
    Stranger(Side, Stranger),
    /// An operator wants one step by itself.
    Wish(Side, Step),
    /// A daemon replicates only this protocol from now on.
    Narrow(Side, Protocol),
    /// It replicates what it did at first.
    Widen(Side),
}

/// A fault, when it happens, and the number by which it can be left out. What begins and what ends a fault have the
/// same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planned {
    /// When.
    pub at: Instant,
    /// Its number: that of its kind, and how many there were of it before.
    pub number: u32,
    /// What.
    pub fault: Fault,
}

/// Numbers per kind; with more of one kind, the rest cannot be left out.
const PER_KIND: u32 = 5;

/// A plan in the making.
struct Plan<'a> {
    seed: u64,
    options: &'a Options,
    kinds: u32,
    planned: Vec<Planned>,
}

/// Everything that goes wrong in a run, in no order.
#[must_use]
pub fn plan(seed: u64, options: &Options) -> Vec<Planned> {
    let end = u64::from(options.seconds) * 1000;
    let side = |chance: &mut Chance| chance.pick(&Side::BOTH);
    let mut plan = Plan { seed, options, kinds: 0, planned: Vec::new() };
    plan.kind("cuts", options.cuts, |chance| {
        let begin = chance.between(500, end);
        let length = chance.pick(&[50, 500, 2000, 5000, 8000]);
        let which = chance.pick(&[[true, true], [true, false], [false, true]]);
        vec![(begin, Fault::Cut(which)), (begin + length, Fault::Mend)]
    });
    plan.kind("crashes", options.crashes, |chance| {
        let (begin, side) = (chance.between(500, end), side(chance));
        let length = chance.pick(&[5, 200, 1000, 5000]);
        vec![(begin, Fault::Crash(side)), (begin + length, Fault::Start(side))]
    });
    plan.kind("routers", options.router_crashes, |chance| {
        let (begin, side) = (chance.between(2000, end.max(2000)), side(chance));
        let length = chance.between(1500, 6000);
        vec![(begin, Fault::RouterCrash(side)), (begin + length, Fault::RouterBack(side))]
    });
    plan.kind("stalls", options.stalls, |chance| {
        let (begin, side) = (chance.between(100, end), side(chance));
        let length = chance.pick(&[20, 300, 1500]);
        vec![(begin, Fault::Stall(side, Duration::from_millis(length)))]
    });
    plan.kind("failovers", options.failovers, |chance| {
        let begin = chance.between(1000, end.max(1000));
        let fault = chance.pick(&[Fault::Failover, Fault::Failover, Fault::Failover, Fault::NoPrimary]);
        vec![(begin, fault)]
    });
    plan_later(&mut plan, end);
    plan.planned
}

/// What was added later: numbers are given in order.
fn plan_later(plan: &mut Plan<'_>, end: u64) {
    let side = |chance: &mut Chance| chance.pick(&Side::BOTH);
    let options = plan.options;
    plan.kind("freezes", options.freezes, |chance| {
        let (begin, side) = (chance.between(100, end), side(chance));
        let length = chance.pick(&[100, 1000, 2000, 5000, 9000]);
        vec![(begin, Fault::Freeze(side, Duration::from_millis(length)))]
    });
    plan.kind("jumps", options.jumps, |chance| {
        let (begin, side) = (chance.between(100, end), side(chance));
        let length = chance.pick(&[300, 2000, 10_000, 90_000, 3_600_000, 86_400_000]);
        vec![(begin, Fault::Jump(side, Duration::from_millis(length)))]
    });
    plan.kind("splits", options.splits, |chance| {
        let begin = chance.between(1000, end.max(1000));
        let length = chance.pick(&[100, 1000, 3000, 6000]);
        let mut faults = vec![(begin, Fault::Part), (begin + length, Fault::Reunite)];
        // Often what separates the adverts separates the daemons too.
        if chance.permille(400) {
            faults.extend([(begin, Fault::Cut([true, true])), (begin + length, Fault::Mend)]);
        }
        faults
    });
    plan.kind("operators", options.operators, |chance| {
        let (begin, side) = (chance.between(500, end), side(chance));
        let moment = chance.pick(&Moment::ALL);
        let role = chance.pick(&[Role::Primary, Role::Primary, Role::Backup, Role::Fault]);
        let lasts = chance.pick(&[1, 50, 500, 4000]);
        vec![(begin, Fault::Operator(Order { side, moment, role, lasts }))]
    });
    plan.kind("strangers", options.strangers, |chance| {
        let (begin, side) = (chance.between(100, end), side(chance));
        vec![(begin, Fault::Stranger(side, chance.pick(&Stranger::ALL)))]
    });
    plan.kind("replacements", options.replacements, |chance| {
        let (begin, side) = (chance.between(1500, end.max(1500)), side(chance));
        let length = chance.between(1000, 6000);
        vec![(begin, Fault::Replace(side)), (begin + length, Fault::Replacement(side))]
    });
    plan.kind("wishes", options.wishes, |chance| {
        let (begin, side) = (chance.between(100, end), side(chance));
        let steps =
            [Step::ReloadInternal, Step::Bulk, Step::AskPeer, Step::ResetExternal, Step::ResetExternal];
        vec![(begin, Fault::Wish(side, chance.pick(&steps)))]
    });
    plan.kind("reloads", options.reloads, |chance| {
        let (begin, side) = (chance.between(300, end), side(chance));
        let length = chance.pick(&[0, 1, 20, 300, 3000]);
        let protocol = chance.pick(&[Protocol::TCP, Protocol::UDP]);
        vec![(begin, Fault::Narrow(side, protocol)), (begin + length, Fault::Widen(side))]
    });
}

impl Plan<'_> {
    /// Draws `count` faults of a kind: milliseconds and what happens then.
    fn kind(&mut self, name: &str, count: u32, mut draw: impl FnMut(&mut Chance) -> Vec<(u64, Fault)>) {
        let mut chance = Chance::new(self.seed, name);
        for index in 0..count {
            let number = if index < PER_KIND { self.kinds * PER_KIND + index } else { u32::MAX };
            let drawn = draw(&mut chance);
            if self.options.without.leaves_out(number) {
                continue;
            }
            let at = |millis: u64| Instant::from_nanos(millis * 1_000_000);
            let planned = drawn.into_iter().map(|(millis, fault)| Planned { at: at(millis), number, fault });
            self.planned.extend(planned);
        }
        self.kinds += 1;
    }
}
