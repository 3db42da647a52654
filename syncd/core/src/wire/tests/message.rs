//! Which attributes make which flow, one rule at a time; the bytes themselves are in the captured frames.

extern crate std;

use std::vec::Vec;

use super::{datagram, flow_of, only_frame};
use crate::flow::{Address, AttrSet, Change, Family, Flow, FlowRef, Protocol, Status, TcpState, Tuple};
use crate::wire::attr::{AttrKind, AttrWriter, attributes};
use crate::wire::header::{Control, Flags, MessageType};
use crate::wire::message::{Options, PayloadError, decode_flow, encode_control, encode_flow};
use crate::wire::seq::{Seq, SeqRange};

const NAT_DONE: u32 = Status::SRC_NAT_DONE | Status::DST_NAT_DONE;

/// The attributes that every flow message of TCP has.
fn tcp(attrs: &mut AttrWriter<'_>) {
    attrs.put(AttrKind::IPV4, &[&[10, 1, 0, 2], &[10, 2, 0, 2]]);
    attrs.put_u8(AttrKind::L4PROTO, 6);
    attrs.put(AttrKind::PORT, &[&33113_u16.to_be_bytes(), &7001_u16.to_be_bytes()]);
}

/// Those of ICMP.
fn icmp(attrs: &mut AttrWriter<'_>) {
    attrs.put(AttrKind::IPV4, &[&[10, 1, 0, 2], &[10, 2, 0, 2]]);
    attrs.put_u8(AttrKind::L4PROTO, 1);
    attrs.put_u8(AttrKind::ICMP_TYPE, 8);
    attrs.put_u8(AttrKind::ICMP_CODE, 0);
    attrs.put_u16_swapped(AttrKind::ICMP_ID, 4660);
}

/// What we make of a message with the attributes that `write` writes: the flow, and how many were skipped.
fn read(write: impl FnOnce(&mut AttrWriter<'_>)) -> Result<(Flow, u32), PayloadError> {
    let mut datagram = datagram();
    datagram.append(MessageType::Update, Flags::NONE, Seq(1), write).expect("room");
    let decoded = decode_flow(&only_frame(datagram.as_bytes()))?;
    assert_eq!(decoded.change, Change::Update);
    Ok((decoded.flow, decoded.skipped))
}

/// The numbers of the attributes that we send for `flow`.
fn sent<'a>(flow: impl Into<FlowRef<'a>>, options: Options) -> Vec<u16> {
    let mut datagram = datagram();
    encode_flow(&mut datagram, Change::New, Flags::NONE, Seq(1), flow, options).expect("room");
    let view = only_frame(datagram.as_bytes());
    attributes(view.body()).map(|attr| attr.expect("our own attribute").kind.0).collect()
}

#[test]
fn only_what_was_said_is_present() {
    let (flow, skipped) = read(tcp).expect("a flow");
    let mut plain = flow_of(Protocol::TCP);
    plain.present = AttrSet::REPLY;
    assert_eq!((flow, skipped), (plain, 0));
}

#[test]
fn what_is_missing_or_empty_is_refused() {
    assert_eq!(read(|_| {}), Err(PayloadError::Empty));
    assert_eq!(read(|attrs| attrs.put_u8(AttrKind::L4PROTO, 6)), Err(PayloadError::NoAddress));
    let address = |attrs: &mut AttrWriter<'_>| attrs.put(AttrKind::IPV4, &[&[0; 8]]);
    assert_eq!(read(address), Err(PayloadError::NoProtocol));
    for protocol in
        [Protocol::TCP, Protocol::UDP, Protocol::SCTP, Protocol::DCCP, Protocol::ICMP, Protocol::ICMP6]
    {
        let portless = read(|attrs| {
            address(attrs);
            attrs.put_u8(AttrKind::L4PROTO, protocol.0);
        });
        assert_eq!(portless, Err(PayloadError::NoPorts), "{}", protocol.name());
    }
    let gre = read(|attrs| {
        address(attrs);
        attrs.put_u8(AttrKind::L4PROTO, Protocol::GRE.0);
    });
    assert!(gre.is_ok(), "conntrackd sends no key of GRE");
}

