//! As a service: with the capabilities of the unit and no others, watched by a supervisor, and not beside a conntrackd.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Child;
use std::time::Duration;

use super::*;

/// The capabilities that a unit leaves, as setpriv(1) takes them: `-all,+net_admin`.
fn capabilities(unit: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging/systemd").join(unit);
    let text = fs::read_to_string(path).expect("the unit is there");
    let line =
        text.lines().find_map(|line| line.strip_prefix("CapabilityBoundingSet=")).expect("it has a list");
    let names = line.split(' ').map(|name| name.strip_prefix("CAP_").expect("a capability").to_lowercase());
    names.fold("-all".to_owned(), |list, name| format!("{list},+{name}"))
}

/// Starts what follows with these capabilities only, as systemd does by `CapabilityBoundingSet=` and `NoNewPrivileges=`.
fn setpriv(list: &str) -> Vec<String> {
    ["setpriv", "--no-new-privs", "--inh-caps", list, "--bounding-set", list].map(str::to_owned).into()
}

/// What syncd says, started in this way, when it does not come up.
fn refused(router: &Router) -> String {
    let output = router.run_command().stderr(Stdio::piped()).output().expect("syncd starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    said
}

fn role(router: &Router) -> Value {
    router.json(&["show", "conntrack-sync", "status"])["role"].clone()
}

/// keepalived, as it runs on a router: with all capabilities.
fn start_keepalived(router: &Router) -> Child {
    let file = |name: &str| router.path(name).to_string_lossy().into_owned();
    fs::write(file("keepalived.conf"), "global_defs {\n}\n").expect("/run is ours");
    let (config, parent, child) = (file("keepalived.conf"), file("keepalived.pid"), file("vrrp.pid"));
    let words = ["keepalived", "--dont-fork", "--use-file", &config, "--pid", &parent, "--vrrp_pid", &child];
    let mut command = router.program(&words);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let child = command.spawn().expect("keepalived (package keepalived) starts");
    wait_for("keepalived runs", || Path::new(&parent).exists());
    child
}

/// Both routers replicate, the role is known to come from the keepalived that runs, a commit works, a restart too.
fn lives_with(unit: &str) {
    let (mut r1, mut r2) = two_routers();
    let list = capabilities(unit);
    let keepaliveds = [&mut r1, &mut r2].map(|router| {
        router.under(setpriv(&list));
        router.with_gate();
        let child = start_keepalived(router);
        router.start(MULTICAST);
        child
    });
    r1.wait_until_in_sync();
    r2.wait_until_in_sync();
    let status = fs::read_to_string(format!("/proc/{}/status", r1.pid())).expect("it runs");
    let effective =
        status.lines().find_map(|line| line.strip_prefix("CapEff:\t")).expect("the kernel says so");
    // CAP_NET_ADMIN is 12.
    assert_eq!(u64::from_str_radix(effective, 16), Ok(1 << 12));
    let events =
        r1.program(&["cat", "/proc/sys/net/netfilter/nf_conntrack_events"]).output().expect("cat starts");
    assert_eq!(events.stdout, b"1\n", "it may switch events on");

    insert(&r1, &one_of_each());
    wait_for("the flows are there", || cache(&r2, "external-cache") == kernel(&r1));
    r2.notify("GROUP \"G1\" BACKUP 0\n");
    wait_for("backup", || role(&r2) == "backup");
    let kept: Value = serde_json::from_slice(&fs::read(r2.path("role")).expect("it is kept")).expect("JSON");
    assert!(kept["witness"]["keepalived"]["pid"].is_u64(), "keepalived was not seen: {kept}");
    assert!(r2.syncd(&["role", "primary"]).status.success());
    assert_eq!(kernel(&r2), kernel(&r1));
    let daemon = &r2.json(&["show", "conntrack-sync", "statistics"])["daemon"];
    let gates = ["gates_closed", "gates_failed"].map(|name| daemon[name].as_u64());
    assert_eq!(gates, [Some(1), Some(0)], "its child may hold the gate");
    assert_eq!(r2.end(Signal::SIGTERM), Some(0));
    r2.start(MULTICAST);
    wait_for("primary again", || role(&r2) == "primary");
    for mut child in keepaliveds {
        child.kill().expect("it is our child");
        child.wait().expect("it is our child");
    }
}

#[test]
fn needs_no_more_than_the_unit_gives() {
    lab::run("supervised::needs_no_more_than_the_unit_gives", || lives_with("syncd.service"));
}

#[test]
fn nor_more_than_the_template_gives() {
    assert_eq!(capabilities("syncd.service"), capabilities("syncd@.service"));
}

#[test]
fn without_the_capability_it_says_so() {
    lab::run("supervised::without_the_capability_it_says_so", || {
        let (mut r1, _) = two_routers();
        r1.configure(MULTICAST);
        r1.under(setpriv("-all"));
        let said = refused(&r1);
        assert!(said.contains("Operation not permitted; run as root, or with CAP_NET_ADMIN"), "{said}");
        assert!(!r1.path("control").exists(), "what it claimed is given back");
    });
}

#[test]
fn a_supervisor_hears_that_it_is_ready_that_it_lives_and_that_it_ends() {
    lab::run("supervised::a_supervisor_hears_that_it_is_ready_that_it_lives_and_that_it_ends", || {
        let (mut r1, _) = two_routers();
        let path = r1.path("notify");
        let socket = UnixDatagram::bind(&path).expect("/run is ours");
        let hear = |patience| {
            socket.set_read_timeout(Some(patience)).expect("a time");
            let mut bytes = [0; 256];
            socket.recv(&mut bytes).ok().map(|len| String::from_utf8_lossy(&bytes[..len]).into_owned())
        };
        let notify = format!("NOTIFY_SOCKET={}", path.display());
        r1.under(["env".to_owned(), notify, "WATCHDOG_USEC=400000".to_owned()].into());
        r1.start_plainly(MULTICAST);
        assert_eq!(hear(lab::PATIENCE).as_deref(), Some("READY=1\nWATCHDOG=1"));
        for _ in 0..3 {
            assert_eq!(hear(lab::PATIENCE).as_deref(), Some("WATCHDOG=1"));
        }
        // The same process begins again; it is ready anew.
        let restarted = r1.syncd(&["restart", "conntrack-sync"]);
        assert!(restarted.status.success(), "{}", String::from_utf8_lossy(&restarted.stderr));
        wait_for("ready anew", || hear(lab::PATIENCE).as_deref() == Some("READY=1\nWATCHDOG=1"));

        // Whatever keeps the loop from going round: what was said before is heard, then there is silence.
        r1.signal(Signal::SIGSTOP);
        let silence = Duration::from_secs(1);
        wait_for("silence", || hear(silence).is_none());
        r1.signal(Signal::SIGCONT);
        assert_eq!(hear(lab::PATIENCE).as_deref(), Some("WATCHDOG=1"));
        assert_eq!(r1.end(Signal::SIGTERM), Some(0));
        wait_for("it said that it ends", || hear(lab::PATIENCE).as_deref() == Some("STOPPING=1"));

        // Nobody would hear that it is ready: better no start than one that is killed without a word.
        r1.under(["env", "NOTIFY_SOCKET=/run/r1/nobody"].map(str::to_owned).into());
        let said = refused(&r1);
        assert!(said.contains("cannot reach the supervisor on /run/r1/nobody (NOTIFY_SOCKET)"), "{said}");
    });
}

const SYNC: &str = "Sync {
  Mode FTFW { }
  Multicast { IPv4_address 225.0.0.50 Group 3780 IPv4_interface 10.9.0.1 Interface sync }
}
";

