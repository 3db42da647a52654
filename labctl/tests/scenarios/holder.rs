//! What holds a lab, and that nothing is left of it however it ends.
//!
//! Namespaces are counted as the kernel shows them: by the processes that are in them. Their removal is asynchronous, so
//! it is waited for.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::{labctl, lock};

/// Needs keepalived and nft only.
const SCENARIO: &str = "scenarios/no-sync.yaml";
const PATIENCE: Duration = Duration::from_secs(20);

fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        look_again_soon();
    }
}

#[expect(clippy::disallowed_methods, reason = "nothing tells of the end of somebody else's process")]
fn look_again_soon() {
    thread::sleep(Duration::from_millis(20));
}

/// The namespaces that processes are in: network, mounts, processes. Of all processes, or of those that came from one.
fn namespaces(from: Option<Pid>) -> BTreeSet<PathBuf> {
    let parents = parents();
    let belongs = |process: Pid| match from {
        None => true,
        Some(from) => {
            std::iter::successors(Some(process), |child| parents.get(child).copied()).any(|it| it == from)
        }
    };
    let wanted = parents.keys().filter(|process| belongs(**process));
    let all = wanted.flat_map(|pid| ["net", "mnt", "pid"].map(|kind| format!("/proc/{pid}/ns/{kind}")));
    all.filter_map(|link| fs::read_link(link).ok()).collect()
}

/// The parent of each process.
fn parents() -> BTreeMap<Pid, Pid> {
    let parent = |path: PathBuf| {
        let pid: i32 = path.file_name()?.to_str()?.parse().ok()?;
        let status = fs::read_to_string(path.join("status")).ok()?;
        let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()?;
        Some((Pid::from_raw(pid), Pid::from_raw(parent)))
    };
    fs::read_dir("/proc").unwrap().filter_map(|entry| parent(entry.ok()?.path())).collect()
}

pub(super) fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

pub(super) fn run(arguments: &[&str]) -> Output {
    labctl().args(arguments).stdin(Stdio::null()).output().unwrap()
}

pub(super) fn passes(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert!(output.status.success(), "labctl {arguments:?}: {}", text(&output));
    text(&output)
}

/// The process that holds a lab.
fn holder_of(lab: &str) -> Option<Pid> {
    let wanted = format!("\0hold\0{lab}\0");
    fs::read_dir("/proc").unwrap().find_map(|entry| {
        let path = entry.ok()?.path();
        let pid: i32 = path.file_name()?.to_str()?.parse().ok()?;
        let line = fs::read(path.join("cmdline")).ok()?;
        String::from_utf8_lossy(&line).contains(&wanted).then_some(Pid::from_raw(pid))
    })
}

