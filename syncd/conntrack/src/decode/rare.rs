//! What few flows have: the state of SCTP and DCCP, sequence shifts, a synproxy, labels, a helper, a parent.

use syncd_core::flow::{
    AttrSet, Dccp, ExtraSet, HelperName, Labels, Parent, SctpState, SequenceShift, Synproxy,
};

use super::{Reading, read_tuple};
use crate::nla::{Attribute, DecodeError};
use crate::uapi::{help, protoinfo, seqadj, synproxy};

impl Reading {
    /// The kernel says state and tags together, of an ended flow the state alone (`sctp_to_nlattr`).
    pub(super) fn sctp(&mut self, attribute: &Attribute<'_>) -> Result<(), DecodeError> {
        let mut tags = [None; 2];
        for field in attribute.nested() {
            let field = field?;
            match field.kind {
                protoinfo::SCTP_STATE => {
                    self.extras.sctp_state = SctpState(field.u8()?);
                    self.extras.said(ExtraSet::SCTP_STATE);
                }
                protoinfo::SCTP_VTAG_ORIGINAL => tags[0] = Some(field.be32()?),
                protoinfo::SCTP_VTAG_REPLY => tags[1] = Some(field.be32()?),
                _ => self.skip(),
            }
        }
        match tags {
            [Some(original), Some(reply)] => {
                self.extras.sctp_tags = [original, reply];
                self.extras.said(ExtraSet::SCTP_TAGS);
            }
            [None, None] => {}
            _ => self.skip(),
        }
        Ok(())
    }

    /// The handshake's sequence number, which only older kernels say, is not carried.
    pub(super) fn dccp(&mut self, attribute: &Attribute<'_>) -> Result<(), DecodeError> {
        let mut said = [None; 2];
        for field in attribute.nested() {
            let field = field?;
            match field.kind {
                protoinfo::DCCP_STATE => said[0] = Some(field.u8()?),
                protoinfo::DCCP_ROLE => said[1] = Some(field.u8()?),
                _ => self.skip(),
            }
        }
        if let [Some(state), Some(role)] = said {
            self.extras.dccp = Dccp { state, role };
            self.extras.said(ExtraSet::DCCP);
        }
        Ok(())
    }

    /// Entries made through netlink report a SYNPROXY block of zeros: no proxy is involved (facts; `ct->status` has
    /// no say in it).
    pub(super) fn synproxy(&mut self, attribute: &Attribute<'_>) -> Result<(), DecodeError> {
        let mut said = [None; 3];
        for field in attribute.nested() {
            let field = field?;
            match field.kind {
                synproxy::ISN => said[0] = Some(field.be32()?),
                synproxy::ITS => said[1] = Some(field.be32()?),
                synproxy::TSOFF => said[2] = Some(field.be32()?),
                _ => self.skip(),
            }
        }
        match said {
            [Some(0), Some(0), Some(0)] => self.flow.present = self.flow.present.with(AttrSet::SYNPROXY_ZERO),
            [Some(isn), Some(its), Some(offset)] => {
                self.extras.synproxy = Synproxy { isn, its, offset };
                self.extras.said(ExtraSet::SYNPROXY);
            }
            _ => self.skip(),
        }
        Ok(())
    }

    /// What the helper keeps to itself (`CTA_HELP_INFO`) cannot be told to another kernel.
    pub(super) fn helper(&mut self, attribute: &Attribute<'_>) -> Result<(), DecodeError> {
        for field in attribute.nested() {
            let field = field?;
            match (field.kind, HelperName::new(field.value)) {
                (help::NAME, Some(name)) => {
                    self.extras.helper = name;
                    self.extras.said(ExtraSet::HELPER);
                }
                _ => self.skip(),
            }
        }
        Ok(())
    }

    /// The kernel hands out its own memory: words of this CPU.
    pub(super) fn labels(&mut self, attribute: &Attribute<'_>) {
        let words = attribute.value.chunks_exact(4);
        let exact = words.remainder().is_empty() && attribute.value.len() <= 4 * Labels::WORDS;
        let labels =
            Labels::new(words.map(|word| u32::from_ne_bytes(word.try_into().expect("chunks of four"))));
        if !exact {
            self.skip();
        }
        if !labels.is_zero() {
            self.extras.labels = labels;
            self.extras.said(ExtraSet::LABELS);
        }
    }

    pub(super) fn parent(&mut self, attribute: &Attribute<'_>) -> Result<(), DecodeError> {
        let family = self.flow.family;
        let (protocol, original, unknown) = read_tuple(family, attribute)?;
        self.skipped = self.skipped.saturating_add(unknown);
        self.extras.parent = Parent { original, family, protocol };
        self.extras.said(ExtraSet::PARENT);
        Ok(())
    }

    /// The kernel says both directions or none (`ctnetlink_dump_ct_seq_adj`).
    pub(super) fn sequence(
        &mut self,
        attribute: &Attribute<'_>,
        direction: usize,
    ) -> Result<(), DecodeError> {
        let mut shift = SequenceShift::default();
        for field in attribute.nested() {
            let field = field?;
            match field.kind {
                seqadj::CORRECTION_POS => shift.position = field.be32()?,
                seqadj::OFFSET_BEFORE => shift.before = field.be32()?,
                seqadj::OFFSET_AFTER => shift.after = field.be32()?,
                _ => self.skip(),
            }
        }
        self.extras.sequence[direction] = shift;
        self.extras.said(ExtraSet::SEQUENCE);
        Ok(())
    }
}
