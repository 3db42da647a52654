//! Other processes in our network namespace, as `/proc` tells of them.
//!
//! Asks for nothing that a root with few capabilities may not see: the link `/proc/PID/ns/net` of a process with more
//! of them is closed to us, the directory `/proc/PID/net` is not, and its files are others in every namespace.
//! Only looks. Driven by `run` and `last_role`; tested end to end.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd::getppid;

/// The name of the program; the kernel keeps 15 bytes of one.
const CONNTRACKD: &str = "conntrackd";
/// What it reads without `-C` (conntrackd(8)).
const CONFIGURATION: &str = "/etc/conntrackd/conntrackd.conf";

/// The processes of this name in our network namespace.
pub(crate) fn named(name: &str) -> Vec<u32> {
    let Some(ours) = network("self") else { return Vec::new() };
    let Ok(listing) = fs::read_dir("/proc") else { return Vec::new() };
    listing
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid: &u32| {
            fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.trim_end() == name)
        })
        .filter(|pid| network(&pid.to_string()) == Some(ours))
        .collect()
}

/// A conntrackd that replicates here; one that only asks such a daemon something is none, nor is the one that starts us
/// (`front`), nor one that runs for its user-space helpers. One without any of that, as Debian's package starts it, is
/// somebody's oversight, or will be given a block `Sync` later.
pub(crate) fn conntrackd() -> Option<u32> {
    let parent = getppid().as_raw().cast_unsigned();
    named(CONNTRACKD).into_iter().filter(|pid| *pid != parent).find(|pid| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        // A process that has just ended has no words left.
        let words = || line.split(|byte| *byte == 0).skip(1);
        !line.is_empty() && is_daemon(words()) && may_replicate(&configuration(words()))
    })
}

/// The file that conntrackd reads, started with these words.
fn configuration<'a>(mut words: impl Iterator<Item = &'a [u8]>) -> PathBuf {
    let said = words.find(|word| *word == b"-C").and_then(|_| words.next());
    said.map_or_else(|| CONFIGURATION.into(), |path| OsStr::from_bytes(path).into())
}

/// Whether it may be more than helpers that are in it. Of a file that cannot be read nobody knows.
fn may_replicate(configuration: &Path) -> bool {
    fs::read_to_string(configuration).map_or(true, |text| !is_for_helpers(&text))
}

/// Whether there is a block `Helper`, and none `Sync`.
fn is_for_helpers(text: &str) -> bool {
    let has = |block: &str| {
        let code = text.lines().filter_map(|line| line.split('#').next());
        let mut words = code.flat_map(|line| line.split(|c: char| c.is_whitespace() || c == '{' || c == '}'));
        words.any(|word| word.eq_ignore_ascii_case(block))
    };
    has("Helper") && !has("Sync")
}

/// Whether conntrackd, started with these words, is the daemon: it has no letter for an action but `-d`.
fn is_daemon<'a>(words: impl Iterator<Item = &'a [u8]>) -> bool {
    let mut letters = words.filter(|word| word.starts_with(b"-"));
    letters.all(|word| [&b"-d"[..], b"-C"].contains(&word))
}

/// What tells network namespaces apart: each has its own `dev` in `/proc`.
fn network(pid: &str) -> Option<u64> {
    fs::metadata(format!("/proc/{pid}/net/dev")).ok().map(|file| file.ino())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{configuration, is_daemon, is_for_helpers};

    fn daemon(line: &str) -> bool {
        is_daemon(line.split(' ').map(str::as_bytes).skip(1))
    }

    #[test]
    fn who_only_asks_is_no_daemon() {
        assert!(daemon("conntrackd -d"));
        assert!(daemon("conntrackd"));
        assert!(daemon("/usr/sbin/conntrackd -C /etc/conntrackd/conntrackd.conf"));
        assert!(!daemon("conntrackd -C /etc/conntrackd/conntrackd.conf -s"));
        assert!(!daemon("conntrackd -k"));
        assert!(!daemon("conntrackd -e ct"));
    }

    #[test]
    fn who_runs_for_helpers_does_not_replicate() {
        let file = |line: &str| configuration(line.split(' ').map(str::as_bytes).skip(1));
        assert_eq!(file("conntrackd -d"), Path::new("/etc/conntrackd/conntrackd.conf"));
        assert_eq!(file("conntrackd -d -C /run/c.conf"), Path::new("/run/c.conf"));
        assert!(is_for_helpers("# Sync { }\nHelper { Type rpc inet tcp { } }\nGeneral { Syslog on }\n"));
        for other in
            ["Helper { }\nSync{ Mode FTFW { } }\n", "Helper\n{ }\n  sync\n{\n", "Stats { }\n", "# Helper\n"]
        {
            assert!(!is_for_helpers(other), "{other}");
        }
    }
}
