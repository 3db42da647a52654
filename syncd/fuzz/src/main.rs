//! `fuzz`: leads campaigns, and repeats what they found. Exit code 0 when nothing was found, 1 when something was, 2
//! for wrong usage.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use std::{env, fs};

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use syncd_fuzz::campaign::{self, Plan};
use syncd_fuzz::judge;
use syncd_fuzz::targets::{TARGETS, Target, named};

/// Bytes from strangers against what reads them.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Runs the corpora, then mutations of them.
    Run {
        /// Which targets; all unless some are named.
        #[arg(value_parser = target)]
        targets: Vec<&'static Target>,
        /// Processor time for each, in seconds.
        #[arg(long, default_value_t = 10)]
        seconds: u64,
        /// The same seed throws the same bytes.
        #[arg(long, default_value_t = 0)]
        seed: u64,
        /// Where the input of a finding is written.
        #[arg(long)]
        directory: Option<PathBuf>,
    },
    /// Runs one input.
    Repeat {
        /// The target.
        #[arg(value_parser = target)]
        target: &'static Target,
        /// A file that a campaign has written.
        file: PathBuf,
    },
}

fn target(name: &str) -> Result<&'static Target, String> {
    let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    named(name).ok_or_else(|| format!("targets are {}", names.join(", ")))
}

fn main() -> Result<ExitCode> {
    match Arguments::parse().verb {
        Verb::Run { targets, seconds, seed, directory } => {
            let all: Vec<&Target> = TARGETS.iter().collect();
            let targets = if targets.is_empty() { all } else { targets };
            let directory = directory.unwrap_or_else(|| env::temp_dir().join("syncd-fuzz"));
            let plan = Plan { seed, time: Duration::from_secs(seconds), slack: 1, directory: &directory };
            let mut found = false;
            for target in targets {
                found |= run(target, plan)?;
            }
            Ok(if found { ExitCode::FAILURE } else { ExitCode::SUCCESS })
        }
        Verb::Repeat { target, file } => {
            let bytes = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
            match judge::run(target, &bytes, 1) {
                Ok(_) => {
                    say(format_args!("{}: {} bytes do nothing that must not be", target.name, bytes.len()));
                    Ok(ExitCode::SUCCESS)
                }
                Err(fault) => {
                    say(format_args!("{} with {} bytes: {fault}", target.name, bytes.len()));
                    Ok(ExitCode::FAILURE)
                }
            }
        }
    }
}

/// Leads one campaign. Whether something was found.
fn run(target: &'static Target, plan: Plan<'_>) -> Result<bool> {
    let report = campaign::lead(target, plan)?;
    let rate = report.runs as f64 / report.time.as_secs_f64();
    say(format_args!(
        "{:<14} seed {}: {} runs, {rate:.0}/s, {} inputs looked different; at most {:.1} ms, {} kB in one go, {} kB at a time",
        target.name,
        plan.seed,
        report.runs,
        report.pool,
        report.slowest.as_secs_f64() * 1e3,
        report.largest >> 10,
        report.peak >> 10,
    ));
    let Some(finding) = report.finding else { return Ok(false) };
    say(format_args!("{} {}; to repeat:", target.name, finding.fault));
    say(format_args!(
        "    cargo run --profile fuzz -p syncd-fuzz -- repeat {} {}",
        target.name,
        finding.file.display()
    ));
    Ok(true)
}

/// A line on standard output. A reader that went away (`| head`) is no failure.
fn say(line: std::fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
