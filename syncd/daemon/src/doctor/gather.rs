//! Looks at the machine: `/proc/sys`, the addresses, the routes, `nft` and `iptables-save`, keepalived's file. Changes nothing, sends nothing.
//!
//! Routes are asked of the kernel by a socket that connects and never sends: so the answer is that of the present network
//! namespace, with all rules. Judges nothing. Driven by `mod.rs`; tested by `tests/doctor` in namespaces.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::ifaddrs::getifaddrs;
use nix::net::if_::{InterfaceFlags, if_nametoindex};
use nix::sys::socket::SockaddrStorage;

use super::iptables;
use super::machine::{Interface, Machine, Road, Unusable, Way};
use super::packet::network;
use super::ruleset::Ruleset;
use crate::channels;
use crate::config::{
    self, Config, Link, LoadError, Transport, is_link_local, keepalived, usual_keepalived_file,
};

/// The keys that are read, below `/proc/sys/net`.
const SETTINGS: [&str; 4] = [
    "netfilter/nf_conntrack_events",
    "netfilter/nf_conntrack_tcp_loose",
    "netfilter/nf_conntrack_count",
    "netfilter/nf_conntrack_max",
];

/// Where programs of the system are, which an ordinary user's search path leaves out.
const SYSTEM: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// Everything that can be seen.
pub(super) fn machine(config: &Path, keepalived: Option<&Path>) -> Machine {
    let config = config::load(config).map_err(|error| match error {
        LoadError::Unreadable { file, error } if error.kind() == ErrorKind::NotFound => {
            Unusable::Missing(file)
        }
        LoadError::Unreadable { .. } => Unusable::Unread(error.to_string()),
        LoadError::Invalid(invalid) => Unusable::Wrong(invalid.to_string()),
    });
    let said = || {
        config.as_ref().map_or_else(|_| usual_keepalived_file(), |config| config.failover.keepalived_file())
    };
    let keepalived = keepalived.map_or_else(said, Path::to_owned);
    let interfaces = interfaces();
    let roads = match (&config, &interfaces) {
        (Ok(config), Ok(interfaces)) => {
            config.links.iter().map(|link| road(config, link, interfaces)).collect()
        }
        _ => Vec::new(),
    };
    Machine {
        keepalived: keepalived::read(&keepalived).map_err(|unread| unread.to_string()),
        rules: rules(),
        settings: SETTINGS.map(|key| (key, setting(key))).into_iter().collect::<BTreeMap<_, _>>(),
        config,
        interfaces,
        roads,
    }
}

fn setting(key: &str) -> Result<u64, String> {
    let path = Path::new("/proc/sys/net").join(key);
    let text = fs::read_to_string(&path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => format!("{} is not there: modprobe nf_conntrack", path.display()),
        _ => format!("cannot read {}: {error}", path.display()),
    })?;
    text.trim().parse().map_err(|_| format!("{}: no number: {}", path.display(), text.trim()))
}

fn interfaces() -> Result<Vec<Interface>, String> {
    let failed = |error| format!("the kernel does not list the interfaces: {error}");
    let mut found: Vec<Interface> = Vec::new();
    for entry in getifaddrs().map_err(failed)? {
        let index = found.iter().position(|known| known.name == entry.interface_name).unwrap_or_else(|| {
            let running = entry.flags.contains(InterfaceFlags::IFF_UP | InterfaceFlags::IFF_RUNNING);
            found.push(Interface { name: entry.interface_name.clone(), running, addresses: Vec::new() });
            found.len() - 1
        });
        let len = entry.netmask.and_then(ip).map(|mask| match mask {
            IpAddr::V4(mask) => mask.to_bits().count_ones(),
            IpAddr::V6(mask) => mask.to_bits().count_ones(),
        });
        found[index].addresses.extend(entry.address.and_then(ip).zip(len));
    }
    Ok(found)
}

fn ip(address: SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
    v4.or_else(|| address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
}

fn rules() -> Result<Ruleset, String> {
    let nft = program("nft").ok_or("there is no nft to tell the rules: apt-get install nftables")?;
    let mut rules = Ruleset::read(&told(&nft, &["-j", "list", "ruleset"])?)?;
    for (v6, names) in [(false, "/proc/net/ip_tables_names"), (true, "/proc/net/ip6_tables_names")] {
        // What is left of a rule that iptables cannot tell either, is not judged.
        if rules.is_partly_of_iptables(v6)
            && let Some(text) = saved(v6, Variant::Nft)
        {
            rules.complete(iptables::read(&text, v6));
        }
        // Tables of the old kind stand beside nft's, and nft does not see them.
        if fs::read_to_string(names).is_ok_and(|tables| !tables.trim().is_empty()) {
            let text = saved(v6, Variant::Legacy).ok_or_else(|| {
                format!(
                    "{names} names tables of iptables-legacy, which only its own program tells: apt-get install iptables, or \
                     use iptables-nft"
                )
            })?;
            rules.add(iptables::read(&text, v6));
        }
    }
    Ok(rules)
}

/// Where iptables' rules are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Variant {
    /// In nft's tables.
    Nft,
    /// In tables of their own.
    Legacy,
}

