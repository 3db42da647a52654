//! Running a scenario in its lab: the events in order, looking all the while, then the judgement.
//!
//! Never sleeps for its own sake: between two looks only. An expectation within the timeline holds it up; those at its
//! end are judged together, and once more when everything that belongs to a failover has been seen. Driven by
//! `session`; tested through the scenarios.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::Lab;
use super::stalls::Stalls;
use super::watch::Watches;
use super::written::{Work, Writing};
use crate::plan::Actor;
use crate::poll;
use crate::report::ExpectationSeen;
use crate::scenario::{Action, Event, Expectation, Scenario};
use crate::verdict::{Judgement, Record, Seen, judge};

/// Between two looks, at least; after one that took long, as long as it took.
const LOOK: Duration = Duration::from_millis(100);
/// A gap is one that overlaps this time after the fault, so it is complete only then.
pub(crate) const GAP_WINDOW: Duration = Duration::from_secs(10);

/// A run in progress.
struct Run<'a> {
    lab: &'a Lab,
    tell: &'a dyn Fn(&str),
    watches: &'a Watches,
    stalls: &'a Stalls,
    record: Record,
    /// What is being written while the timeline goes on.
    writings: Vec<Writing>,
    /// The moment of the last event.
    from: Instant,
    /// How long the last look took.
    looked: Duration,
    seen: Vec<ExpectationSeen>,
}

/// Runs the scenario of a lab and returns what became of each expectation.
///
/// # Errors
/// When an event cannot happen or a program ends that nobody ended; with what was seen until then.
pub(crate) fn run(lab: &Lab, tell: &dyn Fn(&str)) -> (Vec<ExpectationSeen>, Result<()>) {
    let watches = Watches::of(watched(lab.scenario()));
    let (watches, stalls) = (&watches, &Stalls::default());
    thread::scope(|scope| {
        for watch in watches.each() {
            scope.spawn(move || watches.watch(lab, watch));
        }
        for processor in Stalls::processors() {
            scope.spawn(move || stalls.watch(processor));
        }
        let now = Instant::now();
        let mut run = Run {
            lab,
            tell,
            watches,
            stalls,
            record: Record::default(),
            writings: Vec::new(),
            from: now,
            looked: Duration::ZERO,
            seen: Vec::new(),
        };
        let result = run.events(now).and_then(|()| run.judge_all());
        watches.end();
        stalls.end();
        (run.seen, result)
    })
}

/// The routers whose daemons are watched, with repetitions.
fn watched(scenario: &Scenario) -> impl Iterator<Item = &str> {
    let waited = scenario.timeline.iter().filter_map(|event| match &event.action {
        Action::Wait(expectation) => Some(expectation),
        _ => None,
    });
    scenario.expect.iter().chain(waited).filter_map(|expectation| expectation.seen.watched())
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
        for writing in self.writings.drain(..) {
            writing.finish()?;
            self.from = Instant::now();
        }
        Ok(())
    }

    fn happen(&mut self, event: &Event) -> Result<()> {
        if let Action::Wait(expectation) = &event.action {
            return self.wait(expectation);
        }
        self.from = Instant::now();
        match &event.action {
            Action::Births { count, per_second } => self.lab.give_birth(*count, *per_second)?,
            Action::Write(written) => {
                let writing = self.lab.write_flows(written, Work::Create)?;
                return self.keep_writing(writing, written.meanwhile);
            }
            Action::Erase(written) => {
                let writing = self.lab.write_flows(written, Work::Delete)?;
                return self.keep_writing(writing, written.meanwhile);
            }
            Action::WriteMute(written) => self.lab.write_mute(written)?,
            Action::HandOver(count) => {
                let mut took = self.lab.hand_over(*count)?;
                took.sort_unstable();
                if let (Some(median), Some(longest)) = (took.get(took.len() / 2), took.last()) {
                    let (median, longest) = (median.as_millis(), longest.as_millis());
                    (self.tell)(&format!(
                        "{} handovers, the median took {median} ms, the longest {longest} ms",
                        took.len()
                    ));
                }
            }
            Action::FailToHandOver(wanted) => self.lab.fail_to_hand_over(wanted)?,
            Action::Fill { on, leave } => self.lab.fill(on, *leave)?,
            Action::Drain(on) => self.lab.drain(on)?,
            other => return self.change(other),
        }
        // Counted from the last birth, not from the first.
        self.from = Instant::now();
        Ok(())
    }

    fn keep_writing(&mut self, writing: Writing, meanwhile: bool) -> Result<()> {
        if meanwhile {
            self.writings.push(writing);
            return Ok(());
        }
        writing.finish()?;
        self.from = Instant::now();
        Ok(())
    }

    /// What happens to the lab at a moment.
    fn change(&self, action: &Action) -> Result<()> {
        let lab = self.lab;
        match action {
            Action::Start(traffic) => lab.begin_traffic(traffic).map(drop)?,
            Action::Fulfil(traffic) => lab.fulfil(traffic)?,
            Action::Stop(traffic) => lab.end_traffic(traffic)?,
            Action::Fault(fault, node) => self.watches.without(node, || lab.break_it(*fault, node))?,
            Action::Boot(node) => lab.boot(node)?,
            Action::StartVrrp(node) => {
                self.note_moment()?;
                lab.start(node, Actor::Keepalived)?;
            }
            Action::StartDaemon(node) => lab.start_daemon(node)?,
            Action::ReplaceDaemon { on, with } => {
                self.watches.without(on, || lab.replace_daemon(on, *with))?;
            }
            Action::WakeDaemon(node) => lab.hang_daemon(node, false)?,
            Action::Reload { on, change } => lab.reload(on, change)?,
            Action::LinkUp(node) => {
                self.note_moment()?;
                lab.link_up(node)?;
            }
            Action::Networks(networks) => lab.divide(*networks)?,
            Action::ForgetNeighbours => lab.forget_neighbours()?,
            Action::Weather(weather) => {
                lab.with_link(|link| link.set_weather(weather.weather()));
            }
            // Of the others it is not asked.
            _ => {}
        }
        Ok(())
    }

    /// The addresses are about to move by themselves.
    fn note_moment(&self) -> Result<()> {
        let flows = self.lab.primary().and_then(|primary| self.lab.flows(&primary).ok());
        self.lab.note_moment(None, flows)
    }

    fn look(&mut self, expectations: &[&Expectation]) -> Result<()> {
        let began = Instant::now();
        self.lab.look(&mut self.record, expectations)?;
        for (end, lasted) in self.stalls.take() {
            self.record.add(Instant::now(), Seen::StoodStill { end, lasted });
        }
        for watch in self.watches.each() {
            self.record.add(Instant::now(), Seen::Watched(watch.node.clone(), watch.seen()));
        }
        self.looked = began.elapsed();
        Ok(())
    }

    /// Lets time pass: looking at many flows is work for the daemons too.
    fn pause(&self) {
        poll::pause(LOOK.max(self.looked));
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
            self.pause();
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
            self.pause();
        }
    }

    fn note(&mut self, expectation: &Expectation, passed: bool, seen: String) {
        self.seen.push(ExpectationSeen { text: expectation.to_string(), passed, seen });
    }
}
