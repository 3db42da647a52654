//! Messages are told apart, walked in order, and refused when their length lies.

use super::*;

fn request(seq: u32) -> Vec<u8> {
    let mut out = Vec::new();
    let start = begin(&mut out, (kind::SUBSYSTEM, kind::DELETE), flag::ACK, seq, 2);
    crate::nla::put(&mut out, 7, &[0, 0, 0, 9]);
    end(&mut out, start);
    out
}

fn control(kind: u16, flags: u16, seq: u32, code: i32) -> Vec<u8> {
    let mut out = request(seq);
    out.truncate(HEADER_LEN);
    out[0..4].copy_from_slice(&20_u32.to_ne_bytes());
    out[4..6].copy_from_slice(&kind.to_ne_bytes());
    out[6..8].copy_from_slice(&flags.to_ne_bytes());
    out.extend_from_slice(&code.to_ne_bytes());
    out
}

#[test]
fn fields_are_where_the_kernel_puts_them() {
    let bytes = request(77);
    let Some(Ok(Message::Netfilter(view))) = Messages::new(&bytes).next() else {
        panic!("a netfilter message")
    };
    assert_eq!((view.subsystem(), view.operation()), (kind::SUBSYSTEM, kind::DELETE));
    assert_eq!(view.flags(), flag::ACK | flag::REQUEST);
    assert_eq!((view.seq(), view.port_id(), view.family()), (77, 0, 2));
    assert_eq!(view.attributes().next().unwrap().unwrap().be32(), Ok(9));
}

#[test]
fn a_datagram_is_walked_to_its_end() {
    let mut bytes = request(1);
    bytes.extend(control(kind::NOOP, 0, 0, 0));
    bytes.extend(control(kind::ERROR, 0, 5, -17));
    bytes.extend(control(kind::OVERRUN, 0, 0, 0));
    bytes.extend(control(kind::DONE, flag::DUMP_INTR, 6, 0));
    let seen: Vec<_> = Messages::new(&bytes).map(Result::unwrap).collect();
    assert!(matches!(seen[0], Message::Netfilter(_)));
    assert!(matches!(seen[1], Message::Control(kind::NOOP)));
    assert!(matches!(seen[2], Message::Outcome { seq: 5, errno: 17 }));
    assert!(matches!(seen[3], Message::Overrun));
    assert!(matches!(seen[4], Message::Done { seq: 6, errno: 0, interrupted: true }));
    assert_eq!(seen.len(), 5);
}

#[test]
fn a_lying_length_is_an_error_with_its_offset() {
    for len in [0_u32, 15, 19, 4096, u32::MAX] {
        let mut bytes = request(1);
        let second = bytes.len();
        bytes.extend(request(2));
        bytes[second..second + 4].copy_from_slice(&len.to_ne_bytes());
        let mut messages = Messages::new(&bytes);
        assert!(messages.next().unwrap().is_ok());
        let error = messages.next().unwrap().unwrap_err();
        assert_eq!(error, DecodeError { fault: Fault::MessageLength, offset: second });
        assert!(messages.next().is_none());
    }
}
