//! The server's engine: accepts TCP streams, talks, answers and verifies; answers UDP requests.
//!
//! One thread inside the server's namespace. It knows a stream's client only by the preamble or the datagram's header,
//! since NAT hides its port. Never judges. Started by [`Traffic`](super::Traffic). Tested in `../tests/`.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::time::Instant;

use nix::sys::epoll::EpollFlags;
use nix::sys::eventfd::EventFd;
use socket2::{Domain, Protocol, Socket, Type};

use super::beat::{Beat, BytePace, Wake};
use super::datagram::{self, Received};
use super::ledger::{Accepted, Asked, Ended, Ledger, Receipt, ServerSide};
use super::pattern::{Course, Pattern};
use super::spec::{Kind, TrafficSpec};
use super::stream::{Incoming, Outgoing, TcpEnd};

/// Events of accepted streams are numbered from zero, those of listeners and UDP sockets from here.
const LISTENER: u64 = 1 << 32;
const DATAGRAM: u64 = 1 << 33;
/// Connections that may wait for us (the kernel caps it at `somaxconn`).
const BACKLOG: i32 = 4_096;
/// Read at once at most.
const BUFFER: usize = 64 * 1024;

/// An accepted stream.
struct Connection {
    end: TcpEnd,
    kind: Kind,
    /// For downloads.
    pace: Option<BytePace>,
}

/// All streams of one traffic at their server.
pub(super) struct ServerEngine {
    beat: Beat,
    ledger: Arc<Ledger>,
    pattern: Arc<Pattern>,
    /// Streams of the traffic: larger numbers in a datagram are not ours.
    streams: usize,
    listeners: Vec<(TcpListener, Kind)>,
    datagrams: Vec<UdpSocket>,
    /// By the number of acceptance.
    connections: Vec<Option<Connection>>,
    packet: Vec<u8>,
}

impl ServerEngine {
    /// Listens; to be called inside the server's namespace.
    pub(super) fn open(
        spec: &TrafficSpec,
        pattern: Arc<Pattern>,
        ledger: Arc<Ledger>,
        stop: &Arc<EventFd>,
    ) -> io::Result<Self> {
        let mut engine = Self {
            beat: Beat::new(stop)?,
            ledger,
            pattern,
            streams: spec.count(),
            listeners: Vec::new(),
            datagrams: Vec::new(),
            connections: Vec::new(),
            packet: Vec::new(),
        };
        let mut wanted: BTreeMap<(bool, SocketAddr), Kind> = BTreeMap::new();
        for group in spec.groups.iter().filter(|group| !matches!(group.kind, Kind::Echo { .. })) {
            wanted.insert((group.kind.is_tcp(), group.listen), group.kind);
        }
        for ((tcp, address), kind) in wanted {
            let named = |error: io::Error| {
                io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"))
            };
            if tcp { engine.listen(address, kind) } else { engine.listen_datagrams(address) }
                .map_err(named)?;
        }
        Ok(engine)
    }

