//! What is announced in a lab: transfers, and what the kernel's helpers and the daemons know of their announcements.
//!
//! Never judges. Driven by the timeline, `observe` and the verbs; tested through the scenarios.

use std::collections::BTreeSet;
use std::os::fd::AsFd;
use std::time::Instant;

use anyhow::{Context, Result, anyhow, bail};

use super::{Lab, OPENING, SEED, locked};
use crate::apply::find;
use crate::ending::Ending;
use crate::probes::caches::Difference;
use crate::probes::expectations::{self, SeenExpectation, dump_expectations};
use crate::probes::syncd;
use crate::scenario::SyncKind;
use crate::traffic::{TransferGroup, TransferServers, TransferSpec, Transfers};

impl Lab {
    /// Starts a traffic of the scenario and waits until its streams have opened, or its transfers announced; says how
    /// many.
    ///
    /// # Errors
    /// When it runs already, is not known, or one does not get so far.
    pub(crate) fn begin_traffic(&self, name: &str) -> Result<String> {
        match self.scenario.transfers_of(name) {
            Some(groups) => self.start_transfers(name, groups),
            None => {
                let opened = self.start_traffic(name)?;
                Ok(format!("{} of {} streams opened", opened.opened, opened.wanted))
            }
        }
    }

    fn start_transfers(&self, name: &str, groups: Vec<TransferGroup>) -> Result<String> {
        let spec = TransferSpec { groups, seed: SEED };
        let mut running = locked(&self.transfers);
        if running.contains_key(name) {
            bail!("the traffic {name} runs already: labctl traffic status");
        }
        let mut servers = locked(&self.servers);
        let servers = match &mut *servers {
            Some(servers) => servers,
            none => none.insert(TransferServers::new()?),
        };
        let nodes = locked(&self.nodes);
        let (client, server) = (find(&nodes, "client")?.net(), find(&nodes, "server")?.net());
        let transfers = Transfers::start(&spec, servers, client, server)
            .with_context(|| format!("cannot start the traffic {name}"))?;
        drop(nodes);
        let report = transfers.wait_announced(Instant::now() + OPENING);
        let why = transfers.details().into_iter().find_map(|detail| detail.error);
        running.insert(name.to_owned(), transfers);
        let words = format!("{} of {} transfers announced", report.announced, report.wanted);
        if report.announced == report.wanted {
            return Ok(words);
        }
        let why = why.map(|why| format!(", such as: {why}")).unwrap_or_default();
        Err(anyhow!("{words} of {name}, {} failed{why}", report.failed))
    }

    /// Lets the transfers of a traffic open what they have announced.
    ///
    /// # Errors
    /// When they do not run.
    pub(crate) fn fulfil(&self, name: &str) -> Result<()> {
        let running = locked(&self.transfers);
        let transfers = running.get(name).ok_or_else(|| {
            Ending::Usage(format!("no transfers called {name} run: labctl traffic start {name}"))
        })?;
        transfers.fulfil();
        Ok(())
    }

    /// Ends the transfers of one name, or all.
    pub(super) fn stop_transfers(&self, name: Option<&str>) {
        let mut running = locked(&self.transfers);
        match name {
            Some(name) => running.remove(name).into_iter().for_each(Transfers::stop),
            None => std::mem::take(&mut *running).into_values().for_each(Transfers::stop),
        }
    }

    /// Calls `body` with all running transfers of each name.
    pub(crate) fn each_transfers(&self, mut body: impl FnMut(&str, &Transfers)) {
        for (name, transfers) in &*locked(&self.transfers) {
            body(name, transfers);
        }
    }

    /// What the helpers of a node's kernel expect.
    ///
    /// # Errors
    /// When the node is dead or the table cannot be read.
    pub(crate) fn expectations(&self, node: &str) -> Result<Vec<SeenExpectation>> {
        let net = self.with_node(node, |node| Ok(node.net().try_clone_to_owned()?))?;
        Ok(dump_expectations(net.as_fd())?)
    }

    /// The same just before a router is left; nothing where no helper reads along.
    pub(crate) fn expected_before(&self, router: &str) -> Vec<SeenExpectation> {
        if self.scenario.helpers.is_empty() {
            return Vec::new();
        }
        self.expectations(router).unwrap_or_default()
    }

    /// What a router's external cache knows against what its peer's helpers expect.
    ///
    /// # Errors
    /// When one of both cannot be read.
    pub(crate) fn compare_expectations(&self, router: &str) -> Result<Difference> {
        let (peer, _) = self.scenario.topology.peer_of(router);
        let cache = match self.sync_of(router) {
            SyncKind::Syncd => {
                let json = self.ask_syncd(router, &["external-cache", "expect"])?;
                expectations::of_syncd(&syncd::read_expectations(&json)?)
            }
            SyncKind::Conntrackd => {
                let text = self.ask_conntrackd(router, &["-e", "exp"])?;
                expectations::of_conntrackd(&String::from_utf8_lossy(&text))
            }
            SyncKind::None => bail!("nothing replicates on {router}"),
        };
        let kernel = expectations::of_kernel(&self.expectations(peer)?);
        Ok(Difference::between_sets(&kernel, &cache))
    }

    /// What a router's kernel expects against what the router that was left expected, with all that it is.
    ///
    /// # Errors
    /// Before the first failover, or when the kernel cannot be asked.
    pub(crate) fn compare_expected_before(&self, router: &str) -> Result<Difference> {
        let failover = self.failover().context("nothing was broken yet")?;
        let before: BTreeSet<_> = failover.expected_before.into_iter().collect();
        let now: BTreeSet<_> = self.expectations(router)?.into_iter().collect();
        Ok(Difference::between_sets(&before, &now))
    }
}
