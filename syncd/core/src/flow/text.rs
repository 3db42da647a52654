//! How a flow and an expectation read to a human: the columns of `conntrack(8)` and conntrackd, which operators know.

use core::fmt;

use super::expect::{ExpectFlags, Expectation};
use super::extras::{ExtraSet, Extras};
use super::record::{AttrSet, Flow, Status};
use super::tuple::{Family, Protocol, Tuple};
use super::whole::{FlowRef, Whole};

/// The line of `conntrack -L` for this flow, as far as it is known:
/// `tcp 6 431999 ESTABLISHED src=.. dst=.. sport=.. dport=.. src=.. dst=.. sport=.. dport=.. [ASSURED] mark=1`.
impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        FlowRef::from(self).fmt(f)
    }
}

impl fmt::Display for Whole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        FlowRef::from(self).fmt(f)
    }
}

/// As a flow's line, with the state of SCTP in its place, helper and labels as conntrack prints them, and then what
/// conntrack does not print: `parent=[tcp src=.. ..]`, `tags=`, `synproxy=`, `seqadj=`.
impl fmt::Display for FlowRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has_extra = |what| self.extras.filter(|extras| extras.has(what));
        write!(f, "{:<8} {}", self.protocol.name(), self.protocol.0)?;
        if self.has(AttrSet::TIMEOUT) {
            write!(f, " {}", self.timeout)?;
        }
        if self.protocol == Protocol::TCP && self.has(AttrSet::TCP_STATE) {
            write!(f, " {}", self.tcp_state.name())?;
        }
        if let Some(extras) = has_extra(ExtraSet::SCTP_STATE) {
            write!(f, " {}", extras.sctp_state.name())?;
        }
        write_tuple(f, self.family, self.protocol, &self.original)?;
        if self.has(AttrSet::STATUS) && !self.status.has(Status::SEEN_REPLY) {
            f.write_str(" [UNREPLIED]")?;
        }
        if self.has(AttrSet::REPLY) {
            write_tuple(f, self.family, self.protocol, &self.reply)?;
        }
        if self.has(AttrSet::STATUS) && self.status.has(Status::ASSURED) {
            f.write_str(" [ASSURED]")?;
        }
        if self.has(AttrSet::MARK) {
            write!(f, " mark={}", self.mark)?;
        }
        if self.zone != 0 {
            write!(f, " zone={}", self.zone)?;
        }
        self.extras.map_or(Ok(()), |extras| write_extras(f, extras))
    }
}

fn write_extras(f: &mut fmt::Formatter<'_>, extras: &Extras) -> fmt::Result {
    if let Some(helper) = extras.helper() {
        write!(f, " helper={helper}")?;
    }
    if extras.has(ExtraSet::LABELS) {
        write!(f, " labels={:#x}", extras.labels.bits())?;
    }
    if let Some(parent) = extras.parent() {
        write!(f, " parent=[{}", parent.protocol.name())?;
        write_tuple(f, parent.family, parent.protocol, &parent.original)?;
        f.write_str("]")?;
    }
    if extras.has(ExtraSet::SCTP_TAGS) {
        let [original, reply] = extras.sctp_tags;
        write!(f, " tags={original:#010x}/{reply:#010x}")?;
    }
    if extras.has(ExtraSet::DCCP) {
        write!(f, " dccp-state={} role={}", extras.dccp.state, extras.dccp.role)?;
    }
    if extras.has(ExtraSet::SYNPROXY) {
        let proxy = extras.synproxy;
        write!(f, " synproxy=isn:{} its:{} offset:{}", proxy.isn, proxy.its, proxy.offset)?;
    }
    if extras.has(ExtraSet::SEQUENCE) {
        let signed = |shift: u32| shift.cast_signed();
        let [original, reply] = extras.sequence;
        write!(
            f,
            " seqadj={}:{:+}:{:+}/{}:{:+}:{:+}",
            original.position,
            signed(original.before),
            signed(original.after),
            reply.position,
            signed(reply.before),
            signed(reply.after)
        )?;
    }
    Ok(())
}

fn write_tuple(f: &mut fmt::Formatter<'_>, family: Family, protocol: Protocol, tuple: &Tuple) -> fmt::Result {
    write!(f, " src={} dst={}", tuple.source.ip(family), tuple.target.ip(family))?;
    write_ports(f, protocol, tuple)
}

fn write_ports(f: &mut fmt::Formatter<'_>, protocol: Protocol, tuple: &Tuple) -> fmt::Result {
    if protocol.is_icmp() {
        write!(f, " type={} code={} id={}", tuple.icmp_type(), tuple.icmp_code(), tuple.icmp_id())
    } else if protocol == Protocol::GRE {
        write!(f, " srckey={:#x} dstkey={:#x}", tuple.source_port, tuple.target_port)
    } else if protocol.has_kernel_ports() {
        write!(f, " sport={} dport={}", tuple.source_port, tuple.target_port)
    } else {
        Ok(())
    }
}

/// The line of `conntrackd -i exp`, with translation, function, flags and zone behind it:
/// `proto=6 src=.. dst=.. sport=0 dport=41171 mask-src=.. mask-dst=.. sport=0 dport=65535 master-src=.. master-dst=..
/// sport=41001 dport=21 class=0 helper=ftp`.
impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let family = self.family();
        write!(f, "proto={}", self.protocol.0)?;
        write_tuple(f, family, self.protocol, &self.tuple)?;
        write!(f, " mask-src={} mask-dst={}", self.mask.source.ip(family), self.mask.target.ip(family))?;
        write_ports(f, self.protocol, &self.mask)?;
        let parent = self.parent.original;
        write!(f, " master-src={} master-dst={}", parent.source.ip(family), parent.target.ip(family))?;
        write_ports(f, self.parent.protocol, &parent)?;
        if let Some(class) = self.class {
            write!(f, " class={class}")?;
        }
        if !self.helper.is_empty() {
            write!(f, " helper={}", self.helper)?;
        }
        if let Some(nat) = self.nat {
            let direction = if nat.direction == 0 { "original" } else { "reply" };
            write!(f, " nat={direction} src={}", nat.tuple.source.ip(family))?;
            if nat.protocol.has_kernel_ports() {
                write!(f, " sport={}", nat.tuple.source_port)?;
            }
        }
        if !self.function.is_empty() {
            write!(f, " fn={}", self.function)?;
        }
        if self.zone != 0 {
            write!(f, " zone={}", self.zone)?;
        }
        let flags = [
            (ExpectFlags::PERMANENT, " [PERMANENT]"),
            (ExpectFlags::INACTIVE, " [INACTIVE]"),
            (ExpectFlags::USERSPACE, " [USERSPACE]"),
        ];
        flags.iter().filter(|(flag, _)| self.flags.has(*flag)).try_for_each(|(_, word)| f.write_str(word))
    }
}
