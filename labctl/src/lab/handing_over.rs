//! Handovers: an operator's command on whoever is primary, again and again.
//!
//! Asks the daemon as an operator does, and looks by itself whether the other router has the role and the addresses. Driven
//! by the timeline; tested through the scenarios.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::Lab;
use crate::actors::{self, answer};
use crate::plan::{Actor, syncd};
use crate::poll;
use crate::probes::roles::Role;

/// The other router's own keepalived says that it is primary so long after the daemon has said that it is done, at most.
const SEEN: Duration = Duration::from_secs(2);

impl Lab {
    /// Lets whoever is primary hand over, so many times. Says how long each took.
    ///
    /// # Errors
    /// The first that did not succeed, with the daemon's own words.
    pub(super) fn hand_over(&self, count: u32) -> Result<Vec<Duration>> {
        (1..=count)
            .map(|number| self.hand_over_once().with_context(|| format!("handover {number} of {count}")))
            .collect()
    }

    /// Lets whoever is primary try to hand over.
    ///
    /// # Errors
    /// When it does, or says that something else became of it than `wanted`.
    pub(super) fn fail_to_hand_over(&self, wanted: &str) -> Result<()> {
        let from = self.primary().context("there is no single primary: labctl status")?;
        let (result, told) = self.ask_to_hand_over(&from)?;
        if result != wanted {
            bail!("the daemon of {from} says of its handover `{result}`, not `{wanted}`: {told}");
        }
        Ok(())
    }

    fn hand_over_once(&self) -> Result<Duration> {
        let from = self.primary().context("there is no single primary: labctl status")?;
        let (to, _) = self.scenario.topology.peer_of(&from);
        let flows = self.flows(&from).ok();
        self.note_moment(Some(&from), flows)?;
        let began = Instant::now();
        let (result, told) = self.ask_to_hand_over(&from)?;
        let took = began.elapsed();
        if result != "done" {
            bail!("the daemon of {from} says of its handover `{result}`: {told}");
        }
        let moved = poll::until(Instant::now() + SEEN, || {
            let nodes = self.look_at_routers().ok()?;
            let as_told = nodes.iter().all(|seen| {
                let (role, held) =
                    if seen.name == to { (Role::Primary, seen.all) } else { (Role::Backup, 0) };
                (seen.role, seen.held) == (role, held)
            });
            as_told.then_some(())
        });
        if moved.is_none() {
            bail!("the daemon of {from} says that it is done, and {to} is not primary with all addresses");
        }
        Ok(took)
    }

    /// What a router's daemon says became of it, and all that it says.
    fn ask_to_hand_over(&self, router: &str) -> Result<(String, String)> {
        let child = self.with_node(router, |node| actors::begin(node, Actor::Syncd, &syncd::hand_over()))?;
        let output = answer::output(child, answer::PATIENCE).context("syncd handover")?;
        let told = String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned();
        let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        Ok((document["result"].as_str().unwrap_or("nothing").to_owned(), told))
    }
}
