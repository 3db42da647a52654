//! A valid file gives what it says; a wrong one gives the texts in `snapshots/cli`, all of them at once.

mod rules;

use std::net::Ipv4Addr;
use std::time::Instant;

use syncd_core::flow::{Address, Family, Flow, HelperName, Protocol, Tuple};

use super::masters::Master;
use super::*;

/// The texts an operator sees, in `snapshots/cli/config-NAME.snap`.
fn shows(name: &str, text: &str) {
    let invalid = read::config(Path::new("syncd.yaml"), text).expect_err("the case is wrong in some way");
    snapshot(name, text, &invalid);
}

fn snapshot(name: &str, text: &str, invalid: &Invalid) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../../../snapshots/cli");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(format!("config-{name}"), format!("{text}\n----\n{invalid}")));
}

fn valid(text: &str) -> Config {
    read::config(Path::new("syncd.yaml"), text).unwrap_or_else(|invalid| panic!("{invalid}"))
}

const VRRP: &str = "  failover-mechanism: { vrrp: { sync-group: syncgrp } }\n";

/// A file of which only one section matters.
fn with(section: &str) -> String {
    format!("conntrack-sync:\n{section}{VRRP}")
}

#[test]
fn the_documented_example() {
    let config = valid(
        "conntrack-sync:
  interface:
    eth2: {}
  mcast-group: 225.0.0.51
  accept-protocol: [tcp, udp, icmp, icmp6]
  ignore-address: [192.0.2.0/24]
  failover-mechanism:
    vrrp: { sync-group: syncgrp, notify-fifo: /run/keepalived/syncd.fifo }
  event-listen-queue-size: 16
  sync-queue-size: 2
  cache-limit: 250000
",
    );
    let group = SocketAddr::from(([225, 0, 0, 51], 3780));
    assert_eq!(config.links.len(), 1);
    assert_eq!(config.links[0].interface, "eth2");
    assert_eq!(config.links[0].transport, Transport::Multicast(group));
    assert_eq!((config.event_buffer, config.channel_buffer), (16 << 20, 2 << 20));
    assert_eq!(config.cache_limit, Some(250_000));
    assert_eq!(config.failover.sync_group, "syncgrp");
    assert_eq!(config.failover.notify_fifo.as_deref(), Some(Path::new("/run/keepalived/syncd.fifo")));
    let flow = |protocol, source: [u8; 4]| {
        let tuple = Tuple { source: Address::from_v4(source), ..Tuple::default() };
        Flow::new(Family::V4, protocol, tuple)
    };
    assert!(config.filter.accepts(&flow(Protocol::TCP, [10, 0, 0, 1])));
    assert!(!config.filter.accepts(&flow(Protocol::TCP, [192, 0, 2, 9])));
    assert!(!config.filter.accepts(&flow(Protocol::SCTP, [10, 0, 0, 1])));
}

#[test]
fn defaults_are_conntrackds_and_vyoses() {
    let config = valid(&with("  interface:\n    eth2:\n"));
    let group = SocketAddr::from(([225, 0, 0, 50], 3780));
    assert_eq!(config.links[0].transport, Transport::Multicast(group));
    assert_eq!((config.event_buffer, config.channel_buffer), (8 << 20, 1 << 20));
    assert_eq!((config.failover.notify_fifo, config.listen.len()), (None, 0));
    let every = Flow::new(Family::V6, Protocol(99), Tuple::default());
    assert!(config.filter.accepts(&every));
}

#[test]
fn startup_resync_is_what_always_happens() {
    for value in ["", " true", " {}", " ~"] {
        valid(&with(&format!("  interface: {{ eth2: {{}} }}\n  startup-resync:{value}\n")));
    }
    shows("startup-resync-off", &with("  interface: { eth2: {} }\n  startup-resync: false\n"));
    shows("startup-resync-text", &with("  interface: { eth2: {} }\n  startup-resync: sometimes\n"));
}

