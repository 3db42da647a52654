//! The socket that hears of changes: non-blocking, for an event loop.
//!
//! It never asks and never interprets; [`Messages`](crate::Messages), [`decode()`](fn@crate::decode) and
//! [`decode_expectation`](crate::decode_expectation) do.

use core::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use nix::errno::Errno;

use super::inbox::Inbox;
use super::{Attempt, Link, SocketError};
use crate::uapi::group;

/// A subscription to NEW, UPDATE and DESTROY of this network namespace.
///
/// An entry that was born while nobody on the host listened is silent for ever unless
/// `net.netfilter.nf_conntrack_events` is 1; setting that is the daemon's affair.
#[derive(Debug)]
pub struct EventSocket {
    link: Link,
}

/// Why no event could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventError {
    /// Events were lost: the buffer was full (`ENOBUFS`). What is queued is still readable, so read on; said once per
    /// congestion, not per loss. A DESTROY comes again by itself, a NEW or UPDATE does not: a resync is due.
    Overrun,
    /// The socket is broken.
    Socket(SocketError),
}

impl fmt::Display for EventError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Overrun => f.write_str("conntrack events were lost: the receive buffer was full"),
            Self::Socket(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for EventError {}

impl EventSocket {
    /// Longer than any event, in bytes: they are of 150 to 300; with labels and the private state of a helper
    /// (`ctnetlink_nlmsg_size`) still far below.
    pub const LONGEST: usize = 8192;

    /// Opens the socket with a receive buffer of `receive_buffer` bytes (in the unit of `SO_RCVBUF`), or what is
    /// permitted, which [`EventSocket::receive_buffer`] tells. One event of a TCP flow takes about 1,280 bytes of
    /// twice that.
    ///
    /// # Errors
    /// Without `CAP_NET_ADMIN` (`EPERM`), or for lack of memory.
    pub fn open(receive_buffer: usize) -> Result<Self, SocketError> {
        let link = Link::open(true)?;
        link.set_receive_buffer(receive_buffer)?;
        link.reliable()?;
        for group in [group::NEW, group::UPDATE, group::DESTROY] {
            link.join(group)?;
        }
        Ok(Self { link })
    }

    /// Hears of expectations too: of those that are made and those that end.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn join_expectations(&self) -> Result<(), SocketError> {
        self.link.join(group::EXPECT_NEW)?;
        self.link.join(group::EXPECT_DESTROY)
    }

    /// Takes what waits, at most `most` datagrams and as many as there is room for, each of which holds one event. Says how
    /// many were taken from the socket, those of other programs included; 0 when none waits.
    ///
    /// # Errors
    /// See [`EventError`]; the first is the world's and reading goes on after it.
    pub fn recv(&self, inbox: &mut Inbox, most: usize) -> Result<usize, EventError> {
        self.link.recv_many(inbox, most).map_err(|errno| match errno {
            Errno::ENOBUFS => EventError::Overrun,
            errno => EventError::Socket(SocketError { attempt: Attempt::Receive, errno }),
        })
    }

    /// Doubles the receive buffer, up to `limit` bytes, and returns what it is now.
    ///
    /// # Errors
    /// When the kernel refuses the option.
    pub fn grow(&self, limit: usize) -> Result<usize, SocketError> {
        let now = self.link.receive_buffer()?;
        let wanted = now.saturating_mul(2).min(limit);
        if wanted > now { self.link.set_receive_buffer(wanted) } else { Ok(now) }
    }

    /// The receive buffer in bytes, in the unit of `SO_RCVBUF`.
    ///
    /// # Errors
    /// When the kernel refuses the option.
    pub fn receive_buffer(&self) -> Result<usize, SocketError> {
        self.link.receive_buffer()
    }

    /// Hears no longer of new flows; of changes and ends as before. Creating flows is 2.3 times faster when nobody
    /// listens to NEW.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn leave_new(&self) -> Result<(), SocketError> {
        self.link.leave(group::NEW)
    }

    /// Hears again of new flows. Those born meanwhile are known only to a dump.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn join_new(&self) -> Result<(), SocketError> {
        self.link.join(group::NEW)
    }

    /// How many events the kernel could not deliver so far, attempts to repeat a DESTROY included.
    ///
    /// # Errors
    /// When `/proc` is not there or does not know us.
    pub fn drops(&self) -> Result<u64, SocketError> {
        self.link.drops()
    }

    /// The socket's netlink address.
    #[must_use]
    pub const fn port_id(&self) -> u32 {
        self.link.port_id
    }
}

impl AsFd for EventSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.link.as_fd()
    }
}

impl AsRawFd for EventSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.link.as_raw_fd()
    }
}
