//! What a lab's answers look like while one waits: progress on a terminal only, text everywhere.
//!
//! Never prints progress into a pipe or a file. Driven by the verbs beside it; seen by people.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::session::Answer;

/// Shows answers.
#[derive(Debug)]
pub(super) struct Shown {
    bar: ProgressBar,
}

impl Shown {
    /// A bar without an end that appears with the first progress. indicatif draws to standard error, and only if that
    /// is a terminal.
    pub(super) fn new() -> Self {
        let bar = ProgressBar::no_length();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed:>4} {msg}") {
            bar.set_style(style);
        }
        Self { bar }
    }

    /// Shows one answer; evidence and outcomes are the verb's own business.
    pub(super) fn show(&self, answer: Answer) {
        match answer {
            Answer::Progress(what) => {
                self.bar.enable_steady_tick(Duration::from_millis(100));
                self.bar.set_message(what);
            }
            Answer::Text(text) => self.bar.suspend(|| print!("{text}")),
            _ => {}
        }
    }

    /// Takes the progress away.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
