//! Frames between real veths: two routers' ends in their namespaces, the far ends in a third.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

use crate::link::namespace::run_in;
use crate::link::{Cut, Link, LinkCounters, LinkEnd, Side, Weather, disable_tx_checksum, stage};

const R1: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const R2: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

struct Pair {
    r1: OwnedFd,
    r2: OwnedFd,
    between: OwnedFd,
}

impl Pair {
    fn new() -> Self {
        let pair = Self { r1: quiet(), r2: quiet(), between: quiet() };
        pair.plug(&pair.r1, R1, "a");
        pair.plug(&pair.r2, R2, "b");
        pair
    }

    fn plug(&self, router: &OwnedFd, address: Ipv4Addr, far: &str) {
        stage::veth(router.as_fd(), "eth2", self.between.as_fd(), far);
        stage::address(router.as_fd(), "eth2", address.into(), 24);
        disable_tx_checksum(router.as_fd(), "eth2").expect("offloads off");
    }

    fn end<'a>(&'a self, interface: &'a str) -> LinkEnd<'a> {
        LinkEnd { ns: self.between.as_fd(), interface }
    }

    fn join(&self, weather: Weather) -> Link {
        Link::start(self.end("a"), self.end("b"), weather).expect("the link")
    }

    fn udp(&self, router: &OwnedFd, address: Ipv4Addr) -> UdpSocket {
        run_in(router.as_fd(), || UdpSocket::bind((address, 3780))).expect("a UDP socket")
    }
}

/// A namespace whose kernel sends nothing of its own accord: IPv6 would announce itself, and frames are counted here.
fn quiet() -> OwnedFd {
    let ns = stage::namespace();
    stage::setting(ns.as_fd(), "ipv6/conf/default/disable_ipv6", "1");
    ns
}

/// Datagrams that fit into a socket's default buffer while its reader has not run yet.
const BATCH: u32 = 150;

/// Sends numbered datagrams from r1 to r2 and returns those that arrive, until none does for a while.
fn send_numbered(from: &UdpSocket, to: &UdpSocket) -> Vec<u32> {
    to.set_read_timeout(Some(Duration::from_millis(150))).expect("timeout");
    for number in 0..BATCH {
        let mut payload = [0x5a; 200];
        payload[..4].copy_from_slice(&number.to_be_bytes());
        from.send_to(&payload, (R2, 3780)).expect("send");
    }
    let mut seen = Vec::new();
    let mut buffer = [0; 2048];
    while let Ok((length, _)) = to.recv_from(&mut buffer) {
        assert_eq!(length, 200);
        assert!(buffer[4..200].iter().all(|byte| *byte == 0x5a), "a damaged datagram passed its checksum");
        seen.push(u32::from_be_bytes([buffer[0], buffer[1], buffer[2], buffer[3]]));
    }
    seen
}

/// One datagram both ways, so that both ends know each other's hardware address.
fn introduce(r1: &UdpSocket, r2: &UdpSocket) {
    for (from, to, target) in [(r1, r2, R2), (r2, r1, R1)] {
        to.set_read_timeout(Some(Duration::from_secs(5))).expect("timeout");
        from.send_to(&[0; 200], (target, 3780)).expect("send");
        to.recv_from(&mut [0; 256]).expect("the first datagram");
    }
}

#[test]
fn datagrams_meet_the_weather() {
    stage::act(module_path!(), "datagrams_meet_the_weather", || {
        let pair = Pair::new();
        let link = pair.join(Weather::default());
        let (from, to) = (pair.udp(&pair.r1, R1), pair.udp(&pair.r2, R2));
        introduce(&from, &to);
        assert_eq!(send_numbered(&from, &to), (0..BATCH).collect::<Vec<_>>(), "a perfect cable");

        let before = link.counters().a_to_b;
        link.set_weather(Weather { loss: 0.2, duplicate: 0.1, delay_ms: 1, seed: 3, ..Weather::default() });
        let seen = send_numbered(&from, &to).len() as u64;
        let now = link.counters().a_to_b;
        let (lost, twice) = (now.lost - before.lost, now.duplicated - before.duplicated);
        assert!((12..=50).contains(&lost) && twice > 2, "{now:?}");
        assert_eq!(seen, u64::from(BATCH) - lost + twice, "{now:?}");

        link.set_weather(Weather { reorder: 0.2, corrupt: 0.2, seed: 3, ..Weather::default() });
        let seen = send_numbered(&from, &to);
        let now = link.counters().a_to_b;
        assert!(now.reordered > 5 && now.corrupted > 5, "{now:?}");
        assert!(seen.windows(2).any(|pair| pair[0] > pair[1]), "nothing overtook anything");
        assert_eq!(
            seen.len() as u64,
            u64::from(BATCH) - now.corrupted,
            "damaged datagrams are noticed and dropped"
        );

        link.set_weather(Weather { cut: Cut::AToB, ..Weather::default() });
        assert!(send_numbered(&from, &to).is_empty());
        assert!(link.stop().a_to_b.cut >= u64::from(BATCH));
    });
}

#[test]
fn bulk_tcp_passes_whole() {
    stage::act(module_path!(), "bulk_tcp_passes_whole", || {
        let pair = Pair::new();
        let rough = Weather { duplicate: 0.02, reorder: 0.02, corrupt: 0.02, seed: 9, ..Weather::default() };
        for (bytes, weather) in
            [(32 << 20, Weather::default()), (1 << 20, rough), (1 << 18, Weather { loss: 0.03, ..rough })]
        {
            let link = pair.join(weather);
            let started = Instant::now();
            let counters = transfer(&pair, bytes, link);
            println!("{bytes} bytes in {:?} through {weather:?}: {counters:?}", started.elapsed());
            assert_eq!(counters.a_to_b.refused, 0, "{counters:?}");
        }
    });
}

