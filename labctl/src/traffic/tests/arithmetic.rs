//! Pattern, arrivals, datagrams, specification and judgement, without a socket.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::epoll::EpollFlags;
use nix::sys::eventfd::EventFd;

use crate::traffic::arrivals::Arrivals;
use crate::traffic::beat::{Beat, BytePace, RequestPace, Wake};
use crate::traffic::datagram::{self, EchoFamily, Received};
use crate::traffic::judge;
use crate::traffic::ledger::{Accepted, Asked, ClientStream, Ended, Receipt, ServerSide};
use crate::traffic::pattern::{Course, PIECE_MAX, Pattern};
use crate::traffic::stream::{Incoming, Taken};
use crate::traffic::{Kind, SpecError, StreamGroup, StreamState, TrafficSpec};

const TARGET: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 80);
const DOWNLOAD: Kind = Kind::Download { bits_per_second: 1_000_000 };

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

#[test]
fn an_engine_that_is_late_for_every_beat_still_hears_its_sockets() {
    let [stop, ready] = [0, 1].map(|_| Arc::new(EventFd::new().unwrap()));
    let mut beat = Beat::new(&stop).unwrap();
    beat.watch(&*ready, 7, EpollFlags::EPOLLIN).unwrap();
    ready.write(1).unwrap();
    for wanted in [Wake::Beat, Wake::Ready, Wake::Beat, Wake::Ready] {
        assert_eq!(beat.wait(), wanted);
        let (late, begun) = (ms(11), Instant::now());
        while begun.elapsed() < late {}
    }
    assert_eq!(beat.ready().len(), 1);
}

#[test]
fn the_pattern_is_a_function_of_its_place() {
    let (pattern, other) = (Pattern::new(1), Pattern::new(2));
    let whole = pattern.piece(Course::Up, 3, 0, PIECE_MAX).to_vec();
    assert_eq!(pattern.piece(Course::Up, 3, 1_000, 500), &whole[1_000..1_500]);
    assert_eq!(pattern.piece(Course::Up, 3, 65_521 * 7 + 5, 100), &whole[5..105], "one period later");
    assert_ne!(pattern.piece(Course::Down, 3, 0, 64), &whole[..64]);
    assert_ne!(pattern.piece(Course::Up, 4, 0, 64), &whole[..64]);
    assert_ne!(other.piece(Course::Up, 3, 0, 64), &whole[..64]);
    assert_eq!(pattern.piece(Course::Up, u32::MAX, u64::MAX, usize::MAX).len(), PIECE_MAX);
}

#[test]
fn differing_bytes_are_counted() {
    let pattern = Pattern::new(1);
    let mut received = pattern.piece(Course::Down, 0, 70_000, 3_000).to_vec();
    assert_eq!(pattern.differing(Course::Down, 0, 70_000, &received), 0);
    received[0] ^= 1;
    received[2_999] ^= 0x80;
    assert_eq!(pattern.differing(Course::Down, 0, 70_000, &received), 2);
    assert!(pattern.differing(Course::Down, 0, 70_001, &received) > 2_900, "a shift is damage");
}

#[test]
fn a_stream_is_verified_in_any_pieces() {
    let pattern = Pattern::new(9);
    let mut bytes = pattern.tag(Course::Down).to_be_bytes().to_vec();
    bytes.extend_from_slice(&41u32.to_be_bytes());
    bytes.extend_from_slice(pattern.piece(Course::Down, 41, 0, 1_000));
    bytes[500] ^= 0xff;
    for size in [1, 3, 8, 9, 100, bytes.len()] {
        let mut incoming = Incoming::new(Course::Down);
        let mut sum = Taken::default();
        for piece in bytes.chunks(size) {
            let taken = incoming.take(piece, &pattern).expect("our stream");
            sum.verified += taken.verified;
            sum.corrupted += taken.corrupted;
        }
        assert_eq!((sum.verified, sum.corrupted), (999, 1));
        assert_eq!((incoming.number(), incoming.received()), (Some(41), 1_000));
    }
    assert!(Incoming::new(Course::Up).take(&bytes, &pattern).is_err(), "the other course's preamble");
    assert!(
        Incoming::new(Course::Down).take(&bytes, &Pattern::new(8)).is_err(),
        "another traffic's preamble"
    );
}

#[test]
fn datagrams_are_read_back() {
    let pattern = Pattern::new(5);
    let mut packet = Vec::new();
    datagram::write(&mut packet, &pattern, Course::Up, 7, 123, 200);
    assert_eq!(packet.len(), 200);
    let ours = |corrupted| Received::Ours { number: 7, sequence: 123, corrupted };
    assert_eq!(datagram::read(&packet, &pattern, Course::Up), ours(0));
    assert_eq!(datagram::read(&packet, &pattern, Course::Down), Received::Foreign);
    assert_eq!(datagram::read(&packet[..15], &pattern, Course::Up), Received::Foreign);
    packet[199] ^= 1;
    assert_eq!(datagram::read(&packet, &pattern, Course::Up), ours(1));
}

