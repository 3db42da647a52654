//! The keys of the dedicated links: interfaces, peers, ports, group and addresses to receive on.
//!
//! Looks at what is written only: [`super::system`] compares it with the machine. Tested in `tests.rs` beside it.

use std::net::{IpAddr, SocketAddr};

use super::node::{Node, Part};
use super::tree::{Cursor, Reader};
use super::{Link, Listen, MAX_LINKS, Transport, keys};

/// `IFNAMSIZ` without the zero byte.
const MAX_INTERFACE_NAME: usize = 15;

/// The group of every link without a peer.
pub(super) fn group(reader: &mut Reader<'_>, cursor: Option<&Cursor<'_>>) -> IpAddr {
    let default = keys::DEFAULT_GROUP.parse().expect("a constant");
    let Some(cursor) = cursor else { return default };
    let Some(address) = reader.address(cursor, "a multicast address, for example 225.0.0.50 or ff02::50")
    else {
        return default;
    };
    let remedy = match address {
        IpAddr::V4(_) => "take one of 224.0.0.0 to 239.255.255.255, or leave it out for 225.0.0.50",
        IpAddr::V6(_) => "take one that begins with ff02, for example ff02::50",
    };
    if !address.is_multicast() {
        reader.note(cursor, Part::Value, &format!("{address} is not a multicast address"), remedy);
    } else if let IpAddr::V6(group) = address
        && matches!(group.segments()[0] & 0xf, 0 | 1 | 0xf)
    {
        let reason = format!("{address} does not leave the machine: its scope is no link and no network");
        reader.note(cursor, Part::Value, &reason, remedy);
    }
    address
}

/// The dedicated links, and what they must not have in common.
pub(super) fn links(reader: &mut Reader<'_>, cursor: &Cursor<'_>, group: IpAddr) -> Vec<Link> {
    let Some(entries) = reader.entries(cursor, names) else { return Vec::new() };
    if entries.is_empty() {
        reader.note(cursor, Part::Value, "no interface", "name the dedicated link: '{ eth2: {} }'");
    }
    if entries.len() > MAX_LINKS {
        let reason = format!("{} dedicated links, {MAX_LINKS} are possible", entries.len());
        reader.note(cursor, Part::Key, &reason, "leave some out");
    }
    // What else is wrong with a link does not hide what it cannot have in common with others.
    let read: Vec<Read> = entries.iter().filter_map(|entry| link(reader, entry, group)).collect();
    for (index, later) in read.iter().enumerate() {
        let Some(at) = entries.iter().find(|entry| entry.path == later.link.path) else { continue };
        let before = &read[..index];
        let is_multicast = |read: &Read| matches!(read.link.transport, Transport::Multicast(_));
        let is_twin = |twin: &&Read| twin.certain && later.certain && twin.link.is_twin_of(&later.link);
        if before.first().is_some_and(|first| is_multicast(first) != is_multicast(later)) {
            let remedy = "give every interface a peer, or none";
            reader.note(at, Part::Key, "cannot mix unicast and multicast mode", remedy);
        } else if let Some(twin) = before.iter().find(is_twin) {
            let name = &twin.link.interface;
            let reason = match later.link.transport {
                Transport::Multicast(group) => format!("same group and port as {name}: {group}"),
                Transport::Unicast(peer) => format!("same peer and port as {name}: {peer}"),
            };
            reader.note(at, Part::Key, &reason, "give each link a port of its own, the same on both routers");
        }
    }
    read.into_iter().map(|read| read.link).collect()
}

/// What whoever writes names of interfaces as a word or a list means.
fn names(node: &Node) -> Option<String> {
    let names: Vec<&str> = match node {
        Node::Text(name) => name.split([',', ' ']).filter(|name| !name.is_empty()).collect(),
        Node::List(items) => items
            .iter()
            .map(|item| if let Node::Text(name) = item { Some(name.as_str()) } else { None })
            .collect::<Option<_>>()?,
        _ => return Some("interface: { eth2: {} }".to_owned()),
    };
    let all_names = !names.is_empty() && names.iter().all(|name| is_interface_name(name));
    let links: Vec<String> = names.iter().map(|name| format!("{name}: {{}}")).collect();
    all_names.then(|| format!("interface: {{ {} }}", links.join(", ")))
}

/// What whoever writes an address behind an interface means.
fn told_peer(interface: &str, node: &Node) -> Option<String> {
    let Node::Text(word) = node else { return None };
    let peer: IpAddr = word.split('%').next()?.parse().ok()?;
    let peer = if peer.is_ipv6() { format!("\"{peer}\"") } else { peer.to_string() };
    Some(format!("{interface}: {{ peer: {peer} }}"))
}

impl Link {
    /// Whether both mean the same peer or group. A link-local peer is another one on another link.
    fn is_twin_of(&self, other: &Self) -> bool {
        self.transport == other.transport
            && !matches!(self.transport, Transport::Unicast(peer) if is_link_local(peer.ip()))
    }
}

/// Whether an address means something on one link only.
pub(crate) const fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}

/// A link whose transport could be read.
struct Read {
    link: Link,
    /// Its port is said or left out, not guessed.
    certain: bool,
}

