//! The attributes of a flow's [`Extras`], read and written.
//!
//! What belongs to another protocol, is half of a pair, or is no name, is skipped and counted. Driven by the decoder
//! and the encoder beside it; tested with them.

use super::value::{
    Addresses, PayloadError, addresses_v4, addresses_v6, fixed, ports, put_addresses, put_ports, read_u8,
    read_u32, words,
};
use crate::flow::{
    Dccp, ExtraSet, Extras, HelperName, Labels, Parent, Protocol, SctpState, SequenceShift, Synproxy, Tuple,
};
use crate::wire::attr::{Attr, AttrKind, AttrWriter};

/// Bytes of the longest helper name with its NUL that conntrackd takes: its limit of 16 counts the header.
pub(super) const LONGEST_HELPER: usize = 12;

/// Bytes of labels beyond which conntrackd refuses the message.
const MOST_LABELS: usize = 1024;

/// What the attributes said, before it is known to which protocol they belong.
#[derive(Default)]
pub(super) struct Rare {
    extras: Extras,
    /// Whether the last SYNPROXY block was all zero.
    synproxy_zero: bool,
    sctp_tags: [Option<u32>; 2],
    dccp: [Option<u8>; 2],
    parent: Option<Addresses>,
    parent_protocol: Option<Protocol>,
    parent_ports: Option<(u16, u16)>,
    skipped: u32,
}

/// What [`Rare`] made of it.
pub(super) struct Read {
    pub(super) extras: Extras,
    pub(super) synproxy_zero: bool,
    /// Attributes passed over.
    pub(super) skipped: u32,
}

impl Rare {
    /// Takes one attribute's value; one that nobody knows is passed over.
    pub(super) fn take(&mut self, attr: Attr<'_>) -> Result<(), PayloadError> {
        match attr.kind {
            AttrKind::SCTP_STATE => {
                self.extras.sctp_state = SctpState(read_u8(attr)?);
                self.extras.said(ExtraSet::SCTP_STATE);
            }
            AttrKind::SCTP_VTAG_ORIG => self.sctp_tags[0] = Some(read_u32(attr)?),
            AttrKind::SCTP_VTAG_REPL => self.sctp_tags[1] = Some(read_u32(attr)?),
            AttrKind::DCCP_STATE => self.dccp[0] = Some(read_u8(attr)?),
            AttrKind::DCCP_ROLE => self.dccp[1] = Some(read_u8(attr)?),
            AttrKind::MASTER_IPV4 => self.parent = Some(addresses_v4(attr)?),
            AttrKind::MASTER_IPV6 => self.parent = Some(addresses_v6(attr)?),
            AttrKind::MASTER_L4PROTO => self.parent_protocol = Some(Protocol(read_u8(attr)?)),
            AttrKind::MASTER_PORT => self.parent_ports = Some(ports(attr)?),
            AttrKind::NAT_SEQ_ADJ => {
                let bytes = fixed::<24>(attr)?;
                let mut words = words(&bytes);
                let mut next = || words.next().unwrap_or_default();
                let shift = |_| SequenceShift { position: next(), before: next(), after: next() };
                self.extras.sequence = core::array::from_fn(shift);
                self.extras.said(ExtraSet::SEQUENCE);
            }
            AttrKind::HELPER_NAME => match HelperName::new(attr.payload) {
                Some(name) => {
                    self.extras.helper = name;
                    self.extras.said(ExtraSet::HELPER);
                }
                None => self.skipped += 1,
            },
            AttrKind::LABELS => self.labels(attr)?,
            AttrKind::SYNPROXY => self.synproxy(attr)?,
            _ => self.skipped += 1,
        }
        Ok(())
    }

    /// conntrackd ignores a length that is no number of words; words that no kernel has room for say nothing if they
    /// are zero.
    fn labels(&mut self, attr: Attr<'_>) -> Result<(), PayloadError> {
        if attr.payload.len() > MOST_LABELS {
            return Err(PayloadError::BadLength(attr.kind));
        }
        let whole = attr.payload.len().is_multiple_of(4) && !attr.payload.is_empty();
        let lost = words(attr.payload).skip(Labels::WORDS).any(|word| word != 0);
        self.skipped += u32::from(!whole || lost);
        let labels = Labels::new(words(attr.payload));
        if whole && !labels.is_zero() {
            self.extras.labels = labels;
            self.extras.said(ExtraSet::LABELS);
        }
        Ok(())
    }

    fn synproxy(&mut self, attr: Attr<'_>) -> Result<(), PayloadError> {
        let bytes = fixed::<12>(attr)?;
        let mut words = words(&bytes);
        let mut next = || words.next().unwrap_or_default();
        let (its, isn, offset) = (next(), next(), next());
        self.synproxy_zero = bytes == [0; 12];
        self.extras = self.extras.without(ExtraSet::SYNPROXY);
        if !self.synproxy_zero {
            self.extras.synproxy = Synproxy { isn, its, offset };
            self.extras.said(ExtraSet::SYNPROXY);
        }
        Ok(())
    }

