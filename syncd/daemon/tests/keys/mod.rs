//! Keys that no other test here is about: each in a router that has it.

mod vyos;

use super::log::{read, with_stderr};
use super::*;

fn check_here(router: &Router) -> (bool, String) {
    let config = router.path("syncd.yaml");
    let words = [env!("CARGO_BIN_EXE_syncd"), "check", "--here", &config.to_string_lossy()];
    let output = router.program(&words).output().expect("syncd starts");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).expect("text"))
}

#[test]
fn with_disable_external_cache_the_flows_are_in_the_kernel_that_stands_by() {
    lab::run("keys::with_disable_external_cache_the_flows_are_in_the_kernel_that_stands_by", || {
        let (mut r1, mut r2) = two_routers();
        r2.add_to_configuration("  disable-external-cache: true\n  startup-resync: true\n");
        r1.start(MULTICAST);
        r2.start(MULTICAST);
        r2.notify("GROUP \"G1\" BACKUP 0\n");
        wait_for("backup", || r2.json(&["show", "conntrack-sync", "status"])["role"] == "backup");
        insert(&r1, &one_of_each());
        let there = kernel(&r1);
        wait_for("the flows are in the kernel", || kernel(&r2) == there);
        assert_eq!(cache(&r2, "external-cache"), there);
        assert!(timeouts(&r2).iter().all(|left| *left > 1_000_000), "nobody refreshes them here");

        let output = r2.syncd(&["role", "primary"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(kernel(&r2), there);
        let status = r2.json(&["show", "conntrack-sync", "status"]);
        assert_eq!((&status["commit"]["committed"], &status["commit"]["failed"]), (&0.into(), &0.into()));
        wait_for("their own time", || timeouts(&r2).iter().all(|left| *left <= 432_000));
        wait_for("they are r2's own", || cache(&r2, "external-cache").is_empty());
        assert_eq!(kernel(&r2), there);
    });
}

/// Seconds that are left of the IPv4 flows of a router's kernel.
fn timeouts(router: &Router) -> Vec<u64> {
    let table = router.table("ipv4");
    let flows = table["flows"].as_array().expect("a list");
    flows.iter().map(|flow| flow["timeout"].as_u64().expect("a number")).collect()
}

#[test]
fn committed_flows_live_for_the_commit_timeout() {
    lab::run("keys::committed_flows_live_for_the_commit_timeout", || {
        let (mut r1, mut r2) = two_routers();
        r2.add_to_configuration("  commit-timeout: 77\n");
        r1.start(MULTICAST);
        r2.start(MULTICAST);
        insert(&r1, &one_of_each());
        wait_for("the flows are there", || cache(&r2, "external-cache") == kernel(&r1));
        assert!(r2.syncd(&["role", "primary"]).status.success());
        let table = r2.table("ipv4");
        let flows = table["flows"].as_array().expect("a list");
        assert_eq!(flows.len(), 5);
        for flow in flows {
            let left = flow["timeout"].as_u64().expect("a number");
            assert!((50..=77).contains(&left), "{flow}");
        }
    });
}

#[test]
fn with_disable_syslog_the_running_daemon_says_nothing() {
    lab::run("keys::with_disable_syslog_the_running_daemon_says_nothing", || {
        let (mut r1, _) = two_routers();
        r1.add_to_configuration("  disable-syslog: true\n");
        r1.under(with_stderr("/run/r1/stderr", false));
        r1.start_plainly(MULTICAST);
        r1.notify("GROUP \"G1\" MASTER 0\n");
        wait_for("primary", || r1.json(&["show", "conntrack-sync", "status"])["role"] == "primary");
        assert_eq!(r1.end(Signal::SIGTERM), Some(0));
        assert_eq!(read(&r1, "stderr"), "");
        // Why it does not start it says all the same.
        r1.add_to_configuration("  disable-syslog: true\n  port: 1\n");
        r1.configure(MULTICAST);
        let ended = r1.run_command().status().expect("it starts");
        assert!(!ended.success() && read(&r1, "stderr").contains("unknown key"), "{}", read(&r1, "stderr"));
    });
}

/// What the file that keepalived reads lacks, keeps the daemon from starting; what that file includes counts.
#[test]
fn the_file_that_keepalived_reads_must_fit() {
    lab::run("keys::the_file_that_keepalived_reads_must_fit", || {
        let (r1, _) = two_routers();
        r1.configure(MULTICAST);
        let config = fs::read_to_string(r1.path("syncd.yaml")).expect("it was written");
        let keepalived = r1.path("keepalived.conf");
        let named = format!("vrrp: {{ keepalived-config: {},", keepalived.display());
        let config = config.replace("vrrp: {", &named);
        fs::write(r1.path("syncd.yaml"), &config).expect("/run is ours");
        let says = |expected: &str| {
            let (valid, said) = check_here(&r1);
            assert!(!valid && said.contains(expected), "{said}");
        };
        says("keepalived-config cannot be read");
        let include = format!("include {}\n", r1.path("groups.conf").display());
        fs::write(&keepalived, &include).expect("/run is ours");
        fs::write(r1.path("groups.conf"), "vrrp_sync_group G2 { group { a } }\n").expect("/run is ours");
        says("VRRP sync-group G1 is not configured");
        let groups = "vrrp_instance a { }\nvrrp_sync_group G1 { group { a } }\n";
        fs::write(r1.path("groups.conf"), groups).expect("/run is ours");
        says("keepalived does not write to /run/r1/fifo");
        assert!(!r1.run_command().output().expect("it starts").status.success());
        fs::write(&keepalived, format!("global_defs {{ vrrp_notify_fifo /run/r1/fifo }}\n{include}"))
            .expect("/run is ours");
        let (valid, said) = check_here(&r1);
        assert!(valid, "{said}");
        let mut daemon = r1.run_command().spawn().expect("it starts");
        wait_for("the control socket answers", || {
            r1.syncd(&["show", "conntrack-sync", "status"]).status.success()
        });
        daemon.kill().expect("it is our child");
        daemon.wait().expect("it is our child");
    });
}

/// Whether a buffer is as large as a key says, or as the machine allows (`limit`) whoever is not its root.
fn is_of(bytes: u64, megabytes: u64, limit: &str) -> bool {
    let allowed = fs::read_to_string(format!("/proc/sys/net/core/{limit}")).ok();
    let allowed = allowed.and_then(|text| text.trim().parse().ok()).unwrap_or(u64::MAX);
    let wanted = megabytes << 20;
    bytes == wanted || bytes == wanted.min(allowed)
}

#[test]
fn the_buffer_for_events_grows_up_to_its_key_and_no_further() {
    lab::run("keys::the_buffer_for_events_grows_up_to_its_key_and_no_further", || {
        let (mut r1, mut r2) = two_routers();
        r1.add_to_configuration("  event-listen-queue-size: 1\n");
        r2.add_to_configuration("  event-listen-queue-size: 3\n");
        // More than 3 MB hold.
        let many: Vec<Flow> = (1..=20_000).map(|port| flow(Family::V4, Protocol::TCP, port)).collect();
        for (router, first, limit) in [(&mut r1, 1, 1), (&mut r2, 2, 3)] {
            router.start(MULTICAST);
            let statistics = || router.json(&["show", "conntrack-sync", "statistics"]);
            let buffer = || statistics()["daemon"]["event_buffer_bytes"].as_u64().expect("a number");
            assert!(is_of(buffer(), first, "rmem_max"), "{}", buffer());
            router.signal(Signal::SIGSTOP);
            insert(router, &many);
            router.signal(Signal::SIGCONT);
            wait_for("the loss is noticed", || statistics()["kernel"]["overruns"].as_u64() > Some(0));
            assert!(is_of(buffer(), limit, "rmem_max"), "{}", buffer());
        }
    });
}

#[test]
fn the_sockets_of_the_dedicated_link_have_the_buffer_of_their_key() {
    lab::run("keys::the_sockets_of_the_dedicated_link_have_the_buffer_of_their_key", || {
        let (mut r1, mut r2) = two_routers();
        r1.add_to_configuration("  sync-queue-size: 1\n");
        r2.add_to_configuration("  sync-queue-size: 3\n");
        for (router, megabytes) in [(&mut r1, 1), (&mut r2, 3)] {
            router.start(MULTICAST);
            let seen = router.program(&["ss", "-H", "-a", "-n", "-u", "-m"]).output().expect("ip starts");
            let seen = String::from_utf8(seen.stdout).expect("text");
            // What is asked for is doubled by the kernel, for its own bookkeeping.
            let has = |letters: &str, limit: &str| {
                seen.split([',', '(', ')'])
                    .filter_map(|word| word.strip_prefix(letters)?.parse::<u64>().ok())
                    .any(|bytes| is_of(bytes / 2, megabytes, limit))
            };
            assert!(has("rb", "rmem_max") && has("tb", "wmem_max"), "{seen}");
        }
    });
}

/// The samples of VyOS's rules, on interfaces that are there. What keepalived's file must have is above.
#[test]
fn each_rule_of_vyos_refuses_on_a_real_machine() {
    lab::run("keys::each_rule_of_vyos_refuses_on_a_real_machine", || {
        let (r1, _) = two_routers();
        for (one, other) in [("eth1", "eth4"), ("eth2", "eth3")] {
            lab::ip(&["-n", "r1", "link", "add", one, "type", "veth", "peer", "name", other]);
        }
        lab::ip(&["-n", "r1", "address", "add", "192.0.2.1/30", "dev", "eth2"]);
        lab::ip(&["-n", "r1", "address", "add", "192.0.2.9/30", "dev", "eth3"]);
        for name in ["eth1", "eth2", "eth3", "eth4"] {
            lab::ip(&["-n", "r1", "link", "set", name, "up"]);
        }
        for (sample, expected) in [
            ("v01-accept-protocol", "unknown protocol 'icmpv6'"),
            ("v02-expect-sync", "unknown helper 'pptp'"),
            ("v03-port", "65536 is not a port"),
            ("v04-no-interface", "conntrack-sync: no interface"),
            ("v05-interface-exists", "there is no interface eth7"),
            ("v06-interface-without-address", "interface eth1 requires an IPv4 address"),
            ("v07-unicast-and-multicast", "cannot mix unicast and multicast mode"),
            ("v08-all-and-others", "all and others"),
            ("v09-listen-address-nowhere", "203.0.113.9 is not assigned to any interface"),
            ("v10-no-sync-group", "no VRRP sync-group defined"),
        ] {
            let text = fs::read(format!("{}/tests/rules/{sample}.yaml", env!("CARGO_MANIFEST_DIR")));
            fs::write(r1.path("syncd.yaml"), text.expect("it is there")).expect("/run is ours");
            let (valid, said) = check_here(&r1);
            assert!(!valid && said.contains(expected), "{sample}: {said}");
        }
        // Nor does the daemon start; here with the last of them.
        assert!(!r1.run_command().output().expect("it starts").status.success());
    });
}
