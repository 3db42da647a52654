//! The client's engine: opens every stream, paces it, verifies what comes back.
//!
//! One thread inside the client's namespace; an error of one stream ends that stream and no other. Never judges.
//! Started by [`Traffic`](super::Traffic). Tested in `../tests/`.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use nix::sys::epoll::EpollFlags;
use nix::sys::eventfd::EventFd;

use super::beat::{Beat, Wake};
use super::ledger::{ClientStream, Ended, Ledger};
use super::pattern::Pattern;
use super::spec::{Kind, StreamGroup, TrafficSpec};
use echo::EchoGroup;
use tcp::TcpClient;
use udp::UdpClient;

mod echo;
mod tcp;
mod udp;

/// Events of echo groups are numbered from here, after every possible stream.
const ECHO: u64 = 1 << 32;
/// Read at once at most.
const BUFFER: usize = 64 * 1024;

/// One stream's socket.
enum Stream {
    Tcp(TcpClient),
    Udp(UdpClient),
    /// Served by its group's socket.
    Echo,
    /// Its error is in the ledger.
    Ended,
}

/// What the engine's parts work with in a turn.
struct Turn<'a> {
    now: Instant,
    pattern: &'a Pattern,
    buffer: &'a mut [u8],
}

/// All streams of one traffic at their client.
pub(super) struct ClientEngine {
    beat: Beat,
    ledger: Arc<Ledger>,
    pattern: Arc<Pattern>,
    streams: Vec<Stream>,
    echoes: Vec<EchoGroup>,
}

impl ClientEngine {
    /// Opens all sockets; to be called inside the client's namespace. What a single stream meets goes to the ledger.
    pub(super) fn open(
        spec: &TrafficSpec,
        pattern: Arc<Pattern>,
        ledger: Arc<Ledger>,
        stop: &Arc<EventFd>,
    ) -> io::Result<Self> {
        let beat = Beat::new(stop)?;
        let mut engine = Self { beat, ledger, pattern, streams: Vec::new(), echoes: Vec::new() };
        let ledger = Arc::clone(&engine.ledger);
        let mut seen = ledger.client();
        for group in &spec.groups {
            if let Kind::Echo { .. } = group.kind {
                engine.open_echoes(group, spec.seed, &mut seen)?;
                continue;
            }
            for place in 0..group.count {
                let number = engine.streams.len();
                let stream = engine.open_stream(group, place, number).unwrap_or_else(|error| {
                    seen[number].ended = Some(Ended::new(Instant::now(), &error));
                    Stream::Ended
                });
                engine.streams.push(stream);
            }
        }
        Ok(engine)
    }

    fn open_stream(&self, group: &StreamGroup, place: u32, number: usize) -> io::Result<Stream> {
        let event = number as u64;
        if group.kind.is_tcp() {
            let stream = TcpClient::open(group, place, number)?;
            // Writable means connected, or refused.
            self.beat.watch(&stream.end.socket, event, EpollFlags::EPOLLOUT)?;
            Ok(Stream::Tcp(stream))
        } else {
            let stream = UdpClient::open(group, place, number)?;
            self.beat.watch(&stream.socket, event, EpollFlags::EPOLLIN)?;
            Ok(Stream::Udp(stream))
        }
    }

    fn open_echoes(&mut self, group: &StreamGroup, seed: u64, seen: &mut [ClientStream]) -> io::Result<()> {
        let first = self.streams.len();
        let echoes = EchoGroup::open(group, seed, first)?;
        self.beat.watch(&echoes.socket, ECHO + self.echoes.len() as u64, EpollFlags::EPOLLIN)?;
        for place in 0..group.count as usize {
            seen[first + place].local = echoes.local(place);
            self.streams.push(Stream::Echo);
        }
        self.echoes.push(echoes);
        Ok(())
    }

    /// Works until told to stop.
    pub(super) fn run(mut self) {
        let mut buffer = vec![0; BUFFER];
        let (pattern, ledger) = (Arc::clone(&self.pattern), Arc::clone(&self.ledger));
        loop {
            let wake = self.beat.wait();
            let mut turn = Turn { now: Instant::now(), pattern: &pattern, buffer: &mut buffer };
            let mut seen = ledger.client();
            let changed = match wake {
                Wake::Stop => return,
                Wake::Beat => self.serve(&mut turn, &mut seen),
                Wake::Ready => self.receive(&mut turn, &mut seen),
            };
            drop(seen);
            if changed {
                ledger.ring();
            }
        }
    }

    /// Sends what is due; true if a stream ended.
    fn serve(&mut self, turn: &mut Turn<'_>, seen: &mut [ClientStream]) -> bool {
        let mut changed = false;
        for number in 0..self.streams.len() {
            if !self.beat.serves(number) {
                continue;
            }
            match &mut self.streams[number] {
                Stream::Tcp(stream) => {
                    if let Err(error) = stream.serve(turn) {
                        self.end(number, turn.now, &error, seen);
                        changed = true;
                    }
                }
                Stream::Udp(stream) => stream.serve(turn, &mut seen[number]),
                Stream::Echo | Stream::Ended => {}
            }
        }
        for echoes in &mut self.echoes {
            echoes.serve(turn, &self.beat, seen);
        }
        changed
    }

    /// Takes what arrived; true if a stream opened or ended.
    fn receive(&mut self, turn: &mut Turn<'_>, seen: &mut [ClientStream]) -> bool {
        let mut changed = false;
        for (event, _) in self.beat.ready() {
            if event >= ECHO {
                changed |= self.echoes[(event - ECHO) as usize].receive(turn, seen);
                continue;
            }
            let number = event as usize;
            let before = seen[number].receipt.verified;
            match &mut self.streams[number] {
                Stream::Tcp(stream) => {
                    if let Err(error) = stream.receive(turn, &self.beat, event, &mut seen[number]) {
                        self.end(number, turn.now, &error, seen);
                        changed = true;
                    }
                }
                Stream::Udp(stream) => stream.receive(turn, &mut seen[number]),
                Stream::Echo | Stream::Ended => {}
            }
            changed |= before == 0 && seen[number].receipt.verified > 0;
        }
        changed
    }

    /// Closes a stream's socket, which also ends its events.
    fn end(&mut self, number: usize, now: Instant, error: &io::Error, seen: &mut [ClientStream]) {
        self.streams[number] = Stream::Ended;
        seen[number].ended = Some(Ended::new(now, error));
    }
}

/// The address from which the group's stream at `place` is sent, where the group asks for one.
fn source(group: &StreamGroup, place: u32) -> Option<SocketAddr> {
    if group.source.is_none() && group.source_port.is_none() {
        return None;
    }
    let unspecified = if group.target.is_ipv4() {
        std::net::Ipv4Addr::UNSPECIFIED.into()
    } else {
        std::net::Ipv6Addr::UNSPECIFIED.into()
    };
    // The specification was checked: the port cannot overflow.
    let port = group.source_port.map_or(0, |first| first.wrapping_add(place as u16));
    Some(SocketAddr::new(group.source.unwrap_or(unspecified), port))
}
