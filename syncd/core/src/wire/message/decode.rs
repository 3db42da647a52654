//! The bytes of a flow message to a flow.
//!
//! Sets the bits of [`Flow::present`] for what was said and no others; the reply tuple is always said, because it
//! follows from the original and the translations. Attributes that belong to no field of [`Flow`], or not to its
//! protocol or family, are skipped and counted, never guessed. Of an attribute that comes twice the last counts.
//! Driven by `replica`. Tested in `tests/message.rs`, `tests/golden.rs` and `tests/malformed.rs` of the crate.

use super::rare::{Rare, Read};
use super::value::{
    Addresses, PayloadError, addresses_v4, addresses_v6, fixed, ports, read_u8, read_u8_up_to,
    read_u16_swapped, read_u32,
};
use crate::flow::{
    Address, AttrSet, Change, Extras, Family, Flow, FlowRef, Protocol, Status, TcpState, Tuple, Whole,
};
use crate::wire::attr::{Attr, AttrKind, attributes};
use crate::wire::header::FrameView;

/// The largest window scale of RFC 7323; a kernel never reports more and refuses to take more.
const SCALE_MAX: u8 = 14;

/// A flow as the peer told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodedFlow {
    /// What happened.
    pub change: Change,
    /// What the peer says of it.
    pub flow: Flow,
    /// What it says of it that few flows have.
    pub extras: Extras,
    /// How many attributes were passed over.
    pub skipped: u32,
}

impl DecodedFlow {
    /// Flow and extras together.
    #[must_use]
    pub fn whole(&self) -> FlowRef<'_> {
        FlowRef::new(&self.flow, &self.extras)
    }
}

/// Reads the flow of a frame.
///
/// # Errors
///
/// [`PayloadError`] when the frame is not about a flow or the message must be refused as a whole.
pub fn decode_flow(view: &FrameView<'_>) -> Result<DecodedFlow, PayloadError> {
    let change = view.change().ok_or(PayloadError::NotAFlow)?;
    let mut said = Said::default();
    for attr in attributes(view.body()) {
        said.any = true;
        said.take(attr?)?;
    }
    if !said.any {
        return Err(PayloadError::Empty);
    }
    let (Whole { flow, extras }, skipped) = said.assemble()?;
    Ok(DecodedFlow { change, flow, extras, skipped })
}

/// What the attributes said, before it is known to which protocol and family they belong.
#[derive(Default)]
struct Said {
    any: bool,
    skipped: u32,
    addresses: Option<Addresses>,
    protocol: Option<Protocol>,
    ports: Option<(u16, u16)>,
    icmp_type: Option<u8>,
    icmp_code: Option<u8>,
    icmp_id: Option<u16>,
    status: Option<u32>,
    timeout: Option<u32>,
    mark: Option<u32>,
    zone: Option<u16>,
    tcp_state: Option<u8>,
    scale_original: Option<u8>,
    scale_reply: Option<u8>,
    source_nat: Option<(Family, Address)>,
    target_nat: Option<(Family, Address)>,
    source_port_nat: Option<u16>,
    target_port_nat: Option<u16>,
    rare: Rare,
}

impl Said {
    /// Takes one attribute's value; what it means for the flow is decided in [`Said::assemble`].
    fn take(&mut self, attr: Attr<'_>) -> Result<(), PayloadError> {
        match attr.kind {
            AttrKind::IPV4 => self.addresses = Some(addresses_v4(attr)?),
            AttrKind::IPV6 => self.addresses = Some(addresses_v6(attr)?),
            AttrKind::PORT => self.ports = Some(ports(attr)?),
            AttrKind::L4PROTO => self.protocol = Some(Protocol(read_u8(attr)?)),
            AttrKind::TCP_STATE => self.tcp_state = Some(read_u8_up_to(attr, TcpState::MAX.0)?),
            AttrKind::TCP_WSCALE_ORIG => self.scale_original = Some(read_u8_up_to(attr, SCALE_MAX)?),
            AttrKind::TCP_WSCALE_REPL => self.scale_reply = Some(read_u8_up_to(attr, SCALE_MAX)?),
            AttrKind::ICMP_TYPE => self.icmp_type = Some(read_u8(attr)?),
            AttrKind::ICMP_CODE => self.icmp_code = Some(read_u8(attr)?),
            AttrKind::ICMP_ID => self.icmp_id = Some(read_u16_swapped(attr)?),
            AttrKind::STATUS => self.status = Some(read_u32(attr)?),
            AttrKind::TIMEOUT => self.timeout = Some(read_u32(attr)?),
            AttrKind::MARK => self.mark = Some(read_u32(attr)?),
            AttrKind::ZONE => self.zone = Some(u16::from_be_bytes(fixed(attr)?)),
            AttrKind::SNAT_IPV4 => self.source_nat = Some((Family::V4, Address::from_v4(fixed(attr)?))),
            AttrKind::SNAT_IPV6 => self.source_nat = Some((Family::V6, Address::from_v6(fixed(attr)?))),
            AttrKind::DNAT_IPV4 => self.target_nat = Some((Family::V4, Address::from_v4(fixed(attr)?))),
            AttrKind::DNAT_IPV6 => self.target_nat = Some((Family::V6, Address::from_v6(fixed(attr)?))),
            AttrKind::SPAT_PORT => self.source_port_nat = Some(read_u16_swapped(attr)?),
            AttrKind::DPAT_PORT => self.target_port_nat = Some(read_u16_swapped(attr)?),
            _ => self.rare.take(attr)?,
        }
        Ok(())
    }

