//! A full table: what a million flows take of memory on either side, and how long they take to a standby that starts
//! with nothing.
//!
//! The flows are older than the daemons: the first router's reads them from its kernel, the second's from the dedicated
//! link. Driven by `measure.rs`; tested through `labctl bench`.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::daemon::Daemon;
use super::flows::{BATCH, Kind, Writing};
use super::measure::{Sample, Sides};
use super::pair::{Pair, R1, R2};
use super::{Figure, Plan};
use crate::poll;

/// How long a daemon may take to know all flows.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often the standby is restarted.
const RESTARTS: u32 = 2;
/// So long after one bulk the next: a peer of syncd causes at most one in five seconds.
const QUIET: Duration = Duration::from_secs(6);

/// Memory for a full table.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
pub(crate) struct Filled {
    /// Whose.
    pub(crate) daemon: Daemon,
    /// How many flows.
    pub(crate) flows: u32,
    /// What the daemon takes beyond one that knows nothing, in bytes per flow.
    pub(crate) memory: Sides<f64>,
}

/// A full table to a standby that knows nothing.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
pub(crate) struct Bulk {
    /// By whom.
    pub(crate) daemon: Daemon,
    /// How many flows.
    pub(crate) flows: u32,
    /// How many arrived.
    pub(crate) arrived: u64,
    /// For syncd from the start of the standby's daemon until both say that they are in sync and nothing is
    /// unacknowledged; for conntrackd from `conntrackd -n` until its external cache holds all flows.
    pub(crate) milliseconds: f64,
}

/// Fills both sides with so many flows, then restarts the standby.
pub(super) fn full(daemon: Daemon, flows: u32, plan: &Plan, tell: &mut dyn FnMut(Sample)) -> Result<()> {
    let mut pair = Pair::build(daemon, flows, plan.root)?;
    pair.insert(Writing { kind: Kind::Plain, first: 0, count: flows, pace: None, burst: BATCH })?;
    pair.start_daemon(R2)?;
    let empty = pair.cost(R2)?.memory;
    pair.start_daemon(R1)?;
    wait_for_internal(&pair, flows)?;
    daemon.ask_for_all(pair.node(R2)?, R2)?;
    pair.wait_complete(flows.into(), PATIENCE)?;
    if plan.wants(Figure::Memory) {
        let held = pair.counts()?;
        let memory = |name, held: u64| -> Result<f64> { Ok(per_flow(pair.cost(name)?.memory, empty, held)) };
        let memory = Sides { r1: memory(R1, held.internal)?, r2: memory(R2, held.external)? };
        tell(Sample::Filled(Filled { daemon, flows, memory }));
    }
    for _ in 0..if plan.wants(Figure::Bulk) { RESTARTS } else { 0 } {
        tell(Sample::Bulk(bulk(&mut pair, flows)?));
    }
    pair.stop()
}

fn bulk(pair: &mut Pair, flows: u32) -> Result<Bulk> {
    let daemon = pair.daemon();
    poll::pause(QUIET);
    pair.stop_daemon(R2)?;
    let mut start = Instant::now();
    pair.start_daemon(R2)?;
    if daemon == Daemon::Conntrackd {
        // It does nothing by itself, so its start is no part of it.
        start = Instant::now();
        daemon.ask_for_all(pair.node(R2)?, R2)?;
    }
    // If it never is, what is there by then is counted.
    pair.wait_complete(flows.into(), PATIENCE)?;
    let milliseconds = start.elapsed().as_secs_f64() * 1e3;
    Ok(Bulk { daemon, flows, arrived: pair.counts()?.external, milliseconds })
}

fn wait_for_internal(pair: &Pair, flows: u32) -> Result<()> {
    let all = || match pair.caches(R1) {
        Ok(caches) => (caches.internal >= u64::from(flows)).then_some(Ok(())),
        Err(error) => Some(Err(error)),
    };
    let read = poll::until(Instant::now() + PATIENCE, all).transpose()?;
    read.with_context(|| format!("r1's daemon does not read the {flows} flows of its kernel"))
}

#[expect(clippy::cast_precision_loss, reason = "bytes are far below 2^52")]
fn per_flow(full: u64, empty: u64, flows: u64) -> f64 {
    full.saturating_sub(empty) as f64 / flows.max(1) as f64
}
