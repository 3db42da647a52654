//! The measurements, one after the other in the lab, the two daemons in turns.
//!
//! Says what happened as samples and judges nothing; that is `figures.rs`. Each measurement has routers of its own.
//! Driven by the lab's first process; tested through `labctl bench`.

use std::fs;
use std::time::Duration;

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

use super::daemon::Daemon;
use super::flows::{BATCH, Kind, Writing};
use super::full::{self, Bulk, Filled};
use super::kernel::{self, Alone};
use super::lossy::{self, Weathered};
use super::paced::{self, Paced};
use super::pair::{Pair, R1, R2};
use super::passage::{self, Audience, Passed};
use super::preload::{self, Preloaded};
use super::reading::{self, Read};
use super::takeover::TakenOver;
use super::{Figure, Plan};

/// How fast flows are born where only what happens afterwards is measured: slow enough for both daemons.
pub(super) const GENTLY: u32 = 40_000;
/// How often conntrackd may try again to hold everything.
const OTHER_TRIES: u32 = 2;

/// What was seen in one measurement.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Sample {
    /// Of a commit.
    Committed(Committed),
    /// Of the kernel, where a commit has to go.
    Alone(Alone),
    /// Of flows at full speed.
    Inserted(Inserted),
    /// Of a full table's memory.
    Filled(Filled),
    /// Of a full table to a standby that knows nothing.
    Bulk(Bulk),
    /// Of flows through the router.
    Passed(Passed),
    /// Of births at a rate.
    Paced(Paced),
    /// Of flows over a bad link.
    Weathered(Weathered),
    /// Of a router that died.
    TakenOver(TakenOver),
    /// Of a router that becomes primary with the flows in its kernel already.
    Preloaded(Preloaded),
    /// Of a table that somebody read.
    Read(Read),
}

impl Sample {
    /// If it is of a commit.
    pub(crate) const fn committed(&self) -> Option<Committed> {
        if let Self::Committed(it) = self { Some(*it) } else { None }
    }

    /// If it is of the kernel alone.
    pub(crate) const fn alone(&self) -> Option<Alone> {
        if let Self::Alone(it) = self { Some(*it) } else { None }
    }

    /// If it is of flows over a bad link.
    pub(crate) const fn weathered(&self) -> Option<Weathered> {
        if let Self::Weathered(it) = self { Some(*it) } else { None }
    }

    /// If it is of a router that died.
    pub(crate) const fn taken_over(&self) -> Option<TakenOver> {
        if let Self::TakenOver(it) = self { Some(*it) } else { None }
    }

    /// If it is of flows that were in the kernel already.
    pub(crate) const fn preloaded(&self) -> Option<Preloaded> {
        if let Self::Preloaded(it) = self { Some(*it) } else { None }
    }

    /// If it is of a table that somebody read.
    pub(crate) const fn read(&self) -> Option<Read> {
        if let Self::Read(it) = self { Some(*it) } else { None }
    }

    /// If it is of flows at full speed.
    pub(crate) const fn inserted(&self) -> Option<Inserted> {
        if let Self::Inserted(it) = self { Some(*it) } else { None }
    }

    /// If it is of memory.
    pub(crate) const fn filled(&self) -> Option<Filled> {
        if let Self::Filled(it) = self { Some(*it) } else { None }
    }

    /// If it is of a bulk.
    pub(crate) const fn bulk(&self) -> Option<Bulk> {
        if let Self::Bulk(it) = self { Some(*it) } else { None }
    }

    /// If it is of flows through the router.
    pub(crate) const fn passed(&self) -> Option<Passed> {
        if let Self::Passed(it) = self { Some(*it) } else { None }
    }

    /// If it is of births at a rate.
    pub(crate) const fn paced(&self) -> Option<Paced> {
        if let Self::Paced(it) = self { Some(*it) } else { None }
    }
}

/// The external cache into an empty kernel.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
pub(crate) struct Committed {
    /// Who did it.
    pub(crate) daemon: Daemon,
    /// What flows.
    pub(crate) kind: Kind,
    /// How many.
    pub(crate) flows: u32,
    /// How many were in the kernel afterwards.
    pub(crate) committed: u64,
    /// From begin to end.
    pub(crate) milliseconds: f64,
    /// The daemon's CPU time for it and for what else the change of role brings.
    pub(crate) cpu_milliseconds: f64,
}

/// Flows at full speed, and what they cost.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
pub(crate) struct Inserted {
    /// Who listened.
    pub(crate) daemon: Daemon,
    /// How many were written into the first router's kernel.
    pub(crate) flows: u32,
    /// How fast, with the daemons running.
    pub(crate) per_second: f64,
    /// Until nothing changed any more, after the last was written.
    pub(crate) settled_milliseconds: f64,
    /// How many never came to the first router's internal and the second's external cache.
    pub(crate) missing: Sides<u64>,
    /// The daemon's CPU time, in microseconds per flow.
    pub(crate) cpu: Sides<f64>,
}

/// The same of both routers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Sides<T> {
    /// The one on which flows are born.
    pub(crate) r1: T,
    /// The one that stands by.
    pub(crate) r2: T,
}

