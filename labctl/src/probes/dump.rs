//! Reading a table of the kernel's connection tracking: one request, and every message of the answer.
//!
//! Never knows what a message means and never changes a table. Driven by `flows` and `expectations`, tested with them.

use std::io;
use std::os::fd::BorrowedFd;

use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_netfilter::NetfilterMessage;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_NETFILTER};
use thiserror::Error;

use crate::link::namespace;

/// A dump datagram is at most 32 KiB minus a header; the kernel fills what it is given.
const BUFFER: usize = 64 * 1024;

/// Why a table could not be read.
#[derive(Debug, Error)]
pub(crate) enum DumpError {
    /// The namespace or its netlink socket, or the kernel's answer to the dump.
    #[error("cannot read the kernel's table: {0}")]
    Io(#[from] io::Error),
    /// The kernel said something that the decoder does not understand.
    #[error("cannot understand the kernel's dump: {0}")]
    Decode(String),
}

/// Asks for a table of a namespace and returns the messages of the answer, in the kernel's order.
///
/// # Errors
/// [`DumpError`].
pub(super) fn of(ns: BorrowedFd<'_>, request: NetfilterMessage) -> Result<Vec<NetfilterMessage>, DumpError> {
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    let mut message = NetlinkMessage::new(header, NetlinkPayload::from(request));
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);

    let datagrams = namespace::run_in(ns, || ask(&bytes))?;
    let mut messages = Vec::new();
    for datagram in &datagrams {
        read_datagram(datagram, &mut messages)?;
    }
    Ok(messages)
}

/// Collects the answer's datagrams and decodes afterwards: the kernel's walk should not wait for our decoder.
fn ask(request: &[u8]) -> io::Result<Vec<Vec<u8>>> {
    let socket = Socket::new(NETLINK_NETFILTER)?;
    socket.connect(&SocketAddr::new(0, 0))?;
    socket.send(request, 0)?;

    let mut datagrams = Vec::new();
    let mut buffer = vec![0; BUFFER];
    loop {
        let length = socket.recv(&mut &mut buffer[..], libc::MSG_TRUNC)?;
        let Some(datagram) = buffer.get(..length) else {
            return Err(io::Error::other(format!("a dump datagram of {length} bytes exceeds {BUFFER}")));
        };
        datagrams.push(datagram.to_vec());
        if ends_dump(datagram) {
            return Ok(datagrams);
        }
    }
}

/// Whether the last message is `NLMSG_DONE` or an error: looked up in the headers only, with the same walk as below.
fn ends_dump(datagram: &[u8]) -> bool {
    const NLMSG_ERROR: u16 = 2;
    const NLMSG_DONE: u16 = 3;
    messages(datagram).any(|message| {
        let kind = u16::from_ne_bytes([message[4], message[5]]);
        kind == NLMSG_DONE || kind == NLMSG_ERROR
    })
}

/// The messages of a datagram, each of at least a header's 16 bytes. A length that cannot be ends the walk.
fn messages(datagram: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        let length = u32::from_ne_bytes(*rest.first_chunk::<4>()?) as usize;
        if length < 16 || length > rest.len() {
            return None;
        }
        let message = &rest[..length];
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(message)
    })
}

fn read_datagram(datagram: &[u8], into: &mut Vec<NetfilterMessage>) -> Result<(), DumpError> {
    for bytes in messages(datagram) {
        let message = NetlinkMessage::<NetfilterMessage>::deserialize(bytes)
            .map_err(|error| DumpError::Decode(error.to_string()))?;
        match message.payload {
            NetlinkPayload::InnerMessage(message) => into.push(message),
            NetlinkPayload::Error(error) if error.code.is_some() => return Err(error.to_io().into()),
            NetlinkPayload::Done(done) if done.code < 0 => {
                return Err(io::Error::from_raw_os_error(-done.code).into());
            }
            _ => {}
        }
    }
    Ok(())
}
