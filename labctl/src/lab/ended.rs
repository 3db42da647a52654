//! Traffic that ended, and what the routers' kernels still hold of it.
//!
//! Never deletes a flow: a flow ends as its protocol says. Driven by the timeline and by what the verdict looks at; tested
//! through the scenarios.

use std::collections::BTreeSet;

use anyhow::{Context, Result};

use super::{Lab, locked};
use crate::probes::flows::SeenFlow;
use crate::traffic::Traffic;

/// IANA's number.
const TCP: u8 = 6;

impl Lab {
    /// Ends a traffic and remembers the flows that it had in the primary's kernel.
    ///
    /// # Errors
    /// When it does not run, or there is no primary whose table could be read.
    pub(crate) fn end_traffic(&self, name: &str) -> Result<()> {
        let (_, groups) = self.groups_of(name)?;
        let primary = self.primary().context("no router alone is primary")?;
        let of_it = |flow: &SeenFlow| {
            groups.iter().any(|group| {
                let port = flow.original.ports.target_port();
                group.kind.is_tcp() == (flow.protocol == TCP)
                    && group.target.ip() == flow.original.target
                    && group.source.is_none_or(|source| source == flow.original.source)
                    && port.is_none_or(|port| port == group.target.port())
            })
        };
        let flows: Vec<SeenFlow> = self.flows(&primary)?.into_iter().filter(of_it).collect();
        if flows.is_empty() {
            anyhow::bail!("{primary} knows no flow of {name}");
        }
        if locked(&self.traffic).remove(name).map(Traffic::stop).is_none() {
            anyhow::bail!("the traffic {name} does not run");
        }
        locked(&self.ended).insert(name.to_owned(), flows);
        Ok(())
    }

    /// The flows of an ended traffic that a router's kernel still holds, and how many there were.
    ///
    /// # Errors
    /// When the traffic was not ended or the table cannot be read.
    pub(crate) fn remaining(&self, traffic: &str, node: &str) -> Result<(Vec<SeenFlow>, usize)> {
        let ended = locked(&self.ended).get(traffic).cloned();
        let ended = ended.with_context(|| format!("{traffic} was not stopped"))?;
        let wanted: BTreeSet<_> = ended.iter().map(|flow| (flow.protocol, flow.original)).collect();
        let mut flows = self.flows(node)?;
        flows.retain(|flow| wanted.contains(&(flow.protocol, flow.original)));
        Ok((flows, ended.len()))
    }
}
