//! `exec` and `shell`: a process in a node, with this terminal.
//!
//! The namespaces arrive as descriptors, so nothing needs to be found by number or name. Never starts a thread before it
//! has entered: a process with several cannot enter a user namespace. Tested in `labctl/tests/scenarios/holder.rs`.

use std::env;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, anyhow};
use nix::sys::signal::{SigSet, Signal};

use crate::programs;
use crate::sandbox::{LAB_DIRECTORY, NodeNamespaces, join_node};
use crate::session::Client;

/// Runs a command in a node; its exit code becomes ours.
///
/// # Errors
/// When the node is not there or the command cannot be started.
pub(super) fn exec(lab: &str, node: &str, command: &[String]) -> Result<ExitCode> {
    let [program, arguments @ ..] = command else {
        return Err(anyhow!("no command given"));
    };
    enter(lab, node)?;
    let mut child = Command::new(program);
    child.args(arguments);
    finish(&mut child, program)
}

/// Opens the user's shell in a node.
///
/// # Errors
/// As [`exec`].
pub(super) fn shell(lab: &str, node: &str) -> Result<ExitCode> {
    enter(lab, node)?;
    let shell = env::var("SHELL").unwrap_or_else(|_| "/bin/sh".to_owned());
    let mut child = Command::new(&shell);
    child.env("PS1", format!("{node}# "));
    finish(&mut child, &shell)
}

/// As a shell says that there is no such program.
const NOT_FOUND: u8 = 127;

fn enter(lab: &str, node: &str) -> Result<()> {
    let descriptors = Client::connect(lab)?.namespaces(node)?;
    let [net, mount, process, user]: [OwnedFd; 4] =
        descriptors.try_into().map_err(|_| anyhow!("the lab sent something else than namespaces"))?;
    let namespaces = NodeNamespaces { net, mount, process };
    // Root's labs have no user namespace of their own, and nobody may enter the one he is in.
    let theirs = std::fs::File::from(user);
    let ours = std::fs::metadata("/proc/self/ns/user")?;
    let other = theirs.metadata()?.ino() != ours.ino();
    join_node(other.then(|| theirs.as_fd()), &namespaces).with_context(|| format!("cannot enter {node}"))?;
    Ok(())
}

/// Where commands are looked for: where the lab's own programs are, since those are on trial here; then as outside, and
/// system programs.
fn search_path() -> OsString {
    let outside = env::var_os("PATH").unwrap_or_default();
    let first = PathBuf::from(format!("{LAB_DIRECTORY}/bin"));
    let last = programs::SYSTEM.map(PathBuf::from);
    let all = [first].into_iter().chain(env::split_paths(&outside)).chain(last);
    // Fails only for a directory with a colon in its name, which cannot have come from a search path.
    env::join_paths(all).unwrap_or(outside)
}

/// Waits for the command. Ctrl-C is for the command, which gets it from the terminal as well: it ends or it does not.
fn finish(command: &mut Command, program: &str) -> Result<ExitCode> {
    let mut ours = SigSet::empty();
    ours.add(Signal::SIGINT);
    ours.add(Signal::SIGQUIT);
    // A started program has nothing blocked: the standard library sees to it.
    ours.thread_block()?;
    command.env("PATH", search_path());
    let status = match command.status() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            eprintln!("labctl: no program {program} is found in this node");
            return Ok(ExitCode::from(NOT_FOUND));
        }
        other => other.with_context(|| format!("cannot run {program}"))?,
    };
    // As a shell says it: a signal is 128 and its number.
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
}
