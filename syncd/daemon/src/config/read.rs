//! From the tree to a [`Config`], collecting every problem on the way.
//!
//! Each key has one reader. A reader that meets a problem notes it and returns a harmless value, so that the next
//! keys are read too; the values are used only when nothing was noted. Never looks at the machine.
//! Tested in `tests.rs` beside it.

use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};

use syncd_core::filter::{Filter, Network};
use syncd_core::flow::{Family, Protocol};

use super::node::{Node, Part};
use super::problem::{Invalid, Problem};
use super::tree::{Cursor, Reader};
use super::{Config, Link, Listen, MAX_LINKS, Transport, expect, node};

const DEFAULT_GROUP: Ipv4Addr = Ipv4Addr::new(225, 0, 0, 50);
const DEFAULT_PORT: u16 = 3780;
const DEFAULT_EVENT_MB: usize = 8;
const DEFAULT_CHANNEL_MB: usize = 1;
/// The kernel takes the size of a buffer as an `int` and doubles it.
const MAX_BUFFER_MB: i64 = 1023;
/// Fewer flows than this is a slip of the pen (megabytes, say), more than that no kernel holds.
const CACHE_LIMITS: std::ops::RangeInclusive<u32> = 1_000..=100_000_000;
/// `IFNAMSIZ` without the zero byte.
const MAX_INTERFACE_NAME: usize = 15;

const TOP: &str = "conntrack-sync";
const KEYS: &[&str] = &[
    "interface",
    "mcast-group",
    "listen-address",
    "accept-protocol",
    "ignore-address",
    "expect-sync",
    "failover-mechanism",
    "startup-resync",
    "event-listen-queue-size",
    "sync-queue-size",
    "cache-limit",
];
const PROTOCOLS: &[(&str, Protocol)] = &[
    ("tcp", Protocol::TCP),
    ("udp", Protocol::UDP),
    ("icmp", Protocol::ICMP),
    ("icmp6", Protocol::ICMP6),
    ("sctp", Protocol::SCTP),
    ("dccp", Protocol::DCCP),
];

/// Reads a whole file.
pub(super) fn config(file: &Path, text: &str) -> Result<Config, Invalid> {
    let root = node::parse(text).map_err(|error| Invalid::new(file, text, vec![syntax(text, &error)], 0))?;
    let mut reader = Reader::new(text);
    let config = top(&mut reader, file, &Cursor::root(&root));
    match (config, reader.into_problems()) {
        (Some(config), (problems, _)) if problems.is_empty() => Ok(config),
        (_, (problems, unshown)) => Err(Invalid::new(file, text, problems, unshown)),
    }
}

/// A syntax error with the remedy for what is usually behind it.
fn syntax(text: &str, error: &node::SyntaxError) -> Problem {
    let line = error.place.and_then(|place| text.lines().nth(place.line - 1)).unwrap_or("");
    let remedy = if line.contains('\t') {
        "indent with blanks: YAML takes no tabs there"
    } else if error.reason.contains("duplicate") {
        "write each key once"
    } else if error.reason.contains("aliases") || error.reason.contains("repetition") {
        "write out what is meant, without '&' and '*'"
    } else {
        "check the indentation (blanks only), the colon after each key and the brackets, here and in the line above"
    };
    let reason = format!("this is no YAML: {}", error.reason);
    Problem::new(error.place, "", &reason, remedy)
}

