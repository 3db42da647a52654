//! One flow whose place in the kernel is taken, and the steps by which it gets it.
//!
//! ```text
//! EEXIST ─► find by original ─► same flow ──────────────► update ─► written
//!              │ another / none      │ gone meanwhile
//!              ▼                     ▼
//!           find by reply ─► delete what was found, create ─► written
//!                                      └─ EEXIST again ─► find once more ─► failed, both flows shown
//! ```
//! "Another" differs in its original or its reply tuple; it is deleted by tuple and id, so that nothing that took
//! its place meanwhile is hit. Deletions and creation are requested in one go: packets are on their way already, and
//! the next one would take the place again.

use super::kernel::{By, Errno, KernelReply, KernelRequest, Token};
use super::tokens::Tokens;
use crate::cache::Slot;
use crate::flow::Flow;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Find(By),
    Update {
        with_status: bool,
    },
    Replace,
    /// The creation failed once more: who is it that stands there now?
    Explain(By),
}

/// A flow that stands in the way.
#[derive(Clone, Copy, Debug)]
struct Obstacle {
    flow: Flow,
    /// The request for its removal, once it was made.
    token: Option<Token>,
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
    /// The request under way; none while the step is still to be requested. Not that of a removal.
    token: Option<Token>,
    /// What was found by the original and by the reply tuple.
    obstacles: [Option<Obstacle>; 2],
    existing: Option<Flow>,
}

impl Conflict {
    /// The creation of `wanted`, which is in `slot` of the external cache, was answered with `EEXIST`.
    pub(super) const fn new(slot: Slot, wanted: &Flow, timeout: u32) -> Self {
        let step = Step::Find(By::Original);
        Self { slot, wanted: *wanted, timeout, step, token: None, obstacles: [None; 2], existing: None }
    }

    /// Where the flow is in the external cache.
    pub(super) const fn slot(&self) -> Slot {
        self.slot
    }

    /// The flow.
    pub(super) const fn wanted(&self) -> &Flow {
        &self.wanted
    }

    /// Whether there is something to request.
    pub(super) const fn wants(&self) -> bool {
        self.token.is_none()
    }

    /// Whether the request `token` names is this conflict's.
    pub(super) fn awaits(&self, token: Token) -> bool {
        self.token == Some(token) || self.obstacle(token).is_some()
    }

    /// Requests what comes next. A removal is not waited for.
    pub(super) fn poll(&mut self, tokens: &mut Tokens) -> KernelRequest<'_> {
        let token = tokens.next();
        let (flow, timeout) = (&self.wanted, self.timeout);
        if self.step == Step::Replace {
            let standing = self.obstacles.iter_mut().flatten().find(|obstacle| obstacle.token.is_none());
            if let Some(obstacle) = standing {
                obstacle.token = Some(token);
                return KernelRequest::Delete { token, flow: &obstacle.flow };
            }
        }
        self.token = Some(token);
        match self.step {
            Step::Find(by) | Step::Explain(by) => KernelRequest::Find { token, flow, by },
            Step::Update { with_status } => KernelRequest::Update { token, flow, timeout, with_status },
            Step::Replace => KernelRequest::Create { token, flow, timeout },
        }
    }

    /// The kernel answered the request that `token` names.
    pub(super) fn reply(&mut self, token: Token, reply: KernelReply<'_>) -> Outcome {
        let error = match reply {
            KernelReply::Failed(_, error) => Some(error),
            KernelReply::Done(_)
            | KernelReply::Found(..)
            | KernelReply::Dumped(..)
            | KernelReply::Counted(..)
            | KernelReply::Begun(_) => None,
        };
        let done = error.is_none();
        if let Some(index) = self.obstacle(token) {
            self.obstacles[index] = None;
            // Where it could not be removed the creation says so.
            return if done { Outcome::Removed } else { Outcome::GoesOn };
        }
        self.token = None;
        let gone = error == Some(Errno::ENOENT);
        match self.step {
            Step::Find(by) if done => self.found(by, reply),
            Step::Find(By::Original) | Step::Update { .. } if gone => self.go_on(Step::Find(By::Reply)),
            Step::Find(By::Reply) if gone => self.go_on(Step::Replace),
            Step::Update { with_status: true } if error == Some(Errno::EBUSY) => {
                self.go_on(Step::Update { with_status: false })
            }
            Step::Update { .. } | Step::Replace if done => Outcome::Written,
            Step::Replace if error == Some(Errno::EEXIST) => {
                // What was found before was removed, or never found.
                self.existing = None;
                self.go_on(Step::Explain(By::Original))
            }
            Step::Explain(By::Original) if gone => self.go_on(Step::Explain(By::Reply)),
            Step::Explain(_) => {
                if let KernelReply::Found(_, existing) = reply {
                    self.existing = Some(*existing);
                }
                Outcome::Failed { error: Errno::EEXIST, existing: self.existing }
            }
            _ => Outcome::Failed { error: error.unwrap_or(Errno::EINVAL), existing: self.existing },
        }
    }

    fn found(&mut self, by: By, reply: KernelReply<'_>) -> Outcome {
        let KernelReply::Found(_, existing) = reply else {
            return Outcome::Failed { error: Errno::EINVAL, existing: self.existing };
        };
        self.existing = Some(*existing);
        if existing.key() == self.wanted.key() && existing.reply == self.wanted.reply {
            return self.go_on(Step::Update { with_status: true });
        }
        let known = self.obstacles.iter().flatten().any(|obstacle| obstacle.flow.key() == existing.key());
        if !known {
            let place = usize::from(by == By::Reply);
            self.obstacles[place] = Some(Obstacle { flow: *existing, token: None });
        }
        self.go_on(if by == By::Original { Step::Find(By::Reply) } else { Step::Replace })
    }

    fn obstacle(&self, token: Token) -> Option<usize> {
        self.obstacles.iter().position(|obstacle| obstacle.is_some_and(|known| known.token == Some(token)))
    }

    const fn go_on(&mut self, step: Step) -> Outcome {
        self.step = step;
        Outcome::GoesOn
    }
}