#[test]
fn an_attribute_that_we_read_has_one_length() {
    let sizes: [(AttrKind, usize); 31] = [
        (AttrKind::IPV4, 8),
        (AttrKind::IPV6, 32),
        (AttrKind::L4PROTO, 1),
        (AttrKind::PORT, 4),
        (AttrKind::TCP_STATE, 1),
        (AttrKind::STATUS, 4),
        (AttrKind::TIMEOUT, 4),
        (AttrKind::MARK, 4),
        (AttrKind::MASTER_IPV4, 8),
        (AttrKind::MASTER_IPV6, 32),
        (AttrKind::MASTER_L4PROTO, 1),
        (AttrKind::MASTER_PORT, 4),
        (AttrKind::NAT_SEQ_ADJ, 24),
        (AttrKind::SCTP_STATE, 1),
        (AttrKind::SCTP_VTAG_ORIG, 4),
        (AttrKind::SCTP_VTAG_REPL, 4),
        (AttrKind::DCCP_STATE, 1),
        (AttrKind::DCCP_ROLE, 1),
        (AttrKind::SNAT_IPV4, 4),
        (AttrKind::DNAT_IPV4, 4),
        (AttrKind::SPAT_PORT, 2),
        (AttrKind::DPAT_PORT, 2),
        (AttrKind::ICMP_TYPE, 1),
        (AttrKind::ICMP_CODE, 1),
        (AttrKind::ICMP_ID, 2),
        (AttrKind::TCP_WSCALE_ORIG, 1),
        (AttrKind::TCP_WSCALE_REPL, 1),
        (AttrKind::SNAT_IPV6, 16),
        (AttrKind::DNAT_IPV6, 16),
        (AttrKind::SYNPROXY, 12),
        (AttrKind::ZONE, 2),
    ];
    for (kind, right) in sizes {
        for length in 0..=40 {
            let result = read(|attrs| {
                attrs.put(kind, &[&[0; 40][..length]]);
                tcp(attrs);
            });
            let refused = result.err() == Some(PayloadError::BadLength(kind));
            assert_eq!(refused, length != right, "{kind} of {length}");
        }
    }
}

#[test]
fn values_that_no_kernel_takes_are_refused() {
    for (kind, most) in
        [(AttrKind::TCP_STATE, 9), (AttrKind::TCP_WSCALE_ORIG, 14), (AttrKind::TCP_WSCALE_REPL, 14)]
    {
        let with = |value| {
            read(|attrs| {
                tcp(attrs);
                attrs.put_u8(kind, value);
            })
        };
        assert!(with(most).is_ok());
        assert_eq!(with(most + 1), Err(PayloadError::BadValue(kind)));
    }
}

#[test]
fn attributes_from_the_future_are_skipped_and_counted() {
    for number in [33, 65535] {
        let (flow, skipped) = read(|attrs| {
            attrs.put(AttrKind(number), &[&[1; 12]]);
            tcp(attrs);
            attrs.put_u32(AttrKind::MARK, 42);
        })
        .expect("the rest applies");
        assert_eq!((flow.mark, skipped), (42, 1), "attribute {number}");
    }
}

#[test]
fn attributes_of_another_protocol_are_skipped_and_counted() {
    let (flow, skipped) = read(|attrs| {
        tcp(attrs);
        attrs.put_u8(AttrKind::ICMP_TYPE, 8);
        attrs.put_u8(AttrKind::ICMP_CODE, 0);
        attrs.put_u16_swapped(AttrKind::ICMP_ID, 1);
    })
    .expect("a flow");
    assert_eq!((flow.original, skipped), (flow_of(Protocol::TCP).original, 3));
    let (flow, skipped) = read(|attrs| {
        icmp(attrs);
        attrs.put_u32(AttrKind::PORT, 7);
        attrs.put_u8(AttrKind::TCP_STATE, 3);
        attrs.put_u8(AttrKind::TCP_WSCALE_ORIG, 3);
        attrs.put_u8(AttrKind::TCP_WSCALE_REPL, 3);
    })
    .expect("a flow");
    assert_eq!((flow.original.icmp_id(), flow.present, skipped), (4660, AttrSet::REPLY, 4));
}

