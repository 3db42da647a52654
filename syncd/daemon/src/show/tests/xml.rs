//! Lines and XML of flows, held against what a real conntrackd printed of the same flows.

use std::collections::HashMap;

use super::*;
use crate::show::{flows, xml};

/// The lines after a title.
fn sample(title: &str) -> Vec<&'static str> {
    let file = include_str!("../../../tests/fixtures/conntrackd-caches.txt");
    let lines = file.lines().skip_while(|line| *line != format!("### {title}")).skip(1);
    lines.take_while(|line| !line.starts_with("###")).collect()
}

fn address(text: &str) -> Address {
    Address::from(text.parse::<std::net::IpAddr>().expect("an address"))
}

fn tuple(protocol: Protocol, words: &HashMap<&str, &str>) -> Tuple {
    let number = |name: &str| words.get(name).map_or(0, |word| word.parse::<u16>().expect("a number"));
    let (source, target) = (address(words["src"]), address(words["dst"]));
    if protocol.is_icmp() {
        let byte = |name| u8::try_from(number(name)).expect("a byte");
        return Tuple::icmp(source, target, number("id"), byte("type"), byte("code"));
    }
    Tuple { source, target, source_port: number("sport"), target_port: number("dport") }
}

/// The flow of a line of `conntrackd -i`, with the id that its XML has.
fn flow(line: &str, id: Option<u32>) -> (Flow, u32) {
    let words: Vec<&str> = line.split_whitespace().collect();
    let protocol = Protocol(words[1].parse().expect("a number"));
    let mut directions = [HashMap::new(), HashMap::new()];
    let mut at = 0;
    for (name, value) in words.iter().filter_map(|word| word.split_once('=')) {
        at = usize::from(at == 1 || directions[0].contains_key(name) && name == "src");
        directions[at].insert(name, value);
    }
    let family = if words.iter().any(|word| word.contains("::")) { Family::V6 } else { Family::V4 };
    let mut flow = Flow::new(family, protocol, tuple(protocol, &directions[0]));
    flow.reply = tuple(protocol, &directions[1]);
    flow.present = AttrSet::REPLY.with(AttrSet::STATUS);
    let mut status = 0;
    if !line.contains("[UNREPLIED]") {
        status |= FlowStatus::SEEN_REPLY;
    }
    if line.contains("[ASSURED]") {
        status |= FlowStatus::ASSURED;
    }
    flow.status = FlowStatus(status);
    if protocol == Protocol::TCP {
        assert_eq!(words[2], "ESTABLISHED");
        flow.tcp_state = TcpState::ESTABLISHED;
        flow.present = flow.present.with(AttrSet::TCP_STATE);
    }
    for direction in &directions {
        if let Some(mark) = direction.get("mark") {
            flow.mark = mark.parse().expect("a mark");
            flow.present = flow.present.with(AttrSet::MARK);
        }
        if let Some(zone) = direction.get("zone") {
            flow.zone = zone.parse().expect("a zone");
        }
    }
    if let Some(id) = id {
        flow.id = id;
        flow.present = flow.present.with(AttrSet::ID);
    }
    let age = line.rsplit("since ").next().expect("an age").trim_end_matches("s]");
    (flow, age.parse().expect("seconds"))
}

fn id(xml: &str) -> Option<u32> {
    xml.split_once("<id>")?.1.split_once('<')?.0.parse().ok()
}

#[test]
fn flows_are_written_as_conntrackd_writes_them() {
    let (lines, elements) = (sample("conntrackd -i"), sample("conntrackd -i -x"));
    assert!(lines.len() == 8 && elements.len() == 8);
    for (line, element) in lines.iter().zip(&elements) {
        let (flow, age) = flow(line, id(element));
        assert_eq!(flows::line((&flow).into(), age, None), *line);
        assert_eq!(xml::flow((&flow).into()), *element);
    }
}

#[test]
fn a_flow_whose_reply_was_not_said_is_written_as_conntrackd_writes_it() {
    let (lines, elements) = (sample("conntrackd -e (peer)"), sample("conntrackd -e -x (peer)"));
    let internal = sample("conntrackd -i");
    assert!(lines.len() == 8 && elements.len() == 8);
    for ((line, element), whole) in lines.iter().zip(&elements).zip(&internal) {
        let (mut flow, age) = flow(whole, None);
        flow.present = flow.present.without(AttrSet::REPLY);
        assert_eq!(flows::line((&flow).into(), age, None), *line);
        assert_eq!(xml::flow((&flow).into()), *element);
    }
}

#[test]
fn helpers_and_expectations_are_written_too() {
    let original =
        Tuple { source: address("10.1.0.1"), target: address("10.1.0.2"), source_port: 4, target_port: 21 };
    let sctp = rare(Flow::new(Family::V4, Protocol::TCP, original));
    let parent = Parent { original, family: Family::V4, protocol: Protocol::TCP };
    let mask = Tuple {
        source: address("255.255.255.255"),
        target: address("255.255.255.255"),
        source_port: 0,
        target_port: u16::MAX,
    };
    let expectation = Expectation {
        helper: HelperName::new(b"a<b").unwrap(),
        class: Some(0),
        flags: ExpectFlags(ExpectFlags::PERMANENT),
        ..Expectation::new(
            parent,
            Protocol::TCP,
            Tuple { source_port: 0, target_port: 41_171, ..original },
            mask,
        )
    };
    snapshot("xml", &format!("{}\n{}", xml::flow((&sctp).into()), xml::expectation(&expectation)));
}
