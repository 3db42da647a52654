//! New UDP flows as fast as one socket can begin them: a datagram each, to an address and port of its own.
//!
//! Nobody answers. Never counts what became of them; the router's table does. Driven by `passage.rs`, and tested through
//! it in `labctl bench`; the addresses are tested below.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use crate::link::namespace;
use crate::poll;

/// Flows to one address.
const PER_TARGET: u32 = 60_000;
/// Looked at the clock after so many.
const BATCH: u32 = 64;

/// Begins `count` flows, one every `interval` at most; how long that took.
///
/// # Errors
/// What the kernel said to the first datagram that it did not take.
pub(super) fn send(ns: BorrowedFd<'_>, count: u32, interval: Option<Duration>) -> io::Result<Duration> {
    namespace::run_in(ns, || {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        let start = Instant::now();
        for first in (0..count).step_by(BATCH as usize) {
            if let Some(interval) = interval {
                let due = start + interval * first;
                let early = due.saturating_duration_since(Instant::now());
                if !early.is_zero() {
                    poll::pause(early);
                }
            }
            for index in first..count.min(first + BATCH) {
                socket.send_to(b"born", target(index))?;
            }
        }
        Ok(start.elapsed())
    })
}

fn target(index: u32) -> SocketAddrV4 {
    let host = u8::try_from(index / PER_TARGET).unwrap_or(u8::MAX);
    let port = 1024 + u16::try_from(index % PER_TARGET).unwrap_or(0);
    SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, host), port)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{PER_TARGET, target};

    #[test]
    fn no_two_flows_go_to_the_same_place() {
        let around = (0..10).chain(PER_TARGET - 10..PER_TARGET + 10);
        assert_eq!(around.clone().map(target).collect::<BTreeSet<_>>().len(), around.count());
    }
}
