//! A flow as a request to the kernel: the kernel's manners, each with its reason.
//!
//! Never sends a byte and never decides whether a request is a good idea. Driven by [`Batch`](crate::Batch) and
//! [`QuerySocket`](crate::QuerySocket); tested in `encode/tests.rs`, and what it writes is read back by an independent
//! decoder (`tests/oracle`) and by the kernel (`tests/kernel.rs`).
//!
//! The manners, found by experiment on Linux 6.18 (`net/netfilter/nf_conntrack_netlink.c`,
//! `nf_conntrack_proto_tcp.c`):
//!
//! - *The reply tuple of a create is never translated.* Given a translated one the kernel answers OK and builds an
//!   entry that translates no packet. It wants the inverse of the original and `CTA_NAT_SRC` / `CTA_NAT_DST`.
//! - *Translation names its port*, also when the port stays: else the kernel may choose another.
//! - *Status may say SEEN_REPLY and ASSURED, must say CONFIRMED.* Without CONFIRMED, or with EXPECTED or DYING, the
//!   answer is `EBUSY`; NAT bits are dropped; FIXED_TIMEOUT would freeze the entry for ever.
//! - *A timeout is mandatory* on create (`EINVAL`).
//! - *Window scales count only with flag WINDOW_SCALE in both directions*, flag and mask; otherwise they are dropped
//!   silently. A scale above 14 (RFC 7323) or a state out of range is `ERANGE`.
//! - *TCP is liberal.* Sequence numbers cannot be carried, so the first packets after a failover look out of window;
//!   without BE_LIBERAL in both directions every seventh bulk download died.
//! - *SCTP takes all three, state and both tags, or nothing* (`EINVAL`).
//! - *An update never names NAT, a parent or a helper* (`EOPNOTSUPP`, `EBUSY`): these are for life. A helper that this
//!   kernel does not have is `EOPNOTSUPP` on create, a parent that is not there `ENOENT`.
//! - *Labels are dropped without a word on create, and `ENOSPC` on update, while no rule here uses any.* An update says
//!   them with a full mask, which replaces all.
//! - *A synproxy takes all three of its numbers.*
//! - *A delete names a tuple.* Without one it flushes the table.
//! - *Failure is always answered, success only when asked* (`NLM_F_ACK`). Changes do not ask, because each answer costs
//!   a third of a creation; [`Batch`](crate::Batch) asks for its last request.

mod rare;

use syncd_core::flow::{
    Address, AttrSet, Extras, Family, Flow, FlowRef, Protocol, Status, TcpFlags, TcpState, Tuple,
};

use crate::message;
use crate::nla::{Attributes, put, put_nested};
use crate::uapi::{HEADER_LEN, NFGEN_LEN, cta, flag, ip, kind, nat, proto, protoinfo, tuple};

#[cfg(test)]
mod tests;

/// No request about a flow or an expectation is longer, in bytes.
pub const MAX_REQUEST: usize = 768;

/// The largest window scale, RFC 7323 section 2.3: a larger one is to be used as 14.
const MAX_SCALE: u8 = 14;

/// Appends a request to create `flow`, to be kept for `timeout` seconds. It fails with `EEXIST` when the original or
/// the translated reply tuple is taken, in either direction.
///
/// Flags CREATE and EXCL: without EXCL an existing entry would be updated, NAT refused with `EOPNOTSUPP`.
/// A CTA_SYNPROXY of zeros is not sent: it means nothing.
pub fn create<'a>(out: &mut Vec<u8>, seq: u32, flow: impl Into<FlowRef<'a>>, timeout: u32) {
    let FlowRef { flow, extras } = flow.into();
    request(out, kind::NEW, flag::CREATE | flag::EXCL, seq, flow.family, |out| {
        put_identity(out, flow);
        // Not `flow.reply`, which is what the kernel shall make of this and of CTA_NAT_*.
        let plain = flow.original.inverse(flow.protocol);
        put_tuple(out, cta::TUPLE_REPLY, flow.family, flow.protocol, &plain);
        put_status(out, flow);
        put(out, cta::TIMEOUT, &timeout.to_be_bytes());
        if flow.mark != 0 {
            put(out, cta::MARK, &flow.mark.to_be_bytes());
        }
        put_protoinfo(out, flow, extras);
        put_translation(out, flow);
        if let Some(extras) = extras {
            rare::put_for_life(out, flow.family, extras);
            rare::put_changing(out, extras);
        }
    });
}