/// The host to oneself, as far as labs go.
pub(super) struct Alone(#[expect(dead_code, reason = "held for the test's length")] lock::HostLock);

impl Alone {
    pub(super) fn take() -> Self {
        let alone = lock::HostLock::take();
        // Holders that were left alone become ours, so that no test leaves one to whoever does not reap.
        prctl::set_child_subreaper(true).unwrap();
        Self(alone)
    }
}

/// A running lab, and the namespaces that it made.
pub(super) struct Running {
    name: String,
    holder: Pid,
    made: BTreeSet<PathBuf>,
}

impl Running {
    pub(super) fn find(name: &str) -> Self {
        let holder = holder_of(name).unwrap();
        // The holder itself stays in our PID namespace.
        let ours = ["net", "mnt", "pid"].map(|kind| fs::read_link(format!("/proc/self/ns/{kind}")).unwrap());
        let made =
            namespaces(Some(holder)).into_iter().filter(|namespace| !ours.contains(namespace)).collect();
        Self { name: name.to_owned(), holder, made }
    }

    /// Waits until nothing is left of it.
    pub(super) fn require_gone(self) {
        until("the lab's holder and namespaces go", || {
            // The holder, and whom it left behind when it was killed: a dead process that nobody reaps keeps its place.
            while waitpid(None, Some(WaitPidFlag::WNOHANG))
                .is_ok_and(|status| status != WaitStatus::StillAlive)
            {}
            !Path::new(&format!("/proc/{}", self.holder)).exists() && namespaces(None).is_disjoint(&self.made)
        });
        until("the lab's name goes", || !passes(&["list"]).lines().any(|name| name == self.name));
    }
}

impl Drop for Running {
    /// A test that fails leaves no lab to those after it: they count who listens to flows on this host.
    fn drop(&mut self) {
        if thread::panicking()
            && let Err(error) = kill(self.holder, Signal::SIGKILL)
        {
            eprintln!("the holder of {} has ended already: {error}", self.name);
        }
    }
}

#[test]
fn a_lab_is_built_asked_broken_and_ended() {
    let _alone = Alone::take();
    let name = ["--name", "test-verbs"];
    passes(&["up", SCENARIO, "--name", "test-verbs"]);
    let running = Running::find("test-verbs");
    let again = run(&["up", SCENARIO, "--name", "test-verbs"]);
    assert!(!again.status.success() && text(&again).contains("runs already"), "{}", text(&again));
    assert!(passes(&["list"]).lines().any(|lab| lab == "test-verbs"));
    let status = passes(&[&["status"][..], &name].concat());
    assert!(status.contains("r1  primary  6/6 virtual addresses"), "{status}");

    passes(&[&["traffic", "start"][..], &name, &["streams"]].concat());
    passes(&[&["verify"][..], &name].concat());
    let links = passes(&[&["exec"][..], &name, &["r1", "--", "cat", "/proc/net/dev"]].concat());
    assert!(links.contains("lan:") && links.contains("sync:") && !links.contains("eth0:"), "{links}");
    let code = run(&[&["exec"][..], &name, &["r2", "--", "sh", "-c", "exit 7"]].concat()).status.code();
    assert_eq!(code, Some(7));
    passes(&[&["exec"][..], &name, &["r1", "--", "nft", "list", "ruleset"]].concat());
    assert!(!run(&[&["exec"][..], &name, &["r9", "--", "true"]].concat()).status.success());

    let moved = passes(&[&["failover"][..], &name, &["--kind", "stop-vrrp"]].concat());
    assert!(moved.contains("r2 is primary after"), "{moved}");
    passes(&[&["down"][..], &name].concat());
    running.require_gone();
}

#[test]
fn a_program_that_has_ended_is_told_and_hides_nothing() {
    let _alone = Alone::take();
    let name = ["--name", "test-ended"];
    passes(&["up", "scenarios/failover-kill-primary.yaml", "--name", "test-ended"]);
    let running = Running::find("test-ended");
    passes(&[&["traffic", "start"][..], &name, &["streams"]].concat());
    passes(&[&["exec"][..], &name, &["r2", "--", "pkill", "-KILL", "syncd"]].concat());
    until("its end is noticed", || {
        passes(&[&["status"][..], &name].concat()).contains("syncd (ended: signal: 9")
    });
    let status = passes(&[&["status"][..], &name].concat());
    let of = |router: &str| status.lines().find(|line| line.starts_with(router)).unwrap().to_owned();
    assert!(of("r1").ends_with("keepalived, syncd"), "{status}");
    assert!(of("r2").ends_with("keepalived, syncd (ended: signal: 9 (SIGKILL))"), "{status}");

    let verified = run(&[&["verify"][..], &name].concat());
    assert_eq!(verified.status.code(), Some(1));
    let told = text(&verified);
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.len(), 4, "{told}");
    assert!(lines[0].starts_with("FAILED  syncd runs on r2: ended: signal: 9 (SIGKILL)"), "{told}");
    assert!(
        lines[1].starts_with("passed  r1 is the only primary and holds all virtual addresses: "),
        "{told}"
    );
    assert!(
        lines[2].starts_with("passed  100% of streams alive, nothing corrupted: 200 of 200 alive"),
        "{told}"
    );
    assert!(
        lines[3]
            .starts_with("FAILED  the external cache of r2, or its kernel, holds what its peer's kernel holds: its daemon has ended"),
        "{told}"
    );

    passes(&[&["down"][..], &name].concat());
    running.require_gone();
}

