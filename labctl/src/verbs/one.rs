//! One scenario in a lab of its own, from its building to its outcome.
//!
//! Never prints a result and never keeps a lab: whoever has the outcome has the lab too, and decides. The lab ends with
//! it, also when this process is killed, since it owns the lab. Driven by `run.rs` and `matrix.rs`; tested in
//! `labctl/tests/scenarios/`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::shown::Shown;
use crate::ending::{FAILED, exit_code};
use crate::report::{self, Document};
use crate::scenario::{Scenario, Sources};
use crate::session::{Answer, Client, Outcome, Request};

/// What a scenario came to.
#[derive(Debug)]
pub(super) struct Ran {
    /// Whether every expectation was met.
    pub(super) passed: bool,
    /// In its three forms.
    pub(super) outcome: Outcome,
    /// Names and texts; of a failed one only.
    pub(super) evidence: Vec<(String, String)>,
    /// The lab, where it could be built.
    pub(super) lab: Option<Client>,
}

/// Runs a scenario in the lab of this name.
///
/// # Errors
/// What kept it from being run. A program under test that does not come up is a result.
pub(super) fn one(lab: &str, sources: Sources, scenario: &Scenario, syncd: Option<&Path>) -> Result<Ran> {
    let mut client = Client::start(lab, syncd)?;
    let shown = Shown::new();
    let mut evidence = Vec::new();
    let mut hear = |answer| match answer {
        Answer::File(name, text) => evidence.push((name, text)),
        other => shown.show(other),
    };
    if let Err(error) = client.ask(&Request::Build(Box::new(sources)), &mut hear) {
        shown.finish();
        if exit_code(&error) != FAILED {
            return Err(error.context(format!("{} was not run", scenario.name)));
        }
        let document = Document::of_no_lab(&scenario.name, format!("{error:#}"));
        let table = report::table(&document);
        let outcome = Outcome { table, document: serde_json::to_value(&document)?, snapshot: String::new() };
        return Ok(Ran { passed: false, outcome, evidence, lab: None });
    }
    let mut outcome = None;
    let passed = client.ask(&Request::Run, |answer| match answer {
        Answer::Outcome(seen) => outcome = Some(*seen),
        Answer::File(name, text) => evidence.push((name, text)),
        other => shown.show(other),
    })?;
    shown.finish();
    let outcome = outcome.context("the lab told no outcome")?;
    Ok(Ran { passed, outcome, evidence, lab: Some(client) })
}

/// Writes evidence to a directory of its own in `said` or in the one for temporary files; says where it is.
///
/// # Errors
/// When it cannot be written.
pub(super) fn keep_evidence(
    name: &str,
    evidence: &[(String, String)],
    said: Option<&Path>,
) -> Result<PathBuf> {
    let directory = match said {
        Some(directory) => directory.join(name),
        None => std::env::temp_dir().join(format!("labctl-{name}-{}", std::process::id())),
    };
    fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
    for (name, text) in evidence {
        let file = directory.join(name);
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(directory)
}
