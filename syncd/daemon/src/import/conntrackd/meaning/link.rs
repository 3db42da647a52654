//! The blocks `Multicast`, `UDP` and `TCP`: one dedicated link each. Tested through `import/tests.rs`.

use std::net::IpAddr;

use super::{Node, UNKNOWN, is_on, megabytes, tell};
use crate::import::Fate;
use crate::import::Verdict::{self, Better, NotCarried, Same};
use crate::import::draft::Draft;

/// Takes one block.
pub(super) fn take(draft: &mut Draft, node: &Node, kind: &str, inside: &[Node], fates: &mut Vec<Fate>) {
    let name = node.words.first().map_or("", String::as_str);
    let above = &["Sync", name];
    if kind == "tcp" {
        let reason =
            "syncd speaks UDP, which is made of it: FTFW asks for what was lost; set the other router too";
        tell(fates, &["Sync"], node, (NotCarried, reason));
    }
    let Some(interface) = inside.iter().find(|node| node.is("interface")).map(|node| node.value().to_owned())
    else {
        let reason = "it names no interface: conntrackd takes any, syncd must be told";
        return tell(fates, &["Sync"], node, (NotCarried, reason));
    };
    if draft.link(&interface).is_none() {
        return tell(fates, &["Sync"], node, (NotCarried, format!("'{interface}' cannot be an interface")));
    }
    for node in inside {
        let fate = key(draft, node, kind, &interface);
        tell(fates, above, node, fate);
    }
    if node.words.iter().any(|word| word.eq_ignore_ascii_case("default")) {
        // The first link is the one that is used first.
        let at = draft.links.iter().position(|link| link.interface == interface).unwrap_or(0);
        draft.links[..=at].rotate_right(1);
        tell(fates, &["Sync"], node, (Same, "it is the first in the list"));
    }
}

fn key(draft: &mut Draft, node: &Node, kind: &str, interface: &str) -> (Verdict, String) {
    let same = |reason: &str| (Same, reason.to_owned());
    let multicast = kind == "multicast";
    let key = node.words.first().map_or("", String::as_str).to_lowercase();
    match key.as_str() {
        "interface" => same("interface"),
        "ipv4_address" | "ipv6_address" if multicast => group(draft, node.value()),
        "ipv4_address" | "ipv6_address" => match node.value().parse() {
            Ok(address) => {
                Draft::add(&mut draft.listen, address);
                same("listen-address")
            }
            Err(_) => no_address(node),
        },
        // Its own manual spells one of them so.
        "ipv4_destination_address" | "ipv6_destination_address" | "ipv6_destionation_address" => {
            match (node.value().parse(), draft.link(interface)) {
                (Ok(peer), Some(link)) => {
                    link.peer = Some(peer);
                    same("peer")
                }
                _ => no_address(node),
            }
        }
        "ipv4_interface" | "ipv6_interface" => same("the interface's address, without being told"),
        "group" | "port" => match (node.value().parse(), draft.link(interface)) {
            (Ok(port), Some(link)) if port != 0 => {
                // The default needs no word.
                link.port = Some(port).filter(|port| *port != crate::config::keys::DEFAULT_PORT);
                same("port")
            }
            _ => (NotCarried, format!("'{}' is no port", node.value())),
        },
        "sndsocketbuffer" | "rcvsocketbuffer" => megabytes(draft, "sync-queue-size", node.value()),
        "checksum" if is_on(node) => same("always"),
        "checksum" => (Better, "always on: what is damaged on the way is asked for again".to_owned()),
        _ => (UNKNOWN.0, UNKNOWN.1.to_owned()),
    }
}

/// One group for all links.
fn group(draft: &mut Draft, text: &str) -> (Verdict, String) {
    match text.parse::<IpAddr>() {
        Ok(group) if !group.is_multicast() => (NotCarried, format!("{group} is no multicast address")),
        Ok(group) if draft.group.is_some_and(|known| known != group) => {
            let reason =
                "all links have the group of the first: give each a port of its own, on both routers";
            (NotCarried, reason.to_owned())
        }
        Ok(group) => {
            draft.group = Some(group);
            (Same, "mcast-group".to_owned())
        }
        Err(_) => (NotCarried, format!("'{text}' is no address")),
    }
}

fn no_address(node: &Node) -> (Verdict, String) {
    (NotCarried, format!("'{}' is no address", node.value()))
}
