//! What few flows have: which attributes make it, which are passed over, in which order it is sent.

extern crate std;

use std::vec::Vec;

use super::{datagram, flow_of, only_frame};
use crate::flow::{
    AttrSet, Change, ExtraSet, Extras, Family, Flow, HelperName, Labels, Parent, Protocol, SctpState, Status,
    Synproxy, Tuple, Whole,
};
use crate::wire::attr::{AttrKind, AttrWriter, attributes};
use crate::wire::datagram::LONGEST_FRAME;
use crate::wire::header::{Flags, MessageType};
use crate::wire::message::{Options, PayloadError, Unsaid, decode_flow, encode_flow, unsaid};
use crate::wire::seq::Seq;

/// What we make of a message about `flow` to which `write` adds attributes.
fn read(flow: &Flow, write: impl FnOnce(&mut AttrWriter<'_>)) -> Result<(Extras, u32), PayloadError> {
    let mut plain = datagram();
    encode_flow(&mut plain, Change::New, Flags::NONE, Seq(1), flow, Options::default()).expect("room");
    let body = only_frame(plain.as_bytes()).body();
    let mut datagram = datagram();
    datagram
        .append(MessageType::Update, Flags::NONE, Seq(1), |attrs| {
            attrs.bytes.extend_from_slice(body);
            write(attrs);
        })
        .expect("room");
    let decoded = decode_flow(&only_frame(datagram.as_bytes()))?;
    Ok((decoded.extras, decoded.skipped))
}

fn sent(whole: &Whole) -> Vec<u16> {
    let mut datagram = datagram();
    let options = Options { window_scale: true };
    encode_flow(&mut datagram, Change::New, Flags::NONE, Seq(1), whole, options).expect("room");
    attributes(only_frame(datagram.as_bytes()).body()).map(|attr| attr.expect("our own").kind.0).collect()
}

fn tcp() -> Flow {
    flow_of(Protocol::TCP)
}

#[test]
fn a_state_of_another_protocol_is_skipped_and_counted() {
    let all = |attrs: &mut AttrWriter<'_>| {
        attrs.put_u8(AttrKind::SCTP_STATE, 4);
        attrs.put_u32(AttrKind::SCTP_VTAG_ORIG, 1);
        attrs.put_u32(AttrKind::SCTP_VTAG_REPL, 2);
        attrs.put_u8(AttrKind::DCCP_STATE, 4);
        attrs.put_u8(AttrKind::DCCP_ROLE, 1);
    };
    assert_eq!(read(&tcp(), all), Ok((Extras::EMPTY, 5)));
    let (sctp, skipped) = read(&flow_of(Protocol::SCTP), all).expect("a flow");
    assert_eq!((sctp.sctp_state, sctp.sctp_tags, skipped), (SctpState(4), [1, 2], 2));
    assert_eq!(sctp.present, ExtraSet::SCTP_STATE.with(ExtraSet::SCTP_TAGS));
    let (dccp, skipped) = read(&flow_of(Protocol::DCCP), all).expect("a flow");
    assert_eq!((dccp.dccp.state, dccp.dccp.role, dccp.present, skipped), (4, 1, ExtraSet::DCCP, 3));
}

#[test]
fn half_of_a_pair_says_nothing() {
    let tag = |attrs: &mut AttrWriter<'_>| attrs.put_u32(AttrKind::SCTP_VTAG_ORIG, 1);
    assert_eq!(read(&flow_of(Protocol::SCTP), tag), Ok((Extras::EMPTY, 1)));
    let state = |attrs: &mut AttrWriter<'_>| attrs.put_u8(AttrKind::DCCP_STATE, 1);
    assert_eq!(read(&flow_of(Protocol::DCCP), state), Ok((Extras::EMPTY, 1)));
}

