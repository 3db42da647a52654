//! What can be typed after `show`. Says nothing about what it does.

use std::str::FromStr;

use clap::{Args, Subcommand, ValueEnum};
use syncd_core::flow::Family;

use super::{Output, Question};
use crate::control::protocol::Cache;
use crate::show::selection::Selection;
use crate::show::table::{CacheFormat, TableFormat};

/// After `show`.
#[derive(Debug, Subcommand)]
pub(crate) enum Show {
    /// The replication of flows.
    ConntrackSync {
        /// What of it.
        #[command(subcommand)]
        what: Sync,
    },
    /// The kernel's connection tracking.
    Conntrack {
        /// What of it.
        #[command(subcommand)]
        what: Conntrack,
    },
    /// What became of flows in the last failover, or the last ones.
    ///
    /// Each change of this router's role has an account: when what was done, how many flows of the peer are in this kernel
    /// since, how many are not and why, and of which kind. Those of the last 32 changes since the daemon's start are kept.
    /// docs/failover.md tells each line.
    Failover {
        /// How many, the newest first.
        #[arg(default_value_t = 1, value_parser = at_least_one::<u32>)]
        number: u32,
        /// Of which daemon, and how to answer.
        #[command(flatten)]
        question: Question,
    },
    /// What was said lately.
    #[command(subcommand)]
    Log(Log),
    /// The daemon's numbers as Prometheus reads them, whether or not they are shown on a socket.
    ///
    /// With --json the same metrics and samples as objects.
    Metrics(Question),
}

/// After `show log` and `monitor log`.
#[derive(Debug, Subcommand)]
pub(crate) enum Log {
    /// By the daemon: from the journal where systemd keeps one of it, else the last 1000 lines from the daemon itself.
    ConntrackSync(Question),
}

/// After `show conntrack-sync`.
#[derive(Debug, Subcommand)]
pub(crate) enum Sync {
    /// Role, whether both routers know the same, last commit.
    Status(Question),
    /// What is counted, in conntrackd's layout.
    Statistics {
        /// What syncd counts besides, below.
        #[arg(long)]
        detail: bool,
        /// Of which daemon, and how to answer.
        #[command(flatten)]
        question: Question,
    },
    /// Flows of this router's kernel, or what its helpers expect, as lines.
    InternalCache(Caching),
    /// Flows, or expectations, of the peer, as lines; after a commit, what could not be committed and why.
    ExternalCache(Caching),
    /// A cache as a table.
    Cache {
        /// Which one.
        #[command(subcommand)]
        which: CacheWord,
    },
}

/// After `show conntrack-sync cache`.
#[derive(Debug, Subcommand)]
pub(crate) enum CacheWord {
    /// Flows of this router's kernel, or what its helpers expect.
    Internal(Caching),
    /// Flows, or expectations, of the peer.
    External(Caching),
}

/// What is to be seen of a cache.
#[derive(Debug, Args)]
pub(crate) struct Caching {
    /// Which of its two tables.
    #[arg(default_value = "main")]
    pub(crate) table: TableWord,
    /// How it is written.
    #[arg(long, conflicts_with_all = ["json", "xml"])]
    pub(crate) format: Option<CacheFormat>,
    /// One element of conntrackd's XML a line.
    #[arg(long, conflicts_with = "json")]
    pub(crate) xml: bool,
    /// Which flows.
    #[command(flatten)]
    pub(crate) part: Part,
    /// Begin here, where a limited list said that it could go on.
    #[arg(long, value_name = "SLOT", default_value_t = 0)]
    pub(crate) from: u32,
    /// Of which daemon, and how to answer.
    #[command(flatten)]
    pub(crate) question: Question,
}

/// Which part of a list.
#[derive(Clone, Debug, Args)]
pub(crate) struct Part {
    /// What is wanted.
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// At most so many.
    #[arg(long, value_name = "NUMBER", value_parser = at_least_one::<u64>)]
    pub(crate) limit: Option<u64>,
}

impl From<Part> for crate::show::print::Part {
    fn from(part: Part) -> Self {
        Self { selection: part.selection, limit: part.limit, from: 0 }
    }
}

/// For clap: how many.
fn at_least_one<N: FromStr + From<u8> + PartialOrd>(word: &str) -> Result<N, String> {
    word.parse().ok().filter(|number| *number >= N::from(1)).ok_or_else(|| "a number from 1 on".to_owned())
}

/// A table of a cache; VyOS's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TableWord {
    /// Flows.
    Main,
    /// Expectations.
    Expect,
}

impl Sync {
    /// The cache it is about, how it is written unless said, and the rest.
    pub(crate) const fn cache(&self) -> Option<(Cache, CacheFormat, &Caching)> {
        let (internal, format, caching) = match self {
            Self::Status(_) | Self::Statistics { .. } => return None,
            Self::InternalCache(caching) => (true, CacheFormat::Lines, caching),
            Self::ExternalCache(caching) => (false, CacheFormat::Lines, caching),
            Self::Cache { which: CacheWord::Internal(caching) } => (true, CacheFormat::Table, caching),
            Self::Cache { which: CacheWord::External(caching) } => (false, CacheFormat::Table, caching),
        };
        let cache = match (internal, caching.table) {
            (true, TableWord::Main) => Cache::Internal,
            (true, TableWord::Expect) => Cache::InternalExpectations,
            (false, TableWord::Main) => Cache::External,
            (false, TableWord::Expect) => Cache::ExternalExpectations,
        };
        Some((cache, format, caching))
    }
}

/// After `show conntrack`.
#[derive(Debug, Subcommand)]
pub(crate) enum Conntrack {
    /// The table of this network namespace; needs no daemon.
    Table(Kernel),
    /// What each processor has counted; needs no daemon.
    Statistics(Output),
}

/// What is to be seen of the kernel's table.
#[derive(Debug, Args)]
pub(crate) struct Kernel {
    /// Of which family.
    pub(crate) family: FamilyWord,
    /// How it is written.
    #[arg(long, default_value = "table", conflicts_with_all = ["json", "xml"])]
    pub(crate) format: TableFormat,
    /// One element of conntrackd's XML a line.
    #[arg(long, conflicts_with = "json")]
    pub(crate) xml: bool,
    /// Which flows.
    #[command(flatten)]
    pub(crate) part: Part,
    /// Only flows with this id or a higher one, where a limited list said that it could go on. A limited list is in the
    /// order of ids, and each walks through the whole table.
    #[arg(long, value_name = "ID", default_value_t = 0)]
    pub(crate) from: u32,
    /// How to answer.
    #[command(flatten)]
    pub(crate) output: Output,
}

/// A family as it is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FamilyWord {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

impl FamilyWord {
    /// The family.
    pub(crate) const fn family(self) -> Family {
        match self {
            Self::Ipv4 => Family::V4,
            Self::Ipv6 => Family::V6,
        }
    }
}
