//! Attributes are read as they were written; every wrong length is an error with its place.

use super::*;

fn written() -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out, 7, &300_u32.to_be_bytes());
    put_nested(&mut out, 4, |out| put(out, 1, &[3]));
    put(&mut out, 18, &5_u16.to_be_bytes());
    out
}

#[test]
fn what_is_written_is_read() {
    let bytes = written();
    assert_eq!(bytes.len() % 4, 0);
    let read: Vec<_> = Attributes::new(&bytes).map(Result::unwrap).collect();
    assert_eq!(read.iter().map(|a| a.kind).collect::<Vec<_>>(), [7, 4, 18]);
    assert_eq!(read[0].be32(), Ok(300));
    assert_eq!(read[1].nested().next().unwrap().unwrap().u8(), Ok(3));
    assert_eq!(read[2].be16(), Ok(5));
}

#[test]
fn a_wrong_value_length_names_its_place() {
    let bytes = written();
    let first = Attributes::new(&bytes).next().unwrap().unwrap();
    assert_eq!(first.be16(), Err(DecodeError { fault: Fault::ValueLength, offset: 4 }));
}

#[test]
fn a_length_out_of_bounds_ends_the_list() {
    for len in [0_u16, 3, 400] {
        let mut bytes = written();
        bytes[8..10].copy_from_slice(&len.to_ne_bytes());
        let mut list = Attributes::new(&bytes);
        assert!(list.next().unwrap().is_ok());
        let error = list.next().unwrap().unwrap_err();
        assert_eq!(error, DecodeError { fault: Fault::AttributeLength, offset: 8 });
        assert!(list.next().is_none());
    }
}

#[test]
fn the_last_padding_may_be_missing() {
    let bytes = written();
    let unpadded = &bytes[..bytes.len() - 2];
    let last = Attributes::new(unpadded).last().unwrap().unwrap();
    assert_eq!(last.be16(), Ok(5));
}