    /// All of it, as far as it fits a flow of that protocol.
    pub(super) fn finish(mut self, protocol: Protocol) -> Read {
        self.sctp(protocol);
        self.dccp(protocol);
        self.parent();
        Read { extras: self.extras, synproxy_zero: self.synproxy_zero, skipped: self.skipped }
    }

    fn sctp(&mut self, protocol: Protocol) {
        let tags = self.sctp_tags.iter().flatten().count() as u32;
        if protocol != Protocol::SCTP {
            self.skipped += u32::from(self.extras.has(ExtraSet::SCTP_STATE)) + tags;
            self.extras = self.extras.without(ExtraSet::SCTP_STATE);
        } else if let [Some(original), Some(reply)] = self.sctp_tags {
            self.extras.sctp_tags = [original, reply];
            self.extras.said(ExtraSet::SCTP_TAGS);
        } else {
            self.skipped += tags;
        }
    }

    fn dccp(&mut self, protocol: Protocol) {
        match self.dccp {
            [Some(state), Some(role)] if protocol == Protocol::DCCP => {
                self.extras.dccp = Dccp { state, role };
                self.extras.said(ExtraSet::DCCP);
            }
            others => self.skipped += others.iter().flatten().count() as u32,
        }
    }

    fn parent(&mut self) {
        let ports = self.parent_ports;
        let complete = self.parent_protocol.filter(|protocol| !protocol.has_wire_ports() || ports.is_some());
        if let (Some((family, source, target)), Some(protocol)) = (self.parent, complete) {
            let (source_port, target_port) = ports.unwrap_or_default();
            let original = Tuple { source, target, source_port, target_port };
            self.extras.parent = Parent { original, family, protocol };
            self.extras.said(ExtraSet::PARENT);
        } else {
            let parts = [self.parent.is_some(), self.parent_protocol.is_some(), ports.is_some()];
            self.skipped += parts.iter().filter(|part| **part).count() as u32;
        }
    }
}

/// What SCTP and DCCP add behind the ports.
pub(super) fn write_protocol(attrs: &mut AttrWriter<'_>, extras: &Extras) {
    if extras.has(ExtraSet::SCTP_STATE) {
        attrs.put_u8(AttrKind::SCTP_STATE, extras.sctp_state.0);
    }
    if extras.has(ExtraSet::SCTP_TAGS) {
        attrs.put_u32(AttrKind::SCTP_VTAG_ORIG, extras.sctp_tags[0]);
        attrs.put_u32(AttrKind::SCTP_VTAG_REPL, extras.sctp_tags[1]);
    }
    if extras.has(ExtraSet::DCCP) {
        attrs.put_u8(AttrKind::DCCP_STATE, extras.dccp.state);
        attrs.put_u8(AttrKind::DCCP_ROLE, extras.dccp.role);
    }
}

/// The parent, between mark and translation.
pub(super) fn write_parent(attrs: &mut AttrWriter<'_>, extras: &Extras) {
    let Some(Parent { original, family, protocol }) = extras.parent() else { return };
    let kinds = (AttrKind::MASTER_IPV4, AttrKind::MASTER_IPV6);
    put_addresses(attrs, kinds, (family, original.source, original.target));
    attrs.put_u8(AttrKind::MASTER_L4PROTO, protocol.0);
    if protocol.has_kernel_ports() {
        put_ports(attrs, AttrKind::MASTER_PORT, original.source_port, original.target_port);
    }
}

/// What stands between translation and zone.
pub(super) fn write_rest(attrs: &mut AttrWriter<'_>, extras: Option<&Extras>, synproxy_zero: bool) {
    let has = |what| extras.filter(|extras| extras.has(what));
    if let Some(extras) = has(ExtraSet::SEQUENCE) {
        let [a, b] =
            extras.sequence.map(|shift| [shift.position, shift.before, shift.after].map(u32::to_be_bytes));
        attrs.put(AttrKind::NAT_SEQ_ADJ, &[a.as_flattened(), b.as_flattened()]);
    }
    if let Some(extras) = has(ExtraSet::HELPER).filter(|extras| can_say(extras.helper)) {
        attrs.put(AttrKind::HELPER_NAME, &[extras.helper.with_nul()]);
    }
    if let Some(extras) = has(ExtraSet::LABELS).filter(|extras| !extras.labels.is_zero()) {
        let words = extras.labels.all().map(u32::to_be_bytes);
        attrs.put(AttrKind::LABELS, &[words[..extras.labels.words().len()].as_flattened()]);
    }
    if let Some(extras) = has(ExtraSet::SYNPROXY) {
        let Synproxy { isn, its, offset } = extras.synproxy;
        attrs.put(AttrKind::SYNPROXY, &[[its, isn, offset].map(u32::to_be_bytes).as_flattened()]);
    } else if synproxy_zero {
        attrs.put(AttrKind::SYNPROXY, &[&[0; 12]]);
    }
}

/// Whether conntrackd takes a helper's name of this length.
pub(super) fn can_say(helper: HelperName) -> bool {
    helper.with_nul().len() <= LONGEST_HELPER
}