#[test]
fn values_as_vyos_writes_them() {
    let config = valid(&with(
        "  interface: { eth2: { peer: 192.0.2.2, port: \"3781\" } }\n  listen-address: 192.0.2.1\n  accept-protocol: tcp\n",
    ));
    let peer = SocketAddr::from(([192, 0, 2, 2], 3781));
    assert_eq!(config.links[0].transport, Transport::Unicast(peer));
    assert_eq!(config.listen[0].address, Ipv4Addr::new(192, 0, 2, 1));
}

#[test]
fn syntax() {
    shows("syntax-tab", "conntrack-sync:\n\tinterface: {}\n");
    shows("syntax-bracket", "conntrack-sync:\n  interface: { eth2: {}\n  mcast-group: 225.0.0.50\n");
    shows("syntax-indentation", "conntrack-sync:\n  interface:\n    eth2: {}\n   mcast-group: 225.0.0.50\n");
    shows("empty", "# nothing yet\n");
    shows("not-a-map", "- conntrack-sync\n");
    shows("types", &with("  interface: [eth2]\n  mcast-group: [1]\n  accept-protocol: { tcp: yes }\n"));
}

#[test]
fn everything_wrong_is_shown_at_once() {
    shows(
        "many",
        "conntrack-sync:
  interface:
    eth2: { pear: 192.0.2.2, port: 0 }
    eth3: { peer: 192.0.2.9, port: 70000 }
    a/b: {}
  mcast-group: 192.0.2.50
  accept-protocol: [tcp, icmpv6, tcp, TCP, foo]
  ignore-address:
    - 192.0.2.0/24
    - 10.0.0.0/33
    - nonsense
    - 192.0.2.7/24
  listen-adress: 192.0.2.1
  failover-mechanism:
    vrrp: { notify-fifo: relative }
  event-listen-queue-size: 8MB
  sync-queue-size: 0
  purge-timeout: 60
  sync-queue-size: 2
",
    );
}

#[test]
fn what_was_meant_is_said() {
    let links = "conntrack-sync:\n  failover-mechanism: vrrp\n";
    shows("interface-as-a-word", &format!("{links}  interface: eth1\n  metrics: unix:/run/metrics\n"));
    shows("interface-as-a-list", &format!("{links}  interface: [eth1, eth2]\n"));
    shows("interface-as-a-number", &format!("{links}  interface: 1\n"));
    let vrrp = "conntrack-sync:\n  failover-mechanism: { vrrp: syncgrp }\n";
    shows(
        "peer-behind-an-interface",
        &format!("{vrrp}  interface: {{ eth1: 192.0.2.2, eth2: \"fe80::2%eth2\" }}\n"),
    );
    // What is misspelt is not missing, too.
    let misspelt =
        "conntrack-sync:\n  interfaces: { eth1: {} }\n  failover-mechanisms: { vrrp: { sync-group: G } }\n";
    shows("misspelt", misspelt);
    shows(
        "misspelt-inside",
        "conntrack-sync:\n  interface: { eth1: {} }\n  failover-mechanism: { vrp: { sync-group: G } }\n",
    );
    let interface = "conntrack-sync:\n  interface: { eth1: {} }\n";
    shows("misspelt-group", &format!("{interface}  failover-mechanism: {{ vrrp: {{ syncgroup: G }} }}\n"));
    shows("misspelt-at-the-top", "conntracksync:\n  interface: { eth1: {} }\n");
}

