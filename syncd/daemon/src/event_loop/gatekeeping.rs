//! The gate, as the replica needs it, and what becomes of it told. Tested end to end and in the lab.

use serde_json::json;
use syncd_core::replica::Role;
use syncd_core::time::Instant;

use super::EventLoop;
use crate::gate::{Need, News};
use crate::journal::Level;

impl EventLoop {
    /// Closes the gate before the first flow of a commit is written, and opens it after the last one.
    pub(super) fn tend_gate(&mut self, now: Instant) {
        let replica = &self.parts.replica;
        let need = match replica.role() {
            _ if !self.parts.config.gate => Need::None,
            Role::Primary if replica.takes_over() => Need::Closed,
            Role::Primary => Need::None,
            Role::Backup | Role::Fault | Role::Unknown => Need::Prepared,
        };
        self.gate.tend(now, need);
        while let Some(news) = self.gate.news() {
            self.failovers.gate(now, &news);
            self.tell_of_gate(&news);
        }
    }

    fn tell_of_gate(&self, news: &News) {
        let journal = &self.parts.journal;
        match news {
            News::Closed { after } => {
                let after = after.as_secs_f64();
                let text = format_args!(
                    "gate closed after {after:.3} s: what belongs to no known flow and opens none is dropped"
                );
                journal.happened(Level::Info, "gate-closed", &json!({ "after_s": after }), text);
            }
            News::Opened { closed, held } => {
                let seconds = closed.as_secs_f64();
                let held_words = held.map_or_else(|| "packets".to_owned(), |held| format!("{held} packets"));
                let details = json!({ "closed_s": seconds, "held": held });
                let text = format_args!("gate open after {seconds:.3} s: {held_words} were dropped");
                journal.happened(Level::Info, "gate-open", &details, text);
            }
            News::Failed { reason } => {
                let consequence =
                    "a commit goes on without: packets that come before their flows may end connections";
                let remedy = "see docs/failover.md, or set disable-gate";
                let text = format_args!("there is no gate: {reason}; {consequence}; {remedy}");
                journal.happened(Level::Warn, "gate-failed", &json!({ "reason": reason }), text);
            }
            News::Overdue => {
                let text = "the commit has lasted too long for the gate, which is opened before its end";
                journal.happened(Level::Warn, "gate-overdue", &json!({}), text);
            }
        }
    }
}
