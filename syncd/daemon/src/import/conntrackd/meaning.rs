//! What each key of a `conntrackd.conf` means here. Tested through `import/tests.rs`.

mod link;

use super::blocks::Node;
use crate::config::{self, keys};
use crate::import::Fate;
use crate::import::Verdict::{self, Better, NotCarried, Same};
use crate::import::draft::Draft;

/// The keys above, for messages.
type Above<'a> = &'a [&'a str];

/// Takes one node and what is in it.
pub(super) fn take(draft: &mut Draft, node: &Node, fates: &mut Vec<Fate>) {
    let key = node.words.first().map_or("", String::as_str);
    match (key.to_lowercase().as_str(), &node.block) {
        ("sync", Some(inside)) => inside.iter().for_each(|node| sync(draft, node, fates)),
        ("general", Some(inside)) => inside.iter().for_each(|node| general(draft, node, fates)),
        ("helper", Some(_)) => {
            let reason =
                "user-space helpers stay conntrackd's: run it for them, in a unit of its own, without 'Sync'";
            tell(fates, &[], node, (NotCarried, reason));
        }
        ("stats", Some(_)) => {
            tell(
                fates,
                &[],
                node,
                (NotCarried, "statistics of ended flows are no part of replication; use ulogd"),
            );
        }
        _ => tell(fates, &[], node, UNKNOWN),
    }
}

const UNKNOWN: (Verdict, &str) = (NotCarried, "unknown to this import");

fn tell(
    fates: &mut Vec<Fate>,
    above: Above<'_>,
    node: &Node,
    (verdict, reason): (Verdict, impl Into<String>),
) {
    let words: Vec<&str> = above.iter().copied().chain(node.words.iter().map(String::as_str)).collect();
    fates.push(Fate::new(node.line, words.join(" "), verdict, reason));
}

fn is_on(node: &Node) -> bool {
    ["on", "yes"].iter().any(|word| node.value().eq_ignore_ascii_case(word))
}

fn sync(draft: &mut Draft, node: &Node, fates: &mut Vec<Fate>) {
    let above = &["Sync"];
    let key = node.words.first().map_or("", String::as_str).to_lowercase();
    match (key.as_str(), &node.block) {
        ("mode", inside) => {
            let name = node.value();
            let fate = if name.eq_ignore_ascii_case("ftfw") {
                (Same, "syncd speaks FTFW")
            } else {
                (NotCarried, "syncd speaks FTFW only: set the other router to 'Mode FTFW' in the same moment")
            };
            tell(fates, above, node, fate);
            let above = &["Sync", "Mode", name];
            inside.iter().flatten().for_each(|node| mode(draft, node, above, fates));
        }
        (kind @ ("multicast" | "udp" | "tcp"), Some(inside)) => {
            link::take(draft, node, kind, inside, fates);
        }
        ("options", Some(inside)) => inside.iter().for_each(|node| option(draft, node, fates)),
        _ => tell(fates, above, node, UNKNOWN),
    }
}

fn mode(draft: &mut Draft, node: &Node, above: Above<'_>, fates: &mut Vec<Fate>) {
    let key = node.words.first().map_or("", String::as_str).to_lowercase();
    let fate = match key.as_str() {
        "resendqueuesize" => {
            (Better, "what was not acknowledged is never forgotten, however much it is".to_owned())
        }
        "ackwindowsize" => (Better, "acknowledged by time and by number, without a setting".to_owned()),
        "refreshtime" | "cachetimeout" => {
            (Better, "what is lost is asked for; nothing is repeated or forgotten by a timer".to_owned())
        }
        "committimeout" => number(draft, "commit-timeout", node.value()),
        "purgetimeout" => match number(draft, "purge-timeout", node.value()) {
            (Same, key) => (Better, format!("{key}; what this router has alone is spared")),
            refused => refused,
        },
        "startupresync" if is_on(node) => (Better, "always done".to_owned()),
        "startupresync" => (NotCarried, "a router that starts always asks for the peer's flows".to_owned()),
        "disableexternalcache" if is_on(node) => {
            Draft::add(&mut draft.switches, "disable-external-cache");
            let reason = "disable-external-cache; updates and ends reach the kernel too, no flow dies early, the cache is still shown";
            (Better, reason.to_owned())
        }
        "disableinternalcache" if is_on(node) => {
            (NotCarried, "the internal cache is what is sent again when it was lost".to_owned())
        }
        "disableexternalcache" | "disableinternalcache" => (Same, "as always".to_owned()),
        _ => (UNKNOWN.0, UNKNOWN.1.to_owned()),
    };
    tell(fates, above, node, fate);
}

fn option(draft: &mut Draft, node: &Node, fates: &mut Vec<Fate>) {
    let above = &["Sync", "Options"];
    let key = node.words.first().map_or("", String::as_str).to_lowercase();
    match (key.as_str(), &node.block) {
        ("tcpwindowtracking", _) if is_on(node) => {
            let reason = "window scales are sent; a committed flow is followed as without it (be liberal)";
            tell(fates, above, node, (Better, reason));
        }
        ("tcpwindowtracking", _) => tell(fates, above, node, (Better, "window scales are sent")),
        ("expectationsync", Some(helpers)) => {
            let above = &["Sync", "Options", "ExpectationSync"];
            for helper in helpers {
                let word = match helper.words.first().map_or("", String::as_str).to_lowercase().as_str() {
                    "ftp" => Some("ftp"),
                    "sip" => Some("sip"),
                    "ras" | "q.931" | "h.245" | "h323" => Some("h323"),
                    "rpc" | "nfs" => Some("nfs"),
                    "tns" | "sqlnet" => Some("sqlnet"),
                    _ => None,
                };
                match word {
                    Some(word) => {
                        Draft::add(&mut draft.helpers, word);
                        tell(fates, above, helper, (Same, format!("expect-sync: {word}")));
                    }
                    None => tell(
                        fates,
                        above,
                        helper,
                        (NotCarried, "no word for it; 'expect-sync: all' has it too"),
                    ),
                }
            }
        }
        ("expectationsync", None) if is_on(node) => {
            Draft::add(&mut draft.helpers, "all");
            tell(fates, above, node, (Same, "expect-sync: all"));
        }
        ("expectationsync", None) => tell(fates, above, node, (Same, "none without expect-sync")),
        _ => tell(fates, above, node, UNKNOWN),
    }
}

fn general(draft: &mut Draft, node: &Node, fates: &mut Vec<Fate>) {
    let above = &["General"];
    let key = node.words.first().map_or("", String::as_str).to_lowercase();
    let fate = match key.as_str() {
        "filter" => return filter(draft, node, fates),
        "unix" => (
            NotCarried,
            "the control socket is 'syncd run --socket'; its queue is bounded by itself".to_owned(),
        ),
        "hashsize" | "hashlimit" => (
            Better,
            "tables grow with what is in them, up to twice nf_conntrack_max, or cache-limit".to_owned(),
        ),
        "logfile" if ["off", "no"].contains(&node.value()) => {
            (Same, "the log goes to standard error".to_owned())
        }
        "logfile" => (NotCarried, "the log goes to standard error: journald keeps it".to_owned()),
        "syslog" if ["off", "no"].contains(&node.value()) => {
            Draft::add(&mut draft.switches, "disable-syslog");
            (Same, "disable-syslog".to_owned())
        }
        "syslog" if is_on(node) => (Same, "the log goes to standard error: journald keeps it".to_owned()),
        "syslog" => {
            (NotCarried, "journald has no facilities; see 'SyslogFacility=' of systemd.exec(5)".to_owned())
        }
        "lockfile" => {
            (Better, "the control socket is claimed; nothing is left over after a crash".to_owned())
        }
        "netlinkbuffersize" => (Better, "begins with 2 MB and is doubled when events were lost".to_owned()),
        "netlinkbuffersizemaxgrowth" => megabytes(draft, "event-listen-queue-size", node.value()),
        "netlinkoverrunresync" => (Better, "lost events are always made up for, at once".to_owned()),
        "netlinkeventsreliable" => {
            (Better, "lost events are noticed and made up for; the kernel keeps none back".to_owned())
        }
        "pollsecs" | "eventiterationlimit" => {
            (Better, "events are read as they come, in bounded rounds".to_owned())
        }
        "nice" | "scheduler" => (
            NotCarried,
            "see 'Nice=' and 'CPUSchedulingPolicy=' of systemd.exec(5); not needed as a rule".to_owned(),
        ),
        "systemd" => (NotCarried, "how it is started is the unit's business".to_owned()),
        _ => (UNKNOWN.0, UNKNOWN.1.to_owned()),
    };
    tell(fates, above, node, fate);
}

fn filter(draft: &mut Draft, node: &Node, fates: &mut Vec<Fate>) {
    if node.words.len() > 1 {
        tell(fates, &["General"], node, (Same, "what is kept out is the same; it is kept out in the daemon"));
    }
    let above = &["General", "Filter"];
    for part in node.block.iter().flatten() {
        let key = part.words.first().map_or("", String::as_str).to_lowercase();
        let accepts = part.value().eq_ignore_ascii_case("accept");
        match (key.as_str(), &part.block) {
            ("protocol", Some(list)) => protocols(draft, list, accepts, fates),
            ("address", Some(list)) if !accepts => ignored(draft, list, fates),
            ("address", _) => {
                tell(
                    fates,
                    above,
                    part,
                    (NotCarried, "there is only a list of what is kept out: ignore-address"),
                );
            }
            ("state", _) => tell(fates, above, part, (NotCarried, "flows go over in every state")),
            _ => tell(fates, above, part, UNKNOWN),
        }
    }
}

/// conntrackd's word for a protocol, and ours.
const PROTOCOLS: [(&str, &str); 8] = [
    ("tcp", "tcp"),
    ("udp", "udp"),
    ("icmp", "icmp"),
    ("ipv6-icmp", "icmp6"),
    ("icmpv6", "icmp6"),
    ("sctp", "sctp"),
    ("dccp", "dccp"),
    ("58", "icmp6"),
];

fn protocols(draft: &mut Draft, list: &[Node], accepts: bool, fates: &mut Vec<Fate>) {
    let above: Above<'_> = if accepts {
        &["General", "Filter", "Protocol Accept"]
    } else {
        &["General", "Filter", "Protocol Ignore"]
    };
    let mut known = Vec::new();
    for node in list {
        let word = node.words.first().map_or("", String::as_str).to_lowercase();
        match PROTOCOLS.iter().find(|(theirs, _)| *theirs == word) {
            Some((_, ours)) => {
                known.push(*ours);
                tell(
                    fates,
                    above,
                    node,
                    (Same, format!("accept-protocol {} {ours}", if accepts { "has" } else { "lacks" })),
                );
            }
            None if accepts => {
                tell(
                    fates,
                    above,
                    node,
                    (NotCarried, "no word for it; without accept-protocol all protocols go over"),
                );
            }
            None => tell(fates, above, node, (Same, "accept-protocol has no word for it, so it is kept out")),
        }
    }
    for protocol in keys::PROTOCOLS.iter().filter(|protocol| known.contains(*protocol) == accepts) {
        Draft::add(&mut draft.protocols, protocol);
    }
}

