//! The socket that asks and waits: dumps, single flows and expectations, the number of flows.
//!
//! For a helper thread, never for the event loop: one dump walks the host's whole table and can last 40 ms even when
//! this namespace is empty.

use core::fmt;

use nix::errno::Errno;
use syncd_core::flow::{Expectation, Flow, Whole};

use super::{Link, Received, SocketError};
use crate::decode::{Decoded, decode};
use crate::expect::decode_expectation;
use crate::message::{Message, MessageView, Messages};
use crate::nla::DecodeError;
use crate::uapi::{kind, stats};
use crate::{encode, expect};

/// Asks the kernel and waits for the answer.
#[derive(Debug)]
pub struct QuerySocket {
    link: Link,
    seq: u32,
    request: Vec<u8>,
    buffer: Box<[u8]>,
    flows: Vec<Whole>,
}

/// What a dump was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct DumpSummary {
    /// Flows, or expectations, handed over.
    pub flows: u64,
    /// Attributes of them that are not carried; see [`Decoded::skipped`](crate::Decoded::skipped).
    pub skipped: u64,
    /// Measuring attributes; see [`Decoded::measured`](crate::Decoded::measured).
    pub measured: u64,
    /// Messages that could not be read, and so flows that are missing.
    pub malformed: u64,
    /// Whether the kernel said that the dump is inconsistent (`NLM_F_DUMP_INTR`). No kernel we know says so of
    /// conntrack, although every dump may miss or repeat entries that come, go or move meanwhile.
    pub interrupted: bool,
}

