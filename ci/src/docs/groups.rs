//! Control groups of its own for a machine that is booted: two that shared one would end each other's services.
//!
//! Where there is a systemd to ask, systemd-nspawn would get one from it; a host without one, as a container often is, has
//! nobody else to make them. Below the group that we are in, and gone with the machine. Driven by `booted.rs`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::look_again_soon;

/// Where systemd looks for its groups, and the name of each in `/proc/self/cgroup`; not every host has all of them.
const HIERARCHIES: [(&str, &str); 3] =
    [("/sys/fs/cgroup/systemd", "name=systemd"), ("/sys/fs/cgroup/unified", ""), ("/sys/fs/cgroup", "")];

/// The kernel takes what has ended out of a group after its end has been told.
const EMPTYING: Duration = Duration::from_secs(5);

/// The groups of one machine, one in each hierarchy. They are removed with this.
pub(super) struct Groups(Vec<PathBuf>);

impl Groups {
    /// Makes them.
    ///
    /// # Errors
    /// When the kernel says no.
    pub(super) fn make(name: &str) -> Result<Self> {
        let ours = fs::read_to_string("/proc/self/cgroup").context("cannot read /proc/self/cgroup")?;
        let mut made = Self(Vec::new());
        for (mount, hierarchy) in HIERARCHIES {
            if !Path::new(mount).join("cgroup.procs").exists() {
                continue;
            }
            let Some(at) = place(&ours, hierarchy) else { continue };
            let group = Path::new(mount).join(at.trim_start_matches('/')).join(name);
            fs::create_dir_all(&group).with_context(|| format!("cannot make {}", group.display()))?;
            made.0.push(group);
        }
        Ok(made)
    }

    /// Commands of a shell by which it is in them.
    pub(super) fn enter(&self) -> String {
        self.0.iter().map(|group| format!("echo $$ >{}/cgroup.procs\n", group.display())).collect()
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        for group in &self.0 {
            let began = Instant::now();
            while let Err(error) = remove(group) {
                if began.elapsed() > EMPTYING {
                    eprintln!("the control group {} is left: {error}", group.display());
                    break;
                }
                look_again_soon();
            }
        }
    }
}

/// The group that we are in.
pub(super) fn place<'t>(ours: &'t str, hierarchy: &str) -> Option<&'t str> {
    let mut lines = ours.lines().filter_map(|line| line.split_once(':')?.1.split_once(':'));
    lines.find(|(name, _)| *name == hierarchy).map(|(_, at)| at)
}

/// A group and those below it; what is in it besides is the kernel's and goes with it.
fn remove(group: &Path) -> io::Result<()> {
    for entry in fs::read_dir(group)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove(&entry.path())?;
        }
    }
    fs::remove_dir(group)
}
