//! The gate, with real kernels and a real nft: what it drops and what it lets through, and that nothing keeps it closed.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use super::*;

/// Elements of the set that closes the gate, in the router's kernel; none where there is no table.
fn gate(router: &Router) -> Option<usize> {
    let listing = listing(router);
    let table = listing.split("table inet syncd-gate-").nth(1)?;
    Some(["ipv4", "ipv6"].into_iter().filter(|family| table.contains(&format!("{family} timeout"))).count())
}

fn listing(router: &Router) -> String {
    let listing =
        router.program(&["nft", "list", "ruleset"]).output().expect("nft (package nftables) starts");
    assert!(listing.status.success(), "{}", String::from_utf8_lossy(&listing.stderr));
    String::from_utf8_lossy(&listing.stdout).into_owned()
}

fn counter(router: &Router, name: &str) -> u64 {
    router.json(&["show", "conntrack-sync", "statistics"])["daemon"][name].as_u64().expect("it is counted")
}

/// The lines of the daemon with this word.
fn told(router: &Router, event: &str) -> Vec<Value> {
    let output = router.syncd(&["show", "log", "conntrack-sync", "--json"]).stdout;
    let lines = String::from_utf8_lossy(&output).into_owned();
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("--json is JSON"));
    lines.filter(|line| line["event"] == event).collect()
}

/// Two routers in sync, the second standing by with so many flows of the first.
fn standing_by(flows: u16, gate: bool) -> (Router, Router) {
    let (mut r1, mut r2) = two_routers();
    if gate {
        r2.with_gate();
    }
    r1.start(MULTICAST);
    r2.start_plainly(MULTICAST);
    r2.notify("GROUP \"G1\" BACKUP 0\n");
    wait_for("backup", || r2.json(&["show", "conntrack-sync", "status"])["role"] == "backup");
    r1.wait_until_in_sync();
    r2.wait_until_in_sync();
    let many: Vec<Flow> = (1..=flows).map(|port| flow(Family::V4, Protocol::UDP, port)).collect();
    insert(&r1, &many);
    wait_for("the flows are there", || {
        r2.json(&["show", "conntrack-sync", "status"])["external_flows"].as_u64() == Some(u64::from(flows))
    });
    (r1, r2)
}