fn ignored(draft: &mut Draft, list: &[Node], fates: &mut Vec<Fate>) {
    let above = &["General", "Filter", "Address Ignore"];
    for node in list {
        let network = node.value();
        let known = ["ipv4_address", "ipv6_address"].iter().any(|key| node.is(key));
        if known && config::is_network(network) {
            Draft::add(&mut draft.ignored, network.to_owned());
            tell(fates, above, node, (Same, "ignore-address"));
        } else {
            tell(fates, above, node, (NotCarried, format!("'{network}' is no address and no network")));
        }
    }
}

/// A whole number in the range of one of our keys.
fn number(draft: &mut Draft, key: &'static str, text: &str) -> (Verdict, String) {
    let (least, most) = keys::range(key);
    match text.parse::<i64>().ok().filter(|number| (least..=most).contains(number)) {
        Some(number) => {
            draft.number(key, number.unsigned_abs());
            (Same, key.to_owned())
        }
        None => (
            NotCarried,
            format!("'{text}' is no number from {least} to {most}; without it {}", keys::key(key).default),
        ),
    }
}

/// Bytes as the megabytes of one of our keys, rounded up.
fn megabytes(draft: &mut Draft, key: &'static str, text: &str) -> (Verdict, String) {
    let (least, most) = keys::range(key);
    let Ok(bytes) = text.parse::<u64>() else {
        return (
            NotCarried,
            format!("'{text}' is no number of bytes; without it {} MB", keys::key(key).default),
        );
    };
    let megabytes = bytes.div_ceil(1 << 20).clamp(least.unsigned_abs(), most.unsigned_abs());
    draft.number(key, megabytes);
    (Same, format!("{key}: {megabytes}, in whole MB"))
}
