//! One flow that could not simply be created, and the steps by which it gets into the kernel.
//!
//! ```text
//! EEXIST ─► find by original ─► same flow ──────────────► update ─► written
//!    ▲         │ another / none      │ gone meanwhile
//!    │         ▼                     ▼
//!    │      find by reply ─► delete what was found, create ─► written
//!    │                                 └─ EEXIST again ─► find once more ─► failed, both flows shown
//! no such helper, no such parent ─► create without it ─► written
//! ```
//! "Another" differs in its original or its reply tuple; it is deleted by tuple and id, so that nothing that took
//! its place meanwhile is hit. Deletions and creation are requested in one go: packets are on their way already, and
//! the next one would take the place again.

use super::kernel::{By, Errno, KernelReply, KernelRequest, Token};
use super::tokens::Tokens;
use crate::cache::Slot;
use crate::flow::{ExtraSet, Flow, FlowRef, Key, Whole};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Create,
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
    /// This flow stood in the way and was removed; there is a next step.
    Removed(Key),
    /// Our kernel will not have this of the flow; there is a next step, without it.
    LeftOut(ExtraSet),
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

/// Seconds that a flow is to be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Life {
    /// Where we create it.
    pub(super) created: u32,
    /// Where it was here before.
    pub(super) here: u32,
}

impl Life {
    /// So many in either case.
    pub(super) const fn of(seconds: u32) -> Self {
        Self { created: seconds, here: seconds }
    }
}

/// One conflict.
#[derive(Clone, Copy, Debug)]
pub(super) struct Conflict {
    slot: Slot,
    wanted: Whole,
    life: Life,
    replaces: bool,
    step: Step,
    /// The request under way; none while the step is still to be requested. Not that of a removal.
    token: Option<Token>,
    /// What was found by the original and by the reply tuple.
    obstacles: [Option<Obstacle>; 2],
    existing: Option<Flow>,
}

impl Conflict {
    /// The creation of `wanted`, which is in `slot` of the external cache, was answered with `EEXIST`.
    pub(super) const fn new(slot: Slot, wanted: Whole, life: Life) -> Self {
        let step = Step::Find(By::Original);
        Self { slot, wanted, life, replaces: true, step, token: None, obstacles: [None; 2], existing: None }
    }

    /// The update of `wanted` was answered with `EBUSY`: our kernel's entry is further, so its status stays.
    pub(super) const fn further(slot: Slot, wanted: Whole, life: Life) -> Self {
        Self { step: Step::Update { with_status: false }, ..Self::new(slot, wanted, life) }
    }

    /// It was refused because of `what`, and is tried again without. `replaces` says whether what may stand in its place
    /// gives way.
    pub(super) fn without(slot: Slot, wanted: Whole, life: Life, what: ExtraSet, replaces: bool) -> Self {
        let wanted = Whole::new(wanted.flow, wanted.extras.without(what));
        Self { step: Step::Create, replaces, ..Self::new(slot, wanted, life) }
    }

    /// The seconds that the flow is to be given.
    pub(super) const fn life(&self) -> Life {
        self.life
    }

    /// Where the flow is in the external cache.
    pub(super) const fn slot(&self) -> Slot {
        self.slot
    }

    /// The flow.
    pub(super) const fn wanted(&self) -> &Flow {
        &self.wanted.flow
    }

    /// Whether the last step was to bring an entry to what is wanted, not to create one.
    pub(super) const fn has_updated(&self) -> bool {
        matches!(self.step, Step::Update { .. })
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
        if self.step == Step::Replace {
            let standing = self.obstacles.iter_mut().flatten().find(|obstacle| obstacle.token.is_none());
            if let Some(obstacle) = standing {
                obstacle.token = Some(token);
                return KernelRequest::Delete { token, flow: &obstacle.flow };
            }
        }
        self.token = Some(token);
        let flow = FlowRef::from(&self.wanted);
        match self.step {
            Step::Find(by) | Step::Explain(by) => KernelRequest::Find { token, flow: &self.wanted.flow, by },
            Step::Update { with_status } => {
                KernelRequest::Update { token, flow, timeout: self.life.here, with_status }
            }
            Step::Create | Step::Replace => KernelRequest::Create { token, flow, timeout: self.life.created },
        }
    }

