//! What differs between two configurations, in keys of the table.
//!
//! Compares what keys mean, not how they are written. Tested in `change/tests.rs`.

use super::keys::{self, Reload};
use super::{Config, Link, Transport};

#[cfg(test)]
mod tests;

impl Config {
    /// The keys in which `newer` means something else, in the order of the table.
    pub(crate) fn changed(&self, newer: &Self) -> Vec<&'static str> {
        let (accepted, ignored, _) = self.filter.parts();
        let (newly_accepted, newly_ignored, _) = newer.filter.parts();
        let addresses = |config: &Self| config.listen.iter().map(|listen| listen.address).collect::<Vec<_>>();
        let vrrp = |key: &'static str, differs: bool| (key, differs);
        let (before, after) = (&self.failover, &newer.failover);
        let differences = [
            (
                "interface",
                self.links.len() != newer.links.len()
                    || !same(&self.links, &newer.links, |one, other| one.interface == other.interface),
            ),
            ("interface.*.peer", !same(&self.links, &newer.links, |one, other| one.peer() == other.peer())),
            (
                "interface.*.port",
                !same(&self.links, &newer.links, |one, other| one.target().port() == other.target().port()),
            ),
            ("mcast-group", !same(&self.links, &newer.links, |one, other| one.group() == other.group())),
            ("listen-address", addresses(self) != addresses(newer)),
            ("accept-protocol", accepted != newly_accepted),
            ("ignore-address", ignored != newly_ignored),
            ("expect-sync", self.expect_sync != newer.expect_sync),
            vrrp("failover-mechanism.vrrp.sync-group", before.sync_group != after.sync_group),
            vrrp("failover-mechanism.vrrp.notify-fifo", before.notify_fifo != after.notify_fifo),
            vrrp("failover-mechanism.vrrp.track-file", before.track_file != after.track_file),
            vrrp("failover-mechanism.vrrp.ready-timeout", before.ready_timeout != after.ready_timeout),
            vrrp(
                "failover-mechanism.vrrp.keepalived-config",
                before.keepalived_config != after.keepalived_config,
            ),
            ("disable-gate", self.gate != newer.gate),
            ("log-level", self.log != newer.log),
            ("event-listen-queue-size", self.event_buffer != newer.event_buffer),
            ("sync-queue-size", self.channel_buffer != newer.channel_buffer),
            ("cache-limit", self.cache_limit != newer.cache_limit),
            ("purge-timeout", self.purge_timeout != newer.purge_timeout),
            ("disable-external-cache", self.preload != newer.preload),
            ("commit-timeout", self.commit_timeout != newer.commit_timeout),
            ("peer-timeout", self.peer_timeout != newer.peer_timeout),
            ("metrics.listen", self.metrics != newer.metrics),
        ];
        differences.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect()
    }
}

/// Those of the keys that only a restart can change.
pub(crate) fn needing_restart<'k>(changed: &[&'k str]) -> Vec<&'k str> {
    changed.iter().copied().filter(|path| keys::key(path).reload == Reload::Restart).collect()
}

/// Whether each pair is the same. Of links that came or went only that is said.
fn same(before: &[Link], after: &[Link], is_same: impl Fn(&Link, &Link) -> bool) -> bool {
    before.len() != after.len() || before.iter().zip(after).all(|(one, other)| is_same(one, other))
}

impl Link {
    const fn peer(&self) -> Option<std::net::IpAddr> {
        match self.transport {
            Transport::Unicast(peer) => Some(peer.ip()),
            Transport::Multicast(_) => None,
        }
    }

    const fn group(&self) -> Option<std::net::IpAddr> {
        match self.transport {
            Transport::Multicast(group) => Some(group.ip()),
            Transport::Unicast(_) => None,
        }
    }

    /// Whether both are the same link to the same place, wherever they are written.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.interface == other.interface && self.transport == other.transport
    }
}
