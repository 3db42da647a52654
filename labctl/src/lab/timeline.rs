//! Running a scenario in its lab: the events in order, looking all the while, then the judgement.
//!
//! Never sleeps for its own sake: between two looks only. An expectation within the timeline holds it up; those at its
//! end are judged together, and once more when everything that belongs to a failover has been seen. Driven by
//! `session`; tested through the scenarios.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::Lab;
use crate::poll;
use crate::report::ExpectationSeen;
use crate::scenario::{Action, Event, Expectation};
use crate::verdict::{Judgement, Record, judge};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(100);
/// A gap is one that overlaps this time after the fault, so it is complete only then.
pub(crate) const GAP_WINDOW: Duration = Duration::from_secs(10);

/// A run in progress.
struct Run<'a> {
    lab: &'a Lab,
    tell: &'a dyn Fn(&str),
    record: Record,
    /// The moment of the last event.
    from: Instant,
    seen: Vec<ExpectationSeen>,
}

/// Runs the scenario of a lab and returns what became of each expectation.
///
/// # Errors
/// When an event cannot happen or a program ends that nobody ended; with what was seen until then.
pub(crate) fn run(lab: &Lab, tell: &dyn Fn(&str)) -> (Vec<ExpectationSeen>, Result<()>) {
    let now = Instant::now();
    let mut run = Run { lab, tell, record: Record::default(), from: now, seen: Vec::new() };
    let result = run.events(now).and_then(|()| run.judge_all());
    (run.seen, result)
}

impl Run<'_> {
    fn events(&mut self, began: Instant) -> Result<()> {
        for event in &self.lab.scenario().timeline {
            if let Some(at) = event.at {
                self.look_until(began + at.0)?;
            }
            (self.tell)(&event.action.to_string());
            self.happen(event)?;
        }
        Ok(())
    }

    fn happen(&mut self, event: &Event) -> Result<()> {
        let lab = self.lab;
        if let Action::Wait(expectation) = &event.action {
            return self.wait(expectation);
        }
        self.from = Instant::now();
        match &event.action {
            Action::Start(traffic) => lab.begin_traffic(traffic).map(drop)?,
            Action::Fulfil(traffic) => lab.fulfil(traffic)?,
            Action::Fault(fault, node) => lab.break_it(*fault, node)?,
            Action::Boot(node) => lab.boot(node)?,
            Action::StartVrrp(node) => {
                let flows = lab.primary().and_then(|primary| lab.flows(&primary).ok());
                lab.note_moment(None, flows)?;
                lab.start(node, crate::plan::Actor::Keepalived)?;
            }
            Action::StartDaemon(node) => lab.start_daemon(node)?,
            Action::Weather(weather) => {
                lab.with_link(|link| link.set_weather(weather.weather()));
            }
            Action::Births(births) => {
                lab.give_birth(births.count, births.per_second)?;
                // Counted from the last birth, not from the first.
                self.from = Instant::now();
            }
            Action::Wait(_) => {}
        }
        Ok(())
    }

    fn look(&mut self, expectations: &[&Expectation]) -> Result<()> {
        self.lab.look(&mut self.record, expectations)
    }

    fn look_until(&mut self, moment: Instant) -> Result<()> {
        while Instant::now() < moment {
            self.look(&[])?;
            poll::pause(LOOK.min(moment.saturating_duration_since(Instant::now())));
        }
        Ok(())
    }

    /// Holds the timeline up until the expectation is met; missing it ends the run.
    fn wait(&mut self, expectation: &Expectation) -> Result<()> {
        let from = Instant::now();
        loop {
            self.look(&[expectation])?;
            let judged = judge(expectation, &self.record, from);
            if judged.judgement != Judgement::Open {
                let passed = judged.judgement == Judgement::Met;
                self.note(expectation, passed, judged.seen);
                if passed {
                    return Ok(());
                }
                anyhow::bail!("the timeline cannot go on: {expectation}");
            }
            poll::pause(LOOK);
        }
    }

    fn judge_all(&mut self) -> Result<()> {
        let lab = self.lab;
        let expectations: Vec<&Expectation> = lab.scenario().expect.iter().collect();
        let complete = lab.failover().map(|failover| failover.at + GAP_WINDOW);
        (self.tell)("looking at what becomes of it");
        loop {
            let looked = self.look(&expectations);
            let open = expectations
                .iter()
                .any(|expectation| judge(expectation, &self.record, self.from).judgement == Judgement::Open);
            let complete = complete.is_none_or(|complete| Instant::now() >= complete);
            if looked.is_err() || (complete && !open) {
                for expectation in &expectations {
                    let judged = judge(expectation, &self.record, self.from);
                    self.note(expectation, judged.judgement == Judgement::Met, judged.seen);
                }
                return looked;
            }
            poll::pause(LOOK);
        }
    }

    fn note(&mut self, expectation: &Expectation, passed: bool, seen: String) {
        self.seen.push(ExpectationSeen { text: expectation.to_string(), passed, seen });
    }
}
