//! `sim`: runs seeds and replays recordings. Exit code 0 when all held, 1 when one did not, 2 for wrong usage.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, ExitCode, Output};

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use syncd_sim::exhaustive::ours::Ours;
use syncd_sim::exhaustive::{Enumerated, Fate, Start, enumerate};
use syncd_sim::faults;
use syncd_sim::options::{Options, Overrides};
use syncd_sim::recording;
use syncd_sim::shrink::shrink;
use syncd_sim::sweep::{self, Failed};

/// Router pairs, their network, their kernels and their faults, from one seed.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Runs one seed, or what `syncd run --record FILE` has written.
    Replay {
        /// A number is a seed, anything else a file.
        #[arg(value_name = "SEED|FILE")]
        what: String,
        /// Prints one line per event.
        #[arg(long)]
        trace: bool,
        #[command(flatten)]
        overrides: Overrides,
    },
    /// Runs many seeds on all cores.
    Sweep {
        /// How many.
        #[arg(long, default_value_t = 1000)]
        seeds: u64,
        /// The first.
        #[arg(long, default_value_t = 0)]
        from: u64,
        /// Runs each seed twice and compares the traces.
        #[arg(long)]
        twice: bool,
        /// Threads; as many as there are cores unless said otherwise.
        #[arg(long)]
        threads: Option<usize>,
        #[command(flatten)]
        overrides: Overrides,
    },
    /// Leaves out what a failing seed does not need to fail, and prints the command for what is left.
    Shrink {
        /// The seed.
        seed: u64,
        #[command(flatten)]
        overrides: Overrides,
    },
    /// Runs FTFW alone through every pattern of deliver, drop, duplicate and delay for the first datagrams.
    Exhaust {
        /// How many datagrams meet their fate: 4 to the power of it are the patterns.
        #[arg(long, default_value_t = 8)]
        datagrams: u32,
    },
}

fn main() -> Result<ExitCode> {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if let Some(seed) = sweep::running() {
            eprintln!(
                "seed {seed} broke an assertion; with the same overrides if there were any,\n  \
                 replay it:  cargo run --release -p syncd-sim -- replay {seed} --trace\n  \
                 shrink it:  cargo run --release -p syncd-sim -- shrink {seed}"
            );
        }
        if let Some(played) = recording::running() {
            eprintln!(
                "the replica panicked after {} inputs and {} turns of the recording; --trace shows them",
                played.inputs, played.turns
            );
        }
        hook(info);
    }));
    match Arguments::parse().verb {
        Verb::Replay { what, trace, overrides } => match what.parse() {
            Ok(seed) => Ok(run(seed, &overrides, trace)),
            Err(_) => replay(Path::new(&what), trace),
        },
        Verb::Sweep { seeds, from, twice, threads, overrides } => {
            let cores = std::thread::available_parallelism()?.get();
            Ok(sweep_all(from, seeds, &overrides, twice, threads.unwrap_or(cores)))
        }
        Verb::Shrink { seed, overrides } => shrink_one(seed, &overrides),
        Verb::Exhaust { datagrams } => Ok(exhaust(datagrams)),
    }
}

fn run(seed: u64, overrides: &Overrides, trace: bool) -> ExitCode {
    say(format_args!("seed {seed}: {}", Options::draw(seed).with(overrides)));
    let (_, outcome) = sweep::run(seed, overrides, trace);
    say(format_args!(
        "{} events, trace {:016x}, {} acknowledged flows and {} expectations survived failovers",
        outcome.events, outcome.hash, outcome.kept, outcome.expected
    ));
    match (outcome.failure, outcome.converged_after) {
        (Some(why), _) => {
            say(format_args!("FAILED {why}"));
            ExitCode::FAILURE
        }
        (None, after) => {
            let after = after.unwrap_or_default().as_secs_f64();
            say(format_args!("held; converged {after:.1} s after the last fault"));
            ExitCode::SUCCESS
        }
    }
}

