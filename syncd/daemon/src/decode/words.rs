//! The words for what a flow's line leaves out: bits of the status, and names of attributes.
//!
//! Which attributes of a message say nothing is found by leaving each out: what is then passed over is less by it. So
//! the readers of the core keep only a number, and the one place that decides stays theirs. Tested in `tests.rs` beside
//! it.

use std::collections::BTreeSet;

use syncd_core::flow::{AttrSet, FlowRef, Status, Synproxy};
use syncd_core::wire::attr::{Attr, AttrKind, attributes};
use syncd_core::wire::{FrameView, decode_expectation, decode_flow, frames};

use crate::show::view::window_scales;

/// Bytes before a message's attributes.
const HEADER: usize = 8;

/// The bits of a flow's status, from the lowest (`enum ip_conntrack_status`, linux/netfilter/nf_conntrack_common.h).
const STATUS: [&str; 16] = [
    "EXPECTED",
    "SEEN_REPLY",
    "ASSURED",
    "CONFIRMED",
    "SRC_NAT",
    "DST_NAT",
    "SEQ_ADJUST",
    "SRC_NAT_DONE",
    "DST_NAT_DONE",
    "DYING",
    "FIXED_TIMEOUT",
    "TEMPLATE",
    "NAT_CLASH",
    "HELPER",
    "OFFLOAD",
    "HW_OFFLOAD",
];

/// The attributes of a flow, by their number.
const OF_FLOW: [&str; 33] = [
    "IPV4",
    "IPV6",
    "L4PROTO",
    "PORT",
    "TCP_STATE",
    "STATUS",
    "TIMEOUT",
    "MARK",
    "MASTER_IPV4",
    "MASTER_IPV6",
    "MASTER_L4PROTO",
    "MASTER_PORT",
    "SNAT_IPV4",
    "DNAT_IPV4",
    "SPAT_PORT",
    "DPAT_PORT",
    "NAT_SEQ_ADJ",
    "SCTP_STATE",
    "SCTP_VTAG_ORIG",
    "SCTP_VTAG_REPL",
    "DCCP_STATE",
    "DCCP_ROLE",
    "ICMP_TYPE",
    "ICMP_CODE",
    "ICMP_ID",
    "TCP_WSCALE_ORIG",
    "TCP_WSCALE_REPL",
    "HELPER_NAME",
    "LABELS",
    "SNAT_IPV6",
    "DNAT_IPV6",
    "SYNPROXY",
    "ZONE",
];

/// The attributes of an expectation, by their number.
const OF_EXPECTATION: [&str; 21] = [
    "MASTER_IPV4",
    "MASTER_IPV6",
    "MASTER_L4PROTO",
    "MASTER_PORT",
    "EXPECT_IPV4",
    "EXPECT_IPV6",
    "EXPECT_L4PROTO",
    "EXPECT_PORT",
    "MASK_IPV4",
    "MASK_IPV6",
    "MASK_L4PROTO",
    "MASK_PORT",
    "TIMEOUT",
    "FLAGS",
    "CLASS",
    "NAT_IPV4",
    "NAT_PORT",
    "NAT_L4PROTO",
    "NAT_DIR",
    "HELPER_NAME",
    "FN",
];

/// What the peer said of a flow that its line, which is `conntrack(8)`'s, has no column for.
pub(super) fn beside_the_line(flow: FlowRef<'_>) -> String {
    let mut words = String::new();
    if flow.has(AttrSet::STATUS) {
        words += &format!(" status={}", status(flow.status));
    }
    if let Some([original, reply]) = window_scales(flow) {
        words += &format!(" wscale={original}/{reply}");
    }
    if flow.has(AttrSet::SYNPROXY_ZERO) {
        let Synproxy { isn, its, offset } = Synproxy::default();
        words += &format!(" synproxy=isn:{isn} its:{its} offset:{offset}");
    }
    words
}

/// As a number and in the kernel's words: `0x440e(SEEN_REPLY|ASSURED|CONFIRMED|FIXED_TIMEOUT|OFFLOAD)`.
fn status(status: Status) -> String {
    let mut words: Vec<String> = STATUS
        .iter()
        .enumerate()
        .filter(|(bit, _)| status.has(1 << bit))
        .map(|(_, word)| (*word).to_owned())
        .collect();
    let rest = status.0 >> STATUS.len() << STATUS.len();
    if rest != 0 {
        words.push(format!("{rest:#x}"));
    }
    format!("{:#x}({})", status.0, words.join("|"))
}

/// Which attributes of this message say nothing to us; `count` of them were passed over.
pub(super) fn passed_over(view: &FrameView<'_>, count: u32) -> Vec<String> {
    if count == 0 {
        return Vec::new();
    }
    let names: &[&str] = if view.change().is_some() { &OF_FLOW } else { &OF_EXPECTATION };
    let all: Vec<Attr<'_>> = attributes(view.body()).map_while(Result::ok).collect();
    let kinds: BTreeSet<u16> = all.iter().map(|attr| attr.kind.0).collect();
    let says_nothing = |kind: &u16| {
        usize::from(*kind) >= names.len()
            || without(view, &all, AttrKind(*kind)).is_some_and(|rest| rest < count)
    };
    let name = |kind: u16| match names.get(usize::from(kind)) {
        Some(name) => (*name).to_owned(),
        None => format!("number {kind}"),
    };
    kinds.into_iter().filter(says_nothing).map(name).collect()
}

/// How many attributes are passed over when this one is not there; none if there is then no message.
fn without(view: &FrameView<'_>, all: &[Attr<'_>], left_out: AttrKind) -> Option<u32> {
    let mut frame = vec![0x10 | view.kind() as u8, 0, 0, 0, 0, 0, 0, 0];
    for attr in all.iter().filter(|attr| attr.kind != left_out) {
        let length = u16::try_from(4 + attr.payload.len()).ok()?;
        frame.extend(length.to_be_bytes());
        frame.extend(attr.kind.0.to_be_bytes());
        frame.extend(attr.payload);
        frame.resize(HEADER + (frame.len() - HEADER).next_multiple_of(4), 0);
    }
    let length = u16::try_from(frame.len()).ok()?;
    frame[2..4].copy_from_slice(&length.to_be_bytes());
    let rest = frames(&frame).next()?.ok()?;
    match view.change() {
        Some(_) => decode_flow(&rest).ok().map(|decoded| decoded.skipped),
        None => decode_expectation(&rest).ok().map(|decoded| decoded.skipped),
    }
}