#[test]
fn translations_of_another_family_are_skipped_and_counted() {
    let (flow, skipped) = read(|attrs| {
        tcp(attrs);
        attrs.put(AttrKind::SNAT_IPV6, &[&[1; 16]]);
        attrs.put(AttrKind::DNAT_IPV6, &[&[1; 16]]);
    })
    .expect("a flow");
    assert_eq!((flow.reply, skipped), (flow.original.inverse(Protocol::TCP), 2));
}

#[test]
fn one_window_scale_alone_says_nothing() {
    let (flow, skipped) = read(|attrs| {
        tcp(attrs);
        attrs.put_u8(AttrKind::TCP_WSCALE_ORIG, 7);
    })
    .expect("a flow");
    assert_eq!((flow.has(AttrSet::TCP_SCALE), skipped), (false, 1));
}

#[test]
fn port_zero_is_no_translation() {
    let (flow, _) = read(|attrs| {
        tcp(attrs);
        attrs.put_u16_swapped(AttrKind::SPAT_PORT, 0);
        attrs.put_u16_swapped(AttrKind::DPAT_PORT, 0);
    })
    .expect("a flow");
    assert_eq!(flow.reply, flow.original.inverse(Protocol::TCP));
}

#[test]
fn icmp_has_no_translated_port() {
    let (flow, skipped) = read(|attrs| {
        icmp(attrs);
        attrs.put_u16_swapped(AttrKind::SPAT_PORT, 77);
        attrs.put_u16_swapped(AttrKind::DPAT_PORT, 78);
    })
    .expect("a flow");
    assert_eq!((flow.reply, skipped), (flow.original.inverse(Protocol::ICMP), 0));
}

#[test]
fn of_two_equal_attributes_the_last_counts() {
    let (flow, skipped) = read(|attrs| {
        attrs.put(AttrKind::IPV6, &[&[9; 32]]);
        tcp(attrs);
        attrs.put_u32(AttrKind::MARK, 1);
        attrs.put_u32(AttrKind::MARK, 2);
    })
    .expect("a flow");
    assert_eq!((flow.family, flow.mark, skipped), (Family::V4, 2, 0));
}

#[test]
fn expectations_and_control_are_no_flows() {
    for kind in [MessageType::ExpectNew, MessageType::ExpectUpdate, MessageType::ExpectDestroy] {
        let mut datagram = datagram();
        datagram.append(kind, Flags::NONE, Seq(1), tcp).expect("room");
        assert_eq!(decode_flow(&only_frame(datagram.as_bytes())), Err(PayloadError::NotAFlow));
    }
    let mut datagram = datagram();
    encode_control(&mut datagram, Control::Alive, Flags::HELLO, Seq(1)).expect("room");
    assert_eq!(decode_flow(&only_frame(datagram.as_bytes())), Err(PayloadError::NotAFlow));
}

#[test]
fn what_was_not_said_is_not_sent() {
    let bare = flow_of(Protocol::TCP);
    assert_eq!(sent(&bare, Options { window_scale: true }), [0, 2, 3]);
    assert_eq!(sent(&flow_of(Protocol::GRE), Options::default()), [0, 2]);
}

