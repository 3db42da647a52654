//! A datagram from the kernel as a sequence of netlink messages.
//!
//! Lengths are checked once, here; a [`MessageView`] cannot panic afterwards. Never looks into an attribute.
//! Driven by the sockets and by whoever reads events; tested in `message/tests.rs` and `tests/captured.rs`.

use crate::nla::{Attributes, DecodeError, Fault};
use crate::uapi::{HEADER_LEN, NFGEN_LEN, flag, kind};

#[cfg(test)]
mod tests;

/// Fields of `struct nlmsghdr` and, after it, `struct nfgenmsg` or an error code. Host byte order.
mod field {
    use core::ops::Range;

    pub(super) const LEN: Range<usize> = 0..4;
    pub(super) const KIND: Range<usize> = 4..6;
    pub(super) const FLAGS: Range<usize> = 6..8;
    pub(super) const SEQ: Range<usize> = 8..12;
    pub(super) const PORT: Range<usize> = 12..16;
    pub(super) const CODE: Range<usize> = 16..20;
    pub(super) const FAMILY: usize = 16;
    /// Big-endian.
    pub(super) const RESOURCE: Range<usize> = 18..20;
}

/// The messages of one datagram. Iterating ends after the first error.
#[derive(Clone, Copy, Debug)]
pub struct Messages<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Messages<'a> {
    /// The messages in `datagram`.
    #[must_use]
    pub const fn new(datagram: &'a [u8]) -> Self {
        Self { rest: datagram, offset: 0 }
    }
}

/// One message.
#[derive(Clone, Copy, Debug)]
pub enum Message<'a> {
    /// Something about netfilter.
    Netfilter(MessageView<'a>),
    /// `NLMSG_ERROR`: how the request numbered `seq` ended.
    Outcome {
        /// The request's `nlmsg_seq`.
        seq: u32,
        /// 0, or a positive `errno`.
        errno: i32,
    },
    /// `NLMSG_DONE`: a dump is at its end.
    Done {
        /// The request's `nlmsg_seq`.
        seq: u32,
        /// 0, or a positive `errno`.
        errno: i32,
        /// `NLM_F_DUMP_INTR`: the table changed in a way that made the dump inconsistent.
        interrupted: bool,
    },
    /// `NLMSG_OVERRUN`: data were lost.
    Overrun,
    /// `NLMSG_NOOP`, or a control message no kernel we know sends. Skip it.
    Control(u16),
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let offset = self.offset;
        match split(self.rest) {
            Some((bytes, rest)) => {
                self.offset += self.rest.len() - rest.len();
                self.rest = rest;
                Some(Ok(classify(MessageView { bytes, offset })))
            }
            None => {
                self.rest = &[];
                Some(Err(DecodeError { fault: Fault::MessageLength, offset }))
            }
        }
    }
}

/// The first message, at least as long as its two headers (or header and code), and the rest.
fn split(datagram: &[u8]) -> Option<(&[u8], &[u8])> {
    // `nlmsghdr.nlmsg_len` counts itself and not the padding. DONE and NOOP may be as short as the header alone; the
    // kernel always sends DONE with its code, and NOOP never.
    let len = u32::from_ne_bytes(*datagram.first_chunk()?);
    let len = usize::try_from(len).ok()?;
    if len < HEADER_LEN + NFGEN_LEN {
        return None;
    }
    let bytes = datagram.get(..len)?;
    let step = len.next_multiple_of(4).min(datagram.len());
    Some((bytes, &datagram[step..]))
}

