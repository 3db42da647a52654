//! `labctl run`: scenarios one after the other, each in a lab of its own.
//!
//! Everything is checked before the first lab is built: files, then programs. Never judges. Tested in
//! `labctl/tests/scenarios/main.rs`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self, ExitCode};

use anyhow::{Context, Result, bail};

use super::{one, require_programs};
use crate::bench::Limits;
use crate::ending::Ending;
use crate::plan::Plan;
use crate::report;
use crate::scenario::{self, Mistakes, Scale, Scenario, Sources, Variation};
use crate::session::{Client, Outcome};

/// How scenarios are to be run.
#[derive(Debug)]
pub(super) struct Wanted {
    /// What is otherwise than the files say.
    pub(super) variation: Variation,
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
        match scenario::load(file, wanted.variation.clone()) {
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
        syncd = require_programs(scenario, wanted.syncd.as_deref())?.or(syncd);
    }
    let limits = match wanted.variation.scale {
        Scale::Usual => None,
        Scale::Full => Some(raised()?),
    };
    let all = scenarios.into_iter().try_fold(true, |all, (sources, scenario)| {
        Ok(run_one(sources, &scenario, syncd.as_deref(), wanted)? && all)
    });
    // First the host, then the result, whatever it is.
    limits.map_or(Ok(()), Limits::restore)?;
    all.map(|all| if all { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The host's limits, raised until they are restored, also if we are killed.
fn raised() -> Result<Limits> {
    let limits = Limits::raise()?;
    match &limits.not_raised {
        Some(why) => {
            bail!(Ending::Lacking(format!("full size needs the host's conntrack limits raised: {why}")))
        }
        None => Ok(limits),
    }
}

fn run_one(sources: Sources, scenario: &Scenario, syncd: Option<&Path>, wanted: &Wanted) -> Result<bool> {
    let lab = format!("{}-{}", sources.name, process::id());
    if !wanted.json {
        println!("{}: {}\n\n{}", scenario.name, scenario.title, report::picture(scenario));
    }
    let ran = one::one(&lab, sources, scenario, syncd)?;
    show(&ran.outcome, scenario, wanted)?;
    if !ran.passed {
        let directory = one::keep_evidence(&scenario.name, &ran.evidence, wanted.report.as_deref())?;
        eprintln!("labctl: {} failed; what was there is in {}", scenario.name, directory.display());
        if let (true, Some(client)) = (wanted.keep_on_fail, ran.lab) {
            client.let_stay()?;
            let shell = living(&lab, scenario)
                .map(|node| format!("labctl shell --name {lab} {node}; "))
                .unwrap_or_default();
            eprintln!("labctl: the lab stays: {shell}labctl down --name {lab}");
        }
    }
    Ok(ran.passed)
}

/// A node that can be entered, a router if there is one.
fn living<'s>(lab: &str, scenario: &'s Scenario) -> Option<&'s str> {
    let routers = scenario.topology.routers_by_priority().into_iter().map(|(name, _)| name);
    let mut nodes = routers.chain(scenario.topology.nodes());
    nodes.find(|node| Client::connect(lab).and_then(|client| client.namespaces(node)).is_ok())
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
