//! The two daemons that are compared: how each is configured, and how each is asked.
//!
//! Both get what a VyOS router gives conntrackd: the same protocols, the same group, the same buffers. Knows them as an
//! operator does, by file and command. Driven by `pair.rs`; tested below and through `labctl bench`.

use std::process::{Child, Output};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use serde::{Deserialize, Serialize};

use crate::actors::{self, answer};
use crate::plan::{Actor, Step, Text, conntrackd};
use crate::probes::syncd::read_status;
use crate::sandbox::Node;

/// How long a commit of all flows there are addresses for may take.
const PATIENCE: Duration = Duration::from_secs(600);

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Daemon {
    /// The project's.
    Syncd,
    /// Its ancestor.
    Conntrackd,
}

/// How many flows a daemon's caches hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Caches {
    /// Of its own kernel.
    pub(super) internal: u64,
    /// Of the peer.
    pub(super) external: u64,
}

/// What a daemon is configured for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Needs {
    /// How many flows it must hold.
    pub(super) flows: u32,
    /// Whether the real root runs it.
    pub(super) root: bool,
    /// Whether the peer's flows shall be in the kernel of the router that stands by; only syncd's.
    pub(super) preload: bool,
}

impl Daemon {
    /// The program.
    pub(super) const fn actor(self) -> Actor {
        match self {
            Self::Syncd => Actor::Syncd,
            Self::Conntrackd => Actor::Conntrackd,
        }
    }

    /// The file a node's daemon reads, and the arguments that make it do so.
    pub(super) fn configuration(self, node: &str, address: &str, needs: Needs) -> (Step, Vec<String>) {
        let (name, text, arguments) = match self {
            Self::Syncd => {
                let file = format!("{}/syncd.yaml", Step::directory(node));
                let preload = if needs.preload { "  disable-external-cache: true\n" } else { "" };
                ("syncd.yaml", format!("{SYNCD}{preload}"), vec!["run".into(), "--config".into(), file])
            }
            Self::Conntrackd => {
                let text = conntrackd_text(node, address, needs.flows, needs.root);
                ("conntrackd.conf", text, vec!["-C".into(), conntrackd::config(node)])
            }
        };
        (Step::File { node: node.to_owned(), name, text: Text(text) }, arguments)
    }

    /// The sizes of its caches.
    ///
    /// # Errors
    /// When it does not answer.
    pub(super) fn caches(self, node: &Node, name: &str) -> Result<Caches> {
        match self {
            Self::Syncd => {
                let status =
                    read_status(&self.ask(node, name, &["show", "conntrack-sync", "status", "--json"])?)?;
                Ok(Caches { internal: status.internal_flows, external: status.external_flows })
            }
            Self::Conntrackd => {
                let answer = self.ask(node, name, &["-s"])?;
                conntrackd_caches(&String::from_utf8_lossy(&answer))
                    .ok_or_else(|| anyhow!("conntrackd's statistics are not understood"))
            }
        }
    }

    /// Makes the node's daemon commit its external cache and says how long that took: for syncd from the begin to the
    /// end that its status tells, for conntrackd until `conntrackd -c` returns.
    ///
    /// # Errors
    /// When it refuses.
    pub(super) fn commit(self, node: &Node, name: &str) -> Result<Duration> {
        match self {
            Self::Syncd => {
                self.ask(node, name, &["role", "primary"])?;
                let status =
                    read_status(&self.ask(node, name, &["show", "conntrack-sync", "status", "--json"])?)?;
                let commit = status.commit.context("syncd has committed nothing")?;
                let end = commit.end_ns.context("syncd still commits")?;
                Ok(Duration::from_nanos(end - commit.begin_ns))
            }
            Self::Conntrackd => {
                let start = Instant::now();
                self.ask(node, name, &["-c"])?;
                Ok(start.elapsed())
            }
        }
    }

    /// Makes the node's router primary, as keepalived's script does, and says how long it was until it was ready.
    ///
    /// # Errors
    /// When it refuses.
    pub(super) fn take_over(self, node: &Node, name: &str) -> Result<Duration> {
        let words: &[&str] = match self {
            Self::Syncd => &["role", "primary"],
            Self::Conntrackd => &["-c"],
        };
        let start = Instant::now();
        self.ask(node, name, words)?;
        Ok(start.elapsed())
    }

    /// Tells it that its router is the one that stands by; conntrackd is what it is.
    ///
    /// # Errors
    /// When it refuses.
    pub(super) fn stand_by(self, node: &Node, name: &str) -> Result<()> {
        if self == Self::Syncd {
            self.ask(node, name, &["role", "backup"])?;
        }
        Ok(())
    }

