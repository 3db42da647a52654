//! What breaks: a router, its VRRP, its link, its daemon.
//!
//! Networks that fall apart are beside, in `split.rs`. Each fault notes its moment first, from which all times of a result count. Never repairs; returning is the
//! timeline's. Driven by the timeline and by `labctl failover`; tested through the scenarios.

mod split;

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use nix::time::{ClockId, clock_gettime};

use crate::apply;
use crate::lab::{Failover, Lab};
use crate::plan::Actor;
use crate::probes::flows::SeenFlow;
use crate::probes::roles::Role;
use crate::scenario::Fault;

impl Lab {
    /// Breaks something on a router.
    ///
    /// # Errors
    /// When there is nothing left to break.
    pub(crate) fn break_it(&self, fault: Fault, router: &str) -> Result<()> {
        if fault.moves_addresses() {
            let flows = self.flows(router).ok();
            self.note_moment(Some(router), flows)?;
        }
        match fault {
            Fault::KillRouter => self.kill_router(router),
            Fault::StopVrrp if self.scenario().topology.by_hand.is_some() => {
                Err(anyhow!("keepalived was not started by labctl: stop it by hand, labctl shell {router}"))
            }
            Fault::StopVrrp => self.take_actor(router, Actor::Keepalived)?.stop(),
            Fault::LinkDown => self.set_lan(router, false),
            Fault::KillDaemon => {
                // What its cache held, or its peer's, says nothing of what they hold now.
                self.forget_compared();
                self.take_actor(router, self.replicating(router)?)?.kill()
            }
            Fault::HangDaemon => self.hang_daemon(router, true),
        }
        .with_context(|| format!("cannot {} {router}", fault.word()))
    }

    /// Brings the router's LAN interface up again.
    ///
    /// # Errors
    /// What the kernel said.
    pub(crate) fn link_up(&self, router: &str) -> Result<()> {
        self.set_lan(router, true)
    }

    fn set_lan(&self, router: &str, up: bool) -> Result<()> {
        let lan = self.scenario().topology.interfaces().lan;
        self.with_node(router, |node| Ok(apply::set_link(node.net(), &lan, up)?))
    }

    /// Stops a router's replicating daemon in its tracks, or lets it go on.
    ///
    /// # Errors
    /// When it does not run.
    pub(crate) fn hang_daemon(&self, router: &str, hung: bool) -> Result<()> {
        self.with_actor(router, self.replicating(router)?, |running| running.hang(hung))
    }

    /// The replicating daemon of a router.
    ///
    /// # Errors
    /// When it has none.
    pub(crate) fn replicating(&self, router: &str) -> Result<Actor> {
        Actor::of(self.sync_of(router)).ok_or_else(|| anyhow!("nothing replicates on {router}"))
    }

    /// From now on all times of a failover count; `from` is the router that the addresses leave.
    ///
    /// # Errors
    /// When the kernel has no clock.
    pub(crate) fn note_moment(&self, from: Option<&str>, flows: Option<Vec<SeenFlow>>) -> Result<()> {
        let expected_before = from.map_or_else(Vec::new, |router| self.expected_before(router));
        let (at, clock) = (Instant::now(), clock_gettime(ClockId::CLOCK_MONOTONIC)?);
        let at_ns = clock.tv_sec().cast_unsigned() * 1_000_000_000 + clock.tv_nsec().cast_unsigned();
        self.each_traffic(|_, traffic| traffic.fault_at(at));
        let (from, flows_before) = (from.map(str::to_owned), flows.map(Arc::new));
        self.set_failover(Failover { at, at_ns, from, flows_before, expected_before });
        Ok(())
    }

    /// Ends everything in the router at once: its processes, which cannot say goodbye, and its cables.
    fn kill_router(&self, router: &str) -> Result<()> {
        let mut node = self.take_node(router)?;
        node.kill()?;
        self.roles().note(router, Role::Gone);
        self.forget_actors(router);
        self.unplug(router, node)
    }
}
