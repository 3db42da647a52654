//! Expectations: a kernel message as an [`Expectation`], and an expectation as a request.
//!
//! The manners, found by experiment on Linux 6.18 (`net/netfilter/nf_conntrack_netlink.c`):
//!
//! - *The parent must be there with its helper*: `ENOENT` without the one, `EOPNOTSUPP` without the other.
//! - *The time to live is the helper's*: `CTA_EXPECT_TIMEOUT` is ignored at creation. A second NEW without EXCL changes
//!   it, and nothing else.
//! - *The helper that an event names is the parent's.* In a request this kernel passes it over; older ones need it to
//!   understand the class, and give it to the expected flow, which does FTP and SIP no harm.
//! - *No message says the zone.* It is the parent's; a request must name it.
//! - *A delete names a tuple.* Without one it flushes the table.
//! - *A look-up finds whatever covers the tuple under its own mask*: compare what you get.
//!
//! Driven by [`Batch`](crate::Batch), [`QuerySocket`](crate::QuerySocket) and whoever reads events; tested in
//! `expect/tests.rs` and on a real kernel (`tests/kernel.rs`).

use syncd_core::flow::{
    Change, ExpectFlags, ExpectNat, Expectation, Family, FnName, HelperName, Origin, Parent, Protocol, Tuple,
};

use crate::decode::{change, family, origin, read_tuple};
use crate::encode::{MAX_REQUEST, put_tuple};
use crate::message::{self, MessageView};
use crate::nla::{Attribute, Attributes, DecodeError, Fault, put, put_nested};
use crate::uapi::{HEADER_LEN, NFGEN_LEN, expect, flag, kind};

#[cfg(test)]
mod tests;

/// What a kernel message said about one expectation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodedExpectation {
    /// What happened. An entry of a dump reads as [`Change::Update`].
    pub change: Change,
    /// Who caused it.
    pub origin: Origin,
    /// The expectation.
    pub expectation: Expectation,
    /// Attributes that mean nothing to us.
    pub skipped: u16,
}

/// Reads a message about one expectation. `ours` are the port ids of our own request sockets.
///
/// # Errors
/// When the message is not about an expectation, lacks what identifies it, or is malformed.
pub fn decode_expectation(
    message: &MessageView<'_>,
    ours: &[u32],
) -> Result<DecodedExpectation, DecodeError> {
    let change = change(message, kind::EXPECTATIONS).ok_or_else(|| message.error(Fault::NotAnExpectation))?;
    let mut reading = Reading::new(family(message)?);
    for attribute in message.attributes() {
        reading.take(&attribute?)?;
    }
    let (Some(parent), Some(tuple), Some(mask)) = (reading.parent, reading.tuple, reading.mask) else {
        return Err(message.error(Fault::IncompleteExpectation));
    };
    let expectation = Expectation {
        mask_protocol: mask.0,
        ..Expectation { parent, protocol: tuple.0, tuple: tuple.1, mask: mask.1, ..reading.rest }
    };
    Ok(DecodedExpectation { change, origin: origin(message, ours), expectation, skipped: reading.skipped })
}

/// A message half read. Attributes may come in any order.
struct Reading {
    family: Family,
    parent: Option<Parent>,
    tuple: Option<(Protocol, Tuple)>,
    mask: Option<(Protocol, Tuple)>,
    /// All but these.
    rest: Expectation,
    skipped: u16,
}

impl Reading {
    const fn new(family: Family) -> Self {
        let nobody = Parent { original: Tuple::NOWHERE, family, protocol: Protocol(0) };
        let rest = Expectation::new(nobody, Protocol(0), Tuple::NOWHERE, Tuple::NOWHERE);
        Self { family, parent: None, tuple: None, mask: None, rest, skipped: 0 }
    }

    fn take(&mut self, attribute: &Attribute<'_>) -> Result<(), DecodeError> {
        match attribute.kind {
            expect::MASTER => {
                let (protocol, original) = self.read(attribute)?;
                self.parent = Some(Parent { original, family: self.family, protocol });
            }
            expect::TUPLE => self.tuple = Some(self.read(attribute)?),
            expect::MASK => self.mask = Some(self.read(attribute)?),
            expect::TIMEOUT => self.rest.timeout = Some(attribute.be32()?),
            expect::ID => self.rest.id = attribute.be32()?,
            expect::ZONE => self.rest.zone = attribute.be16()?,
            expect::FLAGS => self.rest.flags = ExpectFlags(attribute.be32()?),
            expect::CLASS => self.rest.class = Some(attribute.be32()?),
            expect::NAT => self.translation(attribute)?,
            expect::HELP_NAME => match HelperName::new(attribute.value) {
                Some(name) => self.rest.helper = name,
                None => self.skip(),
            },
            expect::FN => match FnName::new(attribute.value) {
                Some(name) => self.rest.function = name,
                None => self.skip(),
            },
            _ => self.skip(),
        }
        Ok(())
    }

    fn read(&mut self, attribute: &Attribute<'_>) -> Result<(Protocol, Tuple), DecodeError> {
        let (protocol, tuple, unknown) = read_tuple(self.family, attribute)?;
        self.skipped = self.skipped.saturating_add(unknown);
        Ok((protocol, tuple))
    }

