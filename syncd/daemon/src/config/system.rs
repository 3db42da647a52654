//! The configuration against this machine: what only `syncd run`, a reload and `syncd check --here` can know.
//!
//! Interfaces are read with `getifaddrs(3)`, which asks the kernel in the present network namespace (`/sys` may show
//! another one's). Changes nothing. Tested in `tests.rs` beside it.

use std::io;
use std::net::IpAddr;

use nix::ifaddrs::getifaddrs;
use nix::net::if_::{InterfaceFlags, if_nametoindex};
use syncd_core::flow::{Address, Family};
use syncd_core::replica::LENT;

use super::keepalived::Beside;
use super::links::is_link_local;
use super::masters::{self, Master};
use super::node::{Part, Path};
use super::problem::{self, Invalid, Problem};
use super::{Config, Link, Listen, Transport};
use crate::kernel;

/// An interface of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Interface {
    /// Its name.
    pub(crate) name: String,
    /// Its addresses, of each family the primary first.
    pub(crate) addresses: Vec<IpAddr>,
    /// Whether it is up and has a carrier.
    pub(crate) running: bool,
    /// What it belongs to.
    pub(crate) master: Option<Master>,
}

/// What the configuration is on this machine.
#[derive(Debug)]
pub(crate) struct Here {
    /// Our address on each link, in order.
    pub(crate) own: Vec<IpAddr>,
    /// What is right and probably not meant.
    pub(crate) remarks: Vec<Problem>,
}

impl Interface {
    /// All interfaces of this network namespace.
    ///
    /// # Errors
    ///
    /// When the kernel refuses the list.
    pub(crate) fn all() -> io::Result<Vec<Self>> {
        let mut interfaces: Vec<Self> = Vec::new();
        let mut masters = masters::all()?;
        for entry in getifaddrs()? {
            let up = InterfaceFlags::IFF_UP | InterfaceFlags::IFF_RUNNING;
            let running = entry.flags.contains(up);
            let known = interfaces.iter().position(|known| known.name == entry.interface_name);
            let index = known.unwrap_or_else(|| {
                let name = entry.interface_name.clone();
                let master = masters.remove(&name);
                interfaces.push(Self { name, addresses: Vec::new(), running, master });
                interfaces.len() - 1
            });
            let address = entry.address.and_then(|address| {
                let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
                v4.or_else(|| address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
            });
            interfaces[index].addresses.extend(address);
        }
        Ok(interfaces)
    }

    /// Its index in the kernel, while it exists.
    pub(crate) fn index(&self) -> Option<u32> {
        if_nametoindex(self.name.as_str()).ok()
    }
}

impl Config {
    /// What it is on a machine with these interfaces, and this configuration of keepalived if there is one.
    ///
    /// # Errors
    ///
    /// All problems at once.
    pub(crate) fn check_system(
        &self,
        interfaces: &[Interface],
        keepalived: Option<&Beside>,
    ) -> Result<Here, Invalid> {
        let mut problems = Vec::new();
        let is_here =
            |listen: &&Listen| interfaces.iter().any(|here| here.addresses.contains(&listen.address));
        let elsewhere: Vec<&Listen> = self.listen.iter().filter(|listen| !is_here(listen)).collect();
        for listen in elsewhere.iter().take(problem::MOST) {
            let reason = format!("{} is not assigned to any interface", listen.address);
            let remedy = "give an address of the dedicated link's interface, or leave it out";
            problems.push(self.problem(&listen.path, Part::Value, "listen-address", &reason, remedy));
        }
        let mut own = Vec::new();
        for link in &self.links {
            match self.own_address(link, interfaces) {
                Ok(address) => own.push(address),
                Err(problem) => problems.push(problem),
            }
        }
        problems.extend(self.check_preload(kernel::longest_timeout()));
        let mut remarks = self.check_keepalived(keepalived, &mut problems);
        remarks.extend(self.check_purge(interfaces));
        remarks.extend(self.links.iter().filter_map(|link| self.check_master(link, interfaces)));
        let unshown = elsewhere.len().saturating_sub(problem::MOST);
        if problems.is_empty() {
            Ok(Here { own, remarks })
        } else {
            Err(Invalid::new(&self.file, self.source.text(), problems, unshown))
        }
    }

    fn own_address(&self, link: &Link, interfaces: &[Interface]) -> Result<IpAddr, Problem> {
        let name = &link.interface;
        let refuse = |reason: String, remedy: &str| {
            Err(self.problem(&link.path, Part::Key, &format!("interface.{name}"), &reason, remedy))
        };
        let Some(interface) = interfaces.iter().find(|interface| interface.name == *name) else {
            let there: Vec<&str> = interfaces.iter().map(|interface| interface.name.as_str()).collect();
            let remedy = format!("interfaces of this machine: {}", there.join(", "));
            return refuse(format!("there is no interface {name}"), &remedy);
        };
        let fitting: Vec<IpAddr> = link.fitting(&interface.addresses);
        let Some(first) = fitting.first() else {
            let (family, example) =
                if link.target().is_ipv4() { ("IPv4", "192.0.2.1/30") } else { ("IPv6", "2001:db8::1/64") };
            let remedy = format!("for example: ip address add {example} dev {name}");
            return refuse(format!("interface {name} requires an {family} address"), &remedy);
        };
        let listens = |address: &&IpAddr| self.listen.iter().any(|listen| listen.address == **address);
        let own = match fitting.iter().find(listens) {
            Some(address) => *address,
            None if self.listen.is_empty() => *first,
            None => {
                let has: Vec<String> = fitting.iter().map(IpAddr::to_string).collect();
                let reason = format!("no listen-address is on interface {name}");
                let remedy =
                    format!("{name} has {}: add one to listen-address, or leave that out", has.join(", "));
                return refuse(reason, &remedy);
            }
        };
        let Transport::Unicast(peer) = link.transport else { return Ok(own) };
        // A link-local address may be here on another interface: it is another one.
        let is_peer = |other: &Interface| {
            other.addresses.contains(&peer.ip()) && (other.name == *name || !is_link_local(peer.ip()))
        };
        if interfaces.iter().any(is_peer) {
            let reason = format!("the peer {} is this machine itself", peer.ip());
            return refuse(reason, "give the other router's address");
        }
        Ok(own)
    }

