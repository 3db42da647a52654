//! Carrying out a handover: what is seen goes in, its orders go to keepalived, its end to whoever asked.
//!
//! Decides nothing; [`crate::handover`] does. Tested end to end and in the lab.

use std::time::Duration;

use serde_json::json;
use syncd_core::replica::Role;
use syncd_core::time::Instant;
use tokio::sync::oneshot;

use super::EventLoop;
use crate::config::Beside;
use crate::control::protocol::Response;
use crate::handover::{EVERY, Handover, Order, Outcome, Seen};
use crate::journal::Level;
use crate::show::handover::HandoverView;

/// A router that wants its role back wants it for so long at most.
const RECLAIM: Duration = Duration::from_secs(30);

/// One that is under way, and who waits for its end.
#[derive(Debug)]
pub(super) struct UnderWay {
    handover: Handover,
    answer: oneshot::Sender<Response>,
    /// So many of its steps were told.
    told: usize,
    due: Instant,
}

impl UnderWay {
    /// When it is to be looked at again.
    pub(super) const fn due(&self) -> Instant {
        self.due
    }
}

impl EventLoop {
    /// Somebody wants the other router to be primary.
    pub(super) fn begin_handover(
        &mut self,
        now: Instant,
        patience: Duration,
        answer: oneshot::Sender<Response>,
    ) {
        if let Some((reason, remedy)) = self.cannot_hand_over(now) {
            self.handovers.count(Outcome::Refused);
            // A client that has gone wants no answer.
            drop(answer.send(Response::refused(reason, remedy)));
            return;
        }
        let text = "handing over: the other router shall be primary";
        self.parts.journal.happened(Level::Info, "handover-begun", &json!({}), text);
        self.under_way =
            Some(UnderWay { handover: Handover::begin(now, patience), answer, told: 0, due: now });
    }

    fn cannot_hand_over(&self, now: Instant) -> Option<(String, &'static str)> {
        let failover = &self.parts.config.failover;
        if let Some(other) = &self.under_way {
            let since = now.since(other.handover.began()).as_secs_f64();
            let reason = format!("cannot hand over: that is under way since {since:.1} s");
            return Some((reason, "wait for its end: 'syncd watch' tells it"));
        }
        if failover.track_file.is_none() {
            let reason = "cannot hand over: keepalived does not go by a track-file".to_owned();
            return Some((reason, "add one to both configurations (docs/handover.md)"));
        }
        let stays = Beside::read(failover).and_then(|keepalived| keepalived.with_nopreempt(failover));
        stays.map(|name| {
            let reason = format!(
                "cannot hand over: {name} has nopreempt, and where that is so on the other router too it takes over from \
                 nobody who lives"
            );
            (reason, "give both routers the same priority in its place (docs/handover.md)")
        })
    }

    /// The role has gone: if it was handed over, this router steps back. Before the role is kept.
    pub(super) fn note_departure(&mut self, to: Role) {
        if to == Role::Backup && self.under_way.as_ref().is_some_and(|under_way| under_way.handover.moves()) {
            self.readiness.step_back();
        }
    }

    /// Goes on with it, if one is under way and it is time.
    pub(super) fn go_on_handing_over(&mut self, now: Instant) {
        while let Some(mut under_way) = self.under_way.take_if(|under_way| under_way.due <= now) {
            let order = under_way.handover.step(&self.see_both(now));
            self.tell_steps(&mut under_way);
            match order {
                Order::Wait => {}
                Order::Lower => self.readiness.hand_over(true),
                Order::Raise => self.readiness.hand_over(false),
                Order::Reclaim => {
                    self.readiness.reclaim(now + RECLAIM);
                    self.keep_role_again();
                }
            }
            if order != Order::Wait {
                self.look_again(now);
            }
            under_way.due = now + EVERY;
            match under_way.handover.outcome() {
                None => self.under_way = Some(under_way),
                Some(outcome) => self.end_handover(outcome, under_way),
            }
        }
    }

    fn see_both(&mut self, now: Instant) -> Seen {
        let unready = self.why_unready(now);
        let replica = &self.parts.replica;
        let status = replica.status(now);
        let asked = replica.external().resync_began() >= status.role_since;
        Seen {
            now,
            role: status.role,
            sync: status.sync,
            unready,
            all_acknowledged: status.queued == 0 && status.in_flight == 0,
            waits_since: status.waits_since,
            heard: replica.stats().link.frames_received,
            internal: status.internal,
            told: if asked { replica.external().named() } else { 0 },
        }
    }

    fn tell_steps(&self, under_way: &mut UnderWay) {
        for taken in &under_way.handover.steps()[under_way.told..] {
            let details = json!({ "step": taken.step });
            let text = format_args!("handing over: {}: {}", taken.step, taken.text);
            self.parts.journal.happened(Level::Info, "handover-step", &details, text);
        }
        under_way.told = under_way.handover.steps().len();
    }

    fn end_handover(&mut self, outcome: Outcome, under_way: UnderWay) {
        self.handovers.count(outcome);
        let view = HandoverView::new(outcome, &under_way.handover);
        let level = if outcome == Outcome::Done { Level::Info } else { Level::Warn };
        let details = json!({ "result": outcome.word(), "flows": view.flows, "told": view.told });
        self.parts.journal.happened(level, "handover-ended", &details, view.sentence());
        // A client that has gone wants no answer.
        drop(under_way.answer.send(Response::HandedOver(Box::new(view))));
    }
}
