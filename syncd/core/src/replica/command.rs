//! What an operator or VRRP may ask, and what is answered. Looking is no command: see [`super::Replica::status`].

use core::fmt;

use super::role::Role;

/// Name of a request, chosen by whoever asks; repeated in the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub u64);

/// A change somebody asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    /// This router has that role from now on. Answered when the jobs of the role are done.
    Role(Role),
    /// Both routers were primary, and the other one, which has the lower priority, is stepping back
    /// (keepalived's `MASTER_RX_LOWER_PRI`). Means something to a primary only; may be said any number of times.
    /// Answered when its flows are taken over.
    PeerYielded,
    /// One step that an operator wants by itself, whatever the role. Answered when it is done.
    Step(Step),
}

/// What an operator may want besides a role. None of them throws anything away before its replacement is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// External cache into the kernel. During a commit: that one.
    Commit,
    /// Kernel into the internal cache: read again and compared.
    ReloadInternal,
    /// Internal cache to the peer, unless this router stands by. Answered at once: the rest is the queue's.
    Bulk,
    /// Ask the peer for its internal cache. Answered at once.
    AskPeer,
    /// Ask the peer for its internal cache, and wait until the external cache is exactly that; what could not be
    /// committed goes too. Refused while the peer is silent.
    ResetExternal,
}

/// The answer to a [`Command`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reply {
    /// Done; for a role: all its jobs are done.
    Done,
    /// Not done.
    Refused(Refusal),
}

/// Why a command was not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// Another role was entered before the jobs of this one were done.
    Overtaken {
        /// The role that was entered instead.
        by: Role,
    },
    /// Too many commands wait for their answer.
    TooManyWaiting,
    /// The peer is silent, and only it could say what the external cache should be.
    PeerSilent,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Overtaken { by } => {
                write!(f, "overtaken: the router became {} before this role's jobs were done", by.name())
            }
            Self::TooManyWaiting => f.write_str("too many commands are waiting already; try again"),
            Self::PeerSilent => {
                f.write_str("the peer is silent: nothing could take the place of what is held of it")
            }
        }
    }
}
