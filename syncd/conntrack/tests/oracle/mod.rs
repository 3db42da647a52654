//! An independent codec as witness: `netlink-packet-netfilter` reads what we write, we read what it writes, and both
//! read the same in a kernel's bytes, wherever both understand: in bytes that were captured, and for any flow.

use std::net::IpAddr;

use netlink_packet_core::{NetlinkBuffer, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_netfilter::conntrack::{
    ConntrackAttribute as Attribute, ConntrackMessage, IPTuple, ProtoInfo, ProtoInfoTCP, ProtoTuple,
    Protocol as TheirProtocol, Status as TheirStatus, TCPFlags, Tuple as TheirTuple,
};
use netlink_packet_netfilter::{
    NetfilterHeader, NetfilterMessage, NetfilterMessageInner, NetfilterProtoFamily,
};
use proptest::prelude::*;
use syncd_conntrack::{Batch, Message, Messages, decode, encode};
use syncd_core::flow::{
    Address, AttrSet, Change, Family, Flow, Protocol, Status, TcpFlags, TcpState, Tuple, Whole,
};

use super::any;

/// What both codecs can say of a message.
#[derive(Debug, Default, PartialEq, Eq)]
struct Common {
    original: Option<Side>,
    reply: Option<Side>,
    status: Option<u32>,
    timeout: Option<u32>,
    mark: Option<u32>,
    state: Option<u8>,
    scales: [Option<u8>; 2],
    flags: [Option<u8>; 2],
}

/// A tuple without ICMP's fields, which the witness does not know.
#[derive(Debug, PartialEq, Eq)]
struct Side {
    addresses: [IpAddr; 2],
    protocol: u8,
    ports: [u16; 2],
}

/// The witness's reading of a message.
fn theirs(bytes: &[u8]) -> (ConntrackMessage, Common) {
    let message = NetlinkMessage::<NetfilterMessage>::deserialize(bytes).unwrap();
    let NetlinkPayload::InnerMessage(message) = message.payload else { panic!("a netfilter message") };
    let NetfilterMessageInner::Conntrack(message) = message.inner else { panic!("a conntrack message") };
    let (ConntrackMessage::New(attributes)
    | ConntrackMessage::Get(attributes)
    | ConntrackMessage::Delete(attributes)) = &message
    else {
        panic!("a message with attributes")
    };
    let mut common = Common::default();
    for attribute in attributes {
        match attribute {
            Attribute::CtaTupleOrig(parts) => common.original = Some(side(parts)),
            Attribute::CtaTupleReply(parts) => common.reply = Some(side(parts)),
            Attribute::CtaStatus(status) => common.status = Some(status.bits()),
            Attribute::CtaTimeout(seconds) => common.timeout = Some(*seconds),
            Attribute::CtaMark(mark) => common.mark = Some(*mark),
            Attribute::CtaProtoInfo(infos) => infos.iter().for_each(|info| protoinfo(info, &mut common)),
            _ => {}
        }
    }
    (message, common)
}

fn side(parts: &[TheirTuple]) -> Side {
    let (mut source, mut target, mut protocol, mut ports) = (None, None, None, [0; 2]);
    for part in parts {
        match part {
            TheirTuple::Ip(addresses) => {
                for address in addresses {
                    match address {
                        IPTuple::SourceAddress(ip) => source = Some(*ip),
                        IPTuple::DestinationAddress(ip) => target = Some(*ip),
                        other => panic!("unknown address {other:?}"),
                    }
                }
            }
            TheirTuple::Proto(fields) => {
                for field in fields {
                    match field {
                        ProtoTuple::Protocol(number) => protocol = Some(u8::from(*number)),
                        ProtoTuple::SourcePort(port) => ports[0] = *port,
                        ProtoTuple::DestinationPort(port) => ports[1] = *port,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    Side { addresses: [source.unwrap(), target.unwrap()], protocol: protocol.unwrap(), ports }
}

fn protoinfo(info: &ProtoInfo, common: &mut Common) {
    let ProtoInfo::TCP(fields) = info else { return };
    for field in fields {
        match field {
            ProtoInfoTCP::State(state) => common.state = Some(*state),
            ProtoInfoTCP::OriginalWindowScale(scale) => common.scales[0] = Some(*scale),
            ProtoInfoTCP::ReplyWindowScale(scale) => common.scales[1] = Some(*scale),
            ProtoInfoTCP::OriginalFlags(flags) => common.flags[0] = Some(flags.flags),
            ProtoInfoTCP::ReplyFlags(flags) => common.flags[1] = Some(flags.flags),
            _ => {}
        }
    }
}

/// Our reading of a message.
fn ours(flow: &Flow) -> Common {
    let said = |attr, value: u32| flow.has(attr).then_some(value);
    let said8 = |attr, value: u8| flow.has(attr).then_some(value);
    Common {
        original: Some(our_side(flow, &flow.original)),
        reply: flow.has(AttrSet::REPLY).then(|| our_side(flow, &flow.reply)),
        status: said(AttrSet::STATUS, flow.status.0),
        timeout: said(AttrSet::TIMEOUT, flow.timeout),
        mark: said(AttrSet::MARK, flow.mark),
        state: said8(AttrSet::TCP_STATE, flow.tcp_state.0),
        scales: [flow.tcp_scale_original, flow.tcp_scale_reply].map(|s| said8(AttrSet::TCP_SCALE, s)),
        flags: [flow.tcp_flags_original.0, flow.tcp_flags_reply.0].map(|f| said8(AttrSet::TCP_FLAGS, f)),
    }
}

fn our_side(flow: &Flow, tuple: &Tuple) -> Side {
    let ports = if flow.protocol.is_icmp() { [0; 2] } else { [tuple.source_port, tuple.target_port] };
    let addresses = [tuple.source.ip(flow.family), tuple.target.ip(flow.family)];
    Side { addresses, protocol: flow.protocol.0, ports }
}

fn read(bytes: &[u8]) -> (Change, Flow) {
    let Some(Ok(Message::Netfilter(view))) = Messages::new(bytes).next() else { panic!("a message") };
    let decoded = decode(&view, &[]).unwrap();
    (decoded.change, decoded.flow)
}

fn tcp(family: Family) -> Flow {
    let (source, target) = match family {
        Family::V4 => (Address::from_v4([10, 1, 0, 2]), Address::from_v4([10, 2, 0, 2])),
        Family::V6 => (Address::from_v6([1; 16]), Address::from_v6([2; 16])),
    };
    let original = Tuple { source, target, source_port: 33113, target_port: 7001 };
    let mut flow = Flow::new(family, Protocol::TCP, original);
    flow.reply.target_port = 50078;
    flow.status = Status(0x19e);
    flow.mark = 42;
    flow.tcp_state = TcpState::ESTABLISHED;
    (flow.tcp_scale_original, flow.tcp_scale_reply) = (7, 9);
    flow.present = AttrSet::REPLY
        .with(AttrSet::STATUS)
        .with(AttrSet::MARK)
        .with(AttrSet::TCP_STATE)
        .with(AttrSet::TCP_SCALE);
    flow
}

#[test]
fn both_read_the_same_in_a_kernels_bytes() {
    let hex = |line: &str| -> Vec<u8> {
        (0..line.len()).step_by(2).map(|i| u8::from_str_radix(&line[i..i + 2], 16).unwrap()).collect()
    };
    let events = include_str!("../fixtures/events.txt").lines();
    let dump = include_str!("../fixtures/dump.txt").lines();
    let is_message = |line: &&str| line.len() > 40 && line.bytes().all(|b| b.is_ascii_hexdigit());
    let mut compared = 0;
    for bytes in events.chain(dump).filter(is_message).map(hex) {
        let (change, flow) = read(&bytes);
        let (message, common) = theirs(&bytes);
        assert_eq!(ours(&flow), common);
        assert_eq!(matches!(message, ConntrackMessage::Delete(_)), change == Change::Destroy);
        compared += 1;
    }
    assert_eq!(compared, 61);
}

#[test]
fn what_we_ask_for_is_what_the_witness_reads() {
    for family in [Family::V4, Family::V6] {
        let flow = tcp(family);
        let mut bytes = Vec::new();
        encode::create(&mut bytes, 5, &flow, 300);
        let (message, create) = theirs(&bytes);
        assert!(matches!(message, ConntrackMessage::New(_)));
        let mut plain = flow;
        plain.reply = flow.original.inverse(flow.protocol);
        let liberal = TcpFlags::BE_LIBERAL | TcpFlags::WINDOW_SCALE;
        let wanted =
            Common { status: Some(0xe), timeout: Some(300), flags: [Some(liberal); 2], ..ours(&plain) };
        assert_eq!(create, wanted, "a create says the untranslated reply");

        bytes.clear();
        encode::update(&mut bytes, 5, &flow, 300);
        assert_eq!(theirs(&bytes).1, Common { reply: None, ..wanted });

        bytes.clear();
        encode::delete(&mut bytes, 5, &flow);
        let (message, delete) = theirs(&bytes);
        assert!(matches!(message, ConntrackMessage::Delete(_)));
        assert_eq!(delete, Common { original: ours(&flow).original, ..Common::default() });

        bytes.clear();
        encode::get_by_reply(&mut bytes, 5, &flow);
        let (message, get) = theirs(&bytes);
        assert!(matches!(message, ConntrackMessage::Get(_)));
        assert_eq!(get, Common { reply: ours(&flow).reply, ..Common::default() });
    }
}

#[test]
fn a_batch_is_read_message_by_message() {
    let flow = tcp(Family::V4);
    let mut batch = Batch::new();
    for token in [9, 4, 7] {
        batch.create(token, &flow, 300);
    }
    assert_eq!(batch.tokens(), [9, 4, 7]);
    let mut rest = batch.bytes();
    for seq in 0..3 {
        let header = NetlinkBuffer::new_checked(rest).unwrap();
        assert_eq!((header.sequence_number(), header.flags()), (seq, 0x601));
        assert_eq!(theirs(&rest[..header.length() as usize]).1.timeout, Some(300));
        rest = &rest[header.length() as usize..];
    }
    assert!(rest.is_empty());
}

/// What the witness writes for `flow` as it is.
fn written_by_witness(flow: &Flow) -> Vec<u8> {
    let tuple = |tuple: &Tuple| {
        vec![
            TheirTuple::Ip(vec![
                IPTuple::SourceAddress(tuple.source.ip(flow.family)),
                IPTuple::DestinationAddress(tuple.target.ip(flow.family)),
            ]),
            TheirTuple::Proto(if flow.protocol.has_kernel_ports() {
                vec![
                    ProtoTuple::Protocol(TheirProtocol::from(flow.protocol.0)),
                    ProtoTuple::SourcePort(tuple.source_port),
                    ProtoTuple::DestinationPort(tuple.target_port),
                ]
            } else {
                vec![ProtoTuple::Protocol(TheirProtocol::from(flow.protocol.0))]
            }),
        ]
    };
    let flags = |flags: TcpFlags| TCPFlags::parse(&[flags.0, 0]).unwrap();
    let mut tcp = Vec::new();
    if flow.has(AttrSet::TCP_STATE) {
        tcp.push(ProtoInfoTCP::State(flow.tcp_state.0));
    }
    if flow.has(AttrSet::TCP_SCALE) {
        tcp.push(ProtoInfoTCP::OriginalWindowScale(flow.tcp_scale_original));
        tcp.push(ProtoInfoTCP::ReplyWindowScale(flow.tcp_scale_reply));
    }
    if flow.has(AttrSet::TCP_FLAGS) {
        tcp.push(ProtoInfoTCP::OriginalFlags(flags(flow.tcp_flags_original)));
        tcp.push(ProtoInfoTCP::ReplyFlags(flags(flow.tcp_flags_reply)));
    }
    let said = |what, attribute: Attribute| flow.has(what).then_some(attribute);
    let attributes = [
        Some(Attribute::CtaTupleOrig(tuple(&flow.original))),
        said(AttrSet::REPLY, Attribute::CtaTupleReply(tuple(&flow.reply))),
        said(AttrSet::STATUS, Attribute::CtaStatus(TheirStatus::from_bits_retain(flow.status.0))),
        said(AttrSet::TIMEOUT, Attribute::CtaTimeout(flow.timeout)),
        said(AttrSet::MARK, Attribute::CtaMark(flow.mark)),
        (!tcp.is_empty()).then(|| Attribute::CtaProtoInfo(vec![ProtoInfo::TCP(tcp)])),
    ];
    let attributes = attributes.into_iter().flatten().collect();
    let family = match flow.family {
        Family::V4 => NetfilterProtoFamily::IPv4,
        Family::V6 => NetfilterProtoFamily::IPv6,
    };
    let message =
        NetfilterMessage::new(NetfilterHeader::new(family, 0, 0), ConntrackMessage::New(attributes));
    let mut message = NetlinkMessage::new(NetlinkHeader::default(), NetlinkPayload::from(message));
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    bytes
}

#[test]
fn what_the_witness_writes_is_what_we_read() {
    for family in [Family::V4, Family::V6] {
        let mut flow = tcp(family);
        flow.timeout = 431_999;
        (flow.tcp_flags_original, flow.tcp_flags_reply) = (TcpFlags(0x23), TcpFlags(0x0b));
        flow.present = flow.present.with(AttrSet::TIMEOUT).with(AttrSet::TCP_FLAGS);
        assert_eq!(read(&written_by_witness(&flow)), (Change::Update, flow));
    }
}

/// What of any flow the witness has a word for: no zone, no extras, no ICMP; and TCP's flags, which no peer says.
fn in_both(whole: &Whole, [original, reply]: [u8; 2]) -> Flow {
    let mut flow = whole.flow;
    flow.present = flow.present.without(AttrSet::ZONE.with(AttrSet::SYNPROXY_ZERO).with(AttrSet::EXTRAS));
    flow.zone = 0;
    if flow.protocol == Protocol::TCP {
        (flow.tcp_flags_original, flow.tcp_flags_reply) = (TcpFlags(original), TcpFlags(reply));
        flow.present = flow.present.with(AttrSet::TCP_FLAGS);
    }
    flow
}

fn without_icmp() -> impl Strategy<Value = Whole> {
    any::whole().prop_filter("the witness does not know ICMP's fields", |whole| !whole.protocol.is_icmp())
}

proptest! {
    #![proptest_config(any::cases(2000))]

    #[test]
    fn the_witness_reads_in_our_requests_what_they_mean(whole in any::whole(), timeout in any::<u32>()) {
        let flow = &whole.flow;
        let status = flow.status.0 & (Status::SEEN_REPLY | Status::ASSURED) | Status::CONFIRMED;
        let is_tcp = flow.protocol == Protocol::TCP;
        let scaled = is_tcp && flow.has(AttrSet::TCP_SCALE);
        let liberal = TcpFlags::BE_LIBERAL | if scaled { TcpFlags::WINDOW_SCALE } else { 0 };
        let mut plain = *flow;
        plain.reply = flow.original.inverse(flow.protocol);

        let mut bytes = Vec::new();
        encode::create(&mut bytes, 7, &whole, timeout);
        let (message, create) = theirs(&bytes);
        prop_assert!(matches!(message, ConntrackMessage::New(_)));
        let wanted = Common {
            status: Some(status),
            timeout: Some(timeout),
            mark: (flow.mark != 0).then_some(flow.mark),
            flags: [is_tcp.then_some(liberal); 2],
            ..ours(&plain)
        };
        prop_assert_eq!(&create, &wanted);
        // And our own reading of the same bytes.
        prop_assert_eq!(create, ours(&read(&bytes).1));

        bytes.clear();
        encode::update(&mut bytes, 7, &whole, timeout);
        let (_, update) = theirs(&bytes);
        prop_assert_eq!(&update, &ours(&read(&bytes).1));
        // An entry that is there may have an older mark, and keeps its status if none was said.
        let status = flow.has(AttrSet::STATUS).then_some(status);
        prop_assert_eq!(update, Common { reply: None, mark: Some(flow.mark), status, ..wanted });

        bytes.clear();
        encode::delete(&mut bytes, 7, flow);
        let (message, delete) = theirs(&bytes);
        prop_assert!(matches!(message, ConntrackMessage::Delete(_)));
        prop_assert_eq!(delete, Common { original: ours(flow).original, ..Common::default() });
    }

    #[test]
    fn we_read_whatever_the_witness_writes(whole in without_icmp(), flags in any::<[u8; 2]>()) {
        let flow = in_both(&whole, flags);
        let bytes = written_by_witness(&flow);
        prop_assert_eq!(theirs(&bytes).1, ours(&flow));
        prop_assert_eq!(read(&bytes), (Change::Update, flow));
    }
}
