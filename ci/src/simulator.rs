//! `cargo ci sim`: the simulator at length, and how fast it was.
//!
//! Knows it as a program. A seed that fails prints the commands that replay and shrink it.

use std::process::Command;
use std::time::Instant;

use anyhow::Result;

use crate::gates::{self, Gates};
use crate::suite;
use crate::workspace::Workspace;

/// Seeds unless the command line says otherwise.
pub(crate) const SEEDS: u32 = 5_000;

/// So many of them are run a second time and must leave the same trace.
const TWICE: u32 = 500;

/// Datagrams whose fates are enumerated here, and with every change; `cargo test` does still fewer.
const DATAGRAMS: u32 = 9;
/// See [`DATAGRAMS`].
const ALWAYS: u32 = 8;

/// Sweeps, compares, enumerates.
///
/// # Errors
/// The first that fails.
pub(crate) fn sim(workspace: &Workspace, seeds: u32) -> Result<()> {
    let mut row = Gates::new();
    row.pass_command("build", suite::build(workspace, &["syncd-sim"]))?;
    let cores = std::thread::available_parallelism()?;
    let began = Instant::now();
    row.pass_command("seeds", sweep(workspace, &["--seeds", &seeds.to_string()]))?;
    let took = began.elapsed().as_secs_f64();
    println!("   {seeds} seeds in {took:.1} s on {cores} cores: {:.0} a second", f64::from(seeds) / took);
    let twice = TWICE.min(seeds).to_string();
    row.pass_command("the same traces twice", sweep(workspace, &["--seeds", &twice, "--twice"]))?;
    row.pass_command("every pattern", exhaust(workspace, DATAGRAMS))?;
    row.print_summary();
    Ok(())
}

/// Every fate of as many datagrams as every change must pass.
pub(crate) fn patterns(workspace: &Workspace) -> Command {
    exhaust(workspace, ALWAYS)
}

fn exhaust(workspace: &Workspace, datagrams: u32) -> Command {
    let mut command = gates::cargo(workspace, &["run", "--release", "-p", "syncd-sim", "--", "exhaust"]);
    command.args(["--datagrams", &datagrams.to_string()]);
    command
}

/// A sweep with the optimised simulator.
pub(crate) fn sweep(workspace: &Workspace, arguments: &[&str]) -> Command {
    let mut command = gates::cargo(workspace, &["run", "--release", "-p", "syncd-sim", "--", "sweep"]);
    command.args(arguments);
    command
}
