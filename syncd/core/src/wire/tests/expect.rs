//! Expectations: what must be said of one, what is passed over, in which order it is sent.

extern crate std;

use std::vec::Vec;

use super::{datagram, only_frame};
use crate::flow::{
    Address, Change, ExpectNat, Expectation, Family, FnName, HelperName, Parent, Protocol, Tuple,
};
use crate::wire::attr::{AttrKind, AttrWriter, attributes};
use crate::wire::datagram::LONGEST_FRAME;
use crate::wire::header::{Flags, MessageType};
use crate::wire::message::{
    PayloadError, Unsaid, decode_expectation, encode_expectation, unsaid_of_expectation,
};
use crate::wire::seq::Seq;

fn tuple(family: Family, first: u8) -> Tuple {
    let address = |byte| match family {
        Family::V4 => Address::from_v4([10, 0, 0, byte]),
        Family::V6 => Address::from_v6([byte; 16]),
    };
    let (source, target) = (address(first), address(first + 1));
    Tuple { source, target, source_port: u16::from(first), target_port: u16::from(first) + 1 }
}

fn expectation(family: Family) -> Expectation {
    let parent = Parent { original: tuple(family, 1), family, protocol: Protocol::TCP };
    Expectation::new(parent, Protocol::UDP, tuple(family, 3), tuple(family, 5))
}

/// The numbers and payloads of what we send for `expectation`.
fn sent(expectation: &Expectation) -> Vec<(u16, Vec<u8>)> {
    let mut datagram = datagram();
    encode_expectation(&mut datagram, Change::New, Flags::NONE, Seq(1), expectation).expect("room");
    let view = only_frame(datagram.as_bytes());
    attributes(view.body())
        .map(|attr| attr.expect("our own"))
        .map(|attr| (attr.kind.0, attr.payload.to_vec()))
        .collect()
}

/// What we make of these attributes.
fn read(attrs: &[(u16, Vec<u8>)]) -> Result<(Expectation, u32), PayloadError> {
    let mut datagram = datagram();
    let write = |writer: &mut AttrWriter<'_>| {
        attrs.iter().for_each(|(number, payload)| writer.put(AttrKind(*number), &[payload]));
    };
    datagram.append(MessageType::ExpectUpdate, Flags::NONE, Seq(1), write).expect("room");
    let decoded = decode_expectation(&only_frame(datagram.as_bytes()))?;
    assert_eq!(decoded.change, Change::Update);
    Ok((decoded.expectation, decoded.skipped))
}

fn without(expectation: &Expectation, left_out: &[u16]) -> Vec<(u16, Vec<u8>)> {
    sent(expectation).into_iter().filter(|(number, _)| !left_out.contains(number)).collect()
}

#[test]
fn everything_comes_in_conntrackds_order() {
    let mut whole = expectation(Family::V4);
    (whole.timeout, whole.class) = (Some(300), Some(1));
    whole.nat = Some(ExpectNat { tuple: tuple(Family::V4, 7), protocol: Protocol::TCP, direction: 1 });
    whole.helper = HelperName::new(b"elevenchars").expect("a name");
    whole.function = FnName::new(b"nat-follow-master").expect("a name");
    let numbers = |expectation: &Expectation| -> Vec<u16> {
        sent(expectation).into_iter().map(|(number, _)| number).collect()
    };
    assert_eq!(numbers(&whole), [0, 2, 3, 4, 6, 7, 8, 10, 11, 12, 13, 14, 15, 17, 16, 18, 19, 20]);
    assert_eq!(numbers(&expectation(Family::V6)), [1, 2, 3, 5, 6, 7, 9, 10, 11, 13]);
}

#[test]
fn the_longest_frame_is_long_enough() {
    let mut whole = expectation(Family::V6);
    (whole.timeout, whole.class) = (Some(300), Some(1));
    whole.nat = Some(ExpectNat { tuple: tuple(Family::V6, 7), protocol: Protocol::TCP, direction: 1 });
    whole.helper = HelperName::new(b"elevenchars").expect("a name");
    whole.function = FnName::new(b"twenty-three-characters").expect("a name");
    let mut longest = datagram();
    encode_expectation(&mut longest, Change::New, Flags::NONE, Seq(1), &whole).expect("room");
    assert_eq!(longest.as_bytes().len(), 256);
    const { assert!(LONGEST_FRAME >= 256) };
}

