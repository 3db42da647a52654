//! `syncd doctor` in a router that is right in all things, and then wrong in one at a time: it says that one thing, and of
//! the right one nothing.

use super::*;

/// README's "A first configuration", with these addresses and `sync` for the dedicated link.
const RULES: &str = r#"
flush ruleset
table inet filter {
    chain raw_in {
        type filter hook prerouting priority raw;
        meta l4proto vrrp notrack
        iifname "sync" notrack
    }
    chain raw_out {
        type filter hook output priority raw;
        meta l4proto vrrp notrack
        oifname "sync" notrack
    }
    chain input {
        type filter hook input priority filter; policy drop;
        iifname "lo" accept
        iifname { "eth0", "eth1" } meta l4proto vrrp accept
        iifname "sync" udp dport 3780 accept
        ct state invalid drop
        ct state established,related accept
        meta l4proto { icmp, ipv6-icmp } accept
        iifname "eth0" tcp dport 22 accept
    }
    chain forward {
        type filter hook forward priority filter; policy drop;
        ct state invalid drop
        ct state established,related accept
        iifname "eth0" oifname "eth1" tcp flags & (fin | syn | rst | ack) == syn accept
        iifname "eth0" oifname "eth1" meta l4proto { udp, icmp } accept
    }
}
table ip nat {
    chain postrouting {
        type nat hook postrouting priority srcnat;
        ip saddr 10.0.0.0/24 oifname "eth1" snat to 198.51.100.1
    }
}
"#;

const KEEPALIVED: &str = "
global_defs {
    vrrp_version 3
    vrrp_startup_delay 5
    vrrp_notify_fifo /run/r1/fifo
    fifo_write_vrrp_states_on_reload
}
vrrp_sync_group G1 {
    group {
        lan
        wan
    }
}
vrrp_instance lan {
    state BACKUP
    nopreempt
    interface eth0
    virtual_router_id 51
    priority 150
    virtual_ipaddress {
        10.0.0.1/24
    }
}
vrrp_instance wan {
    state BACKUP
    nopreempt
    interface eth1
    virtual_router_id 52
    priority 150
    virtual_ipaddress {
        198.51.100.1/24
    }
}
";

const SETTINGS: &str = "\
sysctl -qw net.netfilter.nf_conntrack_events=1 net.netfilter.nf_conntrack_tcp_loose=0
sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.sync.rp_filter=0
ip link set sync mtu 1500 up
ip address replace 10.9.0.1/24 dev sync
ip route del 10.9.0.2/32 2>/dev/null || true
ip route del unreachable 10.9.0.2/32 2>/dev/null || true
";

/// What is made wrong in a router that is right.
enum Wrong {
    /// A command is run.
    Run(&'static str),
    /// Of the rules this is written in the place of that.
    Rules(&'static str, &'static str),
    /// Of keepalived's configuration.
    Keepalived(&'static str, &'static str),
    /// Of the dedicated link in ours.
    Link(&'static str),
}

/// The n-th block of this language in docs/handover.md.
fn documented(language: &str, number: usize) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/handover.md");
    let text = fs::read_to_string(path).expect("it is documented");
    // Behind the language stands how the block is tried.
    let block = text.split(&format!("```{language} ")).nth(number + 1).expect("there is such a block");
    let (_marks, block) = block.split_once('\n').expect("it has lines");
    block.split("```").next().expect("it ends").to_owned()
}

/// What docs/handover.md shows is what keepalived takes, and a router that is configured so has no finding.
#[test]
fn the_documented_configuration_is_right() {
    lab::run("doctor::the_documented_configuration_is_right", || {
        let (r1, _r2) = router();
        prepare(&r1, None);
        let config = documented("yaml", 0).replace("eth2", "sync");
        let (file, config_file) = (r1.path("keepalived.conf"), r1.path("syncd.yaml"));
        fs::write(&config_file, config).expect("/run is ours");
        let takes = |text: &str| {
            fs::write(&file, text).expect("/run is ours");
            let mut test = r1.program(&["keepalived", "--config-test", "--vrrp", "--use-file"]);
            let output = test.arg(&file).output().expect("keepalived is installed");
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{said}");
            assert!(!said.contains("nknown keyword") && !said.contains("deprecated"), "{said}");
        };
        let tracked = documented("keepalived", 0);
        takes(&tracked);
        let paths = [&config_file, &file].map(|path| path.to_string_lossy().into_owned());
        let mut doctor = r1.program(&[
            env!("CARGO_BIN_EXE_syncd"),
            "doctor",
            "--config",
            &paths[0],
            "--keepalived",
            &paths[1],
        ]);
        let output = doctor.output().expect("syncd starts");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && said.contains("track-file"), "{said}");

        // The other way, without a file: the rest of the configuration is the same.
        let instances = tracked.split_once("vrrp_instance").expect("there are instances").1;
        // keepalived runs no script that somebody else than root could change.
        let program = r1.path("syncd");
        fs::copy(env!("CARGO_BIN_EXE_syncd"), &program).expect("/run is ours");
        let scripted = documented("keepalived", 1).replace("/usr/sbin/syncd", &program.to_string_lossy());
        takes(&format!("{scripted}vrrp_instance{instances}"));
    });
}

