//! From the tree to a [`Config`], collecting every problem on the way.
//!
//! Each key has one reader. A reader that meets a problem notes it and returns a harmless value, so that the next
//! keys are read too; the values are used only when nothing was noted. Never looks at the machine.
//! Tested in `tests.rs` beside it.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use syncd_core::filter::{Filter, Network};
use syncd_core::flow::{Family, Protocol};

use super::node::{Node, Part, Source};
use super::problem::{Invalid, Problem};
use super::tree::{Cursor, Fields, Noted, Reader};
use super::{Config, Failover, Link, Transport, expect, foreign, keys, links, metrics, node};
use crate::journal::Level;

const ACCEPTED: &[(&str, Protocol)] = &[
    ("tcp", Protocol::TCP),
    ("udp", Protocol::UDP),
    ("icmp", Protocol::ICMP),
    ("icmp6", Protocol::ICMP6),
    ("sctp", Protocol::SCTP),
    ("dccp", Protocol::DCCP),
];

/// Reads a whole file.
pub(super) fn config(file: &Path, text: &str) -> Result<Config, Invalid> {
    let parsed = node::parse(text);
    if !matches!(&parsed, Ok(Node::Map(entries)) if entries.iter().any(|(key, _)| key == keys::TOP))
        && let Some(problem) = foreign::recognise(file, text)
    {
        return Err(Invalid::new(file, text, vec![problem], 0));
    }
    let root = parsed.map_err(|error| Invalid::new(file, text, vec![syntax(text, &error)], 0))?;
    let source = Source::new(text.to_owned());
    let mut reader = Reader::new(&source);
    let config = top(&mut reader, file, &Cursor::root(&root));
    let Noted { problems, unshown, remarks } = reader.into_noted();
    match config {
        Some(config) if problems.is_empty() => Ok(Config { remarks, ..config }),
        _ => Err(Invalid::new(file, text, problems, unshown)),
    }
}

