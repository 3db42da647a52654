//! A TCP stream at its client.
//!
//! The kernel's defaults decide about retransmission: after a gap its back-off lengthens what a stream sees (200 ms,
//! then doubled), and that is part of what is measured. Driven by the client's engine.

use std::io;
use std::net::TcpStream;
use std::time::Instant;

use nix::sys::epoll::EpollFlags;
use socket2::{Domain, Protocol, Socket, Type};

use super::{Turn, source};
use crate::traffic::beat::{Beat, BytePace, RequestPace};
use crate::traffic::ledger::ClientStream;
use crate::traffic::pattern::Course;
use crate::traffic::spec::{Kind, StreamGroup};
use crate::traffic::stream::{Incoming, Outgoing, TcpEnd};

/// When the client sends.
enum Pace {
    /// Never: the server talks.
    Silent,
    Upload(BytePace),
    Requests {
        pace: RequestPace,
        bytes: u64,
    },
}

pub(super) struct TcpClient {
    pub(super) end: TcpEnd,
    connected: bool,
    pace: Pace,
}

impl TcpClient {
    /// Begins to connect.
    pub(super) fn open(group: &StreamGroup, place: u32, number: usize) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(group.target), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        if let Some(source) = source(group, place) {
            socket.set_reuse_address(true)?;
            socket.bind(&source.into())?;
        }
        match socket.connect(&group.target.into()) {
            Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => return Err(error),
            _ => {}
        }
        let now = Instant::now();
        let outgoing = || Outgoing::new(Course::Up, number as u32);
        let (incoming, outgoing, pace) = match group.kind {
            Kind::Upload { bits_per_second } => {
                (None, Some(outgoing()), Pace::Upload(BytePace::new(bits_per_second, now)))
            }
            Kind::RequestResponse { every, bytes } => {
                let pace = RequestPace::new(every, now, place, group.count);
                let pace = Pace::Requests { pace, bytes: bytes.into() };
                (Some(Incoming::new(Course::Down)), Some(outgoing()), pace)
            }
            Kind::Download { .. } | Kind::Udp { .. } | Kind::Echo { .. } => {
                (Some(Incoming::new(Course::Down)), None, Pace::Silent)
            }
        };
        let end = TcpEnd { socket: TcpStream::from(socket), incoming, outgoing };
        Ok(Self { end, connected: false, pace })
    }

    /// Sends what is due.
    pub(super) fn serve(&mut self, turn: &Turn<'_>) -> io::Result<()> {
        if !self.connected {
            return Ok(());
        }
        if let Some(outgoing) = &mut self.end.outgoing {
            match &mut self.pace {
                Pace::Silent => {}
                Pace::Upload(pace) => {
                    let due = pace.due(turn.now);
                    if outgoing.is_done() || outgoing.allowed() == 0 {
                        outgoing.allow(due);
                    }
                }
                Pace::Requests { pace, bytes } => {
                    let answered = self.end.incoming.as_ref().map_or(0, Incoming::received);
                    if answered == outgoing.allowed() && pace.due(turn.now) {
                        outgoing.allow(*bytes);
                    }
                }
            }
        }
        self.end.push(turn.pattern)
    }

    /// Finishes connecting, or takes what arrived.
    pub(super) fn receive(
        &mut self,
        turn: &mut Turn<'_>,
        beat: &Beat,
        event: u64,
        seen: &mut ClientStream,
    ) -> io::Result<()> {
        if !self.connected {
            if let Some(error) = self.end.socket.take_error()? {
                return Err(error);
            }
            self.connected = true;
            seen.local = self.end.socket.local_addr().ok();
            return beat.watch_for(&self.end.socket, event, EpollFlags::EPOLLIN | EpollFlags::EPOLLRDHUP);
        }
        let taken = self.end.pull(turn.pattern, turn.buffer)?;
        seen.receipt.note(turn.now, taken.verified, taken.corrupted);
        seen.accepted = self.end.incoming.as_ref().and_then(Incoming::number);
        Ok(())
    }
}
