//! What few flows have: the state of SCTP and DCCP, sequence adjustment, a synproxy's numbers, labels, a helper, a
//! parent. Kept apart from [`Flow`](super::Flow), so that a million plain flows do not pay for it.
//!
//! As in a flow, a field counts only when its bit in [`Extras::present`] is set; the others are as in
//! [`Extras::EMPTY`]. Tested in `tests.rs` beside it.

use super::name::HelperName;
use super::record::Key;
use super::tuple::{Family, Protocol, Tuple};

/// Which fields of [`Extras`] were said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct ExtraSet(u8);

impl ExtraSet {
    /// Nothing was said.
    pub const EMPTY: Self = Self(0);
    /// [`Extras::sctp_state`].
    pub const SCTP_STATE: Self = Self(1);
    /// [`Extras::sctp_tags`].
    pub const SCTP_TAGS: Self = Self(1 << 1);
    /// [`Extras::dccp`].
    pub const DCCP: Self = Self(1 << 2);
    /// [`Extras::sequence`].
    pub const SEQUENCE: Self = Self(1 << 3);
    /// [`Extras::synproxy`].
    pub const SYNPROXY: Self = Self(1 << 4);
    /// [`Extras::labels`].
    pub const LABELS: Self = Self(1 << 5);
    /// [`Extras::helper`].
    pub const HELPER: Self = Self(1 << 6);
    /// [`Extras::parent`].
    pub const PARENT: Self = Self(1 << 7);

    /// The set as a number; means something to the same version only.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// The set that was this number.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    /// Whether all bits of `other` are set.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both sets together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// This set without the bits of `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

/// A state of SCTP's tracking (`enum sctp_conntrack`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct SctpState(pub u8);

impl SctpState {
    /// `SCTP_CONNTRACK_ESTABLISHED`.
    pub const ESTABLISHED: Self = Self(4);

    /// The name `conntrack(8)` prints.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self.0 {
            0 => "NONE",
            1 => "CLOSED",
            2 => "COOKIE_WAIT",
            3 => "COOKIE_ECHOED",
            4 => "ESTABLISHED",
            5 => "SHUTDOWN_SENT",
            6 => "SHUTDOWN_RECD",
            7 => "SHUTDOWN_ACK_SENT",
            8 => "HEARTBEAT_SENT",
            _ => "UNKNOWN",
        }
    }
}

/// DCCP's state and role. Recent kernels track DCCP no more; a peer with an older one tells of it, and it is
/// passed through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Dccp {
    /// `enum ct_dccp_states`.
    pub state: u8,
    /// `enum ct_dccp_roles` of the original direction: 0 client, 1 server.
    pub role: u8,
}

/// By how much the sequence numbers of one direction are shifted since a helper rewrote a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct SequenceShift {
    /// Sequence number at which the last change happened.
    pub position: u32,
    /// Bytes (two's complement) to add before that position.
    pub before: u32,
    /// Bytes (two's complement) to add after it.
    pub after: u32,
}

/// A synproxy's numbers. All zero means that there is none: see
/// [`AttrSet::SYNPROXY_ZERO`](super::AttrSet::SYNPROXY_ZERO).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Synproxy {
    /// Initial sequence number that the proxy chose.
    pub isn: u32,
    /// Initial timestamp.
    pub its: u32,
    /// What is added to timestamps.
    pub offset: u32,
}

/// Labels of a flow: 128 bits in the kernel. Label `n` is bit `n % 32` of word `n / 32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Labels {
    words: [u32; Self::WORDS],
    /// How many words were said.
    said: u8,
}

impl Labels {
    /// As many words as the kernel keeps (`NF_CT_LABELS_MAX_SIZE`).
    pub const WORDS: usize = 4;

    /// These words; those beyond the fourth do not fit and are lost.
    #[must_use]
    pub fn new(said: impl IntoIterator<Item = u32>) -> Self {
        let mut labels = Self::default();
        for (place, word) in labels.words.iter_mut().zip(said) {
            *place = word;
            labels.said += 1;
        }
        labels
    }

    /// The words that were said.
    #[must_use]
    pub fn words(&self) -> &[u32] {
        &self.words[..usize::from(self.said)]
    }

    /// All words, zero where none was said.
    #[must_use]
    pub const fn all(&self) -> [u32; Self::WORDS] {
        self.words
    }

