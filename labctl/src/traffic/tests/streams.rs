//! Real streams between a client's and a server's namespace, joined by a veth pair.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use crate::link::stage;
use crate::traffic::{
    BirthSpec, Births, Kind, StreamGroup, StreamState, Traffic, TrafficReport, TrafficSpec,
};

const CLIENT: [&str; 2] = ["10.1.0.2", "fd00:1::2"];
const SERVER: [&str; 2] = ["10.1.0.1", "fd00:1::1"];
pub(super) const DOWNLOAD: Kind = Kind::Download { bits_per_second: 1_500_000 };
pub(super) const ASKING: Kind = Kind::RequestResponse { every: Duration::from_millis(50), bytes: 128 };

struct Pair {
    client: OwnedFd,
    server: OwnedFd,
}

impl Pair {
    fn new() -> Self {
        let pair = Self { client: stage::namespace(), server: stage::namespace() };
        pair.plug();
        pair
    }

    fn plug(&self) {
        stage::veth(self.client.as_fd(), "eth0", self.server.as_fd(), "eth0");
        for (ns, addresses) in [(&self.client, CLIENT), (&self.server, SERVER)] {
            for text in addresses {
                let address: IpAddr = text.parse().expect("an address");
                stage::address(ns.as_fd(), "eth0", address, if address.is_ipv4() { 24 } else { 64 });
            }
        }
    }

    fn start(&self, groups: Vec<StreamGroup>) -> Traffic {
        let spec = TrafficSpec { groups, seed: 0x5eed };
        Traffic::start(spec, self.client.as_fd(), self.server.as_fd()).expect("traffic")
    }
}

fn server(family: usize, port: u16) -> SocketAddr {
    SocketAddr::new(SERVER[family].parse().expect("an address"), port)
}

pub(super) fn soon(seconds: u64) -> Instant {
    Instant::now() + Duration::from_secs(seconds)
}

/// Judges until the report is as wanted; fails with every stream's detail after ten seconds.
pub(super) fn judged(traffic: &Traffic, wanted: impl Fn(&TrafficReport) -> bool) -> TrafficReport {
    let deadline = soon(10);
    loop {
        let report = traffic.judge(Instant::now());
        if wanted(&report) {
            return report;
        }
        assert!(Instant::now() < deadline, "{report:?}\n{:#?}", traffic.streams(Instant::now()));
        std::thread::yield_now();
    }
}

/// Adds a rule for what enters a namespace.
fn rule(ns: &OwnedFd, rule: &str) {
    stage::rules(
        ns.as_fd(),
        &format!("table ip t {{ chain in {{ type filter hook input priority 0; {rule}; }}; }}"),
    );
}

#[test]
fn every_kind_lives_in_both_families() {
    stage::act(module_path!(), "every_kind_lives_in_both_families", || {
        let pair = Pair::new();
        let kinds = [
            DOWNLOAD,
            Kind::Upload { bits_per_second: 1_000_000 },
            ASKING,
            Kind::Udp { per_second: 20, bytes: 200 },
            Kind::Echo { per_second: 10, bytes: 100 },
        ];
        let mut groups = Vec::new();
        for (family, client) in CLIENT.iter().enumerate() {
            for (port, kind) in (5_000..).zip(kinds) {
                let source = Some(client.parse().expect("an address"));
                let source_port = Some(40_000 + (port - 5_000) * 100);
                groups.push(StreamGroup {
                    source,
                    source_port,
                    ..StreamGroup::new(kind, 3, server(family, port))
                });
            }
        }
        let traffic = pair.start(groups);
        let opened = traffic.wait_open(soon(10));
        assert!(opened.all(), "{opened:?}\n{:#?}", traffic.streams(Instant::now()));
        let report = judged(&traffic, |report| report.alive == 30);
        assert_eq!((report.wanted, report.opened, report.reset, report.stalled), (30, 30, 0, 0));
        assert_eq!((report.corrupted_bytes, report.gap_ms.max), (0, None));
        for detail in traffic.streams(Instant::now()) {
            let port = 40_000 + (detail.number / 3 % 5 * 100 + detail.number % 3) as u16;
            assert_eq!(detail.local.map(|local| local.port()), Some(port), "{detail:?}");
            assert!(detail.kind == "echo" || detail.seen_as == detail.local, "{detail:?}");
        }
        traffic.stop();
    });
}

