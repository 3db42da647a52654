//! The two sockets of one channel: one receives, one sends, as conntrackd has it (its datagrams come from an
//! ephemeral port, and nobody looks at where they come from). Tested end to end.

use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV6, UdpSocket};

use nix::errno::Errno;
use nix::sys::socket::{getsockopt, setsockopt, sockopt};
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, SockRef, Socket, Type};

use crate::config::{Link, Transport, is_link_local};
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
    pub(super) target: SocketAddr,
    /// The largest IPv4 packet of a dedicated link that carries as much as the link takes whole, in bytes.
    pub(super) mtu: u16,
}

/// One end of a channel: a link with our address and its interface's index.
#[derive(Clone, Copy, Debug)]
pub(super) struct End<'a> {
    /// The link.
    pub(super) link: &'a Link,
    /// Our address on it.
    pub(super) own: IpAddr,
    /// The kernel's index of its interface: also the scope of a link-local address.
    pub(super) index: u32,
}

impl Sockets {
    /// Opens both sockets; receives on the same socket as `listening`, if that is given.
    pub(super) fn open(end: End<'_>, buffer: usize, listening: Option<&Self>) -> Result<Self, OpenError> {
        let failed = |attempt| move |error| OpenError::new(attempt, end.link, error);
        let receive = match listening {
            Some(listening) => listening.receive.try_clone().map(Socket::from),
            None => end.receiver(buffer),
        };
        let receive = receive.map_err(failed("receive on"))?;
        let send = end.sender(buffer).map_err(failed("send on"))?;
        let ready = Ready::to_read(&receive).map_err(failed("wait for"))?;
        let mtu = end.mtu().map_err(failed("learn the MTU of"))?;
        Ok(Self { receive: receive.into(), ready, send: send.into(), target: end.target(), mtu })
    }
}

impl Sockets {
    /// Gives both buffers of another size.
    pub(super) fn resize(&self, bytes: usize) -> io::Result<()> {
        set_receive_buffer(&SockRef::from(&self.receive), bytes)?;
        set_send_buffer(&SockRef::from(&self.send), bytes)
    }
}

/// The MTU of a link, in bytes of IP, on which we have this address.
///
/// # Errors
///
/// What the kernel says against sending on it.
pub(crate) fn mtu(link: &Link, own: IpAddr, index: u32) -> io::Result<u16> {
    let mtu = End { link, own, index }.mtu()?;
    Ok(if own.is_ipv4() { mtu } else { mtu.saturating_add(20) })
}

impl End<'_> {
    /// Where datagrams go, with its scope.
    fn target(self) -> SocketAddr {
        self.scoped(self.link.target())
    }

    /// A link-local address says on which link.
    fn scoped(self, address: SocketAddr) -> SocketAddr {
        match address {
            SocketAddr::V6(v6) if is_link_local(address.ip()) || v6.ip().is_multicast() => {
                SocketAddr::V6(SocketAddrV6::new(*v6.ip(), v6.port(), 0, self.index))
            }
            other => other,
        }
    }

    fn receiver(self, buffer: usize) -> io::Result<Socket> {
        let socket = self.udp()?;
        set_receive_buffer(&socket, buffer)?;
        match self.link.transport {
            Transport::Multicast(group) => {
                // Two links may share a group when their ports differ, and a second program may listen too.
                socket.set_reuse_address(true)?;
                socket.bind(&self.scoped(group).into())?;
                match group.ip() {
                    IpAddr::V4(group) => {
                        let interface = InterfaceIndexOrAddress::Index(self.index);
                        socket.join_multicast_v4_n(&group, &interface)?;
                    }
                    IpAddr::V6(group) => socket.join_multicast_v6(&group, self.index)?,
                }
            }
            Transport::Unicast(peer) => {
                socket.bind(&self.scoped(SocketAddr::new(self.own, peer.port())).into())?;
            }
        }
        Ok(socket)
    }

    fn sender(self, buffer: usize) -> io::Result<Socket> {
        let socket = self.udp()?;
        set_send_buffer(&socket, buffer)?;
        self.aim(&socket)?;
        Ok(socket)
    }

    /// A socket on the link's interface, where that is permitted (`SO_BINDTODEVICE`).
    fn udp(self) -> io::Result<Socket> {
        let domain = if self.own.is_ipv4() { Domain::IPV4 } else { Domain::IPV6 };
        let socket = Socket::new(domain, Type::DGRAM.nonblocking().cloexec(), Some(Protocol::UDP))?;
        if self.own.is_ipv6() {
            socket.set_only_v6(true)?;
            // An address whose uniqueness is still being looked at (for a second after the interface came up) cannot be
            // bound otherwise. That it is ours was checked.
            socket.set_freebind_v6(true)?;
        }
        match socket.bind_device(Some(self.link.interface.as_bytes())) {
            Err(error) if error.kind() != io::ErrorKind::PermissionDenied => Err(error),
            _ => Ok(socket),
        }
    }

    /// Makes the socket send from our address on the link.
    fn aim(self, socket: &Socket) -> io::Result<()> {
        if let Transport::Multicast(_) = self.link.transport {
            match self.own {
                IpAddr::V4(own) => {
                    socket.set_multicast_if_v4(&own)?;
                    socket.set_multicast_loop_v4(false)?;
                    socket.set_multicast_ttl_v4(1)?;
                }
                IpAddr::V6(_) => {
                    socket.set_multicast_if_v6(self.index)?;
                    socket.set_multicast_loop_v6(false)?;
                    socket.set_multicast_hops_v6(1)?;
                }
            }
        }
        socket.bind(&self.scoped(SocketAddr::new(self.own, 0)).into())
    }

    /// The MTU towards the peer, less what IPv6's header is longer than IPv4's: a connected socket knows it, also where
    /// `/sys` shows another network namespace.
    fn mtu(self) -> io::Result<u16> {
        let probe = self.udp()?;
        self.aim(&probe)?;
        probe.connect(&self.target().into())?;
        let mtu = u16::try_from(getsockopt(&probe, sockopt::IpMtu)?).unwrap_or(u16::MAX);
        Ok(if self.own.is_ipv4() { mtu } else { mtu.saturating_sub(20) })
    }
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
