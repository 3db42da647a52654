//! The mounts of a lab and of its nodes: own `/proc`, `/run` and `/tmp`, one directory in common.
//!
//! Never touches a mount of the host: everything happens in mount namespaces that were just made, after nothing
//! propagates from them any more. Driven by `inside.rs` and `node.rs`; tested through them.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{OpenOptionsExt, symlink};
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

/// Lets a directory be written: shows a copy of it in its place, which is kept at `copy`. What may not be read is left out.
pub(super) fn show_copy(of: &Path, copy: &Path) -> io::Result<()> {
    copy_tree(of, copy)?;
    Ok(mount(Some(copy), of, NOTHING, MsFlags::MS_BIND, NOTHING)?)
}

fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (kind, from, to) = (entry.file_type()?, entry.path(), to.join(entry.file_name()));
        let copied = if kind.is_dir() {
            copy_tree(&from, &to)
        } else if kind.is_symlink() {
            symlink(fs::read_link(&from)?, &to)
        } else {
            fs::copy(&from, &to).map(drop)
        };
        match copied {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
            other => other?,
        }
    }
    Ok(())
}

/// An empty file for [`show`] to cover.
pub(super) fn touch(path: &Path) -> Result<()> {
    fs::write(path, "").with_context(|| format!("cannot make {}", path.display()))
}