fn shell(router: &Router, script: &str) {
    lab::succeed(&mut router.program(&["sh", "-ec", script]));
}

/// A router beside its peer, with a LAN and a WAN.
fn router() -> (Router, Router) {
    let (r1, r2) = two_routers();
    for (name, address) in [("eth0", "10.0.0.2/24"), ("eth1", "198.51.100.2/24")] {
        lab::ip(&["-n", "r1", "link", "add", name, "type", "veth", "peer", "name", name, "netns", "r2"]);
        lab::ip(&["-n", "r2", "link", "set", name, "up"]);
        lab::ip(&["-n", "r1", "address", "add", address, "dev", name]);
        lab::ip(&["-n", "r1", "link", "set", name, "up"]);
    }
    (r1, r2)
}

/// Makes everything right that this test makes wrong, save what `wrong` says.
fn prepare(router: &Router, wrong: Option<&Wrong>) {
    let (mut rules, mut keepalived, mut link) = (RULES.to_owned(), KEEPALIVED.to_owned(), MULTICAST);
    let put = |text: &mut String, old: &str, new: &str| {
        assert!(text.contains(old), "there is no {old}");
        *text = text.replace(old, new);
    };
    match wrong {
        Some(Wrong::Rules(old, new)) => put(&mut rules, old, new),
        Some(Wrong::Keepalived(old, new)) => put(&mut keepalived, old, new),
        Some(Wrong::Link(other)) => link = other,
        Some(Wrong::Run(_)) | None => {}
    }
    router.configure(link);
    for (name, text) in [("rules", rules), ("keepalived.conf", keepalived)] {
        fs::write(router.path(name), text).expect("/run is ours");
    }
    shell(router, SETTINGS);
    let rules = router.path("rules");
    shell(router, &format!("nft -f {}", rules.display()));
    if let Some(Wrong::Run(command)) = wrong {
        shell(router, command);
    }
}

fn ask(router: &Router, more: &[&str]) -> std::process::Output {
    let (config, keepalived) = (router.path("syncd.yaml"), router.path("keepalived.conf"));
    let files = ["--config", &config.to_string_lossy(), "--keepalived", &keepalived.to_string_lossy()]
        .map(str::to_owned);
    let words = [env!("CARGO_BIN_EXE_syncd"), "doctor"];
    let words = words.into_iter().chain(files.iter().map(String::as_str)).chain(more.iter().copied());
    router.program(&words.collect::<Vec<_>>()).output().expect("syncd starts")
}

/// The document, whose exit code is held against its findings.
fn document(router: &Router) -> Value {
    let output = ask(router, &["--json"]);
    let document: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("no JSON: {}", String::from_utf8_lossy(&output.stderr)));
    let none = document["findings"].as_array().expect("a list").is_empty();
    assert_eq!(output.status.code(), Some(i32::from(!none)), "{document}");
    document
}

fn all<'a>(document: &'a Value, list: &str, key: &str) -> Vec<&'a str> {
    let list = document[list].as_array().expect("a list").iter();
    list.map(|one| one[key].as_str().expect("a text")).collect()
}