    /// The kernel answered the request that `token` names.
    pub(super) fn reply(&mut self, token: Token, reply: KernelReply<'_>) -> Outcome {
        let error = reply.error();
        let done = error.is_none();
        if let Some(index) = self.obstacle(token) {
            let obstacle = self.obstacles[index].take().expect("just found").flow;
            // Where it could not be removed the creation says so.
            return if done { Outcome::Removed(obstacle.key()) } else { Outcome::GoesOn };
        }
        self.token = None;
        if let Some(what) = error.and_then(|error| self.cause(error)) {
            self.wanted = Whole::new(self.wanted.flow, self.wanted.extras.without(what));
            return Outcome::LeftOut(what);
        }
        let gone = error == Some(Errno::ENOENT);
        match self.step {
            Step::Create if error == Some(Errno::EEXIST) && self.replaces => {
                self.go_on(Step::Find(By::Original))
            }
            Step::Find(by) if done => self.found(by, reply),
            Step::Find(By::Original) | Step::Update { .. } if gone => self.go_on(Step::Find(By::Reply)),
            Step::Find(By::Reply) if gone => self.go_on(Step::Replace),
            Step::Update { with_status: true } if error == Some(Errno::EBUSY) => {
                self.go_on(Step::Update { with_status: false })
            }
            Step::Update { .. } | Step::Create | Step::Replace if done => Outcome::Written,
            Step::Replace if error == Some(Errno::EEXIST) => {
                // What was found before was removed, or never found.
                self.existing = None;
                self.go_on(Step::Explain(By::Original))
            }
            Step::Explain(By::Original) if gone => self.go_on(Step::Explain(By::Reply)),
            Step::Explain(_) => {
                if let KernelReply::Found(_, existing) = reply {
                    self.existing = Some(*existing.flow);
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
        let existing = existing.flow;
        self.existing = Some(*existing);
        let wanted = &self.wanted.flow;
        if existing.key() == wanted.key() && existing.reply == wanted.reply {
            return self.go_on(Step::Update { with_status: true });
        }
        let known = self.obstacles.iter().flatten().any(|obstacle| obstacle.flow.key() == existing.key());
        if !known {
            let place = usize::from(by == By::Reply);
            self.obstacles[place] = Some(Obstacle { flow: *existing, token: None });
        }
        self.go_on(if by == By::Original { Step::Find(By::Reply) } else { Step::Replace })
    }

    /// Which of the extras made our kernel refuse.
    fn cause(&self, error: Errno) -> Option<ExtraSet> {
        let what = match self.step {
            Step::Create | Step::Replace => refused_extra(&self.wanted, error)?,
            Step::Update { .. } if error == Errno::ENOSPC => ExtraSet::LABELS,
            Step::Update { .. } | Step::Find(_) | Step::Explain(_) => return None,
        };
        self.wanted.extras.has(what).then_some(what)
    }

    fn obstacle(&self, token: Token) -> Option<usize> {
        self.obstacles.iter().position(|obstacle| obstacle.is_some_and(|known| known.token == Some(token)))
    }

    const fn go_on(&mut self, step: Step) -> Outcome {
        self.step = step;
        Outcome::GoesOn
    }
}

/// Because of what a creation of `wanted` is answered with `error`: our kernel has no such helper, or no such parent.
pub(super) fn refused_extra(wanted: &Whole, error: Errno) -> Option<ExtraSet> {
    let what = match error {
        Errno::EOPNOTSUPP => ExtraSet::HELPER,
        Errno::ENOENT => ExtraSet::PARENT,
        _ => return None,
    };
    wanted.extras.has(what).then_some(what)
}
