//! A kernel message becomes a [`Flow`]: one pass over the attributes, no allocation.
//!
//! Never guesses: [`Flow::present`] says exactly what the kernel sent, what we do not carry is counted, what is
//! malformed is an error. Driven by the daemon's event loop and by [`QuerySocket`](crate::QuerySocket); tested in
//! `decode/tests.rs`, on captured bytes (`tests/captured.rs`), against an independent decoder (`tests/oracle`), on a
//! real kernel (`tests/kernel.rs`) and for allocations (`tests/no_alloc.rs`).

mod rare;
mod tuple;

use syncd_core::flow::{
    AttrSet, Change, Extras, Family, Flow, FlowRef, Origin, Protocol, Status, TcpFlags, TcpState, Tuple,
    Whole,
};

use crate::message::MessageView;
use crate::nla::{Attribute, DecodeError, Fault};
use crate::uapi::{counters, cta, flag, kind, protoinfo};

pub(crate) use tuple::read_tuple;

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
    /// What was said of it that few flows have.
    pub extras: Extras,
    /// Attributes of a flow's state that neither carries (a zone of one direction, a security mark, what a helper keeps
    /// to itself, attributes we have never heard of ...): the peer will not learn them.
    pub skipped: u16,
    /// Attributes that measure and that no kernel lets anybody set: use count, counters, timestamps.
    pub measured: u16,
    /// What it has carried, original and reply; nothing unless `nf_conntrack_acct` is 1.
    pub carried: [Carried; 2],
}

/// What one direction of a flow has carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Carried {
    /// Packets.
    pub packets: u64,
    /// Bytes, headers of IP included.
    pub bytes: u64,
}

impl Carried {
    fn read(counters: &Attribute<'_>) -> Result<Self, DecodeError> {
        let mut read = Self::default();
        for counter in counters.nested() {
            let counter = counter?;
            match counter.kind {
                counters::PACKETS => read.packets = u64::from_be_bytes(counter.bytes()?),
                counters::BYTES => read.bytes = u64::from_be_bytes(counter.bytes()?),
                _ => {}
            }
        }
        Ok(read)
    }
}

impl Decoded {
    /// Flow and extras together.
    #[must_use]
    pub fn whole(&self) -> FlowRef<'_> {
        FlowRef::new(&self.flow, &self.extras)
    }
}

/// Reads a message about one flow. `ours` are the port ids of our own request sockets.
///
/// # Errors
/// When the message is not about a flow or is malformed. The kernel does not send such messages; whoever receives
/// one counts it and goes on.
pub fn decode(message: &MessageView<'_>, ours: &[u32]) -> Result<Decoded, DecodeError> {
    let change = change(message, kind::SUBSYSTEM).ok_or_else(|| message.error(Fault::NotAFlow))?;
    let (origin, family) = (origin(message, ours), family(message)?);
    let mut reading = Reading::new(family);
    for attribute in message.attributes() {
        reading.take(&attribute?)?;
    }
    let Reading { flow, extras, has_original, skipped, measured, carried, .. } = reading;
    if !has_original {
        return Err(message.error(Fault::NoOriginal));
    }
    let Whole { flow, extras } = Whole::new(flow, extras);
    Ok(Decoded { change, origin, flow, extras, skipped, measured, carried })
}

/// What happened, if the message is about an object of that subsystem. `ctnetlink_conntrack_event` says NEW with CREATE
/// and EXCL, UPDATE with neither.
pub(crate) fn change(message: &MessageView<'_>, subsystem: u8) -> Option<Change> {
    if message.subsystem() != subsystem {
        return None;
    }
    match message.operation() {
        kind::NEW if message.flags() & (flag::CREATE | flag::EXCL) != 0 => Some(Change::New),
        kind::NEW => Some(Change::Update),
        kind::DELETE => Some(Change::Destroy),
        _ => None,
    }
}

/// Events carry the port id of the socket that caused them (`nfnl_info.nlh` in `ctnetlink_conntrack_event`).
pub(crate) fn origin(message: &MessageView<'_>, ours: &[u32]) -> Origin {
    let port = message.port_id();
    if port != 0 && ours.contains(&port) { Origin::Ourselves } else { Origin::Kernel }
}

pub(crate) fn family(message: &MessageView<'_>) -> Result<Family, DecodeError> {
    match message.family() {
        2 => Ok(Family::V4),
        10 => Ok(Family::V6),
        _ => Err(message.error(Fault::Family)),
    }
}

/// A message half read. Attributes may come in any order.
struct Reading {
    flow: Flow,
    extras: Extras,
    has_original: bool,
    reply_protocol: Option<Protocol>,
    skipped: u16,
    measured: u16,
    carried: [Carried; 2],
}

impl Reading {
    const fn new(family: Family) -> Self {
        Self {
            flow: Flow::new(family, Protocol(0), Tuple::NOWHERE),
            extras: Extras::EMPTY,
            has_original: false,
            reply_protocol: None,
            skipped: 0,
            measured: 0,
            carried: [Carried { packets: 0, bytes: 0 }; 2],
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
            cta::HELP => self.helper(attribute)?,
            cta::LABELS => self.labels(attribute),
            cta::TUPLE_MASTER => self.parent(attribute)?,
            cta::SEQ_ADJ_ORIG => self.sequence(attribute, 0)?,
            cta::SEQ_ADJ_REPLY => self.sequence(attribute, 1)?,
            cta::COUNTERS_ORIG | cta::COUNTERS_REPLY => {
                self.carried[usize::from(attribute.kind == cta::COUNTERS_REPLY)] = Carried::read(attribute)?;
                self.measured = self.measured.saturating_add(1);
            }
            cta::USE | cta::TIMESTAMP | cta::TIMESTAMP_EVENT => {
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
        let (protocol, tuple, unknown) = read_tuple(self.flow.family, attribute)?;
        self.skipped = self.skipped.saturating_add(unknown);
        Ok((protocol, tuple))
    }

    fn protoinfo(&mut self, attribute: &Attribute<'_>) -> Result<(), DecodeError> {
        for protocol in attribute.nested() {
            let protocol = protocol?;
            match protocol.kind {
                protoinfo::TCP => self.tcp(&protocol)?,
                protoinfo::SCTP => self.sctp(&protocol)?,
                protoinfo::DCCP => self.dccp(&protocol)?,
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
}