/// Sends so many bytes from r1 to r2 over TCP and checks every one.
fn transfer(pair: &Pair, bytes: usize, link: Link) -> LinkCounters {
    let listener = run_in(pair.r2.as_fd(), || TcpListener::bind((R2, 0))).expect("listen");
    let target = listener.local_addr().expect("address");
    let connect = || TcpStream::connect_timeout(&target, Duration::from_secs(30));
    let mut sender = run_in(pair.r1.as_fd(), connect).expect("connect");
    let (mut receiver, _) = listener.accept().expect("accept");
    let byte_at = |at: usize| (at % 251) as u8;
    let sending = thread::spawn(move || {
        let all: Vec<u8> = (0..bytes).map(byte_at).collect();
        sender.write_all(&all).expect("write");
    });
    let mut received = Vec::new();
    receiver.set_read_timeout(Some(Duration::from_secs(30))).expect("timeout");
    receiver.read_to_end(&mut received).expect("read");
    sending.join().expect("sender");
    assert_eq!(received.len(), bytes);
    assert!(received.iter().enumerate().all(|(at, byte)| *byte == byte_at(at)));
    link.stop()
}

#[test]
fn super_packets_pass_too() {
    stage::act(module_path!(), "super_packets_pass_too", || {
        let pair = Pair { r1: quiet(), r2: quiet(), between: quiet() };
        for (router, address, far) in [(&pair.r1, R1, "a"), (&pair.r2, R2, "b")] {
            // Without disable_tx_checksum: partial checksums and segmentation marks travel in the header.
            stage::veth(router.as_fd(), "eth2", pair.between.as_fd(), far);
            stage::address(router.as_fd(), "eth2", address.into(), 24);
        }
        let link = pair.join(Weather::default());
        let counters = transfer(&pair, 32 << 20, link);
        assert!(
            counters.a_to_b.carried < 16_000,
            "32 MiB in frames of 1500 bytes: nothing was super: {counters:?}"
        );
        assert_eq!(counters.a_to_b.refused, 0);
    });
}

#[test]
fn delay_is_kept() {
    stage::act(module_path!(), "delay_is_kept", || {
        let pair = Pair::new();
        let link = pair.join(Weather::default());
        let (from, to) = (pair.udp(&pair.r1, R1), pair.udp(&pair.r2, R2));
        introduce(&from, &to);
        link.set_weather(Weather { delay_ms: 50, ..Weather::default() });
        let sent = Instant::now();
        from.send_to(&[0; 200], (R2, 3780)).expect("send");
        to.set_read_timeout(Some(Duration::from_secs(2))).expect("timeout");
        to.recv_from(&mut [0; 256]).expect("arrives");
        assert!(sent.elapsed() >= Duration::from_millis(50), "after {:?}", sent.elapsed());
    });
}

#[test]
fn a_router_returns() {
    stage::act(module_path!(), "a_router_returns", || {
        let mut pair = Pair::new();
        let link = pair.join(Weather::default());
        let to = pair.udp(&pair.r2, R2);
        introduce(&pair.udp(&pair.r1, R1), &to);
        to.set_read_timeout(Some(Duration::from_millis(500))).expect("timeout");

        stage::remove(pair.between.as_fd(), "a");
        let cpu = || getrusage(UsageWho::RUSAGE_SELF).expect("usage").system_time().num_milliseconds();
        let before = cpu();
        assert!(to.recv_from(&mut [0; 256]).is_err(), "half a second of silence");
        assert!(cpu() - before < 200, "the carrier spins over an interface that is gone");
        pair.r1 = quiet();
        pair.plug(&pair.r1, R1, "a");
        link.rejoin(Side::A, pair.end("a")).expect("the new end");
        let before = link.counters().a_to_b.carried;
        introduce(&pair.udp(&pair.r1, R1), &to);
        let after = link.counters().a_to_b.carried;
        assert!(before > 0 && after > before, "counters go on: {before}, {after}");
    });
}

#[test]
fn what_is_unplugged_neither_hears_nor_is_heard() {
    stage::act(module_path!(), "what_is_unplugged_neither_hears_nor_is_heard", || {
        let pair = Pair::new();
        let link = pair.join(Weather::default());
        let (dead, alive) = (pair.udp(&pair.r1, R1), pair.udp(&pair.r2, R2));
        introduce(&dead, &alive);
        let before = link.counters();
        link.unplug(Side::A);
        for (from, target) in [(&dead, R2), (&alive, R1)] {
            from.send_to(&[0; 200], (target, 3780)).expect("its interface is up");
        }
        let deadline = Instant::now() + Duration::from_secs(5);
        while link.counters().b_to_a.refused == before.b_to_a.refused {
            assert!(Instant::now() < deadline, "what is sent to it is refused: {:?}", link.counters());
        }
        assert_eq!(link.counters().a_to_b, before.a_to_b);
        assert_eq!(link.counters().b_to_a.carried, before.b_to_a.carried);

        link.rejoin(Side::A, pair.end("a")).expect("the same end");
        introduce(&dead, &alive);
    });
}

#[test]
fn an_absent_interface_is_named_by_its_error() {
    stage::act(module_path!(), "an_absent_interface_is_named_by_its_error", || {
        let pair = Pair::new();
        let error = Link::start(pair.end("nowhere"), pair.end("b"), Weather::default())
            .expect_err("no such interface");
        assert_eq!(error.raw_os_error(), Some(libc::ENODEV));
        assert!(disable_tx_checksum(pair.between.as_fd(), "nowhere").is_err());
    });
}
