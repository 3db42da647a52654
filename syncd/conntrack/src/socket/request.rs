//! The socket that changes the kernel's table, batch by batch.
//!
//! It never retries and never judges an outcome.

use nix::errno::Errno;

use super::{Link, Received, SocketError};
use crate::batch::Batch;
use crate::message::{Message, Messages};

/// Sends batches and reads how each request ended.
///
/// The kernel executes a batch inside the sending system call, so that neither function ever waits.
#[derive(Debug)]
pub struct RequestSocket {
    link: Link,
    /// Tokens of the batch that was sent and whose outcomes were not read.
    pending: Vec<u32>,
    buffer: Box<[u8]>,
}

impl RequestSocket {
    /// One answer is a datagram of 36 bytes that the kernel charges with 768 or more; a full batch takes 100 kB of the
    /// default 208 KiB. Asked for: ten times that.
    const RECEIVE_BUFFER: usize = 1 << 20;

    /// Opens the socket.
    ///
    /// # Errors
    /// For lack of memory or descriptors. `CAP_NET_ADMIN` is asked for only when something is sent.
    pub fn open() -> Result<Self, SocketError> {
        let link = Link::open(true)?;
        link.short_answers()?;
        link.set_receive_buffer(Self::RECEIVE_BUFFER)?;
        Ok(Self { link, pending: Vec::with_capacity(Batch::CAPACITY), buffer: vec![0; 4096].into() })
    }

    /// Sends the batch and empties it. All requests are executed when this returns; read
    /// [`RequestSocket::outcomes`] before sending the next. An empty batch is not sent.
    ///
    /// # Errors
    /// When the kernel did not take the batch: nothing was executed and the batch is as before.
    ///
    /// # Panics
    /// When the outcomes of the previous batch were not read.
    pub fn send(&mut self, batch: &mut Batch) -> Result<(), SocketError> {
        assert!(self.pending.is_empty(), "the outcomes of the previous batch were not read");
        if batch.is_empty() {
            return Ok(());
        }
        self.link.send(batch.bytes())?;
        self.pending.extend_from_slice(batch.tokens());
        batch.clear();
        Ok(())
    }

    /// Tells of each request of the batch that was sent last how it ended, in order, exactly once.
    ///
    /// A request whose answer is missing is told as `ENOBUFS`. Whether it was executed is then not known; it was not
    /// when the very first answer is `EPERM`, with which the kernel refuses a batch as a whole.
    ///
    /// # Errors
    /// When the socket is broken; the requests not yet told were told as `ENOBUFS` nevertheless.
    pub fn outcomes(&mut self, mut tell: impl FnMut(u32, Result<(), Errno>)) -> Result<(), SocketError> {
        let mut told = 0;
        let result = self.read_answers(&mut told, &mut tell);
        for token in self.pending.drain(..).skip(told) {
            tell(token, Err(Errno::ENOBUFS));
        }
        result
    }

    /// The socket's netlink address, by which our own changes are recognised among the events.
    #[must_use]
    pub const fn port_id(&self) -> u32 {
        self.link.port_id
    }

    /// Answers come in the order of the requests. One that is passed over by a later one was lost.
    fn read_answers(
        &mut self,
        told: &mut usize,
        tell: &mut impl FnMut(u32, Result<(), Errno>),
    ) -> Result<(), SocketError> {
        while *told < self.pending.len() {
            let datagram = match self.link.recv(&mut self.buffer)? {
                Received::Datagram(len) => &self.buffer[..len],
                Received::Nothing => return Ok(()),
                Received::Lost | Received::Truncated { .. } => continue,
            };
            for message in Messages::new(datagram) {
                let Ok(Message::Outcome { seq, errno }) = message else { continue };
                // An answer to nothing that was asked (of an earlier batch whose answers were given up) is no news.
                let Some(passed) = self.pending[*told..].iter().position(|token| *token == seq) else {
                    continue;
                };
                for lost in &self.pending[*told..*told + passed] {
                    tell(*lost, Err(Errno::ENOBUFS));
                }
                *told += passed + 1;
                tell(seq, if errno == 0 { Ok(()) } else { Err(Errno::from_raw(errno)) });
            }
        }
        Ok(())
    }
}
