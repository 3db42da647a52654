//! What few flows have, and expectations, as bytes: every field here too.

use alloc::vec::Vec;

use super::decoder::Damage;
use super::flow::{family, put_tuple, take_tuple};
use super::number::{Bytes, Coded, put_counted};
use crate::flow::{
    Dccp, ExpectFlags, ExpectNat, Expectation, ExtraSet, Extras, Labels, Name, Parent, Protocol, SctpState,
    SequenceShift, Synproxy, Tuple,
};

impl Coded for Extras {
    fn put(&self, out: &mut Vec<u8>) {
        let Self { parent, sequence, labels, synproxy, sctp_tags, helper, sctp_state, dccp, present } = self;
        parent.put(out);
        for shift in sequence {
            let SequenceShift { position, before, after } = shift;
            put_words([*position, *before, *after], out);
        }
        out.push(u8::try_from(labels.words().len()).unwrap_or(0));
        put_words(labels.words().iter().copied(), out);
        let Synproxy { isn, its, offset } = synproxy;
        put_words([*isn, *its, *offset], out);
        put_words(*sctp_tags, out);
        helper.put(out);
        let Dccp { state, role } = dccp;
        out.extend_from_slice(&[sctp_state.0, *state, *role, present.bits()]);
    }

    fn take(from: &mut Bytes<'_>) -> Result<Self, Damage> {
        let parent = Parent::take(from)?;
        let mut shift = || {
            let [position, before, after] = take_words(from)?;
            Ok(SequenceShift { position, before, after })
        };
        let sequence = [shift()?, shift()?];
        let words = match u8::take(from)? {
            count if usize::from(count) <= Labels::WORDS => count,
            _ => return Err(Damage::Number),
        };
        let words: Result<Vec<u32>, Damage> =
            (0..words).map(|_| take_words(from).map(|[word]| word)).collect();
        let labels = Labels::new(words?);
        let [isn, its, offset] = take_words(from)?;
        let sctp_tags = take_words(from)?;
        let helper = Name::take(from)?;
        let [sctp, state, role, present] = from.array()?;
        Ok(Self {
            parent,
            sequence,
            labels,
            synproxy: Synproxy { isn, its, offset },
            sctp_tags,
            helper,
            sctp_state: SctpState(sctp),
            dccp: Dccp { state, role },
            present: ExtraSet::from_bits(present),
        })
    }
}

impl Coded for Expectation {
    fn put(&self, out: &mut Vec<u8>) {
        let Self {
            parent,
            tuple,
            mask,
            protocol,
            mask_protocol,
            nat,
            helper,
            function,
            timeout,
            class,
            flags,
            id,
            zone,
        } = self;
        parent.put(out);
        tuple.put(out);
        mask.put(out);
        out.extend_from_slice(&[protocol.0, mask_protocol.0]);
        nat.put(out);
        helper.put(out);
        function.put(out);
        timeout.put(out);
        class.put(out);
        flags.0.put(out);
        put_words([*id], out);
        zone.put(out);
    }

    fn take(from: &mut Bytes<'_>) -> Result<Self, Damage> {
        let (parent, tuple, mask) = (Parent::take(from)?, Tuple::take(from)?, Tuple::take(from)?);
        let [protocol, mask_protocol] = from.array()?;
        Ok(Self {
            parent,
            tuple,
            mask,
            protocol: Protocol(protocol),
            mask_protocol: Protocol(mask_protocol),
            nat: Coded::take(from)?,
            helper: Coded::take(from)?,
            function: Coded::take(from)?,
            timeout: Coded::take(from)?,
            class: Coded::take(from)?,
            flags: ExpectFlags(Coded::take(from)?),
            id: take_words(from).map(|[id]| id)?,
            zone: Coded::take(from)?,
        })
    }
}

impl Coded for ExpectNat {
    fn put(&self, out: &mut Vec<u8>) {
        let Self { tuple, protocol, direction } = self;
        tuple.put(out);
        out.push(protocol.0);
        direction.put(out);
    }

    fn take(from: &mut Bytes<'_>) -> Result<Self, Damage> {
        let (tuple, [protocol]) = (Tuple::take(from)?, from.array()?);
        Ok(Self { tuple, protocol: Protocol(protocol), direction: Coded::take(from)? })
    }
}

impl Coded for Parent {
    fn put(&self, out: &mut Vec<u8>) {
        let Self { original, family, protocol } = self;
        original.put(out);
        out.extend_from_slice(&[*family as u8, protocol.0]);
    }

    fn take(from: &mut Bytes<'_>) -> Result<Self, Damage> {
        let (original, [number, protocol]) = (Tuple::take(from)?, from.array()?);
        Ok(Self { original, family: family(number)?, protocol: Protocol(protocol) })
    }
}

/// With all sixteen bytes of each address: there are few of these.
impl Coded for Tuple {
    fn put(&self, out: &mut Vec<u8>) {
        put_tuple(self, false, out);
    }

    fn take(from: &mut Bytes<'_>) -> Result<Self, Damage> {
        take_tuple(from, false)
    }
}

impl<const N: usize> Coded for Name<N> {
    fn put(&self, out: &mut Vec<u8>) {
        put_counted(self.as_str().as_bytes(), out);
    }

    fn take(from: &mut Bytes<'_>) -> Result<Self, Damage> {
        match from.counted()? {
            [] => Ok(Self::EMPTY),
            text if text.contains(&0) => Err(Damage::Value),
            text => Self::new(text).ok_or(Damage::Value),
        }
    }
}

fn put_words(words: impl IntoIterator<Item = u32>, out: &mut Vec<u8>) {
    for word in words {
        out.extend_from_slice(&word.to_le_bytes());
    }
}

fn take_words<const N: usize>(from: &mut Bytes<'_>) -> Result<[u32; N], Damage> {
    let mut words = [0; N];
    for word in &mut words {
        *word = u32::from_le_bytes(from.array()?);
    }
    Ok(words)
}