    fn listen(&mut self, address: SocketAddr, kind: Kind) -> io::Result<()> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        self.beat.watch(&socket, LISTENER + self.listeners.len() as u64, EpollFlags::EPOLLIN)?;
        self.listeners.push((socket.into(), kind));
        Ok(())
    }

    fn listen_datagrams(&mut self, address: SocketAddr) -> io::Result<()> {
        let socket = UdpSocket::bind(address)?;
        socket.set_nonblocking(true)?;
        self.beat.watch(&socket, DATAGRAM + self.datagrams.len() as u64, EpollFlags::EPOLLIN)?;
        self.datagrams.push(socket);
        Ok(())
    }

    /// Works until told to stop.
    pub(super) fn run(mut self) {
        let mut buffer = vec![0; BUFFER];
        let ledger = Arc::clone(&self.ledger);
        loop {
            let wake = self.beat.wait();
            let now = Instant::now();
            let mut seen = ledger.server();
            let changed = match wake {
                Wake::Stop => return,
                Wake::Beat => self.serve(now, &mut seen),
                Wake::Ready => self.receive(now, &mut buffer, &mut seen),
            };
            drop(seen);
            if changed {
                ledger.ring();
            }
        }
    }

    /// Sends what is due; true if a stream ended.
    fn serve(&mut self, now: Instant, seen: &mut ServerSide) -> bool {
        let mut changed = false;
        for number in 0..self.connections.len() {
            if !self.beat.serves(number) {
                continue;
            }
            let Some(connection) = &mut self.connections[number] else { continue };
            if let (Some(outgoing), Some(pace)) = (&mut connection.end.outgoing, &mut connection.pace) {
                let due = pace.due(now);
                // A socket that took nothing is not owed more: after a gap a stream goes on at its pace.
                if outgoing.is_done() {
                    outgoing.allow(due);
                }
            }
            if let Err(error) = connection.end.push(&self.pattern) {
                self.end(number, now, &error, seen);
                changed = true;
            }
        }
        changed
    }

    /// Accepts, takes and answers; true if a stream's first bytes came or a stream ended.
    fn receive(&mut self, now: Instant, buffer: &mut [u8], seen: &mut ServerSide) -> bool {
        let mut changed = false;
        for (event, _) in self.beat.ready() {
            if event >= DATAGRAM {
                self.answer((event - DATAGRAM) as usize, now, buffer, seen);
            } else if event >= LISTENER {
                self.accept((event - LISTENER) as usize, now, seen);
            } else {
                changed |= self.take(event as usize, now, buffer, seen);
            }
        }
        changed
    }

    fn accept(&mut self, listener: usize, now: Instant, seen: &mut ServerSide) {
        // Ends when none waits; a connection that broke while it waited is passed over at the next event.
        while let Ok((socket, seen_as)) = self.listeners[listener].0.accept() {
            let number = self.connections.len();
            let mut accepted = Accepted { seen_as, receipt: Receipt::default(), number: None, ended: None };
            if let Some(fault) = seen.fault {
                accepted.receipt.arrivals.fault_at(fault);
            }
            let connection = self.welcome(socket, self.listeners[listener].1, number, now);
            let connection = connection.map_err(|error| accepted.ended = Some(Ended::new(now, &error)));
            seen.accepted.push(accepted);
            self.connections.push(connection.ok());
        }
    }

    fn welcome(&self, socket: TcpStream, kind: Kind, number: usize, now: Instant) -> io::Result<Connection> {
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
        self.beat.watch(&socket, number as u64, EpollFlags::EPOLLIN | EpollFlags::EPOLLRDHUP)?;
        let outgoing = kind.client_receives().then(|| Outgoing::new(Course::Down, number as u32));
        let incoming = kind.server_receives().then(|| Incoming::new(Course::Up));
        let pace = match kind {
            Kind::Download { bits_per_second } => Some(BytePace::new(bits_per_second, now)),
            _ => None,
        };
        let mut end = TcpEnd { socket, incoming, outgoing };
        end.push(&self.pattern)?;
        Ok(Connection { end, kind, pace })
    }

    /// Takes what arrived on a stream and answers whole requests.
    fn take(&mut self, number: usize, now: Instant, buffer: &mut [u8], seen: &mut ServerSide) -> bool {
        let Some(connection) = &mut self.connections[number] else { return false };
        let accepted = &mut seen.accepted[number];
        let before = accepted.receipt.verified;
        let result = connection.end.pull(&self.pattern, buffer).and_then(|taken| {
            accepted.receipt.note(now, taken.verified, taken.corrupted);
            let Some(incoming) = &connection.end.incoming else { return Ok(()) };
            accepted.number = incoming.number();
            if let (Kind::RequestResponse { bytes, .. }, Some(outgoing)) =
                (connection.kind, &mut connection.end.outgoing)
            {
                let bytes = u64::from(bytes);
                outgoing.allow_until(incoming.received() / bytes * bytes);
            }
            connection.end.push(&self.pattern)
        });
        let changed = before == 0 && accepted.receipt.verified > 0;
        match result {
            Ok(()) => changed,
            Err(error) => {
                self.end(number, now, &error, seen);
                true
            }
        }
    }

    /// Verifies and answers every UDP request that waits. A damaged one is counted and not answered.
    fn answer(&mut self, socket: usize, now: Instant, buffer: &mut [u8], seen: &mut ServerSide) {
        let socket = &self.datagrams[socket];
        loop {
            let (length, seen_as) = match socket.recv_from(buffer) {
                Ok(received) => received,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                // An ICMP error about an earlier answer: its client counts what it misses.
                Err(_) => continue,
            };
            let Received::Ours { number, sequence, corrupted } =
                datagram::read(&buffer[..length], &self.pattern, Course::Up)
            else {
                continue;
            };
            if number as usize >= self.streams {
                continue;
            }
            let asked = seen.asked.entry(number).or_insert_with(|| Asked::new(seen_as));
            asked.note(now, seen_as);
            let verified = if corrupted == 0 { length as u64 } else { 0 };
            asked.receipt.note(now, verified, corrupted);
            if corrupted == 0 {
                self.packet.clear();
                datagram::write(&mut self.packet, &self.pattern, Course::Down, number, sequence, length);
                // Not sent is as good as lost.
                let _ = socket.send_to(&self.packet, seen_as);
            }
        }
    }

    /// Closes a stream's socket, which also ends its events.
    fn end(&mut self, number: usize, now: Instant, error: &io::Error, seen: &mut ServerSide) {
        self.connections[number] = None;
        seen.accepted[number].ended = Some(Ended::new(now, error));
    }
}
