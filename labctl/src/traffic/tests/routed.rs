//! Real streams through a router that translates addresses, as the lab's router pair does.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

use super::streams::{ASKING, DOWNLOAD, judged, soon};
use crate::link::namespace::run_in;
use crate::link::stage;
use crate::probes::flows::dump_flows;
use crate::traffic::{Kind, StreamGroup, Traffic, TrafficSpec};

/// The router's rules: source NAT to its own address for everything from the LAN, and DNAT of port 8000.
const RULES: &str = "
table inet r {
  chain pre { type nat hook prerouting priority -100; iifname lan ip daddr 10.1.0.1 tcp dport 8000 dnat ip to 10.2.0.2:5000; }
  chain post {
    type nat hook postrouting priority 100;
    oifname wan ip saddr 10.1.0.0/24 meta l4proto udp snat ip to 10.2.0.1 fully-random;
    oifname wan ip saddr 10.1.0.0/24 snat ip to 10.2.0.1;
    oifname wan ip6 saddr fd00:1::/64 snat ip6 to fd00:2::1;
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
    fn new() -> Self {
        let routed =
            Self { client: stage::namespace(), router: stage::namespace(), server: stage::namespace() };
        let router = routed.router.as_fd();
        for (host, name, net) in [(&routed.client, "lan", 1), (&routed.server, "wan", 2)] {
            stage::veth(host.as_fd(), "eth0", router, name);
            for (ns, interface, own) in [(host.as_fd(), "eth0", 2), (router, name, 1)] {
                stage::address(ns, interface, ip(&format!("10.{net}.0.{own}")), 24);
                stage::address(ns, interface, ip(&format!("fd00:{net}::{own}")), 64);
            }
            stage::gateway(host.as_fd(), ip(&format!("10.{net}.0.1")));
            stage::gateway(host.as_fd(), ip(&format!("fd00:{net}::1")));
        }
        stage::setting(router, "ipv4/ip_forward", "1");
        stage::setting(router, "ipv6/conf/all/forwarding", "1");
        stage::rules(router, RULES);
        routed
    }

    fn start(&self, groups: Vec<StreamGroup>) -> Traffic {
        Traffic::start(TrafficSpec { groups, seed: 1 }, self.client.as_fd(), self.server.as_fd())
            .expect("traffic")
    }
}

fn server(port: u16) -> SocketAddr {
    SocketAddr::new(ip("10.2.0.2"), port)
}

#[test]
fn nat_is_passed_and_seen() {
    stage::act(module_path!(), "nat_is_passed_and_seen", || {
        let routed = Routed::new();
        let echo = Kind::Echo { per_second: 10, bytes: 64 };
        let redirected = StreamGroup {
            listen: server(5_000),
            ..StreamGroup::new(DOWNLOAD, 2, SocketAddr::new(ip("10.1.0.1"), 8_000))
        };
        let traffic = routed.start(vec![
            StreamGroup::new(DOWNLOAD, 2, server(5_000)),
            redirected,
            StreamGroup::new(ASKING, 2, SocketAddr::new(ip("fd00:2::2"), 5_001)),
            StreamGroup::new(Kind::Udp { per_second: 10, bytes: 64 }, 2, server(5_002)),
            StreamGroup::new(echo, 2, server(0)),
            StreamGroup::new(echo, 2, SocketAddr::new(ip("fd00:2::2"), 0)),
        ]);
        assert!(traffic.wait_open(soon(10)).all(), "{:#?}", traffic.streams(Instant::now()));
        judged(&traffic, |report| report.alive == 12 && report.corrupted_bytes == 0);
        for detail in traffic.streams(Instant::now()).iter().filter(|detail| detail.kind != "echo") {
            let seen = detail.seen_as.map(|seen| seen.ip());
            assert!(seen == Some(ip("10.2.0.1")) || seen == Some(ip("fd00:2::1")), "{detail:?}");
        }
        let flows = dump_flows(routed.router.as_fd()).expect("the router's flows");
        let count = |protocol| flows.iter().filter(|f| f.protocol == protocol && f.src_nat()).count();
        assert_eq!([6, 17, 1, 58].map(count), [6, 2, 2, 2], "{flows:#?}");
        assert_eq!(flows.iter().filter(|flow| flow.dst_nat()).count(), 2);
    });
}

#[test]
fn a_datagram_stream_that_is_born_anew_is_not_the_same() {
    stage::act(module_path!(), "a_datagram_stream_that_is_born_anew_is_not_the_same", || {
        let routed = Routed::new();
        let traffic =
            routed.start(vec![StreamGroup::new(Kind::Udp { per_second: 20, bytes: 64 }, 4, server(5_002))]);
        assert!(traffic.wait_open(soon(10)).all());
        let first = judged(&traffic, |report| report.alive == 4);
        assert_eq!(first.reset, 0);
        let before: Vec<_> = traffic.streams(Instant::now()).iter().map(|detail| detail.seen_as).collect();
        // The router forgets, as one does that takes over without replication; answers go on to come.
        let forget = || Command::new("conntrack").args(["-D", "-p", "udp"]).output();
        let forgotten = run_in(routed.router.as_fd(), forget).expect("conntrack(8)");
        assert!(forgotten.status.success(), "{}", String::from_utf8_lossy(&forgotten.stderr));
        let after = judged(&traffic, |report| report.reset == 4);
        assert_eq!((after.alive, after.opened), (0, 4));
        for (detail, before) in traffic.streams(Instant::now()).iter().zip(before) {
            assert_ne!(detail.seen_as, before);
            assert!(detail.error.as_ref().is_some_and(|why| why.contains("a new flow")), "{detail:?}");
        }
    });
}

#[test]
fn two_hundred_streams_keep_their_pace() {
    stage::act(module_path!(), "two_hundred_streams_keep_their_pace", || {
        let routed = Routed::new();
        let traffic = routed.start(vec![
            StreamGroup::new(DOWNLOAD, 100, server(5_000)),
            StreamGroup::new(ASKING, 100, server(5_001)),
        ]);
        assert!(traffic.wait_open(soon(20)).all());
        let cpu = || {
            let usage = getrusage(UsageWho::RUSAGE_SELF).expect("usage");
            [usage.user_time(), usage.system_time()].map(|time| time.num_microseconds())
        };
        let received = || traffic.streams(Instant::now()).iter().map(|stream| stream.received).sum::<u64>();
        let (start, before, bytes) = (Instant::now(), cpu(), received());
        // The measurement is over time itself: there is no condition to wait for.
        std::thread::park_timeout(Duration::from_secs(2));
        let (elapsed, after) = (start.elapsed().as_secs_f64(), cpu());
        let rate = (received() - bytes) as f64 / elapsed;
        let share = |part: usize| 100.0 * (after[part] - before[part]) as f64 / 1e6 / elapsed;
        println!("{:.1} MB/s, user {:.1} %, system {:.1} % of one core", rate / 1e6, share(0), share(1));
        // 100 x 1.5 Mbit/s and 100 x 20 x 128 bytes are 19 MB/s; a busy machine may lag, never hurry.
        assert!((12.0e6..21.0e6).contains(&rate), "{rate} bytes per second");
        assert_eq!(judged(&traffic, |report| report.alive == 200).corrupted_bytes, 0);
    });
}
