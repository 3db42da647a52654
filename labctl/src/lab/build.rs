//! How a lab comes to be: the plan's steps, then its programs, then a first primary.
//!
//! The same steps bring a killed router back. Never waits a fixed time: each program answers before the next thing
//! happens. Driven by `session` and the timeline; tested through the scenarios.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use super::{Lab, locked};
use crate::actors::{self, Running, answer, ready};
use crate::apply::{self, Nodes, find};
use crate::link::{Link, LinkEnd, Side, Weather};
use crate::plan::{Actor, Plan, SWITCH, Step, far_end, keepalived};
use crate::poll;
use crate::probes::roles::{self, Role, Roles};
use crate::scenario::{Scenario, SyncKind};

/// How long a program may take to answer.
const READY: Duration = Duration::from_secs(10);
/// How long the first election may take: keepalived's start-up delay and a few advertisements.
const ELECTION: Duration = Duration::from_secs(10);

impl Lab {
    /// Builds the lab and waits until the router of higher priority is primary and the other is its backup. `tell` is
    /// called with what is being done.
    ///
    /// # Errors
    /// The step that failed, or the program that does not answer.
    pub(crate) fn build(scenario: Scenario, tell: &dyn Fn(&str)) -> Result<Arc<Self>> {
        let plan = Plan::of(&scenario);
        let lab = Arc::new(Self {
            daemons: Mutex::new(scenario.sync.clone()),
            scenario,
            nodes: Mutex::new(Nodes::new()),
            dead: Mutex::new(BTreeMap::new()),
            actors: Mutex::new(BTreeMap::new()),
            link: Mutex::new(None),
            traffic: Mutex::new(BTreeMap::new()),
            transfers: Mutex::new(BTreeMap::new()),
            servers: Mutex::new(None),
            ended: Mutex::new(BTreeMap::new()),
            fillers: Mutex::new(BTreeMap::new()),
            roles: Arc::new(Roles::default()),
            scripts: Mutex::new(BTreeMap::new()),
            failover: Mutex::new(None),
            compared: Mutex::new(None),
            driving: Mutex::new(()),
        });
        tell("nodes, links and rules");
        for step in &plan.steps {
            match step {
                Step::Join { a, b } => lab.join(a, b).with_context(|| format!("failed: {step}"))?,
                Step::Start { .. } => {}
                _ => apply::execute(&mut locked(&lab.nodes), step)?,
            }
        }
        if lab.scenario.topology.by_hand.is_some() {
            return Ok(lab);
        }
        for router in lab.scenario.topology.routers.keys() {
            lab.listen(router)?;
        }
        for step in &plan.steps {
            if let Step::Start { node, actor, .. } = step {
                tell(&format!("{} on {node}", actor.program()));
                lab.start(node, *actor)?;
            }
        }
        tell("the first election");
        lab.wait_elected()?;
        Ok(lab)
    }

    fn join(&self, a: &str, b: &str) -> Result<()> {
        let nodes = locked(&self.nodes);
        let ns = find(&nodes, SWITCH)?.net();
        let (a, b) = (far_end(a), far_end(b));
        let ends = [LinkEnd { ns, interface: &a }, LinkEnd { ns, interface: &b }];
        *locked(&self.link) = Some(Link::start(ends[0], ends[1], Weather::default())?);
        Ok(())
    }

    /// Hears a router's roles from now on, and lets conntrackd do what its operator's script would do.
    fn listen(self: &Arc<Self>, router: &str) -> Result<()> {
        let fifo = Path::new(&Step::directory(router)).join(keepalived::PROBE_FIFO);
        let lab = Arc::downgrade(self);
        let name = router.to_owned();
        let heard = move |role: Role| {
            if let Some(lab) = lab.upgrade() {
                lab.notify_conntrackd(&name, role);
            }
        };
        roles::listen(router, &fifo, keepalived::GROUP, Arc::clone(&self.roles), heard)
            .with_context(|| format!("cannot listen to the roles of {router}"))
    }

    /// Starts a program of the plan on a node and waits until it answers.
    ///
    /// # Errors
    /// When it cannot be started, ends, or does not answer in time.
    pub(crate) fn start(&self, node: &str, actor: Actor) -> Result<()> {
        let plan = self.plan();
        let Some(Step::Start { arguments, .. }) = plan.start_of(node, actor) else {
            bail!("{} is not planned on {node}", actor.program());
        };
        let running = Running::start(find(&locked(&self.nodes), node)?, node, actor, arguments)?;
        let mut refused = String::new();
        let answered = poll::until(Instant::now() + READY, || {
            if running.ended().is_some() {
                return Some(Err(ready::died(&running, node)));
            }
            match self.require_answer(node, actor) {
                Ok(()) => Some(Ok(())),
                Err(error) => {
                    refused = format!("{error:#}");
                    None
                }
            }
        });
        answered.unwrap_or_else(|| Err(ready::mute(&running, node, &refused)))?;
        locked(&self.actors).insert((node.to_owned(), actor), running);
        Ok(())
    }

