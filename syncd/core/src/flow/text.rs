//! How a flow reads to a human: the columns of `conntrack(8)`, which operators know.

use core::fmt;

use super::record::{AttrSet, Flow, Status};
use super::tuple::{Family, Protocol, Tuple};

/// The line of `conntrack -L` for this flow, as far as it is known:
/// `tcp 6 431999 ESTABLISHED src=.. dst=.. sport=.. dport=.. src=.. dst=.. sport=.. dport=.. [ASSURED] mark=1`.
impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<8} {}", self.protocol.name(), self.protocol.0)?;
        if self.has(AttrSet::TIMEOUT) {
            write!(f, " {}", self.timeout)?;
        }
        if self.protocol == Protocol::TCP && self.has(AttrSet::TCP_STATE) {
            write!(f, " {}", self.tcp_state.name())?;
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
        Ok(())
    }
}

fn write_tuple(f: &mut fmt::Formatter<'_>, family: Family, protocol: Protocol, tuple: &Tuple) -> fmt::Result {
    write!(f, " src={} dst={}", tuple.source.ip(family), tuple.target.ip(family))?;
    if protocol.is_icmp() {
        write!(f, " type={} code={} id={}", tuple.icmp_type(), tuple.icmp_code(), tuple.icmp_id())
    } else if protocol == Protocol::GRE {
        write!(f, " srckey={:#x} dstkey={:#x}", tuple.source_port, tuple.target_port)
    } else if protocol.has_wire_ports() || protocol == Protocol::UDPLITE {
        write!(f, " sport={} dport={}", tuple.source_port, tuple.target_port)
    } else {
        Ok(())
    }
}
