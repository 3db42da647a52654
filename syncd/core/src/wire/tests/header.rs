//! What passes as a frame header, and what a refused one still tells.

use super::only_frame;
use crate::flow::Change;
use crate::wire::datagram::{BadFrame, frames};
use crate::wire::header::{Control, Flags, FrameError, MessageType};
use crate::wire::seq::{Seq, SeqRange};

/// A frame with this first byte and these flags, number 7, and this body.
fn frame(first: u8, flags: u8, body: &[u8]) -> alloc::vec::Vec<u8> {
    let length = u8::try_from(8 + body.len()).expect("a short frame");
    let mut frame = alloc::vec![first, flags, 0, length, 0, 0, 0, 7];
    frame.extend_from_slice(body);
    frame
}

fn fault(bytes: &[u8]) -> BadFrame {
    frames(bytes).next().expect("something is there").expect_err("it is no good frame")
}

#[test]
fn every_type_has_its_number() {
    let types = [
        (0x10, MessageType::New, Some(Change::New)),
        (0x11, MessageType::Update, Some(Change::Update)),
        (0x12, MessageType::Destroy, Some(Change::Destroy)),
        (0x13, MessageType::ExpectNew, None),
        (0x14, MessageType::ExpectUpdate, None),
        (0x15, MessageType::ExpectDestroy, None),
    ];
    for (first, kind, change) in types {
        let bytes = frame(first, 0x60, b"body");
        let view = only_frame(&bytes);
        assert_eq!((view.kind(), view.change(), view.control()), (kind, change, None));
        assert_eq!((view.hello(), view.hello_back(), view.seq()), (true, true, Seq(7)));
        assert_eq!(view.body(), b"body");
    }
    for unused in [6, 7, 8, 9, 11, 12, 13, 14, 15] {
        let bad = fault(&frame(0x10 | unused, 0, &[]));
        assert_eq!(bad, BadFrame { reason: FrameError::UnknownType, offset: 0, seq: Some(Seq(7)) });
    }
}

#[test]
fn a_control_frame_says_exactly_one_thing() {
    let range = [0, 0, 0, 3, 0, 0, 0, 5];
    let ends = SeqRange::new(Seq(3), Seq(5)).expect("an ordered range");
    for (flags, said) in [
        (0x02, Control::Resync),
        (0x04, Control::Nack(ends)),
        (0x08, Control::Ack(ends)),
        (0x10, Control::Alive),
        (0x68, Control::Ack(ends)),
        (0x91, Control::Alive),
    ] {
        assert_eq!(only_frame(&frame(0x1a, flags, &range)).control(), Some(said), "{flags:#x}");
    }
    for flags in [0, 0x20, 0x81, 0x06, 0x18, 0x1e] {
        assert_eq!(fault(&frame(0x1a, flags, &range)).reason, FrameError::BadFlags, "{flags:#x}");
    }
}

#[test]
fn a_flow_frame_carries_greetings_only() {
    for flags in [0x01, 0x02, 0x04, 0x08, 0x10, 0x80, 0x30] {
        let bad = fault(&frame(0x11, flags, &[]));
        assert_eq!((bad.reason, bad.seq), (FrameError::BadFlags, Some(Seq(7))), "{flags:#x}");
    }
}

#[test]
fn a_range_needs_two_ends_in_order() {
    for flags in [Flags::ACK, Flags::NACK, Flags::RESYNC] {
        for short in 0..8 {
            assert_eq!(fault(&frame(0x1a, flags.0, &[0; 8][..short])).reason, FrameError::BadRange);
        }
    }
    let backwards = [0, 0, 0, 5, 0, 0, 0, 3];
    assert_eq!(fault(&frame(0x1a, Flags::ACK.0, &backwards)).reason, FrameError::BadRange);
    assert_eq!(fault(&frame(0x1a, Flags::NACK.0, &backwards)).reason, FrameError::BadRange);
    // Nobody looks at the range of a RESYNC.
    assert_eq!(only_frame(&frame(0x1a, Flags::RESYNC.0, &backwards)).control(), Some(Control::Resync));
}

#[test]
fn another_version_tells_nothing_but_its_length() {
    let mut bytes = frame(0x2a, 0x10, &[1; 12]);
    bytes.extend(frame(0x1a, 0x10, &[]));
    let mut seen = frames(&bytes);
    let bad = seen.next().expect("a frame").expect_err("another version");
    assert_eq!(bad, BadFrame { reason: FrameError::WrongVersion, offset: 0, seq: None });
    assert_eq!(seen.next().expect("a frame").expect("a good one").control(), Some(Control::Alive));
    assert!(seen.next().is_none());
}
