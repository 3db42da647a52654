//! What a full cache excuses. A router cannot hold what finds no room, and the dialect has no word for that: such a flow is
//! acknowledged like any other, because what is not acknowledged would be sent for ever. So the peer takes it for held, and
//! nothing is owed of it until it is told again and finds room, or a complete answer to a question that was asked since has
//! named all that lives.

use std::collections::BTreeMap;

use syncd_core::replica::Stats;

use crate::kernel::Name;

/// Flows of the peer that found no room in a router's external cache.
#[derive(Debug, Default)]
pub(super) struct Unkept {
    /// Each with the number of refusals there were by then.
    flows: BTreeMap<Name, u64>,
    refusals: u64,
    questions: u64,
    /// Refusals by the last question.
    asked: u64,
}

impl Unkept {
    /// A datagram was taken in that told of the flows `told`; after it, these are `held`.
    pub(super) fn arrived(
        &mut self,
        told: impl Iterator<Item = Name>,
        held: impl Fn(&Name) -> bool,
        stats: &Stats,
    ) {
        let refused = std::mem::replace(&mut self.refusals, stats.external.create_failed) != self.refusals;
        for name in told {
            if held(&name) {
                self.flows.remove(&name);
            } else if refused {
                self.flows.insert(name, self.refusals);
            }
        }
    }

    /// After a turn, in which an answer may have been complete.
    pub(super) fn turned(&mut self, stats: &Stats, caught_up: bool) {
        if caught_up {
            // The next question may be asked in the same turn: that one is not answered.
            self.flows.retain(|_, refused| *refused > self.asked);
        }
        let questions = stats.ftfw.resyncs_asked;
        if questions != self.questions {
            (self.questions, self.asked) = (questions, stats.external.create_failed);
        }
    }

    /// Whether it has found no room, and not been told again since.
    pub(super) fn has(&self, name: &Name) -> bool {
        self.flows.contains_key(name)
    }
}
