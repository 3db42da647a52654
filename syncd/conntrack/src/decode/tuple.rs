//! A tuple: addresses, protocol, and what the protocol adds.

use syncd_core::flow::{Address, Family, Protocol, Tuple};

use crate::nla::{Attribute, DecodeError, Fault};
use crate::uapi::{ip, proto, tuple};

/// Reads a tuple of that family; says also how many of its parts mean nothing to us.
pub(crate) fn read_tuple(
    family: Family,
    attribute: &Attribute<'_>,
) -> Result<(Protocol, Tuple, u16), DecodeError> {
    let mut parts = Parts::default();
    for part in attribute.nested() {
        let part = part?;
        match part.kind {
            tuple::IP => parts.take_addresses(family, &part)?,
            tuple::PROTO => parts.take_protocol(&part)?,
            _ => parts.unknown = parts.unknown.saturating_add(1),
        }
    }
    let unknown = parts.unknown;
    let (protocol, tuple) = parts.finish().ok_or_else(|| attribute.error(Fault::Tuple))?;
    Ok((protocol, tuple, unknown))
}

/// A tuple half read: what its fields mean depends on the protocol, which may come last.
#[derive(Default)]
struct Parts {
    source: Option<Address>,
    target: Option<Address>,
    protocol: Option<Protocol>,
    ports: [u16; 2],
    icmp: Icmp,
    icmp6: Icmp,
    /// How many fields mean nothing to us.
    unknown: u16,
}

#[derive(Default)]
struct Icmp {
    id: u16,
    kind: u8,
    code: u8,
}

impl Parts {
    /// Addresses of the other family are no addresses of this flow.
    fn take_addresses(&mut self, family: Family, attribute: &Attribute<'_>) -> Result<(), DecodeError> {
        for address in attribute.nested() {
            let address = address?;
            match (family, address.kind) {
                (Family::V4, ip::V4_SRC) => self.source = Some(Address::from_v4(address.bytes()?)),
                (Family::V4, ip::V4_DST) => self.target = Some(Address::from_v4(address.bytes()?)),
                (Family::V6, ip::V6_SRC) => self.source = Some(Address::from_v6(address.bytes()?)),
                (Family::V6, ip::V6_DST) => self.target = Some(Address::from_v6(address.bytes()?)),
                _ => self.unknown = self.unknown.saturating_add(1),
            }
        }
        Ok(())
    }

    fn take_protocol(&mut self, attribute: &Attribute<'_>) -> Result<(), DecodeError> {
        for field in attribute.nested() {
            let field = field?;
            match field.kind {
                proto::NUM => self.protocol = Some(Protocol(field.u8()?)),
                proto::SRC_PORT => self.ports[0] = field.be16()?,
                proto::DST_PORT => self.ports[1] = field.be16()?,
                proto::ICMP_ID => self.icmp.id = field.be16()?,
                proto::ICMP_TYPE => self.icmp.kind = field.u8()?,
                proto::ICMP_CODE => self.icmp.code = field.u8()?,
                proto::ICMPV6_ID => self.icmp6.id = field.be16()?,
                proto::ICMPV6_TYPE => self.icmp6.kind = field.u8()?,
                proto::ICMPV6_CODE => self.icmp6.code = field.u8()?,
                _ => self.unknown = self.unknown.saturating_add(1),
            }
        }
        Ok(())
    }

    fn finish(self) -> Option<(Protocol, Tuple)> {
        let (source, target, protocol) = (self.source?, self.target?, self.protocol?);
        let icmp = |fields: &Icmp| Tuple::icmp(source, target, fields.id, fields.kind, fields.code);
        let tuple = match protocol {
            Protocol::ICMP => icmp(&self.icmp),
            Protocol::ICMP6 => icmp(&self.icmp6),
            _ => Tuple { source, target, source_port: self.ports[0], target_port: self.ports[1] },
        };
        Some((protocol, tuple))
    }
}