/// Replays a recording.
fn replay(file: &Path, trace: bool) -> Result<ExitCode> {
    let mut source =
        File::open(file).with_context(|| format!("cannot read the recording {}", file.display()))?;
    let outcome = recording::replay(&mut source, |line| {
        if trace {
            say(format_args!("{line}"));
        }
    })
    .with_context(|| format!("cannot read the recording {}", file.display()))?;
    say(format_args!("{outcome}"));
    Ok(if outcome.is_same() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn sweep_all(from: u64, seeds: u64, overrides: &Overrides, twice: bool, threads: usize) -> ExitCode {
    let swept = sweep::sweep(from, seeds, overrides, twice, threads);
    for failed in &swept.failed {
        report(failed);
    }
    say(format_args!(
        "{} seeds{}, {} events, {} failed; {} acknowledged flows and {} expectations survived failovers, {} were \
         adopted after splits, {} left-over ones removed; slowest convergence {:.1} s",
        swept.seeds,
        if twice { ", each twice with the same trace" } else { "" },
        swept.events,
        swept.failed.len(),
        swept.kept,
        swept.expected,
        swept.adopted + swept.untold.saved,
        swept.leftovers,
        swept.slowest as f64 / 1000.0
    ));
    if swept.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn report(failed: &Failed) {
    let Failed { seed, options, why } = failed;
    say(format_args!("seed {seed} FAILED {why}"));
    say(format_args!("  replay:  cargo run --release -p syncd-sim -- replay {seed} --trace {options}"));
    say(format_args!("  shrink:  cargo run --release -p syncd-sim -- shrink {seed} {options}"));
}

/// Each attempt is a process of its own: a broken assertion aborts it.
fn shrink_one(seed: u64, overrides: &Overrides) -> Result<ExitCode> {
    let program = std::env::current_exe().context("cannot find this program to run attempts with it")?;
    let planned = |options: &Options| {
        let numbers: BTreeSet<u32> =
            faults::plan(seed, options).iter().map(|planned| planned.number).collect();
        numbers.into_iter().collect()
    };
    let attempt = |options: &Options| {
        let arguments = format!("replay {seed} {options}");
        let output = Command::new(&program).args(arguments.split(' ')).output().ok()?;
        (!output.status.success()).then(|| why(&output))
    };
    let Some(shrunk) = shrink(Options::draw(seed).with(overrides), planned, attempt) else {
        say(format_args!("seed {seed} holds: there is nothing to shrink"));
        return Ok(ExitCode::SUCCESS);
    };
    say(format_args!("after {} runs seed {seed} still FAILED {}", shrunk.runs, shrunk.why));
    for planned in faults::plan(seed, &shrunk.options) {
        let seconds = planned.at.as_nanos() as f64 / 1e9;
        say(format_args!("  fault {} at {seconds:.3}s: {:?}", planned.number, planned.fault));
    }
    say(format_args!("  cargo run --release -p syncd-sim -- replay {seed} --trace {}", shrunk.options));
    Ok(ExitCode::FAILURE)
}

/// What a failed attempt said: its verdict, or the assertion it broke.
fn why(output: &Output) -> String {
    let (said, complained) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let verdict = said.lines().find_map(|line| line.strip_prefix("FAILED "));
    let assertion = complained.lines().skip_while(|line| !line.contains("panicked at")).nth(1);
    verdict.or(assertion).unwrap_or("without a word").to_owned()
}

fn exhaust(datagrams: u32) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for start in [Start::Open, Start::Hello] {
        let Enumerated { patterns, failed, first } = enumerate::<Ours>(start, &Fate::ALL, datagrams);
        say(format_args!("{start:?}: {patterns} patterns over {datagrams} datagrams, {failed} failed"));
        if let Some(why) = first {
            say(format_args!("FAILED {why}"));
            code = ExitCode::FAILURE;
        }
    }
    code
}

/// A line on standard output. A reader that went away (`| head`) is no failure.
fn say(line: std::fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
