//! The configuration against this machine: what only `syncd run` can know.
//!
//! Interfaces are read with `getifaddrs(3)`, which asks the kernel in the present network namespace (`/sys` may show
//! another one's). Changes nothing. Tested in `tests.rs` beside it.

use std::io;
use std::net::Ipv4Addr;

use nix::ifaddrs::getifaddrs;
use nix::net::if_::{InterfaceFlags, if_nametoindex};

use super::node::{self, Part, Path};
use super::problem::{self, Invalid, Problem};
use super::{Config, Link, Listen, Transport};

/// An interface of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Interface {
    /// Its name.
    pub(crate) name: String,
    /// Its IPv4 addresses, the primary first.
    pub(crate) addresses: Vec<Ipv4Addr>,
    /// Whether it is up and has a carrier.
    pub(crate) running: bool,
}

impl Interface {
    /// All interfaces of this network namespace.
    ///
    /// # Errors
    ///
    /// When the kernel refuses the list.
    pub(crate) fn all() -> io::Result<Vec<Self>> {
        let mut interfaces: Vec<Self> = Vec::new();
        for entry in getifaddrs()? {
            let up = InterfaceFlags::IFF_UP | InterfaceFlags::IFF_RUNNING;
            let running = entry.flags.contains(up);
            let known = interfaces.iter().position(|known| known.name == entry.interface_name);
            let index = known.unwrap_or_else(|| {
                let name = entry.interface_name.clone();
                interfaces.push(Self { name, addresses: Vec::new(), running });
                interfaces.len() - 1
            });
            let address = entry.address.and_then(|address| Some(address.as_sockaddr_in()?.ip()));
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
    /// Our address on each link, in order.
    ///
    /// # Errors
    ///
    /// All problems at once.
    pub(crate) fn check_system(&self, interfaces: &[Interface]) -> Result<Vec<Ipv4Addr>, Invalid> {
        let mut problems = Vec::new();
        let is_here =
            |listen: &&Listen| interfaces.iter().any(|here| here.addresses.contains(&listen.address));
        let elsewhere: Vec<&Listen> = self.listen.iter().filter(|listen| !is_here(listen)).collect();
        for listen in elsewhere.iter().take(problem::MOST) {
            let reason = format!("{} is not assigned to any interface", listen.address);
            let remedy = "give an address of the dedicated link's interface, or leave it out";
            problems.push(self.problem(&listen.path, Part::Value, "listen-address", &reason, remedy));
        }
        let mut addresses = Vec::new();
        for link in &self.links {
            match self.own_address(link, interfaces) {
                Ok(own) => addresses.push(own),
                Err(problem) => problems.push(problem),
            }
        }
        let unshown = elsewhere.len().saturating_sub(problem::MOST);
        if problems.is_empty() {
            Ok(addresses)
        } else {
            Err(Invalid::new(&self.file, &self.text, problems, unshown))
        }
    }

    fn own_address(&self, link: &Link, interfaces: &[Interface]) -> Result<Ipv4Addr, Problem> {
        let name = &link.interface;
        let refuse = |reason: String, remedy: &str| {
            Err(self.problem(&link.path, Part::Key, &format!("interface.{name}"), &reason, remedy))
        };
        let Some(interface) = interfaces.iter().find(|interface| interface.name == *name) else {
            let there: Vec<&str> = interfaces.iter().map(|interface| interface.name.as_str()).collect();
            let remedy = format!("interfaces of this machine: {}", there.join(", "));
            return refuse(format!("there is no interface {name}"), &remedy);
        };
        let Some(first) = interface.addresses.first() else {
            let remedy = format!("for example: ip address add 192.0.2.1/30 dev {name}");
            return refuse(format!("interface {name} requires an IPv4 address"), &remedy);
        };
        let listens = |address: &&Ipv4Addr| self.listen.iter().any(|listen| listen.address == **address);
        let own = match interface.addresses.iter().find(listens) {
            Some(address) => *address,
            None if self.listen.is_empty() => *first,
            None => {
                let has: Vec<String> = interface.addresses.iter().map(Ipv4Addr::to_string).collect();
                let reason = format!("no listen-address is on interface {name}");
                let remedy =
                    format!("{name} has {}: add one to listen-address, or leave that out", has.join(", "));
                return refuse(reason, &remedy);
            }
        };
        match link.transport {
            Transport::Unicast(peer)
                if interfaces.iter().any(|other| other.addresses.contains(peer.ip())) =>
            {
                let reason = format!("the peer {} is this machine itself", peer.ip());
                refuse(reason, "give the other router's address")
            }
            _ => Ok(own),
        }
    }

    fn problem(&self, path: &Path, part: Part, key: &str, reason: &str, remedy: &str) -> Problem {
        let place = node::locate(&self.text, path, part);
        Problem::new(place, &format!("conntrack-sync.{key}"), reason, remedy)
    }
}
