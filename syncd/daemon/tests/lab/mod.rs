//! Two routers for one test: private namespaces, a dedicated link, a syncd in each. Works as root and as a user.
//!
//! A test cannot move itself, because the test harness has threads: it starts this very program again through
//! `unshare(1)`, told to run only that test. All that lives inside (routers, daemons, links, files) dies with that
//! process, however it ends. Where namespaces are not available the test fails and says what is missing.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use syncd_core::recording;

/// Names the test that the process was started for.
const INSIDE: &str = "SYNCD_TEST_LAB";
/// Printed as soon as the namespaces are there.
const ENTERED: &str = "inside namespaces of its own";
/// No condition here needs more than a second or two, save on a machine with much else to do.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Runs `body` in new network, mount and PID namespaces. `test` is the name of the calling test.
pub(crate) fn run(test: &str, body: fn()) {
    if env::var(INSIDE).is_ok_and(|name| name == test) {
        println!("{ENTERED}");
        ip(&["link", "set", "lo", "up"]);
        succeed(Command::new("mount").args(["-t", "tmpfs", "tmpfs", "/run"]));
        body();
        return every_recording_happens_again();
    }
    let mut command = Command::new("unshare");
    if !nix::unistd::geteuid().is_root() {
        command.arg("--map-root-user");
    }
    let output = command
        .args(["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--"])
        .arg(env::current_exe().expect("the path of this test"))
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(INSIDE, test)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("cannot start unshare(1) of the package util-linux: {error}"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(
        out.contains(ENTERED),
        "this test needs namespaces of its own: run it as root, or allow user namespaces \
         (sysctl kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0)\n{out}{err}"
    );
    assert!(output.status.success(), "inside the namespaces the test failed:\n{out}{err}");
}

/// A router: a network namespace with a link `sync`, and the files of its daemon.
pub(crate) struct Router {
    name: &'static str,
    daemon: Option<Child>,
    /// More lines of its configuration.
    more: &'static str,
    /// Whether keepalived tells the role through a FIFO.
    fifo: bool,
    /// After how many seconds keepalived goes on, if it is told whether the router is ready.
    tracked: Option<u32>,
    /// Whether it has a gate. Its rules make the kernel track what the routers say to each other, too.
    gate: bool,
    /// How often its daemon was started.
    starts: u32,
    /// What starts its daemon: programs that become what they are told to start.
    under: Vec<String>,
}

/// Two routers with a dedicated link between them: 10.9.0.1 and 10.9.0.2, fd0a::1 and fd0a::2, fe80::9:1 and fe80::9:2.
pub(crate) fn two_routers() -> (Router, Router) {
    let routers = ["r1", "r2"].map(|name| {
        ip(&["netns", "add", name]);
        fs::create_dir_all(format!("/run/{name}")).expect("/run is ours");
        Router {
            name,
            daemon: None,
            more: "",
            fifo: true,
            tracked: None,
            gate: false,
            starts: 0,
            under: Vec::new(),
        }
    });
    ip(&["-n", "r1", "link", "add", "sync", "type", "veth", "peer", "name", "sync", "netns", "r2"]);
    for (router, address) in ["r1", "r2"].into_iter().zip(["10.9.0.1/24", "10.9.0.2/24"]) {
        ip(&["-n", router, "link", "set", "lo", "up"]);
        ip(&["-n", router, "address", "add", address, "dev", "sync"]);
        // Of two link-local addresses the configuration would have to say which one is meant.
        ip(&["-n", router, "link", "set", "sync", "up", "addrgenmode", "none"]);
        // The kernel looks for a second after whether a link-local address is anybody else's.
        let last = address.trim_start_matches("10.9.0.").trim_end_matches("/24");
        ip(&["-n", router, "address", "add", &format!("fd0a::{last}/64"), "dev", "sync", "nodad"]);
        ip(&["-n", router, "address", "add", &format!("fe80::9:{last}/64"), "dev", "sync"]);
    }
    routers.into()
}

/// A second link between the two routers: `more`, 10.8.0.1 and 10.8.0.2.
pub(crate) fn second_link() {
    ip(&["-n", "r1", "link", "add", "more", "type", "veth", "peer", "name", "more", "netns", "r2"]);
    for (router, address) in ["r1", "r2"].into_iter().zip(["10.8.0.1/24", "10.8.0.2/24"]) {
        ip(&["-n", router, "address", "add", address, "dev", "more"]);
        ip(&["-n", router, "link", "set", "more", "up"]);
    }
}

/// Whatever a test was about: what its daemons recorded gives the same outputs again.
fn every_recording_happens_again() {
    let mut paths: Vec<PathBuf> = Vec::new();
    for router in ["/run/r1", "/run/r2"] {
        let files = fs::read_dir(router).into_iter().flatten();
        paths.extend(files.map(|file| file.expect("/run is ours").path()));
    }
    let is_recording = |path: &&PathBuf| path.to_string_lossy().contains("recording-");
    for path in paths.iter().filter(is_recording) {
        let bytes = fs::read(path).expect("it is there");
        let played = recording::replay(&bytes, |_| {});
        played.unwrap_or_else(|stop| panic!("{}: {stop:?}", path.display()));
    }
}

impl Router {
    /// A file of this router.
    pub(crate) fn path(&self, file: &str) -> PathBuf {
        Path::new("/run").join(self.name).join(file)
    }

    /// These lines are in its configuration too.
    pub(crate) const fn add_to_configuration(&mut self, lines: &'static str) {
        self.more = lines;
    }

    /// Roles come by commands only.
    pub(crate) const fn without_fifo(&mut self) {
        self.fifo = false;
    }

    /// It has a gate, and rules by which the kernel does not track the dedicated link, as the README has them.
    pub(crate) fn with_gate(&mut self) {
        self.gate = true;
        self.nft(
            "table inet untracked {
                chain input { type filter hook prerouting priority raw; iifname sync notrack; }
                chain output { type filter hook output priority raw; oifname sync notrack; }
            }",
        );
    }

    /// keepalived is told by the file `track` whether this router is ready, and waits for so many seconds.
    pub(crate) const fn track(&mut self, ready_timeout: u32) {
        self.tracked = Some(ready_timeout);
    }

    /// What the track file says.
    pub(crate) fn tracked(&self) -> String {
        fs::read_to_string(self.path("track")).unwrap_or_default().trim().to_owned()
    }

    /// Its daemon is started by this program with these words, which becomes it.
    pub(crate) fn under(&mut self, words: Vec<String>) {
        self.under = words;
    }

    /// Starts syncd; `link` is what the configuration says of the interface.
    ///
    /// Each start is recorded, into `recording-1` and so on.
    pub(crate) fn start(&mut self, link: &str) {
        self.starts += 1;
        let recording = self.path(&format!("recording-{}", self.starts));
        self.start_with(link, &["--record", &recording.to_string_lossy()]);
    }

    /// The same without a recording.
    pub(crate) fn start_plainly(&mut self, link: &str) {
        self.start_with(link, &[]);
    }

    fn start_with(&mut self, link: &str, more: &[&str]) {
        self.configure(link);
        self.daemon = Some(self.run_command().args(more).spawn().expect("syncd starts"));
        wait_for("the control socket answers", || {
            self.syncd(&["show", "conntrack-sync", "status"]).status.success()
        });
    }

    /// Writes the configuration.
    pub(crate) fn configure(&self, link: &str) {
        self.configure_links(&format!("{{ sync: {link} }}"));
    }

    /// Writes the configuration with these links.
    pub(crate) fn configure_links(&self, links: &str) {
        let fifo =
            if self.fifo { format!(", notify-fifo: {}", self.path("fifo").display()) } else { String::new() };
        let track = self.tracked.map_or_else(String::new, |timeout| {
            format!(", track-file: {}, ready-timeout: {timeout}", self.path("track").display())
        });
        let text = format!(
            "conntrack-sync:
  interface: {links}
  ignore-address: [10.9.0.0/24, 127.0.0.0/8]
  failover-mechanism:
    vrrp: {{ sync-group: G1{fifo}{track} }}
{}{}{}",
            // So that little is too much.
            if self.more.contains("event-listen-queue-size") { "" } else { "  event-listen-queue-size: 1\n" },
            if self.gate { "" } else { "  disable-gate: true\n" },
            self.more
        );
        fs::write(self.path("syncd.yaml"), text).expect("/run is ours");
    }

    /// `syncd run` in this router's namespace.
    pub(crate) fn run_command(&self) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", self.name]).args(&self.under).arg(env!("CARGO_BIN_EXE_syncd"));
        command
            .args(["run", "--config"])
            .arg(self.path("syncd.yaml"))
            .arg("--socket")
            .arg(self.path("control"))
            .stdin(Stdio::null());
        command
    }

    /// A program in this router's namespace.
    pub(crate) fn program(&self, words: &[&str]) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", self.name]).args(words).stdin(Stdio::null());
        command
    }

    /// The PID of the daemon.
    pub(crate) fn pid(&self) -> u32 {
        self.daemon.as_ref().expect("it was started").id()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", self.name, env!("CARGO_BIN_EXE_syncd")]).args(arguments);
        command
    }

    /// Loads a ruleset in this router's namespace.
    pub(crate) fn nft(&self, rules: &str) {
        succeed(Command::new("ip").args(["netns", "exec", self.name, "nft", rules]));
    }

    /// A command of the operator, about this router's daemon.
    pub(crate) fn syncd(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(arguments);
        command.arg("--socket").arg(self.path("control"));
        command.stdin(Stdio::null()).output().expect("syncd starts")
    }

    /// The same, begun: it answers later.
    pub(crate) fn begin(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        command.arg("--socket").arg(self.path("control"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("syncd starts")
    }

    /// What a command with `--json` says.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let output = self.syncd(&[arguments, &["--json"]].concat());
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("--json is JSON")
    }

    /// The kernel's table of this router.
    pub(crate) fn table(&self, family: &str) -> Value {
        let output =
            self.command(&["show", "conntrack", "table", family, "--json"]).output().expect("syncd starts");
        serde_json::from_slice(&output.stdout).expect("--json is JSON")
    }

    /// Waits until the daemon says that both routers know the same.
    pub(crate) fn wait_until_in_sync(&self) {
        wait_for("in sync", || {
            self.json(&["show", "conntrack-sync", "status"])["sync"]["state"] == "in sync"
        });
    }

    /// Writes a line into the FIFO, as keepalived does.
    pub(crate) fn notify(&self, line: &str) {
        let mut fifo =
            fs::OpenOptions::new().write(true).open(self.path("fifo")).expect("syncd made the FIFO");
        fifo.write_all(line.as_bytes()).expect("a FIFO takes a line");
    }

    /// Sends a signal to the daemon.
    pub(crate) fn signal(&self, signal: Signal) {
        let child = self.daemon.as_ref().expect("it was started");
        // `ip netns exec` becomes the program it runs.
        let pid = i32::try_from(child.id()).expect("a PID");
        kill(Pid::from_raw(pid), signal).expect("it is our child");
    }

    /// Sends a signal to the daemon and waits for its end.
    pub(crate) fn end(&mut self, signal: Signal) -> Option<i32> {
        self.signal(signal);
        self.daemon.take().expect("it was started").wait().expect("it is our child").code()
    }

    /// Runs `inside` on a thread in this router's network namespace.
    pub(crate) fn within<T: Send>(&self, inside: impl FnOnce() -> T + Send) -> T {
        let path = Path::new("/run/netns").join(self.name);
        let namespace = fs::File::open(path).expect("ip netns made it");
        thread::scope(|scope| {
            let there = scope.spawn(|| {
                setns(namespace, CloneFlags::CLONE_NEWNET).expect("we own it");
                inside()
            });
            there.join().expect("what runs inside does not panic")
        })
    }
}

/// Runs `ip` with these arguments.
pub(crate) fn ip(arguments: &[&str]) {
    succeed(Command::new("ip").args(arguments));
}

/// Waits until `condition` holds; fails with its name.
#[expect(
    clippy::disallowed_methods,
    reason = "each look starts a program: without a pause they would be the load"
)]
pub(crate) fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Runs a command that must succeed.
pub(crate) fn succeed(command: &mut Command) {
    let status =
        command.status().unwrap_or_else(|error| panic!("{command:?} (package iproute2 or mount): {error}"));
    assert!(status.success(), "{command:?}: {status}");
}
