//! Programs that live in a node: started, watched, ended; each with a log file and a way to know that it is ready.
//!
//! Never restarts one: an actor that ends when nobody asked for it is an observation. Each is reaped by a thread of its
//! own the moment it ends, since a dead node's namespace waits for that. Driven by `lab`; tested through the scenarios.

pub(crate) mod answer;
pub(crate) mod ready;

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::plan::{Actor, Step};
use crate::programs;
use crate::sandbox::{LAB_DIRECTORY, Node};

/// A running program.
#[derive(Debug)]
pub(crate) struct Running {
    actor: Actor,
    pid: Pid,
    log: PathBuf,
    /// Stopped in its tracks.
    hung: AtomicBool,
    end: Arc<(Mutex<Option<ExitStatus>>, Condvar)>,
}

/// How long an orderly end may take.
const PATIENCE: Duration = Duration::from_secs(10);

impl Running {
    /// Starts the program in a node.
    ///
    /// # Errors
    /// When the program is missing or cannot be started.
    pub(crate) fn start(node: &Node, name: &str, actor: Actor, arguments: &[String]) -> Result<Self> {
        let log = PathBuf::from(Step::directory(name)).join(format!("{}.log", actor.program()));
        let output = File::options().create(true).append(true).open(&log).context("cannot open a log")?;
        remove_stale_files(node, actor)?;
        let mut command = Command::new(path_of(actor)?);
        command.args(arguments).stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let mut child = node
            .spawn(&mut command)
            .with_context(|| format!("cannot start {} on {name}", actor.program()))?;
        let pid = Pid::from_raw(child.id().cast_signed());
        let end = Arc::new((Mutex::new(None), Condvar::new()));
        let told = Arc::clone(&end);
        thread::Builder::new().name(format!("{}-{name}", actor.program())).spawn(move || {
            // Fails only when somebody else has reaped it, which nobody does.
            if let Ok(status) = child.wait() {
                *told.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(status);
                told.1.notify_all();
            }
        })?;
        Ok(Self { actor, pid, log, hung: AtomicBool::new(false), end })
    }

    /// The program.
    #[must_use]
    pub(crate) const fn actor(&self) -> Actor {
        self.actor
    }

    /// Its number in the lab.
    #[must_use]
    pub(crate) const fn pid(&self) -> Pid {
        self.pid
    }

    /// Whether it was stopped in its tracks.
    #[must_use]
    pub(crate) fn is_hung(&self) -> bool {
        self.hung.load(Ordering::Relaxed)
    }

    /// Stops it in its tracks, or lets it go on.
    ///
    /// # Errors
    /// What the kernel said.
    pub(crate) fn hang(&self, hung: bool) -> Result<()> {
        self.signal(if hung { Signal::SIGSTOP } else { Signal::SIGCONT })?;
        self.hung.store(hung, Ordering::Relaxed);
        Ok(())
    }

    /// Everything it has said, in all its lives.
    ///
    /// # Errors
    /// When its log cannot be read.
    pub(crate) fn words(&self) -> io::Result<String> {
        Ok(String::from_utf8_lossy(&fs::read(&self.log)?).into_owned())
    }

    /// How it ended, if it did.
    #[must_use]
    pub(crate) fn ended(&self) -> Option<ExitStatus> {
        *self.end.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last lines of its log, for an error.
    #[must_use]
    pub(crate) fn last_words(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(10)..].join("\n")
    }

    /// Asks it to end and waits until it has.
    ///
    /// # Errors
    /// When it does not end in time.
    pub(crate) fn stop(self) -> Result<()> {
        self.signal(Signal::SIGTERM)?;
        self.wait_end(PATIENCE)
    }

    /// Ends it at once.
    ///
    /// # Errors
    /// What the kernel said.
    pub(crate) fn kill(self) -> Result<()> {
        self.signal(Signal::SIGKILL)?;
        self.wait_end(PATIENCE)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        // While it is not reaped its number is nobody else's; a moment later the signal meets nobody or a new process,
        // but numbers do not come round within that moment.
        if self.ended().is_none() {
            kill(self.pid, signal).with_context(|| format!("cannot signal {}", self.actor.program()))?;
        }
        Ok(())
    }

    fn wait_end(&self, patience: Duration) -> Result<()> {
        let guard = self.end.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (_guard, waited) = self
            .end
            .1
            .wait_timeout_while(guard, patience, |end| end.is_none())
            .unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() {
            bail!("{} did not end within {} s", self.actor.program(), patience.as_secs());
        }
        Ok(())
    }
}

/// keepalived takes a file that a killed one left behind for a running daemon, says so, and exits with success;
/// conntrackd does the same with failure.
fn remove_stale_files(node: &Node, actor: Actor) -> Result<()> {
    let files: &[&str] = match actor {
        Actor::Keepalived => &["/run/keepalived.pid", "/run/keepalived-vrrp.pid"],
        Actor::Conntrackd => &["/run/lock/conntrackd.lock"],
        Actor::Syncd => return Ok(()),
    };
    node.run(|| {
        for file in files {
            match fs::remove_file(file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    })
    .with_context(|| format!("cannot remove the files of a dead {}", actor.program()))
}

/// Where a program is, seen from inside the lab.
///
/// # Errors
/// When it is missing.
pub(crate) fn path_of(actor: Actor) -> Result<PathBuf, programs::Missing> {
    match actor {
        Actor::Syncd => Ok(PathBuf::from(LAB_DIRECTORY).join("bin/syncd")),
        other => programs::find(other.program()),
    }
}

/// Starts a program of a node whose output is awaited.
///
/// # Errors
/// When it is missing or cannot be started.
pub(crate) fn begin(node: &Node, actor: Actor, arguments: &[String]) -> Result<Child> {
    let mut command = Command::new(path_of(actor)?);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Ok(node.spawn(&mut command)?)
}