/// What this variant of `iptables-save` prints, if it is here. The name without a variant may be either; it says itself which.
fn saved(v6: bool, variant: Variant) -> Option<String> {
    let family = if v6 { "ip6tables" } else { "iptables" };
    let word = if variant == Variant::Nft { "nft" } else { "legacy" };
    let names = [format!("{family}-{word}-save"), format!("{family}-save")];
    let texts = names.iter().filter_map(|name| told(&program(name)?, &[]).ok());
    texts.into_iter().find(|text| text.contains("(nf_tables)") == (variant == Variant::Nft))
}

fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places = std::env::split_paths(&path).chain(SYSTEM.map(PathBuf::from));
    places.find_map(|place| Some(place.join(name)).filter(|program| program.is_file()))
}

/// What a program prints.
fn told(program: &Path, words: &[&str]) -> Result<String, String> {
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    let answer = Command::new(program).args(words).stdin(Stdio::null()).output();
    let answer = answer.map_err(|error| format!("{name} does not start: {error}"))?;
    if !answer.status.success() {
        let said = String::from_utf8_lossy(&answer.stderr);
        return Err(format!("{name}: {}: run as root", said.lines().next().unwrap_or("it failed")));
    }
    Ok(String::from_utf8_lossy(&answer.stdout).into_owned())
}

fn road(config: &Config, link: &Link, interfaces: &[Interface]) -> Road {
    let target = link.target();
    let here = interfaces.iter().find(|here| here.name == link.interface);
    let addresses: Vec<(IpAddr, u32)> = here.map(|here| here.addresses.clone()).unwrap_or_default();
    let fitting = link.fitting(&addresses.iter().map(|(address, _)| *address).collect::<Vec<_>>());
    let heard = |own: &&IpAddr| config.listen.iter().any(|listen| listen.address == **own);
    let own = fitting.iter().find(heard).or_else(|| fitting.first()).copied();
    let len = addresses.iter().find(|(address, _)| Some(*address) == own).map(|(_, len)| *len);
    let peer = match link.transport {
        Transport::Unicast(peer) => Some(peer.ip()),
        Transport::Multicast(_) => own.zip(len).and_then(|(own, len)| neighbour(own, len)),
    };
    let index = if_nametoindex(link.interface.as_str()).unwrap_or(0);
    Road {
        interface: link.interface.clone(),
        target: target.ip(),
        port: target.port(),
        own,
        mtu: own.map_or(Err("it has no address".to_owned()), |own| {
            channels::mtu(link, own, index).map_err(|error| error.to_string())
        }),
        peer,
        way: peer.map_or(Err("no other address is in its network".to_owned()), |peer| way(peer, index)),
        // IPv6 has no such key.
        rp_filter: if target.is_ipv4() { rp_filter(&link.interface) } else { 0 },
    }
}

/// The first other address in our network: of a pair, the peer.
fn neighbour(own: IpAddr, len: u32) -> Option<IpAddr> {
    match (own, network(own, len)?) {
        (IpAddr::V4(_), (IpAddr::V4(first), IpAddr::V4(last))) => {
            // A network of two or of one has neither a name nor a broadcast address.
            let edge = u32::from(len < 31);
            let mut hosts = (first.to_bits() + edge)..=(last.to_bits() - edge);
            hosts.find_map(|host| Some(IpAddr::V4(host.into())).filter(|host| *host != own))
        }
        (IpAddr::V6(_), (IpAddr::V6(first), IpAddr::V6(last))) => {
            let mut hosts = first.to_bits()..=last.to_bits();
            // The first one is every router's (RFC 4291, 2.6.1).
            hosts.next();
            hosts.find_map(|host| Some(IpAddr::V6(host.into())).filter(|host| *host != own))
        }
        _ => None,
    }
}

/// How the kernel would reach the peer; a link-local one is asked for on the interface of this index.
fn way(peer: IpAddr, index: u32) -> Result<Way, String> {
    let any = match peer {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let socket = UdpSocket::bind((any, 0)).map_err(|error| error.to_string())?;
    // It is never sent to: any port does.
    let target = match peer {
        IpAddr::V6(v6) if is_link_local(peer) => SocketAddr::V6(SocketAddrV6::new(v6, 9, 0, index)),
        _ => SocketAddr::new(peer, 9),
    };
    if socket.connect(target).is_err() {
        return Ok(Way::None);
    }
    Ok(Way::From(socket.local_addr().map_err(|error| error.to_string())?.ip()))
}

/// The greater of the two keys holds (ip-sysctl.rst).
fn rp_filter(interface: &str) -> u64 {
    let of = |name: &str| setting(&format!("ipv4/conf/{name}/rp_filter")).unwrap_or(0);
    of("all").max(of(interface))
}