/// The one key at the top, and everything below it.
fn top(reader: &mut Reader<'_>, file: &Path, root: &Cursor<'_>) -> Option<Config> {
    if *root.node == Node::Nothing {
        reader.note_file("the file says nothing", "begin with 'conntrack-sync:' and at least one interface");
        return None;
    }
    let sections = reader.fields(root, &[TOP])?;
    let Some(section) = sections.get(TOP) else {
        reader.note(root, Part::Value, "'conntrack-sync' is missing", "put all keys below 'conntrack-sync:'");
        return None;
    };
    let fields = reader.fields(section, KEYS)?;
    let group = fields.get("mcast-group").map_or(DEFAULT_GROUP, |cursor| multicast_group(reader, cursor));
    let links = match fields.get("interface") {
        Some(cursor) => links(reader, cursor, group),
        None => {
            reader.note(
                section,
                Part::Key,
                "no interface",
                "name the dedicated link: 'interface: { eth2: {} }'",
            );
            Vec::new()
        }
    };
    let listen = fields.get("listen-address").map_or_else(Vec::new, |cursor| listen(reader, cursor, &links));
    let accepted = fields.get("accept-protocol").map_or_else(Vec::new, |cursor| protocols(reader, cursor));
    let ignored = fields.get("ignore-address").map_or_else(Vec::new, |cursor| networks(reader, cursor));
    let expect_sync = fields.get("expect-sync").map_or_else(Vec::new, |cursor| expect::words(reader, cursor));
    let (sync_group, notify_fifo) = match fields.get("failover-mechanism") {
        Some(cursor) => failover(reader, cursor),
        None => {
            let remedy = "add 'failover-mechanism: { vrrp: { sync-group: NAME } }'";
            reader.note(section, Part::Key, "no VRRP sync-group defined", remedy);
            (String::new(), None)
        }
    };
    if let Some(cursor) = fields.get("startup-resync") {
        startup_resync(reader, cursor);
    }
    let event_buffer = megabytes(reader, fields.get("event-listen-queue-size"), DEFAULT_EVENT_MB);
    let channel_buffer = megabytes(reader, fields.get("sync-queue-size"), DEFAULT_CHANNEL_MB);
    let cache_limit = fields.get("cache-limit").and_then(|cursor| cache_limit(reader, cursor));
    Some(Config {
        links,
        listen,
        filter: Filter::new(accepted, ignored).with_helpers(expect::helpers(&expect_sync)),
        expect_sync,
        sync_group,
        notify_fifo,
        event_buffer,
        channel_buffer,
        cache_limit,
        file: file.to_owned(),
        text: reader.text().to_owned(),
    })
}

fn multicast_group(reader: &mut Reader<'_>, cursor: &Cursor<'_>) -> Ipv4Addr {
    let address = reader.ipv4(cursor);
    if let Some(address) = address
        && !address.is_multicast()
    {
        reader.note(
            cursor,
            Part::Value,
            &format!("{address} is not a multicast address"),
            "take one of 224.0.0.0 to 239.255.255.255, or leave it out for 225.0.0.50",
        );
    }
    address.unwrap_or(DEFAULT_GROUP)
}

