//! The payload of a UDP request or answer and of an ICMP echo, and the ICMP header around the latter.
//!
//! ```text
//! tag 4 | stream 4 | sequence 8 | pattern ...          (big endian)
//! type 1 | code 1 | checksum 2 | identifier 2 | sequence 2 | payload ...
//! ```
//!
//! Never opens a socket. The engines use it. Tested in `tests/arithmetic.rs`.

use super::pattern::{Course, Pattern};

/// Bytes before the pattern.
const HEADER: usize = 16;
/// Bytes of an ICMP echo header.
const ECHO_HEADER: usize = 8;

/// What a received payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// Not of this traffic and course.
    Foreign,
    /// Of this traffic.
    Ours {
        /// The client's number of the stream.
        number: u32,
        /// The request's number in its stream.
        sequence: u64,
        /// Pattern bytes that differ.
        corrupted: u64,
    },
}

/// Writes the payload of request or answer `sequence`, `length` bytes in all.
pub(super) fn write(
    out: &mut Vec<u8>,
    pattern: &Pattern,
    course: Course,
    number: u32,
    sequence: u64,
    length: usize,
) {
    let body = length.saturating_sub(HEADER);
    out.extend_from_slice(&pattern.tag(course).to_be_bytes());
    out.extend_from_slice(&number.to_be_bytes());
    out.extend_from_slice(&sequence.to_be_bytes());
    out.extend_from_slice(pattern.piece(course, number, sequence.wrapping_mul(body as u64), body));
}

/// Reads and verifies a payload.
pub(super) fn read(payload: &[u8], pattern: &Pattern, course: Course) -> Received {
    let Some((header, body)) = payload.split_first_chunk::<HEADER>() else { return Received::Foreign };
    if header[..4] != pattern.tag(course).to_be_bytes() {
        return Received::Foreign;
    }
    let number = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
    let mut sequence = [0; 8];
    sequence.copy_from_slice(&header[8..]);
    let sequence = u64::from_be_bytes(sequence);
    let corrupted = pattern.differing(course, number, sequence.wrapping_mul(body.len() as u64), body);
    Received::Ours { number, sequence, corrupted }
}

/// Which echo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EchoFamily {
    /// ICMP: request 8, reply 0. What a raw socket reads begins with the IPv4 header.
    V4,
    /// ICMPv6: request 128, reply 129. The kernel writes the checksum and strips the IPv6 header.
    V6,
}

/// Starts an echo request; the payload follows, then [`finish_echo`].
pub(super) fn start_echo(out: &mut Vec<u8>, family: EchoFamily, identifier: u16, sequence: u16) {
    let kind = match family {
        EchoFamily::V4 => 8,
        EchoFamily::V6 => 128,
    };
    out.extend_from_slice(&[kind, 0, 0, 0]);
    out.extend_from_slice(&identifier.to_be_bytes());
    out.extend_from_slice(&sequence.to_be_bytes());
}

/// Fills in the checksum where that is ours to do.
pub(super) fn finish_echo(packet: &mut [u8], family: EchoFamily) {
    if family == EchoFamily::V4 {
        let sum = checksum(packet).to_be_bytes();
        packet[2..4].copy_from_slice(&sum);
    }
}

/// The payload of an echo reply as a raw socket reads it, if it is one.
pub(super) fn echo_reply(packet: &[u8], family: EchoFamily) -> Option<&[u8]> {
    let (message, kind) = match family {
        EchoFamily::V4 => (packet.get(usize::from(packet.first()? & 0x0f) * 4..)?, 0),
        EchoFamily::V6 => (packet, 129),
    };
    (*message.first()? == kind).then(|| message.get(ECHO_HEADER..)).flatten()
}

/// The Internet checksum (RFC 1071).
fn checksum(bytes: &[u8]) -> u16 {
    let mut sum: u32 = 0;
    for pair in bytes.chunks(2) {
        sum += u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
