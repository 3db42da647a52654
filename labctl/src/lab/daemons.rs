//! What the replicating daemons are asked and told.
//!
//! Asks as an operator does, by their own commands. Never talks to a daemon's socket. Driven by `observe`, the timeline
//! and the notifications of roles; tested through the scenarios.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use super::{Lab, locked};
use crate::apply;
use crate::bench::flows;
use crate::plan::{Actor, CONNTRACKD_NOTIFY, conntrackd, syncd as plan_syncd};
use crate::probes::caches::{self, Difference, Table};
use crate::probes::flows::SeenFlow;
use crate::probes::roles::Role;
use crate::probes::syncd::{self, Status};
use crate::scenario::SyncKind;

impl Lab {
    /// What a router's syncd says of itself.
    ///
    /// # Errors
    /// When it does not run or does not answer as documented.
    pub(crate) fn daemon_status(&self, router: &str) -> Result<Status> {
        syncd::read_status(&self.ask_syncd(router, &["status"])?)
    }

    /// What a router's syncd has counted.
    ///
    /// # Errors
    /// When it does not run or does not answer as documented.
    pub(crate) fn daemon_statistics(&self, router: &str) -> Result<BTreeMap<String, u64>> {
        syncd::read_statistics(&self.ask_syncd(router, &["statistics"])?)
    }

    /// Changes a router's configuration and makes its syncd read it.
    ///
    /// # Errors
    /// When it refuses.
    pub(super) fn reload(&self, router: &str, change: &serde_yaml::Mapping) -> Result<()> {
        let known = self.scenario.topology.routers.get(router).context("no such router")?;
        let step = plan_syncd::change(router, known, &self.scenario, change)?;
        apply::execute(&mut locked(&self.nodes), &step)?;
        self.ask(router, Actor::Syncd, &plan_syncd::reload()).map(drop)
    }

    pub(super) fn ask_syncd(&self, router: &str, what: &[&str]) -> Result<Vec<u8>> {
        self.ask(router, Actor::Syncd, &plan_syncd::show(what))
    }

    /// A router's external cache against its peer's kernel, after the filter; and when the cache had been read. The
    /// kernel is read after it: what both held the cache held by then.
    ///
    /// # Errors
    /// When one of both cannot be read.
    pub(crate) fn compare_cache(&self, router: &str) -> Result<(Difference, Instant)> {
        let topology = &self.scenario.topology;
        let (peer, peer_router) = topology.peer_of(router);
        let kind = self.sync_of(router);
        if kind == SyncKind::Syncd {
            // Far from equal: two numbers say so, and asking for every flow again and again would be work for the daemon.
            let (cached, kernel) = self.count_cache(router)?;
            if let Some(difference) = Difference::counted(kernel, cached) {
                return Ok((difference, Instant::now()));
            }
        }
        let (cache, at) = self.cache_of(router)?;
        let kernel = self.flows(peer).with_context(|| format!("cannot read the flows of {peer}"))?;
        let difference = Difference::between(&caches::of_kernel(&kernel, peer_router.sync), &cache);
        self.note_compared(&difference);
        Ok((difference, at))
    }

    /// The same, where a flow that the router's own kernel holds already is as good as one in its cache.
    ///
    /// # Errors
    /// When one of the three cannot be read.
    pub(crate) fn compare_held(&self, router: &str) -> Result<(Difference, Instant)> {
        let (peer, peer_router) = self.scenario.topology.peer_of(router);
        let (cache, at) = self.cache_of(router)?;
        let table = |of: &str, sync| -> Result<Table> {
            let flows = self.flows(of).with_context(|| format!("cannot read the flows of {of}"))?;
            Ok(caches::of_kernel(&flows, sync))
        };
        let own = table(router, peer_router.sync)?;
        let wanted = table(peer, peer_router.sync)?;
        Ok((Difference::between(&wanted, &caches::with_kernel(cache, own, &wanted)), at))
    }