#[test]
fn a_file_of_another_program_is_recognised() {
    shows("foreign-vyos", include_str!("../../tests/import/current.vyos"));
    for (name, text) in [
        ("conntrackd", include_str!("../../tests/import/00-multicast.conf")),
        ("vyos-rendered", include_str!("../../tests/import/vyos-rendered.conf")),
        ("puppet", include_str!("../../tests/import/puppet.conf")),
        ("ansible", include_str!("../../tests/import/ansible.conf")),
    ] {
        let invalid = read::config(Path::new("conntrackd.conf"), text).unwrap_err();
        let said = invalid.to_string();
        assert!(said.contains("this is a conntrackd.conf") && said.contains("1 problem"), "{name}: {said}");
        assert!(said.contains("'syncd import conntrackd conntrackd.conf' prints"), "{name}: {said}");
    }
    shows(
        "foreign-vyos-blocks",
        "service {\n    conntrack-sync {\n        interface eth1 {\n        }\n    }\n}\n",
    );
    // Ours is ours, whatever it says.
    let said =
        read::config(Path::new("a"), "conntrack-sync:\n  General: {}\nSync: {}\n").unwrap_err().to_string();
    assert!(!said.contains("import"), "{said}");
}

#[test]
fn a_limit_that_no_cache_can_have_is_refused() {
    for limit in [1_000, 100_000_000] {
        let text = with(&format!("  interface: {{ eth2: {{}} }}\n  cache-limit: {limit}\n"));
        assert_eq!(valid(&text).cache_limit, Some(limit));
    }
    assert_eq!(valid(&with("  interface: { eth2: {} }\n")).cache_limit, None);
    for (limit, said) in [
        ("999", "999 is out of range"),
        ("100000001", "100000001 is out of range"),
        ("-1", "-1 is out of range"),
        ("512MB", "a whole number is expected here, not '512MB'"),
        ("", "a whole number is expected here, not nothing"),
    ] {
        let text = with(&format!("  interface: {{ eth2: {{}} }}\n  cache-limit: {limit}\n"));
        let shown = read::config(Path::new("syncd.yaml"), &text).expect_err(limit).to_string();
        assert!(shown.contains(&format!("conntrack-sync.cache-limit: {said}")), "{shown}");
        assert!(
            shown.contains("write a whole number of flows from 1000 to 100000000; without it, twice"),
            "{shown}"
        );
    }
}

#[test]
fn aliases_stand_for_something_and_not_for_everything() {
    let twice = "  interface: { eth2: &link { port: 3780 } }\n  ignore-address: [&net 192.0.2.0/24]\n";
    assert_eq!(valid(&with(twice)).links.len(), 1);
    let long = format!("a: &a \"{}\"\nb: [{}]\n", "x".repeat(5000), "*a, ".repeat(1000));
    let said = read::config(Path::new("syncd.yaml"), &long).expect_err("5 MB of text").to_string();
    assert!(said.contains("its aliases stand for too much"), "{said}");
}

#[test]
fn brackets_without_end_are_no_configuration() {
    let said = |text: &str| read::config(Path::new("syncd.yaml"), text).expect_err("nonsense").to_string();
    let deep = said(&format!("# a comment\n{}", "[".repeat(60_000)));
    assert!(deep.contains("syncd.yaml:2:1001: this is no YAML: it opens more than 1000 brackets"), "{deep}");
    let wide = said(&"{}\n".repeat(1001));
    assert!(wide.contains("syncd.yaml:1001:1: this is no YAML: it opens more than"), "{wide}");
    let few = said(&format!("# {}", "[{".repeat(500)));
    assert!(!few.contains("brackets"), "{few}");
}

#[test]
fn a_file_without_end_is_no_configuration() {
    let said = load(Path::new("/dev/zero")).expect_err("it has no end").to_string();
    assert!(said.contains("longer than 65536 bytes; name a configuration"), "{said}");
}

#[test]
fn of_a_file_full_of_problems_a_readable_part_is_shown() {
    let keys: String = (0..200).map(|number| format!("  key{number}: {{}}\n")).collect();
    let invalid = read::config(Path::new("syncd.yaml"), &with(&keys)).expect_err("unknown keys");
    let said = invalid.to_string();
    // One more: no interface.
    assert!(said.starts_with("cannot use syncd.yaml: 201 problems"), "{said}");
    assert!(said.ends_with("\nand 151 more: repair these first"), "{said}");
    assert_eq!((invalid.problems().len(), said.matches("remedy").count()), (50, 50));
}