#[test]
fn transfers_announce_and_are_fulfilled_when_they_are_told() {
    let _alone = Alone::take();
    let name = ["--name", "test-transfers"];
    passes(&[&["up", "scenarios/no-sync-helpers.yaml"][..], &name].concat());
    let lab = Running::find("test-transfers");
    assert_eq!(run(&[&["traffic", "fulfil", "calls"][..], &name].concat()).status.code(), Some(2));
    let told = passes(&[&["traffic", "start"][..], &name].concat());
    assert_eq!(told, "calls: 10 of 10 transfers announced\nfiles: 30 of 30 transfers announced\n");
    let status = || passes(&[&["traffic", "status"][..], &name].concat());
    assert!(status().contains("files            30/30        0      0"), "{}", status());
    passes(&[&["traffic", "fulfil"][..], &name].concat());
    until("every transfer is complete", || {
        let status = status();
        status.contains("calls            10/10       10      0")
            && status.contains("files            30/30       30      0")
    });
    passes(&[&["traffic", "stop", "calls"][..], &name].concat());
    assert!(!status().contains("calls"), "{}", status());
    passes(&[&["down"][..], &name].concat());
    lab.require_gone();
}

#[test]
fn nodes_do_not_see_each_others_run_and_tmp() {
    let _alone = Alone::take();
    passes(&["up", SCENARIO, "--name", "test-rooms"]);
    let running = Running::find("test-rooms");
    let exec = |node: &str, script: &str| {
        run(&["exec", "--name", "test-rooms", node, "--", "sh", "-c", script]).status.success()
    };
    for directory in ["/run", "/tmp"] {
        let file = format!("{directory}/only-r1");
        assert!(exec("r1", &format!("echo here > {file}")));
        assert!(exec("r1", &format!("test -e {file}")));
        assert!(exec("r2", &format!("test ! -e {file}")));
        assert!(!Path::new(&file).exists());
    }
    // Only its own processes, too: keepalived's two, the first one and the shell.
    assert!(exec("r1", "test $(ls -d /proc/[0-9]* | wc -l) -lt 10"));
    passes(&["down", "--name", "test-rooms"]);
    running.require_gone();
}

#[test]
fn routers_that_are_set_up_by_hand_have_an_etc_of_their_own_and_nothing_runs_on_them() {
    let _alone = Alone::take();
    let name = ["--name", "test-by-hand"];
    passes(&[&["up", "scenarios/topologies/by-hand.yaml"][..], &name].concat());
    let running = Running::find("test-by-hand");
    let exec =
        |node: &str, script: &str| run(&[&["exec"][..], &name, &[node, "--", "sh", "-c", script]].concat());
    let succeeds = |node: &str, script: &str| exec(node, script).status.success();
    let file = "/etc/syncd-by-hand";
    assert!(succeeds("r1", &format!("echo here >{file}")));
    assert!(succeeds("r2", &format!("! test -e {file} && test -e /etc/passwd")));
    assert!(!Path::new(file).exists());
    assert!(succeeds("r1", "ip link show dev eth2 && syncd --version && ! syncd show conntrack-sync status"));
    let status = passes(&[&["status"][..], &name].concat());
    assert!(status.contains("r1  unknown  0/2 virtual addresses, 0 flows, no program"), "{status}");
    let failover = |kind| run(&[&["failover"][..], &name, &["--kind", kind]].concat());
    assert!(text(&failover("kill-router")).contains("no router is primary"));

    // Whoever has the addresses is primary; nobody else says so.
    let take = "ip address add 10.0.0.1/24 dev eth0 && ip address add 198.51.100.1/24 dev eth1";
    assert!(succeeds("r2", take));
    let verified = passes(&[&["verify"][..], &name].concat());
    assert!(
        verified.starts_with("passed  r2 is the only primary and holds all virtual addresses"),
        "{verified}"
    );
    assert!(text(&failover("stop-vrrp")).contains("stop it by hand"));
    assert!(succeeds("r1", take));
    assert_eq!(run(&[&["verify"][..], &name].concat()).status.code(), Some(1));
    passes(&[&["down"][..], &name].concat());
    running.require_gone();
}

