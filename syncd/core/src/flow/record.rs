//! One compact record per flow. What is known of it is said by [`Flow::present`]: ctnetlink's updates are partial
//! and conntrackd leaves attributes out, so a field counts only when its bit is set.

use super::tuple::{Address, Family, Protocol, Tuple};

/// What happened to a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// It was born.
    New,
    /// Something about it changed.
    Update,
    /// It ended.
    Destroy,
}

/// Who caused a change in our kernel (port id of the netlink message).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// Packets, timers, other programs: news for the peer.
    Kernel,
    /// An echo of our own request: not news.
    Ourselves,
}

/// Which fields of a [`Flow`] were said. A bit set, in the order of conntrackd's needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct AttrSet(u16);

impl AttrSet {
    /// Nothing was said.
    pub const EMPTY: Self = Self(0);
    /// Whatever there is was said: what is not there has no value.
    pub const ALL: Self = Self(!0);
    /// [`Flow::reply`].
    pub const REPLY: Self = Self(1);
    /// [`Flow::status`].
    pub const STATUS: Self = Self(1 << 1);
    /// [`Flow::timeout`].
    pub const TIMEOUT: Self = Self(1 << 2);
    /// [`Flow::mark`], zero included (entries made through netlink report it).
    pub const MARK: Self = Self(1 << 3);
    /// [`Flow::tcp_state`].
    pub const TCP_STATE: Self = Self(1 << 4);
    /// [`Flow::tcp_scale_original`] and [`Flow::tcp_scale_reply`].
    pub const TCP_SCALE: Self = Self(1 << 5);
    /// [`Flow::tcp_flags_original`] and [`Flow::tcp_flags_reply`].
    pub const TCP_FLAGS: Self = Self(1 << 6);
    /// [`Flow::zone`] was said explicitly (the kernel says it only when it is not zero).
    pub const ZONE: Self = Self(1 << 7);
    /// [`Flow::id`].
    pub const ID: Self = Self(1 << 8);
    /// A SYNPROXY block was there and all zero: kept on the wire as conntrackd does, left out of a commit.
    pub const SYNPROXY_ZERO: Self = Self(1 << 9);
    /// There are [`Extras`](super::Extras), kept beside the flow.
    pub const EXTRAS: Self = Self(1 << 10);

    /// The set as a number; means something to the same version only.
    #[must_use]
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// The set that was this number.
    #[must_use]
    pub const fn from_bits(bits: u16) -> Self {
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

/// The kernel's `IPS_*` bits (`include/uapi/linux/netfilter/nf_conntrack_common.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Status(pub u32);

impl Status {
    /// `IPS_EXPECTED`: opened by another flow (its parent).
    pub const EXPECTED: u32 = 1;
    /// `IPS_SEEN_REPLY`: packets were seen in both directions.
    pub const SEEN_REPLY: u32 = 1 << 1;
    /// `IPS_ASSURED`: never dropped early when the table is full.
    pub const ASSURED: u32 = 1 << 2;
    /// `IPS_CONFIRMED`: its first packet left the box.
    pub const CONFIRMED: u32 = 1 << 3;
    /// `IPS_SRC_NAT`: the source is translated.
    pub const SRC_NAT: u32 = 1 << 4;
    /// `IPS_DST_NAT`: the target is translated.
    pub const DST_NAT: u32 = 1 << 5;
    /// `IPS_SEQ_ADJUST`: a helper or a synproxy has shifted sequence numbers.
    pub const SEQ_ADJUST: u32 = 1 << 6;
    /// `IPS_SRC_NAT_DONE`: the decision about source NAT is made (also when it is "none").
    pub const SRC_NAT_DONE: u32 = 1 << 7;
    /// `IPS_DST_NAT_DONE`: the decision about target NAT is made (also when it is "none").
    pub const DST_NAT_DONE: u32 = 1 << 8;
    /// `IPS_DYING`: removed from the table.
    pub const DYING: u32 = 1 << 9;

    /// Whether all of `bits` are set.
    #[must_use]
    pub const fn has(self, bits: u32) -> bool {
        self.0 & bits == bits
    }
}

/// A TCP state of the kernel (`enum tcp_conntrack`). Values above 9 are not understood by any kernel we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct TcpState(pub u8);

impl TcpState {
    /// `TCP_CONNTRACK_SYN_SENT`.
    pub const SYN_SENT: Self = Self(1);
    /// `TCP_CONNTRACK_SYN_RECV`.
    pub const SYN_RECV: Self = Self(2);
    /// `TCP_CONNTRACK_ESTABLISHED`.
    pub const ESTABLISHED: Self = Self(3);
    /// `TCP_CONNTRACK_TIME_WAIT`.
    pub const TIME_WAIT: Self = Self(7);
    /// `TCP_CONNTRACK_CLOSE`.
    pub const CLOSE: Self = Self(8);
    /// The highest state a kernel accepts without harm.
    pub const MAX: Self = Self(9);

    /// The name `conntrack(8)` prints.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self.0 {
            0 => "NONE",
            1 => "SYN_SENT",
            2 => "SYN_RECV",
            3 => "ESTABLISHED",
            4 => "FIN_WAIT",
            5 => "CLOSE_WAIT",
            6 => "LAST_ACK",
            7 => "TIME_WAIT",
            8 => "CLOSE",
            9 => "SYN_SENT2",
            _ => "UNKNOWN",
        }
    }
}

