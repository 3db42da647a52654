//! VyOS's `show configuration commands`: the lines `set service conntrack-sync ...`, of new versions and old ones.
//!
//! Other lines are passed over. Tested through `tests.rs`.

use std::net::IpAddr;

use anyhow::bail;

use super::draft::Draft;
use super::{Fate, Imported, Verdict, Wiring};
use crate::config::{self, keys};

/// Makes ours of it.
///
/// # Errors
///
/// When there is no line of conntrack-sync.
pub(super) fn import(text: &str, wiring: &Wiring) -> anyhow::Result<Imported> {
    let mut draft = Draft::default();
    let (mut fates, mut is_listing) = (Vec::new(), false);
    for (number, line) in (1..).zip(text.lines()) {
        let words = words(line);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let [verb @ ("set" | "delete"), "service", "conntrack-sync", rest @ ..] = words.as_slice() else {
            continue;
        };
        if *verb == "delete" {
            // In the order of a session it would undo lines before it; a listing has none.
            let reason = "what is set stays: give the output of 'show configuration commands', not the commands of a session";
            fates.push(Fate::new(number, words.join(" "), Verdict::NotCarried, reason));
            continue;
        }
        is_listing = true;
        let (verdict, reason) = take(&mut draft, rest);
        fates.push(Fate::new(number, rest.join(" "), verdict, reason));
    }
    if !is_listing {
        bail!(
            "there is no line 'set service conntrack-sync ...'; give the output of VyOS's 'show configuration commands'"
        );
    }
    draft.notify_fifo.clone_from(&wiring.notify_fifo);
    if let Some(group) = &wiring.sync_group {
        draft.sync_group = Some(group.clone());
    }
    Ok(Imported { yaml: draft.yaml("VyOS"), fates, lacks_group: draft.sync_group.is_none() })
}

/// A line's words, without quotes.
fn words(line: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let (mut within, mut quote): (bool, Option<char>) = (false, None);
    for c in line.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            None if c == '\'' || c == '"' => {
                quote = Some(c);
                if !within {
                    words.push(String::new());
                }
                within = true;
            }
            None if c.is_whitespace() => within = false,
            _ => {
                if !within {
                    words.push(String::new());
                }
                within = true;
                if let Some(word) = words.last_mut() {
                    word.push(c);
                }
            }
        }
    }
    words
}

/// What one line means here.
fn take(draft: &mut Draft, words: &[&str]) -> (Verdict, String) {
    use Verdict::{Better, NotCarried, Same};
    let same = |reason: &str| (Same, reason.to_owned());
    match words {
        ["accept-protocol", list] => protocols(draft, list),
        ["expect-sync", word] => match keys::HELPERS.iter().find(|helper| *helper == word) {
            Some(helper) => {
                Draft::add(&mut draft.helpers, helper);
                same("expect-sync")
            }
            None => (NotCarried, format!("there is no helper {word}")),
        },
        ["ignore-address", "ipv4" | "ipv6", network] | ["ignore-address", network] => {
            if config::is_network(network) {
                Draft::add(&mut draft.ignored, (*network).to_owned());
                same("ignore-address")
            } else {
                (NotCarried, format!("'{network}' is no address and no network"))
            }
        }
        ["interface", name, rest @ ..] => interface(draft, name, rest),
        ["listen-address", address] => match address.parse() {
            Ok(address) => {
                Draft::add(&mut draft.listen, address);
                same("listen-address")
            }
            Err(_) => (NotCarried, format!("'{address}' is no address")),
        },
        ["mcast-group", group] => match group.parse::<IpAddr>() {
            Ok(group) if group.is_multicast() => {
                draft.group = Some(group);
                same("mcast-group")
            }
            _ => (NotCarried, format!("'{group}' is no multicast address")),
        },
        ["failover-mechanism", "vrrp", "sync-group", name] => {
            draft.sync_group = Some((*name).to_owned());
            (
                Same,
                "sync-group; keepalived tells the role by its notify FIFO, or a script by 'syncd role'"
                    .to_owned(),
            )
        }
        ["failover-mechanism", ..] => {
            (NotCarried, "vrrp is the only mechanism, here and in today's VyOS".to_owned())
        }
        ["event-listen-queue-size", size] => number(draft, "event-listen-queue-size", size),
        ["sync-queue-size", size] => number(draft, "sync-queue-size", size),
        ["purge-timeout", seconds] => match number(draft, "purge-timeout", seconds) {
            (Same, key) => (Better, format!("{key}; what this router has alone is spared")),
            refused => refused,
        },
        ["startup-resync"] => (Better, "always done, so the key is left out".to_owned()),
        ["disable-syslog"] => {
            Draft::add(&mut draft.switches, "disable-syslog");
            same("disable-syslog")
        }
        ["disable-external-cache"] => {
            Draft::add(&mut draft.switches, "disable-external-cache");
            let reason = "disable-external-cache; updates and ends reach the kernel too, no flow dies early, the cache is still shown";
            (Better, reason.to_owned())
        }
        _ => (NotCarried, "unknown here: 'syncd explain' lists the keys".to_owned()),
    }
}

/// VyOS 1.2 wrote a list with commas.
fn protocols(draft: &mut Draft, list: &str) -> (Verdict, String) {
    let mut unknown = Vec::new();
    for word in list.split(',').map(str::trim) {
        // As VyOS's documentation had it once.
        let word = if word == "ipv6-icmp" { "icmp6" } else { word };
        match keys::PROTOCOLS.iter().find(|known| **known == word) {
            Some(known) => Draft::add(&mut draft.protocols, known),
            None => unknown.push(word),
        }
    }
    if unknown.is_empty() {
        (Verdict::Same, "accept-protocol".to_owned())
    } else {
        (Verdict::NotCarried, format!("there is no word for {}", unknown.join(", ")))
    }
}

fn interface(draft: &mut Draft, name: &str, rest: &[&str]) -> (Verdict, String) {
    use Verdict::{NotCarried, Same};
    let Some(link) = draft.link(name) else {
        return (NotCarried, format!("'{name}' cannot be an interface"));
    };
    match rest {
        [] => (Same, "interface".to_owned()),
        ["peer", peer] => match peer.parse() {
            Ok(peer) => {
                link.peer = Some(peer);
                (Same, format!("interface.{name}.peer"))
            }
            Err(_) => (NotCarried, format!("'{peer}' is no address")),
        },
        ["port", port] => match port.parse() {
            Ok(port) if port != 0 => {
                link.port = Some(port);
                (Same, format!("interface.{name}.port"))
            }
            _ => (NotCarried, format!("'{port}' is no port")),
        },
        _ => (NotCarried, "unknown here: an interface has peer and port".to_owned()),
    }
}

/// VyOS lets any text stand here, and conntrackd makes 0 of it.
fn number(draft: &mut Draft, key: &'static str, text: &str) -> (Verdict, String) {
    let (least, most) = keys::range(key);
    match text.parse::<i64>().ok().filter(|number| (least..=most).contains(number)) {
        Some(number) => {
            draft.number(key, number.unsigned_abs());
            (Verdict::Same, key.to_owned())
        }
        None => {
            let reason = format!(
                "'{text}' is no number from {least} to {most}: the default, {}",
                keys::key(key).default
            );
            (Verdict::NotCarried, reason)
        }
    }
}
