//! `cargo ci fuzz`: bytes from strangers for as long as one likes, against everything that reads them.
//!
//! Builds `syncd-fuzz` with every check and all optimisations and lets it run; each finding comes with the command that
//! repeats it. A program that did not survive its input has left that input in a file.

use std::fs;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};

use crate::gates;
use crate::workspace::Workspace;

/// Mutations of every corpus, `seconds` of processor time for each target, from `seed` or a fresh one.
///
/// # Errors
/// When something was found, or the build fails.
pub(crate) fn fuzz(workspace: &Workspace, seconds: u64, seed: Option<u64>) -> Result<()> {
    let seed = seed.unwrap_or_else(fresh_seed);
    gates::run(&mut command(workspace, seconds, seed)).map_err(|error| match survivors(workspace) {
        Ok(left) if !left.is_empty() => error.context(format!(
            "the program did not survive its input, which is in {}; to repeat:\n    \
             cargo run --profile fuzz -p syncd-fuzz -- repeat TARGET FILE",
            left.join(" and ")
        )),
        _ => error,
    })
}

/// The campaign as a command.
fn command(workspace: &Workspace, seconds: u64, seed: u64) -> Command {
    let mut command = workspace.command("cargo");
    command.args(["run", "--profile", "fuzz", "-p", "syncd-fuzz", "--", "run"]);
    command.args(["--seconds", &seconds.to_string(), "--seed", &seed.to_string()]);
    command.arg("--directory").arg(workspace.target.join(FINDINGS));
    command
}

/// Where inputs are written, below the build's directory.
const FINDINGS: &str = "fuzz-findings";

/// Another one each time: what one run does not find another may.
pub(crate) fn fresh_seed() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Inputs that were being run when the program ended.
fn survivors(workspace: &Workspace) -> Result<Vec<String>> {
    let directory = workspace.target.join(FINDINGS);
    let mut left = Vec::new();
    for entry in fs::read_dir(&directory).context("no findings")? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "running") {
            left.push(path.display().to_string());
        }
    }
    Ok(left)
}
