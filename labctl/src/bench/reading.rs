//! A full table that somebody reads: what the reader and the daemon need for it, and whether replication goes on meanwhile.
//!
//! The standby's external cache is read to its half, then the reader's pipe is left full for as long as ten thousand more
//! flows take to the standby, then it is read to its end. The first router's own table is read at once and, with syncd, also
//! page by page. Driven by `measure.rs`; tested through `labctl bench`.

use std::fmt;
use std::io::Read as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::Plan;
use super::daemon::Daemon;
use super::flows::{BATCH, Kind, Writing};
use super::measure::GENTLY;
use super::meters;
use super::pair::{Pair, R1, R2};
use crate::actors::{self, answer};
use crate::plan::Actor;
use crate::{poll, programs};

/// So many flows are born while the reader stands still.
pub(super) const MEANWHILE: u32 = 10_000;
/// How long they may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Flows of a page.
const PAGE: u32 = 100_000;
/// What a pipe gives at once.
const BLOCK: usize = 65_536;
/// The kernel is asked what a reader holds after so many of them.
const LOOK: u32 = 16;

/// A full table that somebody read.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
pub(crate) struct Read {
    /// Whose; of conntrackd the kernel's table is read with `conntrack -L`.
    pub(crate) daemon: Daemon,
    /// How many flows.
    pub(crate) flows: u32,
    /// How many of them the reader of the external cache printed.
    pub(crate) shown: u64,
    /// The most memory that it ever held, in megabytes.
    pub(crate) reader: f64,
    /// By how much the daemon's memory grew until the reader was done, with what was born meanwhile, in megabytes.
    pub(crate) grown: f64,
    /// How long the last of the flows that were born while the reader stood still took to the standby, in milliseconds.
    pub(crate) milliseconds: f64,
    /// The most memory that the reader of the kernel's table held, in megabytes.
    pub(crate) table: f64,
    /// The same page by page, the largest of all pages; only with syncd.
    pub(crate) paged: Option<f64>,
}

impl fmt::Display for Read {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { daemon, flows, shown, reader, grown, milliseconds, table, paged } = self;
        write!(
            f,
            "{daemon:?}: {shown} of {flows} flows read with {reader:.1} MB, the daemon grew by {grown:.1} MB; flows born \
             meanwhile are there {milliseconds:.0} ms after the last; the kernel's table with {table:.1} MB"
        )?;
        paged.map_or(Ok(()), |paged| write!(f, ", page by page {paged:.1} MB"))
    }
}

/// Fills a pair and reads it.
pub(super) fn reading(daemon: Daemon, plan: &Plan) -> Result<Read> {
    // With those that are born meanwhile no more than there is room for.
    let flows = plan.full().saturating_sub(MEANWHILE).max(1);
    let pair = Pair::start(daemon, plan.full(), plan.root)?;
    pair.insert(Writing { kind: Kind::Plain, first: 0, count: flows, pace: Some(GENTLY), burst: BATCH })?;
    pair.settle(flows)?;
    let held = pair.counts()?.external;
    let before = pair.cost(R2)?.memory;
    let mut reader = Reader::start(daemon.read_external(pair.node(R2)?, R2)?)?;
    reader.read(held / 2)?;
    let born = Writing { kind: Kind::Plain, first: flows, count: MEANWHILE, pace: None, burst: BATCH };
    pair.insert(born)?;
    let start = Instant::now();
    let all = || match pair.caches(R2) {
        Ok(caches) => (caches.external >= held + u64::from(MEANWHILE)).then_some(Ok(())),
        Err(error) => Some(Err(error)),
    };
    let arrived = poll::until(start + PATIENCE, all).transpose()?;
    if daemon == Daemon::Syncd {
        arrived.context("replication stands still while a cache is read")?;
    }
    let milliseconds = start.elapsed().as_secs_f64() * 1e3;
    reader.read(u64::MAX)?;
    let (shown, peak) = reader.end()?;
    let grown = pair.cost(R2)?.memory.saturating_sub(before);
    let (table, paged) = own_table(&pair, flows + MEANWHILE)?;
    pair.stop()?;
    let (reader, grown, paged) = (megabytes(peak), megabytes(grown), paged.map(megabytes));
    Ok(Read { daemon, flows, shown, reader, grown, milliseconds, table: megabytes(table), paged })
}

/// Reads the first router's kernel: at once, and page by page where that can be done. What the readers held at most.
fn own_table(pair: &Pair, flows: u32) -> Result<(u64, Option<u64>)> {
    let node = pair.node(R1)?;
    let whole = |child| -> Result<u64> {
        let mut reader = Reader::start(child)?;
        reader.read(u64::MAX)?;
        let (shown, peak) = reader.end()?;
        if shown < u64::from(flows) {
            bail!("of {flows} flows of the kernel {shown} were shown");
        }
        Ok(peak)
    };
    if pair.daemon() == Daemon::Conntrackd {
        let mut command = Command::new(programs::find("conntrack")?);
        command.arg("-L").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        return Ok((whole(node.spawn(&mut command)?)?, None));
    }
    let words = ["show", "conntrack", "table", "ipv4", "--format", "lines"].map(str::to_owned);
    let at_once = whole(actors::begin(node, Actor::Syncd, &words)?)?;
    let (mut from, mut seen, mut most) = (Some("0".to_owned()), 0, 0);
    while let Some(id) = from {
        let page = ["--limit", &PAGE.to_string(), "--from", &id].map(str::to_owned);
        let mut reader = Reader::start(actors::begin(node, Actor::Syncd, &[&words[..], &page].concat())?)?;
        reader.read(u64::MAX)?;
        from = reader.said()?.trim().rsplit_once("--from ").map(|(_, next)| next.to_owned());
        let (shown, peak) = reader.end()?;
        seen += shown;
        most = most.max(peak);
    }
    if seen != u64::from(flows) {
        bail!("of {flows} flows of the kernel {seen} were shown page by page");
    }
    Ok((at_once, Some(most)))
}

#[expect(clippy::cast_precision_loss, reason = "bytes are far below 2^52")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// A program that prints a line for each flow, as slowly as we read.
#[derive(Debug)]
struct Reader {
    child: Child,
    lines: u64,
    peak: u64,
}

impl Reader {
    fn start(child: Child) -> Result<Self> {
        let peak = meters::peak(child.id())?;
        Ok(Self { child, lines: 0, peak })
    }

    /// Goes on until it has printed so many lines, or all.
    fn read(&mut self, lines: u64) -> Result<()> {
        let process = self.child.id();
        let pipe = self.child.stdout.as_mut().context("a program without its output")?;
        let mut block = vec![0; BLOCK];
        let mut blocks = 0_u32;
        while self.lines < lines {
            let length = pipe.read(&mut block)?;
            if length == 0 {
                break;
            }
            self.lines += block[..length].iter().map(|byte| u64::from(*byte == b'\n')).sum::<u64>();
            if blocks.is_multiple_of(LOOK) {
                // It may have ended by now; what it held is known from before.
                self.peak = self.peak.max(meters::peak(process).unwrap_or(0));
            }
            blocks = blocks.wrapping_add(1);
        }
        Ok(())
    }

    /// What it said besides; all of its lines are read.
    fn said(&mut self) -> Result<String> {
        let mut text = String::new();
        self.child.stderr.take().context("a program without its errors")?.read_to_string(&mut text)?;
        Ok(text)
    }

    /// Lines, and the most memory.
    fn end(self) -> Result<(u64, u64)> {
        let output = answer::output(self.child, PATIENCE)?;
        if !output.status.success() {
            bail!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok((self.lines, self.peak))
    }
}
