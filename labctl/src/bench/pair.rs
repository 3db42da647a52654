//! Two routers for one measurement: nodes with a dedicated link between them and the same daemon on both.
//!
//! The link is a plain pair of interfaces, carried by nobody, so that nothing but the daemons limits it unless a
//! measurement is about its weather; no VRRP, and no rules, hosts or other traffic but what a measurement adds. Driven by
//! `measure.rs` and the measurements beside it; tested through `labctl bench`.

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::daemon::{Caches, Daemon, Needs};
use super::flows::{self, Writing};
use super::measure::Sides;
use super::meters::{self, Cost, Frames};
use crate::actors::{Running, ready};
use crate::apply::{self, Nodes};
use crate::link::{Link, LinkEnd, Weather};
use crate::plan::{Interface, SWITCH, Step, Text, far_end};
use crate::poll;
use crate::sandbox::Node;
use crate::scenario::Prefix;

/// The router on which flows are born, and the one that stands by.
pub(super) const R1: &str = "r1";
/// See [`R1`].
pub(super) const R2: &str = "r2";

/// Their ends of the dedicated link.
const ENDS: [(&str, &str); 2] = [(R1, "10.9.0.1"), (R2, "10.9.0.2")];

/// How long anything may take that should be quick.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long replication may take after the last flow was written.
const SETTLING: Duration = Duration::from_secs(30);
/// Unchanged for so long, a count that is not what it should be will not become it: longer than syncd waits between two
/// bulks.
const STILL: Duration = Duration::from_secs(12);
/// Between two looks at the counts; each starts two processes, which compete with the daemons.
const LOOK: Duration = Duration::from_millis(250);

/// A pair of routers, with a daemon on each that was started.
#[derive(Debug)]
pub(super) struct Pair {
    daemon: Daemon,
    nodes: Nodes,
    needs: Needs,
    running: [Option<Running>; 2],
    link: Option<Link>,
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

/// What is read before and after a measurement.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meters {
    /// Of each daemon, on the processors.
    pub(super) time: Sides<Duration>,
    /// On the dedicated link, in both directions.
    pub(super) frames: Frames,
    /// Events that the first router's kernel could not deliver.
    pub(super) dropped: u64,
}

impl Meters {
    /// So far. `running` is whether the daemons run.
    ///
    /// # Errors
    /// When one of them has ended.
    pub(super) fn read(pair: &Pair, running: bool) -> Result<Self> {
        let time = |name| if running { pair.cost(name).map(|cost| cost.time) } else { Ok(Duration::ZERO) };
        Ok(Self {
            time: Sides { r1: time(R1)?, r2: time(R2)? },
            frames: meters::frames(pair.net(R1)?, "sync")?,
            dropped: meters::events_dropped(pair.net(R1)?)?,
        })
    }
}

impl Pair {
    /// Builds both routers and waits until their daemons answer.
    ///
    /// # Errors
    /// What failed, with its step.
    pub(super) fn start(daemon: Daemon, flows: u32, root: bool) -> Result<Self> {
        let mut pair = Self::build(daemon, flows, root)?;
        pair.start_daemons(0)?;
        Ok(pair)
    }

    /// Builds both routers; no daemon runs yet. `flows` is how many each must hold, `root` whether the real root asks.
    ///
    /// # Errors
    /// What failed, with its step.
    pub(super) fn build(daemon: Daemon, flows: u32, root: bool) -> Result<Self> {
        Self::build_over(daemon, flows, root, false)
    }

    /// As [`Self::start`], with syncd; the router that stands by keeps the flows in its kernel.
    ///
    /// # Errors
    /// What failed, with its step.
    pub(super) fn start_preloading(flows: u32, root: bool) -> Result<Self> {
        let mut pair = Self::build(Daemon::Syncd, flows, root)?;
        pair.needs.preload = true;
        pair.start_daemons(0)?;
        Ok(pair)
    }

