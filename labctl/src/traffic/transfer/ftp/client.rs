//! A session at its client: logs in, announces or is announced to, fetches.
//!
//! Run on a thread of its own. Tested in `../tests.rs`.

use std::io::{self, ErrorKind, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};

use super::super::ledger::Ledger;
use super::super::spec::{TransferGroup, TransferKind, active_port};
use super::super::{Session, broken, require_translated};
use super::control::Control;
use super::{ROUNDS, address, soon, stream};
use crate::traffic::pattern::Course;

/// Where the data connection will be.
enum Door {
    /// The server waits there.
    Theirs(SocketAddr),
    /// We wait.
    Ours(TcpListener),
}

/// Runs a session from its greeting to the end of everything.
pub(in super::super) fn client(session: &Session, number: usize, group: &TransferGroup) {
    let mut client = match Client::open(session, number, group) {
        Ok(client) => client,
        Err(error) => return session.ledger.failed(number, &error),
    };
    match client.converse() {
        Ok(()) => {
            session.ledger.complete(number);
            // The control connection stays open, so that the routers' tables can be looked at.
            session.signals.wait_stop();
        }
        Err(error) => session.ledger.failed(number, &error),
    }
}

struct Client<'a> {
    session: &'a Session,
    control: Control<'a>,
    number: usize,
    group: &'a TransferGroup,
}

impl<'a> Client<'a> {
    fn open(session: &'a Session, number: usize, group: &'a TransferGroup) -> io::Result<Self> {
        session.ledger.note(number, |detail| detail.step = "connect".to_owned());
        let socket = session.signals.connect(None, group.target, soon())?;
        let control = Control::new(socket, &session.signals)?;
        Ok(Self { session, control, number, group })
    }

    fn ledger(&self) -> &Ledger {
        &self.session.ledger
    }

    fn converse(&mut self) -> io::Result<()> {
        self.expect("220")?;
        self.ask(&format!("USER session-{}", self.number), "331")?;
        self.ask("PASS lab", "230")?;
        self.ask("TYPE I", "200")?;
        for round in 0..ROUNDS {
            let door = self.announce(round)?;
            if round == 0 {
                self.ledger().announced(self.number);
                self.session.signals.wait_go_beside(&self.control.socket)?;
            }
            self.fetch(door, round)?;
            // The helper has changed the length of what went before; both ends must still agree on every byte's place.
            self.ask("NOOP", "200")?;
        }
        Ok(())
    }

    fn announce(&mut self, round: usize) -> io::Result<Door> {
        if self.group.kind == TransferKind::FtpPassive {
            let server = self.group.target.ip();
            let (question, wanted) = address::question(server);
            let reply = self.ask(question, wanted)?;
            let theirs =
                address::parse(&reply, server).ok_or_else(|| broken(format!("no address in `{reply}`")))?;
            self.ledger().note(self.number, |detail| detail.read.push(reply));
            require_translated(theirs.ip(), server)?;
            return Ok(Door::Theirs(theirs));
        }
        let ours = SocketAddr::new(self.control.socket.local_addr()?.ip(), active_port(self.number, round));
        let listener = TcpListener::bind(ours)?;
        listener.set_nonblocking(true)?;
        let command = address::command(ours);
        self.ledger().note(self.number, |detail| detail.written.push(command.clone()));
        self.ask(&command, "200")?;
        Ok(Door::Ours(listener))
    }

    fn fetch(&mut self, door: Door, round: usize) -> io::Result<()> {
        let signals = &self.session.signals;
        let file = format!("RETR {}.{round}", self.group.bytes);
        let data = match door {
            Door::Theirs(address) => {
                self.ledger().note(self.number, |detail| detail.step = format!("connect to {address}"));
                let data = signals.connect(None, address, soon())?;
                self.ask(&file, "150")?;
                data
            }
            Door::Ours(listener) => {
                self.ask(&file, "150")?;
                signals.readable(&listener, soon())?;
                let (data, from) = listener.accept()?;
                // As a careful client: nobody else may bring the file.
                require_translated(from.ip(), self.group.target.ip())?;
                data
            }
        };
        self.receive(data, round)?;
        self.expect("226").map(drop)
    }

    /// Takes the whole file and verifies each byte.
    fn receive(&self, mut data: TcpStream, round: usize) -> io::Result<()> {
        data.set_nonblocking(true)?;
        let (mut offset, mut buffer) = (0, vec![0; 64 * 1024]);
        let stream = stream(self.number, round);
        loop {
            self.session.signals.readable(&data, soon())?;
            let length = match data.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error),
            };
            let corrupted = self.session.pattern.differing(Course::Down, stream, offset, &buffer[..length]);
            offset += length as u64;
            self.ledger().note(self.number, |detail| {
                detail.received += length as u64 - corrupted;
                detail.corrupted += corrupted;
            });
        }
        if offset == u64::from(self.group.bytes) {
            return Ok(());
        }
        Err(broken(format!("the file ended after {offset} of {} bytes", self.group.bytes)))
    }

    fn ask(&mut self, command: &str, wanted: &str) -> io::Result<String> {
        self.ledger().note(self.number, |detail| command.clone_into(&mut detail.step));
        self.control.write(command)?;
        self.expect(wanted)
    }

    fn expect(&mut self, wanted: &str) -> io::Result<String> {
        let reply =
            self.control.read(soon())?.ok_or_else(|| broken("the server has closed the connection"))?;
        if reply.starts_with(wanted) {
            return Ok(reply);
        }
        Err(broken(format!("`{reply}` instead of {wanted}")))
    }
}