/// None where it is not known whether there is a peer, and which.
fn link(reader: &mut Reader<'_>, cursor: &Cursor<'_>, group: IpAddr) -> Option<Read> {
    let name = cursor.key();
    if !is_interface_name(name) {
        let remedy = "an interface name has 1 to 15 characters, no blank and no '/'";
        reader.note(cursor, Part::Key, &format!("'{name}' cannot be an interface"), remedy);
        return None;
    }
    let fields = match cursor.node {
        Node::Nothing => None,
        _ => Some(reader.fields(cursor, "interface.*", |node| told_peer(name, node))?),
    };
    let field = |key| fields.as_ref().and_then(|fields| fields.get(key));
    let is_meant = |key| fields.as_ref().is_some_and(|fields| fields.is_meant(key));
    let said = field("port").map(|cursor| port(reader, cursor));
    let port = said.flatten().unwrap_or(keys::DEFAULT_PORT);
    let transport = match field("peer") {
        None if is_meant("peer") => return None,
        None => Transport::Multicast(SocketAddr::new(group, port)),
        Some(cursor) => Transport::Unicast(SocketAddr::new(peer(reader, cursor, name)?, port)),
    };
    let certain = said.map_or(!is_meant("port"), |port| port.is_some());
    Some(Read { link: Link { interface: name.to_owned(), transport, path: cursor.path.clone() }, certain })
}

/// What the kernel takes for a name.
pub(crate) fn is_interface_name(name: &str) -> bool {
    let unusable = |c: char| c == '/' || c.is_whitespace() || c.is_control();
    !(name.is_empty()
        || name.len() > MAX_INTERFACE_NAME
        || name.contains(unusable)
        || name == "."
        || name == "..")
}

fn port(reader: &mut Reader<'_>, cursor: &Cursor<'_>) -> Option<u16> {
    let remedy = "a port is a number from 1 to 65535; without it, 3780";
    let number = reader.whole(cursor, remedy)?;
    let port = u16::try_from(number).ok().filter(|port| *port != 0);
    if port.is_none() {
        reader.note(cursor, Part::Value, &format!("{number} is not a port"), remedy);
    }
    port
}

fn peer(reader: &mut Reader<'_>, cursor: &Cursor<'_>, interface: &str) -> Option<IpAddr> {
    let scoped = match cursor.node {
        Node::Text(text) => text.split_once('%'),
        _ => None,
    };
    let address = match scoped {
        // As ping and ip write it. The interface is known already.
        Some((address, zone)) if zone == interface => reader.address_of(
            cursor,
            address,
            "the other router's address on this link, as 192.0.2.2 or fe80::2",
        )?,
        Some((_, zone)) => {
            let reason = format!("the peer is on {zone}, the link is {interface}");
            reader.note(
                cursor,
                Part::Value,
                &reason,
                "leave '%' and what follows out: the link's interface is meant",
            );
            return None;
        }
        None => reader.address(cursor, "the other router's address on this link, as 192.0.2.2 or fe80::2")?,
    };
    if address.is_multicast() {
        let remedy = "for multicast leave 'peer' out and set 'mcast-group'";
        reader.note(cursor, Part::Value, &format!("{address} is a multicast address"), remedy);
        return None;
    }
    let broadcast = matches!(address, IpAddr::V4(address) if address.is_broadcast());
    let reason = if address.is_unspecified() || broadcast {
        format!("{address} is no host")
    } else if address.is_loopback() {
        format!("{address} is this machine itself")
    } else if matches!(address, IpAddr::V6(address) if address.to_ipv4_mapped().is_some()) {
        format!("{address} is an IPv4 address in IPv6's clothes")
    } else {
        return Some(address);
    };
    reader.note(cursor, Part::Value, &reason, "give the other router's address on this link");
    None
}

/// Where to receive, and what cannot be one of it.
pub(super) fn listen(reader: &mut Reader<'_>, cursor: &Cursor<'_>, links: &[Link]) -> Vec<Listen> {
    let mut listen: Vec<Listen> = Vec::new();
    for item in reader.items(cursor) {
        let Some(address) = reader.address(&item, "one of this router's addresses, as 192.0.2.1 or fe80::1")
        else {
            continue;
        };
        let is_peer =
            |link: &Link| matches!(link.transport, Transport::Unicast(peer) if peer.ip() == address);
        let fits = |link: &Link| matches!(link.transport, Transport::Unicast(peer) if peer.is_ipv4() == address.is_ipv4());
        let unicast = links.iter().all(|link| matches!(link.transport, Transport::Unicast(_)));
        if listen.iter().any(|other| other.address == address) {
            reader.note(&item, Part::Value, &format!("{address} is there twice"), "write it once");
        } else if let Some(link) =
            links.iter().find(|link| is_peer(link)).filter(|_| !is_link_local(address) || links.len() == 1)
        {
            let reason = format!("{address} is the peer of {}, so it is not ours", link.interface);
            reader.note(&item, Part::Value, &reason, "give this router's own address on the link");
        } else if unicast && !links.is_empty() && !links.iter().any(fits) {
            let family = if address.is_ipv4() { "IPv4" } else { "IPv6" };
            let reason = format!("{address}: no peer is reached by {family}");
            reader.note(&item, Part::Value, &reason, "give an address of the peers' family, or leave it out");
        }
        listen.push(Listen { address, path: item.path.clone() });
    }
    let multicast = links.iter().find(|link| matches!(link.transport, Transport::Multicast(_)));
    if let Some(link) = multicast {
        let reason = format!("has no meaning in multicast mode ({} has no peer)", link.interface);
        reader.note(cursor, Part::Key, &reason, "leave it out, or give every interface a peer");
    }
    listen
}
