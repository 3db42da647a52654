//! What can be typed. The verbs are VyOS's own op-mode words. Says nothing about what they do: `main` does.

mod show;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::control::DEFAULT_SOCKET;
use crate::decode::Ports;
use crate::import::{Language, Wiring};

pub(crate) use show::{Conntrack, Log, Show, Sync};

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
        /// Also against this machine: interfaces, addresses, keepalived's configuration.
        #[arg(long)]
        here: bool,
        /// How to answer.
        #[command(flatten)]
        output: Output,
    },
    /// Print another program's configuration as ours, and what became of each of its keys.
    ///
    /// The configuration goes to standard output, what became of the keys to standard error: same, better, or not carried
    /// with the reason. Exit code 1 when the result needs a hand.
    Import {
        /// Whose configuration it is.
        language: LanguageWord,
        /// conntrackd.conf, or the output of VyOS's 'show configuration commands'.
        file: PathBuf,
        /// What it does not say.
        #[command(flatten)]
        wiring: Wiring,
        /// How to answer.
        #[command(flatten)]
        output: Output,
    },
    /// Say what the keys of the configuration mean: all, or one and those below it.
    Explain {
        /// The key, for example interface or failover-mechanism.vrrp.sync-group.
        key: Option<String>,
        /// How to answer.
        #[command(flatten)]
        output: Output,
    },
    /// Print the JSON Schema of the configuration, by which editors complete and check it.
    Schema,
    /// Make the daemon read its configuration again, as SIGHUP does, and say what has changed.
    Reload {
        /// Which daemon.
        #[command(flatten)]
        control: Control,
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
    /// Say whether this router could take over now without loss: exit code 0, or 1 and the reasons.
    ///
    /// On the primary it says whether the other router could, as far as this one knows. docs/handover.md tells each reason.
    Ready {
        /// Answer as the track file does, for a vrrp_script: 0 unless the priority shall be lowered.
        ///
        /// So a primary is never lowered because of its state, and keepalived is let go on after ready-timeout.
        #[arg(long)]
        keepalived: bool,
        /// Which daemon.
        #[command(flatten)]
        control: Control,
        /// How to answer.
        #[command(flatten)]
        output: Output,
    },
    /// Make the other router primary, without loss. On this one, which is it now.
    ///
    /// Both must know the same, and all news be acknowledged; then keepalived's priority moves (track-file), and the other
    /// router must be heard as primary, with the flows. On any doubt it stays as it was, or becomes so again, and the reason is
    /// told. Exit code 0 when it is done, 1 when it is not. docs/handover.md tells each step.
    Handover {
        /// Wait so many seconds at most until both routers know the same.
        #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(0..=3600))]
        timeout: u32,
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
    /// Look at this machine for what would cost flows in a failover, and say what to do about it.
    ///
    /// Reads settings, rules, links and keepalived's configuration in this network namespace; changes nothing, and needs no
    /// daemon. What it cannot look at it says. The exit code is 1 when there is a finding; docs/doctor.md tells each.
    Doctor {
        /// Configuration file of syncd.
        #[arg(long, value_name = "FILE", default_value = "/etc/syncd/syncd.yaml")]
        config: PathBuf,
        /// Configuration file of keepalived [default: the one that syncd's names, or where VyOS or Debian have it].
        #[arg(long, value_name = "FILE")]
        keepalived: Option<PathBuf>,
        /// How to answer.
        #[command(flatten)]
        output: Output,
    },
    /// Show what the daemon or the kernel knows.
    #[command(subcommand)]
    Show(Show),
    /// Make something equal to its source again, or empty the kernel's table.
    #[command(subcommand)]
    Reset(Reset),
    /// Begin again.
    #[command(subcommand)]
    Restart(Restart),
    /// Follow what the daemon says, beginning with its last lines.
    #[command(subcommand)]
    Monitor(Monitor),
    /// Print every notice of the daemon as it happens.
    ///
    /// With --json one object a line: what happened as a word, what belongs to it, and the sentence of the log. Numbers
    /// count up; a gap means that this program was too slow to take them all.
    Watch {
        /// First what was said lately.
        #[arg(long)]
        all: bool,
        /// Of which daemon, and how to answer.
        #[command(flatten)]
        question: Question,
    },
    /// Write the manual pages and the completions of shells into a directory, for whoever packages syncd.
    #[command(hide = true)]
    Papers {
        /// Where to.
        directory: PathBuf,
    },
}

/// A port, or `any`.
fn ports(word: &str) -> Result<Ports, String> {
    match (word, word.parse()) {
        ("any", _) => Ok(Ports::Any),
        (_, Ok(port)) if port != 0 => Ok(Ports::One(port)),
        _ => Err("a port is a number from 1 to 65535, or any".to_owned()),
    }
}

/// Another program's configuration, as it is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LanguageWord {
    /// conntrackd.conf.
    Conntrackd,
    /// VyOS's 'show configuration commands'.
    Vyos,
}

impl LanguageWord {
    /// The language.
    pub(crate) const fn language(self) -> Language {
        match self {
            Self::Conntrackd => Language::Conntrackd,
            Self::Vyos => Language::Vyos,
        }
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

/// After `reset`.
#[derive(Debug, Subcommand)]
pub(crate) enum Reset {
    /// One of the daemon's caches. Nothing is thrown away before its replacement is here.
    ConntrackSync {
        /// Which one.
        #[command(subcommand)]
        what: ResetCache,
    },
    /// Empty the kernel's table and its expectations, in this network namespace; needs no daemon.
    ///
    /// Every connection through this router is cut that is not let in anew by a rule; a primary's peer hears of the ends,
    /// too. Asks before it does so.
    Conntrack {
        /// Do not ask.
        #[arg(long, short)]
        yes: bool,
        /// How to answer.
        #[command(flatten)]
        output: Output,
    },
}

/// After `reset conntrack-sync`.
#[derive(Debug, Subcommand)]
pub(crate) enum ResetCache {
    /// Read the kernel's table again, compare, and send all of it to the peer.
    InternalCache(Question),
    /// Ask the peer for all its flows, and drop what it does not name.
    ///
    /// Refused while the peer is silent: what is here of it is all there is then.
    ExternalCache(Question),
}

/// After `restart`.
#[derive(Debug, Subcommand)]
pub(crate) enum Restart {
    /// The daemon, with its arguments and as the same process.
    ///
    /// The role is kept, the caches are filled anew by the kernel and the peer. Refused during a commit, and while the
    /// configuration would keep the daemon from coming up.
    ConntrackSync(Question),
}

/// After `monitor`.
#[derive(Debug, Subcommand)]
pub(crate) enum Monitor {
    /// The log.
    #[command(subcommand)]
    Log(Log),
}