    /// Whether no label is set.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.words == [0; Self::WORDS]
    }

    /// The labels as one number.
    #[must_use]
    pub fn bits(&self) -> u128 {
        self.words.iter().rev().fold(0, |bits, word| bits << 32 | u128::from(*word))
    }
}

/// The flow that caused a related one: its zone is the related flow's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Parent {
    /// Its original tuple.
    pub original: Tuple,
    /// Its layer 3 family.
    pub family: Family,
    /// Its layer 4 protocol.
    pub protocol: Protocol,
}

impl Parent {
    const NOBODY: Self = Self { original: Tuple::NOWHERE, family: Family::V4, protocol: Protocol(0) };

    /// What identifies it in that zone.
    #[must_use]
    pub const fn key(&self, zone: u16) -> Key {
        Key { original: self.original, zone, protocol: self.protocol, family: self.family }
    }
}

/// What few flows have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extras {
    /// The flow that caused this one (its `master`).
    pub parent: Parent,
    /// Shifts of the original and the reply direction.
    pub sequence: [SequenceShift; 2],
    /// Labels.
    pub labels: Labels,
    /// A synproxy's numbers, not all zero.
    pub synproxy: Synproxy,
    /// Verification tags that packets of the original and of the reply direction must carry, RFC 9260.
    pub sctp_tags: [u32; 2],
    /// The helper that reads the flow.
    pub helper: HelperName,
    /// State of SCTP's tracking.
    pub sctp_state: SctpState,
    /// State of DCCP's tracking.
    pub dccp: Dccp,
    /// Which of the fields were said.
    pub present: ExtraSet,
}

impl Extras {
    /// Nothing.
    pub const EMPTY: Self = Self {
        parent: Parent::NOBODY,
        sequence: [SequenceShift { position: 0, before: 0, after: 0 }; 2],
        labels: Labels { words: [0; Labels::WORDS], said: 0 },
        synproxy: Synproxy { isn: 0, its: 0, offset: 0 },
        sctp_tags: [0; 2],
        helper: HelperName::EMPTY,
        sctp_state: SctpState(0),
        dccp: Dccp { state: 0, role: 0 },
        present: ExtraSet::EMPTY,
    };

    /// Whether `what` was said.
    #[must_use]
    pub const fn has(&self, what: ExtraSet) -> bool {
        self.present.has(what)
    }

    /// Whether nothing was said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.present == ExtraSet::EMPTY
    }

    /// Notes that `what` is said.
    pub const fn said(&mut self, what: ExtraSet) {
        self.present = self.present.with(what);
    }

    /// The helper, if one was said.
    #[must_use]
    pub fn helper(&self) -> Option<HelperName> {
        self.has(ExtraSet::HELPER).then_some(self.helper)
    }

    /// The parent, if one was said.
    #[must_use]
    pub fn parent(&self) -> Option<Parent> {
        self.has(ExtraSet::PARENT).then_some(self.parent)
    }

    /// Takes over what `newer` says and keeps the rest.
    pub const fn merge(&mut self, newer: &Self) {
        if newer.has(ExtraSet::SCTP_STATE) {
            self.sctp_state = newer.sctp_state;
        }
        if newer.has(ExtraSet::SCTP_TAGS) {
            self.sctp_tags = newer.sctp_tags;
        }
        if newer.has(ExtraSet::DCCP) {
            self.dccp = newer.dccp;
        }
        if newer.has(ExtraSet::SEQUENCE) {
            self.sequence = newer.sequence;
        }
        if newer.has(ExtraSet::SYNPROXY) {
            self.synproxy = newer.synproxy;
        }
        if newer.has(ExtraSet::LABELS) {
            self.labels = newer.labels;
        }
        if newer.has(ExtraSet::HELPER) {
            self.helper = newer.helper;
        }
        if newer.has(ExtraSet::PARENT) {
            self.parent = newer.parent;
        }
        self.present = self.present.with(newer.present);
    }

    /// All but the fields of `what`.
    #[must_use]
    pub const fn without(&self, what: ExtraSet) -> Self {
        let mut rest = Self::EMPTY;
        rest.merge(&Self { present: self.present.without(what), ..*self });
        rest
    }
}

impl Default for Extras {
    fn default() -> Self {
        Self::EMPTY
    }
}
