//! One flow whose place in the kernel is taken, and the steps by which it gets it.
//!
//! ```text
//! EEXIST ─► find by original ─► same flow ──────────────► update ─► written
//!              │ another / none      │ gone meanwhile
//!              ▼ (delete it)         ▼
//!           find by reply ─► (delete it) ─► create again ─► written
//!                                               └─ any error ─► failed, both flows shown
//! ```
//! "Another" differs in its original or its reply tuple; it is deleted by tuple and id, so that nothing that took
//! its place meanwhile is hit.

use super::kernel::{By, Errno, KernelReply, KernelRequest, Token};
use super::tokens::Tokens;
use crate::cache::Slot;
use crate::flow::Flow;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Find(By),
    Delete { found: By },
    Update { with_status: bool },
    Create,
}

/// What a reply meant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Outcome {
    /// There is a next step.
    GoesOn,
    /// What stood in the way was removed; there is a next step.
    Removed,
    /// The flow is in the kernel.
    Written,
    /// It is not, and will not be.
    Failed {
        /// What the kernel said last.
        error: Errno,
        /// The flow seen in its place last.
        existing: Option<Flow>,
    },
}

/// One conflict.
#[derive(Clone, Copy, Debug)]
pub(super) struct Conflict {
    slot: Slot,
    wanted: Flow,
    timeout: u32,
    step: Step,
    /// The request under way; none while the step is still to be requested.
    token: Option<Token>,
    existing: Option<Flow>,
}

impl Conflict {
    /// The creation of `wanted`, which is in `slot` of the external cache, was answered with `EEXIST`.
    pub(super) const fn new(slot: Slot, wanted: &Flow, timeout: u32) -> Self {
        Self { slot, wanted: *wanted, timeout, step: Step::Find(By::Original), token: None, existing: None }
    }

    /// Where the flow is in the external cache.
    pub(super) const fn slot(&self) -> Slot {
        self.slot
    }

    /// The flow.
    pub(super) const fn wanted(&self) -> &Flow {
        &self.wanted
    }

    /// Whether the next step is still to be requested.
    pub(super) const fn wants(&self) -> bool {
        self.token.is_none()
    }

    /// Whether the request `token` names is this conflict's.
    pub(super) fn awaits(&self, token: Token) -> bool {
        self.token == Some(token)
    }

    /// Requests the next step.
    pub(super) fn poll(&mut self, tokens: &mut Tokens) -> KernelRequest<'_> {
        let token = tokens.next();
        self.token = Some(token);
        let (flow, timeout) = (&self.wanted, self.timeout);
        match self.step {
            Step::Find(by) => KernelRequest::Find { token, flow, by },
            Step::Delete { .. } => {
                let flow = self.existing.as_ref().expect("only what was found is deleted");
                KernelRequest::Delete { token, flow }
            }
            Step::Update { with_status } => KernelRequest::Update { token, flow, timeout, with_status },
            Step::Create => KernelRequest::Create { token, flow, timeout },
        }
    }

    /// The kernel answered.
    pub(super) fn reply(&mut self, reply: KernelReply<'_>) -> Outcome {
        self.token = None;
        let error = match reply {
            KernelReply::Failed(_, error) => Some(error),
            KernelReply::Done(_)
            | KernelReply::Found(..)
            | KernelReply::Dumped(..)
            | KernelReply::Begun(_) => None,
        };
        let gone = error == Some(Errno::ENOENT);
        let done = error.is_none();
        match self.step {
            Step::Find(by) if done => self.found(by, reply),
            Step::Find(By::Original) | Step::Update { .. } if gone => self.go_on(Step::Find(By::Reply)),
            Step::Find(By::Reply) if gone => self.go_on(Step::Create),
            Step::Delete { found } if done || gone => {
                self.go_on(if found == By::Original { Step::Find(By::Reply) } else { Step::Create });
                if done { Outcome::Removed } else { Outcome::GoesOn }
            }
            Step::Update { with_status: true } if error == Some(Errno::EBUSY) => {
                self.go_on(Step::Update { with_status: false })
            }
            Step::Update { .. } | Step::Create if done => Outcome::Written,
            _ => Outcome::Failed { error: error.unwrap_or(Errno::EINVAL), existing: self.existing },
        }
    }

    fn found(&mut self, by: By, reply: KernelReply<'_>) -> Outcome {
        let KernelReply::Found(_, existing) = reply else {
            return Outcome::Failed { error: Errno::EINVAL, existing: self.existing };
        };
        self.existing = Some(*existing);
        let same = existing.key() == self.wanted.key() && existing.reply == self.wanted.reply;
        self.go_on(if same { Step::Update { with_status: true } } else { Step::Delete { found: by } })
    }

    const fn go_on(&mut self, step: Step) -> Outcome {
        self.step = step;
        Outcome::GoesOn
    }
}