    /// A router's external cache, and when it had been read.
    fn cache_of(&self, router: &str) -> Result<(Table, Instant)> {
        let cache = match self.sync_of(router) {
            SyncKind::Syncd => {
                caches::of_syncd(&syncd::read_cache(&self.ask_syncd(router, &["external-cache"])?)?)
            }
            SyncKind::Conntrackd => {
                caches::of_conntrackd(&String::from_utf8_lossy(&self.ask_conntrackd(router, &["-e"])?))
            }
            SyncKind::None => bail!("nothing replicates on {router}"),
        };
        Ok((cache, Instant::now()))
    }

    /// How many flows a router's external cache holds, and its peer's kernel.
    ///
    /// # Errors
    /// When one of both does not say.
    pub(super) fn count_cache(&self, router: &str) -> Result<(u64, u64)> {
        let (peer, _) = self.scenario.topology.peer_of(router);
        let cached = match self.sync_of(router) {
            SyncKind::Syncd => self.daemon_status(router)?.external_flows,
            SyncKind::Conntrackd => {
                let told = self.ask_conntrackd(router, &["-s"])?;
                let cached = caches::count_of_conntrackd(&String::from_utf8_lossy(&told));
                cached.with_context(|| {
                    format!("the conntrackd of {router} does not say how many flows it holds")
                })?
            }
            SyncKind::None => bail!("nothing replicates on {router}"),
        };
        let kernel = self.with_node(peer, |node| Ok(flows::count(node.net())?))?;
        Ok((cached, kernel))
    }

    /// What the primary's kernel held when the addresses began to move, after the filter, against a router's kernel.
    ///
    /// # Errors
    /// When one of both could not be read.
    pub(crate) fn compare_kept(&self, router: &str) -> Result<Difference> {
        let before = self.failover().context("nothing was broken yet")?.flows_before;
        let before = before.context("the flows of the router that was left could not be read")?;
        let ignored = self.scenario.topology.peer_of(router).1.sync;
        let table = |flows: &[SeenFlow]| caches::lasting(caches::of_kernel(flows, ignored));
        Ok(Difference::between(&table(&before), &table(&self.flows(router)?)))
    }

    pub(super) fn ask_conntrackd(&self, router: &str, options: &[&str]) -> Result<Vec<u8>> {
        let config = conntrackd::config(router);
        let arguments: Vec<String> =
            ["-C", &config].iter().chain(options).map(|word| (*word).to_owned()).collect();
        self.ask(router, Actor::Conntrackd, &arguments)
    }

    /// What keepalived's notify script does where conntrackd runs. Called in the order of the roles, one at a time.
    pub(super) fn notify_conntrackd(&self, router: &str, role: Role) {
        if self.sync_of(router) != SyncKind::Conntrackd {
            return;
        }
        let word = match role {
            Role::Primary => "MASTER",
            Role::Backup => "BACKUP",
            _ => return,
        };
        locked(&self.scripts).remove(router);
        let options =
            CONNTRACKD_NOTIFY.iter().find(|(state, _)| *state == word).map_or(&[][..], |(_, all)| all);
        let mut failed = Vec::new();
        for option in options {
            // As in the script: what fails is told, and the next command follows.
            if let Err(error) = self.ask_conntrackd(router, &[option]) {
                eprintln!("notify {word} on {router}: {error:#}");
                failed.push(format!("{error:#}"));
            }
        }
        locked(&self.scripts).insert(router.to_owned(), (role, failed));
    }

    /// What failed in a conntrackd's script for the primary; None before it has run to its end, and in another role.
    pub(super) fn script_of(&self, router: &str) -> Option<Vec<String>> {
        let (role, failed) = locked(&self.scripts).get(router)?.clone();
        (role == Role::Primary && self.roles.of(router) == role).then_some(failed)
    }

    /// Whether a router's conntrackd, if it has one, has been told its present role to the end.
    pub(super) fn conntrackd_is_notified(&self, router: &str) -> bool {
        let told = locked(&self.scripts).get(router).map(|(role, _)| *role);
        self.sync_of(router) != SyncKind::Conntrackd || told == Some(self.roles.of(router))
    }
}
