//! Attributes split at their padded ends, and what is odd at the end of a frame.

extern crate std;

use std::vec::Vec;

use crate::wire::attr::{Attr, AttrKind, AttrWriter, BrokenAttr, attributes, pair};

fn all(body: &[u8]) -> Vec<Result<Attr<'_>, BrokenAttr>> {
    attributes(body).collect()
}

#[test]
fn what_is_written_is_read() {
    let mut bytes = Vec::new();
    let mut writer = AttrWriter { bytes: &mut bytes };
    writer.put_u8(AttrKind::L4PROTO, 6);
    writer.put_u16(AttrKind::ZONE, 0x0102);
    writer.put_u16_swapped(AttrKind::SPAT_PORT, 0x0102);
    writer.put_u32(AttrKind::MARK, 0x0102_0304);
    writer.put(AttrKind::PORT, &[&[1, 2], &[3, 4]]);
    let expected: [(AttrKind, &[u8]); 5] = [
        (AttrKind::L4PROTO, &[6]),
        (AttrKind::ZONE, &[1, 2]),
        (AttrKind::SPAT_PORT, &[2, 1]),
        (AttrKind::MARK, &[1, 2, 3, 4]),
        (AttrKind::PORT, &[1, 2, 3, 4]),
    ];
    assert_eq!(all(&bytes), expected.map(|(kind, payload)| Ok(Attr { kind, payload })));
    assert_eq!(bytes[..8], [0, 5, 0, 2, 6, 0, 0, 0]);
}

#[test]
fn the_last_attribute_may_lack_its_padding() {
    assert_eq!(all(&[0, 5, 0, 2, 6]), [Ok(Attr { kind: AttrKind::L4PROTO, payload: &[6] })]);
}

#[test]
fn four_bytes_or_less_at_the_end_are_not_looked_at() {
    for end in 0..=4 {
        assert_eq!(all(&[0xff; 4][..end]), []);
    }
    let with_bare_header = [0, 5, 0, 2, 6, 0, 0, 0, 0, 99, 0, 7];
    assert_eq!(all(&with_bare_header).len(), 1);
}

#[test]
fn an_attribute_without_payload_is_one() {
    let bytes = [0, 4, 0, 7, 0, 5, 0, 2, 6];
    assert_eq!(all(&bytes)[0], Ok(Attr { kind: AttrKind::MARK, payload: &[] }));
    assert_eq!(all(&bytes).len(), 2);
}

#[test]
fn an_impossible_length_ends_it() {
    for length in [0, 1, 3, 10, 255] {
        assert_eq!(all(&[0, length, 0, 7, 0, 0, 0, 1, 9]), [Err(BrokenAttr)], "{length}");
    }
}

#[test]
fn halves_are_equal() {
    assert_eq!(pair::<2>(&[1, 2, 3, 4]), Some(([1, 2], [3, 4])));
    assert_eq!(pair::<2>(&[1, 2, 3]), None);
    assert_eq!(pair::<2>(&[1, 2, 3, 4, 5]), None);
    assert_eq!(pair::<2>(&[]), None);
}