#[test]
fn an_echo_has_the_checksum_of_rfc_1071() {
    let mut packet = Vec::new();
    datagram::start_echo(&mut packet, EchoFamily::V4, 0x1234, 1);
    datagram::finish_echo(&mut packet, EchoFamily::V4);
    assert_eq!(packet, [8, 0, 0xe5, 0xca, 0x12, 0x34, 0, 1]);
    let mut reply = vec![0x45; 20];
    reply.extend_from_slice(&[0, 0, 0xed, 0xca, 0x12, 0x34, 0, 1, 0xaa]);
    assert_eq!(datagram::echo_reply(&reply, EchoFamily::V4), Some(&[0xaa][..]));
    reply[20] = 3;
    assert_eq!(datagram::echo_reply(&reply, EchoFamily::V4), None, "an ICMP error");
    assert_eq!(datagram::echo_reply(&[], EchoFamily::V4), None);
    assert_eq!(datagram::echo_reply(&[129, 0, 0, 0, 0, 0, 0, 0], EchoFamily::V6), Some(&[][..]));
}

#[test]
fn gaps_count_in_the_window_after_the_fault() {
    let start = Instant::now();
    let mut arrivals = Arrivals::default();
    assert_eq!(arrivals.gap(start), None);
    // Every 20 ms; the fault at 1 s is named at 1.1 s; silence from 1.04 s to 1.5 s.
    for at in (0..=1_040).step_by(20) {
        arrivals.note(start + ms(at));
    }
    assert_eq!(arrivals.gap(start + ms(1_100)), None, "no fault yet");
    arrivals.fault_at(start + ms(1_000));
    assert_eq!(arrivals.gap(start + ms(1_045)), Some(ms(20)));
    assert_eq!(arrivals.gap(start + ms(1_400)), Some(ms(360)), "an interval that has not ended");
    for at in (1_500..10_990).step_by(20) {
        arrivals.note(start + ms(at));
    }
    assert_eq!(arrivals.gap(start + ms(11_000)), Some(ms(460)));
    // The last interval begins within ten seconds of the fault; the next one does not.
    arrivals.note(start + ms(11_500));
    arrivals.note(start + ms(20_000));
    assert_eq!(arrivals.gap(start + ms(20_000)), Some(ms(520)));
    arrivals.fault_at(start + ms(20_000));
    assert_eq!(arrivals.gap(start + ms(20_100)), Some(ms(8_500)), "a second fault counts anew");
}

#[test]
fn paces_are_kept_and_not_caught_up() {
    let start = Instant::now();
    let mut bytes = BytePace::new(1_500_000, start);
    let sum: u64 = (1..=1_000u32).map(|beat| bytes.due(start + Duration::from_micros(1_333) * beat)).sum();
    assert!(sum.abs_diff(1_500_000 / 8 * 1_333 / 1_000) < 2, "{sum}");
    assert_eq!(bytes.due(start + ms(60_000)), 18_750, "a tenth of a second, not a minute");

    let mut requests = RequestPace::new(ms(50), start, 0, 1);
    assert_eq!((0..1_000).filter(|at| requests.due(start + ms(*at))).count(), 20);
    assert!(
        requests.due(start + ms(5_000)) && !requests.due(start + ms(5_001)),
        "missed requests stay missed"
    );
}

fn received(last: Instant) -> Receipt {
    let mut receipt = Receipt::default();
    receipt.note(last, 100, 0);
    receipt
}

#[test]
fn words_of_the_verdict() {
    let now = Instant::now() + ms(60_000);
    let ended = |why: &str| Some(Ended { at: now, why: why.to_owned() });
    let client = |silence, ended, accepted| ClientStream {
        receipt: received(now - ms(silence)),
        ended,
        accepted,
        ..ClientStream::default()
    };
    let spec = TrafficSpec { groups: vec![StreamGroup::new(DOWNLOAD, 7, TARGET)], seed: 0 };
    let seen = [
        client(900, None, None),
        client(1_500, None, None),
        client(3_000, None, None),
        client(10, ended("Connection reset by peer"), None),
        ClientStream::default(),
        ClientStream { ended: ended("Connection refused"), ..ClientStream::default() },
        client(10, None, Some(0)),
    ];
    let far =
        Accepted { seen_as: TARGET, receipt: Receipt::default(), number: None, ended: ended("reset here") };
    let server = ServerSide { accepted: vec![far], ..ServerSide::default() };
    let details = judge::streams(&spec, &seen, &server, now);
    let words: Vec<_> = details.iter().map(|detail| detail.state).collect();
    use StreamState::{Alive, NeverOpened, Opening, Reset, Stalled, Waiting};
    assert_eq!(words, [Alive, Waiting, Stalled, Reset, Opening, NeverOpened, Reset]);
    assert_eq!(details[6].error.as_deref(), Some("reset here"));
    let opened = judge::opened(&details);
    assert_eq!((opened.wanted, opened.opened, opened.failed), (7, 5, 1));
    let report = judge::report(&details);
    assert_eq!((report.opened, report.alive, report.reset, report.stalled), (5, 1, 2, 1));
}

