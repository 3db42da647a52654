//! Raw sockets on one interface, and the offload switches of an interface.
//!
//! The only unsafe code of `labctl`'s link: `sockaddr_ll`, three options of packet(7), and ethtool ioctls, which neither
//! nix nor socket2 offers. Never decides about a frame. Driven by `mod.rs` and `carrier.rs`, tested in `tests.rs`.
#![expect(unsafe_code, reason = "sockaddr_ll, packet(7) options and ethtool ioctls have no safe wrapper")]

use std::io;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::net::if_::if_nametoindex;

/// `PACKET_IGNORE_OUTGOING` of `linux/if_packet.h`: do not hand back what we sent (since Linux 4.20).
const PACKET_IGNORE_OUTGOING: libc::c_int = 23;
/// Bytes of a `virtio_net_hdr`, which `PACKET_VNET_HDR` puts before every frame.
pub(super) const VNET_HEADER: usize = 10;
/// Asked of the kernel for frames that wait to be read; without `CAP_NET_ADMIN` on the host it grants `rmem_max`.
const RECEIVE_BUFFER: libc::c_int = 8 << 20;

/// A raw socket bound to one interface. What is read is a `virtio_net_hdr` and a whole Ethernet frame, what is written
/// is the same: partial checksums and segmentation marks that veth leaves on frames travel with them.
#[derive(Debug)]
pub(super) struct PacketSocket(OwnedFd);

impl PacketSocket {
    /// Opens a socket on an interface of the thread's network namespace.
    pub(super) fn open(interface: &str) -> io::Result<Self> {
        let index = if_nametoindex(interface)?;
        // SAFETY: socket() takes no pointers. Protocol 0: no frame arrives before bind() names the interface.
        let raw = unsafe {
            libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC, 0)
        };
        let raw = Errno::result(raw)?;
        // SAFETY: the kernel just gave us this descriptor, and nobody else has it.
        let socket = Self(unsafe { OwnedFd::from_raw_fd(raw) });
        socket.set(libc::SOL_PACKET, libc::PACKET_VNET_HDR, 1)?;
        socket.set(libc::SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)?;
        if socket.set(libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, RECEIVE_BUFFER).is_err() {
            socket.set(libc::SOL_SOCKET, libc::SO_RCVBUF, RECEIVE_BUFFER)?;
        }
        socket.bind(index)?;
        Ok(socket)
    }

    fn set(&self, level: libc::c_int, name: libc::c_int, value: libc::c_int) -> io::Result<()> {
        // SAFETY: the option value is a c_int that outlives the call, and its length is given.
        let result = unsafe {
            libc::setsockopt(
                self.0.as_raw_fd(),
                level,
                name,
                (&raw const value).cast(),
                socklen(size_of::<libc::c_int>()),
            )
        };
        Errno::result(result)?;
        Ok(())
    }

    fn bind(&self, index: libc::c_uint) -> io::Result<()> {
        // SAFETY: sockaddr_ll is plain integers, for which all bits zero is a value.
        let mut address: libc::sockaddr_ll = unsafe { mem::zeroed() };
        address.sll_family = libc::AF_PACKET as libc::sa_family_t;
        address.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
        address.sll_ifindex = libc::c_int::try_from(index).map_err(io::Error::other)?;
        // SAFETY: the address outlives the call, and its length is given.
        let result = unsafe {
            libc::bind(
                self.0.as_raw_fd(),
                (&raw const address).cast(),
                socklen(size_of::<libc::sockaddr_ll>()),
            )
        };
        Errno::result(result)?;
        Ok(())
    }

    /// Frames that the kernel dropped since the last call because the receive buffer was full
    /// (`PACKET_STATISTICS`, which starts anew when read).
    pub(super) fn overrun(&self) -> u64 {
        let mut statistics = libc::tpacket_stats { tp_packets: 0, tp_drops: 0 };
        let mut length = socklen(size_of::<libc::tpacket_stats>());
        // SAFETY: the kernel writes at most `length` bytes into the structure; both outlive the call.
        let result = unsafe {
            libc::getsockopt(
                self.0.as_raw_fd(),
                libc::SOL_PACKET,
                libc::PACKET_STATISTICS,
                (&raw mut statistics).cast(),
                &raw mut length,
            )
        };
        if result == 0 { statistics.tp_drops.into() } else { 0 }
    }

    /// Reads one frame with its header. `WouldBlock` when none waits; `NetworkDown` once after the interface went.
    pub(super) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(nix::unistd::read(self.0.as_fd(), buffer)?)
    }

    /// Writes one frame with its header.
    pub(super) fn write(&self, frame: &[u8]) -> io::Result<()> {
        nix::unistd::write(self.0.as_fd(), frame)?;
        Ok(())
    }
}

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn socklen(length: usize) -> libc::socklen_t {
    // Sizes of two small structures.
    length as libc::socklen_t
}

/// `struct ethtool_value` of `linux/ethtool.h`.
#[repr(C)]
struct EthtoolValue {
    command: u32,
    data: u32,
}

/// `ETHTOOL_STXCSUM`, `ETHTOOL_STSO`, `ETHTOOL_SGSO` of `linux/ethtool.h`. TSO goes first where it exists: the kernel
/// turns it off with the checksums anyway, since it cannot do without them.
const OFFLOADS: [u32; 3] = [0x1f, 0x17, 0x24];

/// Turns transmit checksum, TCP segmentation and generic segmentation offload off at an interface of the thread's
/// network namespace.
pub(super) fn disable_offloads(interface: &str) -> io::Result<()> {
    // SAFETY: socket() takes no pointers. Any socket carries an ioctl about interfaces of its namespace.
    let raw = unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
    let raw = Errno::result(raw)?;
    // SAFETY: the kernel just gave us this descriptor, and nobody else has it.
    let socket = unsafe { OwnedFd::from_raw_fd(raw) };
    // SAFETY: ifreq is plain integers and bytes, for which all bits zero is a value.
    let mut request: libc::ifreq = unsafe { mem::zeroed() };
    if interface.len() >= request.ifr_name.len() {
        return Err(Errno::ENAMETOOLONG.into());
    }
    for (place, byte) in request.ifr_name.iter_mut().zip(interface.bytes()) {
        *place = byte as libc::c_char;
    }
    for command in OFFLOADS {
        let mut value = EthtoolValue { command, data: 0 };
        request.ifr_ifru.ifru_data = (&raw mut value).cast();
        // SAFETY: the request names a NUL-terminated interface and points to an ethtool_value; both outlive the call.
        Errno::result(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCETHTOOL as _, &raw mut request) })?;
    }
    Ok(())
}
