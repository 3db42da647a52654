//! When a flow was first named on the dedicated link: a look at every datagram as it reaches the standby.
//!
//! The kernel stamps a datagram when it arrives, so nothing need be read while something is measured. Understands as much
//! of a message as says which of the bench's own flows it is about. Driven by `paced.rs`; the messages are tested below.

use std::io::{self, IoSliceMut};
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt};
use nix::sys::time::TimeSpec;
use socket2::{Domain, Protocol, Socket, Type};

use super::flows;
use crate::link::namespace;

/// Room for what comes while nobody reads: some hundred thousand datagrams of one message each.
const BUFFER: usize = 256 << 20;
/// `ETH_P_IP` (linux/if_ether.h). A socket for one protocol sees what comes, not what goes.
const IPV4: u16 = 0x0800;
const UDP: u8 = 17;

// conntrackd's message: a head of eight bytes (kind, flags, length, number), then attributes (length, type, value). A birth
// or a change begins with 0x10 or 0x11.
const BORN: u8 = 0x10;
const CHANGED: u8 = 0x11;
const HEAD: usize = 8;
const ADDRESSES: u16 = 0;
const PORTS: u16 = 3;

/// A look at a link.
#[derive(Debug)]
pub(super) struct Tap {
    socket: Socket,
    port: u16,
}

impl Tap {
    /// Looks at UDP datagrams to `port` that reach a namespace from now on.
    ///
    /// # Errors
    /// Without `CAP_NET_RAW` there.
    pub(super) fn open(ns: BorrowedFd<'_>, port: u16) -> io::Result<Self> {
        let socket = namespace::run_in(ns, || {
            Socket::new(Domain::PACKET, Type::DGRAM, Some(Protocol::from(i32::from(IPV4.to_be()))))
        })?;
        socket.set_nonblocking(true)?;
        if setsockopt(&socket, sockopt::RcvBufForce, &BUFFER).is_err() {
            socket.set_recv_buffer_size(BUFFER)?;
        }
        setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
        Ok(Self { socket, port })
    }

    /// Tells of each message since the last call which flow it is about, and when it came (`CLOCK_REALTIME`).
    ///
    /// # Errors
    /// When the socket is broken.
    pub(super) fn read(&self, mut tell: impl FnMut(u32, Duration)) -> io::Result<()> {
        let mut packet = vec![0; 1 << 16];
        let mut control = cmsg_space!(TimeSpec);
        loop {
            let mut into = [IoSliceMut::new(&mut packet)];
            let received =
                recvmsg::<()>(self.socket.as_raw_fd(), &mut into, Some(&mut control), MsgFlags::empty());
            let (length, when) = match received {
                Ok(message) => (message.bytes, message.cmsgs()?.find_map(|control| stamp(&control))),
                Err(Errno::EAGAIN) => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            if let (Some(when), Some(payload)) = (when, payload(&packet[..length], self.port)) {
                each(payload, |index| tell(index, when));
            }
        }
    }
}

fn stamp(control: &ControlMessageOwned) -> Option<Duration> {
    match control {
        ControlMessageOwned::ScmTimestampns(time) => Some((*time).into()),
        _ => None,
    }
}

/// What an IPv4 packet carries, if it is a UDP datagram to `port`.
fn payload(packet: &[u8], port: u16) -> Option<&[u8]> {
    let header = usize::from(packet.first()? & 0x0f) * 4;
    let datagram = packet.get(header..).filter(|_| packet.get(9) == Some(&UDP))?;
    (number(datagram.get(2..4)?) == port).then(|| datagram.get(8..))?
}

/// Tells the flow of each birth and each change in a datagram.
fn each(mut datagram: &[u8], mut tell: impl FnMut(u32)) {
    while let Some(head) = datagram.get(..HEAD) {
        let length = usize::from(number(&head[2..4])).max(HEAD).min(datagram.len());
        let (message, rest) = datagram.split_at(length);
        if matches!(head[0], BORN | CHANGED)
            && let Some(index) = flow(&message[HEAD..])
        {
            tell(index);
        }
        datagram = rest;
    }
}

fn flow(mut attributes: &[u8]) -> Option<u32> {
    let (mut client, mut port) = (None, None);
    while let Some(head) = attributes.get(..4) {
        let length = usize::from(number(&head[..2]));
        let value = attributes.get(4..length)?;
        match number(&head[2..]) {
            ADDRESSES => client = value.first_chunk::<4>(),
            PORTS => port = value.first_chunk::<2>(),
            _ => {}
        }
        attributes = attributes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    flows::index(Ipv4Addr::from(*client?), u16::from_be_bytes(*port?))
}

fn number(bytes: &[u8]) -> u16 {
    u16::from_be_bytes([bytes[0], bytes[1]])
}

#[cfg(test)]
mod tests {
    use super::{each, payload};

    fn message(kind: u8, client: [u8; 4], port: u16) -> Vec<u8> {
        let mut bytes = vec![kind, 0, 0, 33, 0, 0, 0, 7];
        bytes.extend([0, 5, 0, 2, 6, 0, 0, 0]);
        bytes.extend([0, 8, 0, 3]);
        bytes.extend(port.to_be_bytes());
        bytes.extend([1, 187]);
        bytes.extend([0, 12, 0, 0]);
        bytes.extend(client);
        bytes.extend([198, 51, 100, 10]);
        bytes[3] = u8::try_from(bytes.len()).unwrap();
        bytes
    }

    #[test]
    fn each_birth_and_change_tells_its_flow() {
        let ack = [0x1a, 0x08, 0, 16, 0, 0, 0, 6, 0, 0, 0, 1, 0, 0, 0, 5];
        let flow = |kind, port| message(kind, [10, 64, 1, 2], port);
        let datagram = [&ack[..], &flow(0x10, 1024), &flow(0x12, 1025), &flow(0x11, 1030)].concat();
        let mut told = Vec::new();
        each(&datagram, |index| told.push(index));
        assert_eq!(told, [60_000, 60_006]);
    }

    #[test]
    fn other_flows_and_cut_messages_are_passed_over() {
        let foreign = message(0x10, [192, 0, 2, 1], 1024);
        let whole = message(0x10, [10, 64, 0, 2], 1024);
        for end in 0..whole.len() - 1 {
            each(&[&foreign[..], &whole[..end]].concat(), |index| panic!("{index} of {end} bytes"));
        }
    }

    #[test]
    fn only_datagrams_to_the_port_are_looked_at() {
        let mut packet = vec![0x45; 20];
        packet[9] = 17;
        packet.extend([0, 9, 0x0e, 0xc4, 0, 0, 0, 0, 1, 2, 3]);
        assert_eq!(payload(&packet, 3780), Some(&[1, 2, 3][..]));
        assert_eq!(payload(&packet, 3781), None);
        packet[9] = 6;
        assert_eq!(payload(&packet, 3780), None);
        assert_eq!(payload(&[], 3780), None);
    }
}