/// The kernel's `IP_CT_TCP_FLAG_*` of one direction (`nf_conntrack_tcp.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct TcpFlags(pub u8);

impl TcpFlags {
    /// `IP_CT_TCP_FLAG_WINDOW_SCALE`: without it the kernel ignores the scale that comes with it.
    pub const WINDOW_SCALE: u8 = 0x01;
    /// `IP_CT_TCP_FLAG_BE_LIBERAL`: packets outside the window are not invalid.
    pub const BE_LIBERAL: u8 = 0x08;

    /// Whether all of `bits` are set.
    #[must_use]
    pub const fn has(self, bits: u8) -> bool {
        self.0 & bits == bits
    }
}

/// What identifies a flow on a router: zone, family, protocol and original tuple.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Addresses and ports of the first packet's direction.
    pub original: Tuple,
    /// Conntrack zone, 0 unless the ruleset assigns one.
    pub zone: u16,
    /// Layer 4 protocol.
    pub protocol: Protocol,
    /// Layer 3 family.
    pub family: Family,
}

impl Key {
    /// All that conntrackd's plain dialect can say of it, where that is not everything: it has no word for the keys of GRE
    /// and the ports of UDPlite. Flows for which this is the same are one to the peer.
    #[must_use]
    pub const fn said_in_part(&self) -> Option<Self> {
        if self.protocol.has_wire_ports() || !self.protocol.has_kernel_ports() {
            return None;
        }
        let original = Tuple { source_port: 0, target_port: 0, ..self.original };
        Some(Self { original, ..*self })
    }
}

/// One entry of the kernel's connection tracking, as far as it was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Direction of the first packet, as the initiator sent it.
    pub original: Tuple,
    /// Direction of the answers, as the responder sends them: the inverse of `original` plus translation.
    pub reply: Tuple,
    /// `IPS_*` bits.
    pub status: Status,
    /// Seconds the kernel would still keep the flow, when it was last said.
    pub timeout: u32,
    /// `ct mark`.
    pub mark: u32,
    /// The kernel's `CTA_ID`: opaque, one life of one entry on one host; means nothing to the peer.
    pub id: u32,
    /// Conntrack zone.
    pub zone: u16,
    /// Which of the fields were said.
    pub present: AttrSet,
    /// Layer 4 protocol.
    pub protocol: Protocol,
    /// Layer 3 family.
    pub family: Family,
    /// State of TCP's tracking.
    pub tcp_state: TcpState,
    /// Window scale (shift count) announced in the original direction, RFC 7323.
    pub tcp_scale_original: u8,
    /// Window scale (shift count) announced in the reply direction.
    pub tcp_scale_reply: u8,
    /// TCP flags of the original direction.
    pub tcp_flags_original: TcpFlags,
    /// TCP flags of the reply direction.
    pub tcp_flags_reply: TcpFlags,
}

