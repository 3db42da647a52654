//! The state of the interfaces: the kernel tells over rtnetlink that something changed, and then it is looked at.
//!
//! Only that something changed is taken from rtnetlink, never what: a message may be lost or overtaken, a look is always
//! true. Driven by `channels`; tested end to end.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::task::{Context, Poll};

use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, socket,
};

use crate::ready::Ready;

/// `RTMGRP_LINK`, `RTMGRP_IPV4_IFADDR` and `RTMGRP_IPV6_IFADDR` (`linux/rtnetlink.h`).
const GROUPS: u32 = 0x1 | 0x10 | 0x100;
/// So many messages are read in one go; what is left is read in the next round.
const MESSAGES: usize = 64;

/// What the kernel says of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum LinkState {
    /// There is none of that name.
    #[default]
    Absent,
    /// It is switched off.
    Down,
    /// It is on, and nothing is at the other end of the cable.
    NoCarrier,
    /// It works.
    Running,
}

impl LinkState {
    /// conntrackd's word, and one of ours.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Absent => "ABSENT",
            Self::Down => "DOWN",
            Self::NoCarrier => "NO-CARRIER",
            Self::Running => "RUNNING",
        }
    }

    /// Of all interfaces, by name.
    ///
    /// # Errors
    ///
    /// When the kernel refuses the list.
    pub(crate) fn all() -> io::Result<HashMap<String, Self>> {
        let state = |flags: InterfaceFlags| match flags {
            flags if !flags.contains(InterfaceFlags::IFF_UP) => Self::Down,
            flags if !flags.contains(InterfaceFlags::IFF_RUNNING) => Self::NoCarrier,
            _ => Self::Running,
        };
        Ok(getifaddrs()?.map(|entry| (entry.interface_name, state(entry.flags))).collect())
    }
}

/// Hears that interfaces or their addresses changed.
#[derive(Debug)]
pub(crate) struct LinkNews {
    socket: OwnedFd,
    ready: Ready,
}

impl LinkNews {
    /// Listens.
    ///
    /// # Errors
    ///
    /// Out of descriptors, or a kernel without rtnetlink.
    pub(crate) fn open() -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute)?;
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, GROUPS))?;
        let ready = Ready::to_read(&socket.as_fd())?;
        Ok(Self { socket, ready })
    }

    /// Ready when there is news.
    pub(crate) fn poll(&self, context: &mut Context<'_>) -> Poll<()> {
        self.ready.poll_read(context)
    }

    /// Takes the news. Whether there was any; what was too much for the socket is news, too.
    pub(crate) fn take(&self) -> bool {
        if !self.ready.is_readable() {
            return false;
        }
        let mut any = false;
        for _ in 0..MESSAGES {
            match recv(self.socket.as_raw_fd(), &mut [0; 4096], MsgFlags::MSG_DONTWAIT) {
                Err(Errno::EAGAIN) => {
                    self.ready.exhausted();
                    break;
                }
                Err(Errno::EINTR) => {}
                Ok(_) | Err(_) => any = true,
            }
        }
        any
    }
}
