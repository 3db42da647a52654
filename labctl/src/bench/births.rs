//! When each flow of a kernel's table was born, as the kernel itself has noted it (`nf_conntrack_timestamp`).
//!
//! Understands as much of a dump as tells the bench's own flows apart. Read after a measurement, so it costs it nothing.
//! Driven by `paced.rs`; the messages are tested below.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use super::flows;
use crate::link::namespace;

/// The kernel fills at most so much at a time (`NLMSG_GOODSIZE` grown to what is read with).
const BUFFER: usize = 32_768;

// linux/netfilter/nfnetlink.h and nfnetlink_conntrack.h: subsystem 1, message 1.
const GET: u16 = 0x101;
/// `NLM_F_DUMP` and `NLMSG_DONE`.
const DUMP: u16 = 0x300;
const DONE: u16 = 3;
const ERROR: u16 = 2;
/// `struct nlmsghdr` and `struct nfgenmsg`.
const HEAD: usize = 20;
/// Without `NLA_F_NESTED` and `NLA_F_NET_BYTEORDER`.
const KIND: u16 = 0x3fff;

/// Tells of each of the bench's flows in a namespace when it was born (`CLOCK_REALTIME`).
///
/// # Errors
/// What the kernel said.
pub(super) fn read(ns: BorrowedFd<'_>, mut tell: impl FnMut(u32, Duration) + Send) -> io::Result<()> {
    namespace::run_in(ns, || {
        let socket = flows::open()?;
        let mut request = Vec::new();
        flows::write_message(&mut request, GET, flows::REQUEST | DUMP, |_| {});
        socket.send(&request, 0)?;
        let mut buffer = vec![0; BUFFER];
        loop {
            let length = socket.recv(&mut &mut buffer[..], 0)?;
            let mut messages = &buffer[..length];
            while let Some((kind, message)) = next_message(&mut messages) {
                match kind {
                    DONE => return Ok(()),
                    ERROR => return Err(io::Error::other("the kernel refuses to list its flows")),
                    _ => {
                        if let Some((index, born)) = flow(message) {
                            tell(index, born);
                        }
                    }
                }
            }
        }
    })
}

/// The kind of the next message, and its attributes.
fn next_message<'a>(messages: &mut &'a [u8]) -> Option<(u16, &'a [u8])> {
    let head = messages.first_chunk::<16>()?;
    let length = u32::from_ne_bytes([head[0], head[1], head[2], head[3]]) as usize;
    let message = messages.get(..length).filter(|message| message.len() >= head.len())?;
    *messages = messages.get(length.next_multiple_of(4)..).unwrap_or_default();
    Some((u16::from_ne_bytes([head[4], head[5]]), message.get(HEAD..).unwrap_or_default()))
}

/// `CTA_TUPLE_ORIG` (addresses 1, of which 1 is the source; protocol 2, of which 2 is the source port) and
/// `CTA_TIMESTAMP` (20, of which 1 is the start).
fn flow(attributes: &[u8]) -> Option<(u32, Duration)> {
    let tuple = attribute(attributes, 1)?;
    let client = attribute(attribute(tuple, 1)?, 1)?.first_chunk::<4>()?;
    let port = attribute(attribute(tuple, 2)?, 2)?.first_chunk::<2>()?;
    let start = attribute(attribute(attributes, 20)?, 1)?.first_chunk::<8>()?;
    let index = flows::index(Ipv4Addr::from(*client), u16::from_be_bytes(*port))?;
    Some((index, Duration::from_nanos(u64::from_be_bytes(*start))))
}

/// The value of an attribute among others.
fn attribute(mut attributes: &[u8], wanted: u16) -> Option<&[u8]> {
    while let Some(head) = attributes.first_chunk::<4>() {
        let length = usize::from(u16::from_ne_bytes([head[0], head[1]]));
        let value = attributes.get(4..length)?;
        if u16::from_ne_bytes([head[2], head[3]]) & KIND == wanted {
            return Some(value);
        }
        attributes = attributes.get(length.next_multiple_of(4)..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::flows::{attribute as write, nest, write_message};
    use super::{flow, next_message};

    fn message(timestamp: bool) -> Vec<u8> {
        let mut bytes = Vec::new();
        write_message(&mut bytes, 0x100, 0, |out| {
            write(out, 3, &[0, 0, 0, 1]);
            nest(out, 1, |out| {
                nest(out, 1, |out| {
                    write(out, 1, &[10, 64, 1, 2]);
                    write(out, 2, &[198, 51, 100, 11]);
                });
                nest(out, 2, |out| {
                    write(out, 1, &[6]);
                    write(out, 2, &1029_u16.to_be_bytes());
                });
            });
            if timestamp {
                nest(out, 20, |out| write(out, 1, &1_500_000_000_u64.to_be_bytes()));
            }
        });
        bytes
    }

    #[test]
    fn a_dump_tells_when_a_flow_was_born() {
        let dump = [message(true), message(false)].concat();
        let mut rest = &dump[..];
        let (kind, first) = next_message(&mut rest).unwrap();
        assert_eq!((kind, flow(first)), (0x100, Some((60_005, Duration::from_millis(1500)))));
        assert_eq!(flow(next_message(&mut rest).unwrap().1), None);
        assert_eq!(next_message(&mut rest), None);
    }

    #[test]
    fn what_is_cut_off_tells_nothing() {
        let whole = message(true);
        for end in 0..whole.len() {
            assert_eq!(next_message(&mut &whole[..end]), None);
            let _ = flow(whole.get(20..end).unwrap_or_default());
        }
    }
}