#[test]
fn everything_at_once_comes_in_conntrackds_order() {
    let (source, target) = (Address::from_v6([0xfd; 16]), Address::from_v6([0xfc; 16]));
    let original = Tuple { source, target, source_port: 1, target_port: 2 };
    let mut flow = Flow::new(Family::V6, Protocol::TCP, original);
    let (source, target) = (Address::from_v6([3; 16]), Address::from_v6([4; 16]));
    flow.reply = Tuple { source, target, source_port: 5, target_port: 6 };
    flow.status = Status(NAT_DONE);
    flow.present = AttrSet::REPLY.with(AttrSet::STATUS).with(AttrSet::TIMEOUT).with(AttrSet::MARK);
    flow.present = flow.present.with(AttrSet::TCP_STATE).with(AttrSet::TCP_SCALE);
    flow.present = flow.present.with(AttrSet::ZONE).with(AttrSet::SYNPROXY_ZERO);
    let all = [1, 5, 2, 3, 4, 25, 26, 6, 7, 29, 30, 14, 15, 31, 32];
    let options = Options { window_scale: true };
    assert_eq!(sent(&flow, options), all);
    let unscaled: Vec<u16> = all.into_iter().filter(|number| ![25, 26].contains(number)).collect();
    assert_eq!(sent(&flow, Options::default()), unscaled);
}

#[test]
fn a_translation_is_sent_when_the_kernel_has_decided_it() {
    let mut flow = flow_of(Protocol::TCP);
    flow.reply.target = Address::from_v4([10, 2, 0, 1]);
    flow.reply.source_port = 80;
    flow.present = AttrSet::REPLY.with(AttrSet::STATUS);
    for (status, numbers) in [
        (0, &[0, 5, 2, 3][..]),
        (Status::SRC_NAT_DONE, &[0, 5, 2, 3, 12]),
        (Status::DST_NAT_DONE, &[0, 5, 2, 3, 15]),
        (NAT_DONE, &[0, 5, 2, 3, 12, 15]),
    ] {
        flow.status = Status(status);
        assert_eq!(sent(&flow, Options::default()), numbers, "{status:#x}");
    }
    flow.present = AttrSet::STATUS;
    assert_eq!(sent(&flow, Options::default()), [0, 5, 2, 3], "the reply is not known");
}

#[test]
fn icmp_port_translations_are_as_wrong_as_conntrackds() {
    // An echo with id 0 is answered by type 0, code 0: the two fields that conntrackd compares happen to be equal.
    for (id, numbers) in [(4660, &[0, 5, 2, 22, 23, 24, 14, 15][..]), (0, &[0, 5, 2, 22, 23, 24, 15])] {
        let tcp = flow_of(Protocol::TCP).original;
        let original = Tuple::icmp(tcp.source, tcp.target, id, 8, 0);
        let mut flow = Flow::new(Family::V4, Protocol::ICMP, original);
        flow.status = Status(NAT_DONE);
        flow.present = AttrSet::REPLY.with(AttrSet::STATUS);
        assert_eq!(sent(&flow, Options::default()), numbers, "id {id}");
    }
}

#[test]
fn tcp_state_of_another_protocol_is_not_sent() {
    let mut flow = flow_of(Protocol::UDP);
    flow.tcp_state = TcpState::ESTABLISHED;
    flow.present = AttrSet::TCP_STATE.with(AttrSet::TCP_SCALE);
    assert_eq!(sent(&flow, Options { window_scale: true }), [0, 2, 3]);
}

#[test]
fn control_messages_come_back() {
    let range = SeqRange::new(Seq(u32::MAX), Seq(3)).expect("an ordered range");
    for control in [Control::Resync, Control::Nack(range), Control::Ack(range), Control::Alive] {
        let mut datagram = datagram();
        let greetings = Flags::HELLO.with(Flags::HELLO_BACK);
        encode_control(&mut datagram, control, greetings, Seq(9)).expect("room");
        let view = only_frame(datagram.as_bytes());
        assert_eq!((view.control(), view.seq()), (Some(control), Seq(9)));
        assert!(view.hello() && view.hello_back());
    }
}

#[test]
#[should_panic(expected = "a flow frame may greet")]
fn a_flow_frame_with_a_control_flag_is_our_own_mistake() {
    let flow = flow_of(Protocol::TCP);
    let _full = encode_flow(&mut datagram(), Change::New, Flags::ACK, Seq(1), &flow, Options::default());
}
