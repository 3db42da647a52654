//! A kernel message becomes a [`Flow`]: one pass over the attributes, no allocation.
//!
//! Never guesses: [`Flow::present`] says exactly what the kernel sent, what we do not carry is counted, what is
//! malformed is an error. Driven by the daemon's event loop and by [`QuerySocket`](crate::QuerySocket); tested in
//! `decode/tests.rs`, on captured bytes (`tests/captured.rs`), against an independent decoder (`tests/oracle.rs`), on a
//! real kernel (`tests/kernel.rs`) and for allocations (`tests/no_alloc.rs`).

use syncd_core::flow::{
    Address, AttrSet, Change, Family, Flow, Origin, Protocol, Status, TcpFlags, TcpState, Tuple,
};

use crate::message::MessageView;
use crate::nla::{Attribute, DecodeError, Fault};
use crate::uapi::{cta, flag, ip, kind, proto, protoinfo, synproxy, tuple};

#[cfg(test)]
mod tests;

/// What a kernel message said about one flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// What happened. An entry of a dump reads as [`Change::Update`].
    pub change: Change,
    /// Who caused it.
    pub origin: Origin,
    /// The flow, as far as it was said.
    pub flow: Flow,
    /// Attributes of a flow's state that [`Flow`] does not carry (helper, labels, parent, sequence adjustment,
    /// SCTP's state, a zone of one direction, attributes we have never heard of ...): the peer will not learn them.
    pub skipped: u16,
    /// Attributes that measure and that no kernel lets anybody set: use count, counters, timestamps.
    pub measured: u16,
}

/// Reads a message about one flow. `ours` are the port ids of our own request sockets.
///
/// # Errors
/// When the message is not about a flow or is malformed. The kernel does not send such messages; whoever receives
/// one counts it and goes on.
pub fn decode(message: &MessageView<'_>, ours: &[u32]) -> Result<Decoded, DecodeError> {
    let change = change(message)?;
    // Events carry the port id of the socket that caused them (`nfnl_info.nlh` in `ctnetlink_conntrack_event`).
    let port = message.port_id();
    let origin = if port != 0 && ours.contains(&port) { Origin::Ourselves } else { Origin::Kernel };
    let family = match message.family() {
        2 => Family::V4,
        10 => Family::V6,
        _ => return Err(message.error(Fault::Family)),
    };
    let mut reading = Reading::new(family);
    for attribute in message.attributes() {
        reading.take(&attribute?)?;
    }
    let Reading { flow, has_original, skipped, measured, .. } = reading;
    if !has_original {
        return Err(message.error(Fault::NoOriginal));
    }
    Ok(Decoded { change, origin, flow, skipped, measured })
}

/// `ctnetlink_conntrack_event` says NEW with CREATE and EXCL, UPDATE with neither.
fn change(message: &MessageView<'_>) -> Result<Change, DecodeError> {
    if message.subsystem() != kind::SUBSYSTEM {
        return Err(message.error(Fault::NotAFlow));
    }
    match message.operation() {
        kind::NEW if message.flags() & (flag::CREATE | flag::EXCL) != 0 => Ok(Change::New),
        kind::NEW => Ok(Change::Update),
        kind::DELETE => Ok(Change::Destroy),
        _ => Err(message.error(Fault::NotAFlow)),
    }
}

/// A message half read. Attributes may come in any order.
struct Reading {
    flow: Flow,
    has_original: bool,
    reply_protocol: Option<Protocol>,
    skipped: u16,
    measured: u16,
}

impl Reading {
    const fn new(family: Family) -> Self {
        Self {
            flow: Flow::new(family, Protocol(0), NOWHERE),
            has_original: false,
            reply_protocol: None,
            skipped: 0,
            measured: 0,
        }
    }

    fn take(&mut self, attribute: &Attribute<'_>) -> Result<(), DecodeError> {
        match attribute.kind {
            cta::TUPLE_ORIG => {
                let (protocol, original) = self.tuple(attribute)?;
                self.has_original = true;
                self.flow.protocol = protocol;
                self.flow.original = original;
                if !self.flow.has(AttrSet::REPLY) {
                    self.flow.reply = original.inverse(protocol);
                }
                self.check_protocols(attribute)?;
            }
            cta::TUPLE_REPLY => {
                let (protocol, reply) = self.tuple(attribute)?;
                self.reply_protocol = Some(protocol);
                self.flow.reply = reply;
                self.said(AttrSet::REPLY);
                self.check_protocols(attribute)?;
            }
            cta::STATUS => {
                self.flow.status = Status(attribute.be32()?);
                self.said(AttrSet::STATUS);
            }
            cta::TIMEOUT => {
                self.flow.timeout = attribute.be32()?;
                self.said(AttrSet::TIMEOUT);
            }
            cta::MARK => {
                self.flow.mark = attribute.be32()?;
                self.said(AttrSet::MARK);
            }
            cta::ZONE => {
                self.flow.zone = attribute.be16()?;
                self.said(AttrSet::ZONE);
            }
            cta::ID => {
                self.flow.id = attribute.be32()?;
                self.said(AttrSet::ID);
            }
            cta::PROTOINFO => self.protoinfo(attribute)?,
            cta::SYNPROXY => self.synproxy(attribute)?,
            cta::USE | cta::COUNTERS_ORIG | cta::COUNTERS_REPLY | cta::TIMESTAMP | cta::TIMESTAMP_EVENT => {
                self.measured = self.measured.saturating_add(1);
            }
            _ => self.skip(),
        }
        Ok(())
    }