#[test]
fn a_parent_is_complete_or_none() {
    let address =
        |attrs: &mut AttrWriter<'_>| attrs.put(AttrKind::MASTER_IPV4, &[&[10, 0, 0, 1, 10, 0, 0, 2]]);
    let protocol = |attrs: &mut AttrWriter<'_>| attrs.put_u8(AttrKind::MASTER_L4PROTO, 6);
    let ports = |attrs: &mut AttrWriter<'_>| attrs.put(AttrKind::MASTER_PORT, &[&[0, 1, 0, 21]]);
    assert_eq!(read(&tcp(), address), Ok((Extras::EMPTY, 1)));
    let portless = |attrs: &mut AttrWriter<'_>| {
        address(attrs);
        protocol(attrs);
    };
    assert_eq!(read(&tcp(), portless), Ok((Extras::EMPTY, 2)));
    let whole = |attrs: &mut AttrWriter<'_>| {
        ports(attrs);
        protocol(attrs);
        address(attrs);
    };
    let (extras, skipped) = read(&tcp(), whole).expect("a flow");
    let parent = extras.parent().expect("a parent");
    assert_eq!((parent.family, parent.protocol, skipped), (Family::V4, Protocol::TCP, 0));
    assert_eq!((parent.original.source_port, parent.original.target_port), (1, 21));
}

#[test]
fn what_is_no_name_is_skipped() {
    let named = |name: &'static [u8]| read(&tcp(), move |attrs| attrs.put(AttrKind::HELPER_NAME, &[name]));
    let helper = |name: &'static [u8]| named(name).map(|(extras, skipped)| (extras.helper(), skipped));
    assert_eq!(helper(b"ftp\0"), Ok((HelperName::new(b"ftp"), 0)));
    assert_eq!(
        helper(b"Q.931"),
        Ok((HelperName::new(b"Q.931"), 0)),
        "conntrackd, too, reads on without a NUL"
    );
    assert_eq!(helper(b"ftp\0junk"), Ok((HelperName::new(b"ftp"), 0)));
    for bad in [&b"\0"[..], b"a b\0", b"a\x1b[2J\0", b"abcdefghijklmnop"] {
        assert_eq!(named(bad), Ok((Extras::EMPTY, 1)), "{bad:?}");
    }
}

#[test]
fn labels_that_do_not_fit_are_counted() {
    let labels = |bytes: &'static [u8]| read(&tcp(), move |attrs| attrs.put(AttrKind::LABELS, &[bytes]));
    let words = |bytes| labels(bytes).map(|(extras, skipped)| (extras.labels.words().to_vec(), skipped));
    assert_eq!(words(&[0, 0, 0, 1]), Ok(([1].to_vec(), 0)));
    assert_eq!(words(&[1; 16]), Ok(([0x0101_0101; 4].to_vec(), 0)));
    assert_eq!(words(&[1; 20]), Ok(([0x0101_0101; 4].to_vec(), 1)), "a fifth word");
    assert_eq!(labels(&[1; 3]), Ok((Extras::EMPTY, 1)));
    assert_eq!(labels(&[0; 16]), Ok((Extras::EMPTY, 0)), "no label at all");
}

#[test]
fn more_labels_than_conntrackd_takes_are_refused() {
    let mut frame = std::vec![0x11, 0, 0, 0, 0, 0, 0, 1];
    AttrWriter { bytes: &mut frame }.put(AttrKind::LABELS, &[&[0; 1028]]);
    let length = u16::try_from(frame.len()).expect("a short frame").to_be_bytes();
    frame[2..4].copy_from_slice(&length);
    assert_eq!(decode_flow(&only_frame(&frame)), Err(PayloadError::BadLength(AttrKind::LABELS)));
}

