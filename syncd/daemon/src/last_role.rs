//! The role survives a restart of syncd: keepalived says it only when it changes.
//!
//! Kept in a file beside the control socket (on `/run`, so a reboot forgets it), together with what must be unchanged
//! for it to be believed: the boot and the keepalived that said it. Never decides a role by itself.
//! Driven by the event loop; tested in `last_role/tests.rs`.

#[cfg(test)]
mod tests;

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use syncd_core::replica::Role;

use crate::clock;
use crate::processes;

/// A role and since when, by the wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Transition {
    /// The role.
    pub(crate) role: Role,
    /// When it was entered, in seconds since 1970.
    pub(crate) unix_seconds: u64,
}

/// Who could have changed the role since it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Witness {
    boot_id: String,
    keepalived: Option<Process>,
}

/// A process, told apart from a later one with its number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Process {
    pid: u32,
    /// Field 22 of `/proc/PID/stat`, in clock ticks since boot.
    started: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Record {
    version: u32,
    role: String,
    unix_seconds: u64,
    /// It was handed over.
    #[serde(default)]
    yields: bool,
    witness: Witness,
}

/// The file.
#[derive(Clone, Debug)]
pub(crate) struct LastRole {
    path: PathBuf,
}

impl LastRole {
    /// The file in the directory of the control socket.
    pub(crate) fn beside(socket: &Path) -> Self {
        Self { path: socket.with_file_name("role") }
    }

    /// Writes the role that was entered just now, and whether it was handed over; the file is replaced as a whole.
    ///
    /// # Errors
    ///
    /// The directory's, or a full disk.
    pub(crate) fn write(&self, transition: Transition, yields: bool) -> io::Result<()> {
        let role = transition.role.name().to_owned();
        let unix_seconds = transition.unix_seconds;
        let record = Record { version: 1, role, unix_seconds, yields, witness: Witness::now() };
        let new = self.path.with_extension("new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        serde_json::to_writer(&mut file, &record)?;
        file.write_all(b"\n")?;
        fs::rename(&new, &self.path)
    }

    /// The role that was written last, if nobody can have changed it since: same boot, same keepalived (or none then
    /// and none now).
    pub(crate) fn read(&self) -> Option<(Transition, bool)> {
        let record: Record = serde_json::from_slice(&fs::read(&self.path).ok()?).ok()?;
        let role =
            [Role::Primary, Role::Backup, Role::Fault].into_iter().find(|role| role.name() == record.role)?;
        let believed = record.version == 1 && record.witness == Witness::now();
        believed.then_some((Transition { role, unix_seconds: record.unix_seconds }, record.yields))
    }
}

impl Transition {
    /// `role`, now.
    pub(crate) fn now(role: Role) -> Self {
        Self { role, unix_seconds: clock::unix_seconds() }
    }
}

impl Witness {
    fn now() -> Self {
        let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        Self { boot_id: boot_id.trim().to_owned(), keepalived: keepalived() }
    }
}

/// The keepalived of our network namespace: of its processes the one that no other of them started.
///
/// Looked up in `/proc`, because its pid file may have any name and may be stale.
fn keepalived() -> Option<Process> {
    let mut running: Vec<(Process, u32)> = processes::named("keepalived")
        .into_iter()
        .filter_map(|pid| {
            let (parent, started) = parent_and_start(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?;
            Some((Process { pid, started }, parent))
        })
        .collect();
    let pids: Vec<u32> = running.iter().map(|(process, _)| process.pid).collect();
    running.retain(|(_, parent)| !pids.contains(parent));
    running.into_iter().map(|(process, _)| process).min_by_key(|process| process.started)
}

/// Fields 4 and 22 of `/proc/PID/stat`. The second field is a name in parentheses and may hold anything.
fn parent_and_start(stat: &str) -> Option<(u32, u64)> {
    let (_, after_name) = stat.rsplit_once(") ")?;
    let mut fields = after_name.split(' ').skip(1);
    let parent = fields.next()?.parse().ok()?;
    let started = fields.nth(17)?.parse().ok()?;
    Some((parent, started))
}