/// Whoever asks what there is reads all of it, and whole words of what is too long.
#[test]
fn the_names_of_all_keys_have_room_and_no_word_is_cut() {
    let said = read::config(Path::new("syncd.yaml"), &with("  zebra: 1\n")).expect_err("no key").to_string();
    let known = said.split_once("known here: ").expect("a list").1.lines().next().expect("a line");
    assert_eq!(known, keys::below("").join(", "));

    assert_eq!(shortened("every word", 10), "every word");
    assert_eq!(shortened("every word of it", 14), "every word of …");
    assert_eq!(shortened("every word of it", 12), "every word …");
    assert_eq!(shortened(&"\u{e4}".repeat(60), 50), "\u{e4}".repeat(50) + "…");
}

#[test]
fn a_file_full_of_problems_costs_little_more_than_its_parsing() {
    // The least of some: others have the processor too.
    fn least(work: impl Fn()) -> Duration {
        let timed = |_| {
            let began = Instant::now();
            work();
            began.elapsed()
        };
        (0..5).map(timed).min().unwrap()
    }
    let many = |item: fn(usize) -> String| (0..60_000 / item(1000).len()).map(item).collect::<String>();
    for text in [
        many(|number| format!("key{number}: x\n")),
        with(&many(|number| format!("  key{number}: a value\n"))),
        with(&many(|_| "  log-level: loud\n".to_owned())),
        with(&format!("  ignore-address:\n{}", many(|number| format!("    - a{number}\n")))),
        with(&format!("  interface:\n{}", many(|number| format!("    e{number}:\n      peer: there\n")))),
    ] {
        assert!(text.len() > 50_000);
        let parsing = least(|| drop(node::parse(&text).expect("YAML")));
        let reading =
            least(|| drop(understand(Path::new("syncd.yaml"), text.as_bytes()).expect_err("wrong")));
        assert!(reading < 10 * parsing, "{reading:?}, of which parsing takes {parsing:?}: {}", &text[..300]);
    }
}

#[test]
fn of_a_long_line_the_place_of_the_problem_is_shown() {
    let known = "mcast-group: 225.0.0.50, ".repeat(2) + &"sync-queue-size: 1, ".repeat(10);
    let text = format!("conntrack-sync: {{ {known}\u{e4}: 1, {known}last: 1 }}\n");
    let said = read::config(Path::new("syncd.yaml"), &text).expect_err("unknown keys").to_string();
    let lines: Vec<&str> = said.lines().collect();
    let mut met = Vec::new();
    for (shown, caret) in lines.iter().zip(&lines[1..]) {
        let Some(at) = caret.chars().position(|c| c == '^').filter(|_| shown.contains(" | ")) else {
            continue;
        };
        assert!(shown.chars().count() < 140, "{said}");
        met.push(shown.chars().skip(at).take(4).collect::<String>());
    }
    assert!(met.contains(&"\u{e4}: 1".to_owned()) && met.contains(&"last".to_owned()), "{met:?}\n{said}");
    assert!(
        met.iter().all(|met| ["\u{e4}: 1", "last", "mcas", "sync", "conn"].contains(&met.as_str())),
        "{met:?}"
    );
}

#[test]
fn expectations_are_chosen_by_helper() {
    let of = |value: &str| valid(&with(&format!("  interface: {{ eth2: {{}} }}\n{value}"))).filter;
    let name = |text: &str| HelperName::new(text.as_bytes()).expect("a name");
    assert!(!of("").wants_expectations());
    let all = of("  expect-sync: all\n");
    assert!(all.wants_expectations() && all.accepts_helper(name("anything")));
    let some = of("  expect-sync: [ftp, h323, nfs]\n");
    for helper in ["ftp", "ftp-2121", "RAS", "Q.931", "H.245", "rpc"] {
        assert!(some.accepts_helper(name(helper)), "{helper}");
    }
    for helper in ["sip", "tns", "tftp"] {
        assert!(!some.accepts_helper(name(helper)), "{helper}");
    }
    shows("expect-sync", &with("  interface: { eth2: {} }\n  expect-sync: [ftp, FTP, ftp, all, pptp]\n"));
}

