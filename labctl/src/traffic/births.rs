//! Many short flows at a rate: the births and deaths that fill a flow table.
//!
//! Never verifies a payload; that is [`Traffic`](super::Traffic)'s work. Scenarios and the bench drive it. Tested in
//! `tests/`.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::epoll::EpollFlags;
use nix::sys::eventfd::EventFd;
use socket2::{Domain, Protocol, Socket, Type};

use super::beat::{Beat, Wake};
use super::engines::Engines;

/// Sockets that stay open at once, the youngest: an answer finds its socket, and no limit on descriptors is met.
const OPEN_AT_ONCE: usize = 256;

/// Flows born in one turn at most, and how long one turn of an unlimited rate lasts.
const TURN_FLOWS: u64 = 1_000;
const TURN: Duration = Duration::from_millis(5);

/// Flows to be born.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BirthSpec {
    /// TCP connections rather than UDP datagrams. A connection is closed when 256 younger ones are open.
    pub(crate) tcp: bool,
    /// How many flows, at most `source_ports` times the number of targets.
    pub(crate) count: u64,
    /// Flows per second; 0 means as fast as one thread can.
    pub(crate) per_second: u64,
    /// Where they go. The flows use every source port towards the first target, then towards the next.
    pub(crate) targets: Vec<SocketAddr>,
    /// Where the server listens and answers (DNAT may lie between).
    pub(crate) listen: Vec<SocketAddr>,
    /// The client's address; its family is the targets'.
    pub(crate) source: IpAddr,
    /// The first source port.
    pub(crate) first_port: u16,
    /// How many source ports.
    pub(crate) source_ports: u16,
}

impl BirthSpec {
    fn check(&self) -> io::Result<()> {
        let room = self.targets.len() as u64 * u64::from(self.source_ports);
        let ports = u32::from(self.first_port) + u32::from(self.source_ports) <= 1 << 16;
        let families = self.targets.iter().all(|target| target.is_ipv4() == self.source.is_ipv4());
        let problem = match (self.count <= room, ports, families) {
            (false, _, _) => "more births than source ports times targets: add targets",
            (_, false, _) => "more source ports than follow the first one",
            (_, _, false) => "source and targets of different address families",
            (true, true, true) => return Ok(()),
        };
        Err(io::Error::new(io::ErrorKind::InvalidInput, problem))
    }
}

/// What happened so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct BirthsSeen {
    /// Flows whose first packet was handed to the kernel.
    pub(crate) sent: u64,
    /// Flows that could not be sent (port taken, no route...).
    pub(crate) refused: u64,
    /// The last refusal's reason.
    pub(crate) why: Option<String>,
    /// Datagrams and connections that reached the server.
    pub(crate) arrived: u64,
}

#[derive(Debug, Default)]
struct Count {
    seen: Mutex<BirthsSeen>,
    changed: Condvar,
}

impl Count {
    fn lock(&self) -> MutexGuard<'_, BirthsSeen> {
        // Counters are whole whoever panicked.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn update(&self, change: impl FnOnce(&mut BirthsSeen)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }
}

/// Flows being born. Ends when stopped or dropped.
#[derive(Debug)]
pub(crate) struct Births {
    count: u64,
    seen: Arc<Count>,
    engines: Engines,
}

impl Births {
    /// Starts a server that answers once (UDP) or accepts (TCP), then the client.
    ///
    /// # Errors
    /// `InvalidInput` with the reason for a specification that cannot be met; otherwise what the kernel said when
    /// entering a namespace or listening.
    pub(crate) fn start(
        spec: BirthSpec,
        client_ns: BorrowedFd<'_>,
        server_ns: BorrowedFd<'_>,
    ) -> io::Result<Self> {
        spec.check()?;
        let seen = Arc::new(Count::default());
        let mut births = Self { count: spec.count, seen, engines: Engines::new()? };

        let (listen, tcp, seen) = (spec.listen.clone(), spec.tcp, Arc::clone(&births.seen));
        let open = move |stop: &_| Midwife::open(&listen, tcp, seen, stop);
        births.engines.start(server_ns, "births-server", open, Midwife::run)?;

        let seen = Arc::clone(&births.seen);
        let open =
            move |stop: &_| Ok(Source { beat: Beat::new(stop)?, spec, seen, born: 0, open: VecDeque::new() });
        births.engines.start(client_ns, "births-client", open, Source::run)?;
        Ok(births)
    }

    /// What happened so far.
    #[must_use]
    pub(crate) fn seen(&self) -> BirthsSeen {
        self.seen.lock().clone()
    }

    /// Waits until every flow was sent or refused, or until the deadline. Arrivals at the server may follow.
    pub(crate) fn wait(&self, deadline: Instant) -> BirthsSeen {
        let patience = deadline.saturating_duration_since(Instant::now());
        let waited = self
            .seen
            .changed
            .wait_timeout_while(self.seen.lock(), patience, |s| s.sent + s.refused < self.count);
        waited.unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    /// Closes every socket and ends both engines.
    pub(crate) fn stop(mut self) -> BirthsSeen {
        self.engines.end();
        self.seen()
    }
}

/// The client's side.
struct Source {
    beat: Beat,
    spec: BirthSpec,
    seen: Arc<Count>,
    born: u64,
    open: VecDeque<Socket>,
}

impl Source {
    fn run(mut self) {
        let start = Instant::now();
        loop {
            match self.beat.wait() {
                Wake::Stop => return,
                Wake::Beat => self.bear(start),
                Wake::Ready => {}
            }
        }
    }

