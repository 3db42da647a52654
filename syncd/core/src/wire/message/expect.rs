//! An expectation to bytes and back, exactly as conntrackd 1.4.7 does it.
//!
//! Its attributes have numbers of their own. Which tuples carry ports is decided by the *parent's* protocol, whatever
//! is expected. Of IPv6 there is no attribute for the translated address, and none for zone and id. Driven by
//! `replica`. Tested in `tests/expect.rs` and against captured frames in `tests/golden.rs` of the crate.

use super::rare::can_say;
use super::value::{
    Addresses, PayloadError, addresses_v4, addresses_v6, ports, put_addresses, put_ports, read_u8, read_u32,
};
use crate::flow::{
    Address, Change, ExpectFlags, ExpectNat, Expectation, Family, FnName, HelperName, Parent, Protocol, Tuple,
};
use crate::wire::attr::{Attr, AttrKind, AttrWriter, attributes};
use crate::wire::datagram::{Datagram, Full};
use crate::wire::header::{Flags, FrameView, MessageType};
use crate::wire::message::encode::Unsaid;
use crate::wire::seq::Seq;

/// Bytes beyond which conntrackd refuses a function's name, NUL included: its limit of 32 counts the header.
const LONGEST_FUNCTION: usize = 28;

/// The numbers of an expectation's attributes.
mod kind {
    use super::AttrKind;

    pub(super) const MASTER_IPV4: AttrKind = AttrKind(0);
    pub(super) const MASTER_IPV6: AttrKind = AttrKind(1);
    pub(super) const MASTER_L4PROTO: AttrKind = AttrKind(2);
    pub(super) const MASTER_PORT: AttrKind = AttrKind(3);
    pub(super) const EXPECT_IPV4: AttrKind = AttrKind(4);
    pub(super) const EXPECT_IPV6: AttrKind = AttrKind(5);
    pub(super) const EXPECT_L4PROTO: AttrKind = AttrKind(6);
    pub(super) const EXPECT_PORT: AttrKind = AttrKind(7);
    pub(super) const MASK_IPV4: AttrKind = AttrKind(8);
    pub(super) const MASK_IPV6: AttrKind = AttrKind(9);
    pub(super) const MASK_L4PROTO: AttrKind = AttrKind(10);
    pub(super) const MASK_PORT: AttrKind = AttrKind(11);
    pub(super) const TIMEOUT: AttrKind = AttrKind(12);
    pub(super) const FLAGS: AttrKind = AttrKind(13);
    pub(super) const CLASS: AttrKind = AttrKind(14);
    pub(super) const NAT_IPV4: AttrKind = AttrKind(15);
    pub(super) const NAT_PORT: AttrKind = AttrKind(16);
    pub(super) const NAT_L4PROTO: AttrKind = AttrKind(17);
    pub(super) const NAT_DIR: AttrKind = AttrKind(18);
    pub(super) const HELPER_NAME: AttrKind = AttrKind(19);
    pub(super) const FN: AttrKind = AttrKind(20);
}

/// An expectation as the peer told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodedExpectation {
    /// What happened.
    pub change: Change,
    /// What the peer says of it. Its zone is not said and reads 0.
    pub expectation: Expectation,
    /// How many attributes were passed over.
    pub skipped: u32,
}

/// Reads the expectation of a frame.
///
/// # Errors
///
/// [`PayloadError`] when the frame is not about an expectation or the message must be refused as a whole.
pub fn decode_expectation(view: &FrameView<'_>) -> Result<DecodedExpectation, PayloadError> {
    let change = view.expectation_change().ok_or(PayloadError::NotAnExpectation)?;
    let mut said = Said::default();
    for attr in attributes(view.body()) {
        said.any = true;
        said.take(attr?)?;
    }
    if !said.any {
        return Err(PayloadError::Empty);
    }
    let expectation = said.assemble()?;
    Ok(DecodedExpectation { change, expectation, skipped: said.skipped })
}

/// One of the four tuples, as far as it was said.
#[derive(Clone, Copy, Default)]
struct Side {
    addresses: Option<Addresses>,
    protocol: Option<Protocol>,
    ports: Option<(u16, u16)>,
}

impl Side {
    fn tuple(&self) -> Option<Tuple> {
        let (_, source, target) = self.addresses?;
        let (source_port, target_port) = self.ports.unwrap_or_default();
        Some(Tuple { source, target, source_port, target_port })
    }

    fn family(&self) -> Option<Family> {
        self.addresses.map(|(family, ..)| family)
    }

    fn parts(&self) -> u32 {
        let parts = [self.addresses.is_some(), self.protocol.is_some(), self.ports.is_some()];
        parts.map(u32::from).iter().sum()
    }
}

