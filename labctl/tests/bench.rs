//! The host's limits after a benchmark that was killed, or whose guardian was.
//!
//! Needs root, who alone may raise them; others leave the test out (`-- --skip needs_root`). It raises two settings of
//! the host for a moment: the benchmark's guardian restores them, and that is what is tested.

#[path = "scenarios/lock.rs"]
mod lock;

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};

use lock::HostLock;

const LABCTL: &str = env!("CARGO_BIN_EXE_labctl");
const PATIENCE: Duration = Duration::from_secs(20);

/// Of the host, each raised for a run.
const LIMITS: [&str; 3] = [
    "/proc/sys/net/netfilter/nf_conntrack_max",
    "/proc/sys/net/netfilter/nf_conntrack_buckets",
    "/proc/sys/net/core/netdev_max_backlog",
];

fn limits() -> [String; 3] {
    LIMITS.map(|limit| fs::read_to_string(limit).expect("connection tracking"))
}

#[expect(
    clippy::disallowed_methods,
    reason = "neither a setting nor somebody else's child tells when it changes"
)]
fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// A daemon that never answers, so that the benchmark waits for it.
struct Mute(PathBuf);

impl Mute {
    fn new() -> io::Result<Self> {
        let path = std::env::temp_dir().join(format!("labctl-mute-{}", std::process::id()));
        fs::write(&path, "#!/bin/sh\nexec sleep 60\n")?;
        fs::set_permissions(&path, Permissions::from_mode(0o755))?;
        Ok(Self(path))
    }
}

impl Drop for Mute {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Starts it, waits until the limits are raised, shakes the guardian, kills `child` and waits for the old limits.
fn raise_kill_and_wait(mut child: Child) {
    let before = limits();
    let raised = || wait_for("the limits are raised", || limits() != before && !guardians().is_empty());
    let result = std::panic::catch_unwind(raised);
    let guardians = guardians();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        guardians.iter().for_each(|guardian| kill(*guardian, signal).expect("it lives"));
    }
    child.kill().expect("it is ours");
    child.wait().expect("it is ours");
    result.expect("see above");
    assert_eq!(guardians.len(), 1, "one guardian");
    wait_for("the limits are restored", || limits() == before);
    wait_for("the lab is gone", || !labs().contains("bench-"));
}

fn labs() -> String {
    let labs = Command::new(LABCTL).arg("list").output().expect("labctl runs");
    String::from_utf8_lossy(&labs.stdout).into_owned()
}

/// Puts the host back in order where the program under test did not.
struct Restored([String; 3]);

impl Drop for Restored {
    fn drop(&mut self) {
        if limits() != self.0 {
            for (limit, value) in LIMITS.iter().zip(&self.0) {
                let _ = fs::write(limit, value);
            }
        }
    }
}

fn guardians() -> Vec<Pid> {
    let numbers = fs::read_dir("/proc").expect("/proc").flatten();
    let is_guardian = |pid: &i32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line == [LABCTL.as_bytes(), b"\0guard-host\0"].concat()
    };
    let numbers = numbers.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.filter(is_guardian).map(Pid::from_raw).collect()
}

/// Each test changes the host, and there may be another one, of another clone too.
fn alone() -> HostLock {
    assert!(
        geteuid().is_root(),
        "only root raises the host's limits: leave this out with -- --skip needs_root"
    );
    let alone = HostLock::take();
    // Nor may a benchmark run that is no test: its guardian holds this, and would be waited for in vain.
    drop(HostLock::take_named("labctl-bench-guardian"));
    alone
}

#[test]
fn needs_root_the_hosts_limits_come_back_without_their_guardian() {
    let _alone = alone();
    let before = Restored(limits());
    let mute = Mute::new().unwrap();
    let mut bench = Command::new(LABCTL);
    bench.args(["bench", "--syncd"]).arg(&mute.0).stdout(Stdio::null()).stderr(Stdio::piped());
    let bench = bench.spawn().unwrap();
    let lab = format!("bench-{}", bench.id());
    wait_for("it measures", || labs().contains(&lab));
    assert_ne!(limits(), before.0);
    let guardians = guardians();
    assert_eq!(guardians.len(), 1, "one guardian");
    kill(guardians[0], Signal::SIGKILL).unwrap();
    // The daemon never answers: the benchmark ends with its lab.
    assert!(Command::new(LABCTL).args(["down", "--name", &lab]).status().unwrap().success());
    let output = bench.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(limits(), before.0, "{told}");
    assert!(told.contains("they are restored without it"), "{told}");
}

#[test]
fn needs_root_the_hosts_limits_come_back_after_kill_9() {
    let _alone = alone();
    let mute = Mute::new().unwrap();
    // The benchmark itself.
    let mut bench = Command::new(LABCTL);
    bench.args(["bench", "--syncd"]).arg(&mute.0).stdout(Stdio::null());
    raise_kill_and_wait(bench.spawn().unwrap());
    // Whoever started it, as `cargo ci bench` does.
    let mut parent = Command::new("sh");
    parent
        .args(["-c", "\"$0\" bench --syncd \"$1\" --parent $$; true", LABCTL])
        .arg(&mute.0)
        .stdout(Stdio::null());
    raise_kill_and_wait(parent.spawn().unwrap());
}