#[test]
fn the_last_synproxy_counts() {
    let block = |attrs: &mut AttrWriter<'_>, bytes: [u8; 12]| attrs.put(AttrKind::SYNPROXY, &[&bytes]);
    let used = |attrs: &mut AttrWriter<'_>| {
        block(attrs, [0; 12]);
        block(attrs, [0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3]);
    };
    let (extras, skipped) = read(&tcp(), used).expect("a flow");
    assert_eq!((extras.synproxy, skipped), (Synproxy { its: 1, isn: 2, offset: 3 }, 0));
    let unused = |attrs: &mut AttrWriter<'_>| {
        block(attrs, [1; 12]);
        block(attrs, [0; 12]);
    };
    assert_eq!(read(&tcp(), unused), Ok((Extras::EMPTY, 0)));
}

#[test]
fn everything_comes_in_conntrackds_order() {
    let address = |first| crate::flow::Address::from_v6([first; 16]);
    let tuple = |first| Tuple {
        source: address(first),
        target: address(first + 1),
        source_port: u16::from(first),
        target_port: u16::from(first) + 1,
    };
    let mut flow = Flow::new(Family::V6, Protocol::SCTP, tuple(1));
    flow.reply = tuple(3);
    flow.status = Status(Status::SRC_NAT_DONE | Status::DST_NAT_DONE);
    flow.present = AttrSet::REPLY.with(AttrSet::STATUS).with(AttrSet::TIMEOUT).with(AttrSet::MARK);
    flow.present = flow.present.with(AttrSet::ZONE);
    let mut extras = Extras {
        parent: Parent { original: tuple(5), family: Family::V6, protocol: Protocol::TCP },
        labels: Labels::new([0, 0, 0, 1]),
        helper: HelperName::new(b"elevenchars").expect("a name"),
        ..Extras::EMPTY
    };
    for set in [
        ExtraSet::SCTP_STATE,
        ExtraSet::SCTP_TAGS,
        ExtraSet::SEQUENCE,
        ExtraSet::SYNPROXY,
        ExtraSet::LABELS,
        ExtraSet::HELPER,
        ExtraSet::PARENT,
    ] {
        extras.said(set);
    }
    let whole = Whole::new(flow, extras);
    let all = [1, 5, 2, 3, 17, 18, 19, 6, 7, 9, 10, 11, 29, 30, 14, 15, 16, 27, 28, 31, 32];
    assert_eq!(sent(&whole), all);
    let mut longest = datagram();
    encode_flow(&mut longest, Change::New, Flags::NONE, Seq(1), &whole, Options::default()).expect("room");
    assert_eq!(longest.as_bytes().len(), 304, "what LONGEST_FRAME has to cover");
    const { assert!(LONGEST_FRAME >= 304) };
}

#[test]
fn what_has_no_word_in_the_dialect_is_known() {
    let gre = |port| {
        let mut flow = flow_of(Protocol::GRE);
        (flow.original.source_port, flow.original.target_port) = (0, port);
        unsaid((&flow).into())
    };
    assert_eq!(gre(0), Unsaid::default(), "plain GRE has no key");
    assert_eq!(gre(7), Unsaid { attributes: 0, ambiguous: true });
    assert!(unsaid((&flow_of(Protocol::UDPLITE)).into()).ambiguous);
    assert_eq!(unsaid((&tcp()).into()), Unsaid::default());

    let mut extras = Extras { helper: HelperName::new(b"twelve-chars").expect("a name"), ..Extras::EMPTY };
    extras.said(ExtraSet::HELPER);
    let long = Whole::new(tcp(), extras);
    assert_eq!(unsaid((&long).into()), Unsaid { attributes: 1, ambiguous: false });
    assert!(!sent(&long).contains(&27), "conntrackd would throw the whole message away");

    let plain = tcp().original;
    let mut echo = Flow::new(Family::V4, Protocol::ICMP, Tuple::icmp(plain.source, plain.target, 7, 8, 0));
    echo.present = AttrSet::REPLY;
    assert_eq!(unsaid((&echo).into()), Unsaid::default());
    echo.reply.source_port = 8;
    assert_eq!(unsaid((&echo).into()), Unsaid { attributes: 1, ambiguous: false });
}