    /// Bears the flows that are due by now.
    fn bear(&mut self, start: Instant) {
        let turn = Instant::now();
        let elapsed = u64::try_from(turn.duration_since(start).as_micros()).unwrap_or(u64::MAX);
        let due = match self.spec.per_second {
            0 => u64::MAX,
            rate => rate.saturating_mul(elapsed) / 1_000_000,
        };
        let until = due.min(self.spec.count).min(self.born.saturating_add(TURN_FLOWS));
        let (mut sent, mut refused) = (0, None);
        let before = self.born;
        while self.born < until && turn.elapsed() < TURN {
            match self.bear_one(self.born) {
                Ok(()) => sent += 1,
                Err(error) => refused = Some(error.to_string()),
            }
            self.born += 1;
        }
        if self.born > before {
            let born = self.born - before;
            self.seen.update(|seen| {
                seen.sent += sent;
                seen.refused += born - sent;
                seen.why = refused.or(seen.why.take());
            });
        }
    }

    fn bear_one(&mut self, number: u64) -> io::Result<()> {
        let ports = u64::from(self.spec.source_ports);
        let port = self.spec.first_port + (number % ports) as u16;
        // The specification was checked: there are targets enough.
        let target = self.spec.targets[(number / ports) as usize];
        let (kind, protocol) =
            if self.spec.tcp { (Type::STREAM, Protocol::TCP) } else { (Type::DGRAM, Protocol::UDP) };
        let socket = Socket::new(Domain::for_address(target), kind, Some(protocol))?;
        socket.set_nonblocking(true)?;
        socket.set_reuse_address(self.spec.tcp)?;
        if self.open.len() == OPEN_AT_ONCE {
            // Before binding: the oldest may hold the port that comes next.
            self.open.pop_front();
        }
        socket.bind(&SocketAddr::new(self.spec.source, port).into())?;
        match socket.connect(&target.into()) {
            Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => return Err(error),
            _ => {}
        }
        if !self.spec.tcp {
            socket.send(b"born")?;
        }
        self.open.push_back(socket);
        Ok(())
    }
}

/// The server's side: answers each datagram once, accepts each connection.
struct Midwife {
    beat: Beat,
    seen: Arc<Count>,
    datagrams: Vec<Socket>,
    listeners: Vec<TcpListener>,
    open: VecDeque<std::net::TcpStream>,
}

impl Midwife {
    fn open(listen: &[SocketAddr], tcp: bool, seen: Arc<Count>, stop: &Arc<EventFd>) -> io::Result<Self> {
        let beat = Beat::new(stop)?;
        let mut midwife =
            Self { beat, seen, datagrams: Vec::new(), listeners: Vec::new(), open: VecDeque::new() };
        for (place, address) in listen.iter().enumerate() {
            let (kind, protocol) =
                if tcp { (Type::STREAM, Protocol::TCP) } else { (Type::DGRAM, Protocol::UDP) };
            let socket = Socket::new(Domain::for_address(*address), kind, Some(protocol))?;
            socket.set_nonblocking(true)?;
            socket.set_reuse_address(tcp)?;
            socket.bind(&(*address).into())?;
            midwife.beat.watch(&socket, place as u64, EpollFlags::EPOLLIN)?;
            if tcp {
                socket.listen(4_096)?;
                midwife.listeners.push(socket.into());
            } else {
                midwife.datagrams.push(socket);
            }
        }
        Ok(midwife)
    }

    fn run(mut self) {
        loop {
            if self.beat.wait() == Wake::Stop {
                return;
            }
            let mut arrived = 0;
            for (place, _) in self.beat.ready() {
                let place = place as usize;
                arrived += if self.listeners.is_empty() {
                    answer(&self.datagrams[place])
                } else {
                    self.accept(place)
                };
            }
            if arrived > 0 {
                self.seen.update(|seen| seen.arrived += arrived);
            }
        }
    }

    fn accept(&mut self, place: usize) -> u64 {
        let mut arrived = 0;
        while let Ok((socket, _)) = self.listeners[place].accept() {
            arrived += 1;
            if self.open.len() == OPEN_AT_ONCE {
                self.open.pop_front();
            }
            self.open.push_back(socket);
        }
        arrived
    }
}

/// Answers every datagram that waits.
fn answer(socket: &Socket) -> u64 {
    let mut arrived = 0;
    let mut buffer = [std::mem::MaybeUninit::uninit(); 64];
    loop {
        match socket.recv_from(&mut buffer) {
            Ok((_, from)) => {
                arrived += 1;
                // Not sent is as good as lost.
                let _ = socket.send_to(b"seen", &from);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return arrived,
            // An ICMP error about an earlier answer.
            Err(_) => {}
        }
    }
}
