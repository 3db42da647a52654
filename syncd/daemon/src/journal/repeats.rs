//! Lines that come again and again: so many in a while are written, the others counted and told in one.
//!
//! What counts as the same line is what happened, whichever flow it happened to; of lines that are only a sentence, the
//! sentence. Bounded; knows no clock. Driven by [`super::Journal`]; tested in `journal/tests.rs`.

use syncd_core::time::{Duration, Instant};

use super::Level;

/// So many lines of one kind are written in a [`WINDOW`].
pub(super) const BURST: u32 = 10;
/// A while.
pub(super) const WINDOW: Duration = Duration::from_secs(10);
/// So many kinds are told apart; there are some thirty words, and sentences besides.
const KINDS: usize = 128;

/// Lines that were not written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Repeated {
    /// The gravest of them.
    pub(super) level: Level,
    /// What happened.
    pub(super) event: String,
    /// How often.
    pub(super) times: u32,
    /// The last of them.
    pub(super) text: String,
}

#[derive(Debug)]
struct Kind {
    key: String,
    since: Instant,
    written: u32,
    held: Option<Repeated>,
}

/// What was said in the last [`WINDOW`].
#[derive(Debug, Default)]
pub(super) struct Repeats {
    kinds: Vec<Kind>,
}

impl Repeats {
    /// Whether a line shall be written; if not it is counted. `plain` are lines without a word of their own.
    pub(super) fn admit(&mut self, now: Instant, level: Level, event: &str, plain: bool, text: &str) -> bool {
        let key = if plain { text } else { event };
        let Some(at) = self.kinds.iter().position(|kind| kind.key == key) else {
            return self.begin(now, key);
        };
        let kind = &mut self.kinds[at];
        if kind.held.is_none() && now.since(kind.since) >= WINDOW {
            (kind.since, kind.written) = (now, 0);
        }
        if kind.written < BURST {
            kind.written += 1;
            return true;
        }
        let held = kind.held.get_or_insert_with(|| Repeated {
            level,
            event: event.to_owned(),
            times: 0,
            text: String::new(),
        });
        held.level = held.level.min(level);
        held.times = held.times.saturating_add(1);
        text.clone_into(&mut held.text);
        false
    }

    fn begin(&mut self, now: Instant, key: &str) -> bool {
        if self.kinds.len() == KINDS {
            self.kinds.retain(|kind| kind.held.is_some() || now.since(kind.since) < WINDOW);
        }
        // More kinds than that in a while are no repetition.
        if self.kinds.len() < KINDS {
            self.kinds.push(Kind { key: key.to_owned(), since: now, written: 1, held: None });
        }
        true
    }

    /// When [`Self::take`] has something.
    pub(super) fn due(&self) -> Option<Instant> {
        self.kinds.iter().filter(|kind| kind.held.is_some()).map(|kind| kind.since + WINDOW).min()
    }

    /// What was held back for long enough; all of it when `all`.
    pub(super) fn take(&mut self, now: Instant, all: bool) -> Vec<Repeated> {
        let mut taken = Vec::new();
        for kind in &mut self.kinds {
            if (all || now.since(kind.since) >= WINDOW)
                && let Some(held) = kind.held.take()
            {
                (kind.since, kind.written) = (now, 0);
                taken.push(held);
            }
        }
        taken
    }
}
