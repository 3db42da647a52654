//! What the daemon said lately: the last lines are kept for `show log`, and whoever watches hears each as it comes.
//!
//! Bounded by a number of lines; a watcher that is too slow misses some and is told how many by their numbers. Never
//! waits for anybody. Tested in `journal/tests.rs`.

use std::collections::VecDeque;
use std::iter;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::watch;

/// So many lines of the log are kept, and as many that are not in it: some 200 kB each, and what a night of failovers
/// says.
const KEPT: usize = 1000;
/// So many bytes of lines go into one record at most; one line always does.
const PAGE: usize = crate::control::LONGEST_RECORD / 2;

/// A line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct LineView {
    /// Of this document.
    pub(crate) version: u32,
    /// Counts up from 1; where one is missing, a line was missed.
    pub(crate) number: u64,
    /// When, in milliseconds since 1970.
    pub(crate) unix_ms: u64,
    /// When, monotonic.
    pub(crate) monotonic_ns: u64,
    /// `error`, `warn` or `info`.
    pub(crate) level: String,
    /// What happened, as a word: `role-entered`, `commit-done` ...; `said` for what has none.
    pub(crate) event: String,
    /// What belongs to it: counts, roles, durations in seconds.
    pub(crate) details: Map<String, Value>,
    /// The line itself.
    pub(crate) text: String,
    /// Whether it is in the log: it is as grave as `log-level` wants, and no repetition.
    pub(crate) logged: bool,
}

/// The last lines, and who waits for the next.
#[derive(Debug)]
pub(crate) struct Told {
    lines: Mutex<Lines>,
    last: watch::Sender<u64>,
}

/// Apart, so that what is not in the log does not push out what is.
#[derive(Debug, Default)]
struct Lines {
    logged: VecDeque<LineView>,
    others: VecDeque<LineView>,
}

impl Lines {
    fn push(&mut self, line: LineView) {
        let lines = if line.logged { &mut self.logged } else { &mut self.others };
        if lines.len() == KEPT {
            lines.pop_front();
        }
        lines.push_back(line);
    }

    /// Those after `number`, in their order.
    fn after(&self, number: u64) -> impl Iterator<Item = &LineView> {
        let newer = |lines: &VecDeque<LineView>| lines.partition_point(|line| line.number <= number);
        let mut logged = self.logged.range(newer(&self.logged)..).peekable();
        let mut others = self.others.range(newer(&self.others)..).peekable();
        iter::from_fn(move || match (logged.peek(), others.peek()) {
            (Some(line), Some(other)) if other.number < line.number => others.next(),
            (None, _) => others.next(),
            _ => logged.next(),
        })
    }
}

impl Told {
    /// Nothing was said.
    pub(crate) fn new() -> Self {
        Self { lines: Mutex::default(), last: watch::Sender::new(0) }
    }

    /// Keeps a line; its number is given here.
    pub(crate) fn say(&self, line: LineView) {
        let mut lines = self.lines.lock().expect("nobody panics with it");
        let number = *self.last.borrow() + 1;
        lines.push(LineView { number, ..line });
        // Under the lock, so that numbers and lines agree.
        self.last.send_replace(number);
    }

    /// The first lines after `number`, as many as go into a record; none if there are none.
    pub(crate) fn after(&self, number: u64) -> Vec<LineView> {
        let lines = self.lines.lock().expect("nobody panics with it");
        let mut bytes = 0;
        let fits = |line: &&LineView| {
            let first = bytes == 0;
            bytes += serde_json::to_vec(line).map_or(0, |line| line.len());
            first || bytes <= PAGE
        };
        lines.after(number).take_while(fits).cloned().collect()
    }

    /// Tells of every new line.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.last.subscribe()
    }
}
