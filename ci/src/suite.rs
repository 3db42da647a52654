//! What a change must pass, in the order in which a failure is cheapest to see.
//!
//! `test` is for every change, `full` for the nights. Compiles everything before the first lab is built, so that no
//! failover competes with a compiler; builds labs one at a time, under a lock that holds for the whole host.

use std::process::Command;

use anyhow::{Context, Result};

use crate::gates::{Gates, cargo};
use crate::lock::HostLock;
use crate::residue::{self, Host};
use crate::setup::{self, Need};
use crate::workspace::{Workspace, find_program};
use crate::{clients, docs, fuzz, gates, interop, package, simulator, tidy, unprivileged};

/// How much of what takes long.
struct Extent {
    /// Seeds of the simulator.
    seeds: u32,
    /// How often each scenario is run.
    rounds: u32,
    /// Seconds of fuzzing for each target, besides what the tests do.
    fuzzing: Option<u64>,
    /// Whether syncd is tried beside conntrackd in all places, and with clients that are not ours.
    interop: bool,
    /// Whether the package is tried in a container.
    package: bool,
    /// Overload at full size too, and the proofs that the judge judges.
    full_size: bool,
}

/// Every change.
///
/// # Errors
/// The first gate that fails.
pub(crate) fn test(workspace: &Workspace) -> Result<()> {
    let extent =
        Extent { seeds: 1_000, rounds: 1, fuzzing: None, interop: false, package: false, full_size: false };
    summed_up(workspace, &extent)
}

/// What takes hours: `test`, with many more seeds, every scenario again and again, and the matrix with conntrackd.
///
/// # Errors
/// The first gate that fails.
pub(crate) fn full(workspace: &Workspace) -> Result<()> {
    let extent = Extent {
        seeds: 100_000,
        rounds: 20,
        fuzzing: Some(600),
        interop: true,
        package: true,
        full_size: true,
    };
    summed_up(workspace, &extent)
}

/// Of `test` only what runs as `nobody`.
///
/// # Errors
/// When something is missing, the build fails or a scenario does.
pub(crate) fn nobody(workspace: &Workspace) -> Result<()> {
    setup::setup(workspace, Need::Everything)?;
    gates::run(&mut build(workspace, &["syncd", "labctl"])).context("the build failed")?;
    let _lock = HostLock::take()?;
    unprivileged::run(workspace)
}

fn summed_up(workspace: &Workspace, extent: &Extent) -> Result<()> {
    let mut gates = Gates::new();
    let outcome = all(workspace, &mut gates, extent);
    gates.print_summary();
    outcome
}

fn all(workspace: &Workspace, gates: &mut Gates, extent: &Extent) -> Result<()> {
    let before = Host::look()?;
    gates.pass("setup", "cargo ci setup", || setup::setup(workspace, Need::Everything))?;
    sources(workspace, gates)?;
    programs(workspace, gates, extent.seeds)?;
    if let Some(seconds) = extent.fuzzing {
        let seed = fuzz::fresh_seed();
        let repeat = format!("cargo ci fuzz --seconds {seconds} --seed {seed}");
        gates.pass("fuzz", &repeat, || fuzz::fuzz(workspace, seconds, Some(seed)))?;
    }
    let lock = HostLock::take()?;
    for round in 1..=extent.rounds {
        let name =
            if extent.rounds == 1 { "scenarios".to_owned() } else { format!("scenarios, round {round}") };
        gates.pass_command(&name, scenarios(workspace))?;
    }
    gates.pass("documentation", "cargo ci docs", || docs::in_labs(workspace))?;
    if extent.interop {
        let matrix = interop::matrix(workspace, &interop::Options::default());
        gates.pass_command("interop", matrix)?;
    }
    match clients::lacking() {
        _ if !extent.interop => {}
        None => gates.pass("clients", "cargo ci clients", || clients::through_both(workspace))?,
        Some(why) => gates.skip("clients", &why),
    }
    if extent.package && setup::is_root() {
        gates.pass("package", "cargo ci package --try", || package::package(workspace, package::TRIAL))?;
    } else if extent.package {
        gates.skip("package", "only root can boot a container");
    }
    if extent.full_size && setup::is_root() {
        gates.pass_command("scenarios, full size", full_size(workspace))?;
    } else if extent.full_size {
        gates.skip("scenarios, full size", "they raise the host's limits");
    }
    if setup::is_root() {
        gates.pass("scenarios as nobody", "cargo ci nobody", || unprivileged::run(workspace))?;
    } else {
        gates.skip("scenarios as nobody", "only root can become nobody");
    }
    gates.pass("nothing left behind", "cargo ci test", || residue::require_none_since(&before))?;
    drop(lock);
    Ok(())
}

