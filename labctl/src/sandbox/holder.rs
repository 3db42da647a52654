//! The holder: starting it, and what it does, which is to wait.
//!
//! Holds the lab's name and, by its life, the lab. Single-threaded on purpose: a user namespace can only be made so,
//! and the lab's PID 1 dies when the *thread* that started it ends. Never answers a request. Started by `labctl up` and
//! `labctl run`; tested in `labctl/tests/scenarios/holder.rs`.

use std::env;
use std::fs;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{self, Child, Command, Stdio};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getegid, geteuid, setsid};
use thiserror::Error;

use super::socket;
use crate::ending::Ending;

/// The hidden verbs of this program.
pub(super) const HOLD: &str = "hold";
pub(super) const INSIDE: &str = "inside";

/// Why there is no lab.
#[derive(Debug, Error)]
pub(crate) enum StartError {
    /// The program could not be started again.
    #[error("cannot start the lab's holder: {0}")]
    Io(#[from] io::Error),
    /// It ended before the lab was ready.
    #[error("{words}")]
    Refused {
        /// Its own words.
        words: String,
        /// Whether the machine lacks something; otherwise the lab was asked for wrongly.
        lacking: bool,
    },
}

/// Starts a detached holder. The stream is the owner's: the lab ends with it until the owner says that it may stay.
///
/// # Errors
/// [`StartError`].
pub(crate) fn start(lab: &str, syncd: Option<&Path>) -> Result<(UnixStream, Child), StartError> {
    let (ours, theirs) = UnixStream::pair()?;
    let mut command = Command::new(env::current_exe()?);
    command.args([HOLD, lab]);
    if let Some(syncd) = syncd {
        command.arg("--syncd").arg(syncd);
    }
    command.stdin(OwnedFd::from(theirs)).stdout(Stdio::null()).stderr(Stdio::piped());
    let child = command.spawn()?;
    drop(command);
    Ok((ours, child))
}

impl StartError {
    /// What the holder said before it ended.
    pub(crate) fn of(mut child: Child) -> Self {
        let mut words = String::new();
        if let Some(mut stderr) = child.stderr.take() {
            // What was said until now is all there will be.
            let _ = stderr.read_to_string(&mut words);
        }
        let usage = child.wait().is_ok_and(|status| status.code() == Some(2));
        let words = words.trim().trim_start_matches("labctl: ");
        let words = if words.is_empty() { "the lab's holder ended without a word" } else { words };
        Self::Refused { words: words.to_owned(), lacking: !usage }
    }
}

/// The life of the holder: takes the name, makes the namespaces, starts the lab's PID 1 and waits for its end.
///
/// # Errors
/// What is lacking for a lab.
pub(crate) fn hold(lab: &str, syncd: Option<&Path>) -> Result<()> {
    // Not the leader of a group, since it was just started: this cannot fail for another reason.
    setsid().context("cannot leave the session")?;
    let listener = match socket::listen(lab) {
        Ok(listener) => listener,
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let text = format!(
                "a lab called `{lab}` runs already: labctl down --name {lab}, or take another --name"
            );
            anyhow::bail!(Ending::Usage(text));
        }
        Err(error) => return Err(error).context("cannot take the lab's name"),
    };
    enter_namespaces()?;
    let mut command = Command::new("/proc/self/exe");
    command.args([INSIDE, "--holder", &process::id().to_string()]);
    if let Some(syncd) = syncd {
        command.arg("--syncd").arg(syncd);
    }
    // Its standard input, ours, is the owner's stream; its standard output is the listener.
    command.stdout(OwnedFd::from(listener.try_clone()?));
    let mut inside = command.spawn().context("cannot start the lab's first process")?;
    drop((command, listener));
    nix::unistd::dup2_stdin(fs::File::open("/dev/null")?)?;
    nix::unistd::dup2_stderr(fs::File::create("/dev/null")?)?;
    inside.wait()?;
    Ok(())
}

/// Makes the lab's namespaces; whoever may not, makes a user namespace first, in which he may.
fn enter_namespaces() -> Result<()> {
    let lab = CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET;
    match unshare(lab) {
        Err(Errno::EPERM) => {
            enter_user_namespace().context(USER_NAMESPACE)?;
            unshare(lab)
        }
        other => other,
    }
    .context("cannot make the lab's namespaces")
}

const USER_NAMESPACE: &str = "cannot make a user namespace; as root: sysctl user.max_user_namespaces=1000 \
    kernel.unprivileged_userns_clone=1, or run labctl as root";

/// Becomes root of a user namespace in which only this user exists.
fn enter_user_namespace() -> Result<()> {
    let (user, group) = (geteuid(), getegid());
    unshare(CloneFlags::CLONE_NEWUSER)?;
    // Demanded before a group map by somebody without privilege (user_namespaces(7)).
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("0 {user} 1"))?;
    fs::write("/proc/self/gid_map", format!("0 {group} 1"))?;
    Ok(())
}