#[test]
fn is_closed_for_a_commit_and_gone_after_it() {
    lab::run("gate::is_closed_for_a_commit_and_gone_after_it", || {
        let (_r1, r2) = standing_by(2000, true);
        wait_for("an open gate is ready", || gate(&r2) == Some(0));
        // Whoever loads new rules takes nothing from it.
        r2.nft("flush ruleset");
        assert_eq!(gate(&r2), Some(0));
        let output = r2.syncd(&["role", "primary"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        wait_for("the table is gone", || gate(&r2).is_none());
        wait_for("it is told", || told(&r2, "gate-open").len() == 1);
        let words = ["gate-closed", "commit-begun", "commit-done", "gate-open", "gate-failed"];
        assert_eq!(words.map(|word| told(&r2, word).len()), [1, 1, 1, 1, 0]);
        assert_eq!([counter(&r2, "gates_closed"), counter(&r2, "gates_failed")], [1, 0]);
        // And again, by the next one.
        r2.notify("GROUP \"G1\" BACKUP 0\n");
        wait_for("an open gate is ready again", || gate(&r2) == Some(0));
    });
}

/// What the table of a router that stands by takes for its own addresses is what it has, less what it has lost since.
#[test]
fn a_shared_address_is_none_of_a_standbys_own() {
    lab::run("gate::a_shared_address_is_none_of_a_standbys_own", || {
        let (_r1, r2) = standing_by(1, true);
        let address = |verb, which| {
            let done = r2.program(&["ip", "address", verb, which, "dev", "lo"]).status().expect("ip starts");
            assert!(done.success(), "ip address {verb} {which}");
        };
        let knows = |which: &str| listing(&r2).contains(which);
        wait_for("an open gate is ready", || gate(&r2) == Some(0));
        address("add", "10.99.0.1/32");
        address("add", "2001:db8:99::1/128");
        // Primary: it has no table. Standing by again it has lost one of them, but only now.
        assert!(r2.syncd(&["role", "primary"]).status.success());
        wait_for("the table is gone", || gate(&r2).is_none());
        r2.notify("GROUP \"G1\" BACKUP 0\n");
        wait_for("an open gate is ready again", || gate(&r2) == Some(0));
        assert!(knows("10.99.0.1") && knows("2001:db8:99::1"), "{}", listing(&r2));
        address("del", "10.99.0.1/32");
        address("add", "10.99.0.2/32");
        wait_for("what is lost is forgotten", || !knows("10.99.0.1"));
        assert!(knows("2001:db8:99::1") && !knows("10.99.0.2"), "{}", listing(&r2));
        // Coming back makes it a shared one.
        address("add", "10.99.0.1/32");
        assert!(r2.syncd(&["role", "primary"]).status.success());
        assert_eq!(counter(&r2, "gates_failed"), 0);
    });
}

#[test]
fn switched_off_there_is_none() {
    lab::run("gate::switched_off_there_is_none", || {
        let (_r1, mut r2) = standing_by(200, false);
        assert_eq!(gate(&r2), None);
        assert!(r2.syncd(&["role", "primary"]).status.success());
        assert_eq!([counter(&r2, "gates_closed"), counter(&r2, "gates_failed")], [0, 0]);
        r2.notify("GROUP \"G1\" BACKUP 0\n");
        wait_for("backup", || r2.json(&["show", "conntrack-sync", "status"])["role"] == "backup");
        r2.with_gate();
        r2.configure(MULTICAST);
        assert!(r2.syncd(&["reload"]).status.success());
        wait_for("there is one since the reload", || gate(&r2) == Some(0));
        assert_eq!(r2.end(Signal::SIGTERM), Some(0));
        assert_eq!(gate(&r2), None);
    });
}

/// Stops the daemon in the middle of a commit. On a machine with much to do a look may take longer than the commit, so the
/// daemon stands still during each look, and goes on between them.
fn stop_in_the_middle(r2: &Router) {
    wait_for("an open gate is ready", || gate(r2) == Some(0));
    r2.notify("GROUP \"G1\" MASTER 0\n");
    wait_for("the gate is closed", || {
        r2.signal(Signal::SIGSTOP);
        let closed = gate(r2) == Some(2);
        if !closed {
            r2.signal(Signal::SIGCONT);
        }
        closed
    });
}

#[test]
fn a_daemon_that_hangs_does_not_keep_it_closed() {
    lab::run("gate::a_daemon_that_hangs_does_not_keep_it_closed", || {
        let (_r1, r2) = standing_by(60_000, true);
        stop_in_the_middle(&r2);
        let since = Instant::now();
        wait_for("the kernel opens it", || gate(&r2) == Some(0));
        assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
        // It goes on where it was.
        r2.signal(Signal::SIGCONT);
        wait_for("the commit is done", || {
            r2.json(&["show", "conntrack-sync", "status"])["commit"]["committed"] == 60_000
        });
        wait_for("the table is gone", || gate(&r2).is_none());
    });
}

#[test]
fn a_daemon_that_is_killed_takes_it_along() {
    lab::run("gate::a_daemon_that_is_killed_takes_it_along", || {
        let (_r1, mut r2) = standing_by(60_000, true);
        stop_in_the_middle(&r2);
        assert_eq!(r2.end(Signal::SIGKILL), None);
        wait_for("the table is gone", || gate(&r2).is_none());
    });
}

/// keepalived moves the addresses first and tells afterwards: until then nobody answers for them with a reset.
#[test]
fn an_address_that_comes_is_guarded_before_the_role_is_heard() {
    lab::run("gate::an_address_that_comes_is_guarded_before_the_role_is_heard", || {
        let (r1, r2) = standing_by(1, true);
        lab::second_link();
        r2.notify("GROUP \"G1\" MASTER 0\n");
        wait_for("the table is gone", || gate(&r2).is_none());
        r2.notify("GROUP \"G1\" BACKUP 0\n");
        wait_for("it is the router's own", || listing(&r2).contains("10.8.0.2,"));
        let ip = |words: &[&str]| {
            let mut command = r2.program(&["ip", "address"]);
            assert!(command.args(words).args(["dev", "more"]).status().expect("ip starts").success());
        };
        ip(&["add", "10.8.0.9/24"]);
        // Whether what comes in the middle of a connection that the kernel has forgotten arrives.
        let arrives = |last, loose: &str| {
            let setting = format!("net.netfilter.nf_conntrack_tcp_loose={loose}");
            assert!(r2.program(&["sysctl", "-qw", &setting]).status().expect("sysctl starts").success());
            let at = SocketAddr::from(([10, 8, 0, last], 7000));
            let listener = r2.within(|| TcpListener::bind(at).expect("a port"));
            let stream = r1.within(|| TcpStream::connect_timeout(&at, Duration::from_secs(2)));
            let (mut stream, (mut far, _)) =
                (stream.expect("a SYN goes through"), listener.accept().expect("it was connected to"));
            let forget = r2.program(&["conntrack", "-D", "-p", "tcp"]).output().expect("conntrack starts");
            assert!(forget.status.success(), "{}", String::from_utf8_lossy(&forget.stderr));
            let before = counted(&r2);
            stream.write_all(b"y").expect("it is connected");
            far.set_read_timeout(Some(Duration::from_millis(500))).expect("a time");
            let arrived = far.read(&mut [0; 1]).is_ok_and(|read| read == 1);
            // What was dropped before comes again and again, too.
            assert!(arrived || counted(&r2) > before, "it was lost elsewhere");
            arrived
        };
        assert!(!arrives(9, "0") && !arrives(9, "1"), "it was let through");
        assert!(arrives(2, "1"), "the router's own traffic is as ever");
        // The gate itself is open.
        assert_eq!(gate(&r2), Some(0));
        ip(&["delete", "10.8.0.2/24"]);
        wait_for("it is the router's own no more", || !listing(&r2).contains("10.8.0.2,"));
    });
}

/// Packets that the gate has dropped, by the kernel.
fn counted(router: &Router) -> u64 {
    let listing = listing(router);
    let counter = listing.split("counter held {").nth(1).expect("it is there").trim_start();
    counter.split(' ').nth(1).and_then(|count| count.parse().ok()).expect("packets N bytes M")
}

/// The rules themselves, in a router that forwards to none: the words are the daemon's own, taken from the kernel while it
/// stands by.
#[test]
fn what_it_drops_and_what_it_lets_through() {
    lab::run("gate::what_it_drops_and_what_it_lets_through", || {
        let (r1, r2) = standing_by(1, true);
        // The other one is not tracked.
        lab::second_link();
        wait_for("an open gate is ready", || gate(&r2) == Some(0));
        let at = |port| SocketAddr::from(([10, 8, 0, 2], port));
        let listener = r2.within(|| TcpListener::bind(at(7000)).expect("a port"));
        let connect = || r1.within(|| TcpStream::connect_timeout(&at(7000), Duration::from_secs(2)));
        let talks = |stream: &TcpStream| {
            let (mut far, _) = listener.accept().expect("it was connected to");
            far.set_read_timeout(Some(Duration::from_millis(300))).expect("a time");
            let mut stream = stream;
            stream.write_all(b"x").expect("it is connected");
            far.read(&mut [0; 1]).is_ok_and(|read| read == 1)
        };
        // The same table, kept closed by hand: only its owner may touch that of the daemon.
        let listing = listing(&r2);
        let start = listing.find("table inet syncd-gate-").expect("it is there");
        let table = listing[start..].replace("flags owner", "");
        let name = table.split(' ').nth(2).expect("a name").to_owned();
        // nft says who made the table.
        let table = table.replace("# progname nft", "").replacen(&name, "closed-gate", 1);
        let rules = r2.path("closed.nft");
        fs::write(
            &rules,
            format!("{table}\nadd element inet closed-gate closed {{ ipv4 timeout 1m, ipv6 timeout 1m }}\n"),
        )
        .expect("/run is ours");
        let known = connect().expect("nothing is closed");
        assert!(talks(&known));
        let loaded = r2.program(&["nft", "-f", &rules.to_string_lossy()]).output().expect("nft starts");
        assert!(loaded.status.success(), "{}\n{table}", String::from_utf8_lossy(&loaded.stderr));

        // New connections and those that are known go on.
        let fresh = connect().expect("a SYN goes through");
        assert!(talks(&fresh));
        // What the kernel does not know any more is in the middle of a connection: dropped, not answered with a reset.
        let forget = r2.program(&["conntrack", "-D", "-p", "tcp"]).output().expect("conntrack starts");
        assert!(forget.status.success(), "{}", String::from_utf8_lossy(&forget.stderr));
        for loose in ["0", "1"] {
            let setting = format!("net.netfilter.nf_conntrack_tcp_loose={loose}");
            assert!(r2.program(&["sysctl", "-qw", &setting]).status().expect("sysctl starts").success());
            (&fresh).write_all(b"y").expect("nobody has reset it");
            wait_for("it is dropped", || {
                let counted = r2.program(&["nft", "list", "counter", "inet", "closed-gate", "held"]).output();
                let counted = String::from_utf8_lossy(&counted.expect("nft starts").stdout).into_owned();
                !counted.contains("packets 0 ")
            });
            assert!(fresh.take_error().expect("a socket").is_none(), "it was reset");
            let flows = r2.table("ipv4").to_string();
            assert!(!flows.contains("7000"), "a flow was made of it: {flows}");
            let reset = r2.program(&["nft", "reset", "counter", "inet", "closed-gate", "held"]).output();
            assert!(reset.expect("nft starts").status.success());
        }
    });
}
