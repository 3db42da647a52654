//! LAN and WAN fall apart between the routers, and become one again.
//!
//! Done in the switch, so that every interface stays up and nobody is told. Never touches the dedicated link, which has
//! its weather. Driven by the timeline; tested through the scenarios.

use anyhow::{Context, Result};

use crate::apply::{self, find};
use crate::lab::Lab;
use crate::plan::{HOST_INTERFACE, SWITCH};
use crate::scenario::Networks;
use crate::scenario::topology::{Hosts, Topology};

/// The switch's table; before it is made anew it must be there to be deleted.
const ANEW: &str = "table bridge split\ndelete table bridge split\n";

impl Lab {
    /// Divides both networks between the routers, each with its own hosts, or makes them one again.
    ///
    /// # Errors
    /// What `nft` said.
    pub(crate) fn divide(&self, networks: Networks) -> Result<()> {
        // From the first side to the second, and back.
        let silent: &[(usize, usize)] = match networks {
            Networks::Split => &[(0, 1), (1, 0)],
            Networks::HigherHears => &[(0, 1)],
            Networks::LowerHears => &[(1, 0)],
            Networks::Whole => &[],
        };
        let rules = rules(&self.scenario().topology, silent);
        self.with_nodes(|nodes| apply::load_rules(find(nodes, SWITCH)?, &rules))
    }

    /// Lets every host forget who answers for which address, as it would in time: an announcement may have been lost.
    ///
    /// # Errors
    /// What the kernel said.
    pub(crate) fn forget_neighbours(&self) -> Result<()> {
        let topology = &self.scenario().topology;
        for hosts in [Hosts::First, Hosts::Second] {
            if topology.hosts(hosts).is_none() {
                continue;
            }
            for host in [hosts.client(), hosts.server()] {
                self.with_node(host, |node| Ok(apply::forget_neighbours(node.net(), HOST_INTERFACE)?))
                    .with_context(|| format!("{host} does not forget its neighbours"))?;
            }
        }
        Ok(())
    }
}

/// Rules by which the ports of one side carry nothing to those of the other.
fn rules(topology: &Topology, silent: &[(usize, usize)]) -> String {
    let routers = topology.routers_by_priority();
    let sides = [(Hosts::First, routers[0].0), (Hosts::Second, routers[1].0)].map(|(hosts, router)| {
        let lan = [hosts.client(), router].map(|node| format!("\"{node}-lan\""));
        let wan = [hosts.server(), router].map(|node| format!("\"{node}-wan\""));
        [lan, wan].concat().join(", ")
    });
    let chain = "table bridge split {\n  chain forward {\n    type filter hook forward priority filter\n";
    let mut text = ANEW.to_owned() + chain;
    for (from, to) in silent {
        text += &format!("    iifname {{ {} }} oifname {{ {} }} drop\n", sides[*from], sides[*to]);
    }
    text + "  }\n}\n"
}
