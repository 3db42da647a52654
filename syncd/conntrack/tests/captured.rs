//! Bytes of a real kernel (`fixtures/`), read and compared with what `conntrack(8)` said of the same events; and the
//! same bytes cut and bent, which must never panic.

use syncd_conntrack::{Decoded, Message, MessageView, Messages, decode};
use syncd_core::flow::{AttrSet, Change, Flow, Origin, Protocol, TcpFlags, TcpState};

/// Lines that are not comments.
fn lines(fixture: &'static str) -> impl Iterator<Item = &'static str> {
    fixture.lines().filter(|line| !line.starts_with('#'))
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect()
}

/// What conntrack(8) said, and the bytes.
fn events() -> Vec<(&'static str, Vec<u8>)> {
    let lines: Vec<_> = lines(include_str!("fixtures/events.txt")).collect();
    lines.chunks(2).map(|pair| (pair[0], bytes(pair[1]))).collect()
}

fn dump() -> Vec<Vec<u8>> {
    lines(include_str!("fixtures/dump.txt")).map(bytes).collect()
}

fn view(datagram: &[u8]) -> MessageView<'_> {
    match Messages::new(datagram).next() {
        Some(Ok(Message::Netfilter(view))) => view,
        other => panic!("one netfilter message, not {other:?}"),
    }
}

fn read(datagram: &[u8]) -> Decoded {
    decode(&view(datagram), &[]).unwrap()
}

/// The event of which conntrack(8) said all of `words`.
fn event_with(words: &[&str]) -> Decoded {
    let found = events().into_iter().find(|(said, _)| words.iter().all(|word| said.contains(word)));
    read(&found.expect("such an event was captured").1)
}

/// One event in the words of `conntrack -E -o extended,id`, as far as we carry what it says, and without SCTP's tags,
/// which it does not print.
fn said(datagram: &[u8]) -> String {
    let message = view(datagram);
    let decoded = decode(&message, &[]).unwrap();
    let change = match decoded.change {
        Change::New => "[NEW]",
        Change::Update => "[UPDATE]",
        Change::Destroy => "[DESTROY]",
    };
    let family = decoded.flow.family as u8;
    let ip = if family == 2 { "ipv4" } else { "ipv6" };
    let mut words = format!("{change} {ip} {family} {} id={}", decoded.whole(), decoded.flow.id);
    if message.port_id() != 0 {
        words += &format!(" [USERSPACE] portid={}", message.port_id());
    }
    words.split_whitespace().filter(|word| !word.starts_with("tags=")).collect::<Vec<_>>().join(" ")
}

