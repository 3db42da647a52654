//! Routers that were killed: unplugged at once, cleared away later.
//!
//! The kernel of the host is every router's. When an interface or an address ends it goes over all flows of all routers,
//! and it frees what a namespace had tracked one by one: seconds of work with half a million flows, for which the streams
//! that move to the other router would wait. A router that dies elsewhere costs its peer nothing. So what was a router's
//! kernel stays, out of everybody's reach, until the router returns or the lab ends. Driven by `faults` and `build.rs`;
//! tested through the scenarios.

use anyhow::Result;

use super::{Lab, locked};
use crate::apply::{self, find};
use crate::plan::SWITCH;
use crate::sandbox::Node;

impl Lab {
    /// Pulls a killed router's cables out, waits until its processes have ended, and keeps its network namespace.
    ///
    /// # Errors
    /// What the kernel said.
    pub(crate) fn unplug(&self, router: &str, node: Node) -> Result<()> {
        self.with_link(|link| link.unplug(self.side(router)));
        self.with_nodes(|nodes| -> Result<()> {
            let switch = find(nodes, SWITCH)?.net();
            for network in ["lan", "wan"] {
                apply::release(switch, &format!("{router}-{network}"))?;
            }
            Ok(())
        })?;
        locked(&self.dead).insert(router.to_owned(), node.bury()?);
        Ok(())
    }

    /// Clears away what [`Lab::unplug`] kept, with the interfaces that it had on the switch.
    ///
    /// # Errors
    /// What the kernel said.
    pub(super) fn clear_away(&self, router: &str) -> Result<()> {
        // It goes last: its own end would remove the interfaces, too, at a moment of its own.
        let Some(_net) = locked(&self.dead).remove(router) else { return Ok(()) };
        self.with_nodes(|nodes| {
            let switch = find(nodes, SWITCH)?.net();
            for network in ["lan", "wan", "sync"] {
                apply::delete_link(switch, &format!("{router}-{network}"))?;
            }
            Ok(())
        })
    }
}
