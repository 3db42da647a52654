//! Two routers for one measurement: nodes with a dedicated link between them and the same daemon on both.
//!
//! The link is a plain pair of interfaces, carried by nobody, so that nothing but the daemons limits it; no VRRP, no
//! rules, no other traffic. Driven by `measure.rs`; tested through `labctl bench`.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::unistd::{SysconfVar, sysconf};

use super::daemon::{Caches, Daemon};
use super::flows;
use crate::actors::{Running, ready};
use crate::apply::{self, Nodes};
use crate::plan::{Interface, Step};
use crate::poll;
use crate::sandbox::Node;
use crate::scenario::Prefix;

/// The routers; flows are born on the first.
const NAMES: [&str; 2] = ["r1", "r2"];

/// How long anything may take that should be quick.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long replication may take after the last flow was written.
const SETTLING: Duration = Duration::from_secs(30);
/// Unchanged for so long, a count that is not what it should be will not become it: longer than syncd waits between two
/// bulks.
const STILL: Duration = Duration::from_secs(12);
/// Between two looks at the counts; each starts two processes, which compete with the daemons.
const LOOK: Duration = Duration::from_millis(250);

/// A running pair.
#[derive(Debug)]
pub(super) struct Pair {
    daemon: Daemon,
    nodes: Nodes,
    running: Vec<Running>,
}

/// How many flows are where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// In the first router's kernel.
    pub(super) kernel: u64,
    /// In the first router's internal cache.
    pub(super) internal: u64,
    /// In the second router's external cache.
    pub(super) external: u64,
}

/// What a daemon has taken of the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cost {
    /// Bytes of memory it holds (`VmRSS`).
    pub(super) memory: u64,
    /// Of the processors, in user space and for it in the kernel.
    pub(super) time: Duration,
}

impl Pair {
    /// Builds both routers and waits until their daemons answer.
    ///
    /// # Errors
    /// What failed, with its step.
    pub(super) fn start(daemon: Daemon, flows: u32, root: bool) -> Result<Self> {
        let mut nodes = Nodes::new();
        let addresses = ["10.9.0.1", "10.9.0.2"];
        for step in network(addresses)? {
            apply::execute(&mut nodes, &step)?;
        }
        let mut pair = Self { daemon, nodes, running: Vec::new() };
        for (name, address) in NAMES.into_iter().zip(addresses) {
            let (file, arguments) = daemon.configuration(name, address, flows, root);
            apply::execute(&mut pair.nodes, &file)?;
            let running = Running::start(pair.node(name)?, name, daemon.actor(), &arguments)?;
            pair.running.push(running);
        }
        for (name, running) in NAMES.into_iter().zip(&pair.running) {
            pair.wait_ready(name, running)?;
        }
        daemon.stand_by(pair.node("r2")?, "r2")?;
        Ok(pair)
    }

