//! What a helper waits for: the flow that its parent has announced and that has not come yet (a data connection of
//! FTP, the media of a call).
//!
//! It lives until it is met, its time is over, or its parent ends. It never changes. It is in the zone of its parent, but
//! neither kernel nor peer say which that is: whoever knows the parent fills it in. Tested in `tests.rs` beside it.

use super::extras::Parent;
use super::name::{FnName, HelperName};
use super::tuple::{Family, Protocol, Tuple};

/// Flags of an expectation (`NF_CT_EXPECT_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct ExpectFlags(pub u32);

impl ExpectFlags {
    /// `NF_CT_EXPECT_PERMANENT`: it stays when it was met.
    pub const PERMANENT: u32 = 1;
    /// `NF_CT_EXPECT_INACTIVE`: it waits for its parent to say so.
    pub const INACTIVE: u32 = 2;
    /// `NF_CT_EXPECT_USERSPACE`: its helper is a program.
    pub const USERSPACE: u32 = 4;

    /// Whether all of `bits` are set.
    #[must_use]
    pub const fn has(self, bits: u32) -> bool {
        self.0 & bits == bits
    }
}

/// How the expected flow is to be translated, as the helper noted it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ExpectNat {
    /// Address and port that were announced, in the source; the target is mostly nothing.
    pub tuple: Tuple,
    /// Layer 4 protocol of that tuple.
    pub protocol: Protocol,
    /// Direction of the parent in which the expected flow comes: 0 original, 1 reply.
    pub direction: u32,
}

/// What identifies an expectation on a router, as far as it is ever said: not its zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExpectKey {
    /// The flow that announced it. First, so that all of one parent stand together.
    pub parent: Parent,
    /// Layer 4 protocol.
    pub protocol: Protocol,
    /// What is expected.
    pub tuple: Tuple,
    /// Which bits of it count.
    pub mask: Tuple,
}

/// One expectation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// The flow that announced it. Its family is also the expected flow's.
    pub parent: Parent,
    /// What is expected; a port of 0 whose mask is 0 is any.
    pub tuple: Tuple,
    /// Which bits of the tuple count.
    pub mask: Tuple,
    /// Layer 4 protocol of the expected flow.
    pub protocol: Protocol,
    /// What the mask says of the protocol. The kernel says the protocol itself there.
    pub mask_protocol: Protocol,
    /// How the expected flow is to be translated; none if it is not, or was not said.
    pub nat: Option<ExpectNat>,
    /// Helper of the parent; empty if it was not said.
    pub helper: HelperName,
    /// The function that translates the expected flow; empty if there is none.
    pub function: FnName,
    /// Seconds it would still wait, when it was last said.
    pub timeout: Option<u32>,
    /// The helper's own number for its kind.
    pub class: Option<u32>,
    /// Flags.
    pub flags: ExpectFlags,
    /// The kernel's `CTA_EXPECT_ID`: opaque, means nothing to the peer. Zero if it was not said.
    pub id: u32,
    /// Conntrack zone of the parent; 0 as long as it is not known.
    pub zone: u16,
}

impl Expectation {
    /// An expectation of which only the identity is known.
    #[must_use]
    pub const fn new(parent: Parent, protocol: Protocol, tuple: Tuple, mask: Tuple) -> Self {
        Self {
            parent,
            tuple,
            mask,
            protocol,
            mask_protocol: protocol,
            nat: None,
            helper: HelperName::EMPTY,
            function: FnName::EMPTY,
            timeout: None,
            class: None,
            flags: ExpectFlags(0),
            id: 0,
            zone: 0,
        }
    }

    /// Layer 3 family.
    #[must_use]
    pub const fn family(&self) -> Family {
        self.parent.family
    }

    /// What identifies it.
    #[must_use]
    pub const fn key(&self) -> ExpectKey {
        let Self { parent, protocol, tuple, mask, .. } = *self;
        ExpectKey { parent, protocol, tuple, mask }
    }

    /// Whether both wait for the same and would do the same with it: all but the remaining time, the kernel's id, the
    /// zone, which is not always known, and the flag USERSPACE, which a kernel clears.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        let essence = |expectation: &Self| Self {
            timeout: None,
            id: 0,
            zone: 0,
            flags: ExpectFlags(expectation.flags.0 & !ExpectFlags::USERSPACE),
            class: Some(expectation.class.unwrap_or(0)),
            ..*expectation
        };
        essence(self) == essence(other)
    }
}