#[test]
fn both_directions_of_a_request_response_must_live() {
    let now = Instant::now() + ms(60_000);
    let kind = Kind::RequestResponse { every: ms(50), bytes: 128 };
    let spec = TrafficSpec { groups: vec![StreamGroup::new(kind, 1, TARGET)], seed: 0 };
    let seen = [ClientStream { receipt: received(now), ..ClientStream::default() }];
    let state = |silence| {
        let far =
            Accepted { seen_as: TARGET, receipt: received(now - ms(silence)), number: Some(0), ended: None };
        let server = ServerSide { accepted: vec![far], ..ServerSide::default() };
        judge::streams(&spec, &seen, &server, now)[0].state
    };
    assert_eq!(state(100), StreamState::Alive);
    assert_eq!(state(4_000), StreamState::Stalled);
    assert_eq!(judge::streams(&spec, &seen, &ServerSide::default(), now)[0].state, StreamState::Opening);
}

#[test]
fn a_stream_that_pauses_by_itself_is_given_its_pause_more() {
    let words = |every| {
        let (alive, stalled) = Kind::RequestResponse { every, bytes: 1 }.patience();
        (alive.as_millis(), stalled.as_millis())
    };
    assert_eq!((words(ms(500)), words(ms(8_000))), ((1_000, 3_000), (9_000, 11_000)));
}

#[test]
fn a_datagram_stream_is_the_servers_as_long_as_it_comes_from_where_it_came() {
    let now = Instant::now() + ms(60_000);
    let udp = Kind::Udp { per_second: 20, bytes: 128 };
    let spec = TrafficSpec { groups: vec![StreamGroup::new(udp, 1, TARGET)], seed: 0 };
    let seen = [ClientStream { receipt: received(now), ..ClientStream::default() }];
    let mut asked = Asked::new(TARGET);
    let elsewhere = SocketAddr::new(TARGET.ip(), TARGET.port() + 1);
    let words = [TARGET, elsewhere, elsewhere, TARGET].map(|from| {
        asked.note(now, from);
        let server = ServerSide { asked: [(0, asked.clone())].into(), ..ServerSide::default() };
        judge::streams(&spec, &seen, &server, now)[0].state
    });
    assert_eq!(words, [StreamState::Alive, StreamState::Reset, StreamState::Reset, StreamState::Alive]);
}

#[test]
fn the_report_serialises_as_documented() {
    let now = Instant::now() + ms(60_000);
    let mut seen: Vec<ClientStream> = (0..4).map(|_| ClientStream::default()).collect();
    for (stream, gap) in seen.iter_mut().zip([300, 100, 400, 200]) {
        stream.receipt.note(now - ms(gap), 10, 1);
        stream.receipt.arrivals.fault_at(now - ms(500));
        stream.receipt.arrivals.note(now);
    }
    let spec = TrafficSpec { groups: vec![StreamGroup::new(DOWNLOAD, 4, TARGET)], seed: 0 };
    let report = judge::report(&judge::streams(&spec, &seen, &ServerSide::default(), now));
    assert_eq!(
        serde_json::to_string(&report).expect("json"),
        r#"{"opened":4,"alive":4,"reset":0,"stalled":0,"corrupted_bytes":4,"gap_ms":{"median":200,"max":400}}"#
    );
}

#[test]
fn impossible_specifications_are_named() {
    let spec = |groups: &[StreamGroup]| TrafficSpec { groups: groups.to_vec(), seed: 0 }.check();
    let group = StreamGroup::new(DOWNLOAD, 2, TARGET);
    assert_eq!(spec(&[group.clone(), group.clone()]), Ok(()), "equal kinds share a listener");
    assert_eq!(spec(&[StreamGroup { count: 0, ..group.clone() }]), Err(SpecError::NoStreams { group: 0 }));
    let ports = StreamGroup { source_port: Some(u16::MAX), ..group.clone() };
    assert_eq!(spec(&[ports]), Err(SpecError::PortsOverflow { group: 0 }));
    let source = StreamGroup { source: Some("::1".parse().expect("an address")), ..group.clone() };
    assert_eq!(spec(&[source]), Err(SpecError::MixedFamilies { group: 0 }));
    let slow = StreamGroup { kind: Kind::Udp { per_second: 0, bytes: 100 }, ..group.clone() };
    assert_eq!(spec(&[slow]), Err(SpecError::Pace { group: 0 }));
    let upload = StreamGroup { kind: Kind::Upload { bits_per_second: 1_000_000 }, ..group.clone() };
    assert_eq!(spec(&[group.clone(), upload]), Err(SpecError::ListenerShared { group: 1, listen: TARGET }));
    let udp = StreamGroup { kind: Kind::Udp { per_second: 2, bytes: 100 }, ..group.clone() };
    assert_eq!(spec(&[group, udp]), Ok(()), "UDP and TCP ports are different things");
}
