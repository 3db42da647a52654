//! The kernel's manners as far as they can be seen in the bytes; that the kernel likes them is seen in
//! `tests/kernel.rs`.

use syncd_core::flow::{ExtraSet, HelperName, Labels, Parent, SctpState, Whole};

use super::*;
use crate::nla::Attribute;

fn udp() -> Flow {
    let (source, target) = (Address::from_v4([10, 0, 0, 1]), Address::from_v4([10, 0, 0, 2]));
    Flow::new(Family::V4, Protocol::UDP, Tuple { source, target, source_port: 5, target_port: 6 })
}

fn attributes(request: &[u8]) -> Vec<Attribute<'_>> {
    Attributes::new(&request[HEADER_LEN + NFGEN_LEN..]).map(Result::unwrap).collect()
}

fn kinds(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u16> {
    let mut out = Vec::new();
    write(&mut out);
    attributes(&out).iter().map(|attribute| attribute.kind).collect()
}

#[test]
fn what_says_nothing_is_left_out() {
    let mut flow = udp();
    flow.present = AttrSet::STATUS.with(AttrSet::MARK).with(AttrSet::ZONE).with(AttrSet::SYNPROXY_ZERO);
    let create_of = |flow: &Flow| kinds(|out| create(out, 1, flow, 60));
    let least = [cta::TUPLE_ORIG, cta::TUPLE_REPLY, cta::STATUS, cta::TIMEOUT];
    assert_eq!(create_of(&flow), least);
    flow.mark = 1;
    flow.zone = 1;
    let most = [cta::TUPLE_ORIG, cta::ZONE, cta::TUPLE_REPLY, cta::STATUS, cta::TIMEOUT, cta::MARK];
    assert_eq!(create_of(&flow), most);
}

#[test]
fn an_update_says_a_mark_of_zero_and_never_nat() {
    let mut flow = udp();
    flow.reply.target = Address::from_v4([10, 0, 0, 9]);
    flow.status = Status(Status::SRC_NAT);
    // None was said, and the entry may have one all the same.
    flow.present = AttrSet::REPLY.with(AttrSet::STATUS);
    let said = kinds(|out| update(out, 1, &flow, 60));
    assert_eq!(said, [cta::TUPLE_ORIG, cta::STATUS, cta::TIMEOUT, cta::MARK]);
    let said = kinds(|out| update_without_status(out, 1, &flow, 60));
    assert_eq!(said, [cta::TUPLE_ORIG, cta::TIMEOUT, cta::MARK]);
}

#[test]
fn a_relaxation_says_nothing_but_that_packets_are_taken_as_they_come() {
    let mut flow = udp();
    flow.protocol = Protocol::TCP;
    flow.tcp_state = TcpState::ESTABLISHED;
    flow.present = AttrSet::ALL;
    let mut request = Vec::new();
    relax(&mut request, 1, &flow);
    let said = attributes(&request);
    let kinds: Vec<u16> = said.iter().map(|attribute| attribute.kind).collect();
    assert_eq!(kinds, [cta::TUPLE_ORIG, cta::PROTOINFO]);
    let of_tcp = said[1].nested().next().unwrap().unwrap();
    let inner: Vec<(u16, Vec<u8>)> =
        of_tcp.nested().map(Result::unwrap).map(|inner| (inner.kind, inner.value.to_vec())).collect();
    let liberal = vec![TcpFlags::BE_LIBERAL; 2];
    assert_eq!(
        inner,
        [(protoinfo::TCP_FLAGS_ORIGINAL, liberal.clone()), (protoinfo::TCP_FLAGS_REPLY, liberal)]
    );
}

#[test]
fn another_time_to_live_is_all_that_is_said() {
    let mut flow = udp();
    flow.protocol = Protocol::TCP;
    flow.tcp_state = TcpState::ESTABLISHED;
    flow.present = AttrSet::ALL;
    let mut request = Vec::new();
    shorten(&mut request, 1, &flow, 300);
    let said = attributes(&request);
    let kinds: Vec<u16> = said.iter().map(|attribute| attribute.kind).collect();
    assert_eq!(kinds, [cta::TUPLE_ORIG, cta::TIMEOUT]);
    assert_eq!(said[1].value, 300_u32.to_be_bytes());
}

#[test]
fn a_delete_names_the_tuple_and_the_life_if_known() {
    let mut flow = udp();
    assert_eq!(kinds(|out| delete(out, 1, &flow)), [cta::TUPLE_ORIG]);
    flow.zone = 3;
    flow.present = AttrSet::ID;
    assert_eq!(kinds(|out| delete(out, 1, &flow)), [cta::TUPLE_ORIG, cta::ZONE, cta::ID]);
}

#[test]
fn translation_is_a_range_of_one() {
    let mut flow = udp();
    flow.reply.source = Address::from_v4([10, 0, 0, 8]);
    flow.reply.target_port = 77;
    flow.present = AttrSet::REPLY;
    let mut out = Vec::new();
    create(&mut out, 1, &flow, 60);
    for (kind, address, port) in
        [(cta::NAT_SRC, [10, 0, 0, 1], [0, 77]), (cta::NAT_DST, [10, 0, 0, 8], [0, 6])]
    {
        let range = *attributes(&out).iter().find(|a| a.kind == kind).unwrap();
        let parts: Vec<_> = range.nested().map(Result::unwrap).collect();
        assert_eq!(
            parts.iter().map(|p| p.kind).collect::<Vec<_>>(),
            [nat::V4_MINIP, nat::V4_MAXIP, nat::PROTO]
        );
        assert_eq!((parts[0].value, parts[1].value), (&address[..], &address[..]));
        let ports: Vec<_> = parts[2].nested().map(|p| p.unwrap().value.to_vec()).collect();
        assert_eq!(ports, [port, port]);
    }
}

#[test]
fn status_may_bring_translation_that_changes_nothing() {
    let mut flow = udp();
    flow.status = Status(Status::SRC_NAT);
    flow.present = AttrSet::REPLY.with(AttrSet::STATUS);
    assert!(kinds(|out| create(out, 1, &flow, 60)).contains(&cta::NAT_SRC));
    flow.present = AttrSet::STATUS;
    let said = kinds(|out| create(out, 1, &flow, 60));
    assert!(!said.contains(&cta::NAT_SRC), "nobody knows to what");
}

#[test]
fn the_longest_request_fits() {
    let mut flow = udp();
    flow.family = Family::V6;
    flow.protocol = Protocol::TCP;
    (flow.mark, flow.zone, flow.status) = (1, 1, Status(u32::MAX));
    flow.present = AttrSet::REPLY.with(AttrSet::STATUS).with(AttrSet::TCP_STATE).with(AttrSet::TCP_SCALE);
    let whole = Whole::new(flow, everything());
    let mut out = Vec::new();
    create(&mut out, 1, &whole, 60);
    assert!(out.len() <= MAX_REQUEST, "{} bytes", out.len());
    assert_eq!(out.len() % 4, 0);
}

/// All that a TCP flow over IPv6 can have.
fn everything() -> Extras {
    let mut extras = Extras {
        parent: Parent { original: udp().original, family: Family::V6, protocol: Protocol::TCP },
        labels: Labels::new([1, 0, 0, 0]),
        helper: HelperName::new(b"fifteen-letters").expect("a name"),
        ..Extras::EMPTY
    };
    for set in [ExtraSet::PARENT, ExtraSet::LABELS, ExtraSet::HELPER, ExtraSet::SEQUENCE, ExtraSet::SYNPROXY]
    {
        extras.said(set);
    }
    extras
}

#[test]
fn what_is_for_life_is_said_at_creation_only() {
    let whole = Whole::new(Flow { family: Family::V6, ..udp() }, everything());
    let rare = [cta::SEQ_ADJ_ORIG, cta::SEQ_ADJ_REPLY, cta::SYNPROXY, cta::LABELS];
    let created = kinds(|out| create(out, 1, &whole, 60));
    assert_eq!(created[4..6], [cta::HELP, cta::TUPLE_MASTER]);
    assert_eq!(created[6..], rare);
    let updated = kinds(|out| update(out, 1, &whole, 60));
    assert_eq!(updated[2], cta::MARK);
    assert_eq!(updated[3..7], rare);
    assert_eq!(updated[7..], [cta::LABELS_MASK]);
}

#[test]
fn a_parent_of_the_other_family_cannot_be_said() {
    let whole = Whole::new(udp(), everything());
    assert!(!kinds(|out| create(out, 1, &whole, 60)).contains(&cta::TUPLE_MASTER));
}

#[test]
fn sctp_is_said_whole_or_not() {
    let sctp = |set: ExtraSet, state| {
        let mut extras = Extras { sctp_state: SctpState(state), sctp_tags: [1, 2], ..Extras::EMPTY };
        extras.said(set);
        let whole = Whole::new(Flow { protocol: Protocol::SCTP, ..udp() }, extras);
        let mut out = Vec::new();
        create(&mut out, 1, &whole, 60);
        let info = attributes(&out).into_iter().find(|attribute| attribute.kind == cta::PROTOINFO)?;
        let inner = info.nested().next()?.unwrap();
        Some(inner.nested().map(|field| field.unwrap().value.to_vec()).collect::<Vec<_>>())
    };
    assert_eq!(sctp(ExtraSet::SCTP_STATE, 4), None);
    let both = ExtraSet::SCTP_STATE.with(ExtraSet::SCTP_TAGS);
    assert_eq!(sctp(both, 3), Some(vec![vec![3], vec![0, 0, 0, 1], vec![0, 0, 0, 2]]));
    assert_eq!(sctp(both, 9).map(|fields| fields[0].clone()), Some(vec![4]), "no kernel here knows 9");
}