    /// Whether the router that stands by knows everything and says so; conntrackd cannot say it, so its number of flows
    /// has to do. The other router must have nothing left that was not acknowledged, as far as it tells.
    ///
    /// # Errors
    /// When one does not answer.
    pub(super) fn is_complete(
        self,
        flows: u64,
        primary: (&Node, &str),
        standby: (&Node, &str),
    ) -> Result<bool> {
        match self {
            Self::Syncd => {
                for (node, name) in [standby, primary] {
                    let answer = self.ask(node, name, &["show", "conntrack-sync", "status", "--json"])?;
                    let status = read_status(&answer)?;
                    let whole = name != standby.1 || status.external_flows == flows;
                    if status.sync.state != "in sync" || status.in_flight > 0 || status.queued > 0 || !whole {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Self::Conntrackd => Ok(self.caches(standby.0, standby.1)?.external == flows),
        }
    }

    /// Makes the router that stands by ask for all there is, where its daemon does not by itself.
    ///
    /// # Errors
    /// When it refuses.
    pub(super) fn ask_for_all(self, node: &Node, name: &str) -> Result<()> {
        if self == Self::Conntrackd {
            self.ask(node, name, &["-n"])?;
        }
        Ok(())
    }

    /// Begins to print the external cache, a line for each flow.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub(super) fn read_external(self, node: &Node, name: &str) -> Result<Child> {
        match self {
            Self::Syncd => self.begin(node, name, &["show", "conntrack-sync", "external-cache"]),
            Self::Conntrackd => self.begin(node, name, &["-e"]),
        }
    }

    fn begin(self, node: &Node, name: &str, words: &[&str]) -> Result<Child> {
        let config = conntrackd::config(name);
        let own = match self {
            Self::Syncd => words.to_vec(),
            Self::Conntrackd => [&["-C", &config][..], words].concat(),
        };
        let arguments: Vec<String> = own.iter().map(|word| (*word).to_owned()).collect();
        actors::begin(node, self.actor(), &arguments)
    }

    fn ask(self, node: &Node, name: &str, words: &[&str]) -> Result<Vec<u8>> {
        let Output { status, stdout, stderr } = answer::output(self.begin(node, name, words)?, PATIENCE)?;
        if !status.success() {
            let said = String::from_utf8_lossy(&stderr);
            bail!("{} {}: {status}: {}", self.actor().program(), words.join(" "), said.trim());
        }
        Ok(stdout)
    }
}

const SYNCD: &str = "conntrack-sync:
  interface:
    sync: {}
  mcast-group: 225.0.0.50
  accept-protocol: [tcp, udp, icmp, icmp6]
  ignore-address: [10.9.0.0/24, 127.0.0.1]
  failover-mechanism:
    vrrp: { sync-group: syncgrp }
  event-listen-queue-size: 8
  sync-queue-size: 1
";

/// With room for the flows: its default of 131,072 would be measured otherwise. Without root it must not ask for socket
/// buffers.
fn conntrackd_text(node: &str, address: &str, flows: u32, root: bool) -> String {
    let buffers = if root { "\n    SndSocketBuffer 1249280\n    RcvSocketBuffer 1249280" } else { "" };
    let limit = (2 * flows).max(1_048_576);
    let buckets = flows.next_power_of_two().max(262_144);
    let directory = Step::directory(node);
    format!(
        "Sync {{\n  Mode FTFW {{\n  }}\n  Multicast {{\n    IPv4_address 225.0.0.50\n    Group 3780\n    \
         IPv4_interface {address}\n    Interface sync{buffers}\n    Checksum on\n  }}\n  \
         Options {{\n    TCPWindowTracking Off\n  }}\n}}\n\
         General {{\n  HashSize {buckets}\n  HashLimit {limit}\n  LogFile {directory}/conntrackd-own.log\n  \
         LockFile /run/lock/conntrackd.lock\n  UNIX {{\n    Path /run/conntrackd.ctl\n  }}\n  \
         NetlinkBufferSize 2097152\n  NetlinkBufferSizeMaxGrowth 8388608\n  NetlinkOverrunResync Off\n  \
         NetlinkEventsReliable On\n  Filter From Userspace {{\n    Protocol Accept {{\n      TCP\n      UDP\n      \
         ICMP\n      IPv6-ICMP\n    }}\n    Address Ignore {{\n      IPv4_address 127.0.0.1\n      \
         IPv4_address 10.9.0.0/24\n      IPv6_address ::1\n    }}\n  }}\n}}\n"
    )
}

/// From `conntrackd -s`: a head for each cache, below it `current active connections:` and a number.
fn conntrackd_caches(text: &str) -> Option<Caches> {
    let size = |cache: &str| -> Option<u64> {
        let (_, below) = text.split_once(&format!("cache {cache}:"))?;
        let (_, number) = below.split_once("current active connections:")?;
        number.split_whitespace().next()?.parse().ok()
    };
    Some(Caches { internal: size("internal")?, external: size("external")? })
}

#[cfg(test)]
mod tests {
    use super::{Caches, conntrackd_caches, conntrackd_text};

    #[test]
    fn conntrackd_tells_the_sizes_of_its_caches() {
        let text = "cache internal:\ncurrent active connections:\t\t       12\nconnections created:\t\t\
            12\tfailed:\t0\n\ncache external:\ncurrent active connections:\t\t          7\n";
        assert_eq!(conntrackd_caches(text), Some(Caches { internal: 12, external: 7 }));
        assert_eq!(conntrackd_caches("cache internal:\n"), None);
    }

    #[test]
    fn only_root_asks_for_socket_buffers_and_the_flows_have_room() {
        let text = |root| conntrackd_text("r1", "10.9.0.1", 900_000, root);
        assert!(text(true).contains("RcvSocketBuffer 1249280") && !text(false).contains("RcvSocketBuffer"));
        assert!(text(true).contains("HashLimit 1800000"));
    }
}
