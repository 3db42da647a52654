//! A control connection: whole lines, one at a time, in both directions.
//!
//! Never knows what a line means. Used by client and server; tested in `../tests.rs`.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use super::super::broken;
use super::super::signals::Signals;
use super::soon;

/// A line that is longer is none.
const LONGEST: usize = 512;

/// One end of a control connection.
pub(super) struct Control<'a> {
    pub(super) socket: TcpStream,
    signals: &'a Signals,
    unread: Vec<u8>,
}

impl<'a> Control<'a> {
    /// Takes a connection.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) fn new(socket: TcpStream, signals: &'a Signals) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
        Ok(Self { socket, signals, unread: Vec::new() })
    }

    /// The next line without its end; None at the end of the connection.
    ///
    /// # Errors
    /// The kernel's, `InvalidData` for something that is no line, or those of [`Signals::readable`].
    pub(super) fn read(&mut self, deadline: impl Into<Option<Instant>>) -> io::Result<Option<String>> {
        let deadline = deadline.into();
        let mut buffer = [0; LONGEST];
        loop {
            if let Some(end) = self.unread.windows(2).position(|pair| pair == b"\r\n") {
                let line = String::from_utf8_lossy(&self.unread[..end]).into_owned();
                self.unread.drain(..end + 2);
                return Ok(Some(line));
            }
            if self.unread.len() > LONGEST {
                return Err(broken("a line without an end"));
            }
            self.signals.readable(&self.socket, deadline)?;
            match self.socket.read(&mut buffer) {
                Ok(0) => return Ok(None),
                Ok(length) => self.unread.extend_from_slice(&buffer[..length]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Writes a line. It is one segment, as helpers want it.
    ///
    /// # Errors
    /// The kernel's, or those of [`Signals::writable`].
    pub(super) fn write(&mut self, line: &str) -> io::Result<()> {
        write_all(&mut self.socket, self.signals, format!("{line}\r\n").as_bytes())
    }
}

/// Writes everything to a socket that does not block.
///
/// # Errors
/// The kernel's, or those of [`Signals::writable`].
pub(super) fn write_all(socket: &mut TcpStream, signals: &Signals, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match socket.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => signals.writable(&*socket, soon())?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