    fn translation(&mut self, attribute: &Attribute<'_>) -> Result<(), DecodeError> {
        let (mut direction, mut tuple) = (None, None);
        for part in attribute.nested() {
            let part = part?;
            match part.kind {
                expect::NAT_DIR => direction = Some(part.be32()?),
                expect::NAT_TUPLE => tuple = Some(self.read(&part)?),
                _ => self.skip(),
            }
        }
        match (direction, tuple) {
            (Some(direction), Some((protocol, tuple))) => {
                self.rest.nat = Some(ExpectNat { tuple, protocol, direction });
            }
            _ => self.skip(),
        }
        Ok(())
    }

    const fn skip(&mut self) {
        self.skipped = self.skipped.saturating_add(1);
    }
}

/// Appends a request to create `expectation`. It fails with `EEXIST` when one covers its tuple, with `EBUSY` when one
/// overlaps it.
pub fn create(out: &mut Vec<u8>, seq: u32, expectation: &Expectation) {
    request(out, kind::NEW, flag::CREATE | flag::EXCL, seq, expectation, |out| {
        put_identity(out, expectation);
        put_mask(out, expectation);
        put(out, expect::FLAGS, &expectation.flags.0.to_be_bytes());
        if let Some(class) = expectation.class {
            put(out, expect::CLASS, &class.to_be_bytes());
        }
        if !expectation.helper.is_empty() {
            put(out, expect::HELP_NAME, expectation.helper.with_nul());
        }
        if let Some(nat) = &expectation.nat {
            put_nested(out, expect::NAT, |out| {
                put(out, expect::NAT_DIR, &nat.direction.to_be_bytes());
                put_tuple(out, expect::NAT_TUPLE, expectation.family(), nat.protocol, &nat.tuple);
            });
        }
        if !expectation.function.is_empty() {
            put(out, expect::FN, expectation.function.with_nul());
        }
    });
}

/// Appends a request to let the existing `expectation` wait for `timeout` seconds from now on.
pub fn renew(out: &mut Vec<u8>, seq: u32, expectation: &Expectation, timeout: u32) {
    request(out, kind::NEW, 0, seq, expectation, |out| {
        put_identity(out, expectation);
        put_mask(out, expectation);
        put(out, expect::TIMEOUT, &timeout.to_be_bytes());
    });
}

/// Appends a request to delete `expectation`: only this one when its id is known.
///
/// # Panics
/// When the request came out without a tuple, which would flush the whole table.
pub fn delete(out: &mut Vec<u8>, seq: u32, expectation: &Expectation) {
    let start = out.len();
    request(out, kind::DELETE, 0, seq, expectation, |out| {
        put_tuple(out, expect::TUPLE, expectation.family(), expectation.protocol, &expectation.tuple);
        put_zone(out, expectation);
        if expectation.id != 0 {
            put(out, expect::ID, &expectation.id.to_be_bytes());
        }
    });
    let first = Attributes::new(&out[start + HEADER_LEN + NFGEN_LEN..]).next();
    let names_one = matches!(first, Some(Ok(a)) if a.kind == expect::TUPLE && a.nested().count() == 2);
    assert!(names_one, "a delete without a tuple flushes the kernel's table");
}

/// Appends a request for the expectation that covers the tuple of `expectation`. Flag ACK as for flows.
pub fn get(out: &mut Vec<u8>, seq: u32, expectation: &Expectation) {
    request(out, kind::GET, flag::ACK, seq, expectation, |out| {
        put_tuple(out, expect::TUPLE, expectation.family(), expectation.protocol, &expectation.tuple);
        put_zone(out, expectation);
    });
}

/// Appends a request for all expectations of both families (family 0).
pub fn dump(out: &mut Vec<u8>, seq: u32) {
    let start = message::begin(out, (kind::EXPECTATIONS, kind::GET), flag::DUMP, seq, 0);
    message::end(out, start);
}

fn request(
    out: &mut Vec<u8>,
    operation: u8,
    flags: u16,
    seq: u32,
    expectation: &Expectation,
    fill: impl FnOnce(&mut Vec<u8>),
) {
    let what = (kind::EXPECTATIONS, operation);
    let start = message::begin(out, what, flags, seq, expectation.family() as u8);
    fill(out);
    message::end(out, start);
    assert!(out.len() - start <= MAX_REQUEST, "a request outgrew MAX_REQUEST");
}

/// Tuple, parent and zone.
fn put_identity(out: &mut Vec<u8>, expectation: &Expectation) {
    let Parent { original, family, protocol } = &expectation.parent;
    put_tuple(out, expect::TUPLE, *family, expectation.protocol, &expectation.tuple);
    put_tuple(out, expect::MASTER, *family, *protocol, original);
    put_zone(out, expectation);
}

/// The mask names the protocol that is expected, whatever was said there (255, for all bits): by it the kernel decides
/// whether there are ports, and without them the expectation would let in anything between the two hosts.
fn put_mask(out: &mut Vec<u8>, expectation: &Expectation) {
    put_tuple(out, expect::MASK, expectation.family(), expectation.protocol, &expectation.mask);
}

fn put_zone(out: &mut Vec<u8>, expectation: &Expectation) {
    if expectation.zone != 0 {
        put(out, expect::ZONE, &expectation.zone.to_be_bytes());
    }
}
