//! `cargo ci interop`: set up, build, and every scenario of the matrix with syncd and conntrackd in both places.
//!
//! Draws nothing itself: labctl runs the cells, judges each and prints the table. Driven by `main.rs`, and by `suite` as
//! part of `cargo ci full`; its parts are tested in labctl.

use std::process::Command;

use anyhow::{Context, Result};
use clap::Args;

use crate::lock::HostLock;
use crate::residue::{self, Host};
use crate::setup::{self, Need};
use crate::workspace::Workspace;
use crate::{gates, suite};

const MATRIX: &str = "scenarios/interop/matrix.yaml";

/// What of it is wanted.
#[derive(Args, Default)]
pub(crate) struct Options {
    /// Only these rows
    #[arg(long = "row", value_name = "NAME")]
    rows: Vec<String>,
    /// Only these columns, as in syncd/conntrackd
    #[arg(long = "column", value_name = "DAEMONS")]
    columns: Vec<String>,
    /// Print one JSON document instead of the table
    #[arg(long)]
    json: bool,
}

/// Runs the matrix.
///
/// # Errors
/// When the environment lacks something, the build fails, a cell with syncd in it does, or something is left behind.
pub(crate) fn interop(workspace: &Workspace, options: &Options) -> Result<()> {
    let before = Host::look()?;
    setup::setup(workspace, Need::Everything)?;
    gates::run(&mut suite::build(workspace, &["syncd", "labctl"])).context("the build failed")?;
    let _lock = HostLock::take()?;
    gates::run(&mut matrix(workspace, options))
        .context("not every cell with syncd in it is as it should be")?;
    residue::require_none_since(&before)
}

/// labctl with the whole matrix or a part of it. The optimised programs must have been built.
pub(crate) fn matrix(workspace: &Workspace, options: &Options) -> Command {
    let mut labctl = workspace.command(workspace.binary("labctl"));
    labctl.args(["matrix", MATRIX]);
    labctl.args(options.rows.iter().flat_map(|row| ["--row", row]));
    labctl.args(options.columns.iter().flat_map(|column| ["--column", column]));
    labctl.args(options.json.then_some("--json"));
    residue::mark(&mut labctl);
    labctl
}
