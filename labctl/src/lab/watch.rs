//! Watching a daemon all the time: how long it takes to answer, how much memory it holds, what its status says.
//!
//! Asks as an operator does, by a program that is run for each answer; what is measured is the life of that program, less
//! the time for which it or the daemon only waited for a processor that others had. Never asks a daemon that the timeline
//! has stopped. Driven by the timeline; tested through the scenarios.

use std::collections::BTreeSet;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::unistd::Pid;

use super::{Lab, locked};
use crate::actors::{self, answer};
use crate::bench;
use crate::plan::{Actor, syncd as plan_syncd};
use crate::poll;
use crate::probes::syncd;
use crate::verdict::WatchSeen;

/// Between two questions.
const INTERVAL: Duration = Duration::from_millis(50);

/// One router's daemon, watched.
#[derive(Debug)]
pub(crate) struct Watch {
    /// The router.
    pub(crate) node: String,
    /// Held while the daemon is asked, and by the timeline while there is nobody to ask.
    silence: Mutex<()>,
    seen: Mutex<WatchSeen>,
}

/// Everything that is watched in a run.
#[derive(Debug, Default)]
pub(crate) struct Watches {
    watches: Vec<Arc<Watch>>,
    over: AtomicBool,
}

impl Watches {
    /// Of these routers.
    #[must_use]
    pub(crate) fn of<'a>(nodes: impl Iterator<Item = &'a str>) -> Self {
        let nodes: BTreeSet<&str> = nodes.collect();
        let watch = |node: &str| {
            Arc::new(Watch { node: node.to_owned(), silence: Mutex::default(), seen: Mutex::default() })
        };
        Self { watches: nodes.into_iter().map(watch).collect(), ..Self::default() }
    }

    /// All of them.
    pub(crate) fn each(&self) -> impl Iterator<Item = &Arc<Watch>> {
        self.watches.iter()
    }

    /// Ends the threads that watch.
    pub(crate) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// Does something during which a router's daemon is not asked, neither by a question on its way.
    pub(crate) fn without<T>(&self, node: &str, body: impl FnOnce() -> T) -> T {
        let watch = self.watches.iter().find(|watch| watch.node == node);
        let _silence = watch.map(|watch| locked(&watch.silence));
        body()
    }

    /// Asks a daemon again and again, until the end. One that has not been started, or was stopped by the timeline, is
    /// not asked.
    pub(crate) fn watch(&self, lab: &Lab, watch: &Watch) {
        while !self.over.load(Ordering::Relaxed) {
            {
                let _asking = locked(&watch.silence);
                if lab.answers_now(&watch.node) {
                    watch.ask(lab);
                }
            }
            poll::pause(INTERVAL);
        }
    }
}

impl Watch {
    fn ask(&self, lab: &Lab) {
        let question = plan_syncd::show(&["status"]);
        let daemon = lab.pid_of(&self.node);
        let before = daemon.map(answer::waited_for_processor);
        locked(&self.seen).note_question(Instant::now());
        let Ok(child) = lab.with_node(&self.node, |node| actors::begin(node, Actor::Syncd, &question)) else {
            locked(&self.seen).asked = None;
            return;
        };
        let answered = answer::brief(child, answer::PATIENCE)
            .and_then(|brief| Ok((syncd::read_status(&brief.said)?, brief)));
        let after = daemon.map(answer::waited_for_processor);
        let waited =
            after.zip(before).map(|(after, before)| after.saturating_sub(before)).unwrap_or_default();
        let memory = daemon.and_then(memory_of).unwrap_or(0);
        let mut seen = locked(&self.seen);
        match answered {
            Ok((status, brief)) => {
                seen.note_answer(Instant::now(), brief.took, brief.waited + waited, &status);
            }
            Err(error) => seen.note_failure(format!("{error:#}")),
        }
        seen.memory = seen.memory.max(memory);
    }

    /// What was seen until now.
    #[must_use]
    pub(crate) fn seen(&self) -> WatchSeen {
        locked(&self.seen).clone()
    }
}

impl Lab {
    /// Whether a router's syncd runs and nobody has stopped it.
    fn answers_now(&self, node: &str) -> bool {
        let actors = locked(&self.actors);
        actors.get(&(node.to_owned(), Actor::Syncd)).is_some_and(|running| !running.is_hung())
    }

    /// The number of a router's syncd.
    fn pid_of(&self, node: &str) -> Option<Pid> {
        locked(&self.actors).get(&(node.to_owned(), Actor::Syncd)).map(actors::Running::pid)
    }
}

/// Resident memory of a process, in bytes.
fn memory_of(pid: Pid) -> Option<u64> {
    bench::resident(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?)
}