#[test]
fn nothing_is_configured() {
    shows("no-section", "interface: { eth2: {} }\n");
    shows("no-keys", "conntrack-sync: {}\n");
    shows(
        "no-sync-group",
        "conntrack-sync:\n  interface: { eth2: {} }\n  failover-mechanism: { vrrp: {} }\n",
    );
    shows("no-interface", &with("  interface: {}\n"));
}

#[test]
fn links_that_cannot_be_together() {
    shows("mixed", &with("  interface:\n    eth1: {}\n    eth2: { peer: 192.0.2.2 }\n"));
    shows("same-group", &with("  interface: { eth1: {}, eth2: {} }\n"));
    shows("same-peer", &with("  interface: { eth1: { peer: 192.0.2.2 }, eth2: { peer: 192.0.2.2 } }\n"));
    shows(
        "five-links",
        &with("  interface: { a: {port: 1}, b: {port: 2}, c: {port: 3}, d: {port: 4}, e: {port: 5} }\n"),
    );
}

#[test]
fn a_wrong_key_hides_no_combination() {
    // Both the unknown keys and what is impossible, in one go.
    shows(
        "unknown-and-mixed",
        &with(
            "  interface:
    eth2: { peer: 192.0.2.2, prt: 3780 }
    eth3: {}
  listen-address: [192.0.2.2, 192.0.2.1]
",
        ),
    );
    shows(
        "unknown-and-same",
        &with("  interface: { eth1: { peer: 192.0.2.2, mtu: 9000 }, eth2: { peer: 192.0.2.2 } }\n"),
    );
    // What is not known is not guessed: no word of mixing, none of the same port.
    shows(
        "unknown-peer",
        &with("  interface: { eth1: { pear: 192.0.2.2, port: 1 }, eth2: { peer: 192.0.2.2, port: 2 } }\n"),
    );
    shows(
        "unknown-port",
        &with(
            "  interface: { eth1: { peer: 192.0.2.2, prt: 3781 }, eth2: { peer: 192.0.2.2 }, eth3: { peer: 192.0.2.2, port: 0 } }\n",
        ),
    );
}

#[test]
fn addresses_that_cannot_be() {
    shows("listen-in-multicast", &with("  interface: { eth2: {} }\n  listen-address: 192.0.2.1\n"));
    shows(
        "listen-is-peer",
        &with(
            "  interface: { eth2: { peer: 192.0.2.2 } }\n  listen-address: [192.0.2.2, 192.0.2.1, 192.0.2.1]\n",
        ),
    );
    shows(
        "peer-is-no-host",
        &with(
            "  interface: { eth1: { peer: 225.0.0.50 }, eth2: { peer: 0.0.0.0, port: 1 }, eth3: { peer: 1.2 } }\n",
        ),
    );
}

#[test]
fn an_end_of_line_does_not_matter_for_the_place() {
    let text = with("  interface: { eth2: {} }\n  mcast-group: 10.0.0.1\n").replace('\n', "\r\n");
    let invalid = read::config(Path::new("syncd.yaml"), &text).expect_err("not a multicast address");
    assert_eq!((invalid.problems()[0].line(), invalid.problems()[0].column()), (Some(3), Some(16)));
}

fn machine() -> Vec<Interface> {
    let interface = |name: &str, addresses: &[[u8; 4]]| Interface {
        name: name.to_owned(),
        addresses: addresses.iter().copied().map(IpAddr::from).collect(),
        running: true,
        master: None,
    };
    let of = |kind: &str, name: &str| Some(Master { kind: kind.to_owned(), name: name.to_owned() });
    let red = Interface { master: of("vrf", "red"), ..interface("eth4", &[[10, 66, 0, 1]]) };
    let port = Interface { master: of("bridge", "br0"), ..interface("eth5", &[[10, 66, 1, 1]]) };
    vec![
        interface("lo", &[[127, 0, 0, 1]]),
        interface("eth1", &[]),
        interface("eth2", &[[192, 0, 2, 1], [192, 0, 2, 5]]),
        interface("eth3", &[[198, 51, 100, 1]]),
        red,
        port,
    ]
}

