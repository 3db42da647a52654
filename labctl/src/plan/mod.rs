//! From a scenario to the steps that build its lab, in order. Pure: the same for root and for anybody else.
//!
//! Never executes anything and never asks what the machine is like. `apply` executes the steps, `--dry-run` prints them,
//! `snapshots/plan/` holds one print per scenario. Tested in `labctl/tests/plans.rs`.

pub(crate) mod conntrackd;
pub(crate) mod keepalived;
mod network;
mod rules;
mod step;
pub(crate) mod syncd;

use std::fmt;

use crate::scenario::topology::Hosts;
use crate::scenario::{Scenario, SyncKind};

pub(crate) use conntrackd::NOTIFY as CONNTRACKD_NOTIFY;
pub(crate) use step::{Actor, Interface, Step, Text};

/// The node that holds the two bridges and the far ends of the dedicated link.
pub(crate) const SWITCH: &str = "switch";
/// A host's only interface.
pub(crate) const HOST_INTERFACE: &str = "eth0";
/// Labctl's end of the dedicated link towards a router.
pub(crate) fn far_end(router: &str) -> String {
    format!("{router}-sync")
}

/// Everything that makes a lab.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// In order.
    pub(crate) steps: Vec<Step>,
}

impl Plan {
    /// The steps for a scenario.
    #[must_use]
    pub(crate) fn of(scenario: &Scenario) -> Self {
        let mut steps = Vec::new();
        network::switch(&mut steps);
        for hosts in [Hosts::First, Hosts::Second] {
            if let Some((client, server)) = scenario.topology.hosts(hosts) {
                let gateways = &scenario.topology.virtual_addresses.lan;
                network::host(&mut steps, hosts.client(), client, "lan", gateways);
                network::host(&mut steps, hosts.server(), server, "wan", &[]);
            }
        }
        for (name, router) in &scenario.topology.routers {
            if let Some(interfaces) = &scenario.topology.by_hand {
                network::router_by_hand(&mut steps, name, router, interfaces);
                continue;
            }
            network::router(&mut steps, name, router, &scenario.settings);
            rules::router(&mut steps, name, scenario);
            keepalived::configure(&mut steps, name, router, scenario);
            match scenario.sync_of(name) {
                SyncKind::Syncd => syncd::configure(&mut steps, name, router, scenario),
                SyncKind::Conntrackd => conntrackd::configure(&mut steps, name, router, scenario),
                SyncKind::None => {}
            }
        }
        let routers: Vec<&String> = scenario.topology.routers.keys().collect();
        if let [a, b] = routers[..] {
            steps.push(Step::Join { a: a.clone(), b: b.clone() });
        }
        let started = if scenario.topology.by_hand.is_some() { Vec::new() } else { routers };
        for name in started {
            start_daemon(&mut steps, name, scenario.sync_of(name));
            steps.push(keepalived::start(name));
        }
        Self { steps }
    }

    /// The steps that make one node and what is in it, without those that start something.
    pub(crate) fn of_node<'a>(&'a self, node: &'a str) -> impl Iterator<Item = &'a Step> {
        self.steps.iter().filter(move |step| step.makes(node))
    }

    /// The step that starts an actor.
    #[must_use]
    pub(crate) fn start_of(&self, node: &str, actor: Actor) -> Option<&Step> {
        self.steps.iter().find(|step| {
            matches!(step, Step::Start { node: on, actor: started, .. } if on == node && *started == actor)
        })
    }

    /// The programs that the steps start, each once.
    #[must_use]
    pub(crate) fn actors(&self) -> Vec<Actor> {
        let mut actors: Vec<Actor> = self
            .steps
            .iter()
            .filter_map(|step| if let Step::Start { actor, .. } = step { Some(*actor) } else { None })
            .collect();
        actors.sort_unstable();
        actors.dedup();
        actors
    }
}

fn start_daemon(steps: &mut Vec<Step>, name: &str, kind: SyncKind) {
    match kind {
        SyncKind::Syncd => steps.push(syncd::start(name)),
        SyncKind::Conntrackd => steps.push(conntrackd::start(name)),
        SyncKind::None => {}
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.steps {
            writeln!(f, "{step}")?;
        }
        Ok(())
    }
}
