//! Netlink attributes (`struct nlattr`): a reader over borrowed bytes and a writer behind a vector's end.
//!
//! Knows lengths, padding and nesting; never what an attribute means. The reader cannot panic, whatever the bytes;
//! the writer asserts, because what it writes is ours. Driven by `message`, `decode` and `encode`; tested in
//! `nla/tests.rs` and on every truncation of captured messages in `tests/captured.rs`.

use core::fmt;

use crate::uapi::{NESTED, TYPE_MASK};

#[cfg(test)]
mod tests;

/// Length of an attribute's header.
const HEADER_LEN: usize = 4;

/// What is wrong with bytes from the kernel, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// What is wrong.
    pub fault: Fault,
    /// Where, in bytes from the start of the datagram (of the slice, for [`Attributes::new`]).
    pub offset: usize,
}

/// The ways in which bytes can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A message's length is below its header or beyond the datagram.
    MessageLength,
    /// An attribute's length is below its header or beyond what surrounds it.
    AttributeLength,
    /// An attribute's value has not the length that its meaning demands.
    ValueLength,
    /// Not a message of ctnetlink about one flow.
    NotAFlow,
    /// Neither IPv4 nor IPv6.
    Family,
    /// A tuple without both addresses of its family and its protocol number.
    Tuple,
    /// The reply's protocol is not the original's.
    ReplyProtocol,
    /// There is no original tuple: nobody can say which flow this is.
    NoOriginal,
    /// Not a message of ctnetlink about one expectation.
    NotAnExpectation,
    /// An expectation without its parent, its tuple or its mask.
    IncompleteExpectation,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.fault {
            Fault::MessageLength => "message length out of bounds",
            Fault::AttributeLength => "attribute length out of bounds",
            Fault::ValueLength => "attribute value of unexpected length",
            Fault::NotAFlow => "not a message about a flow",
            Fault::Family => "family is neither IPv4 nor IPv6",
            Fault::Tuple => "tuple lacks addresses or protocol",
            Fault::ReplyProtocol => "reply tuple has another protocol than the original",
            Fault::NoOriginal => "no original tuple",
            Fault::NotAnExpectation => "not a message about an expectation",
            Fault::IncompleteExpectation => "an expectation without parent, tuple or mask",
        };
        write!(f, "{what} at byte {}", self.offset)
    }
}

impl std::error::Error for DecodeError {}

/// A list of attributes. Iterating ends after the first error.
#[derive(Clone, Copy, Debug)]
pub struct Attributes<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Attributes<'a> {
    /// The attributes in `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self::at(bytes, 0)
    }

    /// The attributes in `bytes`, which begin at `offset` of the datagram.
    pub(crate) const fn at(bytes: &'a [u8], offset: usize) -> Self {
        Self { rest: bytes, offset }
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<Attribute<'a>, DecodeError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let offset = self.offset;
        let Some((&[l0, l1, k0, k1], body)) = self.rest.split_first_chunk() else {
            self.rest = &[];
            return Some(Err(DecodeError { fault: Fault::AttributeLength, offset }));
        };
        let len = usize::from(u16::from_ne_bytes([l0, l1]));
        let Some(value) = len.checked_sub(HEADER_LEN).and_then(|len| body.get(..len)) else {
            self.rest = &[];
            return Some(Err(DecodeError { fault: Fault::AttributeLength, offset }));
        };
        // The last attribute of a list may come without its padding (`nla_next`).
        let step = len.next_multiple_of(HEADER_LEN).min(self.rest.len());
        self.rest = &self.rest[step..];
        self.offset += step;
        let kind = u16::from_ne_bytes([k0, k1]) & TYPE_MASK;
        Some(Ok(Attribute { kind, value, offset: offset + HEADER_LEN }))
    }
}

/// One attribute.
#[derive(Clone, Copy, Debug)]
pub struct Attribute<'a> {
    /// Its number, without flags.
    pub kind: u16,
    /// Its value, without padding.
    pub value: &'a [u8],
    /// Where the value begins.
    offset: usize,
}

impl<'a> Attribute<'a> {
    /// The value as a list of attributes.
    #[must_use]
    #[inline]
    pub const fn nested(&self) -> Attributes<'a> {
        Attributes::at(self.value, self.offset)
    }

    /// The value as exactly `N` bytes.
    ///
    /// # Errors
    /// [`Fault::ValueLength`].
    #[inline]
    pub fn bytes<const N: usize>(&self) -> Result<[u8; N], DecodeError> {
        match self.value.try_into() {
            Ok(bytes) => Ok(bytes),
            Err(_) => Err(DecodeError { fault: Fault::ValueLength, offset: self.offset }),
        }
    }

    /// The value as one byte.
    ///
    /// # Errors
    /// [`Fault::ValueLength`].
    #[inline]
    pub fn u8(&self) -> Result<u8, DecodeError> {
        self.bytes().map(|[b]| b)
    }

    /// The value as a big-endian number of two bytes.
    ///
    /// # Errors
    /// [`Fault::ValueLength`].
    #[inline]
    pub fn be16(&self) -> Result<u16, DecodeError> {
        self.bytes().map(u16::from_be_bytes)
    }

    /// The value as a big-endian number of four bytes.
    ///
    /// # Errors
    /// [`Fault::ValueLength`].
    #[inline]
    pub fn be32(&self) -> Result<u32, DecodeError> {
        self.bytes().map(u32::from_be_bytes)
    }

    /// An error about this attribute.
    pub(crate) const fn error(&self, fault: Fault) -> DecodeError {
        DecodeError { fault, offset: self.offset }
    }
}

/// Appends an attribute with its padding.
///
/// # Panics
/// When `value` is longer than an attribute can be (65,531 bytes).
pub fn put(out: &mut Vec<u8>, kind: u16, value: &[u8]) {
    put_header(out, kind, value.len() + HEADER_LEN);
    out.extend_from_slice(value);
    out.resize(out.len().next_multiple_of(HEADER_LEN), 0);
}

/// Appends a nested list that `fill` writes. The kernel asks for the nested flag only here and there; we always set it.
///
/// # Panics
/// When the list is longer than an attribute can be (65,531 bytes).
pub fn put_nested(out: &mut Vec<u8>, kind: u16, fill: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    put_header(out, kind | NESTED, 0);
    fill(out);
    let len = u16::try_from(out.len() - start).expect("a nested list fits its length field");
    out[start..start + 2].copy_from_slice(&len.to_ne_bytes());
}

fn put_header(out: &mut Vec<u8>, kind: u16, len: usize) {
    let len = u16::try_from(len).expect("an attribute fits its length field");
    out.extend_from_slice(&len.to_ne_bytes());
    out.extend_from_slice(&kind.to_ne_bytes());
}
