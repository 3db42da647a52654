//! What is not as it should be: each case has one expected result, and nothing that can arrive makes us panic.
//!
//! `golden/malformed.json` holds the datagrams that were sent to a real conntrackd, what it made of them, and what we
//! make of them. We differ on purpose in three ways: a frame of sane length and version has its sequence number
//! taken even when it is not understood, so that nobody asks for it for ever; an attribute that nobody knows does not
//! cost the message; a message without an address is refused instead of stored.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};
use syncd_core::wire::attr::attributes;
use syncd_core::wire::{BadFrame, Control, FrameView, SeqRange, decode_expectation, decode_flow, frames};

mod fixture;

use fixture::bytes;

/// Bytes of a frame's header.
const HEADER: usize = 8;

#[derive(Deserialize)]
struct Malformed {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    hex: String,
    ours: Vec<Value>,
}

#[derive(Deserialize)]
struct Capture {
    datagrams: Vec<Captured>,
}

#[derive(Deserialize)]
struct Captured {
    payload: String,
}

#[test]
fn each_case_has_its_expected_result() {
    let malformed: Malformed = fixture::read("malformed");
    assert_eq!(malformed.cases.len(), 44);
    for case in malformed.cases {
        let datagram = bytes(&case.hex);
        let seen: Vec<Value> = frames(&datagram).map(judge).collect();
        assert_eq!(seen, case.ours, "{}", case.name);
    }
}

#[test]
fn no_beginning_of_a_datagram_makes_us_panic() {
    for datagram in captured() {
        for end in 0..datagram.len() {
            read_all(&datagram[..end]);
        }
    }
}

#[test]
fn no_wrong_bit_makes_us_panic() {
    for mut datagram in captured() {
        for at in 0..datagram.len() {
            for bit in 0..u8::BITS {
                datagram[at] ^= 1 << bit;
                read_all(&datagram);
                datagram[at] ^= 1 << bit;
            }
        }
    }
}

#[test]
fn no_wrong_byte_makes_us_panic() {
    for mut frame in frames_of_each_shape() {
        for at in 0..frame.len() {
            let right = frame[at];
            for wrong in 0..=u8::MAX {
                frame[at] = wrong;
                read_all(&frame);
            }
            frame[at] = right;
        }
    }
}

/// The fixture's words for one place of a datagram.
fn judge(frame: Result<FrameView<'_>, BadFrame>) -> Value {
    let view = match frame {
        Ok(view) => view,
        Err(bad) => {
            let reason = format!("{:?}", bad.reason);
            return json!({ "at": bad.offset, "bad": reason, "takes": bad.seq.map(|seq| seq.0) });
        }
    };
    let seq = view.seq().0;
    if let Some(control) = view.control() {
        return json!({ "takes": seq, "control": format!("{control:?}") });
    }
    match decode_flow(&view) {
        Ok(decoded) => json!({
            "takes": seq,
            "applies": format!("{:?}", decoded.change),
            "skips": decoded.skipped,
            "flow": decoded.whole().to_string(),
        }),
        Err(error) => json!({ "takes": seq, "refuses": error.to_string() }),
    }
}

/// Reads everything there is to read, and checks what a caller may rely upon.
fn read_all(datagram: &[u8]) {
    for frame in frames(datagram) {
        match frame {
            Err(bad) => assert_eq!(bad.seq.is_some(), bad.reason.takes_sequence()),
            Ok(view) => {
                if let Some(Control::Ack(range) | Control::Nack(range)) = view.control() {
                    assert_eq!(SeqRange::new(range.from, range.to), Some(range));
                }
                assert!(view.change().is_none() || view.control().is_none());
                let _either_way_is_fine = (decode_flow(&view), decode_expectation(&view));
            }
        }
    }
}

/// Every captured datagram.
fn captured() -> impl Iterator<Item = Vec<u8>> {
    let captures = fixture::captures::<Capture>().into_iter();
    captures.flat_map(|(_, capture)| capture.datagrams).map(|datagram| bytes(&datagram.payload))
}

/// One captured frame of each type with each sequence of attributes: to replace each byte of all of them by each
/// other takes a minute and shows nothing more.
fn frames_of_each_shape() -> Vec<Vec<u8>> {
    let mut shapes = BTreeMap::new();
    for datagram in captured() {
        let mut rest = datagram.as_slice();
        for view in frames(&datagram).map(|frame| frame.expect("conntrackd's own frame")) {
            let numbers = attributes(view.body()).map_while(Result::ok).map(|attr| attr.kind.0);
            let shape = (view.kind() as u8, view.flags().0, numbers.collect::<Vec<_>>());
            let (frame, after) = rest.split_at(HEADER + view.body().len());
            shapes.entry(shape).or_insert_with(|| frame.to_vec());
            rest = after;
        }
    }
    assert!(shapes.len() > 40, "{} shapes: a capture is missing", shapes.len());
    shapes.into_values().collect()
}
