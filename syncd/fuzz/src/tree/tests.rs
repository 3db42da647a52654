//! What is read is written again as it was; what is changed gets lengths that fit.

use super::{Inner, List};
use crate::shape::{FRAMES, NETLINK};

/// An UPD with two attributes, an ALIVE, and three bytes of nothing.
const DATAGRAM: [u8; 35] = [
    0x11, 0, 0, 24, 0, 0, 0, 1, 0, 8, 0, 5, 0, 0, 1, 0x8e, 0, 5, 0, 2, 6, 0, 0, 0, //
    0x1a, 0x10, 0, 8, 0, 0, 0, 2, 1, 2, 3,
];

#[test]
fn a_datagram_is_frames_with_attributes() {
    let list = List::read(&DATAGRAM, &FRAMES);
    assert_eq!((list.pieces.len(), list.stray.as_slice(), list.lists()), (2, &[1, 2, 3][..], 2));
    let Inner::List(attributes) = &list.pieces[0].inner else { panic!("attributes") };
    assert_eq!(attributes.pieces.len(), 2);
    assert_eq!(attributes.pieces[1].inner, Inner::Bytes(vec![6]));
    assert_eq!(list.write(), DATAGRAM);
}

#[test]
fn lengths_fit_again_or_lie_on_purpose() {
    let mut list = List::read(&DATAGRAM, &FRAMES);
    list.nth_mut(1).unwrap().pieces.truncate(1);
    assert_eq!(list.write()[..16], [0x11, 0, 0, 16, 0, 0, 0, 1, 0, 8, 0, 5, 0, 0, 1, 0x8e]);
    list.pieces[0].lie = Some(0xffff);
    assert_eq!(list.write()[2..4], [0xff, 0xff]);
}

#[test]
fn netlink_nests() {
    let message = [
        40, 0, 0, 0, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, // NEW
        12, 0, 1, 0x80, 5, 0, 3, 0, 9, 0, 0, 0, // a nest of one byte
        8, 0, 3, 0, 0, 0, 0, 1,
    ];
    let list = List::read(&message, &NETLINK);
    assert_eq!(list.lists(), 3);
    assert_eq!(list.write(), message);
}

#[test]
fn whatever_it_is_it_is_read_and_written() {
    for length in 0..DATAGRAM.len() {
        for grammar in [FRAMES, NETLINK] {
            let cut = &DATAGRAM[..length];
            assert!(List::read(cut, &grammar).write().starts_with(cut), "{length}");
        }
    }
}
