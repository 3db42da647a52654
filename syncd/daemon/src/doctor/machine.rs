//! What was seen of the machine. Values only: whoever looked is `gather`, whoever judges are the checks.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use super::packet::network;
use super::ruleset::Ruleset;
use crate::config::Config;
use crate::config::keepalived::Keepalived;

/// What was looked at; in the place of what could not be seen stands why.
#[derive(Debug)]
pub(super) struct Machine {
    /// syncd's configuration.
    pub(super) config: Result<Config, Unusable>,
    /// keepalived's.
    pub(super) keepalived: Result<Keepalived, String>,
    /// The packet filter.
    pub(super) rules: Result<Ruleset, String>,
    /// Keys of the kernel that are numbers.
    pub(super) settings: BTreeMap<&'static str, Result<u64, String>>,
    /// The interfaces.
    pub(super) interfaces: Result<Vec<Interface>, String>,
    /// The dedicated links, as the configuration has them.
    pub(super) roads: Vec<Road>,
}

/// Why there is no configuration.
#[derive(Debug)]
pub(super) enum Unusable {
    /// There is none at this path.
    Missing(PathBuf),
    /// It is not to be read.
    Unread(String),
    /// The daemon would refuse it.
    Wrong(String),
}

/// An interface.
#[derive(Clone, Debug, Default)]
pub(super) struct Interface {
    /// Its name.
    pub(super) name: String,
    /// It is up and has a carrier.
    pub(super) running: bool,
    /// Its addresses with the lengths of their networks.
    pub(super) addresses: Vec<(IpAddr, u32)>,
}

/// A dedicated link.
#[derive(Clone, Debug)]
pub(super) struct Road {
    /// Its interface.
    pub(super) interface: String,
    /// Where our datagrams go; the group or the peer.
    pub(super) target: IpAddr,
    /// And to which port.
    pub(super) port: u16,
    /// Our address on it; none when it has none.
    pub(super) own: Option<IpAddr>,
    /// The largest packet it takes whole.
    pub(super) mtu: Result<u16, String>,
    /// The peer, or who would be in the same network.
    pub(super) peer: Option<IpAddr>,
    /// How the kernel would reach the peer.
    pub(super) way: Result<Way, String>,
    /// `rp_filter` of the interface: 0 compares with no route, 1 is strict, 2 is loose.
    pub(super) rp_filter: u64,
}

/// Where a route leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Out of the interface with this address of ours.
    From(IpAddr),
    /// Nowhere.
    None,
}

impl Machine {
    /// Our own addresses on an interface: not the shared ones.
    pub(super) fn own(&self, interface: &str, v6: bool) -> Vec<IpAddr> {
        let shared = self.shared();
        let here = self.interfaces.iter().flatten().filter(|here| here.name == interface);
        let addresses = here.flat_map(|here| &here.addresses).map(|(address, _)| *address);
        addresses.filter(|address| address.is_ipv6() == v6 && !shared.contains(address)).collect()
    }

    /// The shared addresses.
    pub(super) fn shared(&self) -> Vec<IpAddr> {
        let instances = self.keepalived.iter().flat_map(|keepalived| &keepalived.instances);
        instances.flat_map(|instance| &instance.addresses).copied().collect()
    }

    /// Whether the address is ours, or of a network that an interface is in; not if it is shared.
    pub(super) fn is_bound(&self, address: IpAddr) -> bool {
        let mut networks = self.interfaces.iter().flatten().flat_map(|here| &here.addresses);
        networks.any(|(own, len)| {
            network(*own, *len).is_some_and(|(first, last)| (first..=last).contains(&address))
        })
    }
}
