//! The FTP server: one thread for each control connection, which ends with it.
//!
//! Refuses what a careful server refuses: an announced address that is not the client's own. Driven by `Transfers`;
//! tested in `../tests.rs`.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use socket2::{Domain, Protocol, Socket, Type};

use super::super::servers::Registry;
use super::super::signals::Signals;
use super::super::spec::passive_port;
use super::super::{Session, broken, require_translated};
use super::control::{Control, write_all};
use super::{ROUNDS, address, soon, stream};
use crate::traffic::pattern::{Course, PIECE_MAX};

/// From where a server opens data connections.
const DATA_PORT: u16 = 20;
const BACKLOG: i32 = 512;

/// The server.
pub(in super::super) struct Server {
    registry: Arc<Registry>,
    signals: Signals,
    listener: TcpListener,
}

impl Server {
    /// Listens.
    ///
    /// # Errors
    /// The kernel's, with the address.
    pub(in super::super) fn open(
        registry: Arc<Registry>,
        signals: Signals,
        listen: SocketAddr,
    ) -> io::Result<Self> {
        let open = || -> io::Result<TcpListener> {
            let socket = Socket::new(Domain::for_address(listen), Type::STREAM, Some(Protocol::TCP))?;
            socket.set_reuse_address(true)?;
            socket.set_nonblocking(true)?;
            socket.bind(&listen.into())?;
            socket.listen(BACKLOG)?;
            Ok(socket.into())
        };
        let listener = open()
            .map_err(|error| io::Error::new(error.kind(), format!("cannot listen on {listen}: {error}")))?;
        Ok(Self { registry, signals, listener })
    }

    /// Serves until the end of everything.
    pub(in super::super) fn run(self) {
        let (registry, signals) = (&*self.registry, &self.signals);
        thread::scope(|connections| {
            while signals.readable(&self.listener, None).is_ok() {
                // Ends when none waits; a connection that broke while it waited is passed over.
                while let Ok((socket, peer)) = self.listener.accept() {
                    connections.spawn(move || {
                        let Ok(control) = Control::new(socket, signals) else { return };
                        let who = None;
                        Connection { registry, signals, control, peer, who, rounds: 0, door: None }.serve();
                    });
                }
            }
        });
    }
}

/// Where the next data connection will be.
enum Door {
    Ours(TcpListener),
    Theirs(SocketAddr),
}

struct Connection<'a> {
    registry: &'a Registry,
    signals: &'a Signals,
    control: Control<'a>,
    peer: SocketAddr,
    /// The session's number and traffic, once it has said who it is.
    who: Option<(usize, Session)>,
    /// Announcements so far.
    rounds: usize,
    door: Option<Door>,
}

impl Connection<'_> {
    fn serve(mut self) {
        if let Err(error) = self.converse()
            && error.kind() != ErrorKind::Interrupted
            && let Some((number, session)) = self.who
        {
            let told = io::Error::new(error.kind(), format!("at the server: {error}"));
            session.ledger.failed(number, &told);
        }
    }

    fn converse(&mut self) -> io::Result<()> {
        self.control.write("220 lab")?;
        while let Some(line) = self.control.read(None)? {
            let (command, argument) = line.split_once(' ').unwrap_or((&line, ""));
            match command {
                "USER" => {
                    let number = argument.strip_prefix("session-").and_then(|number| number.parse().ok());
                    self.who = number.and_then(|number| Some((number, self.registry.find(number)?)));
                    self.control.write("331 password")?;
                }
                "PASS" => self.control.write("230 logged in")?,
                "TYPE" | "NOOP" => self.control.write("200 well")?,
                "PASV" | "EPSV" => self.open_door()?,
                "PORT" | "EPRT" => self.take_door(&line)?,
                "RETR" => self.send(argument)?,
                "QUIT" => return self.control.write("221 farewell"),
                _ => self.control.write("502 not here")?,
            }
        }
        Ok(())
    }

    fn who(&self) -> io::Result<(usize, Session)> {
        self.who.clone().ok_or_else(|| broken("nobody has logged in"))
    }

    fn open_door(&mut self) -> io::Result<()> {
        let (number, session) = self.who()?;
        let ours = SocketAddr::new(self.control.socket.local_addr()?.ip(), passive_port(number, self.rounds));
        self.rounds = (self.rounds + 1) % ROUNDS;
        let listener = TcpListener::bind(ours)?;
        listener.set_nonblocking(true)?;
        self.door = Some(Door::Ours(listener));
        let reply = address::answer(ours);
        session.ledger.note(number, |detail| detail.written.push(reply.clone()));
        self.control.write(&reply)
    }

    fn take_door(&mut self, line: &str) -> io::Result<()> {
        let (number, session) = self.who()?;
        let Some(theirs) = address::parse(line, self.peer.ip()) else {
            return self.control.write("501 no address");
        };
        session.ledger.note(number, |detail| detail.read.push(line.to_owned()));
        if let Err(error) = require_translated(theirs.ip(), self.peer.ip()) {
            return self.control.write(&format!("504 {error}"));
        }
        self.door = Some(Door::Theirs(theirs));
        self.control.write("200 well")
    }

    /// `RETR 262144.1`: so many bytes of the session's second file.
    fn send(&mut self, name: &str) -> io::Result<()> {
        let (number, session) = self.who()?;
        let file = name.split_once('.').and_then(|(bytes, round)| {
            Some((bytes.parse::<u64>().ok()?, round.parse::<usize>().ok().filter(|round| *round < ROUNDS)?))
        });
        let (Some((bytes, round)), Some(door)) = (file, self.door.take()) else {
            return self.control.write("550 no such file, or nowhere to bring it");
        };
        self.control.write("150 it comes")?;
        let mut data = match self.open_data(door) {
            Ok(data) => data,
            Err(error) => {
                self.control.write(&format!("425 {error}"))?;
                return Err(error);
            }
        };
        let mut offset = 0;
        while offset < bytes {
            let length = usize::try_from(bytes - offset).unwrap_or(PIECE_MAX);
            let piece = session.pattern.piece(Course::Down, stream(number, round), offset, length);
            write_all(&mut data, self.signals, piece)?;
            offset += piece.len() as u64;
        }
        drop(data);
        self.control.write("226 that was it")
    }

    fn open_data(&self, door: Door) -> io::Result<TcpStream> {
        let signals = self.signals;
        match door {
            Door::Theirs(address) => {
                let from = SocketAddr::new(self.control.socket.local_addr()?.ip(), DATA_PORT);
                signals.connect(Some(from), address, soon()).map_err(|error| {
                    io::Error::new(error.kind(), format!("no data connection to {address}: {error}"))
                })
            }
            Door::Ours(listener) => {
                signals.readable(&listener, soon())?;
                let (data, _) = listener.accept()?;
                data.set_nonblocking(true)?;
                Ok(data)
            }
        }
    }
}