/// Runs every measurement of the plan; `tell` hears of each as soon as it is done.
///
/// # Errors
/// What failed.
pub(crate) fn measure(plan: &Plan, tell: &mut dyn FnMut(Sample)) -> Result<()> {
    come_first();
    for repetition in 0..plan.repetitions {
        let order = order(repetition);
        if plan.wants(Figure::Commit) {
            for flows in &plan.sizes {
                for kind in [Kind::Plain, Kind::Translated] {
                    for daemon in order {
                        tell(Sample::Committed(commit(daemon, kind, *flows, plan)?));
                    }
                    tell(Sample::Alone(kernel::alone(kind, *flows, plan)?));
                }
            }
        }
        for flows in &plan.sizes {
            for daemon in order {
                if plan.wants(Figure::Preload) {
                    tell(Sample::Preloaded(preload::preload(daemon, *flows, plan)?));
                }
            }
        }
        for daemon in order {
            if plan.wants(Figure::Insert) {
                tell(Sample::Inserted(insert(daemon, plan)?));
            }
        }
        for flows in &plan.sizes {
            for daemon in order {
                if plan.wants(Figure::Memory) || plan.wants(Figure::Bulk) {
                    full::full(daemon, *flows, plan, tell)?;
                }
            }
        }
        for daemon in order {
            if plan.wants(Figure::Reading) {
                tell(Sample::Read(reading::reading(daemon, plan)?));
            }
        }
        if plan.wants(Figure::Traffic) {
            let machine = [Audience::None, Audience::Bare];
            for audience in order.map(Audience::Pair).into_iter().chain(machine) {
                tell(Sample::Passed(passage::passage(audience, plan)?));
            }
            for daemon in order {
                tell(Sample::Passed(passage::moderate(daemon, plan)?));
            }
        }
        for daemon in order {
            if plan.wants(Figure::Rates) {
                paced::paced(daemon, plan, &mut |sample| tell(Sample::Paced(sample)))?;
            }
            if plan.wants(Figure::Lossy) {
                tell(Sample::Weathered(lossy::lossy(daemon, plan)?));
            }
        }
    }
    Ok(())
}

/// Who goes first changes, so that nobody always meets the machine as the other has left it.
pub(super) const fn order(repetition: u32) -> [Daemon; 2] {
    if repetition.is_multiple_of(2) {
        [Daemon::Syncd, Daemon::Conntrackd]
    } else {
        [Daemon::Conntrackd, Daemon::Syncd]
    }
}

/// Other work on this machine shall wait for ours: conntrackd gives itself the highest real-time priority, so that it
/// would slow down syncd and the traffic only. A session is one schedulable whole (sched(7), the autogroup feature).
fn come_first() {
    // Whoever may not is measured beside the other work, and that is remarked on.
    let _ = fs::write("/proc/self/autogroup", "-20");
}

/// What is to be committed has come by replication. Where conntrackd has missed some of it, as it does on a busy machine,
/// it gets another try: its time shall be that of a whole commit. What syncd misses is shown.
fn commit(daemon: Daemon, kind: Kind, flows: u32, plan: &Plan) -> Result<Committed> {
    let mut pair = replicated(daemon, kind, flows, plan)?;
    for _ in 0..OTHER_TRIES {
        if daemon == Daemon::Syncd || pair.counts()?.external == u64::from(flows) {
            break;
        }
        pair.stop()?;
        pair = replicated(daemon, kind, flows, plan)?;
    }
    let (took, cpu, committed) = pair.fail_over()?;
    pair.stop()?;
    let [milliseconds, cpu_milliseconds] = [took, cpu].map(|time| time.as_secs_f64() * 1e3);
    Ok(Committed { daemon, kind, flows, committed, milliseconds, cpu_milliseconds })
}

/// A pair whose first router has got the flows of a commit, with as many of them in the second's external cache as will
/// ever be.
fn replicated(daemon: Daemon, kind: Kind, flows: u32, plan: &Plan) -> Result<Pair> {
    let pair = Pair::start(daemon, flows, plan.root)?;
    pair.insert(Writing { kind, first: 0, count: flows, pace: Some(GENTLY), burst: BATCH })?;
    pair.settle(flows)?;
    Ok(pair)
}

fn insert(daemon: Daemon, plan: &Plan) -> Result<Inserted> {
    let flows = plan.inserted;
    let pair = Pair::start(daemon, flows, plan.root)?;
    let before = (pair.cost(R1)?.time, pair.cost(R2)?.time);
    let took =
        pair.insert(Writing { kind: Kind::Plain, first: 0, count: flows, pace: None, burst: BATCH })?;
    let (settled, counts) = pair.settle(flows)?;
    let after = (pair.cost(R1)?.time, pair.cost(R2)?.time);
    pair.stop()?;
    if counts.kernel != u64::from(flows) {
        bail!("r1's kernel was to hold {flows} flows, and holds {}", counts.kernel);
    }
    let missing = |held: u64| counts.kernel.saturating_sub(held);
    let cpu = |spent: Duration| spent.as_secs_f64() * 1e6 / f64::from(flows);
    Ok(Inserted {
        daemon,
        flows,
        per_second: f64::from(flows) / took.as_secs_f64(),
        settled_milliseconds: settled.as_secs_f64() * 1e3,
        missing: Sides { r1: missing(counts.internal), r2: missing(counts.external) },
        cpu: Sides { r1: cpu(after.0 - before.0), r2: cpu(after.1 - before.1) },
    })
}
