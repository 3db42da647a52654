//! The kernel's numbers for netlink and ctnetlink.
//!
//! Only numbers, never behaviour. Used by every other file of this crate. Names are the kernel's without their
//! prefixes; sources are `include/uapi/linux/netlink.h`, `netfilter/nfnetlink.h`, `netfilter/nfnetlink_conntrack.h`
//! and `netfilter/nf_conntrack_tcp.h`. Tested by the kernel itself (`tests/kernel.rs`).

/// Length of `struct nlmsghdr`.
pub const HEADER_LEN: usize = 16;
/// Length of `struct nfgenmsg`.
pub const NFGEN_LEN: usize = 4;

/// `NLMSG_*` and the message types of ctnetlink (`subsystem << 8 | operation`).
pub mod kind {
    /// `NLMSG_NOOP`: nothing.
    pub const NOOP: u16 = 1;
    /// `NLMSG_ERROR`: an error, or with code 0 an acknowledgement.
    pub const ERROR: u16 = 2;
    /// `NLMSG_DONE`: the end of a dump.
    pub const DONE: u16 = 3;
    /// `NLMSG_OVERRUN`: data were lost.
    pub const OVERRUN: u16 = 4;
    /// `NLMSG_MIN_TYPE`: below this number a message is netlink's own.
    pub const FIRST_OF_SUBSYSTEMS: u16 = 0x10;

    /// `NFNL_SUBSYS_CTNETLINK`: flows.
    pub const SUBSYSTEM: u8 = 1;
    /// `NFNL_SUBSYS_CTNETLINK_EXP`: expectations.
    pub const EXPECTATIONS: u8 = 2;
    /// `IPCTNL_MSG_CT_NEW`, `IPCTNL_MSG_EXP_NEW`: create, update; an event of either; an entry of a dump.
    pub const NEW: u8 = 0;
    /// `IPCTNL_MSG_CT_GET`, `IPCTNL_MSG_EXP_GET`.
    pub const GET: u8 = 1;
    /// `IPCTNL_MSG_CT_DELETE`, `IPCTNL_MSG_EXP_DELETE`: delete, and its event.
    pub const DELETE: u8 = 2;
    /// `IPCTNL_MSG_CT_GET_STATS_CPU`: what each processor has counted.
    pub const GET_STATS_CPU: u8 = 4;
    /// `IPCTNL_MSG_CT_GET_STATS`: how many entries there are.
    pub const GET_STATS: u8 = 5;
}

/// `NLM_F_*`.
pub mod flag {
    /// A request; a message without it is acknowledged and not executed.
    pub const REQUEST: u16 = 0x01;
    /// Answer also when all went well.
    pub const ACK: u16 = 0x04;
    /// Answer only: the dump was not consistent.
    pub const DUMP_INTR: u16 = 0x10;
    /// All entries (`NLM_F_ROOT | NLM_F_MATCH`).
    pub const DUMP: u16 = 0x300;
    /// Fail when it exists.
    pub const EXCL: u16 = 0x200;
    /// Create when it does not exist.
    pub const CREATE: u16 = 0x400;
}

/// `NFNLGRP_CONNTRACK_*`: multicast groups of events.
pub mod group {
    /// A flow was born.
    pub const NEW: u32 = 1;
    /// A flow changed.
    pub const UPDATE: u32 = 2;
    /// A flow ended.
    pub const DESTROY: u32 = 3;
    /// An expectation was made. (5, that one changed, no kernel ever says.)
    pub const EXPECT_NEW: u32 = 4;
    /// An expectation ended.
    pub const EXPECT_DESTROY: u32 = 6;
}

/// `NLA_F_NESTED`: the value is a list of attributes.
pub const NESTED: u16 = 0x8000;
/// `NLA_TYPE_MASK`: an attribute's number without its two flags.
pub const TYPE_MASK: u16 = 0x3fff;

/// `CTA_*`: attributes of a flow. Integers are big-endian.
pub mod cta {
    #![expect(missing_docs, reason = "the kernel's own list; meanings are in `decode` and `encode`")]
    pub const TUPLE_ORIG: u16 = 1;
    pub const TUPLE_REPLY: u16 = 2;
    pub const STATUS: u16 = 3;
    pub const PROTOINFO: u16 = 4;
    pub const HELP: u16 = 5;
    pub const NAT_SRC: u16 = 6;
    pub const TIMEOUT: u16 = 7;
    pub const MARK: u16 = 8;
    pub const COUNTERS_ORIG: u16 = 9;
    pub const COUNTERS_REPLY: u16 = 10;
    pub const USE: u16 = 11;
    pub const ID: u16 = 12;
    pub const NAT_DST: u16 = 13;
    pub const TUPLE_MASTER: u16 = 14;
    pub const SEQ_ADJ_ORIG: u16 = 15;
    pub const SEQ_ADJ_REPLY: u16 = 16;
    pub const ZONE: u16 = 18;
    pub const TIMESTAMP: u16 = 20;
    pub const LABELS: u16 = 22;
    pub const LABELS_MASK: u16 = 23;
    pub const SYNPROXY: u16 = 24;
    pub const TIMESTAMP_EVENT: u16 = 27;
}

/// `CTA_TUPLE_*`: parts of a tuple. Its third, a zone of one direction, is not carried.
pub mod tuple {
    #![expect(missing_docs, reason = "the kernel's own list")]
    pub const IP: u16 = 1;
    pub const PROTO: u16 = 2;
}

