//! The first process of a lab: what it does before it serves requests.
//!
//! Makes sure that it dies with the holder, then that nothing it mounts or writes is seen outside. Never reaps for
//! others: orphans belong to their node's first process. Started by the holder; tested in `labctl/tests/scenarios/holder.rs`.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use nix::sys::prctl;
use nix::sys::signal::Signal;

use super::mounts;

/// What all nodes and the lab's first process see at the same place: configurations, logs, the program under test.
pub(crate) const LAB_DIRECTORY: &str = "/run/labctl";

/// The two sockets of a lab.
#[derive(Debug)]
pub(crate) struct Inside {
    /// To whoever started the lab.
    pub(crate) owner: UnixStream,
    /// For everybody else.
    pub(crate) listener: UnixListener,
}

/// Becomes the first process of the lab.
///
/// # Errors
/// What is lacking for a lab.
pub(crate) fn enter_lab(holder: u32, syncd: Option<&Path>) -> Result<Inside> {
    prctl::set_pdeathsig(Signal::SIGKILL).context("cannot bind the lab's life to its holder")?;
    // The signal is for deaths from now on. /proc is still the host's, in which the holder has its number.
    if !Path::new(&format!("/proc/{holder}")).exists() {
        bail!("the lab's holder is gone");
    }
    let owner = UnixStream::from(taken(io::stdin().as_fd())?);
    let listener = UnixListener::from(taken(io::stdout().as_fd())?);

    mounts::make_private()?;
    let syncd = syncd
        .map(|path| mounts::hold(path).with_context(|| format!("cannot open {}", path.display())))
        .transpose()?;
    mounts::mount_proc()?;
    mounts::mount_empty("/run", "mode=755")?;
    mounts::mount_empty("/tmp", "mode=1777")?;
    let directory = PathBuf::from(LAB_DIRECTORY);
    let programs = directory.join("bin");
    fs::create_dir_all(&programs).context("cannot make the lab's directory")?;
    if let Some(syncd) = syncd {
        let place = programs.join("syncd");
        mounts::touch(&place)?;
        mounts::show(&syncd, &place)?;
    }
    std::env::set_current_dir("/").context("cannot leave the working directory")?;

    // The owner waits for the end of what it reads here, so our copies of its pipe and sockets must go.
    nix::unistd::dup2_stdin(fs::File::open("/dev/null")?)?;
    let log = fs::File::create(directory.join("labctl.log")).context("cannot make the lab's log")?;
    nix::unistd::dup2_stdout(&log)?;
    nix::unistd::dup2_stderr(&log)?;
    Ok(Inside { owner, listener })
}

/// A descriptor of our own for a socket that we were given as a standard stream.
fn taken(stream: std::os::fd::BorrowedFd<'_>) -> Result<OwnedFd> {
    stream.try_clone_to_owned().context("the lab was started without its sockets")
}