/// What the attributes said.
#[derive(Default)]
struct Said {
    any: bool,
    skipped: u32,
    parent: Side,
    expected: Side,
    mask: Side,
    nat: Side,
    direction: Option<u32>,
    timeout: Option<u32>,
    flags: Option<u32>,
    class: Option<u32>,
    helper: HelperName,
    function: FnName,
}

impl Said {
    fn take(&mut self, attr: Attr<'_>) -> Result<(), PayloadError> {
        match attr.kind {
            kind::MASTER_IPV4 => self.parent.addresses = Some(addresses_v4(attr)?),
            kind::MASTER_IPV6 => self.parent.addresses = Some(addresses_v6(attr)?),
            kind::MASTER_L4PROTO => self.parent.protocol = Some(Protocol(read_u8(attr)?)),
            kind::MASTER_PORT => self.parent.ports = Some(ports(attr)?),
            kind::EXPECT_IPV4 => self.expected.addresses = Some(addresses_v4(attr)?),
            kind::EXPECT_IPV6 => self.expected.addresses = Some(addresses_v6(attr)?),
            kind::EXPECT_L4PROTO => self.expected.protocol = Some(Protocol(read_u8(attr)?)),
            kind::EXPECT_PORT => self.expected.ports = Some(ports(attr)?),
            kind::MASK_IPV4 => self.mask.addresses = Some(addresses_v4(attr)?),
            kind::MASK_IPV6 => self.mask.addresses = Some(addresses_v6(attr)?),
            kind::MASK_L4PROTO => self.mask.protocol = Some(Protocol(read_u8(attr)?)),
            kind::MASK_PORT => self.mask.ports = Some(ports(attr)?),
            kind::TIMEOUT => self.timeout = Some(read_u32(attr)?),
            kind::FLAGS => self.flags = Some(read_u32(attr)?),
            kind::CLASS => self.class = Some(read_u32(attr)?),
            kind::NAT_IPV4 => self.nat.addresses = Some(addresses_v4(attr)?),
            kind::NAT_PORT => self.nat.ports = Some(ports(attr)?),
            kind::NAT_L4PROTO => self.nat.protocol = Some(Protocol(read_u8(attr)?)),
            kind::NAT_DIR => self.direction = Some(read_u32(attr)?),
            kind::HELPER_NAME => match HelperName::new(attr.payload) {
                Some(name) => self.helper = name,
                None => self.skipped += 1,
            },
            kind::FN if attr.payload.len() > LONGEST_FUNCTION => {
                return Err(PayloadError::BadLength(attr.kind));
            }
            kind::FN => match FnName::new(attr.payload) {
                Some(name) => self.function = name,
                None => self.skipped += 1,
            },
            _ => self.skipped += 1,
        }
        Ok(())
    }

    fn assemble(&mut self) -> Result<Expectation, PayloadError> {
        let original = self.parent.tuple().ok_or(PayloadError::NoParent)?;
        let parent_protocol = self.parent.protocol.ok_or(PayloadError::NoParent)?;
        let tuple = self.expected.tuple().ok_or(PayloadError::NoAddress)?;
        let protocol = self.expected.protocol.ok_or(PayloadError::NoProtocol)?;
        let mask = self.mask.tuple().ok_or(PayloadError::NoMask)?;
        let family = self.parent.family().ok_or(PayloadError::NoParent)?;
        if self.expected.family() != Some(family) || self.mask.family() != Some(family) {
            return Err(PayloadError::MixedFamilies);
        }
        // Without ports an expectation of a protocol that has them would let in anything between two hosts.
        let ported = parent_protocol.has_wire_ports() || protocol.has_kernel_ports();
        let sides = [&self.parent, &self.expected, &self.mask];
        if ported && sides.iter().any(|side| side.ports.is_none()) {
            return Err(PayloadError::NoPorts);
        }
        let parent = Parent { original, family, protocol: parent_protocol };
        Ok(Expectation {
            mask_protocol: self.mask.protocol.unwrap_or(protocol),
            nat: self.translation(family),
            helper: self.helper,
            function: self.function,
            timeout: self.timeout,
            class: self.class,
            flags: ExpectFlags(self.flags.unwrap_or(0)),
            ..Expectation::new(parent, protocol, tuple, mask)
        })
    }

