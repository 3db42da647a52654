//! `labctl run`: scenarios one after the other, each in a lab of its own.
//!
//! Everything is checked before the first lab is built: files, then programs. The lab of a run ends with it, also when
//! this process is killed, since it owns the lab. Never judges. Tested in `labctl/tests/scenarios/main.rs`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self, ExitCode};

use anyhow::{Context, Result};

use super::require_programs;
use super::shown::Shown;
use crate::ending::{FAILED, exit_code};
use crate::plan::Plan;
use crate::report::{self, Document};
use crate::scenario::{self, Mistakes, Scenario, Sources};
use crate::session::{Answer, Client, Outcome, Request};

/// How scenarios are to be run.
#[derive(Debug)]
pub(super) struct Wanted {
    /// The daemon under test.
    pub(super) syncd: Option<PathBuf>,
    /// Leave the lab of a failed scenario.
    pub(super) keep_on_fail: bool,
    /// Documents instead of text.
    pub(super) json: bool,
    /// Print plans only.
    pub(super) dry_run: bool,
    /// Where evidence goes.
    pub(super) report: Option<PathBuf>,
    /// Where result snapshots go.
    pub(super) snapshot: Option<PathBuf>,
}

/// Runs all files; the code says whether all passed.
///
/// # Errors
/// Mistakes of any file, missing programs, a lab that cannot be built.
pub(super) fn run(files: &[PathBuf], wanted: &Wanted) -> Result<ExitCode> {
    let mut scenarios = Vec::new();
    let mut mistakes = Vec::new();
    for file in files {
        match scenario::load(file) {
            Ok(loaded) => scenarios.push(loaded),
            Err(Mistakes(mut found)) => mistakes.append(&mut found),
        }
    }
    if !mistakes.is_empty() {
        return Err(Mistakes(mistakes).into());
    }
    if wanted.dry_run {
        for (_, scenario) in &scenarios {
            print!("{}", Plan::of(scenario));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let mut syncd = None;
    for (_, scenario) in &scenarios {
        syncd = require_programs(&Plan::of(scenario), wanted.syncd.as_deref())?.or(syncd);
    }
    let mut all = true;
    for (sources, scenario) in scenarios {
        all &= one(sources, &scenario, syncd.as_deref(), wanted)?;
    }
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn one(sources: Sources, scenario: &Scenario, syncd: Option<&Path>, wanted: &Wanted) -> Result<bool> {
    let lab = format!("{}-{}", sources.name, process::id());
    if !wanted.json {
        println!("{}: {}\n\n{}", scenario.name, scenario.title, report::picture(scenario));
    }
    let mut client = Client::start(&lab, syncd)?;
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
        // A program under test that does not come up is a result.
        let document = Document::of_no_lab(&scenario.name, format!("{error:#}"));
        let table = report::table(&document);
        let outcome = Outcome { table, document: serde_json::to_value(&document)?, snapshot: String::new() };
        show(&outcome, scenario, wanted)?;
        tell_evidence(scenario, &evidence, wanted)?;
        return Ok(false);
    }
    let mut outcome = None;
    let passed = client.ask(&Request::Run, |answer| match answer {
        Answer::Outcome(seen) => outcome = Some(seen),
        Answer::File(name, text) => evidence.push((name, text)),
        other => shown.show(other),
    })?;
    shown.finish();
    let outcome = outcome.context("the lab told no outcome")?;
    show(&outcome, scenario, wanted)?;
    if !passed {
        tell_evidence(scenario, &evidence, wanted)?;
        if wanted.keep_on_fail {
            client.let_stay()?;
            let shell = living(&lab, scenario)
                .map(|node| format!("labctl shell --name {lab} {node}; "))
                .unwrap_or_default();
            eprintln!("labctl: the lab stays: {shell}labctl down --name {lab}");
        }
    }
    Ok(passed)
}

/// A node that can be entered, a router if there is one.
fn living<'s>(lab: &str, scenario: &'s Scenario) -> Option<&'s str> {
    let routers = scenario.topology.routers_by_priority().into_iter().map(|(name, _)| name);
    let mut nodes = routers.chain(scenario.topology.nodes());
    nodes.find(|node| Client::connect(lab).and_then(|client| client.namespaces(node)).is_ok())
}

fn tell_evidence(scenario: &Scenario, evidence: &[(String, String)], wanted: &Wanted) -> Result<()> {
    let directory = keep_evidence(&scenario.name, evidence, wanted.report.as_deref())?;
    eprintln!("labctl: {} failed; what was there is in {}", scenario.name, directory.display());
    Ok(())
}

fn show(outcome: &Outcome, scenario: &Scenario, wanted: &Wanted) -> Result<()> {
    if wanted.json {
        println!("{}", outcome.document);
    } else {
        println!("{}", outcome.table);
    }
    if let Some(directory) = &wanted.snapshot {
        fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
        let file = directory.join(format!("{}.txt", scenario.name));
        fs::write(&file, &outcome.snapshot).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

fn keep_evidence(scenario: &str, evidence: &[(String, String)], said: Option<&Path>) -> Result<PathBuf> {
    let directory = match said {
        Some(directory) => directory.join(scenario),
        None => std::env::temp_dir().join(format!("labctl-{scenario}-{}", process::id())),
    };
    fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
    for (name, text) in evidence {
        let file = directory.join(name);
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(directory)
}