/// Why a question has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryError {
    /// The kernel refused it.
    Refused(Errno),
    /// The answer does not read.
    Malformed(DecodeError),
    /// A part of the answer was lost (`ENOBUFS`, or longer than the buffer): ask again.
    Lost,
    /// No answer within [`QuerySocket::PATIENCE_SECONDS`].
    TimedOut,
    /// The socket is broken.
    Socket(SocketError),
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(errno) => write!(f, "conntrack refused: {}", errno.desc()),
            Self::Malformed(error) => write!(f, "conntrack's answer does not read: {error}"),
            Self::Lost => f.write_str("a part of conntrack's answer was lost"),
            Self::TimedOut => {
                write!(f, "conntrack did not answer within {} s", QuerySocket::PATIENCE_SECONDS)
            }
            Self::Socket(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for QueryError {}

/// What a reader of answers wants next.
enum Next {
    More,
    Enough,
}

impl QuerySocket {
    /// How long one datagram of an answer may take, in seconds. The longest walk seen took 0.1 s.
    pub const PATIENCE_SECONDS: i64 = 10;

    /// The kernel fills a dump's datagrams up to the largest buffer ever offered, at most 32,400 bytes; a smaller
    /// buffer later would cut them.
    const BUFFER: usize = 64 * 1024;

    /// Opens the socket.
    ///
    /// # Errors
    /// For lack of memory or descriptors. `CAP_NET_ADMIN` is asked for only when something is sent.
    pub fn open() -> Result<Self, SocketError> {
        let buffer = vec![0; Self::BUFFER].into();
        Ok(Self { link: Self::link()?, seq: 0, request: Vec::new(), buffer, flows: Vec::new() })
    }

    /// Hands over every flow of this network namespace, in batches of one datagram, about 130 flows.
    ///
    /// It is no snapshot: flows that come or go meanwhile may be in it or not, and a living one may be missed.
    ///
    /// # Errors
    /// See [`QueryError`]; what was handed over until then is a part.
    pub fn dump(&mut self, mut on_batch: impl FnMut(&[Whole])) -> Result<DumpSummary, QueryError> {
        self.renew()?;
        self.ask(encode::dump)?;
        let mut summary = DumpSummary::default();
        loop {
            self.flows.clear();
            let next = read(&self.link, &mut self.buffer, self.seq, |message| {
                summary.interrupted |= message.is_interrupted();
                match decode(&message, &[]) {
                    Ok(decoded) => {
                        summary.flows += 1;
                        summary.skipped += u64::from(decoded.skipped);
                        summary.measured += u64::from(decoded.measured);
                        self.flows.push(Whole { flow: decoded.flow, extras: decoded.extras });
                    }
                    Err(_) => summary.malformed += 1,
                }
                Ok(())
            })?;
            if !self.flows.is_empty() {
                on_batch(&self.flows);
            }
            if let Next::Enough = next {
                return Ok(summary);
            }
        }
    }

    /// Every flow of this network namespace with what it has carried, one by one; no snapshot either.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub fn dump_carried(&mut self, mut on_flow: impl FnMut(&Decoded)) -> Result<(), QueryError> {
        self.renew()?;
        self.converse(encode::dump, |message| {
            // What does not read is left out, as in every dump.
            if let Ok(decoded) = decode(&message, &[]) {
                on_flow(&decoded);
            }
            Ok(())
        })
    }

    /// Every expectation of this network namespace, with how they were read. There are never many.
    ///
    /// # Errors
    /// See [`QueryError`]; `Refused` with `EINVAL` or `EOPNOTSUPP` where the kernel knows of none.
    pub fn dump_expectations(&mut self) -> Result<(Vec<Expectation>, DumpSummary), QueryError> {
        self.renew()?;
        let (mut found, mut summary) = (Vec::new(), DumpSummary::default());
        self.converse(expect::dump, |message| {
            summary.interrupted |= message.is_interrupted();
            match decode_expectation(&message, &[]) {
                Ok(decoded) => {
                    summary.flows += 1;
                    summary.skipped += u64::from(decoded.skipped);
                    found.push(decoded.expectation);
                }
                Err(_) => summary.malformed += 1,
            }
            Ok(())
        })?;
        Ok((found, summary))
    }

    /// The expectation that covers the tuple of `expectation`, in its zone. Compare what you get: it may be another.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub fn get_expectation(&mut self, expectation: &Expectation) -> Result<Option<Expectation>, QueryError> {
        let mut found = None;
        let answer = self.converse(
            |out, seq| expect::get(out, seq, expectation),
            |message| {
                found = Some(decode_expectation(&message, &[])?.expectation);
                Ok(())
            },
        );
        found_or_none(answer, found)
    }

    /// The entry that has `flow.original` as one of its two tuples, in the zone of `flow`. Compare the direction of
    /// what you get: it may be the entry's reply.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub fn get_by_original(&mut self, flow: &Flow) -> Result<Option<Whole>, QueryError> {
        self.get(|out, seq| encode::get_by_original(out, seq, flow))
    }

    /// The entry that has `flow.reply` as one of its two tuples, in the zone of `flow`: for a translated flow, who
    /// holds the port that it wants. Compare the direction, as above.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub fn get_by_reply(&mut self, flow: &Flow) -> Result<Option<Whole>, QueryError> {
        self.get(|out, seq| encode::get_by_reply(out, seq, flow))
    }

    /// How many entries this network namespace has, those included that ended and whose DESTROY was not yet heard.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub fn count(&mut self) -> Result<u32, QueryError> {
        let mut count = None;
        self.converse(encode::get_stats, |message| {
            if message.operation() != kind::GET_STATS {
                return Ok(());
            }
            for attribute in message.attributes() {
                let attribute = attribute?;
                if attribute.kind == stats::ENTRIES {
                    count = Some(attribute.be32()?);
                }
            }
            Ok(())
        })?;
        count.ok_or(QueryError::Lost)
    }

    /// A dump that was given up goes on in the kernel and refuses the next one on its socket (`EBUSY`), so each has a
    /// fresh one.
    pub(super) fn renew(&mut self) -> Result<(), QueryError> {
        self.link = Self::link().map_err(QueryError::Socket)?;
        Ok(())
    }

    fn link() -> Result<Link, SocketError> {
        let link = Link::open(false)?;
        link.short_answers()?;
        link.set_receive_timeout(Self::PATIENCE_SECONDS)?;
        Ok(link)
    }

    fn get(&mut self, question: impl FnOnce(&mut Vec<u8>, u32)) -> Result<Option<Whole>, QueryError> {
        let mut found = None;
        let answer = self.converse(question, |message| {
            let decoded = decode(&message, &[])?;
            found = Some(Whole { flow: decoded.flow, extras: decoded.extras });
            Ok(())
        });
        found_or_none(answer, found)
    }

    /// Asks, and reads until the acknowledgement.
    pub(super) fn converse(
        &mut self,
        question: impl FnOnce(&mut Vec<u8>, u32),
        mut on_message: impl FnMut(MessageView<'_>) -> Result<(), DecodeError>,
    ) -> Result<(), QueryError> {
        self.ask(question)?;
        while let Next::More = read(&self.link, &mut self.buffer, self.seq, &mut on_message)? {}
        Ok(())
    }

    /// Every question has its own number, so that the rest of an answer that was given up is recognised.
    fn ask(&mut self, question: impl FnOnce(&mut Vec<u8>, u32)) -> Result<(), QueryError> {
        self.seq = self.seq.wrapping_add(1).max(1);
        self.request.clear();
        question(&mut self.request, self.seq);
        self.link.send(&self.request).map_err(QueryError::Socket)
    }
}

/// What a look-up found. "There is none" is an answer.
fn found_or_none<T>(answer: Result<(), QueryError>, found: Option<T>) -> Result<Option<T>, QueryError> {
    match answer {
        Ok(()) => found.map(Some).ok_or(QueryError::Lost),
        Err(QueryError::Refused(Errno::ENOENT)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads one datagram of the answer to `seq`.
fn read(
    link: &Link,
    buffer: &mut [u8],
    seq: u32,
    mut on_message: impl FnMut(MessageView<'_>) -> Result<(), DecodeError>,
) -> Result<Next, QueryError> {
    let datagram = match link.recv(buffer).map_err(QueryError::Socket)? {
        Received::Datagram(len) => &buffer[..len],
        Received::Nothing => return Err(QueryError::TimedOut),
        Received::Lost | Received::Truncated => return Err(QueryError::Lost),
    };
    for message in Messages::new(datagram) {
        match message.map_err(QueryError::Malformed)? {
            Message::Netfilter(view) if view.seq() == seq => {
                on_message(view).map_err(QueryError::Malformed)?;
            }
            Message::Outcome { seq: of, errno } | Message::Done { seq: of, errno, .. } if of == seq => {
                return if errno == 0 {
                    Ok(Next::Enough)
                } else {
                    Err(QueryError::Refused(Errno::from_raw(errno)))
                };
            }
            Message::Overrun => return Err(QueryError::Lost),
            _ => {}
        }
    }
    Ok(Next::More)
}
