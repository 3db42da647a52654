//! What the replica asks of its kernel and what it hears back. Values only; netlink is not known here.

use core::fmt;

use crate::flow::Flow;

/// Name of a kernel request, chosen by the replica, repeated in every reply to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(pub u32);

/// Which tuple a flow is looked up by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum By {
    /// [`Flow::original`].
    Original,
    /// [`Flow::reply`]: what the translated answers look like.
    Reply,
}

/// Something the replica wants done in the kernel.
///
/// `Create`, `Update` and `Delete` are answered by [`KernelReply::Done`] or [`KernelReply::Failed`];
/// `Find` by `Found` or `Failed` (`ENOENT` when there is none); `Dump` by `Begun`, any number of `Dumped`,
/// then `Done` or `Failed`; `Count` by `Counted` or `Failed`; `ListenNew` by nothing.
#[derive(Clone, Copy, Debug)]
pub enum KernelRequest<'a> {
    /// Create the flow; it must not exist.
    Create {
        /// Name of this request.
        token: Token,
        /// What to create; `reply` holds the wanted translation.
        flow: &'a Flow,
        /// Seconds it shall live without traffic.
        timeout: u32,
    },
    /// Change state, timeout and mark of an existing flow. Translation cannot change.
    Update {
        /// Name of this request.
        token: Token,
        /// The flow as it shall be.
        flow: &'a Flow,
        /// Seconds it shall live without traffic.
        timeout: u32,
        /// Whether to set the status too; a kernel entry that is further answers `EBUSY`.
        with_status: bool,
    },
    /// Remove this very life of a flow: original tuple, zone, and id when known.
    Delete {
        /// Name of this request.
        token: Token,
        /// What to remove.
        flow: &'a Flow,
    },
    /// Look one flow up (on the helper thread: a GET can be slow).
    Find {
        /// Name of this request.
        token: Token,
        /// What to look for.
        flow: &'a Flow,
        /// By which of its tuples.
        by: By,
    },
    /// List the whole table (on the helper thread).
    Dump {
        /// Name of this request.
        token: Token,
    },
    /// Say how many flows the table holds (on the helper thread; no walk).
    Count {
        /// Name of this request.
        token: Token,
    },
    /// Hear of births, or not: inserting is 2.3 times as fast while nobody listens to them.
    ListenNew(bool),
}

/// What the kernel answered.
#[derive(Clone, Copy, Debug)]
pub enum KernelReply<'a> {
    /// The request was carried out.
    Done(Token),
    /// The request was refused.
    Failed(Token, Errno),
    /// Every event that the kernel had queued when the dump was asked for has been handed over; only now is the
    /// table listed.
    ///
    /// What an event says after this is newer than the dump's picture. Before it that is not so: births were not
    /// heard during a commit, or events were lost, while the end of an earlier life still waited to be read. Such an
    /// end, taken for newer than the picture, would hide a living flow for ever.
    Begun(Token),
    /// One flow of a dump.
    Dumped(Token, &'a Flow),
    /// The flow that was looked for.
    Found(Token, &'a Flow),
    /// How many flows the table holds, those that ended and whose end is not told yet included.
    Counted(Token, u32),
}

/// A kernel error number (`errno.h`), as netlink reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Errno(pub u16);

impl Errno {
    /// No such flow.
    pub const ENOENT: Self = Self(2);
    /// Try again: extensions changed meanwhile.
    pub const EAGAIN: Self = Self(11);
    /// Out of memory, or the table is full.
    pub const ENOMEM: Self = Self(12);
    /// The status asked for contradicts the entry's.
    pub const EBUSY: Self = Self(16);
    /// A tuple of the flow is taken.
    pub const EEXIST: Self = Self(17);
    /// The request makes no sense to the kernel.
    pub const EINVAL: Self = Self(22);
    /// No room in the hash chain.
    pub const ENOSPC: Self = Self(28);

    /// The symbolic name, where we have one.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            1 => "EPERM",
            2 => "ENOENT",
            11 => "EAGAIN",
            12 => "ENOMEM",
            16 => "EBUSY",
            17 => "EEXIST",
            22 => "EINVAL",
            28 => "ENOSPC",
            34 => "ERANGE",
            62 => "ETIME",
            95 => "EOPNOTSUPP",
            105 => "ENOBUFS",
            _ => return None,
        })
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "errno {}", self.0),
        }
    }
}