/// Nothing about replication, as in Debian's own file.
const STATISTICS: &str = "Stats { LogFile /run/r1/statistics.log }\n";

const GENERAL: &str = "General {
  HashSize 1024
  HashLimit 4096
  LockFile /run/r1/conntrackd.lock
  UNIX { Path /run/r1/conntrackd.ctl }
}
";

#[test]
fn beside_a_conntrackd_it_does_not_start() {
    lab::run("supervised::beside_a_conntrackd_it_does_not_start", || {
        let (mut r1, mut r2) = two_routers();
        let mut other = conntrackd(&r1, SYNC);
        r1.configure(MULTICAST);
        r1.under(setpriv(&capabilities("syncd.service")));
        let said = refused(&r1);
        let expected = format!("conntrackd is running (pid {}) in this network namespace", other.id());
        assert!(said.contains(&expected) && said.contains("systemctl disable --now conntrackd"), "{said}");
        // On another router, here: in another network namespace, it is none of our business.
        r2.start(MULTICAST);
        end(&mut other);
        let mut other = conntrackd(&r1, STATISTICS);
        assert!(refused(&r1).contains("conntrackd is running"));
        // One for user-space helpers is none. This kernel has no place for them (NF_CT_NETLINK_HELPER), so that it would not
        // start with any; what it is for, its file says.
        let config = r1.path("conntrackd.conf");
        fs::write(&config, format!("Helper {{ Type rpc inet tcp {{ }} }}\n{GENERAL}")).expect("/run is ours");
        r1.start(MULTICAST);
        r1.wait_until_in_sync();
        end(&mut other);
    });
}

/// Starts the real one, which does what `section` says.
fn conntrackd(router: &Router, section: &str) -> Child {
    let config = router.path("conntrackd.conf");
    fs::write(&config, format!("{section}{GENERAL}")).expect("/run is ours");
    let mut command = router.program(&["conntrackd", "-C", &config.to_string_lossy()]);
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let child = child.expect("conntrackd (package conntrackd) starts");
    wait_for("conntrackd listens", || router.path("conntrackd.ctl").exists());
    child
}

/// In an orderly way: it would leave its lock behind.
fn end(child: &mut Child) {
    let pid = i32::try_from(child.id()).expect("a PID");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), Signal::SIGTERM).expect("it is our child");
    child.wait().expect("it is our child");
}
