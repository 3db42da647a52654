//! What few flows have, as attributes of a request. The manners are in the file above.

use syncd_core::flow::{ExtraSet, Extras, Family, SctpState};

use super::put_tuple;
use crate::nla::{put, put_nested};
use crate::uapi::{cta, help, protoinfo, seqadj, synproxy};

/// The highest state of SCTP that the kernel takes (`SCTP_CONNTRACK_HEARTBEAT_SENT`).
const MAX_SCTP_STATE: u8 = 8;

/// State and both tags of SCTP, or nothing.
pub(super) fn put_sctp(out: &mut Vec<u8>, extras: &Extras) {
    if !extras.has(ExtraSet::SCTP_STATE.with(ExtraSet::SCTP_TAGS)) {
        return;
    }
    // Older kernels have one more, which says of a second path what ESTABLISHED says of the first.
    let SctpState(state) = extras.sctp_state;
    let state = if state > MAX_SCTP_STATE { SctpState::ESTABLISHED.0 } else { state };
    put_nested(out, cta::PROTOINFO, |out| {
        put_nested(out, protoinfo::SCTP, |out| {
            put(out, protoinfo::SCTP_STATE, &[state]);
            put(out, protoinfo::SCTP_VTAG_ORIGINAL, &extras.sctp_tags[0].to_be_bytes());
            put(out, protoinfo::SCTP_VTAG_REPLY, &extras.sctp_tags[1].to_be_bytes());
        });
    });
}

/// State and role of DCCP. A kernel that no longer tracks it ignores them.
pub(super) fn put_dccp(out: &mut Vec<u8>, extras: &Extras) {
    if !extras.has(ExtraSet::DCCP) {
        return;
    }
    put_nested(out, cta::PROTOINFO, |out| {
        put_nested(out, protoinfo::DCCP, |out| {
            put(out, protoinfo::DCCP_STATE, &[extras.dccp.state]);
            put(out, protoinfo::DCCP_ROLE, &[extras.dccp.role]);
        });
    });
}

/// Helper and parent, which only a creation may name.
pub(super) fn put_for_life(out: &mut Vec<u8>, family: Family, extras: &Extras) {
    if let Some(helper) = extras.helper() {
        put_nested(out, cta::HELP, |out| put(out, help::NAME, helper.with_nul()));
    }
    // A parent of the other family cannot be said: the message has one family.
    if let Some(parent) = extras.parent().filter(|parent| parent.family == family) {
        put_tuple(out, cta::TUPLE_MASTER, family, parent.protocol, &parent.original);
    }
}

/// What a creation and an update may both say.
pub(super) fn put_changing(out: &mut Vec<u8>, extras: &Extras) {
    if extras.has(ExtraSet::SEQUENCE) {
        for (attribute, shift) in [cta::SEQ_ADJ_ORIG, cta::SEQ_ADJ_REPLY].into_iter().zip(extras.sequence) {
            put_nested(out, attribute, |out| {
                put(out, seqadj::CORRECTION_POS, &shift.position.to_be_bytes());
                put(out, seqadj::OFFSET_BEFORE, &shift.before.to_be_bytes());
                put(out, seqadj::OFFSET_AFTER, &shift.after.to_be_bytes());
            });
        }
    }
    if extras.has(ExtraSet::SYNPROXY) {
        put_nested(out, cta::SYNPROXY, |out| {
            put(out, synproxy::ISN, &extras.synproxy.isn.to_be_bytes());
            put(out, synproxy::ITS, &extras.synproxy.its.to_be_bytes());
            put(out, synproxy::TSOFF, &extras.synproxy.offset.to_be_bytes());
        });
    }
    if extras.has(ExtraSet::LABELS) {
        // The kernel takes its own memory: words of this CPU.
        put(out, cta::LABELS, extras.labels.all().map(u32::to_ne_bytes).as_flattened());
    }
}

/// The mask that belongs to the labels of an update: all of them are meant.
pub(super) fn put_labels_mask(out: &mut Vec<u8>, extras: &Extras) {
    if extras.has(ExtraSet::LABELS) {
        put(out, cta::LABELS_MASK, &[0xff; size_of::<u128>()]);
    }
}
