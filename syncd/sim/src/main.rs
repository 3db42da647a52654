//! `sim`: runs seeds and replays recordings. Exit code 0 when all held, 1 when one did not, 2 for wrong usage.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use syncd_sim::options::Overrides;
use syncd_sim::recording;
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
    /// Runs one seed.
    Run {
        /// The seed.
        seed: u64,
        /// Prints one line per event.
        #[arg(long)]
        trace: bool,
        #[command(flatten)]
        overrides: Overrides,
    },
    /// Replays a seed, or what `syncd run --record FILE` has written.
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
}

fn main() -> Result<ExitCode> {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if let Some(seed) = sweep::running() {
            eprintln!(
                "seed {seed} broke an assertion; replay it, with the same overrides if there were any, by:\n    \
                 cargo run --release -p syncd-sim -- run {seed} --trace"
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
        Verb::Run { seed, trace, overrides } => Ok(run(seed, &overrides, trace)),
        Verb::Sweep { seeds, from, twice, threads, overrides } => {
            let cores = std::thread::available_parallelism()?.get();
            let swept = sweep::sweep(from, seeds, &overrides, twice, threads.unwrap_or(cores));
            for failed in &swept.failed {
                report(failed);
            }
            say(format_args!(
                "{} seeds, {} events, {} failed; {} acknowledged flows survived failovers; slowest convergence {:.1} s",
                swept.seeds,
                swept.events,
                swept.failed.len(),
                swept.kept,
                swept.slowest as f64 / 1000.0
            ));
            Ok(if swept.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
    }
}

fn run(seed: u64, overrides: &Overrides, trace: bool) -> ExitCode {
    let (options, outcome) = sweep::run(seed, overrides, trace);
    say(format_args!("seed {seed}: {options}"));
    say(format_args!(
        "{} events, trace {:016x}, {} acknowledged flows survived failovers",
        outcome.events, outcome.hash, outcome.kept
    ));
    match (outcome.failure, outcome.converged_after) {
        (Some(why), _) => {
            say(format_args!("FAILED {why}"));
            ExitCode::FAILURE
        }
        (None, after) => {
            say(format_args!(
                "held; converged {:.1} s after the last fault",
                after.unwrap_or_default().as_secs_f64()
            ));
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

/// A line on standard output. A reader that went away (`| head`) is no failure.
fn say(line: std::fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn report(failed: &Failed) {
    let Failed { seed, options, why } = failed;
    say(format_args!("seed {seed} FAILED {why}"));
    say(format_args!("  options: {options}"));
    say(format_args!("  replay:  cargo run --release -p syncd-sim -- run {seed} --trace {options}"));
}
