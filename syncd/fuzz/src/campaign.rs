//! A campaign: mutations of a pool that begins as the corpus and grows by what looked new, until time is up or
//! something is found.
//!
//! The same seed throws the same bytes in the same order; only how many depends on the time. What is being run is in a
//! file all the time, so that it is known even if the program does not survive it.

use std::collections::HashSet;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::chance::Chance;
use crate::judge::{self, Fault};
use crate::minimise::minimise;
use crate::mutate::mutate;
use crate::targets::Target;
use crate::{corpus, stopwatch};

/// No more inputs are kept for mutation.
const POOL: usize = 4096;

/// The stack of a run, in bytes: what nests must not need more. The daemon has eight times as much.
const STACK: usize = 1 << 20;

/// A run that lasts longer by the wall clock hangs.
const HANG: Duration = Duration::from_secs(20);

/// How a campaign is led.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    /// Whence all chance.
    pub seed: u64,
    /// Processor time for mutations.
    pub time: Duration,
    /// How many times its time each run is granted: more for a program that is not optimised.
    pub slack: u32,
    /// Where inputs are written.
    pub directory: &'a Path,
}

/// What came out of it.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Runs, the corpus included.
    pub runs: u64,
    /// Inputs in the pool at the end.
    pub pool: usize,
    /// Processor time they took together, with the making of mutations.
    pub time: Duration,
    /// The most processor time of one.
    pub slowest: Duration,
    /// The most bytes that one asked for in one go.
    pub largest: usize,
    /// The most bytes that one held at a time.
    pub peak: usize,
    /// What must not be.
    pub finding: Option<Finding>,
}

/// An input that does what must not be.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What.
    pub fault: Fault,
    /// Where the input is, as small as it could be made.
    pub file: PathBuf,
}

/// Leads a campaign against `target`.
///
/// # Errors
/// When the corpus cannot be read, or inputs cannot be written.
pub fn lead(target: &'static Target, plan: Plan<'_>) -> Result<Report> {
    let committed = corpus::read(target.name)?.into_iter().map(|(_, bytes)| bytes);
    let inputs = committed.chain((target.seeds)()).collect();
    fs::create_dir_all(plan.directory)
        .with_context(|| format!("cannot make {}", plan.directory.display()))?;
    let current = plan.directory.join(format!("{}.running", target.name));
    let file = File::create(&current).with_context(|| format!("cannot write {}", current.display()))?;
    let runs = Arc::new(AtomicU64::new(0));
    let (alive, watched) = mpsc::channel::<()>();
    let watch = {
        let runs = Arc::clone(&runs);
        let said = format!("{} hangs; the input is in {}", target.name, current.display());
        thread::spawn(move || watch(&watched, &runs, &said))
    };
    let mut campaign = Campaign { target, plan, chance: Chance::new(plan.seed, target.name), file, runs };
    let report = thread::scope(|scope| {
        let work = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, || campaign.run(inputs));
        work.expect("a thread more").join().expect("faults are caught")
    });
    drop(alive);
    watch.join().expect("it only looks");
    fs::remove_file(&current).context("cannot remove a file of ours")?;
    report
}

/// Ends the program when it makes no run for too long: there is no other way out of a loop without end.
fn watch(campaign: &mpsc::Receiver<()>, runs: &AtomicU64, said: &str) {
    let mut before = u64::MAX;
    while campaign.recv_timeout(HANG) == Err(mpsc::RecvTimeoutError::Timeout) {
        let now = runs.load(Ordering::Relaxed);
        if now == before {
            eprintln!("{said}");
            std::process::abort();
        }
        before = now;
    }
}

struct Campaign<'a> {
    target: &'static Target,
    plan: Plan<'a>,
    chance: Chance,
    file: File,
    runs: Arc<AtomicU64>,
}

impl Campaign<'_> {
    fn run(&mut self, mut pool: Vec<Vec<u8>>) -> Result<Report> {
        let mut known = HashSet::new();
        let mut report = Report::default();
        for input in &pool {
            let looked_like = self.one(input, &mut report)?;
            if report.finding.is_some() {
                return Ok(report);
            }
            known.extend(looked_like);
        }
        let committed = pool.len();
        while report.time < self.plan.time {
            let (mutant, time) = stopwatch::measure(|| self.mutant(&pool));
            report.time += time;
            let looked_like = self.one(&mutant, &mut report)?;
            if report.finding.is_some() {
                break;
            }
            if looked_like.is_some_and(|look| known.insert(look)) {
                if pool.len() < POOL {
                    pool.push(mutant);
                } else {
                    let victim = committed + self.chance.below(POOL - committed);
                    pool[victim] = mutant;
                }
            }
            report.pool = pool.len();
        }
        Ok(report)
    }

    /// Another input. Short ones are preferred: they are faster, and what is in them is more often hit.
    fn mutant(&mut self, pool: &[Vec<u8>]) -> Vec<u8> {
        let [one, other, donor] = [(); 3].map(|()| self.chance.pick(pool));
        let base = if one.len() < other.len() || self.chance.one_in(4) { one } else { other };
        mutate(base, donor, self.target.shape, self.target.longest, &mut self.chance)
    }

    /// One run. What it looked like; none where there was a fault, which is then in the report.
    fn one(&mut self, input: &[u8], report: &mut Report) -> Result<Option<u64>> {
        self.file.write_all_at(input, 0).context("cannot write what is run")?;
        self.file.set_len(input.len() as u64).context("cannot write what is run")?;
        let (outcome, time) = stopwatch::measure(|| judge::run(self.target, input, self.plan.slack));
        self.runs.fetch_add(1, Ordering::Relaxed);
        report.runs += 1;
        report.time += time;
        match outcome {
            Ok(run) => {
                report.slowest = report.slowest.max(run.time);
                report.largest = report.largest.max(run.usage.largest);
                report.peak = report.peak.max(run.usage.peak);
                Ok(Some(run.look))
            }
            Err(fault) => {
                let small = minimise(self.target, input, &fault, self.plan.slack);
                let fault = judge::run(self.target, &small, self.plan.slack).err().unwrap_or(fault);
                let name = format!("{}-{:016x}", self.target.name, number_of(&small));
                let file = self.plan.directory.join(name);
                fs::write(&file, &small).with_context(|| format!("cannot write {}", file.display()))?;
                report.finding = Some(Finding { fault, file });
                Ok(None)
            }
        }
    }
}

/// A name for an input (FNV-1a).
fn number_of(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}