    const fn said(&mut self, what: AttrSet) {
        self.flow.present = self.flow.present.with(what);
    }

    const fn skip(&mut self) {
        self.skipped = self.skipped.saturating_add(1);
    }

    /// One flow has one protocol; the kernel refuses anything else, too (`EINVAL` on create).
    fn check_protocols(&self, attribute: &Attribute<'_>) -> Result<(), DecodeError> {
        match self.reply_protocol {
            Some(reply) if self.has_original && reply != self.flow.protocol => {
                Err(attribute.error(Fault::ReplyProtocol))
            }
            _ => Ok(()),
        }
    }

    fn tuple(&mut self, attribute: &Attribute<'_>) -> Result<(Protocol, Tuple), DecodeError> {
        let mut parts = Parts::default();
        for part in attribute.nested() {
            let part = part?;
            match part.kind {
                tuple::IP => parts.take_addresses(self.flow.family, &part)?,
                tuple::PROTO => parts.take_protocol(&part)?,
                _ => self.skip(),
            }
        }
        self.skipped = self.skipped.saturating_add(parts.unknown);
        parts.finish().ok_or_else(|| attribute.error(Fault::Tuple))
    }

    fn protoinfo(&mut self, attribute: &Attribute<'_>) -> Result<(), DecodeError> {
        for protocol in attribute.nested() {
            let protocol = protocol?;
            match protocol.kind {
                protoinfo::TCP => self.tcp(&protocol)?,
                _ => self.skip(),
            }
        }
        Ok(())
    }

    fn tcp(&mut self, attribute: &Attribute<'_>) -> Result<(), DecodeError> {
        let (mut scales, mut flags) = ([None; 2], [None; 2]);
        for field in attribute.nested() {
            let field = field?;
            match field.kind {
                protoinfo::TCP_STATE => {
                    self.flow.tcp_state = TcpState(field.u8()?);
                    self.said(AttrSet::TCP_STATE);
                }
                protoinfo::TCP_WSCALE_ORIGINAL => scales[0] = Some(field.u8()?),
                protoinfo::TCP_WSCALE_REPLY => scales[1] = Some(field.u8()?),
                // `struct nf_ct_tcp_flags`: flags, then a mask that the kernel always leaves 0.
                protoinfo::TCP_FLAGS_ORIGINAL => flags[0] = Some(field.bytes::<2>()?[0]),
                protoinfo::TCP_FLAGS_REPLY => flags[1] = Some(field.bytes::<2>()?[0]),
                _ => self.skip(),
            }
        }
        // The kernel says both directions or none (`tcp_to_nlattr`); one alone is not a fact we can hold.
        match scales {
            [Some(original), Some(reply)] => {
                (self.flow.tcp_scale_original, self.flow.tcp_scale_reply) = (original, reply);
                self.said(AttrSet::TCP_SCALE);
            }
            [None, None] => {}
            _ => self.skip(),
        }
        match flags {
            [Some(original), Some(reply)] => {
                self.flow.tcp_flags_original = TcpFlags(original);
                self.flow.tcp_flags_reply = TcpFlags(reply);
                self.said(AttrSet::TCP_FLAGS);
            }
            [None, None] => {}
            _ => self.skip(),
        }
        Ok(())
    }

    /// Entries made through netlink report a SYNPROXY block of zeros: no proxy is involved (facts; `ct->status` has
    /// no say in it). Anything else is state that we do not carry.
    fn synproxy(&mut self, attribute: &Attribute<'_>) -> Result<(), DecodeError> {
        let mut all_zero = true;
        for field in attribute.nested() {
            let field = field?;
            let known = matches!(field.kind, synproxy::ISN | synproxy::ITS | synproxy::TSOFF);
            all_zero &= known && field.be32()? == 0;
        }
        if all_zero {
            self.said(AttrSet::SYNPROXY_ZERO);
        } else {
            self.skip();
        }
        Ok(())
    }
}

/// A tuple before any was read.
const NOWHERE: Tuple =
    Tuple { source: Address::UNSPECIFIED, target: Address::UNSPECIFIED, source_port: 0, target_port: 0 };

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
