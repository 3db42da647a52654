//! `cargo ci <gate>`: what the server runs is what the hand runs.
//!
//! One command per gate. It knows the project's crates as programs and as text and links none of them; it never
//! changes a source. Driven by the alias in `.cargo/config.toml`. Tested by being used, and in `tidy/tests.rs`.
//!
//! Exit codes: 0 passed, 1 failed, 2 wrong usage, 3 the environment lacks something (which, and the command that
//! installs it). `demo` passes labctl's own code on, which has the same meaning.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use setup::{Lacking, Need};
use workspace::Workspace;

mod bench;
mod clients;
mod demo;
mod docs;
mod fuzz;
mod gates;
mod interop;
mod lock;
mod package;
mod residue;
mod setup;
mod simulator;
mod suite;
mod tidy;
mod unprivileged;
mod workspace;

/// One command per gate.
#[derive(Parser)]
#[command(bin_name = "cargo ci")]
struct Arguments {
    #[command(subcommand)]
    gate: Gate,
}

#[derive(Subcommand)]
enum Gate {
    /// Install the programs the other gates need (keepalived, nft, conntrackd, debootstrap ...); starts no service
    Setup,
    /// One failover with live traffic, shown
    Demo,
    /// Every block of README.md and docs/ tried: files written and commands run in labs, what they print compared
    Docs(docs::Options),
    /// Everything a change must pass: fmt, tidy, clippy, tests, simulator, lab scenarios
    Test,
    /// syncd's figures beside conntrackd's, in one table; as root with the host's limits raised for the run
    Bench,
    /// syncd beside conntrackd in both places, under every fault there is a scenario for, in one table
    Interop(interop::Options),
    /// Debian's curl, lftp, vsftpd and sipp through both routers: what they announce before a failover is opened after it
    Clients,
    /// `test` with a long sweep of the simulator, ten minutes of fuzzing per target and every scenario twenty times, then
    /// `interop`, `clients` and `package --try`
    Full,
    /// Bytes from strangers against everything that reads them
    Fuzz {
        /// Processor time for each target, in seconds
        #[arg(long, default_value_t = 60)]
        seconds: u64,
        /// The same seed throws the same bytes; a fresh one unless it is given
        #[arg(long)]
        seed: Option<u64>,
    },
    /// Root only: the demonstration's scenario and one with conntrackd, as the user `nobody`
    Nobody,
    /// Seeds of the simulator (5,000 unless said otherwise) and FTFW alone with every pattern of losses
    Sim {
        /// How many seeds.
        #[arg(default_value_t = simulator::SEEDS)]
        seeds: u32,
    },
    /// The Debian package, into target/debian
    Package(package::Options),
    /// The house rules, read from the sources
    Tidy,
}

fn main() -> ExitCode {
    match run(&Arguments::parse().gate) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("cargo ci: {error:#}");
            ExitCode::from(if error.is::<Lacking>() { 3 } else { 1 })
        }
    }
}

fn run(gate: &Gate) -> Result<ExitCode> {
    let workspace = Workspace::load()?;
    match gate {
        Gate::Setup => setup::setup(&workspace, Need::Everything)?,
        Gate::Demo => return demo::demo(&workspace),
        Gate::Docs(options) => docs::docs(&workspace, options)?,
        Gate::Test => suite::test(&workspace)?,
        Gate::Bench => bench::bench(&workspace)?,
        Gate::Interop(options) => interop::interop(&workspace, options)?,
        Gate::Clients => clients::alone(&workspace)?,
        Gate::Full => suite::full(&workspace)?,
        Gate::Fuzz { seconds, seed } => fuzz::fuzz(&workspace, *seconds, *seed)?,
        Gate::Nobody => suite::nobody(&workspace)?,
        Gate::Sim { seeds } => simulator::sim(&workspace, *seeds)?,
        Gate::Package(options) => package::alone(&workspace, *options)?,
        Gate::Tidy => tidy::gate(&workspace)?,
    }
    Ok(ExitCode::SUCCESS)
}
