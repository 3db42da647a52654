//! The callee of every call: answers INVITE and BYE, talks on a thread for each call.
//!
//! Refuses what a telephone could not answer: a Via, a Contact or a description that does not name the caller as it is
//! seen. Driven by `Transfers`; tested in `../tests.rs`.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::thread::{self, Scope};

use super::super::servers::Registry;
use super::super::signals::Signals;
use super::super::spec::voice_ports;
use super::super::{Session, broken, require_translated};
use super::BUFFER;
use super::message::{Message, address_in};
use super::voice::Talk;
use crate::traffic::pattern::Course;

/// The server.
pub(in super::super) struct Server {
    registry: Arc<Registry>,
    signals: Signals,
    listen: SocketAddr,
    socket: UdpSocket,
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
        let socket = UdpSocket::bind(listen)
            .map_err(|error| io::Error::new(error.kind(), format!("cannot listen on {listen}: {error}")))?;
        socket.set_nonblocking(true)?;
        Ok(Self { registry, signals, listen, socket })
    }

    /// Serves until the end of everything.
    pub(in super::super) fn run(self) {
        let mut buffer = [0; BUFFER];
        let mut answered: BTreeMap<String, Message> = BTreeMap::new();
        thread::scope(|calls| {
            while self.signals.readable(&self.socket, None).is_ok() {
                // An ICMP error about an earlier answer: its caller asks again.
                let Ok((length, peer)) = self.socket.recv_from(&mut buffer) else { continue };
                let Some(request) = Message::parse(&buffer[..length]) else { continue };
                let number =
                    request.header("Call-ID").split('@').next().and_then(|number| number.parse().ok());
                let call =
                    number.and_then(|number| Some(Call { number, session: self.registry.find(number)? }));
                let Some(call) = call else { continue };
                if let Err(error) = self.answer(&call, &request, peer, &mut answered, calls) {
                    call.failed(&error);
                }
            }
        });
    }

    fn answer<'scope>(
        &'scope self,
        call: &Call,
        request: &Message,
        peer: SocketAddr,
        answered: &mut BTreeMap<String, Message>,
        calls: &'scope Scope<'scope, '_>,
    ) -> io::Result<()> {
        for header in ["Via", "Contact"] {
            let named = address_in(request.header(header));
            if named != Some(peer) {
                return Err(broken(format!(
                    "the {header} `{}` of {peer}: no helper has rewritten it",
                    request.header(header)
                )));
            }
        }
        match request.word() {
            "INVITE" => {
                // A call is known by the tag and address of its caller: numbers come back.
                let known = format!("{peer} {}", request.header("From"));
                if let Some(answer) = answered.get(&known) {
                    return self.send(answer, peer);
                }
                let (answer, voice, theirs) = self.accept(call, request, peer)?;
                self.send(&self.reply(request, "100 Trying"), peer)?;
                self.send(&self.reply(request, "180 Ringing"), peer)?;
                self.send(&answer, peer)?;
                answered.insert(known, answer);
                let call = call.clone();
                calls.spawn(move || {
                    if let Err(error) = call.talk(&voice, theirs) {
                        call.failed(&error);
                    }
                });
                Ok(())
            }
            "BYE" => self.send(&self.reply(request, "200 OK"), peer),
            _ => Ok(()),
        }
    }

    /// The answer to a call, our socket for its voice, and where the caller expects ours.
    fn accept(
        &self,
        call: &Call,
        request: &Message,
        peer: SocketAddr,
    ) -> io::Result<(Message, UdpSocket, SocketAddr)> {
        let theirs = request.voice.ok_or_else(|| broken("a call that expects no voice"))?;
        let voice = UdpSocket::bind(SocketAddr::new(self.listen.ip(), voice_ports(call.number).1))?;
        voice.set_nonblocking(true)?;
        let ours = voice.local_addr()?;
        call.session.ledger.note(call.number, |detail| {
            detail.read.push(theirs.to_string());
            detail.written.push(ours.to_string());
        });
        require_translated(theirs.ip(), peer.ip())?;
        Ok((self.reply(request, "200 OK").expecting(ours), voice, theirs))
    }

    fn reply(&self, request: &Message, status: &str) -> Message {
        let copied = ["Via", "From", "Call-ID", "CSeq"];
        let reply = Message::new(format!("SIP/2.0 {status}"));
        let reply = copied.iter().fold(reply, |reply, name| reply.with(name, request.header(name)));
        let to = request.header("To");
        let tagged = if to.contains("tag=") { to.to_owned() } else { format!("{to};tag=callee") };
        reply.with("To", tagged).with("Contact", format!("<sip:lab@{}>", self.listen))
    }

    fn send(&self, message: &Message, to: SocketAddr) -> io::Result<()> {
        self.socket.send_to(message.render().as_bytes(), to).map(drop)
    }
}

/// One call at its callee.
#[derive(Clone)]
struct Call {
    number: usize,
    session: Session,
}

impl Call {
    fn talk(&self, voice: &UdpSocket, theirs: SocketAddr) -> io::Result<()> {
        self.session.signals.wait_go()?;
        let (session, number, course) = (&self.session, self.number, Course::Down);
        Talk { session, number, socket: voice, other: theirs, course }.run()?;
        // The last packets of the caller still find somebody.
        self.session.signals.wait_stop();
        Ok(())
    }

    fn failed(&self, error: &io::Error) {
        if error.kind() != ErrorKind::Interrupted {
            let told = io::Error::new(error.kind(), format!("at the callee: {error}"));
            self.session.ledger.failed(self.number, &told);
        }
    }
}
