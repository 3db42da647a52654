//! Handing the role over on purpose: both routers know the same, the last news is acknowledged, the priority moves, the
//! other router is heard as primary. On any doubt it stays as it was, or becomes so again.
//!
//! Whether the other router could take over is not asked: there is no word for it. Its priority says it. A router that is
//! not ready has a lower one than we have while we hand over ([`crate::readiness::priority`]), so it does not take over, and
//! we go back.
//!
//! Values in, orders out: never looks at a clock, never writes the file. Driven by the event loop, some hundred times a
//! second while one is under way; tested in `tests.rs` and in the lab.

#[cfg(test)]
mod tests;

use std::time::Duration;

use syncd_core::replica::{Role, Sync};
use syncd_core::time::Instant;

/// A peer that lives says something each second. One that says nothing for so long is handed nothing.
const HEARD: Duration = Duration::from_secs(3);

/// So long it may take until the addresses have moved: keepalived's slowest usual election (`advert_int 1`) takes 4 s, and a
/// router that has just handed over to us needs a moment to be ready again.
const MOVE: Duration = Duration::from_secs(10);

/// So long the other router may take to tell its flows, and so much longer for each of them: a commit may come first.
const CONFIRM: Duration = Duration::from_secs(10);
const CONFIRM_FLOW: Duration = Duration::from_micros(50);

/// An election that had begun before we went back is over after so long.
const SETTLE: Duration = Duration::from_secs(1);

/// So many of a hundred flows the new primary must tell of: some end meanwhile.
const TOLD: u64 = 98;

/// How often it is looked at what has become of it.
pub(crate) const EVERY: Duration = Duration::from_millis(10);

/// What is seen of both routers.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Now.
    pub(crate) now: Instant,
    /// Our role.
    pub(crate) role: Role,
    /// Whether both routers know the same.
    pub(crate) sync: Sync,
    /// Why a takeover would lose flows, in one sentence; none if it would not.
    pub(crate) unready: Option<String>,
    /// Nothing waits for the peer's acknowledgement.
    pub(crate) all_acknowledged: bool,
    /// Since when the oldest round of unacknowledged news has been waiting.
    pub(crate) waits_since: Option<Instant>,
    /// Messages of the peer, since the start.
    pub(crate) heard: u64,
    /// Flows of our kernel.
    pub(crate) internal: u32,
    /// Flows that the peer has named since this router is its backup, those that have ended meanwhile included.
    pub(crate) told: u32,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Nothing.
    Wait,
    /// keepalived is told that we hand over.
    Lower,
    /// keepalived is told that we do not.
    Raise,
    /// keepalived is told that we want our role back, whatever we know.
    Reclaim,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The other router is primary, and has what we had.
    Done,
    /// It was not begun: nothing has changed.
    Refused,
    /// It was begun, and is as it was before.
    RolledBack,
    /// The role has gone, and it could not be seen that the other router does what it should.
    Unclear,
}

impl Outcome {
    /// Each of them.
    pub(crate) const ALL: [Self; 4] = [Self::Done, Self::Refused, Self::RolledBack, Self::Unclear];

    /// The word.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::RolledBack => "rolled back",
            Self::Unclear => "unclear",
        }
    }
}

/// One step that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    /// When.
    pub(crate) at: Instant,
    /// Which, as a word.
    pub(crate) step: &'static str,
    /// In a sentence.
    pub(crate) text: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    /// Both routers must know the same.
    Prepare,
    /// What waits since then must be acknowledged, and the peer be heard once more: that nothing waits says nothing of
    /// whether it lives. `round` is the first that has begun since, `heard` what it had said by then.
    Acknowledge { since: Instant, round: Option<Instant>, heard: u64 },
    /// The priority is lowered.
    Move { since: Instant },
    /// The priority is as it was, and an election may be under way.
    Settle { since: Instant, why: String },
    /// keepalived has heard another primary.
    Confirm { since: Instant },
    /// The role has gone, and we want it back.
    Reclaim { since: Instant, why: String },
    /// It is over.
    Over(Outcome),
}

/// A handover under way.
#[derive(Clone, Debug)]
pub(crate) struct Handover {
    phase: Phase,
    began: Instant,
    patience: Duration,
    steps: Vec<Taken>,
    /// Flows here when the addresses moved.
    at_move: Option<u32>,
    /// What the new primary has told since.
    told: u32,
}

