//! What goes wrong, and when: a plan drawn from the seed before the run begins.
//!
//! Each kind of fault has its own stream of chance, so that leaving one out does not move the others. Carried out
//! by the world.

use syncd_core::time::{Duration, Instant};

use crate::chance::Chance;
use crate::options::Options;
use crate::trace::Side;

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
    /// The daemon does not get to read for so long.
    Stall(Side, Duration),
    /// VRRP moves the addresses to the other router.
    Failover,
    /// Neither router is primary for a while, as when both are told to stand by.
    NoPrimary,
}

/// Everything that goes wrong in a run, in no order.
#[must_use]
pub fn plan(seed: u64, options: &Options) -> Vec<(Instant, Fault)> {
    let mut planned = Vec::new();
    let end = u64::from(options.seconds) * 1000;
    let at = |millis: u64| Instant::from_nanos(millis * 1_000_000);
    let side = |chance: &mut Chance| chance.pick(&Side::BOTH);

    let mut chance = Chance::new(seed, "cuts");
    for _ in 0..options.cuts {
        let begin = chance.between(500, end);
        let length = chance.pick(&[50, 500, 2000, 5000, 8000]);
        let which = chance.pick(&[[true, true], [true, false], [false, true]]);
        planned.push((at(begin), Fault::Cut(which)));
        planned.push((at(begin + length), Fault::Mend));
    }
    let mut chance = Chance::new(seed, "crashes");
    for _ in 0..options.crashes {
        let (begin, side) = (chance.between(500, end), side(&mut chance));
        let length = chance.pick(&[5, 200, 1000, 5000]);
        planned.push((at(begin), Fault::Crash(side)));
        planned.push((at(begin + length), Fault::Start(side)));
    }
    let mut chance = Chance::new(seed, "routers");
    for _ in 0..options.router_crashes {
        let (begin, side) = (chance.between(2000, end.max(2000)), side(&mut chance));
        let length = chance.between(1500, 6000);
        planned.push((at(begin), Fault::RouterCrash(side)));
        planned.push((at(begin + length), Fault::RouterBack(side)));
    }
    let mut chance = Chance::new(seed, "stalls");
    for _ in 0..options.stalls {
        let (begin, side) = (chance.between(100, end), side(&mut chance));
        let length = chance.pick(&[20, 300, 1500]);
        planned.push((at(begin), Fault::Stall(side, Duration::from_millis(length))));
    }
    let mut chance = Chance::new(seed, "failovers");
    for _ in 0..options.failovers {
        let begin = chance.between(1000, end.max(1000));
        let fault = chance.pick(&[Fault::Failover, Fault::Failover, Fault::Failover, Fault::NoPrimary]);
        planned.push((at(begin), fault));
    }
    planned
}
