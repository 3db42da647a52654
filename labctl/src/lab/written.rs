//! Flows that labctl writes into a router's kernel, and ends there: more than real traffic could make, at a known pace.
//!
//! Never reads one back. What is written while the timeline goes on is waited for at its end. Driven by the timeline;
//! tested through the scenarios.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_NETFILTER};

use super::{Lab, locked};
use crate::bench::flows::{self, BATCH, Kind};
use crate::link::namespace;
use crate::poll;
use crate::scenario::Written;

/// How much slower than wanted flows may be written: a pace that is not kept tries nothing.
const SLOWEST: f64 = 0.5;
/// How long to wait until nobody on the host listens to flows.
const QUIET: Duration = Duration::from_secs(20);
/// `1 << (NFNLGRP_CONNTRACK_DESTROY - 1)`.
const DESTROY_GROUP: u32 = 1 << 2;
/// How fast a table is filled; every daemon that listens keeps up.
const FILLING: u32 = 60_000;
/// 2, the kernel's default: flows have events if somebody listens when they are born.
const EVENTS: &str = "/proc/sys/net/netfilter/nf_conntrack_events";
/// Where the kernel says how many flows a namespace may hold.
const MAX: &str = "/proc/sys/net/netfilter/nf_conntrack_max";

/// What is written about flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// They are born.
    Create,
    /// They end.
    Delete,
}

/// Flows that are being written.
#[derive(Debug)]
pub(crate) struct Writing {
    written: Written,
    thread: JoinHandle<io::Result<Duration>>,
}

impl Writing {
    /// Waits for the last.
    ///
    /// # Errors
    /// What the kernel said, or that the pace was not kept.
    pub(crate) fn finish(self) -> Result<()> {
        let Self { written, thread } = self;
        let took = thread.join().map_err(|_| anyhow!("writing {written} has panicked"))?;
        let took = took.with_context(|| format!("cannot write {written}"))?;
        let pace = f64::from(written.count) / took.as_secs_f64();
        // A few are written before a clock can tell.
        if written.count > written.per_second / 10 && pace < f64::from(written.per_second) * SLOWEST {
            bail!("{written} were to be written at {} per second, and were at {pace:.0}", written.per_second);
        }
        Ok(())
    }
}

impl Lab {
    /// Begins to write flows, or their ends.
    ///
    /// # Errors
    /// When the router is dead.
    pub(crate) fn write_flows(&self, written: &Written, work: Work) -> Result<Writing> {
        let (net, what) = (self.net_of(&written.on)?, in_kernel(written));
        let thread = thread::Builder::new().name("writer".to_owned()).spawn(move || match work {
            Work::Create => flows::insert(net.as_fd(), what),
            Work::Delete => flows::erase(net.as_fd(), what),
        })?;
        Ok(Writing { written: written.clone(), thread })
    }

    /// Writes flows of which nobody will ever hear, as on a router whose daemon never ran: with the kernel's own setting,
    /// and while nobody on the host listens, in any namespace. Somebody else may, so one more flow is written and ended before an ear of our own, and if that is heard all is done
    /// again.
    ///
    /// # Errors
    /// What the kernel said, or that somebody never ceases to listen.
    pub(crate) fn write_mute(&self, written: &Written) -> Result<()> {
        let net = self.net_of(&written.on)?;
        let (all, canary) = (in_kernel(written), filling(1));
        namespace::run_in(net.as_fd(), || fs::write(EVENTS, "2"))
            .with_context(|| format!("cannot write {EVENTS}"))?;
        let mute = poll::until(Instant::now() + QUIET, || {
            let attempt = || -> io::Result<bool> {
                flows::insert(net.as_fd(), canary)?;
                flows::insert(net.as_fd(), all)?;
                let ear = namespace::run_in(net.as_fd(), listen)?;
                flows::erase(net.as_fd(), canary)?;
                // An end is told before the deletion returns.
                let heard = hears(&ear)?;
                drop(ear);
                if heard {
                    flows::erase(net.as_fd(), all)?;
                }
                Ok(!heard)
            };
            match attempt() {
                Ok(false) => None,
                Ok(true) => Some(Ok(())),
                Err(error) => Some(Err(error)),
            }
        });
        match mute {
            Some(result) => result.with_context(|| format!("cannot write {written}")),
            None => bail!(
                "somebody on this host listens to flows all the time (conntrack -E, another lab), so that none is mute"
            ),
        }
    }

    /// Fills a router's table until only `leave` flows fit.
    ///
    /// # Errors
    /// What the kernel said, or that so many flows have no addresses.
    pub(crate) fn fill(&self, router: &str, leave: u32) -> Result<()> {
        let net = self.net_of(router)?;
        let max = namespace::run_in(net.as_fd(), || fs::read_to_string(MAX))?;
        let max: u64 = max.trim().parse().with_context(|| format!("{MAX} holds no number"))?;
        let room = max.saturating_sub(flows::count(net.as_fd())?).saturating_sub(leave.into());
        let count = u32::try_from(room).ok().filter(|count| *count <= flows::MOST - flows::FILLERS);
        let count = count.with_context(|| format!("{room} flows are too many: lower nf_conntrack_max"))?;
        flows::insert(net.as_fd(), filling(count))
            .with_context(|| format!("cannot fill the table of {router}"))?;
        locked(&self.fillers).insert(router.to_owned(), count);
        Ok(())
    }

    /// Ends the flows that fill a router's table.
    ///
    /// # Errors
    /// When there are none, or what the kernel said.
    pub(crate) fn drain(&self, router: &str) -> Result<()> {
        let count = locked(&self.fillers).remove(router);
        let count = count.with_context(|| format!("nothing fills the table of {router}"))?;
        flows::erase(self.net_of(router)?.as_fd(), filling(count))
            .with_context(|| format!("cannot drain the table of {router}"))?;
        Ok(())
    }

    fn net_of(&self, router: &str) -> Result<OwnedFd> {
        self.with_node(router, |node| Ok(node.net().try_clone_to_owned()?))
    }
}

/// The kernel's part of written flows.
fn in_kernel(written: &Written) -> flows::Writing {
    let Written { kind, first, count, per_second, .. } = *written;
    flows::Writing { kind, first, count, pace: Some(per_second), burst: BATCH }
}

/// The first of those flows that only fill a table.
const fn filling(count: u32) -> flows::Writing {
    flows::Writing { kind: Kind::Plain, first: flows::FILLERS, count, pace: Some(FILLING), burst: BATCH }
}

fn listen() -> io::Result<Socket> {
    let mut socket = Socket::new(NETLINK_NETFILTER)?;
    socket.bind(&SocketAddr::new(0, DESTROY_GROUP))?;
    Ok(socket)
}

fn hears(ear: &Socket) -> io::Result<bool> {
    match ear.recv(&mut &mut [0_u8; 512][..], libc::MSG_DONTWAIT) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error),
    }
}
