//! What a kernel has not (yet) said to us: attributes of the future, and messages that are wrong.

use super::*;
use crate::message::{Message, Messages, begin, end};
use crate::nla::{put, put_nested};

/// An event of operation NEW about whatever `fill` says.
fn event(family: u8, fill: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    let start = begin(&mut out, kind::NEW, flag::CREATE | flag::EXCL, 0, family);
    fill(&mut out);
    end(&mut out, start);
    out
}

fn read(bytes: &[u8]) -> Result<Decoded, DecodeError> {
    match Messages::new(bytes).next() {
        Some(Ok(Message::Netfilter(view))) => decode(&view, &[]),
        other => panic!("a netfilter message, not {other:?}"),
    }
}

fn fault(bytes: &[u8]) -> Fault {
    read(bytes).unwrap_err().fault
}

/// A tuple of IPv4; `more` is added to it.
fn put_tuple(out: &mut Vec<u8>, attribute: u16, protocol: u8, more: impl FnOnce(&mut Vec<u8>)) {
    put_nested(out, attribute, |out| {
        // The protocol last and its number behind the ports: no order is promised.
        put_nested(out, tuple::PROTO, |out| {
            put(out, proto::SRC_PORT, &[0, 5]);
            put(out, proto::DST_PORT, &[0, 6]);
            put(out, proto::NUM, &[protocol]);
        });
        put_nested(out, tuple::IP, |out| {
            put(out, ip::V4_SRC, &[1, 2, 3, 4]);
            put(out, ip::V4_DST, &[5, 6, 7, 8]);
        });
        more(out);
    });
}

fn udp(more: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    event(2, |out| {
        put_tuple(out, cta::TUPLE_ORIG, 17, |_| {});
        more(out);
    })
}

#[test]
fn the_original_tuple_is_enough() {
    let decoded = read(&udp(|_| {})).unwrap();
    assert_eq!((decoded.change, decoded.skipped, decoded.measured), (Change::New, 0, 0));
    let flow = decoded.flow;
    assert_eq!((flow.original.source_port, flow.original.target_port), (5, 6));
    assert_eq!(flow.reply, flow.original.inverse(Protocol::UDP));
    assert_eq!(flow.present, AttrSet::EMPTY);
}

#[test]
fn what_we_have_never_heard_of_is_counted() {
    let bytes = event(2, |out| {
        put(out, 40, &[1, 2, 3]);
        put_tuple(out, cta::TUPLE_ORIG, 17, |out| {
            put(out, 3, &[0, 9]); // CTA_TUPLE_ZONE
            put_nested(out, tuple::IP, |out| put(out, 9, &[1]));
            put_nested(out, tuple::PROTO, |out| put(out, 99, &[1]));
        });
        put_nested(out, cta::PROTOINFO, |out| {
            put_nested(out, 3, |_| {}); // CTA_PROTOINFO_SCTP
            put_nested(out, protoinfo::TCP, |out| {
                put(out, protoinfo::TCP_WSCALE_REPLY, &[7]); // without its other half
                put(out, 6, &[1]);
            });
        });
        put(out, cta::USE, &[0, 0, 0, 1]);
    });
    let decoded = read(&bytes).unwrap();
    assert_eq!((decoded.skipped, decoded.measured), (7, 1));
    assert_eq!(decoded.flow.present, AttrSet::EMPTY);
}

#[test]
fn synproxy_is_held_only_when_it_says_nothing() {
    let synproxy = |isn: [u8; 4], more: fn(&mut Vec<u8>)| {
        let decoded = read(&udp(|out| {
            put_nested(out, cta::SYNPROXY, |out| {
                put(out, synproxy::ISN, &isn);
                put(out, synproxy::ITS, &[0; 4]);
                put(out, synproxy::TSOFF, &[0; 4]);
                more(out);
            });
        }));
        let decoded = decoded.unwrap();
        (decoded.flow.has(AttrSet::SYNPROXY_ZERO), decoded.skipped)
    };
    assert_eq!(synproxy([0; 4], |_| {}), (true, 0));
    assert_eq!(synproxy([0, 0, 0, 1], |_| {}), (false, 1));
    assert_eq!(synproxy([0; 4], |out| put(out, 4, &[0; 4])), (false, 1), "a field we do not know");
}

#[test]
fn a_tuple_needs_addresses_of_its_family_and_a_protocol() {
    let mixed = event(10, |out| put_tuple(out, cta::TUPLE_ORIG, 17, |_| {}));
    assert_eq!(fault(&mixed), Fault::Tuple);
    let empty = event(2, |out| put_nested(out, cta::TUPLE_ORIG, |_| {}));
    assert_eq!(fault(&empty), Fault::Tuple);
    let no_reply_protocol = udp(|out| {
        put_nested(out, cta::TUPLE_REPLY, |out| {
            put_nested(out, tuple::IP, |out| put(out, ip::V4_SRC, &[1; 4]));
        });
    });
    assert_eq!(fault(&no_reply_protocol), Fault::Tuple);
}

#[test]
fn one_flow_has_one_protocol() {
    let behind = udp(|out| put_tuple(out, cta::TUPLE_REPLY, 6, |_| {}));
    assert_eq!(fault(&behind), Fault::ReplyProtocol);
    let before = event(2, |out| {
        put_tuple(out, cta::TUPLE_REPLY, 6, |_| {});
        put_tuple(out, cta::TUPLE_ORIG, 17, |_| {});
    });
    assert_eq!(fault(&before), Fault::ReplyProtocol);
}

#[test]
fn messages_that_are_no_flow_are_refused() {
    assert_eq!(fault(&event(2, |_| {})), Fault::NoOriginal);
    assert_eq!(fault(&event(7, |_| {})), Fault::Family);
    let mut other_subsystem = udp(|_| {});
    other_subsystem[4..6].copy_from_slice(&u16::from_be_bytes([10, 0]).to_ne_bytes());
    assert_eq!(fault(&other_subsystem), Fault::NotAFlow);
    let mut other_operation = udp(|_| {});
    other_operation[4..6].copy_from_slice(&u16::from_be_bytes([1, kind::GET_STATS]).to_ne_bytes());
    assert_eq!(fault(&other_operation), Fault::NotAFlow);
}

#[test]
fn a_value_of_another_length_names_its_place() {
    let bytes = udp(|out| put(out, cta::TIMEOUT, &[0, 9]));
    let error = read(&bytes).unwrap_err();
    assert_eq!(error, DecodeError { fault: Fault::ValueLength, offset: bytes.len() - 4 });
    assert_eq!(
        error.to_string(),
        format!("attribute value of unexpected length at byte {}", bytes.len() - 4)
    );
}
