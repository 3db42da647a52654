//! Room for many datagrams, which one system call fills.
//!
//! Under load a system call for each event costs more than the event. Driven by `Link`.

use std::io::IoSliceMut;
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, MultiHeaders, NetlinkAddr, recvmmsg};

/// The most datagrams of one call.
const MOST: usize = 32;
/// Between the places of two datagrams. Places that lie a power of two apart share a few lines of the processor's cache.
const APART: usize = 448;

/// The datagrams of one call.
#[derive(Debug)]
pub struct Inbox {
    headers: MultiHeaders<NetlinkAddr>,
    longest: usize,
    room: Box<[u8]>,
    came: Vec<Came>,
}

#[derive(Clone, Copy, Debug)]
struct Came {
    place: usize,
    len: usize,
}

/// A datagram longer than its room; it is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Truncated;

impl Inbox {
    /// Room for datagrams of at most `longest` bytes.
    #[must_use]
    pub fn new(longest: usize) -> Self {
        Self {
            headers: MultiHeaders::preallocate(MOST, None),
            longest,
            room: vec![0; MOST * (longest + APART)].into(),
            came: Vec::with_capacity(MOST),
        }
    }

    /// The datagrams, in the order in which they came.
    pub fn iter(&self) -> impl Iterator<Item = Result<&[u8], Truncated>> {
        self.came.iter().map(|came| self.room[came.place..][..self.longest].get(..came.len).ok_or(Truncated))
    }

    /// Waits for nothing and takes what the kernel has sent to `socket`, but at most `most` datagrams. Says how many places
    /// were filled: those that another program has written are left out.
    pub(super) fn fill(&mut self, socket: &impl AsRawFd, most: usize) -> Result<usize, Errno> {
        self.came.clear();
        let mut places = self.room.chunks_exact_mut(self.longest + APART);
        let mut slices: [_; MOST] = std::array::from_fn(|_| {
            [IoSliceMut::new(places.next().map_or(&mut [], |room| &mut room[..self.longest]))]
        });
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_TRUNC;
        let came =
            recvmmsg(socket.as_raw_fd(), &mut self.headers, slices.iter_mut().take(most), flags, None)?;
        let mut filled = 0;
        for (index, message) in came.enumerate() {
            filled += 1;
            // Another program with CAP_NET_ADMIN may write to us; only port 0 is the kernel.
            if message.address.is_some_and(|from| from.pid() == 0) {
                self.came.push(Came { place: index * (self.longest + APART), len: message.bytes });
            }
        }
        Ok(filled)
    }
}
