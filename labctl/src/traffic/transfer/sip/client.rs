//! The caller: INVITE, ACK, voice, BYE.
//!
//! Run on a thread of its own, from a socket of its own: each call is a flow. Tested in `../tests.rs`.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, UdpSocket};
use std::time::Instant;

use super::super::spec::{TransferGroup, voice_ports};
use super::super::{Session, broken, require_translated};
use super::message::Message;
use super::voice::Talk;
use super::{AGAIN, BUFFER, PATIENCE};
use crate::traffic::pattern::Course;

/// Runs a call from its INVITE to the end of everything.
pub(in super::super) fn client(session: &Session, number: usize, group: &TransferGroup) {
    let called = Caller::open(session, number, group).and_then(|caller| caller.call().map(|()| caller));
    match called {
        Ok(_caller) => {
            session.ledger.complete(number);
            session.signals.wait_stop();
        }
        Err(error) => session.ledger.failed(number, &error),
    }
}

struct Caller<'a> {
    session: &'a Session,
    number: usize,
    target: SocketAddr,
    ours: SocketAddr,
    socket: UdpSocket,
    voice: UdpSocket,
}

impl<'a> Caller<'a> {
    fn open(session: &'a Session, number: usize, group: &TransferGroup) -> io::Result<Self> {
        session.ledger.note(number, |detail| detail.step = "open".to_owned());
        let socket = UdpSocket::bind("0.0.0.0:0")?;
        socket.connect(group.target)?;
        let ours = socket.local_addr()?;
        let voice = UdpSocket::bind(SocketAddr::new(ours.ip(), voice_ports(number).0))?;
        voice.set_nonblocking(true)?;
        socket.set_nonblocking(true)?;
        Ok(Self { session, number, target: group.target, ours, socket, voice })
    }

    fn call(&self) -> io::Result<()> {
        let voice = self.voice.local_addr()?;
        self.session.ledger.note(self.number, |detail| detail.written.push(voice.to_string()));
        let lab = format!("sip:lab@{}", self.target);
        let answer = self.ask(&self.request("INVITE", 1, &lab, "").expecting(voice))?;
        let theirs = answer.voice.ok_or_else(|| broken("an answer that expects no voice"))?;
        self.session.ledger.note(self.number, |detail| detail.read.push(theirs.to_string()));
        require_translated(theirs.ip(), self.target.ip())?;
        let to = answer.header("To").to_owned();
        self.send(&self.request("ACK", 1, &lab, &to))?;
        self.session.ledger.announced(self.number);

        self.session.signals.wait_go()?;
        self.session.ledger.note(self.number, |detail| detail.step = "voice".to_owned());
        let talk = Talk {
            session: self.session,
            number: self.number,
            socket: &self.voice,
            other: theirs,
            course: Course::Up,
        };
        talk.run()?;
        // The call's own flow must live too, and be translated as before.
        let contact = answer.header("Contact").trim_matches(['<', '>']).to_owned();
        self.ask(&self.request("BYE", 2, &contact, &to)).map(drop)
    }

    fn request(&self, method: &str, sequence: u32, uri: &str, to: &str) -> Message {
        let (number, ours) = (self.number, self.ours);
        let to = if to.is_empty() { format!("<{uri}>") } else { to.to_owned() };
        Message::new(format!("{method} {uri} SIP/2.0"))
            .with("Via", format!("SIP/2.0/UDP {ours};branch=z9hG4bK-{number}-{method}"))
            .with("Max-Forwards", "70")
            .with("From", format!("<sip:caller@{}>;tag=caller-{number}", ours.ip()))
            .with("To", to)
            .with("Call-ID", format!("{number}@lab"))
            .with("CSeq", format!("{sequence} {method}"))
            .with("Contact", format!("<sip:caller@{ours}>"))
    }

    fn send(&self, message: &Message) -> io::Result<()> {
        self.socket.send(message.render().as_bytes()).map(drop)
    }

    /// Sends a request, again and again while nothing answers, until its final answer.
    fn ask(&self, request: &Message) -> io::Result<Message> {
        self.session.ledger.note(self.number, |detail| request.word().clone_into(&mut detail.step));
        let deadline = Instant::now() + PATIENCE;
        let mut provisional = false;
        while Instant::now() < deadline {
            if !provisional {
                self.send(request)?;
            }
            let again = (Instant::now() + AGAIN).min(deadline);
            while let Some(answer) = self.hear(again)? {
                if answer.header("CSeq") != request.header("CSeq") {
                    continue;
                }
                if answer.header("Via") != request.header("Via") {
                    return Err(broken(format!(
                        "an answer with the Via `{}` instead of `{}`",
                        answer.header("Via"),
                        request.header("Via")
                    )));
                }
                match answer.word() {
                    "100" | "180" => provisional = true,
                    "200" => return Ok(answer),
                    _ => return Err(broken(format!("`{}`", answer.first))),
                }
            }
        }
        Err(io::Error::new(ErrorKind::TimedOut, "no final answer"))
    }

    /// The next message; None at the deadline.
    fn hear(&self, deadline: Instant) -> io::Result<Option<Message>> {
        let mut buffer = [0; BUFFER];
        match self.session.signals.readable(&self.socket, deadline) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::TimedOut => return Ok(None),
            Err(error) => return Err(error),
        }
        let length = self.socket.recv(&mut buffer)?;
        Message::parse(&buffer[..length]).map(Some).ok_or_else(|| broken("a datagram that is no message"))
    }
}
