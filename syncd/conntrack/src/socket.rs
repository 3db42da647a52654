//! The sockets that speak ctnetlink: the only file of this crate with IO.
//!
//! `Link` makes every system call; the three sockets around it know their protocol only. None of them decides
//! anything about flows. Each purpose has its own socket, because a dump in progress refuses a second one on the same
//! socket (`EBUSY`) and because answers must not wait behind events. Tested in `tests/kernel.rs`.

mod event;
mod inbox;
mod operator;
mod query;
mod request;

use core::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::{fs, io};

use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_NETFILTER};
use nix::errno::Errno;
use nix::sys::socket::{getsockopt, setsockopt, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};

pub use event::{EventError, EventSocket};
pub use inbox::{Inbox, Truncated};
pub use operator::ProcessorStats;
pub use query::{DumpSummary, QueryError, QuerySocket};
pub use request::RequestSocket;

/// A system call on a socket that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketError {
    /// What was attempted.
    pub attempt: Attempt,
    /// The kernel's answer. `EPERM` on joining or sending means that `CAP_NET_ADMIN` is missing.
    pub errno: Errno,
}

/// What can be attempted on a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// `socket(AF_NETLINK, ..., NETLINK_NETFILTER)` and `bind`.
    Open,
    /// Joining a group of events.
    Join,
    /// Leaving a group of events.
    Leave,
    /// Setting an option, or reading one.
    Option,
    /// Sending requests.
    Send,
    /// Receiving.
    Receive,
    /// Reading `/proc/thread-self/net/netlink`.
    Drops,
}

impl fmt::Display for SocketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let attempt = match self.attempt {
            Attempt::Open => "cannot open a netfilter socket",
            Attempt::Join => "cannot join a group of conntrack events",
            Attempt::Leave => "cannot leave a group of conntrack events",
            Attempt::Option => "cannot set up a netfilter socket",
            Attempt::Send => "cannot send to the kernel's conntrack",
            Attempt::Receive => "cannot receive from the kernel's conntrack",
            Attempt::Drops => "cannot read /proc/thread-self/net/netlink",
        };
        write!(f, "{attempt}: {}", self.errno.desc())
    }
}

impl std::error::Error for SocketError {}

impl Attempt {
    /// This attempt as an error.
    fn failed(self) -> impl FnOnce(io::Error) -> SocketError {
        move |error| SocketError { attempt: self, errno: errno(&error) }
    }

    fn refused(self) -> impl FnOnce(Errno) -> SocketError {
        move |errno| SocketError { attempt: self, errno }
    }
}

/// One datagram, or why there is none.
enum Received {
    /// So many bytes, at the beginning of the buffer.
    Datagram(usize),
    /// Nothing waits (a socket that does not block), or nothing came in time (one that does).
    Nothing,
    /// `ENOBUFS`: something was lost for lack of buffer. Reading goes on afterwards.
    Lost,
    /// A datagram longer than the buffer; it is gone.
    Truncated,
}

/// A bound `NETLINK_NETFILTER` socket.
#[derive(Debug)]
struct Link {
    socket: Socket,
    port_id: u32,
}

impl Link {
    fn open(non_blocking: bool) -> Result<Self, SocketError> {
        let mut socket = Socket::new(NETLINK_NETFILTER).map_err(Attempt::Open.failed())?;
        socket.set_non_blocking(non_blocking).map_err(Attempt::Open.failed())?;
        let port_id = socket.bind_auto().map_err(Attempt::Open.failed())?.port_number();
        Ok(Self { socket, port_id })
    }

    fn join(&self, group: u32) -> Result<(), SocketError> {
        self.socket.add_membership(group).map_err(Attempt::Join.failed())
    }

    fn leave(&self, group: u32) -> Result<(), SocketError> {
        self.socket.drop_membership(group).map_err(Attempt::Leave.failed())
    }

    /// Answers without the echo of the request: 36 bytes each (`NETLINK_CAP_ACK`).
    fn short_answers(&self) -> Result<(), SocketError> {
        self.socket.set_cap_ack(true).map_err(Attempt::Option.failed())
    }

    /// `NETLINK_BROADCAST_ERROR`: the kernel learns of events that we lost, keeps ended flows until we have heard of
    /// their end, and says NEW again for flows whose NEW was lost.
    fn reliable(&self) -> Result<(), SocketError> {
        self.socket.set_broadcast_error(true).map_err(Attempt::Option.failed())
    }

