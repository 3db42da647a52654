//! A UDP stream at its client: a connected socket, requests at a pace, answers when they come.
//!
//! A datagram that is lost is not asked for again, and a socket error (an ICMP error came back) stands only until the
//! next answer. Driven by the client's engine.

use std::io::{self, ErrorKind};
use std::net::UdpSocket;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use super::{Turn, source};
use crate::traffic::beat::RequestPace;
use crate::traffic::datagram::{self, Received};
use crate::traffic::ledger::{ClientStream, Ended};
use crate::traffic::pattern::Course;
use crate::traffic::spec::{Kind, StreamGroup};

pub(super) struct UdpClient {
    pub(super) socket: UdpSocket,
    number: u32,
    sequence: u64,
    bytes: usize,
    pace: RequestPace,
    packet: Vec<u8>,
}

impl UdpClient {
    pub(super) fn open(group: &StreamGroup, place: u32, number: usize) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(group.target), Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        if let Some(source) = source(group, place) {
            socket.bind(&source.into())?;
        }
        socket.connect(&group.target.into())?;
        let (every, bytes) = requests(group.kind);
        Ok(Self {
            socket: socket.into(),
            number: number as u32,
            sequence: 0,
            bytes,
            pace: RequestPace::new(every, Instant::now(), place, group.count),
            packet: Vec::new(),
        })
    }

    /// Sends a request if one is due.
    pub(super) fn serve(&mut self, turn: &Turn<'_>, seen: &mut ClientStream) {
        if seen.local.is_none() {
            seen.local = self.socket.local_addr().ok();
        }
        if !self.pace.due(turn.now) {
            return;
        }
        self.packet.clear();
        datagram::write(&mut self.packet, turn.pattern, Course::Up, self.number, self.sequence, self.bytes);
        self.sequence += 1;
        if let Err(error) = self.socket.send(&self.packet) {
            note_error(turn.now, &error, seen);
        }
    }

    /// Takes every answer that waits.
    pub(super) fn receive(&mut self, turn: &mut Turn<'_>, seen: &mut ClientStream) {
        loop {
            match self.socket.recv(turn.buffer) {
                Ok(length) => {
                    let answer = datagram::read(&turn.buffer[..length], turn.pattern, Course::Down);
                    if let Received::Ours { number, corrupted, .. } = answer
                        && number == self.number
                    {
                        note_answer(turn.now, length as u64, corrupted, seen);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => return note_error(turn.now, &error, seen),
            }
        }
    }
}

/// Notes an answer of so many bytes in all.
pub(super) fn note_answer(now: Instant, length: u64, corrupted: u64, seen: &mut ClientStream) {
    let verified = if corrupted == 0 { length } else { 0 };
    seen.receipt.note(now, verified, corrupted);
    if verified > 0 {
        seen.ended = None;
    }
}

/// Notes an error, unless it only says that a queue is full.
pub(super) fn note_error(now: Instant, error: &io::Error, seen: &mut ClientStream) {
    let full = error.kind() == ErrorKind::WouldBlock || error.raw_os_error() == Some(libc::ENOBUFS);
    if !full {
        seen.ended = Some(Ended::new(now, error));
    }
}

/// Pace and size of a datagram stream.
pub(super) fn requests(kind: Kind) -> (Duration, usize) {
    match kind {
        Kind::Udp { per_second, bytes } | Kind::Echo { per_second, bytes } => {
            (Duration::from_secs(1) / per_second, bytes as usize)
        }
        // TCP streams are never opened as datagrams.
        Kind::RequestResponse { .. } | Kind::Download { .. } | Kind::Upload { .. } => {
            unreachable!("a TCP stream among datagrams")
        }
    }
}