    /// The flow of all that was said, and how much was passed over: what nobody knows, and what does not fit the
    /// flow's family or protocol.
    fn assemble(mut self) -> Result<(Whole, u32), PayloadError> {
        let (family, source, target) = self.addresses.ok_or(PayloadError::NoAddress)?;
        let protocol = self.protocol.ok_or(PayloadError::NoProtocol)?;
        let original = self.original(protocol, source, target)?;
        let mut flow = Flow::new(family, protocol, original);
        flow.present = AttrSet::REPLY;
        self.translate(&mut flow);
        self.describe(&mut flow);
        self.describe_tcp(&mut flow);
        let Read { extras, synproxy_zero, skipped } = self.rare.finish(protocol);
        if synproxy_zero {
            flow.present = flow.present.with(AttrSet::SYNPROXY_ZERO);
        }
        Ok((Whole::new(flow, extras), self.skipped + skipped))
    }

    fn original(
        &mut self,
        protocol: Protocol,
        source: Address,
        target: Address,
    ) -> Result<Tuple, PayloadError> {
        let icmp = (self.icmp_id, self.icmp_type, self.icmp_code);
        if protocol.is_icmp() {
            self.skip_unless(self.ports.is_none());
            let (Some(id), Some(kind), Some(code)) = icmp else {
                return Err(PayloadError::NoPorts);
            };
            return Ok(Tuple::icmp(source, target, id, kind, code));
        }
        self.skip_unless(self.icmp_id.is_none());
        self.skip_unless(self.icmp_type.is_none());
        self.skip_unless(self.icmp_code.is_none());
        if protocol.has_wire_ports() {
            let (source_port, target_port) = self.ports.ok_or(PayloadError::NoPorts)?;
            return Ok(Tuple { source, target, source_port, target_port });
        }
        self.skip_unless(self.ports.is_none());
        Ok(Tuple { source, target, source_port: 0, target_port: 0 })
    }

    /// Turns the plain inverse into the real reply.
    fn translate(&mut self, flow: &mut Flow) {
        if let Some((family, address)) = self.source_nat {
            self.skip_unless(family == flow.family);
            if family == flow.family {
                flow.reply.target = address;
            }
        }
        if let Some((family, address)) = self.target_nat {
            self.skip_unless(family == flow.family);
            if family == flow.family {
                flow.reply.source = address;
            }
        }
        // ICMP always comes with two of these and neither means anything; port 0 is nobody's port.
        if !flow.protocol.has_wire_ports() {
            return;
        }
        if let Some(port) = self.source_port_nat.filter(|port| *port != 0) {
            flow.reply.target_port = port;
        }
        if let Some(port) = self.target_port_nat.filter(|port| *port != 0) {
            flow.reply.source_port = port;
        }
    }

    fn describe(&self, flow: &mut Flow) {
        if let Some(status) = self.status {
            flow.status = Status(status);
            flow.present = flow.present.with(AttrSet::STATUS);
        }
        if let Some(timeout) = self.timeout {
            flow.timeout = timeout;
            flow.present = flow.present.with(AttrSet::TIMEOUT);
        }
        if let Some(mark) = self.mark {
            flow.mark = mark;
            flow.present = flow.present.with(AttrSet::MARK);
        }
        if let Some(zone) = self.zone {
            flow.zone = zone;
            flow.present = flow.present.with(AttrSet::ZONE);
        }
    }

    fn describe_tcp(&mut self, flow: &mut Flow) {
        if flow.protocol != Protocol::TCP {
            self.skip_unless(self.tcp_state.is_none());
            self.skip_unless(self.scale_original.is_none());
            self.skip_unless(self.scale_reply.is_none());
            return;
        }
        if let Some(state) = self.tcp_state {
            flow.tcp_state = TcpState(state);
            flow.present = flow.present.with(AttrSet::TCP_STATE);
        }
        match (self.scale_original, self.scale_reply) {
            (Some(original), Some(reply)) => {
                flow.tcp_scale_original = original;
                flow.tcp_scale_reply = reply;
                flow.present = flow.present.with(AttrSet::TCP_SCALE);
            }
            (None, None) => {}
            // One direction's scale alone would make the other one zero.
            _ => self.skipped += 1,
        }
    }

    fn skip_unless(&mut self, used: bool) {
        self.skipped += u32::from(!used);
    }
}
