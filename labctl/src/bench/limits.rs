//! The host's limits for connection tracking, raised for a run and restored after it, however it ends.
//!
//! A guardian does both: a process in a session of its own that waits for the end of its standard input and for
//! nothing else. The kernel ends that pipe together with the process that runs the benchmark, so `kill -9` is an end
//! like any other. Never lowers a value. The guardian is this program under a hidden verb; tested in
//! `labctl/tests/bench.rs`.

use std::env;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::process::{Child, ChildStdin, Command, Stdio};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::{geteuid, setsid};
use serde::{Deserialize, Serialize};

use crate::ending::Ending;

/// The guardian's hidden verb.
const GUARD: &str = "guard-host";

/// Where the values are: how many flows a network namespace may hold, the size of the one table of the host, and how many
/// packets may wait for one of its processors. All routers, clients and servers of a lab wait in the same line, and two
/// thousand streams that have waited for the same router send at the same moment.
const MAX: &str = "/proc/sys/net/netfilter/nf_conntrack_max";
const BUCKETS: &str = "/proc/sys/net/netfilter/nf_conntrack_buckets";
const BACKLOG: &str = "/proc/sys/net/core/netdev_max_backlog";

/// The values for a run. The kernel gives a router a table in which a chain is two entries long when it is full
/// (`nf_conntrack_init_start`: `max_factor`). Two routers with a million flows each share one table here, and each flow is in it
/// twice.
const WANTED: Values = Values { max: 4_000_000, buckets: 2_097_152, backlog: 100_000 };

/// Held by a guardian until it has restored: a second one would take raised values for the host's own.
const LOCK: &[u8] = b"labctl-bench-guardian";

/// The values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Values {
    /// `nf_conntrack_max`.
    pub(crate) max: u32,
    /// `nf_conntrack_buckets`.
    pub(crate) buckets: u32,
    /// `netdev_max_backlog`.
    pub(crate) backlog: u32,
}

impl Values {
    /// As they are now.
    ///
    /// # Errors
    /// When there is no connection tracking in this kernel.
    pub(crate) fn read() -> Result<Self> {
        let max = read(MAX).context("is nf_conntrack loaded (modprobe nf_conntrack)?")?;
        Ok(Self { max, buckets: read(BUCKETS)?, backlog: read(BACKLOG)? })
    }

    /// Sets what differs from `now`.
    fn write(self, now: Self) -> Result<()> {
        let set = |path, value, now| if value == now { Ok(()) } else { write(path, value) };
        let written = [
            set(BUCKETS, self.buckets, now.buckets),
            set(MAX, self.max, now.max),
            set(BACKLOG, self.backlog, now.backlog),
        ];
        written.into_iter().collect()
    }

    /// Makes them the host's again.
    fn restore(self) -> Result<()> {
        Self::read().and_then(|now| self.write(now)).with_context(|| self.by_hand())
    }

    /// For whoever must do it where no program can.
    fn by_hand(self) -> String {
        let Self { max, buckets, backlog } = self;
        format!(
            "restore by hand: sysctl -w net.netfilter.nf_conntrack_max={max} \
             net.netfilter.nf_conntrack_buckets={buckets} net.core.netdev_max_backlog={backlog}"
        )
    }
}

/// The host's limits during a run.
#[derive(Debug)]
pub(crate) struct Limits {
    /// What holds during the run.
    pub(crate) values: Values,
    /// Why they were not raised, where they were not.
    pub(crate) not_raised: Option<String>,
    guardian: Option<Guardian>,
}

#[derive(Debug)]
struct Guardian {
    process: Child,
    /// Its end is what the guardian waits for.
    pipe: ChildStdin,
    /// What it restores.
    before: Values,
}