    fn set_receive_timeout(&self, seconds: i64) -> Result<(), SocketError> {
        setsockopt(&self.socket, sockopt::ReceiveTimeout, &TimeVal::seconds(seconds))
            .map_err(Attempt::Option.refused())
    }

    /// Asks for a receive buffer of `bytes` and returns what was obtained.
    ///
    /// `SO_RCVBUFFORCE` goes beyond `net.core.rmem_max` and wants `CAP_NET_ADMIN` in the first user namespace; where
    /// that is missing, `SO_RCVBUF` gives what the sysctl allows.
    fn set_receive_buffer(&self, bytes: usize) -> Result<usize, SocketError> {
        // The kernel takes an int and doubles it.
        let bytes = bytes.min(i32::MAX as usize / 2);
        match setsockopt(&self.socket, sockopt::RcvBufForce, &bytes) {
            Err(Errno::EPERM) => setsockopt(&self.socket, sockopt::RcvBuf, &bytes),
            done => done,
        }
        .map_err(Attempt::Option.refused())?;
        self.receive_buffer()
    }

    /// The receive buffer in the unit in which it is asked for: half of what `getsockopt` says, which includes the
    /// kernel's own bookkeeping.
    fn receive_buffer(&self) -> Result<usize, SocketError> {
        getsockopt(&self.socket, sockopt::RcvBuf)
            .map(|doubled| doubled / 2)
            .map_err(Attempt::Option.refused())
    }

    /// Sends `requests` to the kernel, which has executed them all when this returns.
    fn send(&self, requests: &[u8]) -> Result<(), SocketError> {
        let kernel = SocketAddr::new(0, 0);
        loop {
            match self.socket.send_to(requests, &kernel, 0) {
                // Netlink takes a datagram whole or not at all.
                Ok(_) => return Ok(()),
                Err(error) if errno(&error) == Errno::EINTR => {}
                Err(error) => return Err(Attempt::Send.failed()(error)),
            }
        }
    }

    /// Receives one datagram of the kernel.
    fn recv(&self, buffer: &mut [u8]) -> Result<Received, SocketError> {
        loop {
            match self.socket.recv_from(&mut &mut *buffer, libc::MSG_TRUNC) {
                // Another program with CAP_NET_ADMIN may write to us; only port 0 is the kernel.
                Ok((_, sender)) if sender.port_number() != 0 => {}
                Ok((len, _)) if len > buffer.len() => return Ok(Received::Truncated),
                Ok((len, _)) => return Ok(Received::Datagram(len)),
                Err(error) => match errno(&error) {
                    Errno::EINTR => {}
                    Errno::EAGAIN => return Ok(Received::Nothing),
                    Errno::ENOBUFS => return Ok(Received::Lost),
                    errno => return Err(SocketError { attempt: Attempt::Receive, errno }),
                },
            }
        }
    }

    /// Receives datagrams of the kernel, as many as wait and there is room for. Says how many were taken.
    fn recv_many(&self, inbox: &mut Inbox, most: usize) -> Result<usize, Errno> {
        loop {
            match inbox.fill(&self.socket, most) {
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Ok(0),
                done => return done,
            }
        }
    }

    /// How many messages the kernel could not deliver to this socket so far.
    fn drops(&self) -> Result<u64, SocketError> {
        // `thread-self`, because a thread may live in another network namespace than its process.
        let table = fs::read_to_string("/proc/thread-self/net/netlink").map_err(Attempt::Drops.failed())?;
        drops_of(&table, self.port_id).ok_or(SocketError { attempt: Attempt::Drops, errno: Errno::ENODATA })
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for Link {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

/// The column Drops of the netfilter socket `port_id` (`netlink_native_seq_show`: sk, Eth, Pid, Groups, Rmem, Wmem,
/// Dump, Locks, Drops, Inode).
fn drops_of(table: &str, port_id: u32) -> Option<u64> {
    table.lines().skip(1).find_map(|line| {
        let mut columns = line.split_whitespace().skip(1);
        let protocol: isize = columns.next()?.parse().ok()?;
        let pid: u32 = columns.next()?.parse().ok()?;
        let is_ours = protocol == NETLINK_NETFILTER && pid == port_id;
        if is_ours { columns.nth(5)?.parse().ok() } else { None }
    })
}

fn errno(error: &io::Error) -> Errno {
    // Every error here comes from a system call, and so has a number.
    error.raw_os_error().map_or(Errno::UnknownErrno, Errno::from_raw)
}

#[cfg(test)]
mod tests;
