//! The two sockets of one channel: one receives, one sends, as conntrackd has it (its datagrams come from an
//! ephemeral port, and nobody looks at where they come from). Tested end to end.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};

use nix::errno::Errno;
use nix::sys::socket::{getsockopt, setsockopt, sockopt};
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};

use crate::config::{Link, Transport};
use crate::ready::Ready;

/// Why a channel cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot {attempt} the dedicated link {interface}: {source}; {remedy}")]
pub(crate) struct OpenError {
    attempt: &'static str,
    interface: String,
    remedy: &'static str,
    source: io::Error,
}

impl OpenError {
    /// What was attempted on which link, and what the kernel said.
    pub(super) fn new(attempt: &'static str, link: &Link, source: io::Error) -> Self {
        let remedy = match source.kind() {
            io::ErrorKind::AddrInUse => {
                "another program uses the port (conntrackd?): stop it, or choose another port"
            }
            io::ErrorKind::AddrNotAvailable => "is the address still on the interface?",
            io::ErrorKind::PermissionDenied => "run as root, or with CAP_NET_ADMIN and CAP_NET_RAW",
            _ => "see 'ip address' and 'ip link' for the interface",
        };
        Self { attempt, interface: link.interface.clone(), remedy, source }
    }

    /// The kernel does not tell when the links change.
    pub(super) fn news(links: &[Link], source: io::Error) -> Self {
        let names: Vec<&str> = links.iter().map(|link| link.interface.as_str()).collect();
        let remedy = "rtnetlink is needed: see 'ip monitor link'";
        Self { attempt: "hear of changes of", interface: names.join(", "), remedy, source }
    }
}

/// The sockets of one channel.
#[derive(Debug)]
pub(super) struct Sockets {
    /// Bound to the port, does not block.
    pub(super) receive: UdpSocket,
    /// When something is to be received.
    pub(super) ready: Ready,
    /// Sends from any port, does not block.
    pub(super) send: UdpSocket,
    /// Where to.
    pub(super) target: SocketAddrV4,
    /// The largest IP packet the link takes whole, in bytes.
    pub(super) mtu: u16,
}

impl Sockets {
    /// Opens both sockets of `link` on the interface `index` with our address `own`.
    pub(super) fn open(link: &Link, own: Ipv4Addr, index: u32, buffer: usize) -> Result<Self, OpenError> {
        let failed = |attempt| move |error| OpenError::new(attempt, link, error);
        let receive = receiver(link, own, index, buffer).map_err(failed("receive on"))?;
        let send = sender(link, own, buffer).map_err(failed("send on"))?;
        let ready = Ready::to_read(&receive).map_err(failed("wait for"))?;
        let target = match link.transport {
            Transport::Multicast(group) => group,
            Transport::Unicast(peer) => peer,
        };
        let mtu = mtu(link, own, target).map_err(failed("learn the MTU of"))?;
        Ok(Self { receive: receive.into(), ready, send: send.into(), target, mtu })
    }
}

fn receiver(link: &Link, own: Ipv4Addr, index: u32, buffer: usize) -> io::Result<Socket> {
    let socket = udp_on(link)?;
    set_receive_buffer(&socket, buffer)?;
    match link.transport {
        Transport::Multicast(group) => {
            // Two links may share a group when their ports differ, and a second program may listen too.
            socket.set_reuse_address(true)?;
            socket.bind(&group.into())?;
            socket.join_multicast_v4_n(group.ip(), &InterfaceIndexOrAddress::Index(index))?;
        }
        Transport::Unicast(peer) => socket.bind(&SocketAddrV4::new(own, peer.port()).into())?,
    }
    Ok(socket)
}

fn sender(link: &Link, own: Ipv4Addr, buffer: usize) -> io::Result<Socket> {
    let socket = udp_on(link)?;
    set_send_buffer(&socket, buffer)?;
    aim(&socket, link, own)?;
    Ok(socket)
}

/// A socket on the link's interface, where that is permitted (`SO_BINDTODEVICE`).
fn udp_on(link: &Link) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM.nonblocking().cloexec(), Some(Protocol::UDP))?;
    match socket.bind_device(Some(link.interface.as_bytes())) {
        Err(error) if error.kind() != io::ErrorKind::PermissionDenied => Err(error),
        _ => Ok(socket),
    }
}

/// Makes the socket send from our address on the link.
fn aim(socket: &Socket, link: &Link, own: Ipv4Addr) -> io::Result<()> {
    if let Transport::Multicast(_) = link.transport {
        socket.set_multicast_if_v4(&own)?;
        socket.set_multicast_loop_v4(false)?;
        socket.set_multicast_ttl_v4(1)?;
    }
    socket.bind(&SocketAddrV4::new(own, 0).into())
}

/// The MTU towards `target`: a connected socket knows it, also where `/sys` shows another network namespace.
fn mtu(link: &Link, own: Ipv4Addr, target: SocketAddrV4) -> io::Result<u16> {
    let probe = udp_on(link)?;
    aim(&probe, link, own)?;
    probe.connect(&target.into())?;
    let mtu = getsockopt(&probe, sockopt::IpMtu)?;
    Ok(u16::try_from(mtu).unwrap_or(u16::MAX))
}

/// `SO_RCVBUFFORCE` goes beyond `net.core.rmem_max`; where it is not permitted, we take what the sysctl allows.
fn set_receive_buffer(socket: &Socket, bytes: usize) -> io::Result<()> {
    match setsockopt(socket, sockopt::RcvBufForce, &bytes) {
        Err(Errno::EPERM) => socket.set_recv_buffer_size(bytes),
        done => Ok(done?),
    }
}

/// As [`set_receive_buffer`], for sending.
fn set_send_buffer(socket: &Socket, bytes: usize) -> io::Result<()> {
    match setsockopt(socket, sockopt::SndBufForce, &bytes) {
        Err(Errno::EPERM) => socket.set_send_buffer_size(bytes),
        done => Ok(done?),
    }
}