/// The one thing that is wrong, by its check, and a part of what is said of it.
const EACH: [(&str, &str, Wrong); 33] = [
    ("configuration", "unknown key", Wrong::Run("echo 'unheard-of: 1' >> /run/r1/syncd.yaml")),
    ("events", "nf_conntrack_events is 2", Wrong::Run("sysctl -qw net.netfilter.nf_conntrack_events=2")),
    ("events", "nf_conntrack_events is 0", Wrong::Run("sysctl -qw net.netfilter.nf_conntrack_events=0")),
    (
        "tcp-loose",
        "nf_conntrack_tcp_loose is 1",
        Wrong::Run("sysctl -qw net.netfilter.nf_conntrack_tcp_loose=1"),
    ),
    (
        "input-invalid",
        "by eth1 (IPv4): rule 1 of 'inet filter input'",
        Wrong::Rules(
            "iifname \"lo\" accept\n",
            "iifname \"eth1\" reject with icmp type admin-prohibited\n iifname \"lo\" accept\n",
        ),
    ),
    (
        "input-invalid",
        "reach the router itself by eth1 (IPv4)",
        Wrong::Rules("udp dport 3780 accept\n", "udp dport 3780 accept\n tcp dport 1024-65535 accept\n"),
    ),
    (
        "forward-invalid",
        "eth1 to eth0 (IPv4)",
        Wrong::Rules(
            "policy drop;\n        ct state invalid drop\n        ct state established,related accept\n        iifname \"eth0\" oifname",
            "policy accept;\n        ct state established,related accept\n        iifname \"eth0\" oifname",
        ),
    ),
    (
        "vrrp-tracked",
        "eth0 (IPv4), eth1 (IPv4)",
        Wrong::Rules(
            "priority raw;\n        meta l4proto vrrp notrack\n        oifname",
            "priority raw;\n        oifname",
        ),
    ),
    (
        "vrrp-tracked",
        "eth1 (IPv4)",
        Wrong::Rules(
            "meta l4proto vrrp notrack\n        iifname",
            "iifname eth0 meta l4proto vrrp notrack\n        iifname",
        ),
    ),
    (
        "vrrp-tracked",
        "eth0",
        // Exempted when conntrack has seen it.
        Wrong::Rules(
            "meta l4proto vrrp notrack\n        oifname \"sync\" notrack\n    }",
            "oifname \"sync\" notrack\n    }\n    chain late {\n type filter hook output priority filter;\n meta l4proto vrrp notrack\n    }",
        ),
    ),
    (
        "sync-tracked",
        "sync",
        Wrong::Rules("iifname \"sync\" notrack", "iifname \"sync\" udp dport 3781 notrack"),
    ),
    ("sync-tracked", "sync", Wrong::Rules("oifname \"sync\" notrack", "")),
    ("snat-wide", "rule 1 of 'ip nat postrouting'", Wrong::Rules("ip saddr 10.0.0.0/24 oifname", "oifname")),
    (
        "snat-wide",
        "eth0 (IPv4)",
        Wrong::Rules("ip saddr 10.0.0.0/24 oifname \"eth1\"", "ip saddr 10.0.0.0/8"),
    ),
    ("snat-target", "masquerades", Wrong::Rules("snat to 198.51.100.1", "masquerade")),
    ("snat-target", "198.51.100.2, which", Wrong::Rules("snat to 198.51.100.1", "snat to 198.51.100.2")),
    (
        "snat-target",
        "198.51.100.1, which",
        Wrong::Keepalived("198.51.100.1/24", "198.51.100.7/24\n 198.51.100.8/24"),
    ),
    (
        "return",
        "nopreempt counts with 'state BACKUP' only",
        Wrong::Run("sed -i 's/state BACKUP/state MASTER/; /startup_delay/d' /run/r1/keepalived.conf"),
    ),
    ("role-told", "writes into no FIFO", Wrong::Keepalived("vrrp_notify_fifo /run/r1/fifo", "")),
    (
        "role-told",
        "/run/other, and syncd reads /run/r1/fifo",
        Wrong::Keepalived("/run/r1/fifo", "/run/other"),
    ),
    ("role-reload", "does not repeat", Wrong::Keepalived("fifo_write_vrrp_states_on_reload", "")),
    ("sync-group", "it has G2", Wrong::Keepalived("vrrp_sync_group G1", "vrrp_sync_group G2")),
    (
        "sync-group",
        "wan with shared addresses",
        Wrong::Keepalived("        lan\n        wan\n", "        lan\n"),
    ),
    ("sync-group", "names dmz", Wrong::Keepalived("        wan\n", "        wan\n        dmz\n")),
    (
        "return",
        "lan, wan may take over at once",
        Wrong::Run("sed -i '/nopreempt/d; /startup_delay/d' /run/r1/keepalived.conf"),
    ),
    ("link", "sync is down or has no carrier", Wrong::Run("ip link set sync down")),
    ("link", "there is no interface eth7", Wrong::Run("sed -i 's/{ sync: /{ eth7: /' /run/r1/syncd.yaml")),
    ("link", "sync has no IPv4 address", Wrong::Run("ip address flush dev sync")),
    ("mtu", "1400 bytes", Wrong::Run("ip link set sync mtu 1400")),
    (
        "route",
        "no route to 10.9.0.2",
        Wrong::Run("sysctl -qw net.ipv4.conf.sync.rp_filter=1; ip route replace unreachable 10.9.0.2/32"),
    ),
    (
        "route",
        "looked for from 198.51.100.2 and not by sync, whose rp_filter is strict",
        Wrong::Run("sysctl -qw net.ipv4.conf.sync.rp_filter=1; ip route replace 10.9.0.2/32 dev eth1"),
    ),
    ("route", "no route to 10.8.0.2", Wrong::Link("{ peer: 10.8.0.2, port: 3780 }")),
    (
        "snat-target",
        "198.51.100.4, which",
        Wrong::Rules("snat to 198.51.100.1", "snat to 198.51.100.1-198.51.100.4"),
    ),
];