/// Appends a request to bring the existing entry of `flow` to what `flow` says, and to keep it for `timeout` seconds.
/// `ENOENT` when there is none.
///
/// The lookup takes the original tuple in either direction, so it may find an entry whose *reply* it is. A mark is sent
/// also when it is 0, because the entry may still carry an older one; and where none was said it is 0, because events leave
/// it out then.
pub fn update<'a>(out: &mut Vec<u8>, seq: u32, flow: impl Into<FlowRef<'a>>, timeout: u32) {
    put_update(out, seq, flow.into(), timeout, true);
}

/// As [`update`], without a status: for the second attempt after `EBUSY`, which says that the entry is already further
/// than `flow` (SEEN_REPLY and ASSURED can only be set), or differs in EXPECTED.
pub fn update_without_status<'a>(out: &mut Vec<u8>, seq: u32, flow: impl Into<FlowRef<'a>>, timeout: u32) {
    put_update(out, seq, flow.into(), timeout, false);
}

fn put_update(out: &mut Vec<u8>, seq: u32, whole: FlowRef<'_>, timeout: u32, with_status: bool) {
    let FlowRef { flow, extras } = whole;
    request(out, kind::NEW, 0, seq, flow.family, |out| {
        put_identity(out, flow);
        if with_status && flow.has(AttrSet::STATUS) {
            put_status(out, flow);
        }
        put(out, cta::TIMEOUT, &timeout.to_be_bytes());
        put(out, cta::MARK, &flow.mark.to_be_bytes());
        put_protoinfo(out, flow, extras);
        if let Some(extras) = extras {
            rare::put_changing(out, extras);
            rare::put_labels_mask(out, extras);
        }
    });
}

/// Appends a request to take the packets of the TCP flow `flow` as they come, in both directions: what the kernel knows
/// of its windows may be old. Its state, its timeout and all else stay. `ENOENT` when there is none.
pub fn relax(out: &mut Vec<u8>, seq: u32, flow: &Flow) {
    let flow = Flow { present: AttrSet::EMPTY, ..*flow };
    request(out, kind::NEW, 0, seq, flow.family, |out| {
        put_identity(out, &flow);
        put_protoinfo(out, &flow, None);
    });
}

/// Appends a request to keep `flow` for `timeout` seconds; all else of it stays. `ENOENT` when there is none.
pub fn shorten(out: &mut Vec<u8>, seq: u32, flow: &Flow, timeout: u32) {
    request(out, kind::NEW, 0, seq, flow.family, |out| {
        put_identity(out, flow);
        put(out, cta::TIMEOUT, &timeout.to_be_bytes());
    });
}

/// Appends a request to delete `flow`: by original tuple and zone, and only this life of it when its id is known
/// (`ENOENT` when the id differs).
///
/// # Panics
/// When the request came out without a tuple, which would flush the whole table.
pub fn delete(out: &mut Vec<u8>, seq: u32, flow: &Flow) {
    let start = out.len();
    request(out, kind::DELETE, 0, seq, flow.family, |out| {
        put_identity(out, flow);
        if flow.has(AttrSet::ID) {
            put(out, cta::ID, &flow.id.to_be_bytes());
        }
    });
    let first = Attributes::new(&out[start + HEADER_LEN + NFGEN_LEN..]).next();
    let names_one = matches!(first, Some(Ok(a)) if a.kind == cta::TUPLE_ORIG && a.nested().count() == 2);
    assert!(names_one, "a delete without a tuple flushes the kernel's table");
}