impl Handover {
    /// Begins: both routers may take so long until they know the same.
    pub(crate) const fn begin(now: Instant, patience: Duration) -> Self {
        Self { phase: Phase::Prepare, began: now, patience, steps: Vec::new(), at_move: None, told: 0 }
    }

    /// When it began.
    pub(crate) const fn began(&self) -> Instant {
        self.began
    }

    /// What was done so far, in order.
    pub(crate) fn steps(&self) -> &[Taken] {
        &self.steps
    }

    /// What became of it; none while it is under way.
    pub(crate) const fn outcome(&self) -> Option<Outcome> {
        match self.phase {
            Phase::Over(outcome) => Some(outcome),
            _ => None,
        }
    }

    /// Flows here when the addresses moved, and how many the new primary has told of since.
    pub(crate) fn flows(&self) -> Option<(u32, u32)> {
        self.at_move.map(|flows| (flows, self.told))
    }

    /// Whether a role that goes now goes because it is handed over.
    pub(crate) const fn moves(&self) -> bool {
        matches!(self.phase, Phase::Move { .. } | Phase::Settle { .. })
    }

    /// Looks, and says what is to be done.
    pub(crate) fn step(&mut self, seen: &Seen) -> Order {
        match self.phase.clone() {
            Phase::Prepare => self.prepare(seen),
            Phase::Acknowledge { since, round, heard } => self.acknowledge(seen, since, round, heard),
            Phase::Move { since } => self.moving(seen, since),
            Phase::Settle { since, why } => self.settle(seen, since, why),
            Phase::Confirm { since } => self.confirm(seen, since),
            Phase::Reclaim { since, why } => self.reclaim(seen, since, &why),
            Phase::Over(_) => Order::Wait,
        }
    }

    fn prepare(&mut self, seen: &Seen) -> Order {
        if let Some(refusal) = not_ours(seen) {
            return self.end(seen, Outcome::Refused, refusal);
        }
        match &seen.unready {
            None => {
                self.take(seen, "prepared", "both routers know the same".to_owned());
                self.phase = Phase::Acknowledge { since: seen.now, round: None, heard: seen.heard };
                Order::Wait
            }
            Some(why) if seen.now.since(self.began) >= self.patience => {
                let waited = self.patience.as_secs();
                self.end(
                    seen,
                    Outcome::Refused,
                    format!("a takeover would lose flows, also after {waited} s: {why}"),
                )
            }
            Some(_) => Order::Wait,
        }
    }

    fn acknowledge(&mut self, seen: &Seen, since: Instant, round: Option<Instant>, heard: u64) -> Order {
        if let Some(refusal) = not_ours(seen) {
            return self.end(seen, Outcome::Refused, refusal);
        }
        // A round holds what waited at its beginning: when one that began later has come to its end, so has everything
        // from before.
        let over = round.is_some_and(|round| seen.waits_since.is_none_or(|began| began > round));
        let lives = seen.heard != heard;
        if lives && (seen.all_acknowledged || over) {
            self.take(
                seen,
                "acknowledged",
                "the other router has acknowledged everything up to now".to_owned(),
            );
            self.phase = Phase::Move { since: seen.now };
            return Order::Lower;
        }
        if !lives && seen.now.since(since) >= HEARD {
            let text = format!("the other router has said nothing for {} s", HEARD.as_secs());
            return self.end(seen, Outcome::Refused, text);
        }
        if lives && seen.now.since(since) >= self.patience {
            let waited = self.patience.as_secs();
            let text = format!("the other router has not acknowledged everything within {waited} s");
            return self.end(seen, Outcome::Refused, text);
        }
        let begun = seen.waits_since.filter(|began| *began > since);
        self.phase = Phase::Acknowledge { since, round: round.or(begun), heard };
        Order::Wait
    }

