//! Roles of a router and what entering one means: a list of jobs, as data. There is no second place where a
//! failover is described.

use crate::cache::internal::Births;

/// What VRRP (or an operator) says this router is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Role {
    /// Nobody said yet. Replicates like a primary and commits nothing.
    #[default]
    Unknown,
    /// Holds the shared addresses: its flows are the truth.
    Primary,
    /// Stands by: keeps the peer's flows, sends no news of its own.
    Backup,
    /// Must not forward (keepalived's FAULT, STOP and DELETED): as backup, and asks for nothing.
    Fault,
}

/// One step of entering a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JobKind {
    /// External cache into the kernel.
    Commit,
    /// What still waits to be preloaded, into the kernel.
    Flush,
    /// What was taken over so, out of the external cache.
    Release,
    /// Kernel into the internal cache.
    ReloadInternal,
    /// Internal cache to the peer.
    Bulk,
    /// Ask the peer for its internal cache.
    RequestResync,
    /// Ask the peer for its internal cache, and wait until it is here.
    AwaitPeer,
    /// What the external cache has and our kernel has not, into the kernel.
    Adopt,
}

impl Role {
    /// The jobs of a router that has just got this role, in order.
    #[must_use]
    pub const fn on_enter(self) -> &'static [JobKind] {
        match self {
            Self::Unknown | Self::Fault => &[],
            Self::Primary => &[JobKind::Commit, JobKind::ReloadInternal, JobKind::Bulk],
            Self::Backup => &[JobKind::RequestResync],
        }
    }

    /// The jobs of a router that has just become primary, where the peer's flows are in its kernel already. Whoever waits for
    /// the role waits for the first job only.
    #[must_use]
    pub const fn on_take_over_warm() -> &'static [JobKind] {
        &[JobKind::Flush, JobKind::ReloadInternal, JobKind::Bulk, JobKind::Release]
    }

    /// The jobs of a router that is primary when the other one, which was primary too, steps back. VRRP tells it
    /// (`MASTER_RX_LOWER_PRI`), for it has no transition of its own. The packets come here from now on: what is known is
    /// adopted at once, what is not when the peer has named it, which may take seconds. By then our kernel was read: a
    /// flow whose end is lost, or waits to be read, counts as ours otherwise, and is not adopted.
    #[must_use]
    pub const fn on_peer_yielded(self) -> &'static [JobKind] {
        match self {
            Self::Primary => &[JobKind::Adopt, JobKind::AwaitPeer, JobKind::ReloadInternal, JobKind::Adopt],
            Self::Unknown | Self::Backup | Self::Fault => &[],
        }
    }

    /// Which flows are told as births. A birth is the word of a router that has the packets: by it a primary knows that
    /// there is another (see [`super::twin`]).
    #[must_use]
    pub const fn births(self) -> Births {
        match self {
            Self::Primary => Births::All,
            Self::Unknown => Births::Heard,
            Self::Backup | Self::Fault => Births::Gained,
        }
    }

    /// Whether changes in our kernel are news for the peer.
    #[must_use]
    pub const fn replicates(self) -> bool {
        matches!(self, Self::Unknown | Self::Primary)
    }

    /// The word operators and keepalived's users know.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Primary => "primary",
            Self::Backup => "backup",
            Self::Fault => "fault",
        }
    }
}
