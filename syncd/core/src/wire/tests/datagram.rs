//! Datagrams fill up to their limit and no further, and split where the lengths say.

extern crate std;

use std::vec::Vec;

use super::{datagram, flow_of};
use crate::flow::{Change, Protocol};
use crate::wire::datagram::{BadFrame, Datagram, Full, LONGEST_FRAME, frames, payload_limit};
use crate::wire::header::{Control, Flags, FrameError};
use crate::wire::message::{Options, encode_control, encode_flow};
use crate::wire::seq::Seq;

/// Bytes of a frame that says ALIVE.
const ALIVE: usize = 8;

#[test]
fn the_limit_is_conntrackds() {
    assert_eq!(payload_limit(1500), 1471);
    assert_eq!(payload_limit(9000), 8971);
    assert_eq!(payload_limit(u16::MAX), 65506);
    assert_eq!(payload_limit(68), LONGEST_FRAME);
    assert_eq!(payload_limit(0), LONGEST_FRAME);
}

#[test]
fn a_full_datagram_stays_as_it_was() {
    for limit in LONGEST_FRAME..LONGEST_FRAME + ALIVE {
        let mut datagram = Datagram::with_limit(limit);
        for number in 0..limit / ALIVE {
            let seq = Seq(u32::try_from(number).expect("a small number"));
            assert_eq!(encode_control(&mut datagram, Control::Alive, Flags::NONE, seq), Ok(()));
        }
        let before = datagram.as_bytes().to_vec();
        assert_eq!(encode_control(&mut datagram, Control::Alive, Flags::NONE, Seq(99)), Err(Full));
        assert_eq!(datagram.as_bytes(), before);
        assert!(before.len() <= datagram.limit());
    }
}

#[test]
fn a_cleared_datagram_is_empty_and_takes_as_much() {
    let mut datagram = datagram();
    let fill = |datagram: &mut Datagram| {
        let flow = flow_of(Protocol::TCP);
        let say = || encode_flow(datagram, Change::New, Flags::NONE, Seq(1), &flow, Options::default());
        core::iter::repeat_with(say).take_while(Result::is_ok).count()
    };
    let first = fill(&mut datagram);
    datagram.clear();
    assert!(datagram.is_empty() && datagram.as_bytes().is_empty());
    assert_eq!(fill(&mut datagram), first);
}

#[test]
#[should_panic(expected = "a datagram must take any frame")]
fn a_datagram_too_small_for_a_frame_is_our_own_mistake() {
    let _too_small = Datagram::with_limit(LONGEST_FRAME - 1);
}

#[test]
fn nothing_is_no_frame() {
    assert!(frames(&[]).next().is_none());
}

#[test]
fn a_wrong_length_loses_the_rest() {
    let good = [0x1a, 0x10, 0, 8, 0, 0, 0, 1];
    for (bad, reason) in [
        (&[0x1a, 0x10, 0, 7, 0, 0, 0, 2][..], FrameError::BadSize),
        (&[0x1a, 0x10, 0, 25, 0, 0, 0, 2], FrameError::BadSize),
        (&[0x1a, 0x10, 0, 0, 0, 0, 0, 2], FrameError::BadSize),
    ] {
        let bytes = [&good, bad, &good].concat();
        let seen: Vec<_> = frames(&bytes).collect();
        assert_eq!(seen.len(), 2);
        assert_eq!(seen[1].expect_err("a bad frame"), BadFrame { reason, offset: 8, seq: None });
    }
    let bytes = [&good[..], &good[..7]].concat();
    let tail = frames(&bytes).nth(1).expect("a tail").expect_err("too short");
    assert_eq!(tail, BadFrame { reason: FrameError::Truncated, offset: 8, seq: None });
}

#[test]
fn the_next_frame_begins_where_the_length_says() {
    let bytes = [0x1a, 0x10, 0, 9, 0, 0, 0, 1, 0xff, 0x1a, 0x10, 0, 8, 0, 0, 0, 2];
    let seqs: Vec<_> = frames(&bytes).map(|frame| frame.expect("a good frame").seq()).collect();
    assert_eq!(seqs, [Seq(1), Seq(2)]);
}