/// `CTA_IP_*`: addresses of a tuple.
pub mod ip {
    #![expect(missing_docs, reason = "the kernel's own list")]
    pub const V4_SRC: u16 = 1;
    pub const V4_DST: u16 = 2;
    pub const V6_SRC: u16 = 3;
    pub const V6_DST: u16 = 4;
}

/// `CTA_PROTO_*`: protocol, ports and ICMP fields of a tuple.
pub mod proto {
    #![expect(missing_docs, reason = "the kernel's own list")]
    pub const NUM: u16 = 1;
    pub const SRC_PORT: u16 = 2;
    pub const DST_PORT: u16 = 3;
    pub const ICMP_ID: u16 = 4;
    pub const ICMP_TYPE: u16 = 5;
    pub const ICMP_CODE: u16 = 6;
    pub const ICMPV6_ID: u16 = 7;
    pub const ICMPV6_TYPE: u16 = 8;
    pub const ICMPV6_CODE: u16 = 9;
}

/// `CTA_PROTOINFO_*` and `CTA_PROTOINFO_TCP_*`, `_SCTP_*`, `_DCCP_*`.
pub mod protoinfo {
    #![expect(missing_docs, reason = "the kernel's own list")]
    pub const TCP: u16 = 1;
    pub const DCCP: u16 = 2;
    pub const SCTP: u16 = 3;
    pub const TCP_STATE: u16 = 1;
    pub const TCP_WSCALE_ORIGINAL: u16 = 2;
    pub const TCP_WSCALE_REPLY: u16 = 3;
    pub const TCP_FLAGS_ORIGINAL: u16 = 4;
    pub const TCP_FLAGS_REPLY: u16 = 5;
    pub const SCTP_STATE: u16 = 1;
    pub const SCTP_VTAG_ORIGINAL: u16 = 2;
    pub const SCTP_VTAG_REPLY: u16 = 3;
    pub const DCCP_STATE: u16 = 1;
    pub const DCCP_ROLE: u16 = 2;
}

/// `CTA_HELP_*`: the helper; its second, what it keeps to itself, is not carried.
pub mod help {
    #![expect(missing_docs, reason = "the kernel's own list")]
    pub const NAME: u16 = 1;
}

/// `CTA_SEQADJ_*`: the shift of one direction's sequence numbers.
pub mod seqadj {
    #![expect(missing_docs, reason = "the kernel's own list")]
    pub const CORRECTION_POS: u16 = 1;
    pub const OFFSET_BEFORE: u16 = 2;
    pub const OFFSET_AFTER: u16 = 3;
}

/// `CTA_NAT_*` and `CTA_PROTONAT_*`: where to translate to, as a range.
pub mod nat {
    #![expect(missing_docs, reason = "the kernel's own list")]
    pub const V4_MINIP: u16 = 1;
    pub const V4_MAXIP: u16 = 2;
    pub const PROTO: u16 = 3;
    pub const V6_MINIP: u16 = 4;
    pub const V6_MAXIP: u16 = 5;
    pub const PROTO_PORT_MIN: u16 = 1;
    pub const PROTO_PORT_MAX: u16 = 2;
}

/// `CTA_SYNPROXY_*`.
pub mod synproxy {
    #![expect(missing_docs, reason = "the kernel's own list")]
    pub const ISN: u16 = 1;
    pub const ITS: u16 = 2;
    pub const TSOFF: u16 = 3;
}

/// `CTA_STATS_GLOBAL_*`: the answer to [`kind::GET_STATS`].
pub mod stats {
    /// How many entries this network namespace has.
    pub const ENTRIES: u16 = 1;
}

/// `CTA_STATS_*`: the answer to [`kind::GET_STATS_CPU`].
pub mod cpu_stats {
    #![expect(missing_docs, reason = "the kernel's own list; meanings are in `ProcessorStats`")]
    pub const FOUND: u16 = 2;
    pub const INVALID: u16 = 4;
    pub const INSERT: u16 = 8;
    pub const INSERT_FAILED: u16 = 9;
    pub const DROP: u16 = 10;
    pub const EARLY_DROP: u16 = 11;
    pub const ERROR: u16 = 12;
    pub const SEARCH_RESTART: u16 = 13;
    pub const CLASH_RESOLVE: u16 = 14;
    pub const CHAIN_TOOLONG: u16 = 15;
}

/// `CTA_COUNTERS_*`: what a direction of a flow has carried, with `nf_conntrack_acct` only.
pub mod counters {
    #![expect(missing_docs, reason = "the kernel's own list")]
    pub const PACKETS: u16 = 1;
    pub const BYTES: u16 = 2;
}

/// `CTA_EXPECT_*` and `CTA_EXPECT_NAT_*`: attributes of an expectation. Integers are big-endian.
pub mod expect {
    #![expect(missing_docs, reason = "the kernel's own list; meanings are in `expect`")]
    pub const MASTER: u16 = 1;
    pub const TUPLE: u16 = 2;
    pub const MASK: u16 = 3;
    pub const TIMEOUT: u16 = 4;
    pub const ID: u16 = 5;
    pub const HELP_NAME: u16 = 6;
    pub const ZONE: u16 = 7;
    pub const FLAGS: u16 = 8;
    pub const CLASS: u16 = 9;
    pub const NAT: u16 = 10;
    pub const FN: u16 = 11;
    pub const NAT_DIR: u16 = 1;
    pub const NAT_TUPLE: u16 = 2;
}
