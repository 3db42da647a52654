//! Which transfers are wanted, and which ports they announce: plain data.
//!
//! Never opens a socket. A scenario's traffic entry becomes one [`TransferSpec`]. Tested through `tests.rs`.

use std::net::SocketAddr;
use std::ops::RangeInclusive;

/// One named traffic of a scenario that consists of transfers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TransferSpec {
    /// The groups; sessions are numbered through all groups in this order.
    pub(crate) groups: Vec<TransferGroup>,
    /// Seed of the byte pattern that every transfer carries.
    pub(crate) seed: u64,
}

impl TransferSpec {
    /// Sessions at the same time at most: each has two ports of its own in each range.
    pub(crate) const MOST: usize = 500;

    /// Sessions of all groups.
    pub(super) fn count(&self) -> usize {
        self.groups.iter().map(|group| group.count as usize).sum()
    }

    /// The group of every session.
    pub(super) fn each(&self) -> impl Iterator<Item = TransferGroup> {
        self.groups.iter().flat_map(|group| std::iter::repeat_n(*group, group.count as usize))
    }
}

/// Equal sessions: same protocol, same target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TransferGroup {
    /// What each does.
    pub(crate) kind: TransferKind,
    /// How many.
    pub(crate) count: u32,
    /// Where the client's control flow goes. With DNAT this is the router's address, not the server's.
    pub(crate) target: SocketAddr,
    /// Where the server listens.
    pub(crate) listen: SocketAddr,
    /// Payload of each announced FTP flow.
    pub(crate) bytes: u32,
}

/// What a session does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TransferKind {
    /// The server announces where it waits for the data connection (PASV).
    FtpPassive,
    /// The client announces where it waits for the data connection (PORT).
    FtpActive,
    /// Both sides announce where they expect the other's voice (INVITE and its answer).
    Sip,
}

impl TransferKind {
    /// The word in reports and scenarios.
    #[must_use]
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::FtpPassive => "ftp-passive",
            Self::FtpActive => "ftp-active",
            Self::Sip => "sip",
        }
    }

    /// Whether the control flow is FTP's.
    pub(super) const fn is_ftp(self) -> bool {
        matches!(self, Self::FtpPassive | Self::FtpActive)
    }
}

/// All ports that are ever announced. They lie below what kernels choose from, so that each is free, and above what
/// other traffic uses.
pub(crate) const ANNOUNCED_PORTS: RangeInclusive<u16> = 11_000..=14_999;

/// The first port of each range of a thousand.
const PASSIVE: u16 = 11_000;
const ACTIVE: u16 = 12_000;
const CALLER: u16 = 13_000;
const CALLEE: u16 = 14_000;

/// Where an FTP server waits for the data connection of a session's round.
pub(super) const fn passive_port(number: usize, round: usize) -> u16 {
    PASSIVE + (number * 2 + round) as u16
}

/// Where an FTP client waits for the data connection of a session's round.
pub(super) const fn active_port(number: usize, round: usize) -> u16 {
    ACTIVE + (number * 2 + round) as u16
}

/// Where the two sides of a call expect voice: an even port each, as RFC 3550 wants it.
pub(super) const fn voice_ports(number: usize) -> (u16, u16) {
    (CALLER + (number * 2) as u16, CALLEE + (number * 2) as u16)
}