    fn moving(&mut self, seen: &Seen, since: Instant) -> Order {
        match (seen.role, &seen.sync) {
            (Role::Primary, Sync::PeerLost { .. }) => {
                self.go_back(seen, "the other router has fallen silent on the dedicated link".to_owned())
            }
            (Role::Primary, Sync::Diverged(divergence)) => self.go_back(seen, divergence.to_string()),
            (Role::Primary, _) if seen.now.since(since) >= MOVE => {
                let text = format!(
                    "the other router did not take over within {} s: it is not ready ('syncd ready' there says why), or its \
                     keepalived does not listen (nopreempt, or a weight that is too small; 'syncd doctor' there)",
                    MOVE.as_secs()
                );
                self.go_back(seen, text)
            }
            (Role::Primary, _) => Order::Wait,
            (Role::Backup, _) => self.moved(seen),
            (Role::Fault | Role::Unknown, _) => {
                self.end(seen, Outcome::Unclear, "keepalived says that this router is in fault".to_owned())
            }
        }
    }

    /// The priority is raised again; whatever keepalived has begun is waited for.
    fn go_back(&mut self, seen: &Seen, why: String) -> Order {
        self.take(seen, "raised", "the priority is as it was".to_owned());
        self.phase = Phase::Settle { since: seen.now, why };
        Order::Raise
    }

    fn settle(&mut self, seen: &Seen, since: Instant, why: String) -> Order {
        match seen.role {
            Role::Primary if seen.now.since(since) >= SETTLE => self.end(seen, Outcome::RolledBack, why),
            Role::Primary => Order::Wait,
            // It had begun, and is over now.
            Role::Backup => self.moved(seen),
            Role::Fault | Role::Unknown => self.end(seen, Outcome::Unclear, why),
        }
    }

    fn moved(&mut self, seen: &Seen) -> Order {
        let text = "keepalived has heard another primary and made this router its backup".to_owned();
        self.take(seen, "moved", text);
        self.at_move = Some(seen.internal);
        self.phase = Phase::Confirm { since: seen.now };
        Order::Wait
    }

    fn confirm(&mut self, seen: &Seen, since: Instant) -> Order {
        let flows = self.at_move.unwrap_or_default();
        self.told = seen.told;
        match seen.role {
            Role::Backup => {}
            Role::Primary => {
                return self.end(
                    seen,
                    Outcome::RolledBack,
                    "this router has become primary again".to_owned(),
                );
            }
            Role::Fault | Role::Unknown => {
                let text = "keepalived says that this router is in fault".to_owned();
                return self.end(seen, Outcome::Unclear, text);
            }
        }
        if seen.sync == Sync::InSync && u64::from(self.told) * 100 >= u64::from(flows) * TOLD {
            let text =
                format!("the other router has told of {} flows since; there were {flows} here", self.told);
            self.take(seen, "confirmed", text);
            return self.end(seen, Outcome::Done, String::new());
        }
        if seen.now.since(since) < CONFIRM + CONFIRM_FLOW * flows {
            return Order::Wait;
        }
        let why = match seen.sync {
            Sync::InSync => format!("the other router has told of {} flows only, of {flows}", self.told),
            Sync::PeerLost { .. } => "the other router is silent on the dedicated link".to_owned(),
            Sync::CatchingUp(reason) => format!("the other router has not told all its flows: {reason}"),
            Sync::Diverged(divergence) => divergence.to_string(),
        };
        self.take(seen, "reclaimed", format!("this router wants its role back: {why}"));
        self.phase = Phase::Reclaim { since: seen.now, why };
        Order::Reclaim
    }

    fn reclaim(&mut self, seen: &Seen, since: Instant, why: &str) -> Order {
        match seen.role {
            Role::Primary => self.end(seen, Outcome::RolledBack, why.to_owned()),
            Role::Backup if seen.now.since(since) < MOVE => Order::Wait,
            Role::Backup | Role::Fault | Role::Unknown => {
                let text = format!("{why}; this router asked for its role back and did not get it");
                self.end(seen, Outcome::Unclear, text)
            }
        }
    }

    fn take(&mut self, seen: &Seen, step: &'static str, text: String) {
        self.steps.push(Taken { at: seen.now, step, text });
    }

    fn end(&mut self, seen: &Seen, outcome: Outcome, why: String) -> Order {
        if outcome != Outcome::Done {
            self.take(seen, outcome.word(), why);
        }
        self.phase = Phase::Over(outcome);
        Order::Wait
    }
}

/// Why there is nothing to hand over.
fn not_ours(seen: &Seen) -> Option<String> {
    let role = seen.role.name();
    (seen.role != Role::Primary)
        .then(|| format!("this router is {role}: a primary hands over; run it on the other one"))
}
