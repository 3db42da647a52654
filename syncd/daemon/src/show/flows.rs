//! A flow as an object and as a line. Lines read like conntrackd's, which operators know and scripts grep.
//! Tested in `show/tests.rs`.

use serde::{Deserialize, Serialize};
use syncd_conntrack::Decoded;
use syncd_core::cache::external::Failure;
use syncd_core::flow::{AttrSet, ExtraSet, Family, FlowRef, Protocol, Status, Tuple};
use syncd_core::replica::Errno;

use super::extras::ExtrasView;

/// A flow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FlowView {
    /// `ipv4` or `ipv6`.
    pub(crate) family: String,
    /// As `conntrack(8)` names it.
    pub(crate) protocol: String,
    /// IANA's number.
    pub(crate) protocol_number: u8,
    /// Conntrack zone.
    pub(crate) zone: u16,
    /// Connection mark; none if it was not said.
    pub(crate) mark: Option<u32>,
    /// `IPS_*` bits (`enum ip_conntrack_status`); none if they were not said.
    #[serde(default)]
    pub(crate) status: Option<u32>,
    /// The direction of the first packet.
    pub(crate) original: TupleView,
    /// The direction of the answers; none if it was not said.
    pub(crate) reply: Option<TupleView>,
    /// State of TCP's or SCTP's tracking.
    pub(crate) state: Option<String>,
    /// TCP's window scales, original and reply, if they were said.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(default)]
    pub(crate) window_scales: Option<[u8; 2]>,
    /// Whether it is never dropped early.
    pub(crate) assured: bool,
    /// Whether packets were seen in both directions.
    pub(crate) seen_reply: bool,
    /// Seconds the kernel would keep it, when it was last said.
    pub(crate) timeout: Option<u32>,
    /// Seconds it has been in the cache; none for the kernel's own table.
    pub(crate) age: Option<u32>,
    /// Why it could not be committed, if that was tried.
    pub(crate) failure: Option<String>,
    /// The kernel's number for it; of the kernel's own table only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(default)]
    pub(crate) id: Option<u32>,
    /// What it has carried, original and reply: packets, bytes; of the kernel's own table, with `nf_conntrack_acct`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(default)]
    pub(crate) carried: Option<[[u64; 2]; 2]>,
    /// What few flows have.
    #[serde(flatten)]
    pub(crate) extras: ExtrasView,
}

/// One direction of a flow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TupleView {
    /// Who sends.
    pub(crate) source: String,
    /// Who receives.
    pub(crate) target: String,
    /// What tells flows between them apart.
    #[serde(flatten)]
    pub(crate) ends: Ends,
}

/// What tells flows between the same addresses apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Ends {
    /// Of ICMP.
    Icmp {
        /// Identifier.
        icmp_id: u16,
        /// Type.
        icmp_type: u8,
        /// Code.
        icmp_code: u8,
    },
    /// Of everything else; 0 where there are none.
    Ports {
        /// Of who sends.
        source_port: u16,
        /// Of who receives.
        target_port: u16,
    },
}

impl FlowView {
    /// A flow with what its cache knows about it.
    pub(crate) fn new<'a>(flow: impl Into<FlowRef<'a>>, age: Option<u32>, failure: Option<&Failure>) -> Self {
        let flow: FlowRef<'_> = flow.into();
        let tuple = |tuple| TupleView::new(flow.family, flow.protocol, tuple);
        let has_status = |bits| flow.has(AttrSet::STATUS) && flow.status.has(bits);
        Self {
            family: family_name(flow.family).to_owned(),
            protocol: flow.protocol.name().to_owned(),
            protocol_number: flow.protocol.0,
            zone: flow.zone,
            mark: flow.has(AttrSet::MARK).then_some(flow.mark),
            status: flow.has(AttrSet::STATUS).then_some(flow.status.0),
            original: tuple(&flow.original),
            reply: flow.has(AttrSet::REPLY).then(|| tuple(&flow.reply)),
            state: state_name(flow).map(str::to_owned),
            window_scales: window_scales(flow),
            assured: has_status(Status::ASSURED),
            seen_reply: has_status(Status::SEEN_REPLY),
            timeout: flow.has(AttrSet::TIMEOUT).then_some(flow.timeout),
            age,
            failure: failure.map(failure_text),
            id: None,
            carried: None,
            extras: ExtrasView::new(flow),
        }
    }
}

impl FlowView {
    /// A flow of the kernel's own table.
    pub(crate) fn of_kernel(flow: &Decoded) -> Self {
        let carried = flow.carried.map(|carried| [carried.packets, carried.bytes]);
        let whole = flow.whole();
        Self {
            id: whole.has(AttrSet::ID).then_some(whole.id),
            carried: (carried != [[0; 2]; 2]).then_some(carried),
            ..Self::new(whole, None, None)
        }
    }
}

/// The name of the state of TCP's or SCTP's tracking.
pub(crate) fn state_name(flow: FlowRef<'_>) -> Option<&'static str> {
    if flow.protocol == Protocol::TCP && flow.has(AttrSet::TCP_STATE) {
        return Some(flow.tcp_state.name());
    }
    let sctp = flow.extras.filter(|extras| extras.has(ExtraSet::SCTP_STATE));
    sctp.map(|extras| extras.sctp_state.name())
}

/// TCP's window scales, original and reply, if they were said.
pub(crate) fn window_scales(flow: FlowRef<'_>) -> Option<[u8; 2]> {
    let said = flow.protocol == Protocol::TCP && flow.has(AttrSet::TCP_SCALE);
    said.then_some([flow.tcp_scale_original, flow.tcp_scale_reply])
}

impl TupleView {
    /// As it is.
    pub(crate) fn new(family: Family, protocol: Protocol, tuple: &Tuple) -> Self {
        let ends = if protocol.is_icmp() {
            Ends::Icmp {
                icmp_id: tuple.icmp_id(),
                icmp_type: tuple.icmp_type(),
                icmp_code: tuple.icmp_code(),
            }
        } else {
            Ends::Ports { source_port: tuple.source_port, target_port: tuple.target_port }
        };
        Self {
            source: tuple.source.ip(family).to_string(),
            target: tuple.target.ip(family).to_string(),
            ends,
        }
    }
}

/// The word of the command line and of JSON.
pub(crate) const fn family_name(family: Family) -> &'static str {
    match family {
        Family::V4 => "ipv4",
        Family::V6 => "ipv6",
    }
}

/// A flow as a line.
pub(crate) fn line(whole: FlowRef<'_>, age: u32, failure: Option<&Failure>) -> String {
    // The time the kernel would keep it is not shown: it is old news, and conntrackd does not show it either.
    let mut flow = *whole.flow;
    flow.present = flow.present.without(AttrSet::TIMEOUT);
    let flow = FlowRef { flow: &flow, extras: whole.extras };
    let failure =
        failure.map(|failure| format!(" [not committed: {}]", failure_text(failure))).unwrap_or_default();
    format!("{flow} [active since {age}s]{failure}")
}

fn failure_text(failure: &Failure) -> String {
    let errno = Errno(failure.errno);
    match failure.existing {
        Some(existing) => format!("{errno}, in its place: {existing}"),
        None => errno.to_string(),
    }
}
