//! What the kernel itself needs for the flows of a commit: written in batches into the second router's empty table, to which
//! nobody listens, while the first router has them, as in a commit: one hash table of the host holds what both track, and
//! finding a place takes longer the fuller it is.
//!
//! No commit through this interface is quicker. Driven by `measure.rs`; tested through `labctl bench`.

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::Plan;
use super::daemon::Daemon;
use super::flows::{BATCH, Kind, Writing};
use super::pair::{Pair, R2};

/// The kernel alone.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
pub(crate) struct Alone {
    /// What flows.
    pub(crate) kind: Kind,
    /// How many.
    pub(crate) flows: u32,
    /// From the first to the last.
    pub(crate) milliseconds: f64,
}

/// Writes them.
pub(super) fn alone(kind: Kind, flows: u32, plan: &Plan) -> Result<Alone> {
    let pair = Pair::build(Daemon::Syncd, flows, plan.root)?;
    let writing = Writing { kind, first: 0, count: flows, pace: None, burst: BATCH };
    pair.insert(writing)?;
    let took = pair.insert_into(R2, writing)?;
    pair.stop()?;
    Ok(Alone { kind, flows, milliseconds: took.as_secs_f64() * 1e3 })
}
