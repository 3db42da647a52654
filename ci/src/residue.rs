//! What the gates must not leave behind: processes, network namespaces, interfaces.
//!
//! Looks at the host before the first gate and after the last, through `/proc` and `/sys` only; removes nothing, since
//! something that had to be removed here would be a fault that nobody sees. A network namespace lives by a process or
//! by a mount: both are looked for. Driven by `suite`.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::{self, Command};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// The programs that a lab starts, by the name the kernel shows.
const LAB_PROGRAMS: [&str; 4] = ["syncd", "labctl", "keepalived", "conntrackd"];

/// In the environment of everything a gate starts in a lab, so that a child is known whatever its name.
pub(crate) const MARK: &str = "SYNCD_CI";

/// The kernel removes namespaces after their last process, on a worker of its own.
const PATIENCE: Duration = Duration::from_secs(10);

/// What of interest is on a host; each line is what a person is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Host {
    /// Processes: number and name.
    processes: BTreeSet<String>,
    /// Named network namespaces.
    namespaces: BTreeSet<String>,
    /// Network interfaces of the namespace we are in.
    interfaces: BTreeSet<String>,
}

impl Host {
    /// Looks now.
    ///
    /// # Errors
    /// When `/proc` or `/sys` cannot be read.
    pub(crate) fn look() -> Result<Self> {
        Ok(Self {
            processes: processes()?,
            namespaces: names(Path::new("/run/netns"))?,
            interfaces: names(Path::new("/sys/class/net"))?,
        })
    }

    /// What is here that was not there `before`.
    fn since(&self, before: &Self) -> Vec<String> {
        let process = self.processes.difference(&before.processes).map(|it| format!("process {it}"));
        let namespace =
            self.namespaces.difference(&before.namespaces).map(|it| format!("network namespace {it}"));
        let interface = self.interfaces.difference(&before.interfaces).map(|it| format!("interface {it}"));
        process.chain(namespace).chain(interface).collect()
    }
}

/// Marks `command` and all that it will start.
pub(crate) fn mark(command: &mut Command) {
    command.env(MARK, process::id().to_string());
}

/// Waits until nothing is left that was not there `before`.
///
/// # Errors
/// When something is left, each named.
pub(crate) fn require_none_since(before: &Host) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = Host::look()?.since(before);
        if left.is_empty() {
            return Ok(());
        }
        if Instant::now() >= deadline {
            bail!(
                "left behind on this host:\n    {}\nIf another lab was started meanwhile, repeat after its end",
                left.join("\n    ")
            );
        }
        look_again_soon();
    }
}

#[expect(clippy::disallowed_methods, reason = "nothing tells of the end of a process that is not our child")]
fn look_again_soon() {
    thread::sleep(Duration::from_millis(50));
}

/// Living processes that belong to a lab, by name or by our mark.
fn processes() -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for number in
        names(Path::new("/proc"))?.into_iter().filter(|name| name.bytes().all(|b| b.is_ascii_digit()))
    {
        let directory = Path::new("/proc").join(&number);
        // A process may end between two readings, and the environment of others is not ours to read.
        let Ok(name) = fs::read_to_string(directory.join("comm")) else { continue };
        let name = name.trim_end();
        let environment = fs::read(directory.join("environ")).unwrap_or_default();
        if LAB_PROGRAMS.contains(&name) || is_marked(&environment, process::id()) {
            found.insert(format!("{number} ({name})"));
        }
    }
    Ok(found)
}

fn is_marked(environment: &[u8], by: u32) -> bool {
    let wanted = format!("{MARK}={by}");
    environment.split(|&byte| byte == 0).any(|entry| entry == wanted.as_bytes())
}

/// The names in a directory; none where there is no such directory.
fn names(directory: &Path) -> Result<BTreeSet<String>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(BTreeSet::new()),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", directory.display())),
    };
    let name = |entry: std::io::Result<fs::DirEntry>| Ok(entry?.file_name().to_string_lossy().into_owned());
    entries.map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::{Host, mark};
    use std::io::{Read, Write};
    use std::process::{self, Command, Stdio};

    #[test]
    fn a_marked_child_is_seen_whatever_its_name_until_it_ends() {
        let before = Host::look().unwrap();
        let mut command = Command::new("cat");
        mark(&mut command);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        // Its answer shows that it runs: until then the kernel may show its parent's name and no environment.
        child.stdin.as_mut().unwrap().write_all(b"x").unwrap();
        child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        let expected = format!("process {} (cat)", child.id());
        assert!(Host::look().unwrap().since(&before).contains(&expected));
        drop(child.stdin.take());
        child.wait().unwrap();
        assert!(!Host::look().unwrap().since(&before).contains(&expected));
    }

    #[test]
    fn a_mark_is_somebodys() {
        assert!(super::is_marked(b"A=1\0SYNCD_CI=77\0", 77));
        assert!(!super::is_marked(b"A=1\0SYNCD_CI=777\0", 77));
        assert!(!super::is_marked(b"", process::id()));
    }

    #[test]
    fn each_kind_of_residue_is_named() {
        let mut after = Host::default();
        after.namespaces.insert("r1".into());
        after.interfaces.insert("veth0".into());
        assert_eq!(after.since(&Host::default()), ["network namespace r1", "interface veth0"]);
        assert!(after.since(&after).is_empty());
    }
}