/// Appends a request for the entry of which `flow.original` is a tuple.
///
/// Flag ACK on both kinds of GET: the answer carries `NLM_F_MULTI` and yet no DONE follows, so that without the
/// acknowledgement nobody knows when to stop reading.
pub fn get_by_original(out: &mut Vec<u8>, seq: u32, flow: &Flow) {
    request(out, kind::GET, flag::ACK, seq, flow.family, |out| put_identity(out, flow));
}

/// Appends a request for the entry of which `flow.reply` is a tuple: whoever holds the translated port that `flow`
/// wants.
pub fn get_by_reply(out: &mut Vec<u8>, seq: u32, flow: &Flow) {
    request(out, kind::GET, flag::ACK, seq, flow.family, |out| {
        put_tuple(out, cta::TUPLE_REPLY, flow.family, flow.protocol, &flow.reply);
        put_zone(out, flow);
    });
}

/// Appends a request for all entries of both families (family 0).
pub fn dump(out: &mut Vec<u8>, seq: u32) {
    let start = message::begin(out, (kind::SUBSYSTEM, kind::GET), flag::DUMP, seq, 0);
    message::end(out, start);
}

/// Appends a request for the number of entries.
pub fn get_stats(out: &mut Vec<u8>, seq: u32) {
    let start = message::begin(out, (kind::SUBSYSTEM, kind::GET_STATS), flag::ACK, seq, 0);
    message::end(out, start);
}

fn request(
    out: &mut Vec<u8>,
    operation: u8,
    flags: u16,
    seq: u32,
    family: Family,
    fill: impl FnOnce(&mut Vec<u8>),
) {
    let start = message::begin(out, (kind::SUBSYSTEM, operation), flags, seq, family as u8);
    fill(out);
    message::end(out, start);
    assert!(out.len() - start <= MAX_REQUEST, "a request outgrew MAX_REQUEST");
}

/// The original tuple, first in every request about one flow, and the zone.
fn put_identity(out: &mut Vec<u8>, flow: &Flow) {
    put_tuple(out, cta::TUPLE_ORIG, flow.family, flow.protocol, &flow.original);
    put_zone(out, flow);
}

/// Zone 0 is what the kernel takes when none is said.
fn put_zone(out: &mut Vec<u8>, flow: &Flow) {
    if flow.zone != 0 {
        put(out, cta::ZONE, &flow.zone.to_be_bytes());
    }
}

pub(crate) fn put_tuple(
    out: &mut Vec<u8>,
    attribute: u16,
    family: Family,
    protocol: Protocol,
    value: &Tuple,
) {
    put_nested(out, attribute, |out| {
        put_nested(out, tuple::IP, |out| match family {
            Family::V4 => {
                put(out, ip::V4_SRC, &value.source.v4());
                put(out, ip::V4_DST, &value.target.v4());
            }
            Family::V6 => {
                put(out, ip::V6_SRC, &value.source.v6());
                put(out, ip::V6_DST, &value.target.v6());
            }
        });
        put_nested(out, tuple::PROTO, |out| put_protocol(out, protocol, value));
    });
}

fn put_protocol(out: &mut Vec<u8>, protocol: Protocol, value: &Tuple) {
    put(out, proto::NUM, &[protocol.0]);
    match protocol {
        Protocol::ICMP => {
            put(out, proto::ICMP_ID, &value.icmp_id().to_be_bytes());
            put(out, proto::ICMP_TYPE, &[value.icmp_type()]);
            put(out, proto::ICMP_CODE, &[value.icmp_code()]);
        }
        Protocol::ICMP6 => {
            put(out, proto::ICMPV6_ID, &value.icmp_id().to_be_bytes());
            put(out, proto::ICMPV6_TYPE, &[value.icmp_type()]);
            put(out, proto::ICMPV6_CODE, &[value.icmp_code()]);
        }
        _ if protocol.has_kernel_ports() => {
            put(out, proto::SRC_PORT, &value.source_port.to_be_bytes());
            put(out, proto::DST_PORT, &value.target_port.to_be_bytes());
        }
        _ => {}
    }
}

