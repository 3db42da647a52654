//! Which flows are replicated, and which expectations.
//!
//! For flows applied to what is told to the peer, not to what the peer tells; for expectations to both. Knows nothing
//! of configuration text: the daemon parses it. Tested in `filter/tests.rs`.

use alloc::vec::Vec;

use crate::flow::{Address, Family, Flow, HelperName, Protocol};

#[cfg(test)]
mod tests;

/// One network, or one address with the full prefix length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    address: Address,
    prefix: u8,
    family: Family,
}

impl Network {
    /// The network of `address` with a prefix of that many bits; `None` when the family has fewer bits (32, 128).
    /// Bits of the address beyond the prefix are dropped.
    #[must_use]
    pub fn new(family: Family, address: Address, prefix: u8) -> Option<Self> {
        let longest = match family {
            Family::V4 => 32,
            Family::V6 => 128,
        };
        let address = Address::from_v6((bits(address) & mask(prefix)).to_be_bytes());
        (prefix <= longest).then_some(Self { address, prefix, family })
    }

    /// Whether `address` of that family lies in the network.
    #[must_use]
    pub fn contains(&self, family: Family, address: Address) -> bool {
        self.family == family && bits(address) & mask(self.prefix) == bits(self.address)
    }

    /// Its lowest address.
    #[must_use]
    pub const fn address(&self) -> Address {
        self.address
    }

    /// How many leading bits count.
    #[must_use]
    pub const fn prefix(&self) -> u8 {
        self.prefix
    }

    /// Layer 3 family.
    #[must_use]
    pub const fn family(&self) -> Family {
        self.family
    }
}

/// The address as a number whose highest bit is its first; an IPv4 address fills the upper 32.
const fn bits(address: Address) -> u128 {
    u128::from_be_bytes(address.v6())
}

/// As many leading ones as `prefix` says; all of them beyond 128.
const fn mask(prefix: u8) -> u128 {
    !u128::MAX.unbounded_shr(prefix as u32)
}

/// The helpers whose expectations are replicated.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Helpers {
    /// Of no helper.
    #[default]
    None,
    /// Of every helper.
    All,
    /// Of helpers whose name begins with one of these, in whatever case.
    Named(Vec<HelperName>),
}

/// The rule by which flows are told to the peer.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Filter {
    accepted: Vec<Protocol>,
    ignored: Vec<Network>,
    helpers: Helpers,
}

impl Filter {
    /// A filter that accepts flows of the `accepted` protocols, of all protocols when there is none, except those
    /// that come from an `ignored` network.
    #[must_use]
    pub const fn new(accepted: Vec<Protocol>, ignored: Vec<Network>) -> Self {
        Self { accepted, ignored, helpers: Helpers::None }
    }

    /// The same, and expectations of these `helpers`.
    #[must_use]
    pub fn with_helpers(self, helpers: Helpers) -> Self {
        Self { helpers, ..self }
    }

    /// Whether expectations are replicated at all.
    #[must_use]
    pub fn wants_expectations(&self) -> bool {
        self.helpers != Helpers::None
    }

    /// Whether expectations of that helper are replicated. One without a name is only everybody's.
    #[must_use]
    pub fn accepts_helper(&self, helper: HelperName) -> bool {
        match &self.helpers {
            Helpers::None => false,
            Helpers::All => true,
            Helpers::Named(names) => names.iter().any(|name| helper.begins_with(name.as_str())),
        }
    }

    /// All of it, for whoever writes it down: accepted protocols, ignored networks, helpers.
    #[must_use]
    pub fn parts(&self) -> (&[Protocol], &[Network], &Helpers) {
        let Self { accepted, ignored, helpers } = self;
        (accepted, ignored, helpers)
    }

    /// Whether the peer shall know `flow`.
    ///
    /// As conntrackd's `Address Ignore`: a flow is ignored when the *original source* or the *reply source*, which is
    /// the real server behind a target translation, lies in an ignored network. So a router's own flows go both when
    /// it speaks and when it is spoken to, and a virtual address that is translated away hides nothing.
    #[must_use]
    pub fn accepts(&self, flow: &Flow) -> bool {
        let protocol = self.accepted.is_empty() || self.accepted.contains(&flow.protocol);
        protocol
            && !self.ignores(flow.family, flow.original.source)
            && !self.ignores(flow.family, flow.reply.source)
    }

    /// Linear: a handful of networks is usual, and none of them is asked about twice.
    fn ignores(&self, family: Family, address: Address) -> bool {
        self.ignored.iter().any(|network| network.contains(family, address))
    }
}