#[test]
fn a_router_that_is_right_has_no_finding_and_each_fault_one() {
    lab::run("doctor::a_router_that_is_right_has_no_finding_and_each_fault_one", || {
        let (r1, _r2) = router();
        for (check, what, wrong) in &EACH {
            prepare(&r1, None);
            let right = document(&r1);
            assert_eq!(all(&right, "findings", "what"), [""; 0], "before {check}");
            assert_eq!(all(&right, "not_checked", "why"), [""; 0], "before {check}");
            prepare(&r1, Some(wrong));
            let document = document(&r1);
            assert_eq!(all(&document, "findings", "check"), [*check], "{what}: {document}");
            assert!(all(&document, "findings", "what")[0].contains(what), "{what}: {document}");
        }
    });
}

/// [`RULES`] as iptables has them, of either kind.
const IPTABLES: &str = "\
-t raw -A PREROUTING -p vrrp -j CT --notrack
-t raw -A PREROUTING -i sync -j CT --notrack
-t raw -A OUTPUT -p vrrp -j CT --notrack
-t raw -A OUTPUT -o sync -j CT --notrack
-P INPUT DROP
-A INPUT -i lo -j ACCEPT
-A INPUT -i eth+ -p vrrp -j ACCEPT
-A INPUT -i sync -p udp --dport 3780 -j ACCEPT
-A INPUT -m conntrack --ctstate INVALID -j DROP
-A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
-A INPUT -i eth0 -p tcp --dport 22 -m comment --comment 'from -j DROP' -j ACCEPT
-P FORWARD DROP
-A FORWARD -m state --state INVALID -j DROP
-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
-A FORWARD -i eth0 -o eth1 -p tcp --syn -j ACCEPT
-t nat -A POSTROUTING -s 10.0.0.0/24 -o eth1 -j SNAT --to-source 198.51.100.1
";

/// The finding, and what is written of the rules in the place of what.
const OF_IPTABLES: [(&str, &str, &str, &str); 6] = [
    (
        "input-invalid",
        "by eth1 (IPv4): rule 1 of 'iptables -t filter -S INPUT'",
        "-A INPUT -i lo -j ACCEPT\n",
        "-A INPUT -i eth1 -j REJECT --reject-with icmp-admin-prohibited\n-A INPUT -i lo -j ACCEPT\n",
    ),
    (
        "forward-invalid",
        "eth1 to eth0 (IPv4)",
        "-P FORWARD DROP\n-A FORWARD -m state --state INVALID -j DROP\n",
        "",
    ),
    ("vrrp-tracked", "eth0 (IPv4), eth1 (IPv4)", "-t raw -A OUTPUT -p vrrp -j CT --notrack\n", ""),
    (
        "sync-tracked",
        "sync",
        "-t raw -A PREROUTING -i sync -j CT --notrack\n",
        "-t raw -A PREROUTING -i sync -j CT --zone 7\n",
    ),
    ("snat-wide", "rule 1 of 'iptables -t nat -S POSTROUTING'", "-s 10.0.0.0/24 -o eth1", "-o eth1"),
    ("snat-target", "masquerades", "-j SNAT --to-source 198.51.100.1", "-j MASQUERADE"),
];

#[test]
fn the_rules_of_iptables_are_judged_as_well() {
    lab::run("doctor::the_rules_of_iptables_are_judged_as_well", || {
        let (r1, _r2) = router();
        for kind in ["nft", "legacy"] {
            let load = |rules: &str| {
                let empty = ["raw", "filter", "nat"].map(|table| format!("-t {table} -F\n")).concat();
                let all = format!("{empty}-P FORWARD ACCEPT\n{rules}");
                let lines: Vec<String> =
                    all.lines().map(|line| format!("iptables-{kind} {line}\n")).collect();
                shell(&r1, &format!("nft flush ruleset\n{}", lines.concat()));
            };
            prepare(&r1, None);
            load(IPTABLES);
            let right = document(&r1);
            assert_eq!(all(&right, "findings", "what"), [""; 0], "{kind}");
            assert_eq!(all(&right, "not_checked", "why"), [""; 0], "{kind}");
            for (check, what, old, new) in OF_IPTABLES {
                assert!(IPTABLES.contains(old), "there is no {old}");
                load(&IPTABLES.replace(old, new));
                let document = document(&r1);
                assert_eq!(all(&document, "findings", "check"), [check], "{kind}: {document}");
                let said = all(&document, "findings", "what")[0].to_owned();
                assert!(said.contains(what), "{kind}: {said}");
            }
            shell(&r1, &format!("{0} -F\n{0} -t nat -F\n{0} -t raw -F", format_args!("iptables-{kind}")));
        }
    });
}