/// Asks for what cannot be: the dead router is to be primary.
const FAILING: &str = "title: t
topology: two-routers
sync: { r1: none, r2: none }
timeline:
  - { fault: kill-router, node: r1 }
expect:
  - { primary: r1, within: 1s }
";

#[test]
fn a_lab_that_stays_names_a_node_that_lives() {
    let _alone = Alone::take();
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("failing");
    let root = labctl().get_current_dir().unwrap().to_owned();
    fs::create_dir_all(directory.join("topologies")).unwrap();
    fs::copy(
        root.join("scenarios/topologies/two-routers.yaml"),
        directory.join("topologies/two-routers.yaml"),
    )
    .unwrap();
    let file = directory.join("failing.yaml");
    fs::write(&file, FAILING).unwrap();
    let report = directory.join("report");
    let mut verb = labctl();
    verb.args(["run", "--keep-on-fail", "--report"]).args([&report, &file]);
    let verb = verb.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let lab = format!("failing-{}", verb.id());
    let output = verb.wait_with_output().unwrap();
    let running = Running::find(&lab);
    let told = text(&output);
    let shell = told.lines().find_map(|line| line.split_once("labctl shell --name ")).map(|(_, rest)| rest);
    passes(&["down", "--name", &lab]);
    running.require_gone();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(shell.is_some_and(|rest| rest.starts_with(&format!("{lab} r2; "))), "{told}");
}

#[test]
fn nothing_is_left_when_the_holder_is_killed() {
    let _alone = Alone::take();
    passes(&["up", SCENARIO, "--name", "test-killed"]);
    passes(&["traffic", "start", "--name", "test-killed"]);
    let running = Running::find("test-killed");
    // The lab's own and its five nodes', of three kinds.
    assert_eq!(running.made.len(), 18);
    kill(running.holder, Signal::SIGKILL).unwrap();
    running.require_gone();
}

#[test]
fn nothing_is_left_when_a_run_is_interrupted() {
    for signal in [Signal::SIGINT, Signal::SIGKILL] {
        let _alone = Alone::take();
        let mut command: Command = labctl();
        let quiet = command.args(["run", SCENARIO]).stdout(Stdio::null()).stderr(Stdio::null());
        let mut verb = quiet.process_group(0).spawn().unwrap();
        let lab = format!("no-sync-{}", verb.id());
        // In the midst of it: a verb is busy with the scenario then.
        until("the streams flow", || {
            let status = run(&["status", "--name", &lab]);
            status.status.success() && text(&status).contains("200 of 200 streams alive")
        });
        let running = Running::find(&lab);
        // As a terminal does it: to the whole group.
        kill(Pid::from_raw(-verb.id().cast_signed()), signal).unwrap();
        verb.wait().unwrap();
        running.require_gone();
    }
}

/// A user namespace in which no further one may be made, and no privilege to do without.
const CLOSED: &str = "echo 0 > /proc/sys/user/max_user_namespaces && \
    exec setpriv --bounding-set=-sys_admin --inh-caps=-sys_admin \"$@\"";

#[test]
fn a_machine_without_namespaces_is_told_what_it_lacks() {
    let _alone = Alone::take();
    let program = labctl().get_program().to_owned();
    let mut closed = Command::new("unshare");
    closed.args(["--user", "--map-root-user", "sh", "-c", CLOSED, "sh"]).arg(program).args(["run", SCENARIO]);
    closed.current_dir(labctl().get_current_dir().unwrap());
    let output = closed.output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    assert!(text(&output).contains("sysctl user.max_user_namespaces"), "{}", text(&output));
}