    /// The same; if `carried`, with a dedicated link that labctl carries, so that it may have weather.
    ///
    /// # Errors
    /// What failed, with its step.
    pub(super) fn build_over(daemon: Daemon, flows: u32, root: bool, carried: bool) -> Result<Self> {
        let running = [None, None];
        let needs = Needs { flows, root, preload: false };
        let mut pair = Self { daemon, nodes: Nodes::new(), needs, running, link: None };
        pair.extend(network(carried)?)?;
        if carried {
            let ns = pair.net(SWITCH)?;
            let ends = [far_end(R1), far_end(R2)];
            let [a, b] = [0, 1].map(|end| LinkEnd { ns, interface: &ends[end] });
            pair.link = Some(Link::start(a, b, Weather::default())?);
        }
        Ok(pair)
    }

    /// Changes the weather of a link that is carried.
    pub(super) fn set_weather(&self, weather: Weather) {
        self.link.as_ref().expect("it was built carried").set_weather(weather);
    }

    /// Adds what a measurement needs besides.
    ///
    /// # Errors
    /// What failed, with its step.
    pub(super) fn extend(&mut self, steps: impl IntoIterator<Item = Step>) -> Result<()> {
        steps.into_iter().try_for_each(|step| apply::execute(&mut self.nodes, &step))
    }

    /// Starts both daemons and waits until they hear each other; `flows` is how many they find.
    ///
    /// # Errors
    /// When they do not.
    pub(super) fn start_daemons(&mut self, flows: u64) -> Result<()> {
        self.start_daemon(R1)?;
        self.start_daemon(R2)?;
        let name = self.daemon.actor().program();
        if !self.wait_complete(flows, PATIENCE)? {
            bail!("the two {name} do not come together");
        }
        Ok(())
    }

    /// Waits until the second router's daemon knows all `flows` and says so; whether it came so far.
    ///
    /// # Errors
    /// When a daemon does not answer.
    pub(super) fn wait_complete(&self, flows: u64, patience: Duration) -> Result<bool> {
        let (primary, standby) = ((self.node(R1)?, R1), (self.node(R2)?, R2));
        let complete = || match self.daemon.is_complete(flows, primary, standby) {
            Ok(complete) => complete.then_some(Ok(())),
            Err(error) => Some(Err(error)),
        };
        Ok(poll::until(Instant::now() + patience, complete).transpose()?.is_some())
    }

    /// Starts a router's daemon and waits until it answers.
    ///
    /// # Errors
    /// When it does not.
    pub(super) fn start_daemon(&mut self, name: &str) -> Result<()> {
        let (place, address) = place(name);
        let (file, arguments) = self.daemon.configuration(name, address, self.needs);
        apply::execute(&mut self.nodes, &file)?;
        let running = Running::start(self.node(name)?, name, self.daemon.actor(), &arguments)?;
        self.wait_ready(name, &running)?;
        self.running[place] = Some(running);
        if name == R2 {
            self.daemon.stand_by(self.node(R2)?, R2)?;
        }
        Ok(())
    }

    /// Ends a router's daemon in an orderly way: a conntrackd that was killed could not be started again.
    ///
    /// # Errors
    /// When it does not end.
    pub(super) fn stop_daemon(&mut self, name: &str) -> Result<()> {
        self.running[place(name).0].take().map_or(Ok(()), Running::stop)
    }

