//! The command line.
//!
//! Never does anything; `verbs` does. Its help is held by a snapshot in `labctl/tests/`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::bench;
use crate::scenario::{Channel, Fault, Runs, Scale, Variation};

/// Two routers, their links, their traffic and their faults in private network namespaces.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Exit codes: 0 passed, 1 failed, 2 wrong usage or invalid file, 3 something is missing"
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Build a lab from a topology or a scenario, and leave it running
    Up {
        /// The file
        file: PathBuf,
        /// The lab's name [default: the file's]
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        program: Program,
        /// Print the steps and build nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Show nodes, roles, programs and traffic of a lab
    Status(Chosen),
    /// Show the labs that run
    List,
    /// Start, show or stop a lab's streams
    Traffic {
        #[command(subcommand)]
        verb: TrafficVerb,
    },
    /// Run a command in a node
    Exec {
        #[command(flatten)]
        chosen: Chosen,
        /// client, server, switch or a router
        node: String,
        /// The command and its arguments
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// Open a shell in a node
    Shell {
        #[command(flatten)]
        chosen: Chosen,
        /// client, server, switch or a router
        node: String,
    },
    /// Break the primary and wait for the other router
    Failover {
        #[command(flatten)]
        chosen: Chosen,
        /// How
        #[arg(long, value_enum, default_value_t = FailoverKind::KillRouter)]
        kind: FailoverKind,
    },
    /// Check that the pair is healthy: one primary, every stream alive, equal tables
    Verify(Chosen),
    /// End a lab
    Down(Chosen),
    /// Run scenarios, each in a lab of its own, and judge them
    Run {
        /// The files
        #[arg(required = true)]
        files: Vec<PathBuf>,
        #[command(flatten)]
        varied: Varied,
        #[command(flatten)]
        program: Program,
        /// Leave the lab of a failed scenario running
        #[arg(long)]
        keep_on_fail: bool,
        /// Print one JSON document per scenario instead of text
        #[arg(long)]
        json: bool,
        /// Print the steps and run nothing
        #[arg(long)]
        dry_run: bool,
        /// Write what a failed scenario leaves to this directory [default: one in the directory for temporary files]
        #[arg(long, value_name = "DIR")]
        report: Option<PathBuf>,
        /// Write each scenario's result snapshot to this directory
        #[arg(long, value_name = "DIR")]
        snapshot: Option<PathBuf>,
    },
    /// Run scenarios with one daemon or another on each router, and show what becomes of each in one table
    Matrix {
        /// Its rows and columns
        file: PathBuf,
        #[command(flatten)]
        program: Program,
        /// Only these rows
        #[arg(long = "row", value_name = "NAME")]
        rows: Vec<String>,
        /// Only these columns, as in syncd/conntrackd
        #[arg(long = "column", value_name = "DAEMONS")]
        columns: Vec<String>,
        /// Print one JSON document instead of the table
        #[arg(long)]
        json: bool,
        /// Print the command of every cell and run nothing
        #[arg(long)]
        dry_run: bool,
        /// Write what failed cells leave to this directory [default: one in the directory for temporary files]
        #[arg(long, value_name = "DIR")]
        report: Option<PathBuf>,
    },
    /// Measure syncd beside conntrackd: commit, speed, losses, memory, bulk, lag, CPU time
    Bench {
        #[command(flatten)]
        program: Program,
        #[command(flatten)]
        options: bench::Options,
    },
    /// What restores the host's limits after a benchmark
    #[command(hide = true)]
    GuardHost,
    /// The lab's holder
    #[command(hide = true)]
    Hold {
        lab: String,
        #[arg(long)]
        syncd: Option<PathBuf>,
    },
    /// The lab's first process
    #[command(hide = true)]
    Inside {
        #[arg(long)]
        holder: u32,
        #[arg(long)]
        syncd: Option<PathBuf>,
    },
    /// Write the manual pages and the completions of shells into a directory, for whoever packages labctl
    #[command(hide = true)]
    Papers {
        /// Where to
        directory: PathBuf,
    },
    /// A node's first process
    #[command(hide = true)]
    Node { name: String },
}

/// Which lab is meant.
#[derive(Debug, Args)]
pub(crate) struct Chosen {
    /// The lab's name [default: the only one that runs]
    #[arg(long)]
    pub(crate) name: Option<String>,
}

/// The program under test.
#[derive(Debug, Args)]
pub(crate) struct Program {
    /// The syncd to run [default: the one beside labctl]
    #[arg(long, value_name = "PATH")]
    pub(crate) syncd: Option<PathBuf>,
}

/// What of a scenario is otherwise than its file says. What a daemon cannot tell is not expected of it then.
#[derive(Debug, Args)]
pub(crate) struct Varied {
    /// Other daemons, as in r1=conntrackd,r2=syncd
    #[arg(long, value_name = "ROUTER=DAEMON", value_delimiter = ',')]
    sync: Vec<Runs>,
    /// Another way for the daemons to talk
    #[arg(long, value_enum)]
    channel: Option<Channel>,
    /// How large; full size needs root, who raises the host's conntrack limits for the run
    #[arg(long, value_enum, default_value_t)]
    scale: Scale,
}

impl Varied {
    /// The variation.
    pub(crate) fn variation(self) -> Variation {
        let sync = self.sync.into_iter().map(|Runs(router, kind)| (router, kind)).collect();
        Variation { sync, channel: self.channel, scale: self.scale }
    }
}

/// What can be done with traffic.
#[derive(Debug, Subcommand)]
pub(crate) enum TrafficVerb {
    /// Open the streams of one name, or all; transfers announce
    Start {
        #[command(flatten)]
        chosen: Chosen,
        /// As the scenario calls it
        traffic: Option<String>,
    },
    /// Let the transfers of one name, or all, open what they have announced
    Fulfil {
        #[command(flatten)]
        chosen: Chosen,
        /// As the scenario calls it
        traffic: Option<String>,
    },
    /// How the streams and transfers are
    Status(Chosen),
    /// Close the streams of one name, or all
    Stop {
        #[command(flatten)]
        chosen: Chosen,
        /// As the scenario calls it
        traffic: Option<String>,
    },
}

/// Faults that move the addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailoverKind {
    /// Every process of the router, and its links
    KillRouter,
    /// keepalived, in an orderly way
    StopVrrp,
    /// The router's LAN interface
    LinkDown,
}

impl From<FailoverKind> for Fault {
    fn from(kind: FailoverKind) -> Self {
        match kind {
            FailoverKind::KillRouter => Self::KillRouter,
            FailoverKind::StopVrrp => Self::StopVrrp,
            FailoverKind::LinkDown => Self::LinkDown,
        }
    }
}