// Two cache lines: a million flows must not cost more than a quarter of conntrackd's memory.
const _: () = assert!(size_of::<Flow>() <= 104);

impl Flow {
    /// A flow of which only the identity is known. `reply` is the untranslated inverse and not marked present.
    #[must_use]
    pub const fn new(family: Family, protocol: Protocol, original: Tuple) -> Self {
        Self {
            original,
            reply: original.inverse(protocol),
            status: Status(0),
            timeout: 0,
            mark: 0,
            id: 0,
            zone: 0,
            present: AttrSet::EMPTY,
            protocol,
            family,
            tcp_state: TcpState(0),
            tcp_scale_original: 0,
            tcp_scale_reply: 0,
            tcp_flags_original: TcpFlags(0),
            tcp_flags_reply: TcpFlags(0),
        }
    }

    /// What identifies it.
    #[must_use]
    pub const fn key(&self) -> Key {
        Key { original: self.original, zone: self.zone, protocol: self.protocol, family: self.family }
    }

    /// Whether `attr` was said.
    #[must_use]
    pub const fn has(&self, attr: AttrSet) -> bool {
        self.present.has(attr)
    }

    /// Takes over what `newer` says and keeps the rest. Both must have the same key.
    pub const fn merge(&mut self, newer: &Self) {
        if newer.has(AttrSet::REPLY) {
            self.reply = newer.reply;
        }
        if newer.has(AttrSet::STATUS) {
            self.status = newer.status;
        }
        if newer.has(AttrSet::TIMEOUT) {
            self.timeout = newer.timeout;
        }
        if newer.has(AttrSet::MARK) {
            self.mark = newer.mark;
        }
        if newer.has(AttrSet::ID) {
            self.id = newer.id;
        }
        if newer.has(AttrSet::TCP_STATE) {
            self.tcp_state = newer.tcp_state;
        }
        if newer.has(AttrSet::TCP_SCALE) {
            self.tcp_scale_original = newer.tcp_scale_original;
            self.tcp_scale_reply = newer.tcp_scale_reply;
        }
        if newer.has(AttrSet::TCP_FLAGS) {
            self.tcp_flags_original = newer.tcp_flags_original;
            self.tcp_flags_reply = newer.tcp_flags_reply;
        }
        self.present = self.present.with(newer.present);
    }

    /// Whether `self` says the same as `other` in everything the peer or a commit would care about:
    /// all but the kernel's id, the remaining time and TCP's flags.
    #[must_use]
    pub fn same_state(&self, other: &Self) -> bool {
        self.key() == other.key()
            && self.reply == other.reply
            && self.status == other.status
            && self.mark == other.mark
            && self.tcp_state == other.tcp_state
    }

    /// Where the source is translated to: the reply's target address, when source NAT changed address or port
    /// (facts on `CTA_NAT_SRC`: min = max = reply target).
    #[must_use]
    pub fn source_nat(&self) -> Option<(Address, u16)> {
        let plain = self.original.inverse(self.protocol);
        let changed = self.reply.target != plain.target || self.nat_port_reply() != self.nat_port_original();
        (self.has(AttrSet::REPLY) && changed).then_some((self.reply.target, self.nat_port_reply()))
    }

    /// Where the target is translated to: the reply's source address and port, when target NAT changed them.
    #[must_use]
    pub fn target_nat(&self) -> Option<(Address, u16)> {
        let plain = self.original.inverse(self.protocol);
        if self.protocol.is_icmp() {
            let changed = self.has(AttrSet::REPLY) && self.reply.source != plain.source;
            return changed.then_some((self.reply.source, self.reply.icmp_id()));
        }
        let changed = self.reply.source != plain.source || self.reply.source_port != plain.source_port;
        (self.has(AttrSet::REPLY) && changed).then_some((self.reply.source, self.reply.source_port))
    }

    /// The identifier of the initiator that source NAT may change: port, or ICMP id.
    const fn nat_port_original(&self) -> u16 {
        self.original.source_port
    }

    /// The same identifier as the responder sees it.
    const fn nat_port_reply(&self) -> u16 {
        if self.protocol.is_icmp() { self.reply.icmp_id() } else { self.reply.target_port }
    }
}
