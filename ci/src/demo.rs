//! `cargo ci demo`: set up, build, one failover with live traffic, shown by labctl.
//!
//! Draws nothing itself. Works for root and, where the programs are installed, for any user.

use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::lock::HostLock;
use crate::setup::{self, Need};
use crate::workspace::Workspace;
use crate::{gates, suite};

/// The failover that the demonstration shows.
pub(crate) const SCENARIO: &str = "scenarios/failover-kill-primary.yaml";

/// Shows it; the code is labctl's own.
///
/// # Errors
/// When the environment lacks something, or the build fails.
pub(crate) fn demo(workspace: &Workspace) -> Result<ExitCode> {
    setup::setup(workspace, Need::Demo)?;
    gates::run(&mut suite::build(workspace, &["syncd", "labctl"])).context("the build failed")?;
    let _lock = HostLock::take()?;
    let mut show = workspace.command(workspace.binary("labctl"));
    let status = show.args(["run", SCENARIO]).status().context("cannot start labctl")?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}
