//! What can be typed. The verbs are VyOS's own op-mode words. Says nothing about what they do: `main` does.

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use syncd_core::flow::Family;

use crate::control::DEFAULT_SOCKET;
use crate::control::protocol::Cache;
use crate::decode::Ports;

/// Keeps the connections of a router pair through a failover; speaks conntrackd's protocol.
#[derive(Debug, Parser)]
#[command(name = "syncd", version, max_term_width = 100)]
pub(crate) struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// Which daemon.
#[derive(Debug, Args)]
pub(crate) struct Control {
    /// Control socket of the daemon.
    #[arg(long, value_name = "PATH", default_value = DEFAULT_SOCKET)]
    pub(crate) socket: PathBuf,
}

/// How to answer.
#[derive(Debug, Args)]
pub(crate) struct Output {
    /// Answer in JSON, for machines.
    #[arg(long)]
    pub(crate) json: bool,
}

/// The first word.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Run the daemon in the foreground.
    Run {
        /// Configuration file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// Record everything the daemon's state machine hears and does into a new file, for 'sim replay FILE'.
        ///
        /// Some 60 bytes for each event of the kernel, and each datagram of the peer. The file tells all flows and is
        /// for its owner's eyes only. An existing file is not overwritten: the daemon does not start. When the disk
        /// cannot follow, the recording ends and the daemon goes on.
        #[arg(long, value_name = "FILE")]
        record: Option<PathBuf>,
        /// Which control socket to offer.
        #[command(flatten)]
        control: Control,
    },
    /// Check a configuration file and show everything that is wrong with it.
    Check {
        /// Configuration file.
        file: PathBuf,
        /// How to answer.
        #[command(flatten)]
        output: Output,
    },
    /// Tell the daemon this router's role, for a failover without keepalived's FIFO.
    Role {
        /// The role; VRRP's word master is understood.
        role: RoleWord,
        /// The VRRP sync group that changed; another than the daemon's own is refused.
        group: Option<String>,
        /// Return at once, not when the role's jobs (commit, bulk) are done.
        #[arg(long)]
        no_wait: bool,
        /// Which daemon.
        #[command(flatten)]
        control: Control,
        /// How to answer.
        #[command(flatten)]
        output: Output,
    },
    /// Print every message in a capture of a dedicated link (tcpdump -w FILE udp port 3780).
    Decode {
        /// Capture file: pcap or pcapng.
        file: PathBuf,
        /// Port of the dedicated link, or any: whatever reads like its messages.
        #[arg(long, value_name = "PORT|any", default_value = "3780", value_parser = ports)]
        port: Ports,
        /// How to answer.
        #[command(flatten)]
        output: Output,
    },
    /// Show what the daemon or the kernel knows.
    #[command(subcommand)]
    Show(Show),
}

/// A port, or `any`.
fn ports(word: &str) -> Result<Ports, String> {
    match (word, word.parse()) {
        ("any", _) => Ok(Ports::Any),
        (_, Ok(port)) if port != 0 => Ok(Ports::One(port)),
        _ => Err("a port is a number from 1 to 65535, or any".to_owned()),
    }
}

/// A role as it is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RoleWord {
    /// This router holds the shared addresses: commit the peer's flows.
    #[value(alias = "master")]
    Primary,
    /// This router stands by.
    Backup,
    /// This router must not forward.
    Fault,
}

impl RoleWord {
    /// As the protocol says it.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Backup => "backup",
            Self::Fault => "fault",
        }
    }
}

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
}

/// After `show conntrack-sync`.
#[derive(Debug, Subcommand)]
pub(crate) enum Sync {
    /// Role, whether both routers know the same, last commit.
    Status(Question),
    /// Everything that is counted.
    Statistics(Question),
    /// Flows of this router's kernel, or what its helpers expect.
    InternalCache {
        /// Which of its two tables.
        #[arg(default_value = "main")]
        table: TableWord,
        /// Of which daemon, and how to answer.
        #[command(flatten)]
        question: Question,
    },
    /// Flows, or expectations, of the peer; after a commit, what could not be committed and why.
    ExternalCache {
        /// Which of its two tables.
        #[arg(default_value = "main")]
        table: TableWord,
        /// Of which daemon, and how to answer.
        #[command(flatten)]
        question: Question,
    },
}

/// A table of a cache; VyOS's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TableWord {
    /// Flows.
    Main,
    /// Expectations.
    Expect,
}

/// A question to a daemon.
#[derive(Debug, Args)]
pub(crate) struct Question {
    /// Which daemon.
    #[command(flatten)]
    pub(crate) control: Control,
    /// How to answer.
    #[command(flatten)]
    pub(crate) output: Output,
}

impl Sync {
    /// The question, and the cache if it is about one.
    pub(crate) const fn question(&self) -> (&Question, Option<Cache>) {
        match self {
            Self::Status(question) | Self::Statistics(question) => (question, None),
            Self::InternalCache { table: TableWord::Main, question } => (question, Some(Cache::Internal)),
            Self::InternalCache { table: TableWord::Expect, question } => {
                (question, Some(Cache::InternalExpectations))
            }
            Self::ExternalCache { table: TableWord::Main, question } => (question, Some(Cache::External)),
            Self::ExternalCache { table: TableWord::Expect, question } => {
                (question, Some(Cache::ExternalExpectations))
            }
        }
    }
}

/// After `show conntrack`.
#[derive(Debug, Subcommand)]
pub(crate) enum Conntrack {
    /// The table of this network namespace; needs no daemon.
    Table {
        /// Which flows.
        family: FamilyWord,
        /// How to answer.
        #[command(flatten)]
        output: Output,
    },
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
