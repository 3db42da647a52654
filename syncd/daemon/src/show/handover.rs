//! `syncd handover`: what became of it, as a value and as text. Tested in `show/tests/handover.rs`.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

use crate::handover::{Handover, Outcome};

/// The document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HandoverView {
    /// Of this document.
    pub(crate) version: u32,
    /// `done`, `refused` (nothing was begun), `rolled back` (it is as it was) or `unclear` (the role has gone, and it could
    /// not be seen that the other router does what it should).
    pub(crate) result: String,
    /// Why, unless done.
    pub(crate) why: Option<String>,
    /// What was done, in order.
    pub(crate) steps: Vec<StepView>,
    /// Flows here when the role went; null if it did not.
    pub(crate) flows: Option<u32>,
    /// Flows that the new primary has told of since; null if the role did not go.
    pub(crate) told: Option<u32>,
    /// When it began, monotonic.
    pub(crate) began_ns: u64,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StepView {
    /// `prepared`, `acknowledged`, `moved`, `confirmed`, `raised`, `reclaimed`, or the result.
    pub(crate) step: String,
    /// In a sentence.
    pub(crate) text: String,
    /// When, monotonic.
    pub(crate) at_ns: u64,
}

impl HandoverView {
    /// One that is over.
    pub(crate) fn new(outcome: Outcome, handover: &Handover) -> Self {
        let steps = handover.steps();
        let why = steps.last().filter(|_| outcome != Outcome::Done).map(|taken| taken.text.clone());
        Self {
            version: 1,
            result: outcome.word().to_owned(),
            why,
            steps: steps
                .iter()
                .map(|taken| StepView {
                    step: taken.step.to_owned(),
                    text: taken.text.clone(),
                    at_ns: taken.at.as_nanos(),
                })
                .collect(),
            flows: handover.flows().map(|(flows, _)| flows),
            told: handover.flows().map(|(_, told)| told),
            began_ns: handover.began().as_nanos(),
        }
    }

    /// Whether the other router is primary, and has what was here.
    pub(crate) fn is_done(&self) -> bool {
        self.result == Outcome::Done.word()
    }

    /// In a sentence.
    pub(crate) fn sentence(&self) -> String {
        let why = self.why.as_deref().unwrap_or_default();
        match self.result.as_str() {
            "done" => "handed over: the other router is primary".to_owned(),
            "refused" => format!("not handed over, nothing has changed: {why}"),
            "rolled back" => format!("not handed over, it is as it was: {why}"),
            _ => format!("the role has gone, and it is not clear where to: {why}"),
        }
    }
}

/// As text.
pub(crate) fn text(view: &HandoverView) -> String {
    let mut out = view.sentence() + "\n";
    for StepView { step, text, at_ns } in &view.steps {
        if Some(text) == view.why.as_ref() {
            continue;
        }
        let millis = at_ns.saturating_sub(view.began_ns) / 1_000_000;
        // Writing to a string cannot fail.
        _ = writeln!(out, "  {step} after {}.{:03} s: {text}", millis / 1000, millis % 1000);
    }
    out
}
