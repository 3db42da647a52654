//! Each word keeps out what it should, and nonsense is refused where it is typed.

use super::*;
use crate::show::selection::Selection;

fn flow() -> Flow {
    let v4 = |last| Address::from_v4([10, 1, 0, last]);
    let tuple = Tuple { source: v4(1), target: v4(2), source_port: 33_601, target_port: 80 };
    let mut flow = Flow::new(Family::V4, Protocol::TCP, tuple);
    flow.tcp_state = TcpState::TIME_WAIT;
    flow.status = FlowStatus(FlowStatus::ASSURED | FlowStatus::SEEN_REPLY);
    (flow.mark, flow.zone) = (0x2a, 7);
    flow.present = AttrSet::REPLY.with(AttrSet::STATUS).with(AttrSet::TCP_STATE).with(AttrSet::MARK);
    flow
}

fn selection(word: &str, value: &str) -> Selection {
    let value = || Some(value.to_owned());
    let number = || Some(value().expect("given").parse().expect("a number"));
    let mut selection = Selection::default();
    match word {
        "proto" => selection.proto = value(),
        "src" => selection.src = value(),
        "dst" => selection.dst = value(),
        "state" => selection.state = value(),
        "mark" => selection.mark = value(),
        "sport" => selection.sport = number(),
        "dport" => selection.dport = number(),
        "zone" => selection.zone = number(),
        other => panic!("{other}"),
    }
    selection
}

#[test]
fn every_word_admits_and_refuses() {
    let table = [
        ("proto", &["tcp", "TCP", "6"][..], &["udp", "17", "icmp6"][..]),
        ("src", &["10.1.0.1", "10.0.0.0/8", "0.0.0.0/0"], &["10.1.0.2", "11.0.0.0/8", "::/0"]),
        ("dst", &["10.1.0.2", "10.1.0.2/31"], &["10.1.0.1"]),
        ("sport", &["33601"], &["80"]),
        ("dport", &["80"], &["33601"]),
        ("state", &["TIME_WAIT", "time-wait", "assured"], &["established", "unreplied", "shutdown_sent"]),
        ("zone", &["7"], &["0"]),
        ("mark", &["42", "0x2a", "0x22/0xf2", "0/0"], &["0", "1/1"]),
    ];
    let flow = flow();
    for (word, yes, no) in table {
        for value in yes {
            assert!(selection(word, value).read().unwrap().admits((&flow).into()), "{word} {value}");
        }
        for value in no {
            assert!(!selection(word, value).read().unwrap().admits((&flow).into()), "{word} {value}");
        }
    }
    assert!(Selection::default().read().unwrap().admits((&flow).into()));
}

#[test]
fn a_state_that_sctp_shares_means_both() {
    let chosen = selection("state", "established").read().unwrap();
    let sctp = rare(flow());
    assert!(chosen.admits((&sctp).into()));
    assert!(selection("state", "time_wait").read().unwrap().admits((&flow()).into()));
    assert!(!selection("state", "time_wait").read().unwrap().admits((&sctp).into()));
}

#[test]
fn nonsense_is_refused_with_what_would_make_sense() {
    for (word, value) in [
        ("proto", "tpc"),
        ("proto", "256"),
        ("src", "10.1"),
        ("src", "10.0.0.0/33"),
        ("dst", "host"),
        ("state", "open"),
        ("mark", "-1"),
        ("mark", "1/x"),
    ] {
        let said = selection(word, value).read().unwrap_err();
        assert!(said.contains(" is ") || said.contains(", as "), "{word} {value}: {said}");
    }
}

#[test]
fn of_one_family_no_flow_has_an_address_of_the_other() {
    let both = |src: &str, dst: &str| {
        Selection { dst: Some(dst.to_owned()), ..selection("src", src) }.read().map(|_| ())
    };
    assert_eq!(both("10.0.0.0/8", "192.0.2.1"), Ok(()));
    assert!(both("10.0.0.0/8", "::/0").unwrap_err().contains("one IPv4 and one IPv6"));
    for (word, value, family, other) in
        [("src", "2001:db8::1", Family::V4, Family::V6), ("dst", "10.0.0.1", Family::V6, Family::V4)]
    {
        let chosen = selection(word, value).read().unwrap();
        let there = if other == Family::V4 { "look at 'table ipv4'" } else { "look at 'table ipv6'" };
        assert!(chosen.require(family).unwrap_err().ends_with(there));
        assert_eq!(chosen.require(other), Ok(()));
    }
}