#[test]
fn a_cut_stalls_and_its_gap_is_measured() {
    stage::act(module_path!(), "a_cut_stalls_and_its_gap_is_measured", || {
        let pair = Pair::new();
        let traffic = pair.start(vec![
            StreamGroup::new(DOWNLOAD, 5, server(0, 5_000)),
            StreamGroup::new(ASKING, 5, server(1, 5_001)),
        ]);
        assert!(traffic.wait_open(soon(10)).all());
        let fault = Instant::now();
        stage::remove(pair.client.as_fd(), "eth0");
        traffic.fault_at(fault);
        let report = judged(&traffic, |report| report.stalled == 10);
        assert_eq!(report.alive, 0);
        assert!(report.gap_ms.median >= Some(2_900), "{report:?}");
        pair.plug();
        let report = judged(&traffic, |report| report.alive == 10);
        assert!(report.gap_ms.median >= Some(2_900) && report.gap_ms.max < Some(12_000), "{report:?}");
        assert_eq!(report.corrupted_bytes, 0);
    });
}

#[test]
fn who_never_opens_and_who_is_reset() {
    stage::act(module_path!(), "who_never_opens_and_who_is_reset", || {
        let pair = Pair::new();
        // Nobody listens at the target's port; somebody does at the other.
        let mut refused = StreamGroup::new(ASKING, 2, server(0, 6_000));
        refused.listen = server(0, 6_001);
        let traffic = pair.start(vec![refused, StreamGroup::new(DOWNLOAD, 2, server(0, 6_002))]);
        let opened = traffic.wait_open(soon(10));
        assert_eq!((opened.wanted, opened.opened, opened.failed), (4, 2, 2));
        let details = traffic.streams(Instant::now());
        assert_eq!(details[0].state, StreamState::NeverOpened);
        assert!(
            details[0].error.as_deref().is_some_and(|error| error.contains("refused")),
            "{:?}",
            details[0]
        );
        let report = traffic.judge(Instant::now());
        assert_eq!((report.wanted, report.opened, report.reset), (4, 2, 0));

        rule(&pair.client, "tcp sport 6002 reject with tcp reset");
        let report = judged(&traffic, |report| report.reset == 2);
        assert_eq!((report.opened, report.alive), (2, 0));
    });
}

#[test]
fn changed_bytes_are_seen() {
    stage::act(module_path!(), "changed_bytes_are_seen", || {
        let pair = Pair::new();
        let traffic = pair.start(vec![
            StreamGroup::new(DOWNLOAD, 2, server(0, 6_000)),
            StreamGroup::new(Kind::Udp { per_second: 50, bytes: 200 }, 2, server(0, 6_001)),
        ]);
        assert!(traffic.wait_open(soon(10)).all());
        // The kernel repairs the checksum of what the rule changes, so that only the pattern can tell. The byte lies in
        // the payload: behind the 32 bytes of a TCP header with timestamps, and behind UDP's header and ours.
        rule(&pair.client, "tcp sport 6000 @th,640,8 set 0xff");
        rule(&pair.client, "udp sport 6001 @th,640,8 set 0xff");
        judged(&traffic, |_| traffic.streams(Instant::now()).iter().all(|stream| stream.corrupted_bytes > 3));
        let report = judged(&traffic, |report| report.stalled == 2);
        assert_eq!(
            (report.alive, report.reset),
            (2, 0),
            "a damaged download lives, a damaged answer is none"
        );
    });
}

#[test]
fn births_arrive() {
    stage::act(module_path!(), "births_arrive", || {
        let pair = Pair::new();
        for tcp in [false, true] {
            let spec = BirthSpec {
                tcp,
                count: 1_000,
                // A socket holds 256 unread datagrams of any size: on a busy machine its reader may sleep that long.
                per_second: 1_000,
                targets: vec![server(0, 7_000), server(0, 7_001)],
                listen: vec![server(0, 7_000), server(0, 7_001)],
                source: CLIENT[0].parse().expect("an address"),
                first_port: 20_000,
                source_ports: 600,
            };
            let started = Instant::now();
            let births =
                Births::start(spec.clone(), pair.client.as_fd(), pair.server.as_fd()).expect("births");
            let seen = births.wait(soon(10));
            assert_eq!((seen.sent, seen.refused), (1_000, 0), "{seen:?}");
            assert!(started.elapsed() >= Duration::from_millis(990), "faster than asked for");
            let deadline = soon(5);
            while births.seen().arrived < 1_000 && Instant::now() < deadline {
                std::thread::yield_now();
            }
            assert_eq!(births.stop().arrived, 1_000);
            let few = BirthSpec { source_ports: 100, ..spec };
            assert!(Births::start(few, pair.client.as_fd(), pair.server.as_fd()).is_err());
        }
    });
}