    /// A link that belongs to another interface.
    fn check_master(&self, link: &Link, interfaces: &[Interface]) -> Option<Problem> {
        let name = &link.interface;
        let here = interfaces.iter().find(|here| here.name == *name)?;
        let Master { kind, name: master } = here.master.as_ref()?;
        let (reason, remedy) = if kind == "vrf" {
            (
                format!(
                    "{name} is in the VRF {master}: syncd's sockets are bound to {name} and go by that VRF's routes, which no lab \
                     has tried"
                ),
                "look at 'syncd show conntrack-sync status' on both routers, or take an interface that is in none".to_owned(),
            )
        } else {
            (
                format!(
                    "{name} belongs to {master} ({kind}), which takes its packets: syncd may hear nothing on {name}"
                ),
                format!("name {master}, and give it the address"),
            )
        };
        Some(self.problem(&link.path, Part::Key, &format!("interface.{name}"), &reason, &remedy))
    }

    /// A kernel that gives a flow as much time by itself as a router that stands by lends to it.
    pub(super) fn check_preload(&self, longest: Option<(String, u32)>) -> Option<Problem> {
        let (name, seconds) = longest.filter(|(_, seconds)| self.preload && *seconds >= LENT)?;
        let days = LENT / 86_400;
        let reason = format!(
            "{name} is {seconds}: a time of {days} days or more is how syncd knows which entries it has put into the kernel for \
             the peer"
        );
        let remedy = format!("set {name} below {LENT}, on both routers");
        Some(self.problem(&self.preload_path, Part::Key, "disable-external-cache", &reason, &remedy))
    }

    /// Connections of this router itself, which a purge would cut.
    fn check_purge(&self, interfaces: &[Interface]) -> Option<Problem> {
        let seconds = self.purge_timeout.filter(|_| !self.preload)?;
        let (_, ignored, _) = self.filter.parts();
        let replicated = |address: &&IpAddr| {
            let family = if address.is_ipv4() { Family::V4 } else { Family::V6 };
            let known = ignored.iter().any(|network| network.contains(family, Address::from(**address)));
            !known && !address.is_loopback() && !is_link_local(**address)
        };
        let mut addresses: Vec<&IpAddr> =
            interfaces.iter().flat_map(|interface| &interface.addresses).filter(replicated).collect();
        addresses.sort_unstable();
        addresses.dedup();
        let (first, others) = addresses.split_first()?;
        let more = if others.is_empty() { String::new() } else { format!(" and {} more", others.len()) };
        let reason = format!(
            "{first}{more} of this router is not in ignore-address: connections to it that began while it was primary are cut \
             {seconds} s after it stands by"
        );
        let remedy = "add this router's own addresses to ignore-address, or leave purge-timeout out";
        Some(self.problem(&self.purge_path, Part::Key, "purge-timeout", &reason, remedy))
    }

    /// Adds what must fit and does not to `problems`; gives what should.
    fn check_keepalived(&self, keepalived: Option<&Beside>, problems: &mut Vec<Problem>) -> Vec<Problem> {
        let at = |reason: &str, remedy: &str| {
            let key = "failover-mechanism.vrrp.sync-group";
            self.problem(&self.failover.path, Part::Value, key, reason, remedy)
        };
        let Some(keepalived) = keepalived else { return Vec::new() };
        let mut remarks = Vec::new();
        for misfit in keepalived.misfits(&self.failover, self.purge_timeout) {
            let list = if keepalived.named && !misfit.mild { &mut *problems } else { &mut remarks };
            list.push(at(&misfit.reason, &misfit.remedy));
        }
        remarks
    }

    fn problem(&self, path: &Path, part: Part, key: &str, reason: &str, remedy: &str) -> Problem {
        let place = self.source.locate(path, part);
        Problem::new(place, &format!("conntrack-sync.{key}"), reason, remedy)
    }
}

impl Link {
    /// Which of an interface's addresses can be ours on this link, the best first: a link-local peer or group is
    /// answered from a link-local address, any other from one that is not, if there is one.
    pub(crate) fn fitting(&self, addresses: &[IpAddr]) -> Vec<IpAddr> {
        let target = self.target();
        let local = match self.transport {
            Transport::Multicast(_) => true,
            Transport::Unicast(peer) => is_link_local(peer.ip()),
        };
        let same_family = addresses.iter().copied().filter(|address| address.is_ipv4() == target.is_ipv4());
        let mut fitting: Vec<IpAddr> = same_family.collect();
        fitting.sort_by_key(|address| target.is_ipv6() && is_link_local(*address) != local);
        fitting
    }
}
