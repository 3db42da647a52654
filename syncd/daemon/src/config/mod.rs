//! The configuration: YAML with VyOS's own key names, checked as a whole before anything is touched.
//!
//! What is wrong is shown with file, line, column, key path, reason and remedy, all of it at once. [`load`] looks at
//! the file only; [`Config::check_system`] compares it with this machine.
//! Tested in `tests.rs` beside this file, whose texts are in `snapshots/cli`.

mod change;
mod expect;
mod foreign;
pub(crate) mod keepalived;
pub(crate) mod keys;
mod links;
mod masters;
mod metrics;
mod node;
mod problem;
mod read;
pub(crate) mod schema;
mod system;
mod tree;

#[cfg(test)]
mod tests;

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use syncd_core::filter::Filter;

use crate::journal::Level;

pub(crate) use change::needing_restart;
pub(crate) use keepalived::{Beside, usual as usual_keepalived_file};
pub(crate) use links::{is_interface_name, is_link_local};
pub(crate) use metrics::MetricsSocket;
pub(crate) use problem::{Invalid, Problem, shortened};
pub(crate) use system::Interface;

/// What `syncd` is told to do.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// Dedicated links, in the order of the file; at least one, at most [`MAX_LINKS`].
    pub(crate) links: Vec<Link>,
    /// Addresses to receive on; empty: the address of each link's interface. Unicast only.
    pub(crate) listen: Vec<Listen>,
    /// Which flows are replicated, and which expectations.
    pub(crate) filter: Filter,
    /// The words by which expectations are chosen, as they are written.
    pub(crate) expect_sync: Vec<String>,
    /// How the role comes.
    pub(crate) failover: Failover,
    /// The receive buffer for kernel events may grow to so many bytes.
    pub(crate) event_buffer: usize,
    /// Send and receive buffer of each channel, in bytes.
    pub(crate) channel_buffer: usize,
    /// The most flows in each cache; none: as the kernel's own limit has it.
    pub(crate) cache_limit: Option<u32>,
    /// Seconds that committed flows live; none: what is left of their own.
    pub(crate) commit_timeout: Option<u32>,
    /// Seconds of silence after which the peer counts as lost; none: the protocol's own.
    pub(crate) peer_timeout: Option<u32>,
    /// Seconds after which the kernel of a router that was primary is emptied; none: never.
    pub(crate) purge_timeout: Option<u32>,
    purge_path: node::Path,
    preload_path: node::Path,
    /// Whether packets that belong to no known flow are dropped during a commit.
    pub(crate) gate: bool,
    /// Whether the peer's flows are kept in the kernel while this router stands by.
    pub(crate) preload: bool,
    /// What the daemon says; none: nothing.
    pub(crate) log: Option<Level>,
    /// What is right and probably not meant.
    remarks: Vec<Problem>,
    /// Where metrics are shown; none: nowhere.
    pub(crate) metrics: Option<MetricsSocket>,
    file: PathBuf,
    source: node::Source,
}

/// A longer file is no configuration, in bytes.
const LONGEST: usize = 64 * 1024;

/// As many dedicated links as conntrackd takes.
pub(crate) const MAX_LINKS: usize = 4;

/// How the router learns its role.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Failover {
    /// The VRRP sync group whose role is ours.
    pub(crate) sync_group: String,
    path: node::Path,
    /// Where keepalived tells roles; none: roles come by `syncd role` only.
    pub(crate) notify_fifo: Option<PathBuf>,
    /// Where keepalived reads whether this router is ready; none: nowhere.
    pub(crate) track_file: Option<PathBuf>,
    /// For so long keepalived is told at most that it is not.
    pub(crate) ready_timeout: Duration,
    /// The file keepalived reads, if it is named.
    keepalived_config: Option<PathBuf>,
}

/// A dedicated link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    /// Name of the interface.
    pub(crate) interface: String,
    /// How the peer is reached on it.
    pub(crate) transport: Transport,
    path: node::Path,
}