    fn require_answer(&self, node: &str, actor: Actor) -> Result<()> {
        let Some(question) = ready::question(actor, node) else {
            let up = self.with_node(node, |node| Ok(node.run(|| Ok(ready::keepalived_is_up()))?))?;
            return if up { Ok(()) } else { Err(anyhow!("its VRRP process is not up")) };
        };
        self.ask(node, actor, &question).map(drop)
    }

    /// Runs a program of a node to its end and returns what it printed.
    ///
    /// # Errors
    /// When it cannot be started, or fails; with its own words.
    pub(crate) fn ask(&self, node: &str, actor: Actor, arguments: &[String]) -> Result<Vec<u8>> {
        // The lock is for finding the node, not for the length of the answer.
        let child = self.with_node(node, |node| actors::begin(node, actor, arguments))?;
        let output = answer::output(child, answer::PATIENCE)
            .with_context(|| format!("{} {} on {node}", actor.program(), arguments.join(" ")))?;
        if !output.status.success() {
            bail!(
                "{} {} on {node}: {}: {}",
                actor.program(),
                arguments.join(" "),
                output.status,
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Ok(output.stdout)
    }

    fn wait_elected(&self) -> Result<()> {
        let routers = self.scenario.topology.routers_by_priority();
        let elected = poll::until(Instant::now() + ELECTION, || {
            let as_wanted = routers.iter().enumerate().all(|(place, (name, _))| {
                self.roles.of(name) == if place == 0 { Role::Primary } else { Role::Backup }
            });
            (as_wanted
                && routers.iter().all(|(name, _)| self.conntrackd_is_notified(name))
                && self.look_at_routers().is_ok_and(|nodes| {
                    nodes
                        .iter()
                        .all(|seen| seen.held == if seen.role == Role::Primary { seen.all } else { 0 })
                }))
            .then_some(())
        });
        if elected.is_some() {
            return Ok(());
        }
        let seen: Vec<String> =
            routers.iter().map(|(name, _)| format!("{name} is {}", self.roles.of(name))).collect();
        bail!("no first primary within {} s: {}", ELECTION.as_secs(), seen.join(", "));
    }

    /// Brings a dead router back with everything but VRRP: empty tables, rules, its replicating daemon.
    ///
    /// # Errors
    /// The step that failed.
    pub(crate) fn boot(&self, router: &str) -> Result<()> {
        self.clear_away(router)?;
        for step in self.plan().of_node(router) {
            apply::execute(&mut locked(&self.nodes), step)?;
        }
        {
            let nodes = locked(&self.nodes);
            let far = far_end(router);
            let end = LinkEnd { ns: find(&nodes, SWITCH)?.net(), interface: &far };
            if let Some(link) = &*locked(&self.link) {
                link.rejoin(self.side(router), end).context("cannot join the dedicated link again")?;
            }
        }
        self.roles.note(router, Role::Unknown);
        self.start_daemon(router)
    }

    /// Which end of the dedicated link a router has.
    #[must_use]
    pub(super) fn side(&self, router: &str) -> Side {
        let first = self.scenario.topology.routers.keys().next();
        if first.is_some_and(|first| first == router) { Side::A } else { Side::B }
    }

    /// Ends a router's replicating daemon and starts another one, as its operator would.
    ///
    /// # Errors
    /// When one does not end or the other not answer.
    pub(crate) fn replace_daemon(&self, router: &str, with: SyncKind) -> Result<()> {
        self.forget_compared();
        self.take_actor(router, self.replicating(router)?)?.stop()?;
        locked(&self.daemons).insert(router.to_owned(), with);
        for step in self.plan().of_node(router).filter(|step| matches!(step, Step::File { .. })) {
            apply::execute(&mut locked(&self.nodes), step)?;
        }
        self.start_daemon(router)
    }

    /// Starts a router's replicating daemon, if it has one.
    ///
    /// # Errors
    /// When it does not answer.
    pub(crate) fn start_daemon(&self, router: &str) -> Result<()> {
        Actor::of(self.sync_of(router)).map_or(Ok(()), |actor| self.start(router, actor))
    }
}
