//! The mounts of a lab and of its nodes: own `/proc`, `/run` and `/tmp`, one directory in common.
//!
//! Never touches a mount of the host: everything happens in mount namespaces that were just made, after nothing
//! propagates from them any more. Driven by `inside.rs` and `node.rs`; tested through them.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use nix::mount::{MsFlags, mount};

const NOTHING: Option<&str> = None;

/// From here on nothing that is mounted is seen by anybody else.
pub(super) fn make_private() -> Result<()> {
    let flags = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(NOTHING, "/", NOTHING, flags, NOTHING).context("cannot make the mounts private")
}

/// The processes of the PID namespace that the caller is in.
pub(super) fn mount_proc() -> Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "/proc", Some("proc"), flags, NOTHING)
        .context("cannot mount /proc: does a container hide parts of it?")
}

/// An empty directory in memory.
pub(super) fn mount_empty(at: &str, mode: &str) -> Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(Some("tmpfs"), at, Some("tmpfs"), flags, Some(mode))
        .with_context(|| format!("cannot mount a tmpfs on {at}"))
}

/// Keeps hold of a file or directory that a mount is about to hide.
pub(super) fn hold(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_PATH).open(path)
}

/// Shows what was held at another place, which must exist.
pub(super) fn show(held: &File, at: &Path) -> Result<()> {
    let source = format!("/proc/self/fd/{}", held.as_raw_fd());
    mount(Some(source.as_str()), at, NOTHING, MsFlags::MS_BIND | MsFlags::MS_REC, NOTHING)
        .with_context(|| format!("cannot bind a mount on {}", at.display()))
}

/// An empty file for [`show`] to cover.
pub(super) fn touch(path: &Path) -> Result<()> {
    fs::write(path, "").with_context(|| format!("cannot make {}", path.display()))
}
