//! What the kernel's helpers expect: related flows that a control connection has announced, not yet opened.
//!
//! These are the kernel's expectations (subsystem 2 of nfnetlink), not a scenario's. Shares no line with syncd and never
//! changes a table. Driven by `lab`; tested in `expectations/tests.rs` against a real helper.

use std::fmt;
use std::os::fd::BorrowedFd;

use netlink_packet_netfilter::{
    NetfilterHeader, NetfilterMessage, NetfilterMessageInner, NetfilterProtoFamily, NetfilterSubsystem,
};

use super::dump::{self, DumpError};
use super::flows::SeenTuple;

mod decode;
#[cfg(test)]
mod tests;
mod told;

pub(crate) use told::{of_conntrackd, of_kernel, of_syncd};

/// `NFNL_SUBSYS_CTNETLINK_EXP` and its `IPCTNL_MSG_EXP_GET`.
const SUBSYSTEM: u8 = 2;
const GET: u8 = 1;

/// An expectation as the kernel reported it, without what changes by itself. Ordered by what is expected.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SeenExpectation {
    /// Layer 4 protocol number of the expected flow.
    pub(crate) protocol: u8,
    /// The original direction of the expected flow; what its mask leaves out is zero.
    pub(crate) expected: SeenTuple,
    /// Which bits of it must be as expected.
    pub(crate) mask: SeenTuple,
    /// Protocol and original direction of the flow that announced it.
    pub(crate) parent: (u8, SeenTuple),
    /// Zone, 0 when absent.
    pub(crate) zone: u16,
    /// The helper that expects it.
    pub(crate) helper: String,
    /// The helper's class: audio, image...
    pub(crate) class: u32,
    /// `NF_CT_EXPECT_*`: 1 permanent, 2 inactive, 4 from user space.
    pub(crate) flags: u32,
    /// How it will be translated: the direction (0 original, 1 reply) and what was announced before the helper's
    /// rewriting.
    pub(crate) nat: Option<(u32, SeenTuple)>,
    /// The kernel's function that translates it.
    pub(crate) function: Option<String>,
}

/// One line, e.g. `tcp 198.51.100.10:0>198.51.100.1:12000 ftp of 10.1.0.10:40000>198.51.100.10:21 nat-follow-master`.
impl fmt::Display for SeenExpectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { protocol, expected, parent: (_, parent), helper, class, .. } = self;
        write!(f, "proto-{protocol} {expected} {helper} class={class} of {parent}")?;
        if let Some((direction, announced)) = &self.nat {
            write!(f, " announced as {announced} direction={direction}")?;
        }
        self.function.as_ref().map_or(Ok(()), |function| write!(f, " {function}"))
    }
}

/// Reads all expectations, sorted.
///
/// # Errors
/// [`DumpError`].
pub(crate) fn dump_expectations(ns: BorrowedFd<'_>) -> Result<Vec<SeenExpectation>, DumpError> {
    let request = NetfilterMessage::new(
        NetfilterHeader::new(NetfilterProtoFamily::Unspec, 0, 0),
        NetfilterMessageInner::Other {
            subsys: NetfilterSubsystem::Other(SUBSYSTEM),
            message_type: GET,
            attributes: Vec::new(),
        },
    );
    let mut expectations = Vec::new();
    for message in dump::of(ns, request)? {
        expectations.push(decode::expectation(&message)?);
    }
    expectations.sort_unstable();
    expectations.dedup();
    Ok(expectations)
}
