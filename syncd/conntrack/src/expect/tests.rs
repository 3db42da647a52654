//! What can be seen of an expectation in the bytes alone; that the kernel likes them is seen in `tests/kernel.rs`.

use syncd_core::flow::Address;

use super::*;
use crate::message::{Message, Messages};

fn tuple(family: Family, first: u8) -> Tuple {
    let address = |byte| match family {
        Family::V4 => Address::from_v4([10, 0, 0, byte]),
        Family::V6 => Address::from_v6([byte; 16]),
    };
    let (source, target) = (address(first), address(first + 1));
    Tuple { source, target, source_port: u16::from(first), target_port: u16::from(first) + 1 }
}

fn full(family: Family) -> Expectation {
    let parent = Parent { original: tuple(family, 1), family, protocol: Protocol::TCP };
    Expectation {
        helper: HelperName::new(b"fifteen-letters").expect("a name"),
        function: FnName::new(b"twenty-three-characters").expect("a name"),
        nat: Some(ExpectNat { tuple: tuple(family, 7), protocol: Protocol::TCP, direction: 1 }),
        class: Some(2),
        flags: ExpectFlags(ExpectFlags::PERMANENT),
        zone: 9,
        ..Expectation::new(parent, Protocol::UDP, tuple(family, 3), tuple(family, 5))
    }
}

fn read(bytes: &[u8]) -> Result<DecodedExpectation, DecodeError> {
    match Messages::new(bytes).next() {
        Some(Ok(Message::Netfilter(view))) => decode_expectation(&view, &[77]),
        other => panic!("a netfilter message, not {other:?}"),
    }
}

fn kinds(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u16> {
    let mut out = Vec::new();
    write(&mut out);
    Attributes::new(&out[HEADER_LEN + NFGEN_LEN..]).map(|attribute| attribute.expect("ours").kind).collect()
}

#[test]
fn a_creation_says_everything_and_reads_back() {
    for family in [Family::V4, Family::V6] {
        let mut out = Vec::new();
        create(&mut out, 5, &full(family));
        assert!(out.len() <= MAX_REQUEST, "{} bytes", out.len());
        let decoded = read(&out).expect("our own request");
        assert_eq!((decoded.change, decoded.origin, decoded.skipped), (Change::New, Origin::Kernel, 0));
        assert_eq!(decoded.expectation, full(family));
    }
}

#[test]
fn what_was_not_said_is_left_out() {
    let parent = Parent { original: tuple(Family::V4, 1), family: Family::V4, protocol: Protocol::TCP };
    let bare = Expectation::new(parent, Protocol::UDP, tuple(Family::V4, 3), tuple(Family::V4, 5));
    let least = [expect::TUPLE, expect::MASTER, expect::MASK, expect::FLAGS];
    assert_eq!(kinds(|out| create(out, 1, &bare)), least);
    assert_eq!(kinds(|out| delete(out, 1, &bare)), [expect::TUPLE]);
    assert_eq!(kinds(|out| get(out, 1, &bare)), [expect::TUPLE]);
    let named = Expectation { id: 4, zone: 1, ..bare };
    assert_eq!(kinds(|out| delete(out, 1, &named)), [expect::TUPLE, expect::ZONE, expect::ID]);
    let renewed = [expect::TUPLE, expect::MASTER, expect::MASK, expect::TIMEOUT];
    assert_eq!(kinds(|out| renew(out, 1, &bare, 60)), renewed);
}

#[test]
fn a_message_without_what_identifies_it_is_refused() {
    for missing in [expect::MASTER, expect::TUPLE, expect::MASK] {
        let mut out = Vec::new();
        let start = message::begin(&mut out, (kind::EXPECTATIONS, kind::NEW), 0, 1, Family::V4 as u8);
        for attribute in [expect::MASTER, expect::TUPLE, expect::MASK] {
            if attribute != missing {
                put_tuple(&mut out, attribute, Family::V4, Protocol::TCP, &tuple(Family::V4, 1));
            }
        }
        message::end(&mut out, start);
        assert_eq!(read(&out).map_err(|error| error.fault), Err(Fault::IncompleteExpectation));
    }
    let mut flow = Vec::new();
    crate::encode::dump(&mut flow, 1);
    assert_eq!(read(&flow).map_err(|error| error.fault), Err(Fault::NotAnExpectation));
}

#[test]
fn what_a_future_kernel_adds_is_skipped_and_counted() {
    let mut out = Vec::new();
    let start = message::begin(&mut out, (kind::EXPECTATIONS, kind::DELETE), 0, 1, Family::V4 as u8);
    put_identity(&mut out, &full(Family::V4));
    put_tuple(&mut out, expect::MASK, Family::V4, Protocol::TCP, &tuple(Family::V4, 5));
    put(&mut out, 99, &[1; 4]);
    put(&mut out, expect::HELP_NAME, b"no\tname\0");
    put_nested(&mut out, expect::NAT, |out| put(out, expect::NAT_DIR, &[0; 4]));
    message::end(&mut out, start);
    let decoded = read(&out).expect("the rest is enough");
    assert_eq!((decoded.change, decoded.skipped), (Change::Destroy, 3));
    assert_eq!((decoded.expectation.nat, decoded.expectation.helper.is_empty()), (None, true));
}

#[test]
fn an_event_says_who_caused_it() {
    let mut out = Vec::new();
    create(&mut out, 0, &full(Family::V4));
    out[12..16].copy_from_slice(&77_u32.to_ne_bytes());
    assert_eq!(read(&out).map(|decoded| decoded.origin), Ok(Origin::Ourselves));
}
