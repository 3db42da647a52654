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
mod full;
mod limits;
mod listener;
mod measure;
mod meters;
mod others;
mod outside;
mod paced;
mod pair;
mod passage;
mod sender;
mod tap;

use clap::{Args, ValueEnum};
use nix::unistd::geteuid;
use serde::{Deserialize, Serialize};

pub(crate) use limits::{Limits, guard};
pub(crate) use measure::{Sample, measure};
pub(crate) use meters::resident;
pub(crate) use outside::bench;

/// What to measure.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// Print one JSON document instead of a table
    #[arg(long)]
    json: bool,
    /// Only these figures
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Figure>,
    /// Flows of every measurement [default: 100000 committed, 300000 inserted or sent, 1000000 in a full table]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(flows::MOST)))]
    flows: Option<u32>,
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
}

/// What is measured, with the sizes this host allows.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Plan {
    /// Everything, if none.
    only: Vec<Figure>,
    /// Flows of a commit.
    committed: u32,
    /// Flows inserted or sent at full speed.
    inserted: u32,
    /// Flows of a full table.
    full: u32,
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
            committed: fitting(options.flows.unwrap_or(100_000)),
            inserted: fitting(options.flows.unwrap_or(300_000)),
            full: fitting(options.flows.unwrap_or(1_000_000)),
            repetitions: options.repetitions,
            root: geteuid().is_root(),
        }
    }

    /// The most flows that any measurement has.
    fn most(&self) -> u32 {
        self.committed.max(self.inserted).max(self.full)
    }
}

#[cfg(test)]
mod tests {
    use super::{Figure, Options, Plan};

    fn options(only: Vec<Figure>, flows: Option<u32>) -> Options {
        Options { json: false, only, flows, repetitions: 3, parent: None }
    }

    #[test]
    fn sizes_fit_what_a_namespace_may_hold() {
        let sizes = |flows, max| {
            let plan = Plan::fitting(&options(Vec::new(), flows), max);
            (plan.committed, plan.inserted, plan.full)
        };
        assert_eq!(sizes(None, 4_000_000), (100_000, 300_000, 1_000_000));
        assert_eq!(sizes(None, 262_144), (100_000, 245_760, 245_760));
        assert_eq!(sizes(Some(50_000), 16_000), (15_000, 15_000, 15_000));
    }

    #[test]
    fn what_is_asked_for_alone_is_alone() {
        let wants = |only: &[Figure]| Plan::fitting(&options(only.to_vec(), None), 1000).wants(Figure::Bulk);
        assert!(wants(&[]) && wants(&[Figure::Rates, Figure::Bulk]) && !wants(&[Figure::Rates]));
    }
}
