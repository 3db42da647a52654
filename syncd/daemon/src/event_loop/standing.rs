//! How this router stands in the election: looking whether it is ready, telling keepalived, and telling whoever reads the
//! log. Decides nothing; [`crate::readiness`] does. Tested end to end.

use std::path::Path;

use serde_json::json;
use syncd_core::replica::{Command, Role, Step};
use syncd_core::time::Instant;

use super::EventLoop;
use crate::journal::Level;
use crate::readiness::judge::Unready;
use crate::readiness::priority::{self, Looked};
use crate::readiness::track_file::Written;
use crate::readiness::{News, Standing};

impl EventLoop {
    /// Looks closely, once a second.
    pub(super) fn look_at_readiness(&mut self, now: Instant) {
        let News { looked, was_suspended } =
            self.readiness.look_closely(now, &self.parts.replica, self.parts.channels.all_down());
        if was_suspended {
            let text = "this machine was suspended: the peer is asked for all its flows";
            self.parts.journal.happened(Level::Warn, "suspended", &json!({}), text);
            self.command(now, Command::Step(Step::AskPeer), None);
        }
        self.stand(looked);
    }

    /// Looks again, because the replica has said something.
    pub(super) fn look_again(&mut self, now: Instant) {
        let looked = self.readiness.look(now, &self.parts.replica, self.parts.channels.all_down());
        self.stand(looked);
    }

    /// Why this router could not take over, as of now, in one sentence; none if it could.
    pub(super) fn why_unready(&mut self, now: Instant) -> Option<String> {
        self.look_again(now);
        let reasons = self.readiness.reasons();
        (!reasons.is_empty()).then(|| sentence(reasons))
    }

    /// Somebody says another role than keepalived, whose word it is.
    pub(super) fn note_overruling(&self, role: Role) {
        let was = self.parts.replica.role();
        if self.parts.fifo.is_some() && role != was {
            let (role, was) = (role.name(), was.name());
            let text = format_args!(
                "role {role} by a command, although keepalived tells the roles here ({was}, until now): its next word \
                 replaces it, and until then both routers may be primary, or none"
            );
            self.parts.journal.say(Level::Warn, text);
        }
    }

    /// What a restart must know has changed, and the role has not.
    pub(super) fn keep_role_again(&mut self) {
        self.told = self.told.or(Some(self.parts.replica.role()));
        self.keep_role();
    }

    /// The daemon ends for good.
    pub(super) fn stand_down(&mut self) {
        if let Err(error) = self.readiness.end(self.parts.replica.role()) {
            self.parts
                .journal
                .say(Level::Warn, format_args!("cannot write the track file at the end: {error}"));
        }
    }

    /// Tells keepalived, and says so.
    fn stand(&mut self, looked: Looked) {
        let told = self.readiness.tell();
        let journal = &self.parts.journal;
        match &told {
            Ok(Some(Written::Again)) => {
                let text = "somebody else has changed or removed the track file; it is as it was";
                journal.say(Level::Warn, text);
            }
            // Once for each change, not once a second.
            Err(error) if looked.changed || !self.track_file_fails => {
                let path = self.readiness.track_file().unwrap_or(Path::new("")).display();
                let text = format_args!(
                    "cannot write the track file {path}: {error}; keepalived goes by its last word"
                );
                journal.say(Level::Error, text);
            }
            Ok(_) | Err(_) => {}
        }
        self.track_file_fails = told.is_err();
        if looked.changed {
            self.say_standing(looked);
        }
    }

    fn say_standing(&self, looked: Looked) {
        let (journal, readiness) = (&self.parts.journal, &self.readiness);
        let Standing { reasons, level, .. } = readiness.standing(0);
        let codes: Vec<&str> = reasons.iter().map(|reason| reason.code.word()).collect();
        let details = json!({ "level": level.number(), "reasons": codes, "gave_up": looked.gave_up });
        let why = sentence(&reasons);
        if looked.gave_up {
            let waited = readiness.patience().as_secs();
            let text = format_args!(
                "not ready for {waited} s (ready-timeout), and keepalived waits no longer: connections will be lost if this \
                 router becomes primary now; {why}"
            );
            return journal.happened(Level::Error, "ready-timeout", &details, text);
        }
        match level {
            priority::Level::Unready => {
                journal.happened(
                    Level::Info,
                    "not-ready",
                    &details,
                    format_args!("not ready to take over: {why}"),
                );
            }
            priority::Level::Yields => {
                let text =
                    "ready to take over, and stepped back: the other router, which has the role, keeps it";
                journal.happened(Level::Info, "ready", &details, text);
            }
            // What a primary tells keepalived is told by its role, and by the steps of a handover.
            priority::Level::HandsOver => {}
            priority::Level::Ready if self.parts.replica.role() == Role::Primary => {}
            priority::Level::Ready => journal.happened(Level::Info, "ready", &details, "ready to take over"),
        }
    }
}

/// All reasons in one sentence.
fn sentence(reasons: &[Unready]) -> String {
    reasons.iter().map(|reason| reason.text.as_str()).collect::<Vec<_>>().join("; ")
}
