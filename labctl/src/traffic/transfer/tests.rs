//! Real sessions through a router with real helpers, and through one without.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use super::{Servers, TransferGroup, TransferKind, TransferReport, TransferSpec, TransferState, Transfers};
use crate::link::stage;
use crate::probes::expectations::dump_expectations;
use crate::probes::flows::dump_flows;

const KINDS: [TransferKind; 3] = [TransferKind::FtpPassive, TransferKind::FtpActive, TransferKind::Sip];

/// Only control flows may be new; everything else must have been announced.
const RULES: &str = "
table inet r {
  chain pre {
    type nat hook prerouting priority -100;
    iifname lan ip daddr 10.1.0.1 tcp dport 21 dnat ip to 198.51.100.10;
    iifname lan ip daddr 10.1.0.1 udp dport 5060 dnat ip to 198.51.100.10;
  }
  chain post {
    type nat hook postrouting priority 100;
    oifname wan ip saddr 10.1.0.0/24 meta l4proto { tcp, udp } snat ip to 198.51.100.1 fully-random;
  }
  chain forward {
    type filter hook forward priority 0; policy drop;
    ct state established,related accept
    iifname lan tcp dport 21 accept
    iifname lan udp dport 5060 accept
    meta l4proto tcp reject with tcp reset
  }
}";

const HELPERS: &str = "
table inet h {
  ct helper ftp { type \"ftp\" protocol tcp; }
  ct helper sip { type \"sip\" protocol udp; }
  chain pre {
    type filter hook prerouting priority mangle;
    iifname lan tcp dport 21 ct helper set \"ftp\"
    iifname lan udp dport 5060 ct helper set \"sip\"
  }
}";

struct Routed {
    client: OwnedFd,
    router: OwnedFd,
    server: OwnedFd,
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

impl Routed {
    fn new(rules: &[&str]) -> Self {
        let routed =
            Self { client: stage::namespace(), router: stage::namespace(), server: stage::namespace() };
        let router = routed.router.as_fd();
        for (host, name, own, gateway) in [
            (&routed.client, "lan", "10.1.0.10", "10.1.0.1"),
            (&routed.server, "wan", "198.51.100.10", "198.51.100.1"),
        ] {
            stage::veth(host.as_fd(), "eth0", router, name);
            stage::address(host.as_fd(), "eth0", ip(own), 24);
            stage::address(router, name, ip(gateway), 24);
            stage::gateway(host.as_fd(), ip(gateway));
        }
        stage::setting(router, "ipv4/ip_forward", "1");
        for rules in rules {
            stage::rules(router, rules);
        }
        routed
    }

    /// Of each kind two sessions, straight to the server and through the router's address.
    fn start(&self) -> (Servers, Transfers) {
        let mut groups = Vec::new();
        for kind in KINDS {
            let port = if kind == TransferKind::Sip { 5060 } else { 21 };
            let listen = SocketAddr::new(ip("198.51.100.10"), port);
            for target in ["198.51.100.10", "10.1.0.1"] {
                let target = SocketAddr::new(ip(target), port);
                groups.push(TransferGroup { kind, count: 2, target, listen, bytes: 300_000 });
            }
        }
        let spec = TransferSpec { groups, seed: 3 };
        let mut servers = Servers::new().expect("events");
        let transfers = Transfers::start(&spec, &mut servers, self.client.as_fd(), self.server.as_fd());
        (servers, transfers.expect("transfers"))
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

/// Reports until it is as wanted; fails with every session's detail.
fn reported(transfers: &Transfers, wanted: impl Fn(&TransferReport) -> bool) -> TransferReport {
    let deadline = soon();
    loop {
        let report = transfers.report();
        if wanted(&report) {
            return report;
        }
        assert!(Instant::now() < deadline, "{report:?}\n{:#?}", transfers.details());
        std::thread::yield_now();
    }
}

#[test]
fn what_was_announced_is_carried_through_a_router_that_translates() {
    stage::act(module_path!(), "what_was_announced_is_carried_through_a_router_that_translates", || {
        let routed = Routed::new(&[RULES, HELPERS]);
        let (_servers, transfers) = routed.start();
        let report = transfers.wait_announced(soon());
        assert_eq!(
            (report.wanted, report.announced, report.failed),
            (12, 12, 0),
            "{:#?}",
            transfers.details()
        );
        assert_eq!(report.complete, 0, "nobody has given the word");
        // One for each file, and for each call two sides with voice and its control (RFC 3550, section 11).
        let expectations = dump_expectations(routed.router.as_fd()).expect("expectations");
        assert_eq!(expectations.len(), 8 + 4 * 4, "{expectations:#?}");

        transfers.fulfil();
        let report = reported(&transfers, |report| report.complete + report.failed == 12);
        assert_eq!((report.complete, report.corrupted_bytes), (12, 0), "{:#?}", transfers.details());
        assert!(report.slowest_ms.is_some_and(|slowest| slowest >= 2_400), "{report:?}");

        for detail in transfers.details() {
            assert_eq!((detail.written.len(), detail.read.len()), (2, 2), "{detail:?}");
            let translated = detail.written.iter().zip(&detail.read);
            let lengths: Vec<_> = translated.map(|(written, read)| written.len() != read.len()).collect();
            // Straight to the server only what the client announces is rewritten.
            let wanted = match (detail.number / 2, detail.kind) {
                (0, "ftp-passive") => [false, false],
                (4, "sip") => [true, false],
                _ => [true, true],
            };
            assert_eq!(lengths, wanted, "{detail:?}");
            if detail.kind != "sip" {
                assert_eq!(detail.received, 600_000, "{detail:?}");
            }
        }
        let flows = dump_flows(routed.router.as_fd()).expect("flows");
        let shifted =
            flows.iter().filter_map(|flow| flow.shifts).map(|shifts| shifts.map(|shift| shift.after != 0));
        let count = |wanted| shifted.clone().filter(|shifted| *shifted == wanted).count();
        let (by_client, by_server) = ([true, false], [false, true]);
        assert_eq!(
            (count(by_client), count(by_server)),
            (4, 2),
            "PORT of four sessions, 227 of two: {flows:#?}"
        );
        let expected = flows.iter().filter(|flow| flow.expected()).count();
        assert_eq!(expected, 8 * 2 + 4, "every data connection and every call's voice was expected");
        assert_eq!(dump_expectations(routed.router.as_fd()).expect("expectations"), []);
        transfers.stop();
    });
}

#[test]
fn without_helpers_nothing_is_carried() {
    stage::act(module_path!(), "without_helpers_nothing_is_carried", || {
        let routed = Routed::new(&[RULES]);
        let (_servers, transfers) = routed.start();
        // Straight to the server a passive announcement is right without a helper; everything else is wrong at once.
        let report = transfers.wait_announced(soon());
        assert_eq!((report.announced, report.failed), (2, 10), "{:#?}", transfers.details());
        transfers.fulfil();
        let report = reported(&transfers, |report| report.failed == 12);
        assert_eq!(report.complete, 0);
        for detail in transfers.details() {
            assert_eq!(detail.state, TransferState::Failed, "{detail:?}");
            let error = detail.error.unwrap_or_default();
            let wanted = if detail.announced { "refused" } else { "no helper has rewritten it" };
            assert!(error.contains(wanted), "{error}");
        }
    });
}
