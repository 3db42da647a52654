//! A node: its first process, its namespaces, and running something inside.
//!
//! A thread that enters a node's namespaces is always one that was started for it and ends after; processes it starts
//! are in the node from their first instruction. Never keeps a namespace alive by accident: whoever holds a [`Node`]
//! drops it. Driven by `apply`, `actors` and the verbs `exec` and `shell`; tested in `labctl/tests/scenarios/holder.rs`.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::inside::LAB_DIRECTORY;
use super::mounts;

/// The hidden verb of a node's first process.
const NODE: &str = "node";
const READY: &str = "ready";

/// A living node.
#[derive(Debug)]
pub(crate) struct Node {
    init: Child,
    namespaces: NodeNamespaces,
}

/// What one must enter to be in a node.
#[derive(Debug)]
pub(crate) struct NodeNamespaces {
    pub(crate) net: OwnedFd,
    pub(crate) mount: OwnedFd,
    pub(crate) process: OwnedFd,
}

impl Node {
    /// Starts the node's first process in namespaces of its own, and waits until its mounts are made.
    ///
    /// # Errors
    /// What the kernel or the node's first process said.
    pub(crate) fn create(name: &str) -> Result<Self> {
        let mut command = Command::new("/proc/self/exe");
        command.args([NODE, name]).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut init = on_own_thread(|| {
            unshare(CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET)?;
            command.spawn()
        })
        .with_context(|| format!("cannot start node {name}"))?;
        let mut line = String::new();
        if let Some(stdout) = init.stdout.take() {
            BufReader::new(stdout).read_line(&mut line).context("cannot hear from a node")?;
        }
        if line.trim_end() != READY {
            let _ = init.wait();
            bail!("the first process of node {name} ended; see {LAB_DIRECTORY}/labctl.log in the lab");
        }
        let open = |kind: &str| File::open(format!("/proc/{}/ns/{kind}", init.id())).map(OwnedFd::from);
        let namespaces = NodeNamespaces { net: open("net")?, mount: open("mnt")?, process: open("pid")? };
        Ok(Self { init, namespaces })
    }

    /// The network namespace.
    #[must_use]
    pub(crate) fn net(&self) -> BorrowedFd<'_> {
        self.namespaces.net.as_fd()
    }

    /// All namespaces.
    #[must_use]
    pub(crate) const fn namespaces(&self) -> &NodeNamespaces {
        &self.namespaces
    }

    /// Starts a process inside.
    ///
    /// # Errors
    /// What the kernel said.
    pub(crate) fn spawn(&self, command: &mut Command) -> io::Result<Child> {
        on_own_thread(|| {
            self.enter()?;
            command.spawn()
        })
    }

    /// Calls `body` on a thread inside the node's network and mount namespaces.
    ///
    /// # Errors
    /// What the kernel said, or the body.
    pub(crate) fn run<T: Send>(&self, body: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
        on_own_thread(|| {
            self.enter()?;
            body()
        })
    }

    /// Gives the node an `/etc` of its own, which begins as the host's.
    ///
    /// # Errors
    /// What the kernel said.
    pub(crate) fn own_etc(&self) -> io::Result<()> {
        self.run(|| mounts::show_copy(Path::new("/etc"), Path::new("/run/etc")))
    }

    fn enter(&self) -> io::Result<()> {
        // A thread that shares its working directory with others cannot change its mount namespace.
        unshare(CloneFlags::CLONE_FS)?;
        enter(&self.namespaces)
    }

    /// Kills every process of the node at once, without giving one a chance to say goodbye. [`Node::bury`] waits for
    /// the end.
    ///
    /// # Errors
    /// What the kernel said.
    pub(crate) fn kill(&mut self) -> io::Result<()> {
        self.init.kill()
    }

    /// Waits until no process of a killed node is left, and returns its network namespace, which ends with what is
    /// returned. Those processes that we started are reaped by their own waiters.
    ///
    /// # Errors
    /// What the kernel said.
    pub(crate) fn bury(mut self) -> io::Result<OwnedFd> {
        self.init.wait()?;
        Ok(self.namespaces.net)
    }
}

fn on_own_thread<T: Send>(body: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("in-node".to_owned()).spawn_scoped(scope, body)?;
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn enter(namespaces: &NodeNamespaces) -> io::Result<()> {
    setns(&namespaces.net, CloneFlags::CLONE_NEWNET)?;
    setns(&namespaces.mount, CloneFlags::CLONE_NEWNS)?;
    setns(&namespaces.process, CloneFlags::CLONE_NEWPID)?;
    Ok(())
}

/// Enters a node from outside the lab, for `exec` and `shell`. The calling process must have one thread only; what it
/// starts afterwards is inside.
///
/// # Errors
/// What the kernel said.
pub(crate) fn join_node(user: Option<BorrowedFd<'_>>, namespaces: &NodeNamespaces) -> io::Result<()> {
    if let Some(user) = user {
        setns(user, CloneFlags::CLONE_NEWUSER)?;
    }
    enter(namespaces)
}

/// The life of a node's first process: mounts, then reaping until it is killed.
///
/// # Errors
/// When a mount fails.
pub(crate) fn serve_node() -> Result<()> {
    let lab = mounts::hold(Path::new(LAB_DIRECTORY)).context("the lab's directory is gone")?;
    mounts::make_private()?;
    mounts::mount_proc()?;
    mounts::mount_empty("/run", "mode=755")?;
    mounts::mount_empty("/tmp", "mode=1777")?;
    for directory in [LAB_DIRECTORY, "/run/keepalived", "/run/syncd", "/run/lock"] {
        fs::create_dir_all(directory).with_context(|| format!("cannot make {directory}"))?;
    }
    mounts::show(&lab, Path::new(LAB_DIRECTORY))?;
    drop(lab);

    let mut children = SigSet::empty();
    children.add(Signal::SIGCHLD);
    children.thread_block()?;
    println!("{READY}");
    io::stdout().flush()?;
    nix::unistd::dup2_stdout(File::create("/dev/null")?)?;
    loop {
        reap()?;
        children.wait()?;
    }
}

/// Orphans of the node's processes become ours; one that nobody reaps would keep its number, and keepalived would take
/// it for alive.
fn reap() -> Result<()> {
    loop {
        match waitpid(Pid::from_raw(-1), Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return Ok(()),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