fn classify(view: MessageView<'_>) -> Message<'_> {
    match view.kind() {
        kind::ERROR => Message::Outcome { seq: view.seq(), errno: view.errno() },
        kind::DONE => {
            let interrupted = view.is_interrupted();
            Message::Done { seq: view.seq(), errno: view.errno(), interrupted }
        }
        kind::OVERRUN => Message::Overrun,
        other if other < kind::FIRST_OF_SUBSYSTEMS => Message::Control(other),
        _ => Message::Netfilter(view),
    }
}

/// A netfilter message in the receive buffer: its length is known to hold both headers.
#[derive(Clone, Copy, Debug)]
pub struct MessageView<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> MessageView<'a> {
    /// Which netfilter subsystem speaks; 1 is conntrack's flows, 2 its expectations.
    #[must_use]
    pub fn subsystem(&self) -> u8 {
        self.kind().to_be_bytes()[0]
    }

    /// Whether it is about an expectation: for [`decode_expectation`](crate::decode_expectation), not for
    /// [`decode()`](fn@crate::decode).
    #[must_use]
    pub fn is_about_expectation(&self) -> bool {
        self.subsystem() == kind::EXPECTATIONS
    }

    /// What it says; see [`kind`].
    #[must_use]
    pub fn operation(&self) -> u8 {
        self.kind().to_be_bytes()[1]
    }

    /// `nlmsg_flags`; see [`flag`].
    #[must_use]
    pub fn flags(&self) -> u16 {
        self.u16_at(field::FLAGS)
    }

    /// `nlmsg_seq`: the request's number in an answer, 0 in an event.
    #[must_use]
    pub fn seq(&self) -> u32 {
        self.u32_at(field::SEQ)
    }

    /// `nlmsg_pid`: the port id of the socket that caused an event, 0 for packets and timers.
    #[must_use]
    pub fn port_id(&self) -> u32 {
        self.u32_at(field::PORT)
    }

    /// `nfgen_family`: `AF_INET`, `AF_INET6` or something else.
    #[must_use]
    pub fn family(&self) -> u8 {
        self.bytes[field::FAMILY]
    }

    /// `nfgen_res_id`: of which processor a count is.
    #[must_use]
    pub fn resource(&self) -> u16 {
        u16::from_be_bytes(self.array(field::RESOURCE))
    }

    /// Whether the dump it belongs to is inconsistent (`NLM_F_DUMP_INTR`).
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        self.flags() & flag::DUMP_INTR != 0
    }

    /// The attributes behind the headers.
    #[must_use]
    pub fn attributes(&self) -> Attributes<'a> {
        let start = HEADER_LEN + NFGEN_LEN;
        Attributes::at(&self.bytes[start..], self.offset + start)
    }

    /// An error about this message as a whole.
    pub(crate) const fn error(&self, fault: Fault) -> DecodeError {
        DecodeError { fault, offset: self.offset }
    }

    fn kind(&self) -> u16 {
        self.u16_at(field::KIND)
    }

    /// The kernel sends codes as `-errno`.
    fn errno(&self) -> i32 {
        i32::from_ne_bytes(self.u32_at(field::CODE).to_ne_bytes()).wrapping_neg()
    }

    fn u16_at(&self, field: core::ops::Range<usize>) -> u16 {
        u16::from_ne_bytes(self.array(field))
    }

    fn u32_at(&self, field: core::ops::Range<usize>) -> u32 {
        u32::from_ne_bytes(self.array(field))
    }

    fn array<const N: usize>(&self, field: core::ops::Range<usize>) -> [u8; N] {
        // `split` made sure that all fields are there.
        self.bytes[field].try_into().expect("a field's range has its number's width")
    }
}

/// What a request is about and what is wanted: subsystem and operation.
pub(crate) type Kind = (u8, u8);

/// Appends both headers of a request; [`end`] completes it.
pub(crate) fn begin(
    out: &mut Vec<u8>,
    (subsystem, operation): Kind,
    flags: u16,
    seq: u32,
    family: u8,
) -> usize {
    let start = out.len();
    out.extend_from_slice(&0_u32.to_ne_bytes());
    out.extend_from_slice(&u16::from_be_bytes([subsystem, operation]).to_ne_bytes());
    out.extend_from_slice(&(flags | flag::REQUEST).to_ne_bytes());
    out.extend_from_slice(&seq.to_ne_bytes());
    out.extend_from_slice(&0_u32.to_ne_bytes()); // to the kernel
    out.extend_from_slice(&[family, 0, 0, 0]); // nfgenmsg: version and res_id 0
    start
}

/// Writes the length of the request that began at `start`.
pub(crate) fn end(out: &mut [u8], start: usize) {
    let len = u32::try_from(out.len() - start).expect("a request is far below 4 GiB");
    out[start..][field::LEN].copy_from_slice(&len.to_ne_bytes());
}

/// Sets `flags` in the request at the beginning of `request`, besides those it has.
pub(crate) fn add_flags(request: &mut [u8], flags: u16) {
    let [low, high] = [field::FLAGS.start, field::FLAGS.start + 1];
    let now = u16::from_ne_bytes([request[low], request[high]]);
    request[field::FLAGS].copy_from_slice(&(now | flags).to_ne_bytes());
}