#[test]
fn what_is_missing_is_refused() {
    let whole = expectation(Family::V4);
    assert_eq!(read(&[]), Err(PayloadError::Empty));
    for (number, error) in [
        (0, PayloadError::NoParent),
        (2, PayloadError::NoParent),
        (3, PayloadError::NoPorts),
        (4, PayloadError::NoAddress),
        (6, PayloadError::NoProtocol),
        (7, PayloadError::NoPorts),
        (8, PayloadError::NoMask),
        (11, PayloadError::NoPorts),
    ] {
        assert_eq!(read(&without(&whole, &[number])), Err(error), "attribute {number}");
    }
    let (read_back, skipped) = read(&without(&whole, &[10, 13])).expect("the rest is enough");
    assert_eq!((read_back, skipped), (whole, 0));
}

#[test]
fn the_parents_protocol_decides_about_ports() {
    let mut portless = expectation(Family::V4);
    portless.parent.protocol = Protocol(50);
    let numbers: Vec<u16> = sent(&portless).into_iter().map(|(number, _)| number).collect();
    assert_eq!(numbers, [0, 2, 4, 6, 8, 10, 13]);
    assert!(unsaid_of_expectation(&portless).ambiguous);
}

#[test]
fn addresses_are_of_one_family() {
    let (v4, v6) = (expectation(Family::V4), expectation(Family::V6));
    let mut mixed = without(&v4, &[4]);
    mixed.extend(sent(&v6).into_iter().filter(|(number, _)| *number == 5));
    assert_eq!(read(&mixed), Err(PayloadError::MixedFamilies));
}

#[test]
fn an_incomplete_translation_is_skipped_and_counted() {
    let mut translated = expectation(Family::V4);
    translated.nat = Some(ExpectNat { tuple: tuple(Family::V4, 7), protocol: Protocol::TCP, direction: 1 });
    for number in [15, 17, 18] {
        let (expectation, skipped) = read(&without(&translated, &[number])).expect("an expectation");
        assert_eq!((expectation.nat, skipped), (None, 3), "without attribute {number}");
    }
    let mut v6 = expectation(Family::V6);
    v6.nat = Some(ExpectNat { tuple: tuple(Family::V6, 7), protocol: Protocol::TCP, direction: 1 });
    let (read_back, skipped) = read(&sent(&v6)).expect("an expectation");
    let none = Address::from_v6([0; 16]);
    let nat = v6.nat.map(|nat| ExpectNat { tuple: Tuple { source: none, target: none, ..nat.tuple }, ..nat });
    assert_eq!((read_back.nat, skipped), (nat, 0), "conntrackd has no attribute for the address");
    assert_eq!(unsaid_of_expectation(&v6), Unsaid { attributes: 1, ambiguous: false });
    // As the kernel's FTP helper has it.
    v6.nat = nat;
    assert_eq!(read(&sent(&v6)), Ok((v6, 0)));
    assert_eq!(unsaid_of_expectation(&v6), Unsaid::default());
    for number in [17, 18] {
        let (expectation, skipped) = read(&without(&v6, &[number])).expect("an expectation");
        assert_eq!((expectation.nat, skipped), (None, 3), "without attribute {number}");
    }
}

#[test]
fn names_are_names() {
    let whole = expectation(Family::V4);
    let with = |number, name: &[u8]| {
        let mut attrs = sent(&whole);
        attrs.push((number, name.to_vec()));
        read(&attrs).map(|(read, skipped)| (read.helper.len(), read.function.len(), skipped))
    };
    assert_eq!(with(19, b"sip\0"), Ok((3, 0, 0)));
    assert_eq!(with(19, b"s\np\0"), Ok((0, 0, 1)));
    assert_eq!(with(20, b"nat-follow-master\0"), Ok((0, 17, 0)));
    assert_eq!(with(20, &[b'a'; 28]), Ok((0, 0, 1)), "longer than what conntrackd stores");
    assert_eq!(with(20, &[b'a'; 29]), Err(PayloadError::BadLength(AttrKind(20))));
    assert_eq!(with(21, b"future"), Ok((0, 0, 1)));
}

#[test]
fn an_expectation_of_a_zone_cannot_be_told_apart() {
    let mut zoned = expectation(Family::V4);
    assert_eq!(unsaid_of_expectation(&zoned), Unsaid::default());
    zoned.zone = 7;
    assert!(unsaid_of_expectation(&zoned).ambiguous);
}
