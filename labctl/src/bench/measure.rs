//! The measurements, one after the other in the lab, the two daemons in turns.
//!
//! Says what happened as samples and judges nothing; that is `figures.rs`. Each measurement has routers of its own.
//! Driven by the lab's first process; tested through `labctl bench`.

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

use super::daemon::Daemon;
use super::flows::Kind;
use super::pair::Pair;
use super::{Figure, Plan};

/// How fast flows are born where only what happens afterwards is measured: slow enough for both daemons.
const GENTLY: u32 = 40_000;
/// How often conntrackd may try again to hold everything.
const OTHER_TRIES: u32 = 2;

/// What was seen in one measurement.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Sample {
    /// Of a commit.
    Committed(Committed),
    /// Of flows at full speed.
    Inserted(Inserted),
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
    /// Growth of the daemon's memory, in bytes per flow of that cache.
    pub(crate) memory: Sides<f64>,
    /// The daemon's CPU time, in microseconds per flow.
    pub(crate) cpu: Sides<f64>,
}

/// The same of both routers.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
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
    for repetition in 0..plan.repetitions {
        // Who goes first changes, so that nobody always meets the machine as the other has left it.
        let order = [Daemon::Syncd, Daemon::Conntrackd];
        let order = if repetition % 2 == 0 { order } else { [order[1], order[0]] };
        if plan.wants(Figure::Commit) {
            for kind in [Kind::Plain, Kind::Translated] {
                for daemon in order {
                    tell(Sample::Committed(commit(daemon, kind, plan)?));
                }
            }
        }
        if plan.wants(Figure::Insert) || plan.wants(Figure::Memory) {
            for daemon in order {
                tell(Sample::Inserted(insert(daemon, plan)?));
            }
        }
    }
    Ok(())
}

/// What is to be committed has come by replication. Where conntrackd has missed some of it, as it does on a busy machine,
/// it gets another try: its time shall be that of a whole commit. What syncd misses is shown.
fn commit(daemon: Daemon, kind: Kind, plan: &Plan) -> Result<Committed> {
    let flows = plan.committed;
    let mut pair = replicated(daemon, kind, plan)?;
    for _ in 0..OTHER_TRIES {
        if daemon == Daemon::Syncd || pair.counts()?.external == u64::from(flows) {
            break;
        }
        pair.stop()?;
        pair = replicated(daemon, kind, plan)?;
    }
    let (took, cpu, committed) = pair.fail_over()?;
    pair.stop()?;
    let [milliseconds, cpu_milliseconds] = [took, cpu].map(|time| time.as_secs_f64() * 1e3);
    Ok(Committed { daemon, kind, flows, committed, milliseconds, cpu_milliseconds })
}

/// A pair whose first router has got the flows of a commit, with as many of them in the second's external cache as will
/// ever be.
fn replicated(daemon: Daemon, kind: Kind, plan: &Plan) -> Result<Pair> {
    let flows = plan.committed;
    let pair = Pair::start(daemon, flows, plan.root)?;
    pair.insert(kind, flows, Some(GENTLY))?;
    pair.settle(flows)?;
    Ok(pair)
}

#[expect(clippy::cast_precision_loss, reason = "bytes and flows are far below 2^52")]
fn insert(daemon: Daemon, plan: &Plan) -> Result<Inserted> {
    let flows = plan.inserted;
    let pair = Pair::start(daemon, flows, plan.root)?;
    let before = pair.costs()?;
    let took = pair.insert(Kind::Plain, flows, None)?;
    let (settled, counts) = pair.settle(flows)?;
    let after = pair.costs()?;
    pair.stop()?;
    if counts.kernel != u64::from(flows) {
        bail!("r1's kernel was to hold {flows} flows, and holds {}", counts.kernel);
    }
    let missing = |held: u64| counts.kernel.saturating_sub(held);
    let memory = |router: usize, held: u64| {
        after[router].memory.saturating_sub(before[router].memory) as f64 / held.max(1) as f64
    };
    let cpu =
        |router: usize| (after[router].time - before[router].time).as_secs_f64() * 1e6 / f64::from(flows);
    Ok(Inserted {
        daemon,
        flows,
        per_second: f64::from(flows) / took.as_secs_f64(),
        settled_milliseconds: settled.as_secs_f64() * 1e3,
        missing: Sides { r1: missing(counts.internal), r2: missing(counts.external) },
        memory: Sides { r1: memory(0, counts.internal), r2: memory(1, counts.external) },
        cpu: Sides { r1: cpu(0), r2: cpu(1) },
    })
}