/// The same words of conntrack(8), without what we do not carry: counters, durations.
fn carried(line: &str) -> String {
    let foreign = ["packets=", "bytes=", "delta-time=", "progname="];
    line.split_whitespace()
        .filter(|word| !foreign.iter().any(|prefix| word.starts_with(prefix)))
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn every_event_reads_as_conntrack_prints_it() {
    let events = events();
    assert_eq!(events.len(), 51);
    for (line, datagram) in events {
        assert_eq!(said(&datagram), carried(line));
    }
}

#[test]
fn present_says_exactly_what_was_sent() {
    let always = AttrSet::REPLY.with(AttrSet::STATUS).with(AttrSet::TIMEOUT).with(AttrSet::ID);
    let tcp = AttrSet::TCP_STATE.with(AttrSet::TCP_SCALE).with(AttrSet::TCP_FLAGS);
    let of = |words: &[&str]| event_with(words).flow.present;
    assert_eq!(of(&["[NEW]", "icmp "]), always);
    assert_eq!(of(&["[NEW]", "mark=42"]), always.with(AttrSet::MARK));
    assert_eq!(of(&["[NEW]", "zone=7"]), always.with(AttrSet::ZONE));
    assert_eq!(of(&["[UPDATE]", "dport=7003"]), always.with(tcp));
    assert_eq!(of(&["[DESTROY]", "dport=7003"]), always.with(AttrSet::TCP_STATE));
    let made_by_netlink = always.with(tcp).with(AttrSet::MARK).with(AttrSet::SYNPROXY_ZERO);
    assert_eq!(of(&["[NEW]", "mark=0", "tcp"]), made_by_netlink);
}

#[test]
fn tcp_is_read_in_both_directions() {
    let syn = event_with(&["[NEW]", "dport=7003"]).flow;
    assert_eq!((syn.protocol, syn.tcp_state), (Protocol::TCP, TcpState::SYN_SENT));
    assert!(syn.tcp_flags_original.has(TcpFlags::WINDOW_SCALE));
    assert!(!syn.tcp_flags_reply.has(TcpFlags::WINDOW_SCALE));
    let established = event_with(&["[UPDATE]", "ESTABLISHED", "dport=7003"]).flow;
    assert!(established.tcp_flags_reply.has(TcpFlags::WINDOW_SCALE));
    assert_eq!((established.tcp_scale_original, established.tcp_scale_reply), (10, 10));
}

#[test]
fn what_is_not_carried_is_counted() {
    let counts = |decoded: Decoded| (decoded.skipped, decoded.measured);
    assert_eq!(counts(event_with(&["[NEW]", "dport=7003"])), (0, 0));
    assert_eq!(counts(event_with(&["[NEW]", "sctp"])), (0, 1), "the event's timestamp");
    let destroyed = event_with(&["[DESTROY]", "udp", "packets=1"]);
    assert_eq!(counts(destroyed), (0, 4), "two counters, start and stop, the event's timestamp");
    let [original, reply] = event_with(&["[DESTROY]", "udp", "packets=1"]).carried;
    assert!(original.packets == 1 && original.bytes > 28, "{original:?} {reply:?}");
}

#[test]
fn an_echo_is_known_by_its_port_id() {
    let (_, datagram) = events().into_iter().find(|(said, _)| said.contains("portid=")).unwrap();
    let message = view(&datagram);
    assert_eq!(decode(&message, &[]).unwrap().origin, Origin::Kernel);
    assert_eq!(decode(&message, &[1, message.port_id()]).unwrap().origin, Origin::Ourselves);
    let packet = events().swap_remove(0).1;
    assert_eq!(decode(&view(&packet), &[0]).unwrap().origin, Origin::Kernel, "0 is nobody's port id");
}

#[test]
fn a_dump_ends_with_done() {
    let mut flows: Vec<Flow> = Vec::new();
    let mut done = false;
    for datagram in dump() {
        match Messages::new(&datagram).next() {
            Some(Ok(Message::Netfilter(view))) => {
                let decoded = decode(&view, &[]).unwrap();
                assert_eq!((view.seq(), decoded.change, decoded.skipped), (9, Change::Update, 0));
                assert_eq!(decoded.measured, 1, "the use count");
                flows.push(decoded.flow);
            }
            Some(Ok(Message::Done { seq: 9, errno: 0, interrupted: false })) => done = true,
            other => panic!("unexpected {other:?}"),
        }
    }
    assert!(done);
    assert_eq!(flows.len(), 10);
    assert!(flows.iter().any(|flow| flow.source_nat().is_some_and(|(_, port)| port == 50078)));
}

#[test]
fn stats_and_a_long_acknowledgement_are_told_apart() {
    let mut answers = lines(include_str!("fixtures/stats.txt")).map(bytes);
    let (stats, ack) = (answers.next().unwrap(), answers.next().unwrap());
    let stats = view(&stats);
    assert_eq!((stats.operation(), stats.seq()), (syncd_conntrack::uapi::kind::GET_STATS, 11));
    let entries = stats.attributes().next().unwrap().unwrap();
    assert_eq!((entries.kind, entries.be32()), (syncd_conntrack::uapi::stats::ENTRIES, Ok(0)));
    assert!(matches!(Messages::new(&ack).next(), Some(Ok(Message::Outcome { seq: 11, errno: 0 }))));
}

/// Reads whatever is there, as the daemon would.
fn survive(datagram: &[u8]) {
    for message in Messages::new(datagram) {
        if let Ok(Message::Netfilter(view)) = message {
            let _: Result<Decoded, _> = decode(&view, &[7]);
        }
    }
}

#[test]
fn no_truncation_panics() {
    for (_, datagram) in events() {
        for len in 0..datagram.len() {
            assert!(Messages::new(&datagram[..len]).next().is_none_or(|message| message.is_err()));
            // The same cut with a length that agrees, so that the cut is inside an attribute.
            if len >= 20 {
                let mut cut = datagram[..len].to_vec();
                cut[..4].copy_from_slice(&u32::try_from(len).unwrap().to_ne_bytes());
                survive(&cut);
            }
        }
    }
}

#[test]
fn no_bent_byte_panics() {
    for (_, datagram) in events() {
        for at in 0..datagram.len() {
            for value in [0, 1, 3, 4, 0x7f, 0x80, 0xff, datagram[at] ^ 0x10] {
                let mut bent = datagram.clone();
                bent[at] = value;
                survive(&bent);
            }
        }
    }
}
