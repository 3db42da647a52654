//! The least that anybody who wants every event costs: a thread that naps for a millisecond and reads what has come.
//!
//! Understands nothing of what it reads. What a router can do beside it is the limit for every daemon on this machine.
//! Driven by `passage.rs`; tested through `labctl bench`.

use std::io::{self, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_NETFILTER};
use nix::sys::socket::{MsgFlags, MultiHeaders, NetlinkAddr, recvmmsg, setsockopt, sockopt};

use super::meters;
use crate::link::namespace;
use crate::poll;

/// `NFNLGRP_CONNTRACK_NEW`, `_UPDATE` and `_DESTROY` (linux/netfilter/nfnetlink_compat.h).
const GROUPS: [u32; 3] = [1, 2, 3];
/// What conntrackd and syncd may grow to here.
const BUFFER: usize = 8 << 20;
const NAP: Duration = Duration::from_millis(1);
/// So many events are read by one system call, of at most so many bytes each.
const AT_ONCE: usize = 32;
const LONGEST: usize = 1024;

/// A thread that listens until it is dropped.
#[derive(Debug)]
pub(super) struct Listener {
    end: Arc<AtomicBool>,
    thread: Option<JoinHandle<Option<Option<Duration>>>>,
}

impl Listener {
    /// Listens in a namespace.
    ///
    /// # Errors
    /// Without `CAP_NET_ADMIN` there.
    pub(super) fn start(ns: BorrowedFd<'_>) -> io::Result<Self> {
        let end = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&end);
        let thread = namespace::spawn_in(ns, "listener", open, move |socket| {
            let mut headers = MultiHeaders::preallocate(AT_ONCE, None);
            let mut room = vec![[0; LONGEST]; AT_ONCE];
            while !told.load(Ordering::Relaxed) {
                // ENOBUFS is not the end of it.
                while read(&socket, &mut headers, &mut room) {}
                poll::pause(NAP);
            }
            meters::own_time()
        })?;
        Ok(Self { end, thread: Some(thread) })
    }

    /// Ends it; says what it took of the processors, if the kernel tells.
    pub(super) fn stop(mut self) -> Option<Duration> {
        self.join()
    }

    fn join(&mut self) -> Option<Duration> {
        self.end.store(true, Ordering::Relaxed);
        // A panic has been printed.
        self.thread.take()?.join().ok()??
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.join();
    }
}

fn open() -> io::Result<Socket> {
    let mut socket = Socket::new(NETLINK_NETFILTER)?;
    socket.bind(&SocketAddr::new(0, 0))?;
    // Where that is not permitted the buffer is smaller, for the daemons too.
    let _ = setsockopt(&socket, sockopt::RcvBufForce, &BUFFER);
    for group in GROUPS {
        socket.add_membership(group)?;
    }
    Ok(socket)
}

/// Reads what waits, or some of it; false when there was none.
fn read(socket: &Socket, headers: &mut MultiHeaders<NetlinkAddr>, room: &mut [[u8; LONGEST]]) -> bool {
    let mut slices: Vec<_> = room.iter_mut().map(|place| [IoSliceMut::new(place)]).collect();
    recvmmsg(socket.as_raw_fd(), headers, &mut slices, MsgFlags::MSG_DONTWAIT, None).is_ok()
}