#[test]
fn the_machine_must_have_what_is_named() {
    let on_this_machine = |name, section: &str| {
        let text = with(section);
        let invalid = valid(&text).check_system(&machine(), None).expect_err("it does not fit");
        snapshot(name, &text, &invalid);
    };
    on_this_machine("missing-interface", "  interface: { eth7: {}, eth1: { port: 3781 } }\n");
    on_this_machine("own-peer", "  interface: { eth2: { peer: 198.51.100.1 } }\n");
    on_this_machine(
        "listen-elsewhere",
        "  interface: { eth2: { peer: 192.0.2.2 } }\n  listen-address: 198.51.100.1\n",
    );
    on_this_machine(
        "listen-nowhere",
        "  interface: { eth2: { peer: 192.0.2.2 } }\n  listen-address: 203.0.113.1\n",
    );
}

#[test]
fn the_kernel_must_not_give_as_much_time_as_is_lent() {
    let refused = |key: &str, seconds: u32| {
        let longest = Some(("nf_conntrack_tcp_timeout_established".to_owned(), seconds));
        valid(&with(&format!("  interface: {{ eth2: {{}} }}\n{key}")))
            .check_preload(longest)
            .map(|problem| format!("{}; {}", problem.reason, problem.remedy))
    };
    let key = "  disable-external-cache: true\n";
    assert_eq!(refused(key, 432_000), None);
    assert_eq!(refused("", 1_728_000), None);
    let said = refused(key, 1_728_000).expect("it cannot be told from what is lent");
    assert!(said.contains("nf_conntrack_tcp_timeout_established is 1728000"), "{said}");
    assert!(said.contains("below 1468800"), "{said}");
}

#[test]
fn our_address_on_a_link() {
    let own = |section: &str| valid(&with(section)).check_system(&machine(), None).expect("it fits").own;
    assert_eq!(own("  interface: { eth2: {} }\n"), [Ipv4Addr::new(192, 0, 2, 1)]);
    let second = own("  interface: { eth2: { peer: 192.0.2.2 } }\n  listen-address: 192.0.2.5\n");
    assert_eq!(second, [Ipv4Addr::new(192, 0, 2, 5)]);
}

#[test]
fn our_address_on_an_ipv6_link() {
    let address = |text: &str| text.parse::<IpAddr>().expect("an address");
    let addresses = ["192.0.2.1", "2001:db8::1", "fe80::1", "fe80::5"].map(address).to_vec();
    let machine = [
        Interface { name: "eth2".to_owned(), addresses, running: true, master: None },
        Interface {
            name: "eth3".to_owned(),
            addresses: vec![address("fe80::2")],
            running: true,
            master: None,
        },
    ];
    let own = |section: &str| valid(&with(section)).check_system(&machine, None).expect("it fits").own;
    assert_eq!(own("  interface: { eth2: { peer: \"2001:db8::2\" } }\n"), [address("2001:db8::1")]);
    // A link-local peer is another host than the one of that address on another link.
    assert_eq!(own("  interface: { eth2: { peer: \"fe80::2\" } }\n"), [address("fe80::1")]);
    let second = "  interface: { eth2: { peer: \"fe80::2%eth2\" } }\n  listen-address: \"fe80::5\"\n";
    assert_eq!(own(second), [address("fe80::5")]);
    assert_eq!(own("  interface: { eth2: {} }\n  mcast-group: ff02::50\n"), [address("fe80::1")]);
    let twins = valid(&with("  interface: { eth2: { peer: \"fe80::9\" }, eth3: { peer: \"fe80::9\" } }\n"));
    assert_eq!(twins.links.len(), 2, "the same link-local address on two links are two hosts");
}
