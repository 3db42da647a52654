//! Flows over a dedicated link that loses, swaps and repeats frames: how long after the last one the other router knows
//! them all.
//!
//! ```text
//! r1 sync ── r1-sync == labctl's weather == r2-sync ── sync r2
//! ```
//!
//! Driven by `measure.rs`; tested through `labctl bench`.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::Plan;
use super::daemon::Daemon;
use super::flows::{BATCH, Kind, Writing};
use super::pair::{Pair, R2};
use crate::link::{Cut, Weather};
use crate::poll;

/// How many flows, where there is room for so many.
const FLOWS: u32 = 50_000;
/// How fast: below what both daemons can on a good link, so that only the weather is measured.
const PER_SECOND: u32 = 10_000;
/// One frame in five is lost, one in ten is late, one in ten comes twice.
const WEATHER: Weather = Weather {
    loss: 0.2,
    duplicate: 0.1,
    reorder: 0.1,
    corrupt: 0.0,
    delay_ms: 0,
    jitter_ms: 0,
    cut: Cut::None,
    bits_per_second: 0,
    queue_bytes: 0,
    seed: 0x5eed,
};
/// Longer than either daemon takes to ask again for what it misses.
const PATIENCE: Duration = Duration::from_secs(30);

/// What became of flows over a bad link.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
pub(crate) struct Weathered {
    /// Who told whom.
    pub(crate) daemon: Daemon,
    /// How many flows were born.
    pub(crate) flows: u32,
    /// How many of them the other router knew at the end.
    pub(crate) arrived: u64,
    /// From the last birth until it knew so many, or until nothing was waited for any more.
    pub(crate) milliseconds: f64,
}

/// Births in bad weather.
pub(super) fn lossy(daemon: Daemon, plan: &Plan) -> Result<Weathered> {
    let flows = FLOWS.min(plan.inserted);
    let mut pair = Pair::build_over(daemon, flows, plan.root, true)?;
    pair.start_daemons(0)?;
    pair.set_weather(WEATHER);
    pair.insert(Writing { kind: Kind::Plain, first: 0, count: flows, pace: Some(PER_SECOND), burst: BATCH })?;
    let (last, mut arrived) = (Instant::now(), 0);
    let all = || match pair.caches(R2) {
        Ok(caches) => {
            arrived = caches.external;
            (arrived >= u64::from(flows)).then_some(Ok(()))
        }
        Err(error) => Some(Err(error)),
    };
    poll::until(last + PATIENCE, all).transpose().context("the standby does not say what it knows")?;
    let milliseconds = last.elapsed().as_secs_f64() * 1e3;
    pair.stop()?;
    Ok(Weathered { daemon, flows, arrived, milliseconds })
}
