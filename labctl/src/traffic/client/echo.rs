//! ICMP and ICMPv6 echo at the client: one raw socket for a group, one identifier for each stream.
//!
//! The server's kernel answers with what it received, so an answer proves both directions. Raw sockets rather than ping
//! sockets: those depend on `ping_group_range`, these on `CAP_NET_RAW` over the namespace, which the lab has.
//! Driven by the client's engine.

use std::io::{self, ErrorKind, Read};
use std::net::SocketAddr;
use std::time::Instant;

use socket2::{Domain, Protocol, Socket, Type};

use super::udp::{note_answer, note_error, requests};
use super::{Turn, source};
use crate::link::Chance;
use crate::traffic::beat::{Beat, RequestPace};
use crate::traffic::datagram::{self, EchoFamily, Received};
use crate::traffic::ledger::ClientStream;
use crate::traffic::pattern::Course;
use crate::traffic::spec::StreamGroup;

pub(super) struct EchoGroup {
    pub(super) socket: Socket,
    family: EchoFamily,
    /// Number of the group's first stream.
    first: usize,
    identifier: u16,
    bytes: usize,
    streams: Vec<Echo>,
    packet: Vec<u8>,
}

struct Echo {
    sequence: u64,
    pace: RequestPace,
}

impl EchoGroup {
    pub(super) fn open(group: &StreamGroup, seed: u64, first: usize) -> io::Result<Self> {
        let (family, domain, protocol) = if group.target.is_ipv4() {
            (EchoFamily::V4, Domain::IPV4, Protocol::ICMPV4)
        } else {
            (EchoFamily::V6, Domain::IPV6, Protocol::ICMPV6)
        };
        let socket = Socket::new(domain, Type::RAW, Some(protocol))?;
        socket.set_nonblocking(true)?;
        // Raw sockets take no ports; the group's is an identifier.
        let portless = |address: SocketAddr| SocketAddr::new(address.ip(), 0);
        if let Some(source) = source(group, 0) {
            socket.bind(&portless(source).into())?;
        }
        socket.connect(&portless(group.target).into())?;
        let (every, bytes) = requests(group.kind);
        let now = Instant::now();
        let pace = |place| RequestPace::new(every, now, place, group.count);
        let drawn = Chance::new(seed ^ first as u64).below(1 << 15) as u16;
        Ok(Self {
            socket,
            family,
            first,
            identifier: group.source_port.unwrap_or(drawn),
            bytes,
            streams: (0..group.count).map(|place| Echo { sequence: 0, pace: pace(place) }).collect(),
            packet: Vec::new(),
        })
    }

    /// The group's own address, with the identifier of the stream at `place` as its port.
    pub(super) fn local(&self, place: usize) -> Option<SocketAddr> {
        let address = self.socket.local_addr().ok()?.as_socket()?;
        Some(SocketAddr::new(address.ip(), self.identifier.wrapping_add(place as u16)))
    }

    /// Sends the requests that are due.
    pub(super) fn serve(&mut self, turn: &Turn<'_>, beat: &Beat, seen: &mut [ClientStream]) {
        for (place, echo) in self.streams.iter_mut().enumerate() {
            let number = self.first + place;
            if !beat.serves(number) || !echo.pace.due(turn.now) {
                continue;
            }
            let (packet, identifier) = (&mut self.packet, self.identifier.wrapping_add(place as u16));
            packet.clear();
            datagram::start_echo(packet, self.family, identifier, echo.sequence as u16);
            datagram::write(packet, turn.pattern, Course::Up, number as u32, echo.sequence, self.bytes);
            datagram::finish_echo(packet, self.family);
            echo.sequence += 1;
            if let Err(error) = self.socket.send(packet) {
                note_error(turn.now, &error, &mut seen[number]);
            }
        }
    }

    /// Takes every answer that waits; true if a stream opened. Other messages that a raw socket sees are passed over.
    pub(super) fn receive(&mut self, turn: &mut Turn<'_>, seen: &mut [ClientStream]) -> bool {
        let mut changed = false;
        loop {
            let length = match (&self.socket).read(turn.buffer) {
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return changed,
                Err(error) => {
                    // An ICMP error about one of the group's echoes; it does not say which.
                    for stream in &mut seen[self.first..self.first + self.streams.len()] {
                        note_error(turn.now, &error, stream);
                    }
                    return true;
                }
            };
            let Some(payload) = datagram::echo_reply(&turn.buffer[..length], self.family) else { continue };
            let Received::Ours { number, corrupted, .. } = datagram::read(payload, turn.pattern, Course::Up)
            else {
                continue;
            };
            let place = (number as usize).checked_sub(self.first).filter(|place| *place < self.streams.len());
            if let Some(place) = place {
                let stream = &mut seen[self.first + place];
                changed |= stream.receipt.verified == 0;
                note_answer(turn.now, payload.len() as u64, corrupted, stream);
            }
        }
    }
}
