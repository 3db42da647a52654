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
    /// Tokens of the batch that was sent and whose outcomes were not told, in the order of its requests.
    pending: Vec<u32>,
    /// `nlmsg_seq` of its first request.
    first_seq: u32,
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
        Ok(Self {
            link,
            pending: Vec::with_capacity(Batch::CAPACITY),
            first_seq: 0,
            buffer: vec![0; 4096].into(),
        })
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
        self.link.send(batch.seal())?;
        self.pending.extend_from_slice(batch.tokens());
        self.first_seq = batch.first_seq();
        batch.clear();
        Ok(())
    }

    /// Tells of each request of the batch that was sent last how it ended, in order, exactly once.
    ///
    /// A request of which nothing is known is told as `ENOBUFS`: an answer was lost, or the kernel did not reach the
    /// request (then the first one was answered with `EPERM`: `CAP_NET_ADMIN` is missing). Whoever repeats it must
    /// expect `EEXIST` or `ENOENT`.
    ///
    /// # Errors
    /// When the socket is broken; all requests were told nevertheless.
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

    /// Failures are answered in the order of the requests, and the last request in any case. A request that a later
    /// answer passes over succeeded, unless answers were lost; the kernel says so (`ENOBUFS`) before it hands out the
    /// answers that it could keep (`netlink_recvmsg`, `sock_error`).
    fn read_answers(
        &mut self,
        told: &mut usize,
        tell: &mut impl FnMut(u32, Result<(), Errno>),
    ) -> Result<(), SocketError> {
        let mut unanswered = Ok(());
        while *told < self.pending.len() {
            let datagram = match self.link.recv(&mut self.buffer)? {
                Received::Datagram(len) => &self.buffer[..len],
                Received::Nothing => return Ok(()),
                Received::Lost | Received::Truncated => {
                    unanswered = Err(Errno::ENOBUFS);
                    continue;
                }
            };
            for message in Messages::new(datagram) {
                let Ok(Message::Outcome { seq, errno }) = message else { continue };
                let position = seq.wrapping_sub(self.first_seq) as usize;
                // An answer to an earlier batch, whose socket was broken for a moment, is no news.
                if !(*told..self.pending.len()).contains(&position) {
                    continue;
                }
                for token in &self.pending[*told..position] {
                    tell(*token, unanswered);
                }
                tell(self.pending[position], if errno == 0 { Ok(()) } else { Err(Errno::from_raw(errno)) });
                *told = position + 1;
            }
        }
        Ok(())
    }
}