    /// Only what is complete. Of IPv6 the address is never said and reads as none, which is what the kernel's FTP helper has
    /// there itself: it follows the parent. Without the port the kernel would send the flow to port 0.
    fn translation(&mut self, family: Family) -> Option<ExpectNat> {
        if family == Family::V6 && self.nat.addresses.is_none() && self.nat.parts() > 0 {
            let none = Address::from_v6([0; 16]);
            self.nat.addresses = Some((family, none, none));
        }
        if let (Some(tuple), Some(protocol), Some(direction)) =
            (self.nat.tuple(), self.nat.protocol, self.direction)
            && self.nat.family() == Some(family)
        {
            return Some(ExpectNat { tuple, protocol, direction });
        }
        self.skipped += self.nat.parts() + u32::from(self.direction.is_some());
        None
    }
}

/// Appends a frame that tells `change` about `expectation`. `greetings` as in
/// [`encode_flow`](super::encode_flow).
///
/// # Errors
///
/// [`Full`]: the datagram is as before, and an empty one will take the frame.
///
/// # Panics
///
/// When `greetings` holds anything but greetings: the peer would throw the frame away.
pub fn encode_expectation(
    into: &mut Datagram,
    change: Change,
    greetings: Flags,
    seq: Seq,
    expectation: &Expectation,
) -> Result<(), Full> {
    assert!(greetings.only_greets(), "an expectation's frame may greet and nothing else: {greetings:?}");
    into.append(MessageType::of_expectation(change), greetings, seq, |attrs| {
        write_tuples(attrs, expectation);
        if let Some(timeout) = expectation.timeout {
            attrs.put_u32(kind::TIMEOUT, timeout);
        }
        attrs.put_u32(kind::FLAGS, expectation.flags.0);
        if let Some(class) = expectation.class {
            attrs.put_u32(kind::CLASS, class);
        }
        if let Some(nat) = &expectation.nat {
            write_translation(attrs, expectation, nat);
        }
        if !expectation.helper.is_empty() && can_say(expectation.helper) {
            attrs.put(kind::HELPER_NAME, &[expectation.helper.with_nul()]);
        }
        if !expectation.function.is_empty() {
            attrs.put(kind::FN, &[expectation.function.with_nul()]);
        }
    })
}

fn write_tuples(attrs: &mut AttrWriter<'_>, expectation: &Expectation) {
    let Expectation { parent, tuple, mask, .. } = expectation;
    let sides = [
        ((kind::MASTER_IPV4, kind::MASTER_IPV6), kind::MASTER_L4PROTO, kind::MASTER_PORT),
        ((kind::EXPECT_IPV4, kind::EXPECT_IPV6), kind::EXPECT_L4PROTO, kind::EXPECT_PORT),
        ((kind::MASK_IPV4, kind::MASK_IPV6), kind::MASK_L4PROTO, kind::MASK_PORT),
    ];
    let values = [
        (&parent.original, parent.protocol),
        (tuple, expectation.protocol),
        (mask, expectation.mask_protocol),
    ];
    for ((addresses, protocol_kind, port_kind), (tuple, protocol)) in sides.into_iter().zip(values) {
        put_addresses(attrs, addresses, (parent.family, tuple.source, tuple.target));
        attrs.put_u8(protocol_kind, protocol.0);
        if parent.protocol.has_wire_ports() {
            put_ports(attrs, port_kind, tuple.source_port, tuple.target_port);
        }
    }
}

/// The protocol stands before the port: conntrackd's order.
fn write_translation(attrs: &mut AttrWriter<'_>, expectation: &Expectation, nat: &ExpectNat) {
    if expectation.family() == Family::V4 {
        attrs.put(kind::NAT_IPV4, &[&nat.tuple.source.v4(), &nat.tuple.target.v4()]);
    }
    attrs.put_u8(kind::NAT_L4PROTO, nat.protocol.0);
    if expectation.parent.protocol.has_wire_ports() {
        put_ports(attrs, kind::NAT_PORT, nat.tuple.source_port, nat.tuple.target_port);
    }
    attrs.put_u32(kind::NAT_DIR, nat.direction);
}

/// What [`encode_expectation`] leaves out: a helper's name of more than 11 characters, an announced IPv6 address; and
/// the zone, without which the peer cannot tell it from one of another zone.
#[must_use]
pub fn unsaid_of_expectation(expectation: &Expectation) -> Unsaid {
    let helper = !expectation.helper.is_empty() && !can_say(expectation.helper);
    let address = expectation.family() == Family::V6
        && expectation.nat.is_some_and(|ExpectNat { tuple, .. }| {
            let none = Address::from_v6([0; 16]);
            (tuple.source, tuple.target) != (none, none)
        });
    let ambiguous = expectation.zone != 0 || !expectation.parent.protocol.has_wire_ports();
    Unsaid { attributes: u32::from(helper) + u32::from(address), ambiguous }
}
