//! What a kernel has not (yet) said to us: attributes of the future, and messages that are wrong.

use syncd_core::flow::{ExtraSet, SequenceShift, Synproxy};

use super::*;
use crate::message::{Message, Messages, begin, end};
use crate::nla::{put, put_nested};
use crate::uapi::{help, ip, proto, seqadj, synproxy, tuple};

/// An event of operation NEW about whatever `fill` says.
fn event(family: u8, fill: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    let start = begin(&mut out, (kind::SUBSYSTEM, kind::NEW), flag::CREATE | flag::EXCL, 0, family);
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
            put_nested(out, 9, |_| {});
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
fn a_synproxy_is_whole_or_none() {
    let synproxy = |fields: &[(u16, u8)]| {
        let decoded = read(&udp(|out| {
            put_nested(out, cta::SYNPROXY, |out| {
                fields.iter().for_each(|(kind, value)| put(out, *kind, &[0, 0, 0, *value]));
            });
        }));
        let decoded = decoded.unwrap();
        let proxy = decoded.extras.has(ExtraSet::SYNPROXY).then_some(decoded.extras.synproxy);
        (decoded.flow.has(AttrSet::SYNPROXY_ZERO), proxy, decoded.skipped)
    };
    let (isn, its, tsoff) = (synproxy::ISN, synproxy::ITS, synproxy::TSOFF);
    assert_eq!(synproxy(&[(isn, 0), (its, 0), (tsoff, 0)]), (true, None, 0));
    let used = Synproxy { isn: 1, its: 2, offset: 3 };
    assert_eq!(synproxy(&[(isn, 1), (its, 2), (tsoff, 3)]), (false, Some(used), 0));
    assert_eq!(synproxy(&[(isn, 1), (its, 2)]), (false, None, 1));
    assert_eq!(
        synproxy(&[(isn, 0), (its, 0), (tsoff, 0), (4, 0)]),
        (true, None, 1),
        "a field we do not know"
    );
}

#[test]
fn what_few_flows_have_is_read() {
    let bytes = udp(|out| {
        put_nested(out, cta::HELP, |out| {
            put(out, help::NAME, b"sip\0");
            put(out, 2, &[1; 4]); // CTA_HELP_INFO
        });
        put(out, cta::LABELS, [1_u32, 0, 0, 8].map(u32::to_ne_bytes).as_flattened());
        put_tuple(out, cta::TUPLE_MASTER, 6, |_| {});
        put_nested(out, cta::SEQ_ADJ_REPLY, |out| {
            put(out, seqadj::CORRECTION_POS, &[0, 0, 0, 1]);
            put(out, seqadj::OFFSET_BEFORE, &[0xff; 4]);
            put(out, seqadj::OFFSET_AFTER, &[0, 0, 0, 3]);
        });
    });
    let decoded = read(&bytes).unwrap();
    let all = [ExtraSet::HELPER, ExtraSet::LABELS, ExtraSet::PARENT, ExtraSet::SEQUENCE];
    assert_eq!(decoded.extras.present, all.into_iter().fold(ExtraSet::EMPTY, ExtraSet::with));
    assert_eq!((decoded.extras.helper.as_str(), decoded.extras.labels.words()), ("sip", &[1, 0, 0, 8][..]));
    assert_eq!(decoded.extras.parent.protocol, Protocol::TCP);
    let shift = SequenceShift { position: 1, before: u32::MAX, after: 3 };
    assert_eq!(decoded.extras.sequence, [SequenceShift::default(), shift]);
    assert_eq!(decoded.skipped, 1, "what the helper keeps to itself");
    assert!(decoded.flow.has(AttrSet::EXTRAS));
}

#[test]
fn the_state_of_sctp_may_come_without_its_tags() {
    let sctp = |fields: &[(u16, &[u8])]| {
        let bytes = udp(|out| {
            put_nested(out, cta::PROTOINFO, |out| {
                put_nested(out, protoinfo::SCTP, |out| {
                    fields.iter().for_each(|(kind, v)| put(out, *kind, v));
                });
            });
        });
        let decoded = read(&bytes).unwrap();
        (decoded.extras.present, decoded.skipped)
    };
    let state = (protoinfo::SCTP_STATE, &[3][..]);
    let (original, reply) =
        ((protoinfo::SCTP_VTAG_ORIGINAL, &[1; 4][..]), (protoinfo::SCTP_VTAG_REPLY, &[2; 4][..]));
    let both = ExtraSet::SCTP_STATE.with(ExtraSet::SCTP_TAGS);
    assert_eq!(sctp(&[state, original, reply]), (both, 0));
    assert_eq!(sctp(&[state]), (ExtraSet::SCTP_STATE, 0));
    assert_eq!(sctp(&[state, original]), (ExtraSet::SCTP_STATE, 1));
}

#[test]
fn labels_of_an_odd_length_are_counted() {
    let labels = |bytes: &[u8]| {
        let decoded = read(&udp(|out| put(out, cta::LABELS, bytes))).unwrap();
        (decoded.extras.labels.words().len(), decoded.skipped)
    };
    assert_eq!(labels(&[1; 8]), (2, 0));
    assert_eq!(labels(&[1; 7]), (1, 1));
    assert_eq!(labels(&[1; 20]), (4, 1));
    assert_eq!(labels(&[0; 16]), (0, 0), "no label is set");
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
