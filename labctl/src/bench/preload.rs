//! A router that stands by with the peer's flows in its kernel: what that costs while they come, and how soon it is ready
//! when it becomes primary.
//!
//! conntrackd beside it keeps them in its external cache and commits them; the script of keepalived waits for that. Driven by
//! `measure.rs`; tested through `labctl bench`.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::Plan;
use super::daemon::Daemon;
use super::flows::{self, BATCH, Kind, Writing};
use super::measure::GENTLY;
use super::pair::{Pair, R2};
use crate::poll;

/// How long the last flow may take into the standby's kernel.
const PATIENCE: Duration = Duration::from_secs(20);

/// Flows that were there before the router became primary.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
pub(crate) struct Preloaded {
    /// Whose.
    pub(crate) daemon: Daemon,
    /// How many flows.
    pub(crate) flows: u32,
    /// How many were in its kernel when it was ready.
    pub(crate) held: u64,
    /// From the order to become primary until that was answered, the command included.
    pub(crate) ready_milliseconds: f64,
    /// The daemon's CPU time on the standby while the flows came, in microseconds per flow.
    pub(crate) cpu: f64,
}

/// One takeover of so many plain flows.
pub(super) fn preload(daemon: Daemon, flows: u32, plan: &Plan) -> Result<Preloaded> {
    let mut pair = match daemon {
        Daemon::Syncd => Pair::start_preloading(flows, plan.root)?,
        Daemon::Conntrackd => Pair::start(daemon, flows, plan.root)?,
    };
    let before = pair.cost(R2)?.time;
    pair.insert(Writing { kind: Kind::Plain, first: 0, count: flows, pace: Some(GENTLY), burst: BATCH })?;
    pair.settle(flows)?;
    if daemon == Daemon::Syncd {
        let all =
            || flows::count(pair.net(R2).ok()?).is_ok_and(|held| held == u64::from(flows)).then_some(());
        let here = poll::until(Instant::now() + PATIENCE, all);
        here.with_context(|| format!("the {flows} flows do not come into the kernel of r2"))?;
    }
    let spent = pair.cost(R2)?.time.saturating_sub(before);
    let ready = pair.take_over()?;
    let held = flows::count(pair.net(R2)?)?;
    pair.stop()?;
    let cpu = spent.as_secs_f64() * 1e6 / f64::from(flows);
    Ok(Preloaded { daemon, flows, held, ready_milliseconds: ready.as_secs_f64() * 1e3, cpu })
}
