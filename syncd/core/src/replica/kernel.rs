//! What the replica asks of its kernel and what it hears back. Values only; netlink is not known here.

use core::fmt;

use crate::flow::{Expectation, Flow, FlowRef};

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
/// `Create`, `Update`, `Relax`, `Shorten` and `Delete` are answered by [`KernelReply::Done`] or [`KernelReply::Failed`];
/// `Find` by `Found` or `Failed` (`ENOENT` when there is none); `Dump` by `Begun`, any number of `Dumped`,
/// then `Done` or `Failed`; `Count` by `Counted` or `Failed`; `ListenNew` by nothing.
#[derive(Clone, Copy, Debug)]
pub enum KernelRequest<'a> {
    /// Create the flow; it must not exist.
    Create {
        /// Name of this request.
        token: Token,
        /// What to create; `reply` holds the wanted translation.
        flow: FlowRef<'a>,
        /// Seconds it shall live without traffic.
        timeout: u32,
    },
    /// Change state, timeout, mark (0 where none was said) and what else can change of an existing flow: not translation,
    /// helper and parent.
    Update {
        /// Name of this request.
        token: Token,
        /// The flow as it shall be.
        flow: FlowRef<'a>,
        /// Seconds it shall live without traffic.
        timeout: u32,
        /// Whether to set the status too; a kernel entry that is further answers `EBUSY`.
        with_status: bool,
    },
    /// A TCP flow may have gone on elsewhere: take packets as they come, whatever is known of its windows. Nothing else
    /// of it changes.
    Relax {
        /// Name of this request.
        token: Token,
        /// Which flow.
        flow: &'a Flow,
    },
    /// Let a flow live for so long without traffic. Nothing else of it changes.
    Shorten {
        /// Name of this request.
        token: Token,
        /// Which flow.
        flow: &'a Flow,
        /// Seconds.
        timeout: u32,
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
    /// Something about an expectation.
    Expect(ExpectRequest<'a>),
}

/// Something the replica wants done about an expectation. Asked only where expectations are replicated.
///
/// `Create`, `Renew` and `Delete` are answered by [`KernelReply::Done`] or [`KernelReply::Failed`]; `Find` by
/// [`KernelReply::Expectation`] or `Failed`; `Dump` as that of flows, with `Expectation` for each.
#[derive(Clone, Copy, Debug)]
pub enum ExpectRequest<'a> {
    /// Create it; it must not exist. Its helper says how long it lives.
    Create {
        /// Name of this request.
        token: Token,
        /// What to create.
        expectation: &'a Expectation,
    },
    /// Let it live for so long.
    Renew {
        /// Name of this request.
        token: Token,
        /// Which one.
        expectation: &'a Expectation,
        /// Seconds.
        timeout: u32,
    },
    /// Remove it.
    Delete {
        /// Name of this request.
        token: Token,
        /// Which one; by its id too, when known.
        expectation: &'a Expectation,
    },
    /// Look for the one in whose place it would be (on the helper thread).
    Find {
        /// Name of this request.
        token: Token,
        /// What to look for.
        expectation: &'a Expectation,
    },
    /// List all (on the helper thread).
    Dump {
        /// Name of this request.
        token: Token,
    },
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
    Dumped(Token, FlowRef<'a>),
    /// The flow that was looked for.
    Found(Token, FlowRef<'a>),
    /// How many flows the table holds, those that ended and whose end is not told yet included.
    Counted(Token, u32),
    /// One expectation of a dump, or the one that was looked for.
    Expectation(Token, &'a Expectation),
}

impl KernelReply<'_> {
    /// The request it answers.
    #[must_use]
    pub const fn token(&self) -> Token {
        match self {
            Self::Done(token)
            | Self::Failed(token, _)
            | Self::Begun(token)
            | Self::Dumped(token, _)
            | Self::Found(token, _)
            | Self::Counted(token, _)
            | Self::Expectation(token, _) => *token,
        }
    }

    /// Why the request was refused, if it was.
    #[must_use]
    pub const fn error(&self) -> Option<Errno> {
        if let Self::Failed(_, error) = self { Some(*error) } else { None }
    }
}

/// A kernel error number (`errno.h`), as netlink reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Errno(pub u16);

impl Errno {
    /// Not allowed.
    pub const EPERM: Self = Self(1);
    /// No such flow; for a creation, no such parent.
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
    /// No room in the hash chain; for labels, no rule uses any.
    pub const ENOSPC: Self = Self(28);
    /// No such helper, or what cannot be changed.
    pub const EOPNOTSUPP: Self = Self(95);

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