    /// Kills a router's daemon.
    ///
    /// # Errors
    /// When it does not end.
    pub(super) fn kill_daemon(&mut self, name: &str) -> Result<()> {
        self.running[place(name).0].take().map_or(Ok(()), Running::kill)
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

    /// Which daemon it is.
    pub(super) const fn daemon(&self) -> Daemon {
        self.daemon
    }

    /// Writes flows into the first router's kernel; how long that took.
    ///
    /// # Errors
    /// What the kernel said.
    pub(super) fn insert(&self, writing: Writing) -> Result<Duration> {
        self.insert_into(R1, writing)
    }

    /// Writes flows into a router's kernel; how long that took.
    ///
    /// # Errors
    /// What the kernel said.
    pub(super) fn insert_into(&self, router: &str, writing: Writing) -> Result<Duration> {
        flows::insert(self.net(router)?, writing)
            .with_context(|| format!("cannot write flows into {router}'s kernel"))
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
        let (Caches { internal, .. }, Caches { external, .. }) = (self.caches(R1)?, self.caches(R2)?);
        Ok(Counts { kernel: flows::count(self.net(R1)?)?, internal, external })
    }

    /// How many flows a router's daemon knows.
    ///
    /// # Errors
    /// When it does not answer.
    pub(super) fn caches(&self, name: &str) -> Result<Caches> {
        self.daemon.caches(self.node(name)?, name)
    }

    /// What a router's daemon has taken so far.
    ///
    /// # Errors
    /// When it has ended.
    pub(super) fn cost(&self, name: &str) -> Result<Cost> {
        let running =
            self.running[place(name).0].as_ref().with_context(|| format!("no daemon runs on {name}"))?;
        Cost::of(running.pid().as_raw())
    }

    /// Kills the first router's daemon and makes the second commit. How long that took, how much of it in CPU time (and
    /// with whatever else belongs to the change of role), and how many flows its kernel holds then.
    ///
    /// # Errors
    /// When the daemon refuses.
    pub(super) fn fail_over(&mut self) -> Result<(Duration, Duration, u64)> {
        self.kill_daemon(R1)?;
        let before = self.cost(R2)?;
        let took = self.daemon.commit(self.node(R2)?, R2)?;
        let cpu = self.cost(R2)?.time.saturating_sub(before.time);
        Ok((took, cpu, flows::count(self.net(R2)?)?))
    }

    /// Kills the first router's daemon and makes the second router primary; how long it was until that was ready.
    ///
    /// # Errors
    /// When the daemon refuses.
    pub(super) fn take_over(&mut self) -> Result<Duration> {
        self.kill_daemon(R1)?;
        self.daemon.take_over(self.node(R2)?, R2)
    }

    /// Ends everything, and the routers' flows first, which would otherwise be removed during the next measurement.
    ///
    /// # Errors
    /// What the kernel said.
    pub(super) fn stop(mut self) -> Result<()> {
        for (name, _) in ENDS {
            self.kill_daemon(name)?;
        }
        for (name, _) in ENDS {
            let net = self.net(name)?;
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

    /// The network namespace of a node.
    ///
    /// # Errors
    /// When there is no such node.
    pub(super) fn net(&self, name: &str) -> Result<BorrowedFd<'_>> {
        Ok(self.node(name)?.net())
    }

    /// A node.
    ///
    /// # Errors
    /// When there is no such node.
    pub(super) fn node(&self, name: &str) -> Result<&Node> {
        apply::find(&self.nodes, name)
    }
}

/// Where a router stands in the arrays, and its address.
fn place(name: &str) -> (usize, &'static str) {
    let place = usize::from(name != R1);
    (place, ENDS[place].1)
}

/// What the daemons say to each other is no flow of their kernels, as on every router: syncd's gate asks for states, and then
/// the kernel tracks everything that is not left out.
const UNTRACKED: &str = "\
table inet untracked {
  chain prerouting { type filter hook prerouting priority raw; iifname \"sync\" notrack; }
  chain output { type filter hook output priority raw; oifname \"sync\" notrack; }
}
";

/// Both routers, without what runs on them; `carried` is whether labctl is to carry the dedicated link.
fn network(carried: bool) -> Result<Vec<Step>> {
    let sync = |name| Interface::new(name, "sync");
    let mut steps = Vec::new();
    if carried {
        steps.push(Step::Node { name: SWITCH.to_owned() });
    }
    for (name, _) in ENDS {
        let node = name.to_owned();
        steps.push(Step::Node { name: node.clone() });
        // Flows that are born while nobody listens yet must be heard of too.
        let key = "net.netfilter.nf_conntrack_events".to_owned();
        steps.push(Step::Sysctl { node, key, value: "1".to_owned() });
        steps.push(Step::Up(Interface::new(name, "lo")));
        steps.push(Step::Rules { node: name.to_owned(), rules: Text(UNTRACKED.to_owned()) });
    }
    if carried {
        for (name, _) in ENDS {
            let far = Interface::new(SWITCH, &far_end(name));
            steps.push(Step::Veth { a: sync(name), b: far.clone() });
            // So that damage is noticed.
            steps.extend([Step::Offload(sync(name)), Step::Up(far)]);
        }
    } else {
        steps.push(Step::Veth { a: sync(R1), b: sync(R2) });
    }
    for (name, address) in ENDS {
        let address = Prefix { address: address.parse()?, length: 24 };
        steps.push(Step::Address { on: sync(name), address });
        steps.push(Step::Up(sync(name)));
    }
    Ok(steps)
}