    /// Waits for a daemon's first answer.
    fn wait_ready(&self, name: &str, running: &Running) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let node = self.node(name)?;
        poll::until(deadline, || {
            let answer = self.daemon.caches(node, name);
            (answer.is_ok() || running.ended().is_some() || Instant::now() >= deadline).then_some(answer)
        })
        .transpose()
        .with_context(|| ready::died(running, name))
        .map(drop)
    }

    /// Writes flows into the first router's kernel; at most `pace` in a second.
    ///
    /// # Errors
    /// What the kernel said.
    pub(super) fn insert(&self, kind: flows::Kind, count: u32, pace: Option<u32>) -> Result<Duration> {
        flows::insert(self.node("r1")?.net(), kind, count, pace)
            .context("cannot write flows into r1's kernel")
    }

    /// Waits until all `wanted` flows are everywhere, or nothing changes any more; how long it took, and the counts.
    ///
    /// # Errors
    /// When a daemon does not answer.
    pub(super) fn settle(&self, wanted: u32) -> Result<(Duration, Counts)> {
        let wanted = u64::from(wanted);
        let complete = Counts { kernel: wanted, internal: wanted, external: wanted };
        let start = Instant::now();
        let (mut seen, mut since) = (self.counts()?, Instant::now());
        while seen != complete && start.elapsed() < SETTLING && since.elapsed() < STILL {
            poll::pause(LOOK);
            let now = self.counts()?;
            if now != seen {
                (seen, since) = (now, Instant::now());
            }
        }
        Ok((since.duration_since(start), seen))
    }

    /// How many flows are where now.
    ///
    /// # Errors
    /// When a daemon does not answer.
    pub(super) fn counts(&self) -> Result<Counts> {
        let (r1, r2) = (self.node("r1")?, self.node("r2")?);
        let Caches { internal, .. } = self.daemon.caches(r1, "r1")?;
        let Caches { external, .. } = self.daemon.caches(r2, "r2")?;
        Ok(Counts { kernel: flows::count(r1.net())?, internal, external })
    }

    /// What each daemon has taken so far.
    ///
    /// # Errors
    /// When one of them has ended.
    pub(super) fn costs(&self) -> Result<[Cost; 2]> {
        let [r1, r2] = &self.running[..] else { bail!("a daemon is missing") };
        Ok([Cost::of(r1)?, Cost::of(r2)?])
    }

    /// Kills the first router's daemon and makes the second commit. How long that took, how much of it in CPU time (and
    /// with whatever else belongs to the change of role), and how many flows its kernel holds then.
    ///
    /// # Errors
    /// When the daemon refuses.
    pub(super) fn fail_over(&mut self) -> Result<(Duration, Duration, u64)> {
        self.running.remove(0).kill()?;
        let [left] = &self.running[..] else { bail!("a daemon is missing") };
        let r2 = self.node("r2")?;
        let before = Cost::of(left)?;
        let took = self.daemon.commit(r2, "r2")?;
        let cpu = Cost::of(left)?.time.saturating_sub(before.time);
        Ok((took, cpu, flows::count(r2.net())?))
    }

    /// Ends both routers, and their flows first, which would otherwise be removed during the next measurement.
    ///
    /// # Errors
    /// What the kernel said.
    pub(super) fn stop(mut self) -> Result<()> {
        for running in self.running.drain(..) {
            running.kill()?;
        }
        for name in NAMES {
            let net = self.node(name)?.net();
            flows::flush(net)?;
            let empty = poll::until(Instant::now() + PATIENCE, || {
                flows::count(net).is_ok_and(|n| n == 0).then_some(())
            });
            empty.with_context(|| format!("the flows of {name} do not go"))?;
        }
        for node in self.nodes.values_mut() {
            node.kill()?;
        }
        for node in std::mem::take(&mut self.nodes).into_values() {
            node.bury()?;
        }
        Ok(())
    }

    fn node(&self, name: &str) -> Result<&Node> {
        apply::find(&self.nodes, name)
    }
}

/// Both routers, without what runs on them.
fn network(addresses: [&str; 2]) -> Result<Vec<Step>> {
    let sync = |name| Interface::new(name, "sync");
    let mut steps = Vec::new();
    for name in NAMES {
        let node = name.to_owned();
        steps.push(Step::Node { name: node.clone() });
        // Flows that are born while nobody listens yet must be heard of too.
        steps.push(Step::Sysctl { node, key: "net.netfilter.nf_conntrack_events".to_owned(), value: "1" });
        steps.push(Step::Up(Interface::new(name, "lo")));
    }
    steps.push(Step::Veth { a: sync(NAMES[0]), b: sync(NAMES[1]) });
    for (name, address) in NAMES.into_iter().zip(addresses) {
        let address = Prefix { address: address.parse()?, length: 24 };
        steps.push(Step::Address { on: sync(name), address });
        steps.push(Step::Up(sync(name)));
    }
    Ok(steps)
}

impl Cost {
    fn of(running: &Running) -> Result<Self> {
        let read = |file| {
            let path = format!("/proc/{}/{file}", running.pid());
            fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))
        };
        let memory = resident(&read("status")?).context("/proc tells no VmRSS")?;
        let ticks = ticks(&read("stat")?).context("/proc tells no CPU time")?;
        let per_second =
            sysconf(SysconfVar::CLK_TCK)?.and_then(|ticks| u32::try_from(ticks).ok()).unwrap_or(100);
        Ok(Self { memory, time: Duration::from_secs(ticks) / per_second })
    }
}

/// `VmRSS:     2964 kB` of proc(5), `status`.
fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

/// The 14th and 15th field of proc(5), `stat`; the second is a name in parentheses that may hold anything.
fn ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ').skip(11).map(str::parse::<u64>);
    Some(fields.next()?.ok()? + fields.next()?.ok()?)
}

#[cfg(test)]
mod tests {
    use super::{resident, ticks};

    #[test]
    fn a_process_tells_its_memory_and_its_time() {
        assert_eq!(resident("VmHWM:\t 3000 kB\nVmRSS:\t    2964 kB\n"), Some(2964 * 1024));
        let stat = "42 (a) b) S 1 42 42 0 -1 4194560 142 0 0 0 17 4 0 0 20 0 1 0 3171 0 0";
        assert_eq!(ticks(stat), Some(21));
    }
}