/// A syntax error with the remedy for what is usually behind it.
fn syntax(text: &str, error: &node::SyntaxError) -> Problem {
    let line = error.place.and_then(|place| text.lines().nth(place.line - 1)).unwrap_or("");
    let remedy = if line.contains('\t') {
        "indent with blanks: YAML takes no tabs there"
    } else if line.contains("]:") {
        "put an IPv6 address with a port in quotes: \"[::1]:9716\""
    } else if error.reason.contains("duplicate") {
        "write each key once"
    } else if error.reason.contains("aliases") || error.reason.contains("repetition") {
        "write out what is meant, without '&' and '*'"
    } else if error.reason.contains("it opens more than") {
        "no configuration of syncd needs nearly as many: is it one?"
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
    if is_without_top(root.node) {
        let remedy = "begin with a line 'conntrack-sync:' and indent all that follows";
        reader.note(root, Part::Value, "'conntrack-sync' is missing above these keys", remedy);
        return None;
    }
    let sections = reader.sections(root)?;
    let Some(section) = sections.get(keys::TOP) else {
        if sections.is_meant(keys::TOP) {
            return None;
        }
        reader.note(root, Part::Value, "'conntrack-sync' is missing", "put all keys below 'conntrack-sync:'");
        return None;
    };
    let fields = reader.fields(section, "", |_| None)?;
    let group = links::group(reader, fields.get("mcast-group"));
    let links = interfaces(reader, section, &fields, group);
    let list = |key| fields.get(key);
    let listen = list("listen-address").map_or_else(Vec::new, |cursor| links::listen(reader, cursor, &links));
    let accepted = list("accept-protocol").map_or_else(Vec::new, |cursor| protocols(reader, cursor));
    let ignored = list("ignore-address").map_or_else(Vec::new, |cursor| networks(reader, cursor));
    let expect_sync = list("expect-sync").map_or_else(Vec::new, |cursor| expect::words(reader, cursor));
    let failover = match fields.get("failover-mechanism") {
        Some(cursor) => failover(reader, cursor),
        None if fields.is_meant("failover-mechanism") => Failover::default(),
        None => {
            let remedy = "add 'failover-mechanism: { vrrp: { sync-group: NAME } }'";
            reader.note(section, Part::Key, "no VRRP sync-group defined", remedy);
            Failover::default()
        }
    };
    let seconds = |reader: &mut Reader<'_>, key| number(reader, fields.get(key), key);
    let (commit_timeout, peer_timeout) = (seconds(reader, "commit-timeout"), seconds(reader, "peer-timeout"));
    let purge_timeout = seconds(reader, "purge-timeout");
    let event = number(reader, fields.get("event-listen-queue-size"), "event-listen-queue-size");
    let channel = number(reader, fields.get("sync-queue-size"), "sync-queue-size");
    let log = log(reader, &fields);
    without_effect(reader, &fields);
    let metrics = fields.get("metrics").and_then(|cursor| metrics::section(reader, cursor));
    let path = |key| fields.get(key).map(|cursor| cursor.path.clone()).unwrap_or_default();
    Some(Config {
        links,
        listen,
        filter: Filter::new(accepted, ignored).with_helpers(expect::helpers(&expect_sync)),
        expect_sync,
        failover,
        event_buffer: event.map_or(keys::DEFAULT_EVENT_MB, megabytes) << 20,
        channel_buffer: channel.map_or(keys::DEFAULT_CHANNEL_MB, megabytes) << 20,
        cache_limit: number(reader, fields.get("cache-limit"), "cache-limit"),
        commit_timeout,
        peer_timeout,
        purge_timeout,
        preload: preload(reader, &fields),
        preload_path: path("disable-external-cache"),
        purge_path: path("purge-timeout"),
        gate: !fields.get("disable-gate").is_some_and(|cursor| switch(reader, cursor)),
        log,
        metrics,
        remarks: Vec::new(),
        file: file.to_owned(),
        source: reader.source().clone(),
    })
}

/// Whether keys that belong below the one at the top are there without it.
fn is_without_top(root: &Node) -> bool {
    let Node::Map(entries) = root else { return false };
    let is = |name: &str| entries.iter().any(|(key, _)| key == name);
    !is(keys::TOP) && keys::below("").into_iter().any(is)
}

/// The dedicated links; `group` is that of those without a peer.
fn interfaces(
    reader: &mut Reader<'_>,
    section: &Cursor<'_>,
    fields: &Fields<'_>,
    group: IpAddr,
) -> Vec<Link> {
    let Some(cursor) = fields.get("interface") else {
        if fields.is_meant("interface") {
            return Vec::new();
        }
        let remedy = "name the dedicated link: 'interface: { eth2: {} }'";
        reader.note(section, Part::Key, "no interface", remedy);
        return Vec::new();
    };
    let links = links::links(reader, cursor, group);
    if let Some(cursor) = fields.get("mcast-group")
        && !links.is_empty()
        && links.iter().all(|link| matches!(link.transport, Transport::Unicast(_)))
    {
        let remedy = "leave it out, or give no interface a peer";
        reader.remark(cursor, Part::Key, "every interface has a peer, so no group is used", remedy);
    }
    links
}

/// Whether the peer's flows are kept in the kernel while this router stands by.
fn preload(reader: &mut Reader<'_>, fields: &Fields<'_>) -> bool {
    let preload = fields.get("disable-external-cache").is_some_and(|cursor| switch(reader, cursor));
    if let Some(cursor) = fields.get("purge-timeout").filter(|_| preload) {
        let reason = "with disable-external-cache nothing waits for it: what the other router has no more goes at once";
        reader.remark(cursor, Part::Key, reason, "leave it out");
    }
    preload
}

/// What the daemon says: no level when it shall say nothing.
fn log(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Level> {
    let off = fields.get("disable-syslog").is_some_and(|cursor| switch(reader, cursor));
    let Some(cursor) = fields.get("log-level") else { return (!off).then_some(Level::Info) };
    let remedy = "write error, warn or info; without it, info";
    let word = reader.text_of(cursor, remedy)?;
    let Some(level) = Level::named(&word) else {
        reader.note(cursor, Part::Value, &format!("there is no log level '{word}'"), remedy);
        return None;
    };
    if off {
        reader.note(cursor, Part::Key, "disable-syslog and a log-level", "write one of both");
    }
    Some(level)
}

/// Keys that are read, checked, and mean nothing here, with what happens instead.
fn without_effect(reader: &mut Reader<'_>, fields: &Fields<'_>) {
    if let Some(cursor) = fields.get("startup-resync") {
        startup_resync(reader, cursor);
    }
}

fn protocols(reader: &mut Reader<'_>, cursor: &Cursor<'_>) -> Vec<Protocol> {
    let mut accepted = Vec::new();
    for item in reader.items(cursor) {
        let Some(word) = reader.text_of(&item, "name a protocol: tcp, udp, icmp, icmp6, sctp or dccp") else {
            continue;
        };
        match ACCEPTED.iter().find(|(name, _)| *name == word) {
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
    if matches!(cursor.node, Node::List(items) if items.is_empty()) {
        reader.remark(
            cursor,
            Part::Key,
            "an empty list: all protocols are replicated",
            "leave it out, or name protocols",
        );
    }
    accepted
}

fn protocol_remedy(word: &str) -> String {
    let lower = word.to_lowercase();
    if ["icmpv6", "ipv6-icmp", "icmp-v6"].contains(&lower.as_str()) {
        return "write icmp6".to_owned();
    }
    if ACCEPTED.iter().any(|(name, _)| *name == lower) {
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
            Ok(network) => {
                if network.prefix() == 0 {
                    let family = if network.family() == Family::V6 { "IPv6" } else { "IPv4" };
                    let reason = format!("{word} is every address: no flow of {family} is replicated");
                    reader.remark(&item, Part::Value, &reason, "leave it out, unless that is meant");
                }
                ignored.push(network);
            }
            Err(reason) => reader.note(&item, Part::Value, &reason, remedy),
        }
    }
    ignored
}

pub(super) fn network(word: &str) -> Result<Network, String> {
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

fn failover(reader: &mut Reader<'_>, cursor: &Cursor<'_>) -> Failover {
    let whole = |_: &Node| Some("failover-mechanism: { vrrp: { sync-group: NAME } }".to_owned());
    let Some(mechanisms) = reader.fields(cursor, "failover-mechanism", whole) else {
        return Failover::default();
    };
    let Some(vrrp) = mechanisms.get("vrrp") else {
        if mechanisms.is_meant("vrrp") {
            return Failover::default();
        }
        let remedy = "add 'vrrp: { sync-group: NAME }': vrrp is the only mechanism";
        reader.note(cursor, Part::Key, "no failover mechanism", remedy);
        return Failover::default();
    };
    let named = |node: &Node| {
        let name = if let Node::Text(name) = node { name } else { "NAME" };
        Some(format!("vrrp: {{ sync-group: {name} }}"))
    };
    let Some(fields) = reader.fields(vrrp, "failover-mechanism.vrrp", named) else {
        return Failover::default();
    };
    let (sync_group, path) = match fields.get("sync-group") {
        Some(cursor) => (sync_group(reader, cursor), cursor.path.clone()),
        None if fields.is_meant("sync-group") => (String::new(), Vec::new()),
        None => {
            let remedy = "add 'sync-group: NAME', the name of keepalived's vrrp_sync_group";
            reader.note(vrrp, Part::Key, "no VRRP sync-group defined", remedy);
            (String::new(), Vec::new())
        }
    };
    let fifo = fields.get("notify-fifo");
    let fifo = fifo.and_then(|cursor| absolute(reader, cursor, "keepalived's vrrp_notify_fifo"));
    let config = fields.get("keepalived-config");
    let config = config.and_then(|cursor| absolute(reader, cursor, "the file that keepalived reads"));
    let track_file = fields.get("track-file");
    let track_file = track_file.and_then(|cursor| {
        let file = absolute(reader, cursor, "keepalived's track_file")?;
        if fifo.as_ref() == Some(&file) {
            let remedy =
                "give the track_file another name: keepalived writes into the one and reads the other";
            reader.note(cursor, Part::Value, "notify-fifo has the same path", remedy);
        }
        Some(file)
    });
    if let Some(cursor) = fields.get("ready-timeout").filter(|_| track_file.is_none()) {
        let remedy = "add a track-file, or leave it out";
        reader.remark(cursor, Part::Key, "without a track-file keepalived does not wait", remedy);
    }
    let timeout = "failover-mechanism.vrrp.ready-timeout";
    let timeout = number(reader, fields.get("ready-timeout"), timeout).unwrap_or(keys::DEFAULT_READY_TIMEOUT);
    Failover {
        sync_group,
        path,
        notify_fifo: fifo,
        track_file,
        ready_timeout: Duration::from_secs(u64::from(timeout)),
        keepalived_config: config,
    }
}

fn absolute(reader: &mut Reader<'_>, cursor: &Cursor<'_>, what: &str) -> Option<PathBuf> {
    let remedy = format!("give the absolute path of {what}");
    let path = PathBuf::from(reader.text_of(cursor, &remedy)?);
    if !path.is_absolute() || path.file_name().is_none() {
        reader.note(cursor, Part::Value, &format!("'{}' is no absolute path", path.display()), &remedy);
    }
    Some(path)
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
    if *cursor.node == Node::Truth(false) {
        let reason = "a router that starts always asks for the peer's flows; that cannot be switched off";
        reader.note(cursor, Part::Value, reason, "leave it out");
    } else {
        switch(reader, cursor);
    }
}

/// A flag as VyOS writes it: without a value it is on.
fn switch(reader: &mut Reader<'_>, cursor: &Cursor<'_>) -> bool {
    match cursor.node {
        Node::Truth(on) => *on,
        Node::Nothing => true,
        Node::Map(entries) if entries.is_empty() => true,
        _ => {
            let remedy = format!("write '{}: true', or leave it out", cursor.key());
            reader.note(cursor, Part::Value, "this is no switch", &remedy);
            false
        }
    }
}

/// A whole number in the range that the table of keys gives it; none where it is absent or wrong.
fn number(reader: &mut Reader<'_>, cursor: Option<&Cursor<'_>>, path: &str) -> Option<u32> {
    let cursor = cursor?;
    let key = keys::key(path);
    let remedy = format!("write {}; without it, {}", key.value.describe(), key.default);
    let number = reader.whole(cursor, &remedy)?;
    let (least, most) = keys::range(path);
    if !(least..=most).contains(&number) {
        reader.note(cursor, Part::Value, &format!("{number} is out of range"), &remedy);
        return None;
    }
    u32::try_from(number).ok()
}

/// From a number of the table, which fits.
const fn megabytes(mb: u32) -> usize {
    mb as usize
}
