//! A living lab: its nodes, programs, link and traffic, and what can be done with them.
//!
//! Never decides what happens when; the timeline and the verbs do. Shared by threads: each part has its own lock, held
//! only as long as something is looked up or exchanged. Driven by `session`; tested through the scenarios.

pub(crate) mod announced;
mod build;
mod daemons;
mod dead;
mod ended;
mod handing_over;
mod observe;
mod stalls;
pub(crate) mod timeline;
pub(crate) mod verify;
mod watch;
mod written;

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use crate::actors::Running;
use crate::apply::{Nodes, find};
use crate::ending::Ending;
use crate::link::Link;
use crate::plan::{Actor, Plan};
use crate::poll;
use crate::probes::caches::Difference;
use crate::probes::expectations::SeenExpectation;
use crate::probes::flows::{SeenFlow, dump_flows};
use crate::probes::roles::{Role, Roles};
use crate::sandbox::Node;
use crate::scenario::topology::Hosts;
use crate::scenario::{Scenario, StreamText, SyncKind};
use crate::traffic::{
    BirthSpec, Births, Opened, StreamGroup, Traffic, TrafficSpec, TransferServers, Transfers,
};

/// How long streams may take to open.
const OPENING: Duration = Duration::from_secs(15);
/// How long a takeover may take.
const TAKEOVER: Duration = Duration::from_secs(10);
/// Seed of every stream's bytes: nothing depends on it but the bytes.
const SEED: u64 = 20_260_101;

/// A lab and all that lives in it.
#[derive(Debug)]
pub(crate) struct Lab {
    scenario: Scenario,
    /// What replicates on each router now.
    daemons: Mutex<BTreeMap<String, SyncKind>>,
    nodes: Mutex<Nodes>,
    /// The network namespaces of routers that were killed.
    dead: Mutex<BTreeMap<String, OwnedFd>>,
    actors: Mutex<BTreeMap<(String, Actor), Running>>,
    link: Mutex<Option<Link>>,
    traffic: Mutex<BTreeMap<String, Traffic>>,
    transfers: Mutex<BTreeMap<String, Transfers>>,
    /// Opened with the first of them. They end before their servers do.
    servers: Mutex<Option<TransferServers>>,
    /// What the kernel held of a traffic when it was stopped.
    ended: Mutex<BTreeMap<String, Vec<SeenFlow>>>,
    /// How many flows fill a router's table.
    fillers: Mutex<BTreeMap<String, u32>>,
    roles: Arc<Roles>,
    /// For which role conntrackd's script ran last, and what failed.
    scripts: Mutex<BTreeMap<String, (Role, Vec<String>)>>,
    /// The last event that moved the addresses.
    failover: Mutex<Option<Failover>>,
    /// The last comparison of a cache with its peer's kernel.
    compared: Mutex<Option<Difference>>,
    /// Held by whoever changes the lab, so that two verbs do not meet.
    pub(crate) driving: Mutex<()>,
}