fn put_status(out: &mut Vec<u8>, flow: &Flow) {
    let may = flow.status.0 & (Status::SEEN_REPLY | Status::ASSURED);
    put(out, cta::STATUS, &(may | Status::CONFIRMED).to_be_bytes());
}

fn put_protoinfo(out: &mut Vec<u8>, flow: &Flow, extras: Option<&Extras>) {
    match (flow.protocol, extras) {
        (Protocol::TCP, _) => put_nested(out, cta::PROTOINFO, |out| {
            put_nested(out, protoinfo::TCP, |out| put_tcp(out, flow));
        }),
        (Protocol::SCTP, Some(extras)) => rare::put_sctp(out, extras),
        (Protocol::DCCP, Some(extras)) => rare::put_dccp(out, extras),
        _ => {}
    }
}

fn put_tcp(out: &mut Vec<u8>, flow: &Flow) {
    if flow.has(AttrSet::TCP_STATE) {
        put(out, protoinfo::TCP_STATE, &[flow.tcp_state.0.min(TcpState::MAX.0)]);
    }
    let mut flags = TcpFlags::BE_LIBERAL;
    if flow.has(AttrSet::TCP_SCALE) {
        flags |= TcpFlags::WINDOW_SCALE;
        put(out, protoinfo::TCP_WSCALE_ORIGINAL, &[flow.tcp_scale_original.min(MAX_SCALE)]);
        put(out, protoinfo::TCP_WSCALE_REPLY, &[flow.tcp_scale_reply.min(MAX_SCALE)]);
    }
    // Flags and their mask: bits outside the mask stay as they are. The others (SACK_PERM, MAXACK_SET ...) go with
    // sequence numbers, which nobody can carry; the kernel learns them again from the first packets.
    put(out, protoinfo::TCP_FLAGS_ORIGINAL, &[flags, flags]);
    put(out, protoinfo::TCP_FLAGS_REPLY, &[flags, flags]);
}

/// `CTA_NAT_SRC` and `CTA_NAT_DST`, where the reply tuple differs from the plain one or the status says NAT.
/// Giving one makes the kernel settle the other as "none".
fn put_translation(out: &mut Vec<u8>, flow: &Flow) {
    if !flow.has(AttrSet::REPLY) {
        return;
    }
    let said = |bit| flow.has(AttrSet::STATUS) && flow.status.has(bit);
    let icmp = flow.protocol.is_icmp();
    if flow.source_nat().is_some() || said(Status::SRC_NAT) {
        let port = if icmp { flow.reply.icmp_id() } else { flow.reply.target_port };
        put_nat(out, cta::NAT_SRC, flow, flow.reply.target, port);
    }
    if flow.target_nat().is_some() || said(Status::DST_NAT) {
        let port = if icmp { flow.reply.icmp_id() } else { flow.reply.source_port };
        put_nat(out, cta::NAT_DST, flow, flow.reply.source, port);
    }
}

/// One address and one port, as a range from it to itself.
fn put_nat(out: &mut Vec<u8>, attribute: u16, flow: &Flow, address: Address, port: u16) {
    put_nested(out, attribute, |out| {
        match flow.family {
            Family::V4 => {
                put(out, nat::V4_MINIP, &address.v4());
                put(out, nat::V4_MAXIP, &address.v4());
            }
            Family::V6 => {
                put(out, nat::V6_MINIP, &address.v6());
                put(out, nat::V6_MAXIP, &address.v6());
            }
        }
        if flow.protocol.has_kernel_ports() || flow.protocol.is_icmp() {
            put_nested(out, nat::PROTO, |out| {
                put(out, nat::PROTO_PORT_MIN, &port.to_be_bytes());
                put(out, nat::PROTO_PORT_MAX, &port.to_be_bytes());
            });
        }
    });
}