/// The dedicated links, and what they must not have in common.
fn links(reader: &mut Reader<'_>, cursor: &Cursor<'_>, group: Ipv4Addr) -> Vec<Link> {
    let Some(entries) = reader.entries(cursor) else { return Vec::new() };
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
        let is_twin =
            |twin: &&Read| twin.certain && later.certain && twin.link.transport == later.link.transport;
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

/// A link whose transport could be read.
struct Read {
    link: Link,
    /// Its port is said or left out, not guessed.
    certain: bool,
}

/// None where it is not known whether there is a peer, and which.
fn link(reader: &mut Reader<'_>, cursor: &Cursor<'_>, group: Ipv4Addr) -> Option<Read> {
    let name = cursor.key();
    let unusable = |c: char| c == '/' || c.is_whitespace() || c.is_control();
    if name.is_empty()
        || name.len() > MAX_INTERFACE_NAME
        || name.contains(unusable)
        || name == "."
        || name == ".."
    {
        let remedy = "an interface name has 1 to 15 characters, no blank and no '/'";
        reader.note(cursor, Part::Key, &format!("'{name}' cannot be an interface"), remedy);
        return None;
    }
    let fields = match cursor.node {
        Node::Nothing => None,
        _ => Some(reader.fields(cursor, &["peer", "port"])?),
    };
    let field = |key| fields.as_ref().and_then(|fields| fields.get(key));
    let is_meant = |key| fields.as_ref().is_some_and(|fields| fields.is_meant(key));
    let said = field("port").map(|cursor| port(reader, cursor));
    let port = said.flatten().unwrap_or(DEFAULT_PORT);
    let transport = match field("peer") {
        None if is_meant("peer") => return None,
        None => Transport::Multicast(SocketAddrV4::new(group, port)),
        Some(cursor) => Transport::Unicast(SocketAddrV4::new(peer(reader, cursor)?, port)),
    };
    let certain = said.map_or(!is_meant("port"), |port| port.is_some());
    Some(Read { link: Link { interface: name.to_owned(), transport, path: cursor.path.clone() }, certain })
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

fn peer(reader: &mut Reader<'_>, cursor: &Cursor<'_>) -> Option<Ipv4Addr> {
    let address = reader.ipv4(cursor)?;
    if address.is_multicast() {
        let remedy = "for multicast leave 'peer' out and set 'mcast-group'";
        reader.note(cursor, Part::Value, &format!("{address} is a multicast address"), remedy);
        return None;
    }
    if address.is_unspecified() || address.is_broadcast() {
        let remedy = "give the other router's address on this link";
        reader.note(cursor, Part::Value, &format!("{address} is no host"), remedy);
        return None;
    }
    Some(address)
}

fn listen(reader: &mut Reader<'_>, cursor: &Cursor<'_>, links: &[Link]) -> Vec<Listen> {
    let mut listen: Vec<Listen> = Vec::new();
    for item in reader.items(cursor) {
        let Some(address) = reader.ipv4(&item) else { continue };
        let is_peer =
            |link: &Link| matches!(link.transport, Transport::Unicast(peer) if *peer.ip() == address);
        if listen.iter().any(|other| other.address == address) {
            reader.note(&item, Part::Value, &format!("{address} is there twice"), "write it once");
        } else if let Some(link) = links.iter().find(|link| is_peer(link)) {
            let reason = format!("{address} is the peer of {}, so it is not ours", link.interface);
            reader.note(&item, Part::Value, &reason, "give this router's own address on the link");
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

fn protocols(reader: &mut Reader<'_>, cursor: &Cursor<'_>) -> Vec<Protocol> {
    let mut accepted = Vec::new();
    for item in reader.items(cursor) {
        let Some(word) = reader.text_of(&item, "name a protocol: tcp, udp, icmp, icmp6, sctp or dccp") else {
            continue;
        };
        match PROTOCOLS.iter().find(|(name, _)| *name == word) {
            Some((_, protocol)) if accepted.contains(protocol) => {
                reader.note(&item, Part::Value, &format!("'{word}' is there twice"), "write it once");
            }
            Some((_, protocol)) => accepted.push(*protocol),
            None => {
                let reason = format!("unknown protocol '{word}'");
                reader.note(&item, Part::Value, &reason, &protocol_remedy(&word));
            }
        }
    }
    accepted
}

fn protocol_remedy(word: &str) -> String {
    let lower = word.to_lowercase();
    if ["icmpv6", "ipv6-icmp", "icmp-v6"].contains(&lower.as_str()) {
        return "write icmp6".to_owned();
    }
    if PROTOCOLS.iter().any(|(name, _)| *name == lower) {
        return format!("write {lower}");
    }
    if lower.contains(',') {
        return "write a list: [tcp, udp]".to_owned();
    }
    "allowed are tcp, udp, icmp, icmp6, sctp and dccp; without the key, all protocols".to_owned()
}

fn networks(reader: &mut Reader<'_>, cursor: &Cursor<'_>) -> Vec<Network> {
    let mut ignored = Vec::new();
    for item in reader.items(cursor) {
        let remedy = "write an address or a network: 192.0.2.1, 192.0.2.0/24, 2001:db8::/32";
        let Some(word) = reader.text_of(&item, remedy) else { continue };
        match network(&word) {
            Ok(network) if ignored.contains(&network) => {
                reader.note(&item, Part::Value, &format!("'{word}' is there twice"), "write it once");
            }
            Ok(network) => ignored.push(network),
            Err(reason) => reader.note(&item, Part::Value, &reason, remedy),
        }
    }
    ignored
}

fn network(word: &str) -> Result<Network, String> {
    let (address, prefix) = match word.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (word, None),
    };
    let ip: IpAddr = address.parse().map_err(|_| format!("'{word}' is no address and no network"))?;
    let (family, longest) = if ip.is_ipv4() { (Family::V4, 32) } else { (Family::V6, 128) };
    let prefix = match prefix {
        None => longest,
        Some(prefix) => prefix
            .parse()
            .ok()
            .filter(|bits| *bits <= longest)
            .ok_or_else(|| format!("'/{prefix}' is no prefix length of 0 to {longest}"))?,
    };
    Network::new(family, ip.into(), prefix).ok_or_else(|| format!("'{word}' is no network"))
}

fn failover(reader: &mut Reader<'_>, cursor: &Cursor<'_>) -> (String, Option<PathBuf>) {
    let nothing = (String::new(), None);
    let Some(mechanisms) = reader.fields(cursor, &["vrrp"]) else { return nothing };
    let Some(vrrp) = mechanisms.get("vrrp") else {
        let remedy = "add 'vrrp: { sync-group: NAME }': vrrp is the only mechanism";
        reader.note(cursor, Part::Key, "no failover mechanism", remedy);
        return nothing;
    };
    let Some(fields) = reader.fields(vrrp, &["sync-group", "notify-fifo"]) else { return nothing };
    let sync_group = match fields.get("sync-group") {
        Some(cursor) => sync_group(reader, cursor),
        None => {
            let remedy = "add 'sync-group: NAME', the name of keepalived's vrrp_sync_group";
            reader.note(vrrp, Part::Key, "no VRRP sync-group defined", remedy);
            String::new()
        }
    };
    let fifo = fields.get("notify-fifo").and_then(|cursor| {
        let remedy = "give the absolute path of keepalived's vrrp_notify_fifo";
        let path = PathBuf::from(reader.text_of(cursor, remedy)?);
        if !path.is_absolute() || path.file_name().is_none() {
            reader.note(cursor, Part::Value, &format!("'{}' is no absolute path", path.display()), remedy);
        }
        Some(path)
    });
    (sync_group, fifo)
}

fn sync_group(reader: &mut Reader<'_>, cursor: &Cursor<'_>) -> String {
    let remedy = "write the name of keepalived's vrrp_sync_group";
    let name = reader.text_of(cursor, remedy).unwrap_or_default();
    // keepalived writes the name between quotes and escapes nothing.
    if name.contains(['"', '\n']) {
        reader.note(cursor, Part::Value, "the name holds a quote or a line break", remedy);
    } else if name.is_empty() && matches!(cursor.node, Node::Text(_)) {
        reader.note(cursor, Part::Value, "the name is empty", remedy);
    }
    name
}

/// VyOS's switch without a value. A router that starts always asks for everything the peer has; what cannot be is the
/// contrary.
fn startup_resync(reader: &mut Reader<'_>, cursor: &Cursor<'_>) {
    let switch = matches!(cursor.node, Node::Nothing | Node::Truth(_))
        || matches!(cursor.node, Node::Map(entries) if entries.is_empty());
    if !switch {
        let remedy = "write 'startup-resync: true', or leave it out: it is always done";
        reader.note(cursor, Part::Value, "this is no switch", remedy);
    } else if *cursor.node == Node::Truth(false) {
        let reason = "a router that starts always asks for the peer's flows; that cannot be switched off";
        reader.note(cursor, Part::Value, reason, "leave it out");
    }
}

fn megabytes(reader: &mut Reader<'_>, cursor: Option<&Cursor<'_>>, default: usize) -> usize {
    let bytes = |mb: usize| mb << 20;
    let Some(cursor) = cursor else { return bytes(default) };
    let remedy = format!("write a number of megabytes from 1 to {MAX_BUFFER_MB}; without it, {default}");
    let Some(number) = reader.whole(cursor, &remedy) else { return bytes(default) };
    match usize::try_from(number) {
        Ok(mb) if (1..=MAX_BUFFER_MB).contains(&number) => bytes(mb),
        _ => {
            reader.note(cursor, Part::Value, &format!("{number} MB is no size for a queue"), &remedy);
            bytes(default)
        }
    }
}

fn cache_limit(reader: &mut Reader<'_>, cursor: &Cursor<'_>) -> Option<u32> {
    let (least, most) = (CACHE_LIMITS.start(), CACHE_LIMITS.end());
    let remedy = format!(
        "write a number of flows from {least} to {most}; without it, twice nf_conntrack_max, at least 524288"
    );
    let number = reader.whole(cursor, &remedy)?;
    let limit = u32::try_from(number).ok().filter(|limit| CACHE_LIMITS.contains(limit));
    if limit.is_none() {
        reader.note(cursor, Part::Value, &format!("{number} flows is no limit for a cache"), &remedy);
    }
    limit
}