impl Link {
    /// Where datagrams go; the scope of a link-local address is the link's interface.
    pub(crate) const fn target(&self) -> SocketAddr {
        match self.transport {
            Transport::Multicast(target) | Transport::Unicast(target) => target,
        }
    }
}

/// How the peer is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    /// Both routers join this group.
    Multicast(SocketAddr),
    /// The peer's address; the port is also ours.
    Unicast(SocketAddr),
}

impl Config {
    /// Where it was read.
    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    /// The remarks on the file, in order of the lines.
    pub(crate) fn remarks(&self) -> &[Problem] {
        &self.remarks
    }

    /// Remarks as an operator reads them, with their places.
    pub(crate) const fn show<'a>(&'a self, remarks: &'a [Problem]) -> Remarks<'a> {
        Remarks { config: self, remarks }
    }
}

/// A problem, or a remark, of a file in one line.
pub(crate) fn line(file: &Path, problem: &Problem) -> String {
    let line = problem.line().map_or_else(String::new, |line| format!(":{line}"));
    let key = if problem.key.is_empty() { String::new() } else { format!("{}: ", problem.key) };
    format!("{}{line}: {key}{}; {}", file.display(), problem.reason, problem.remedy)
}

/// Remarks, to be shown.
pub(crate) struct Remarks<'a> {
    config: &'a Config,
    remarks: &'a [Problem],
}

impl fmt::Display for Remarks<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = problem::Shown { file: &self.config.file, text: self.config.source.text() };
        self.remarks.iter().try_for_each(|remark| shown.write(f, remark))
    }
}

/// An address to receive on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listen {
    /// The address.
    pub(crate) address: IpAddr,
    path: node::Path,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    /// The file cannot be read.
    #[error("cannot read {}: {error}; {}", file.display(), unreadable_remedy(error))]
    Unreadable {
        /// Which file.
        file: PathBuf,
        /// Why. No `source`: it is in the sentence, and would be told twice.
        error: io::Error,
    },
    /// The file reads and is wrong.
    #[error(transparent)]
    Invalid(#[from] Invalid),
}

/// What to do about a file that is not to be read.
pub(crate) fn unreadable_remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => "give the right path, or write the file (README, 'A first configuration')",
        io::ErrorKind::PermissionDenied => "run as root, or make it readable",
        io::ErrorKind::InvalidData => "save it as UTF-8 text",
        io::ErrorKind::FileTooLarge => "name a configuration of syncd; none needs nearly as much",
        _ => "it must be a readable text file",
    }
}

/// Whether `ignore-address` takes the word.
pub(crate) fn is_network(word: &str) -> bool {
    read::network(word).is_ok()
}

/// Reads and checks a configuration file.
///
/// # Errors
///
/// See [`LoadError`].
pub(crate) fn load(file: &Path) -> Result<Config, LoadError> {
    let mut bytes = Vec::new();
    File::open(file)
        .and_then(|opened| opened.take(LONGEST as u64 + 1).read_to_end(&mut bytes))
        .map_err(|error| LoadError::Unreadable { file: file.to_owned(), error })?;
    understand(file, &bytes)
}

/// Checks the contents of a configuration file; `file` is its name in messages.
///
/// # Errors
///
/// See [`LoadError`].
pub(crate) fn understand(file: &Path, bytes: &[u8]) -> Result<Config, LoadError> {
    let unreadable = |error| LoadError::Unreadable { file: file.to_owned(), error };
    if bytes.len() > LONGEST {
        let reason = format!("it is longer than {LONGEST} bytes");
        return Err(unreadable(io::Error::new(io::ErrorKind::FileTooLarge, reason)));
    }
    let text = str::from_utf8(bytes)
        .map_err(|error| unreadable(io::Error::new(io::ErrorKind::InvalidData, error)))?;
    Ok(read::config(file, text)?)
}
