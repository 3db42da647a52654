//! VyOS's keys in their rarer values: protocols, helpers, addresses of IPv6, several addresses to receive on, and a limit
//! that changes under flows.

use syncd_conntrack::QuerySocket;
use syncd_core::flow::{Expectation, ExtraSet, Extras, HelperName, Parent, Whole};

use super::*;

fn reload(router: &mut Router, lines: &'static str) {
    router.add_to_configuration(lines);
    router.configure(MULTICAST);
    let output = router.syncd(&["reload"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn in_sync() -> (Router, Router) {
    let (mut r1, mut r2) = two_routers();
    r1.start(MULTICAST);
    r2.start(MULTICAST);
    r1.wait_until_in_sync();
    r2.wait_until_in_sync();
    (r1, r2)
}

/// An echo of IPv6 between these hosts of fd09::/64, or of fd0b::/64.
fn echo(net: u8, id: u16) -> Flow {
    let address = |last| Address::from_v6([0xfd, net, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
    let mut flow = Flow::new(Family::V6, Protocol::ICMP6, Tuple::icmp(address(1), address(2), id, 128, 0));
    flow.present = AttrSet::REPLY.with(AttrSet::STATUS);
    flow.status = Status(Status::SEEN_REPLY | Status::CONFIRMED);
    flow
}

/// How many flows of each protocol the standby holds, those that are there at all.
fn protocols(router: &Router) -> Vec<(String, usize)> {
    let document = router.json(&["show", "conntrack-sync", "external-cache"]);
    let mut found = std::collections::BTreeMap::new();
    for flow in document["flows"].as_array().expect("a list") {
        *found.entry(flow["protocol"].as_str().expect("a name").to_owned()).or_insert(0) += 1;
    }
    found.into_iter().collect()
}

/// Every protocol that VyOS names; of DCCP this kernel knows no ports, so that there is one flow between two hosts.
#[test]
fn each_protocol_of_accept_protocol_crosses_alone_and_ipv6_is_ignored_by_network() {
    lab::run(
        "keys::vyos::each_protocol_of_accept_protocol_crosses_alone_and_ipv6_is_ignored_by_network",
        || {
            let (mut r1, r2) = in_sync();
            insert(&r1, &one_of_each());
            let v4 = |protocol| flow(Family::V4, protocol, 7001);
            insert(&r1, &[v4(Protocol::SCTP), v4(Protocol::DCCP), echo(9, 1), echo(11, 2)]);
            wait_for("all are there", || cache(&r2, "external-cache") == kernel(&r1));
            assert_eq!(cache(&r2, "external-cache").len(), 10);

            let only = |router: &mut Router, lines: &'static str, wanted: &[(&str, usize)]| {
                reload(router, lines);
                let wanted: Vec<(String, usize)> =
                    wanted.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
                wait_for(lines, || protocols(&r2) == wanted);
            };
            only(&mut r1, "  accept-protocol: [sctp, dccp]\n", &[("dccp", 1), ("sctp", 1)]);
            only(&mut r1, "  accept-protocol: icmp6\n", &[("icmpv6", 2)]);
            only(&mut r1, "  accept-protocol: [icmp6, tcp]\n", &[("icmpv6", 2), ("tcp", 4)]);
            // What is born now keeps to it, too.
            insert(&r1, &[flow(Family::V4, Protocol::UDP, 7002), echo(9, 3)]);
            wait_for("the echo is there", || protocols(&r2)[0] == ("icmpv6".to_owned(), 3));
            assert_eq!(protocols(&r2).len(), 2);

            // The addresses that the lab's own configuration ignores are there already: the key is written anew.
            reload(&mut r1, "");
            wait_for("all are back", || cache(&r2, "external-cache") == kernel(&r1));
            let text = fs::read_to_string(r1.path("syncd.yaml")).expect("it was written");
            let text = text.replace("127.0.0.0/8]", "127.0.0.0/8, \"fd09::/64\", \"fd0b::1\"]");
            fs::write(r1.path("syncd.yaml"), text).expect("/run is ours");
            assert_eq!(text_of(&r1, &["reload"]), "reloaded: changed ignore-address\n");
            wait_for("IPv6 has left", || protocols(&r2).iter().all(|(name, _)| name != "icmpv6"));
            assert_eq!(cache(&r2, "external-cache").len(), 8);
            insert(&r1, &[echo(9, 4), echo(12, 5)]);
            wait_for("another network is not ignored", || cache(&r2, "external-cache").len() == 9);
        },
    );
}

fn text_of(router: &Router, words: &[&str]) -> String {
    let output = router.syncd(words);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// A flow of that helper to that port, and what it announces.
fn announcing(helper: &str, protocol: Protocol, port: u16, announced: Protocol) -> (Whole, Expectation) {
    let mut flow = flow(Family::V4, protocol, port);
    (flow.original.target_port, flow.reply.source_port) = (port, port);
    let mut extras = Extras::EMPTY;
    extras.helper = HelperName::new(helper.as_bytes()).expect("a name");
    extras.said(ExtraSet::HELPER);
    let parent = Parent { original: flow.original, family: flow.family, protocol: flow.protocol };
    let everything = Address::from_v4([255; 4]);
    let tuple = Tuple { source_port: 0, target_port: port + 30_000, ..flow.original };
    let mask = Tuple { source: everything, target: everything, source_port: 0, target_port: u16::MAX };
    let expectation = Expectation {
        helper: extras.helper,
        class: Some(0),
        ..Expectation::new(parent, announced, tuple, mask)
    };
    (Whole::new(flow, extras), expectation)
}

/// The helpers in the names of this kernel. It has none of conntrackd's programs for `nfs` and `sqlnet`
/// (`NF_CT_NETLINK_HELPER`), so of these it is seen only that they stand beside the others and let nothing in.
#[test]
fn expectations_of_h323_cross_and_others_do_not() {
    lab::run("keys::vyos::expectations_of_h323_cross_and_others_do_not", || {
        let (mut r1, mut r2) = two_routers();
        for router in [&mut r1, &mut r2] {
            router.add_to_configuration("  expect-sync: [h323, nfs, sqlnet]\n");
            router.start(MULTICAST);
        }
        r1.wait_until_in_sync();
        r2.wait_until_in_sync();
        let all = [
            announcing("Q.931", Protocol::TCP, 1720, Protocol::TCP),
            announcing("RAS", Protocol::UDP, 1719, Protocol::TCP),
            announcing("sip", Protocol::UDP, 5060, Protocol::UDP),
            announcing("ftp", Protocol::TCP, 21, Protocol::TCP),
        ];
        r1.within(|| {
            let (mut socket, mut batch) = (RequestSocket::open().expect("a socket"), Batch::new());
            for ((parent, expectation), token) in all.iter().zip((0..).step_by(2)) {
                batch.create(token, parent, 600);
                batch.create_expectation(token + 1, expectation);
            }
            socket.send(&mut batch).expect("the kernel takes it");
            socket.outcomes(|token, outcome| assert_eq!(outcome, Ok(()), "{token}")).expect("answers");
        });
        let ports = |router: &Router, of: &str| -> Vec<u64> {
            let document = router.json(&["show", "conntrack-sync", of, "expect"]);
            let list = document["expectations"].as_array().expect("a list");
            let mut ports: Vec<u64> =
                list.iter().map(|it| it["tuple"]["target_port"].as_u64().expect("a port")).collect();
            ports.sort_unstable();
            ports
        };
        wait_for("both of H.323 are there", || ports(&r2, "external-cache") == [31_719, 31_720]);
        wait_for("the flows are, all", || cache(&r2, "external-cache").len() == 4);
        assert_eq!(ports(&r1, "internal-cache"), [31_719, 31_720]);
        assert!(r2.syncd(&["role", "backup"]).status.success());
        assert!(r2.syncd(&["role", "primary"]).status.success());
        let found =
            r2.within(|| QuerySocket::open().expect("a socket").dump_expectations().expect("a dump").0);
        let mut helpers: Vec<String> = found.iter().map(|it| it.helper.to_string()).collect();
        helpers.sort_unstable();
        assert_eq!(helpers, ["Q.931", "RAS"]);
        assert_eq!(kernel(&r2), kernel(&r1));
    });
}

/// The addresses, and links, on which a router receives what the peer says, as the kernel tells them.
fn receiving(router: &Router) -> BTreeSet<String> {
    let sockets = router.program(&["ss", "-uHlnO"]).output().expect("ss of iproute2").stdout;
    let text = String::from_utf8(sockets).expect("text");
    let locals = text.lines().filter_map(|line| line.split_whitespace().nth(3));
    locals.filter(|local| local.ends_with(":3780")).map(str::to_owned).collect()
}

/// Two links, one of each family, and two addresses on each of them.
#[test]
fn of_several_addresses_those_of_listen_address_are_received_on() {
    lab::run("keys::vyos::of_several_addresses_those_of_listen_address_are_received_on", || {
        let (mut r1, mut r2) = two_routers();
        lab::second_link();
        for (name, last) in [("r1", "1"), ("r2", "2")] {
            lab::ip(&["-n", name, "address", "add", &format!("10.9.0.1{last}/24"), "dev", "sync"]);
            for host in ["", "1"] {
                let address = format!("fd0b::{host}{last}/64");
                lab::ip(&["-n", name, "address", "add", &address, "dev", "more", "nodad"]);
            }
        }
        r1.add_to_configuration("  listen-address: [10.9.0.11, \"fd0b::1\"]\n");
        r2.add_to_configuration("  listen-address: [10.9.0.2, \"fd0b::12\"]\n");
        r1.start("{ peer: 10.9.0.2 }, more: { peer: \"fd0b::12\" }");
        r2.start("{ peer: 10.9.0.11 }, more: { peer: \"fd0b::1\" }");
        r1.wait_until_in_sync();
        r2.wait_until_in_sync();
        assert_eq!(receiving(&r1), ["10.9.0.11%sync:3780", "[fd0b::1]%more:3780"].map(str::to_owned).into());
        assert_eq!(receiving(&r2), ["10.9.0.2%sync:3780", "[fd0b::12]%more:3780"].map(str::to_owned).into());
        insert(&r1, &one_of_each());
        wait_for("over IPv4", || cache(&r2, "external-cache") == kernel(&r1));
        lab::ip(&["-n", "r1", "link", "set", "sync", "down"]);
        insert(&r1, &[flow(Family::V4, Protocol::UDP, 7001)]);
        wait_for("over IPv6", || cache(&r2, "external-cache") == kernel(&r1));

        // An address that the link does not have is refused, whole, while the daemon goes on.
        let text = fs::read_to_string(r1.path("syncd.yaml")).expect("it was written");
        fs::write(r1.path("syncd.yaml"), text.replace("fd0b::1\"", "fd0b::99\"")).expect("/run is ours");
        let output = r1.syncd(&["reload"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && said.contains("fd0b::99"), "{said}");
        assert_eq!(receiving(&r1), ["10.9.0.11%sync:3780", "[fd0b::1]%more:3780"].map(str::to_owned).into());
    });
}

#[test]
fn a_limit_that_is_lowered_removes_nothing_and_a_raised_one_lets_the_rest_in() {
    lab::run("keys::vyos::a_limit_that_is_lowered_removes_nothing_and_a_raised_one_lets_the_rest_in", || {
        let (r1, mut r2) = in_sync();
        let many = |ports: std::ops::RangeInclusive<u16>| -> Vec<Flow> {
            ports.map(|port| flow(Family::V4, Protocol::UDP, port)).collect()
        };
        let status = |router: &Router| router.json(&["show", "conntrack-sync", "status"]);
        insert(&r1, &many(1..=1200));
        wait_for("they are there", || status(&r2)["external_flows"] == 1200);
        reload(&mut r2, "  cache-limit: 1000\n");
        assert_eq!(status(&r2)["external_flows"], 1200);
        insert(&r1, &many(2001..=2010));
        wait_for("that is told", || status(&r2)["sync"]["state"] == "diverged");
        let text = text_of(&r2, &["show", "conntrack-sync", "status"]);
        assert!(text.contains("1000"), "{text}");
        assert_eq!(status(&r2)["external_flows"], 1200);
        reload(&mut r2, "  cache-limit: 2000\n");
        wait_for("the rest is let in", || status(&r2)["external_flows"] == 1210);
        r2.wait_until_in_sync();
        assert_eq!(cache(&r2, "external-cache"), kernel(&r1));
    });
}
