//! The FTP server: one thread for each control connection, which ends with it.
//!
//! Refuses what a careful server refuses: an announced address that is not the client's own. Driven by `Transfers`;
//! tested in `../tests.rs`.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use socket2::{Domain, Protocol, Socket, Type};

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
    session: Session,
    listener: TcpListener,
}

impl Server {
    /// Listens.
    ///
    /// # Errors
    /// The kernel's, with the address.
    pub(in super::super) fn open(session: Session, listen: SocketAddr) -> io::Result<Self> {
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
        Ok(Self { session, listener })
    }

    /// Serves until the end of everything.
    pub(in super::super) fn run(self) {
        let session = &self.session;
        thread::scope(|connections| {
            while session.signals.readable(&self.listener, None).is_ok() {
                // Ends when none waits; a connection that broke while it waited is passed over.
                while let Ok((socket, peer)) = self.listener.accept() {
                    connections.spawn(move || {
                        let Ok(control) = Control::new(socket, &session.signals) else { return };
                        Connection { session, control, peer, number: None, rounds: 0, door: None }.serve();
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
    session: &'a Session,
    control: Control<'a>,
    peer: SocketAddr,
    number: Option<usize>,
    /// Announcements so far.
    rounds: usize,
    door: Option<Door>,
}

impl Connection<'_> {
    fn serve(mut self) {
        if let Err(error) = self.converse()
            && error.kind() != ErrorKind::Interrupted
            && let Some(number) = self.number
        {
            let told = io::Error::new(error.kind(), format!("at the server: {error}"));
            self.session.ledger.failed(number, &told);
        }
    }

    fn converse(&mut self) -> io::Result<()> {
        self.control.write("220 lab")?;
        while let Some(line) = self.control.read(None)? {
            let (command, argument) = line.split_once(' ').unwrap_or((&line, ""));
            match command {
                "USER" => {
                    self.number = argument.strip_prefix("session-").and_then(|number| number.parse().ok());
                    self.control.write("331 password")?;
                }
                "PASS" => self.control.write("230 logged in")?,
                "TYPE" | "NOOP" => self.control.write("200 well")?,
                "PASV" => self.open_door()?,
                "PORT" => self.take_door(&line)?,
                "RETR" => self.send(argument)?,
                "QUIT" => return self.control.write("221 farewell"),
                _ => self.control.write("502 not here")?,
            }
        }
        Ok(())
    }

    fn number(&self) -> io::Result<usize> {
        self.number.ok_or_else(|| broken("nobody has logged in"))
    }

    fn open_door(&mut self) -> io::Result<()> {
        let number = self.number()?;
        let ours = SocketAddr::new(self.control.socket.local_addr()?.ip(), passive_port(number, self.rounds));
        self.rounds = (self.rounds + 1) % ROUNDS;
        let listener = TcpListener::bind(ours)?;
        listener.set_nonblocking(true)?;
        self.door = Some(Door::Ours(listener));
        let numbers = address::render(ours).ok_or_else(|| broken("PASV has no words for this family"))?;
        let reply = format!("227 Entering Passive Mode ({numbers}).");
        self.session.ledger.note(number, |detail| detail.written.push(reply.clone()));
        self.control.write(&reply)
    }

    fn take_door(&mut self, line: &str) -> io::Result<()> {
        let number = self.number()?;
        let Some(theirs) = address::parse(line) else { return self.control.write("501 no address") };
        self.session.ledger.note(number, |detail| detail.read.push(line.to_owned()));
        if let Err(error) = require_translated(theirs.ip(), self.peer.ip()) {
            return self.control.write(&format!("504 {error}"));
        }
        self.door = Some(Door::Theirs(theirs));
        self.control.write("200 well")
    }

    /// `RETR 262144.1`: so many bytes of the session's second file.
    fn send(&mut self, name: &str) -> io::Result<()> {
        let number = self.number()?;
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
            let piece = self.session.pattern.piece(Course::Down, stream(number, round), offset, length);
            write_all(&mut data, &self.session.signals, piece)?;
            offset += piece.len() as u64;
        }
        drop(data);
        self.control.write("226 that was it")
    }

    fn open_data(&self, door: Door) -> io::Result<TcpStream> {
        let signals = &self.session.signals;
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
