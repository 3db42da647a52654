//! `labctl bench`: syncd beside conntrackd, in figures.
//!
//! Two routers per measurement, flows by the hundred thousand, both daemons in turns on the same machine. Never asserts
//! by a timer: it prints what it saw. As root the host's limits are raised for the run; else the sizes fit them.
//!
//! ```text
//! labctl bench ── starts ──► guardian   raises the host's limits, restores them when we are gone
//!       │
//!       └─────── starts ──► lab         measure: pair by pair; samples come back, one line each
//! ```
//!
//! Driven by `main.rs` and by `cargo ci bench`; the parts are tested beside them, the whole in `labctl/tests/bench.rs`.

mod births;
mod daemon;
mod figures;
pub(crate) mod flows;
mod folder;
mod full;
mod kernel;
mod limits;
mod listener;
mod lossy;
mod measure;
mod meters;
mod others;
mod outside;
mod paced;
mod pair;
mod passage;
mod preload;
mod reading;
mod sender;
mod takeover;
mod tap;

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use nix::unistd::geteuid;
use serde::{Deserialize, Serialize};

pub(crate) use limits::{Limits, guard};
pub(crate) use measure::{Sample, measure};
pub(crate) use meters::resident;
pub(crate) use outside::bench;

/// Flows of a commit and of a full table, unless it is said.
const SIZES: [u32; 3] = [10_000, 100_000, 1_000_000];
/// So many must fit for a scenario of full size.
const FULL: u32 = 600_000;

/// What to measure.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// Print one JSON document instead of a table
    #[arg(long)]
    json: bool,
    /// Only these figures
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Figure>,
    /// Flows of every measurement [default: 10000, 100000 and 1000000 committed and in a full table, 300000 inserted or
    /// sent]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(flows::MOST)))]
    flows: Option<u32>,
    /// Write the table, its pictures and one page of all into this directory
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,
    /// How often everything is measured
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    repetitions: u32,
    /// End when this process, which must be the one that started us, ends
    #[arg(long, value_name = "PID", hide = true)]
    parent: Option<i32>,
}

/// What can be measured alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Figure {
    /// The external cache into the kernel
    Commit,
    /// Flows that are in the standby's kernel already, and until it is ready
    Preload,
    /// Flows at full speed, and how many get lost
    Insert,
    /// A full table: resident memory per flow
    Memory,
    /// A full table to a standby that was restarted
    Bulk,
    /// Real UDP flows with source NAT through the router
    Traffic,
    /// Lag, CPU time and datagrams by the rate of births
    Rates,
    /// Flows over a dedicated link that loses and swaps frames
    Lossy,
    /// A full table that somebody reads while replication goes on
    Reading,
    /// Streams beside half a million flows when the primary is killed
    Takeover,
}

/// What is measured, with the sizes this host allows.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Plan {
    /// Everything, if none.
    only: Vec<Figure>,
    /// Flows of a commit and of a full table: each is measured at every size, so that one sees how its cost grows.
    sizes: Vec<u32>,
    /// Flows inserted or sent at full speed.
    inserted: u32,
    /// How often.
    repetitions: u32,
    /// Whether the real root asks. In a lab everybody looks like root.
    root: bool,
}

impl Plan {
    fn wants(&self, figure: Figure) -> bool {
        self.only.is_empty() || self.only.contains(&figure)
    }

    /// The sizes asked for, or less where a namespace may hold only `max` flows: beyond fifteen sixteenths the kernel
    /// begins to evict.
    fn fitting(options: &Options, max: u32) -> Self {
        let fitting = |flows: u32| flows.min(max - max / 16).max(1);
        Self {
            only: options.only.clone(),
            sizes: distinct(options.flows.map_or(SIZES.into(), |flows| vec![flows]).into_iter().map(fitting)),
            inserted: fitting(options.flows.unwrap_or(300_000)),
            repetitions: options.repetitions,
            root: geteuid().is_root(),
        }
    }

    /// The most flows of a full table.
    fn full(&self) -> u32 {
        self.sizes.iter().copied().max().unwrap_or(self.inserted)
    }

    /// The most flows that any measurement has.
    fn most(&self) -> u32 {
        self.inserted.max(self.full())
    }

    /// Whether a scenario may be run at full size.
    fn is_full(&self) -> bool {
        self.full() >= FULL
    }
}

/// Sorted, each once: where little fits, what was larger has become the same.
fn distinct(sizes: impl Iterator<Item = u32>) -> Vec<u32> {
    sizes.collect::<BTreeSet<_>>().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::{Figure, Options, Plan};

    fn options(only: Vec<Figure>, flows: Option<u32>) -> Options {
        Options { json: false, only, flows, into: None, repetitions: 3, parent: None }
    }

    #[test]
    fn sizes_fit_what_a_namespace_may_hold() {
        let sizes = |flows, max| {
            let plan = Plan::fitting(&options(Vec::new(), flows), max);
            (plan.sizes.clone(), plan.inserted)
        };
        assert_eq!(sizes(None, 4_000_000), (vec![10_000, 100_000, 1_000_000], 300_000));
        assert_eq!(sizes(None, 262_144), (vec![10_000, 100_000, 245_760], 245_760));
        assert_eq!(sizes(Some(50_000), 16_000), (vec![15_000], 15_000));
    }

    #[test]
    fn what_is_asked_for_alone_is_alone() {
        let wants = |only: &[Figure]| Plan::fitting(&options(only.to_vec(), None), 1000).wants(Figure::Bulk);
        assert!(wants(&[]) && wants(&[Figure::Rates, Figure::Bulk]) && !wants(&[Figure::Rates]));
    }
}
