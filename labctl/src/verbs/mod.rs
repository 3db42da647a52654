//! The verbs: what each command line does.
//!
//! Never builds or judges anything itself: a lab is asked, its answers are shown. Driven by `main`; tested in
//! `labctl/tests/scenarios/holder.rs`.

mod enter;
mod matrix;
mod one;
mod run;
mod shown;

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::arguments::{Arguments, Chosen, TrafficVerb, Verb};
use crate::ending::Ending;
use crate::plan::{Actor, Plan};
use crate::sandbox::{self, socket};
use crate::scenario::topology::Interfaces;
use crate::scenario::{self, Action, Fault, Scenario, Variation};
use crate::session::{self, Client, Request};
use crate::{bench, papers, poll, programs, report};
use shown::Shown;

/// How long the kernel may take to remove a lab.
const REMOVAL: Duration = Duration::from_secs(10);

/// Does what the command line says; the exit code where it is not about an error.
///
/// # Errors
/// Whatever ends labctl with another code than 0; see [`crate::ending`].
pub(crate) fn run(arguments: Arguments) -> Result<ExitCode> {
    match arguments.verb {
        Verb::Hold { lab, syncd } => sandbox::hold(&lab, syncd.as_deref())?,
        Verb::Inside { holder, syncd } => session::serve(sandbox::enter_lab(holder, syncd.as_deref())?)?,
        Verb::Node { .. } => sandbox::serve_node()?,
        Verb::GuardHost => bench::guard()?,
        Verb::Bench { program, options } => bench::bench(&options, program.syncd.as_deref())?,
        Verb::Up { file, name, program, dry_run } => {
            return up(&file, name, program.syncd.as_deref(), dry_run);
        }
        Verb::Run { files, varied, program, keep_on_fail, json, dry_run, report, snapshot } => {
            let (variation, syncd) = (varied.variation(), program.syncd);
            let wanted = run::Wanted { variation, syncd, keep_on_fail, json, dry_run, report, snapshot };
            return run::run(&files, &wanted);
        }
        Verb::Matrix { file, program, rows, columns, json, dry_run, report } => {
            let wanted = matrix::Wanted { syncd: program.syncd, rows, columns, json, dry_run, report };
            return matrix::run(&file, &wanted);
        }
        Verb::List => {
            for lab in socket::list()? {
                println!("{lab}");
            }
        }
        Verb::Status(chosen) => return ask(&chosen, &Request::Status),
        Verb::Traffic { verb: TrafficVerb::Start { chosen, traffic } } => {
            return ask(&chosen, &Request::TrafficStart(traffic));
        }
        Verb::Traffic { verb: TrafficVerb::Fulfil { chosen, traffic } } => {
            return ask(&chosen, &Request::TrafficFulfil(traffic));
        }
        Verb::Traffic { verb: TrafficVerb::Status(chosen) } => return ask(&chosen, &Request::TrafficStatus),
        Verb::Traffic { verb: TrafficVerb::Stop { chosen, traffic } } => {
            return ask(&chosen, &Request::TrafficStop(traffic));
        }
        Verb::Failover { chosen, kind } => return ask(&chosen, &Request::Failover(Fault::from(kind))),
        Verb::Verify(chosen) => return ask(&chosen, &Request::Verify),
        Verb::Exec { chosen, node, command } => return enter::exec(&lab(&chosen)?, &node, &command),
        Verb::Shell { chosen, node } => return enter::shell(&lab(&chosen)?, &node),
        Verb::Down(chosen) => down(&lab(&chosen)?)?,
        Verb::Papers { directory } => {
            papers::write(&directory)
                .with_context(|| format!("cannot write into {}", directory.display()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The lab that is meant.
fn lab(chosen: &Chosen) -> Result<String> {
    if let Some(name) = &chosen.name {
        return Ok(name.clone());
    }
    let mut labs = socket::list()?;
    match labs.len() {
        0 => bail!(Ending::Usage("no lab runs: labctl up scenarios/topologies/two-routers.yaml".to_owned())),
        1 => Ok(labs.remove(0)),
        _ => bail!(Ending::Usage(format!("several labs run: give --name, one of {}", labs.join(", ")))),
    }
}

fn ask(chosen: &Chosen, request: &Request) -> Result<ExitCode> {
    let mut client = Client::connect(&lab(chosen)?)?;
    let shown = Shown::new();
    let well = client.ask(request, |answer| shown.show(answer))?;
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn up(file: &Path, name: Option<String>, syncd: Option<&Path>, dry_run: bool) -> Result<ExitCode> {
    let (sources, scenario) = scenario::load(file, Variation::default())?;
    if dry_run {
        print!("{}", Plan::of(&scenario));
        return Ok(ExitCode::SUCCESS);
    }
    let program = require_programs(&scenario, syncd)?;
    let name = name.unwrap_or_else(|| sources.name.clone());
    let mut client = Client::start(&name, program.as_deref())?;
    let shown = Shown::new();
    client.ask(&Request::Build(Box::new(sources)), |answer| shown.show(answer))?;
    client.let_stay()?;
    shown.finish();
    print!("{}", report::picture(&scenario));
    print_next(&name, &scenario);
    Ok(ExitCode::SUCCESS)
}

fn print_next(name: &str, scenario: &Scenario) {
    println!("\nThe lab `{name}` runs. Next:");
    if let Some(interfaces) = &scenario.topology.by_hand {
        let Interfaces { lan, wan, sync } = interfaces;
        for router in scenario.topology.routers.keys() {
            println!(
                "  labctl shell --name {name} {router}    # {lan} is its LAN, {wan} its WAN, {sync} the dedicated link"
            );
        }
    }
    if !scenario.traffic.is_empty() {
        println!("  labctl traffic start --name {name}");
    }
    println!("  labctl failover --name {name}");
    println!("  labctl verify --name {name}");
    println!("  labctl down --name {name}");
}

/// Looks for everything that a lab of this scenario starts before anything is built; returns where syncd is, if it is
/// needed.
///
/// # Errors
/// What is missing, and the command that installs it.
fn require_programs(scenario: &Scenario, syncd: Option<&Path>) -> Result<Option<std::path::PathBuf>> {
    programs::find("nft")?;
    let mut actors = Plan::of(scenario).actors();
    actors.extend(scenario.timeline.iter().filter_map(|event| match &event.action {
        Action::ReplaceDaemon { with, .. } => Actor::of(*with),
        _ => None,
    }));
    // Whoever sets up routers by hand starts what he likes.
    actors.extend(scenario.topology.by_hand.as_ref().map(|_| Actor::Syncd));
    let mut found = None;
    for actor in actors {
        match actor {
            Actor::Syncd => found = Some(programs::find_syncd(syncd)?),
            other => drop(programs::find(other.program())?),
        }
    }
    Ok(found)
}

/// Ends a lab and waits until its name is free again.
fn down(name: &str) -> Result<()> {
    let mut client = Client::connect(name)?;
    // It may be gone before its answer.
    let _ = client.ask(&Request::Down, |_| {});
    drop(client);
    let gone = poll::until(Instant::now() + REMOVAL, || match socket::list() {
        Ok(labs) if labs.iter().any(|lab| lab == name) => None,
        other => Some(other.map(drop)),
    });
    match gone {
        Some(result) => Ok(result?),
        None => bail!(Ending::Failed(format!("the lab `{name}` does not end"))),
    }
}
