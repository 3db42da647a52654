//! One end of a TCP stream: the same code at client and server.
//!
//! Each direction that carries data begins with a preamble of eight bytes, the pattern's tag and the sender's number of
//! the stream; then comes the pattern. Never waits: a write that does not fit is continued at the next turn.
//! Driven by the engines (`client.rs`, `server.rs`). Tested in `tests/`.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;

use super::pattern::{Course, PIECE_MAX, Pattern};

/// Bytes of a preamble.
const PREAMBLE: u64 = 8;

/// The direction in which this end sends.
#[derive(Debug)]
pub(super) struct Outgoing {
    course: Course,
    number: u32,
    /// Bytes sent, preamble included.
    sent: u64,
    /// Bytes that may have been sent by now, preamble included.
    allowed: u64,
}

impl Outgoing {
    pub(super) const fn new(course: Course, number: u32) -> Self {
        Self { course, number, sent: 0, allowed: PREAMBLE }
    }

    /// Allows `bytes` more of the pattern.
    pub(super) const fn allow(&mut self, bytes: u64) {
        self.allowed += bytes;
    }

    /// Allows the pattern up to `bytes` in all.
    pub(super) const fn allow_until(&mut self, bytes: u64) {
        self.allowed = PREAMBLE + bytes;
    }

    /// Bytes of the pattern that were allowed so far.
    pub(super) const fn allowed(&self) -> u64 {
        self.allowed - PREAMBLE
    }

    /// Whether nothing that is allowed is left to send.
    pub(super) const fn is_done(&self) -> bool {
        self.sent == self.allowed
    }

    /// Writes what is allowed, as far as the socket takes it.
    pub(super) fn push(&mut self, socket: &mut TcpStream, pattern: &Pattern) -> io::Result<()> {
        while self.sent < self.allowed {
            let result = if self.sent < PREAMBLE {
                let preamble = preamble(pattern.tag(self.course), self.number);
                socket.write(&preamble[self.sent as usize..])
            } else {
                let length = usize::try_from(self.allowed - self.sent).unwrap_or(PIECE_MAX);
                socket.write(pattern.piece(self.course, self.number, self.sent - PREAMBLE, length))
            };
            match result {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => self.sent += written as u64,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn preamble(tag: u32, number: u32) -> [u8; PREAMBLE as usize] {
    let (tag, number) = (tag.to_be_bytes(), number.to_be_bytes());
    [tag[0], tag[1], tag[2], tag[3], number[0], number[1], number[2], number[3]]
}

/// The direction in which this end receives.
#[derive(Debug)]
pub(super) struct Incoming {
    course: Course,
    preamble: Vec<u8>,
    number: Option<u32>,
    /// Bytes of the pattern received.
    received: u64,
}

/// What one read brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) verified: u64,
    pub(super) corrupted: u64,
}

impl Incoming {
    pub(super) const fn new(course: Course) -> Self {
        Self { course, preamble: Vec::new(), number: None, received: 0 }
    }

    /// The sender's number of the stream, once its preamble arrived.
    pub(super) const fn number(&self) -> Option<u32> {
        self.number
    }

    /// Bytes of the pattern received so far, right or wrong.
    pub(super) const fn received(&self) -> u64 {
        self.received
    }

    /// Verifies what was received next.
    pub(super) fn take(&mut self, bytes: &[u8], pattern: &Pattern) -> io::Result<Taken> {
        let missing = (PREAMBLE as usize - self.preamble.len()).min(bytes.len());
        let (head, body) = bytes.split_at(missing);
        self.preamble.extend_from_slice(head);
        if self.number.is_none() && self.preamble.len() == PREAMBLE as usize {
            let (tag, number) = self.preamble.split_at(4);
            if tag != pattern.tag(self.course).to_be_bytes() {
                return Err(io::Error::new(ErrorKind::InvalidData, "the stream begins with foreign bytes"));
            }
            self.number = number.try_into().ok().map(u32::from_be_bytes);
        }
        let Some(number) = self.number.filter(|_| !body.is_empty()) else { return Ok(Taken::default()) };
        let corrupted = pattern.differing(self.course, number, self.received, body);
        self.received += body.len() as u64;
        Ok(Taken { verified: body.len() as u64 - corrupted, corrupted })
    }
}

/// A TCP socket and its directions.
#[derive(Debug)]
pub(super) struct TcpEnd {
    pub(super) socket: TcpStream,
    pub(super) incoming: Option<Incoming>,
    pub(super) outgoing: Option<Outgoing>,
}

impl TcpEnd {
    /// Reads once what arrived. The end of the stream is an error: none ends before its traffic does. So are bytes
    /// where none should arrive.
    pub(super) fn pull(&mut self, pattern: &Pattern, buffer: &mut [u8]) -> io::Result<Taken> {
        let length = match self.socket.read(buffer) {
            Ok(0) => return Err(io::Error::new(ErrorKind::UnexpectedEof, "closed by the far side")),
            Ok(length) => length,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                return Ok(Taken::default());
            }
            Err(error) => return Err(error),
        };
        match &mut self.incoming {
            Some(incoming) => incoming.take(&buffer[..length], pattern),
            None => Err(io::Error::new(ErrorKind::InvalidData, "bytes in a direction that carries none")),
        }
    }

    /// Sends what is allowed and not yet sent.
    pub(super) fn push(&mut self, pattern: &Pattern) -> io::Result<()> {
        match &mut self.outgoing {
            Some(outgoing) if !outgoing.is_done() => outgoing.push(&mut self.socket, pattern),
            _ => Ok(()),
        }
    }
}