impl Limits {
    /// Raises the limits, where this user may.
    ///
    /// # Errors
    /// When another benchmark runs, or there is no connection tracking in this kernel.
    pub(crate) fn raise() -> Result<Self> {
        let now = Values::read()?;
        if !geteuid().is_root() {
            let why = "only root may raise nf_conntrack_max".to_owned();
            return Ok(Self { values: now, not_raised: Some(why), guardian: None });
        }
        let mut command = Command::new(env::current_exe()?);
        let mut child = command.arg(GUARD).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (Some(pipe), Some(answer)) = (child.stdin.take(), child.stdout.take()) else {
            bail!("a child without its pipes");
        };
        let mut line = String::new();
        BufReader::new(answer).read_line(&mut line).context("cannot hear from the host's guardian")?;
        let Ok(raised) = serde_json::from_str(&line) else {
            drop(pipe);
            let status = child.wait()?;
            now.restore()?;
            bail!("the host's limits were not raised: their guardian ended ({status})");
        };
        match raised {
            Raised::Done { before, values } => {
                let guardian = Some(Guardian { process: child, pipe, before });
                Ok(Self { values, not_raised: None, guardian })
            }
            Raised::Busy => {
                bail!(Ending::Usage(
                    "another labctl bench, or run at full size, goes on here: wait for its end".to_owned()
                ))
            }
            Raised::Refused(why) => {
                drop(pipe);
                child.wait()?;
                Ok(Self { values: now, not_raised: Some(why), guardian: None })
            }
        }
    }

    /// Restores the host and waits until that is done. Where the guardian did not live to do it, we do.
    ///
    /// # Errors
    /// When neither could; with what to type.
    pub(crate) fn restore(mut self) -> Result<()> {
        let Some(Guardian { mut process, pipe, before }) = self.guardian.take() else { return Ok(()) };
        drop(pipe);
        let status = process.wait()?;
        if status.success() {
            return Ok(());
        }
        // Another guardian would take our values for the host's own.
        let _lock = lock().with_context(|| before.by_hand())?;
        before.restore()?;
        eprintln!("labctl: the guardian of the host's limits ended ({status}); they are restored without it");
        Ok(())
    }
}

/// The guardian's one line.
#[derive(Debug, Deserialize, Serialize)]
enum Raised {
    Done { before: Values, values: Values },
    Busy,
    Refused(String),
}

/// The guardian's life.
///
/// # Errors
/// When the values cannot be read, or not be restored.
pub(crate) fn guard() -> Result<()> {
    // One thread, which never takes them: as good as ignored.
    [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGPIPE]
        .into_iter()
        .collect::<SigSet>()
        .thread_block()?;
    setsid().context("cannot leave the session")?;
    let _lock = match lock() {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => return say(&Raised::Busy),
        Err(error) => return Err(error.into()),
    };
    let before = Values::read()?;
    // Always more than before, so that it can be seen that the guardian has begun.
    let max = WANTED.max.max(before.max.saturating_add(1));
    let wanted = Values {
        max,
        buckets: WANTED.buckets.max(before.buckets),
        backlog: WANTED.backlog.max(before.backlog),
    };
    let raised = match wanted.write(before) {
        Ok(()) => Raised::Done { before, values: Values::read()? },
        Err(error) => Raised::Refused(format!("{error:#}")),
    };
    // Whoever asked may be gone already; then there is nothing to do but to restore.
    let _ = say(&raised);
    let _ = io::stdin().read_to_end(&mut Vec::new());
    before.restore()
}

fn lock() -> io::Result<UnixListener> {
    UnixListener::bind_addr(&SocketAddr::from_abstract_name(LOCK)?)
}

fn say(raised: &Raised) -> Result<()> {
    let mut out = io::stdout();
    writeln!(out, "{}", serde_json::to_string(raised)?)?;
    Ok(out.flush()?)
}

fn read(path: &str) -> Result<u32> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
    text.trim().parse().with_context(|| format!("{path} holds no number: {text:?}"))
}

fn write(path: &str, value: u32) -> Result<()> {
    fs::write(path, value.to_string()).with_context(|| format!("cannot write {value} to {path}"))
}
