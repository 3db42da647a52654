//! What few flows have, as keys of a flow's object that are there only when the flow has it. Tested in
//! `show/tests.rs`.

use serde::{Deserialize, Serialize};
use syncd_core::flow::{AttrSet, ExtraSet, Extras, FlowRef, Parent, SequenceShift, Synproxy};

use super::flows::TupleView;

/// The extras of a flow.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ExtrasView {
    /// Name of the helper that reads it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) helper: Option<String>,
    /// The flow that caused it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) parent: Option<ParentView>,
    /// Labels, as one number in hex: label n is bit n.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) labels: Option<String>,
    /// SCTP's verification tags, original and reply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sctp_tags: Option<[u32; 2]>,
    /// DCCP's state and role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) dccp: Option<[u8; 2]>,
    /// A synproxy's numbers: isn, its, offset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) synproxy: Option<[u32; 3]>,
    /// Shift of sequence numbers, original and reply: position, bytes before, bytes after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sequence: Option<[[i64; 3]; 2]>,
}

/// A parent: its protocol and its original tuple.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ParentView {
    protocol: String,
    #[serde(default)]
    protocol_number: u8,
    #[serde(flatten)]
    original: TupleView,
}

impl ParentView {
    /// As it is.
    pub(crate) fn new(parent: &Parent) -> Self {
        let original = TupleView::new(parent.family, parent.protocol, &parent.original);
        Self { protocol: parent.protocol.name().to_owned(), protocol_number: parent.protocol.0, original }
    }
}

impl ExtrasView {
    /// As they are. Of a synproxy that has no numbers yet nothing is held but that it was said.
    pub(crate) fn new(flow: FlowRef<'_>) -> Self {
        let none = Extras::default();
        let extras = flow.extras.unwrap_or(&none);
        let said = |what| extras.has(what);
        let Synproxy { isn, its, offset } = extras.synproxy;
        let zero = flow.has(AttrSet::SYNPROXY_ZERO).then_some([0; 3]);
        let shift = |shift: SequenceShift| {
            let signed = |bytes: u32| i64::from(bytes.cast_signed());
            [i64::from(shift.position), signed(shift.before), signed(shift.after)]
        };
        Self {
            helper: extras.helper().map(|helper| helper.to_string()),
            parent: extras.parent().as_ref().map(ParentView::new),
            labels: said(ExtraSet::LABELS).then(|| format!("{:#x}", extras.labels.bits())),
            sctp_tags: said(ExtraSet::SCTP_TAGS).then_some(extras.sctp_tags),
            dccp: said(ExtraSet::DCCP).then_some([extras.dccp.state, extras.dccp.role]),
            synproxy: said(ExtraSet::SYNPROXY).then_some([isn, its, offset]).or(zero),
            sequence: said(ExtraSet::SEQUENCE).then(|| extras.sequence.map(shift)),
        }
    }
}
