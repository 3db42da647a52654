//! How the table names a flow: one tuple of it, in the order in which a dump walks.

use std::collections::BTreeSet;

use syncd_core::flow::{Family, Flow, Protocol, Tuple};

/// One tuple in the table: its hash bucket first, so that the order is the one a dump walks in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    bucket: u16,
    family: Family,
    protocol: Protocol,
    zone: u16,
    tuple: Tuple,
}

impl Name {
    /// The original tuple of a flow: what identifies it.
    #[must_use]
    pub fn of(flow: &Flow) -> Self {
        Self::new(flow, flow.original)
    }

    /// The reply tuple of a flow.
    #[must_use]
    pub fn reply(flow: &Flow) -> Self {
        Self::new(flow, flow.reply)
    }

    /// Its bucket.
    #[must_use]
    pub const fn bucket(&self) -> u16 {
        self.bucket
    }

    fn new(flow: &Flow, tuple: Tuple) -> Self {
        let mut hash = u32::from(flow.protocol.0) ^ u32::from(flow.zone) << 8;
        for byte in tuple.source.v6().into_iter().chain(tuple.target.v6()) {
            hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        }
        let ports = u32::from(tuple.source_port) << 16 | u32::from(tuple.target_port);
        let hash = (hash ^ ports).wrapping_mul(0x9e37_79b9);
        let bucket = u16::try_from(hash >> 16).expect("16 bits are left");
        Self { bucket, family: flow.family, protocol: flow.protocol, zone: flow.zone, tuple }
    }
}

/// All names a set of flows has.
#[must_use]
pub fn names<'a>(flows: impl Iterator<Item = &'a Flow>) -> BTreeSet<Name> {
    flows.map(Name::of).collect()
}