#[test]
fn a_table_that_is_full_is_a_finding() {
    lab::run("doctor::a_table_that_is_full_is_a_finding", || {
        let (r1, _r2) = router();
        prepare(&r1, None);
        let max = fs::read_to_string("/proc/sys/net/netfilter/nf_conntrack_max").expect("conntrack is here");
        let max: u32 = max.trim().parse().expect("a number");
        let flows = |range: std::ops::Range<u32>| {
            let at = |index: u32| {
                let mut flow = flow(Family::V4, Protocol::UDP, 1000);
                flow.original.source = Address::from_v4((0x0a02_0000 + index).to_be_bytes());
                flow.reply = flow.original.inverse(Protocol::UDP);
                flow
            };
            range.map(at).collect::<Vec<Flow>>()
        };
        let most = max / 100 * 79;
        insert(&r1, &flows(0..most));
        assert_eq!(all(&document(&r1), "findings", "what"), [""; 0]);
        insert(&r1, &flows(most..max / 100 * 81));
        let document = document(&r1);
        assert_eq!(all(&document, "findings", "check"), ["table-fill"]);
        assert!(all(&document, "findings", "what")[0].contains(&format!("of {max} flows")), "{document}");
    });
}

#[test]
fn what_cannot_be_looked_at_is_never_fine() {
    lab::run("doctor::what_cannot_be_looked_at_is_never_fine", || {
        let (r1, _r2) = router();
        prepare(&r1, None);
        shell(&r1, "rm /run/r1/keepalived.conf");
        let blind = document(&r1);
        let unseen = all(&blind, "not_checked", "check");
        for check in ["input-invalid", "vrrp-tracked", "snat-target", "role-told", "sync-group", "return"] {
            assert!(unseen.contains(&check), "{check}: {blind}");
        }
        shell(&r1, "rm /run/r1/syncd.yaml");
        let blind = document(&r1);
        assert_eq!(all(&blind, "findings", "check"), ["configuration"], "{blind}");
        assert!(all(&blind, "findings", "what")[0].contains("there is no /run/r1/syncd.yaml"), "{blind}");
        let text = String::from_utf8_lossy(&ask(&r1, &[]).stdout).into_owned();
        assert!(text.ends_with("1 finding, 14 of 18 checks not made, or only in part\n"), "{text}");
        prepare(&r1, None);
        // A user without rights in the namespace: nft tells him nothing.
        let text = {
            let files = [r1.path("syncd.yaml"), r1.path("keepalived.conf")];
            let [config, keepalived] = files.map(|file| file.to_string_lossy().into_owned());
            let words =
                ["setpriv", "--bounding-set=-all", "--inh-caps=-all", env!("CARGO_BIN_EXE_syncd"), "doctor"];
            let words = words.into_iter().chain(["--config", &config, "--keepalived", &keepalived]);
            r1.program(&words.collect::<Vec<_>>()).output().expect("setpriv starts")
        };
        let text = String::from_utf8_lossy(&text.stdout).into_owned();
        assert!(text.contains("not checked: input-invalid, forward-invalid, vrrp-tracked"), "{text}");
        assert!(text.contains("run as root"), "{text}");
    });
}

#[test]
fn an_ipv6_link_is_looked_at_as_well() {
    lab::run("doctor::an_ipv6_link_is_looked_at_as_well", || {
        let (r1, _r2) = router();
        shell(&r1, "ip address add fd00::1/64 dev sync nodad");
        for link in ["{ peer: 'fd00::2', port: 3780 }", "{ peer: 'fe80::2', port: 3780 }"] {
            prepare(&r1, Some(&Wrong::Link(link)));
            let right = document(&r1);
            assert_eq!(all(&right, "findings", "what"), [""; 0], "{link}");
            assert_eq!(all(&right, "not_checked", "why"), [""; 0], "{link}");
        }
        prepare(&r1, Some(&Wrong::Link("{ peer: 'fd01::2', port: 3780 }")));
        assert_eq!(all(&document(&r1), "findings", "check"), ["route"]);
    });
}