/// The moment when addresses began to move, and what was there before.
#[derive(Clone, Debug)]
pub(crate) struct Failover {
    /// The moment.
    pub(crate) at: Instant,
    /// The same on the monotonic clock, in nanoseconds, which syncd uses for its own times.
    pub(crate) at_ns: u64,
    /// The router that was left; None when one took over by itself.
    pub(crate) from: Option<String>,
    /// The primary's kernel's flows just before.
    pub(crate) flows_before: Option<Arc<Vec<SeenFlow>>>,
    /// What its helpers expected before.
    pub(crate) expected_before: Vec<SeenExpectation>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What a panicking thread leaves behind here is whole: maps from which something was taken or not.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Lab {
    /// What the lab is for.
    #[must_use]
    pub(crate) const fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// What replicates on a router now.
    #[must_use]
    pub(crate) fn sync_of(&self, router: &str) -> SyncKind {
        locked(&self.daemons).get(router).copied().unwrap_or(SyncKind::None)
    }

    /// What the lab would be made of if it were made now.
    fn plan(&self) -> Plan {
        let sync = locked(&self.daemons).clone();
        Plan::of(&Scenario { sync, ..self.scenario.clone() })
    }

    /// Roles as VRRP announced them.
    #[must_use]
    pub(crate) fn roles(&self) -> &Roles {
        &self.roles
    }

    /// The last event that moved the addresses.
    #[must_use]
    pub(crate) fn failover(&self) -> Option<Failover> {
        locked(&self.failover).clone()
    }

    /// Calls `body` with a living node.
    ///
    /// # Errors
    /// When there is no such node, or the body's.
    pub(crate) fn with_node<T>(&self, name: &str, body: impl FnOnce(&Node) -> Result<T>) -> Result<T> {
        body(find(&locked(&self.nodes), name)?)
    }

    /// A node's kernel's flow table. The kernel walks a living table and may pass over a flow, all the more when the
    /// host's table is resized: so it is read until two readings name the same flows, or until it is plain that they
    /// never will.
    ///
    /// # Errors
    /// When the node is dead or the table cannot be read.
    pub(crate) fn flows(&self, node: &str) -> Result<Vec<SeenFlow>> {
        const READINGS: usize = 5;
        let net = self.with_node(node, |node| Ok(node.net().try_clone_to_owned()?))?;
        let mut flows = dump_flows(net.as_fd())?;
        for _ in 1..READINGS {
            let again = dump_flows(net.as_fd())?;
            let agreed = flows.iter().map(|flow| flow.original).eq(again.iter().map(|flow| flow.original));
            flows = again;
            if agreed {
                break;
            }
        }
        Ok(flows)
    }

    /// Starts a traffic of the scenario and waits until its streams have opened.
    ///
    /// # Errors
    /// When it runs already, is not known, or a stream does not open.
    pub(crate) fn start_traffic(&self, name: &str) -> Result<Opened> {
        let (hosts, groups) = self.groups_of(name)?;
        let spec = TrafficSpec { groups, seed: SEED };
        let mut running = locked(&self.traffic);
        if running.contains_key(name) {
            anyhow::bail!("the traffic {name} runs already: labctl traffic status");
        }
        let nodes = locked(&self.nodes);
        let [client, server] = [hosts.client(), hosts.server()].map(|host| find(&nodes, host));
        let traffic = Traffic::start(spec, client?.net(), server?.net())
            .with_context(|| format!("cannot start the traffic {name}"))?;
        drop(nodes);
        let opened = traffic.wait_open(Instant::now() + OPENING);
        running.insert(name.to_owned(), traffic);
        if opened.all() {
            Ok(opened)
        } else {
            Err(anyhow!(
                "{} of {} streams of {name} opened, {} failed",
                opened.opened,
                opened.wanted,
                opened.failed
            ))
        }
    }

    /// A traffic of the scenario.
    fn traffic_called(&self, name: &str) -> Result<&[StreamText], Ending> {
        self.scenario.traffic.get(name).map(Vec::as_slice).ok_or_else(|| {
            let known = self.scenario.traffic.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            Ending::Usage(format!("no traffic is called {name}: write one of {known}"))
        })
    }

    /// A traffic's streams, and between whom they are.
    fn groups_of(&self, name: &str) -> Result<(Hosts, Vec<StreamGroup>)> {
        let groups = self.traffic_called(name)?;
        let hosts = groups.first().map(|group| group.hosts).unwrap_or_default();
        let groups = groups.iter().enumerate();
        let groups = groups
            .filter_map(|(place, group)| group.group(u16::try_from(place).ok()?, &self.scenario.topology));
        Ok((hosts, groups.collect()))
    }

    /// What is said of each program of a living node: where, which, and if nobody ended it and it has, how.
    #[must_use]
    pub(crate) fn programs(&self) -> Vec<(String, Actor, Option<String>)> {
        let actors = locked(&self.actors);
        let told = actors.iter().map(|((node, actor), running)| {
            (node.clone(), *actor, running.ended().map(|status| format!("ended: {status}")))
        });
        told.collect()
    }

    /// Ends a traffic, or all.
    pub(crate) fn stop_traffic(&self, name: Option<&str>) {
        let mut running = locked(&self.traffic);
        match name {
            Some(name) => running.remove(name).into_iter().for_each(Traffic::stop),
            None => std::mem::take(&mut *running).into_values().for_each(Traffic::stop),
        }
        drop(running);
        self.stop_transfers(name);
    }

    /// Ends a traffic, or all; a name that nothing has is a mistake of whoever gave it.
    ///
    /// # Errors
    /// When no traffic of the scenario has that name.
    pub(crate) fn stop_named(&self, name: Option<&str>) -> Result<()> {
        name.map(|name| self.traffic_called(name)).transpose()?;
        self.stop_traffic(name);
        Ok(())
    }

    /// Calls `body` with every running traffic.
    pub(crate) fn each_traffic(&self, mut body: impl FnMut(&str, &Traffic)) {
        for (name, traffic) in &*locked(&self.traffic) {
            body(name, traffic);
        }
    }

    /// Lets short UDP flows be born, and waits until all are. They come from their own source ports.
    ///
    /// # Errors
    /// When they cannot be started, or not all are born in time.
    pub(crate) fn give_birth(&self, count: u32, per_second: u32) -> Result<()> {
        const PORTS: u16 = 10_000;
        let topology = &self.scenario.topology;
        let source = topology.client.address(false).context("the client has no IPv4 address")?;
        let server = topology.server.address(false).context("the server has no IPv4 address")?;
        let targets: Vec<_> =
            (0..count.div_ceil(u32::from(PORTS))).map(|n| (server, 7900 + n as u16).into()).collect();
        let spec = BirthSpec {
            tcp: false,
            count: count.into(),
            per_second: per_second.into(),
            listen: targets.clone(),
            targets,
            source,
            first_port: 20_000,
            source_ports: PORTS,
        };
        let births = {
            let nodes = locked(&self.nodes);
            Births::start(spec, find(&nodes, "client")?.net(), find(&nodes, "server")?.net())?
        };
        let patience = Duration::from_secs(u64::from(count / per_second.max(1)) + 10);
        let seen = births.wait(Instant::now() + patience);
        births.stop();
        if seen.sent < u64::from(count) {
            anyhow::bail!("{} of {count} flows were born: {}", seen.sent, seen.why.unwrap_or_default());
        }
        Ok(())
    }

    /// The last comparison of a cache with its peer's kernel.
    #[must_use]
    pub(crate) fn compared(&self) -> Option<Difference> {
        locked(&self.compared).clone()
    }

    /// The last comparison means nothing any more.
    pub(crate) fn forget_compared(&self) {
        *locked(&self.compared) = None;
    }

    fn note_compared(&self, difference: &Difference) {
        *locked(&self.compared) = Some(difference.clone());
    }

    /// Remembers the last event that moved the addresses.
    pub(crate) fn set_failover(&self, failover: Failover) {
        *locked(&self.failover) = Some(failover);
    }

    /// Waits until a router has taken over after the last failover; its name, and how long it took.
    ///
    /// # Errors
    /// When none does in time.
    pub(crate) fn wait_taken_over(&self) -> Result<(String, Duration)> {
        let failover = self.failover().context("nothing was broken yet")?;
        let taken = poll::until(failover.at + TAKEOVER, || {
            if self.scenario.topology.by_hand.is_some() {
                let primary = self.primary().filter(|primary| Some(primary) != failover.from.as_ref())?;
                return Some((primary, failover.at.elapsed()));
            }
            let at = self.roles.taken_over(failover.from.as_deref(), failover.at)?;
            Some((self.primary()?, at.duration_since(failover.at)))
        });
        taken.ok_or_else(|| {
            anyhow!("no router has taken over within {} s; labctl status shows both", TAKEOVER.as_secs())
        })
    }

    /// Whether another router could take over from `primary`.
    ///
    /// # Errors
    /// Why not, and what would help.
    pub(crate) fn require_successor(&self, primary: &str) -> Result<()> {
        let (other, _) = self.scenario.topology.peer_of(primary);
        let alive = self.with_node(other, |_| Ok(())).is_ok();
        let why = match self.roles.of(other) {
            Role::Backup => return Ok(()),
            // A keepalived that somebody else has set up tells us nothing.
            Role::Unknown if alive && self.scenario.topology.by_hand.is_some() => return Ok(()),
            _ if !alive => "is gone".to_owned(),
            role => format!("is {role}"),
        };
        bail!(Ending::Usage(format!(
            "{primary} is primary and nobody could take over: {other} {why}; begin anew with labctl down and labctl up"
        )));
    }

    /// Calls `body` with all living nodes.
    pub(crate) fn with_nodes<T>(&self, body: impl FnOnce(&Nodes) -> T) -> T {
        body(&locked(&self.nodes))
    }

    /// Takes a node out of the lab; whoever has it must end it.
    ///
    /// # Errors
    /// When there is no such node.
    pub(crate) fn take_node(&self, name: &str) -> Result<Node> {
        locked(&self.nodes).remove(name).ok_or_else(|| anyhow!("{name} is dead already"))
    }

    /// Takes a program out of the lab; whoever has it must end it.
    ///
    /// # Errors
    /// When it does not run.
    pub(crate) fn take_actor(&self, node: &str, actor: Actor) -> Result<Running> {
        let taken = locked(&self.actors).remove(&(node.to_owned(), actor));
        taken.ok_or_else(|| anyhow!("{} does not run on {node}", actor.program()))
    }

    /// Calls `body` with a program that runs.
    ///
    /// # Errors
    /// When it does not, or the body's.
    pub(crate) fn with_actor<T>(
        &self,
        node: &str,
        actor: Actor,
        body: impl FnOnce(&Running) -> Result<T>,
    ) -> Result<T> {
        let actors = locked(&self.actors);
        let running = actors.get(&(node.to_owned(), actor));
        body(running.with_context(|| format!("{} does not run on {node}", actor.program()))?)
    }

    /// Expects nothing more of a dead node's programs.
    pub(crate) fn forget_actors(&self, node: &str) {
        locked(&self.actors).retain(|(on, _), _| on != node);
    }

    /// The dedicated link.
    pub(crate) fn with_link<T>(&self, body: impl FnOnce(&Link) -> T) -> Option<T> {
        locked(&self.link).as_ref().map(body)
    }
}