/// What can be said of the sources without running them.
fn sources(workspace: &Workspace, gates: &mut Gates) -> Result<()> {
    gates.pass_command("fmt", cargo(workspace, &["fmt", "--all", "--check"]))?;
    gates.pass("tidy", "cargo ci tidy", || tidy::gate(workspace))?;
    let clippy = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    gates.pass_command("clippy", cargo(workspace, &clippy))?;
    // What is not tested unless it is named is not linted either.
    let labs = ["clippy", "-p", "labctl", "--test", "scenarios", "--", "-D", "warnings"];
    gates.pass_command("clippy, labs", cargo(workspace, &labs))?;
    let mut pages = cargo(workspace, &["doc", "--workspace", "--no-deps", "--document-private-items"]);
    pages.env("RUSTDOCFLAGS", "-D warnings");
    gates.pass_command("links in the sources", pages)
}

/// All tests that need no lab, and the compiling of all that is needed later.
fn programs(workspace: &Workspace, gates: &mut Gates, seeds: u32) -> Result<()> {
    gates.pass_command("tests", unit_tests(workspace))?;
    if !setup::is_root() {
        gates.skip("tests that need root", "they raise the host's limits for a moment");
    }
    if find_program(setup::PROMTOOL).is_none() {
        gates.skip("tests that need promtool", "it is not here (package prometheus)");
    }
    gates.pass_command("build of the labs", labs(workspace, &["--no-run"]))?;
    gates.pass_command("build", build(workspace, &["syncd", "labctl", "syncd-sim"]))?;
    gates.pass_command("simulator", simulator::sweep(workspace, &["--seeds", &seeds.to_string()]))?;
    gates.pass_command("every pattern of 8 datagrams", simulator::patterns(workspace))
}

/// The optimised programs of `packages`.
pub(crate) fn build(workspace: &Workspace, packages: &[&str]) -> Command {
    let mut command = cargo(workspace, &["build", "--release"]);
    command.args(packages.iter().flat_map(|package| ["-p", package]));
    command
}

/// The tests of the scenarios that are about too much of something, and of those that show what conntrackd does then:
/// whoever judges must have seen what is to be avoided.
const OVERLOAD: &str = "overload";
/// Of the handovers a hundred make the figure.
const HANDOVER: &str = "handover";
/// Fills a table, which raised limits make a matter of minutes: it is about a word, not about a size.
const UNREADY: &str = "handover_unready";
const PROOFS: &str = "conntrackd_loses";

/// Every scenario in a lab, one after the other, with the optimised programs. The proofs are for the nights: no change of
/// ours makes them fail.
fn scenarios(workspace: &Workspace) -> Command {
    in_labs(workspace, &["--", "--test-threads=1", "--skip", PROOFS])
}

/// Overload as large as the figures that it is compared with, and as many handovers as are asked for.
pub(crate) fn full_size(workspace: &Workspace) -> Command {
    let wanted = ["--", "--test-threads=1", OVERLOAD, HANDOVER, PROOFS, "--skip", UNREADY];
    let mut command = in_labs(workspace, &wanted);
    command.env("LAB_SCALE", "full");
    command
}

fn in_labs(workspace: &Workspace, arguments: &[&str]) -> Command {
    let mut command = labs(workspace, arguments);
    command.env("LABCTL", workspace.binary("labctl"));
    residue::mark(&mut command);
    command
}

fn labs(workspace: &Workspace, arguments: &[&str]) -> Command {
    let mut command = tests(workspace, &["-p", "labctl", "--test", "scenarios"]);
    command.args(arguments);
    command
}

/// A snapshot that differs is a failure here and writes no file; `CONTRIBUTING.md` says how to bless one.
fn tests(workspace: &Workspace, arguments: &[&str]) -> Command {
    let mut command = cargo(workspace, &["test"]);
    command.args(arguments).env("INSTA_UPDATE", "no");
    command
}

/// What only root can try is left out for others, and what needs a program that is not here; the harness counts it as
/// filtered out.
fn unit_tests(workspace: &Workspace) -> Command {
    let mut command = tests(workspace, &["--workspace"]);
    command.arg("--");
    if !setup::is_root() {
        command.args(["--skip", "needs_root"]);
    }
    if find_program(setup::PROMTOOL).is_none() {
        command.args(["--skip", "needs_promtool"]);
    }
    command
}
