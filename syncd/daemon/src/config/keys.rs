//! Every key of the configuration, once: its name, what may stand there, its default, what it means, what VyOS has
//! of it, and whether a reload applies it. The reader takes its limits and words from here, `syncd explain` its texts, and
//! the JSON Schema is made of it.
//!
//! Says nothing of how keys depend on each other; [`super::read`] and [`super::system`] do. Tested in `keys/tests.rs`.

use serde::Serialize;

#[cfg(test)]
mod tests;

/// A key.
#[derive(Debug)]
pub(crate) struct Key {
    /// The keys from `conntrack-sync` down, joined by dots; `*` is the name of an interface.
    pub(crate) path: &'static str,
    /// What may stand there.
    pub(crate) value: Value,
    /// What counts when it is absent, for a reader.
    pub(crate) default: &'static str,
    /// What it means, in one or two sentences.
    pub(crate) says: &'static str,
    /// Whether and since when VyOS has it; none: syncd's own.
    pub(crate) vyos: Option<&'static str>,
    /// What a reload does with a change.
    pub(crate) reload: Reload,
}

/// What a reload does with a changed key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Reload {
    /// It is applied, and nothing else changes.
    InPlace,
    /// It is refused: only a restart can do it.
    Restart,
}

/// What may stand under a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// Keys with values, which the table names.
    Section,
    /// Names of interfaces with keys of their own.
    Interfaces,
    /// One address.
    Address,
    /// One multicast address.
    Group,
    /// One address or more.
    Addresses,
    /// Addresses and networks.
    Networks,
    /// Some of these words.
    Words(&'static [&'static str]),
    /// One of these words.
    Word(&'static [&'static str]),
    /// A whole number from the first to the second, in this unit.
    Whole(i64, i64, &'static str),
    /// Nothing, `true` or `false`.
    Switch,
    /// An absolute path.
    Path,
    /// A name of somebody else's.
    Name,
    /// A Unix socket or an address with a port.
    Socket,
}

/// The one key at the top of the file.
pub(crate) const TOP: &str = "conntrack-sync";

/// VyOS's default group, over IPv4.
pub(crate) const DEFAULT_GROUP: &str = "225.0.0.50";
/// The port of a dedicated link.
pub(crate) const DEFAULT_PORT: u16 = 3780;
/// For kernel events, in megabytes.
pub(crate) const DEFAULT_EVENT_MB: usize = 8;
/// For each dedicated link, in megabytes.
pub(crate) const DEFAULT_CHANNEL_MB: usize = 1;
/// In seconds. A million flows are here in some ten seconds, also over a bad link in less than a minute, and a question
/// that nobody answers is asked again after 30: who is not ready after twice that will hardly ever be.
pub(crate) const DEFAULT_READY_TIMEOUT: u32 = 120;
/// The kernel takes the size of a buffer as an `int` and doubles it.
const MOST_MB: i64 = 1023;
/// VyOS's words for `accept-protocol`.
pub(crate) const PROTOCOLS: &[&str] = &["tcp", "udp", "icmp", "icmp6", "sctp", "dccp"];
/// VyOS's words for `expect-sync`.
pub(crate) const HELPERS: &[&str] = &["all", "ftp", "sip", "h323", "nfs", "sqlnet"];
/// What the daemon may say.
pub(crate) const LEVELS: &[&str] = &["error", "warn", "info"];

/// The table, in the order in which it is shown.
pub(crate) const KEYS: &[Key] = &[
    Key {
        path: "interface",
        value: Value::Interfaces,
        default: "required",
        says: "The dedicated links: 1 to 4 interfaces by name, with their keys below.",
        vyos: Some("yes; several links since T3535"),
        reload: Reload::InPlace,
    },
    Key {
        path: "interface.*.peer",
        value: Value::Address,
        default: "none: multicast",
        says: "The other router's address on this link, IPv4 or IPv6. A link-local one means the one on this \
               interface. Every interface has a peer, or none.",
        vyos: Some("yes; IPv6 is syncd's own"),
        reload: Reload::InPlace,
    },
    Key {
        path: "interface.*.port",
        value: Value::Whole(1, 65535, "port"),
        default: "3780",
        says: "The UDP port on this link, the same on both routers.",
        vyos: Some("since T3660"),
        reload: Reload::InPlace,
    },
    Key {
        path: "mcast-group",
        value: Value::Group,
        default: DEFAULT_GROUP,
        says: "The multicast group of every link without a peer, IPv4 or IPv6, the same on both routers.",
        vyos: Some("yes; IPv6 is syncd's own"),
        reload: Reload::InPlace,
    },
    Key {
        path: "listen-address",
        value: Value::Addresses,
        default: "the address of each link's interface",
        says: "Which of an interface's addresses to receive on, where it has several. Unicast only.",
        vyos: Some("yes (T4237, T4730); IPv6 is syncd's own"),
        reload: Reload::InPlace,
    },
    Key {
        path: "accept-protocol",
        value: Value::Words(PROTOCOLS),
        default: "all protocols",
        says: "Only flows of these protocols are told to the peer.",
        vyos: Some("yes; icmp6 and dccp since T3535"),
        reload: Reload::InPlace,
    },
    Key {
        path: "ignore-address",
        value: Value::Networks,
        default: "none",
        says: "Flows that come from, or are answered by, these addresses and networks are not told to the peer.",
        vyos: Some("yes; IPv6 since it is ignore-address without a family"),
        reload: Reload::InPlace,
    },
    Key {
        path: "expect-sync",
        value: Value::Words(HELPERS),
        default: "none",
        says: "Expectations of these helpers go to the peer: all, or some.",
        vyos: Some("yes"),
        reload: Reload::InPlace,
    },
    Key {
        path: "failover-mechanism",
        value: Value::Section,
        default: "required",
        says: "How the router learns its role.",
        vyos: Some("yes"),
        reload: Reload::Restart,
    },
    Key {
        path: "failover-mechanism.vrrp",
        value: Value::Section,
        default: "required",
        says: "The role is keepalived's. There is no other mechanism.",
        vyos: Some("yes"),
        reload: Reload::Restart,
    },
    Key {
        path: "failover-mechanism.vrrp.sync-group",
        value: Value::Name,
        default: "required",
        says: "The name of keepalived's vrrp_sync_group whose role is this router's.",
        vyos: Some("yes"),
        reload: Reload::Restart,
    },
    Key {
        path: "failover-mechanism.vrrp.notify-fifo",
        value: Value::Path,
        default: "none: roles come by 'syncd role'",
        says: "keepalived's vrrp_notify_fifo; it is made if it is missing.",
        vyos: None,
        reload: Reload::Restart,
    },
    Key {
        path: "failover-mechanism.vrrp.track-file",
        value: Value::Path,
        default: "none: keepalived is not told",
        says: "The file of a track_file in keepalived's configuration. syncd writes into it how ready this router is, so \
               that one that would lose flows does not take over from one that would not, and by it hands over.",
        vyos: None,
        reload: Reload::Restart,
    },
    Key {
        path: "failover-mechanism.vrrp.ready-timeout",
        value: Value::Whole(1, 86_400, "s"),
        default: "120",
        says: "After so many seconds as a router that is not ready, keepalived is told to go on all the same, loudly. It \
               matters only while another router is primary: the only one is never kept from it.",
        vyos: None,
        reload: Reload::InPlace,
    },
    Key {
        path: "failover-mechanism.vrrp.keepalived-config",
        value: Value::Path,
        default: "/run/keepalived/keepalived.conf, then /etc/keepalived/keepalived.conf, for remarks only",
        says: "The file keepalived reads: that it has the sync group, and writes to the FIFO, is checked.",
        vyos: None,
        reload: Reload::InPlace,
    },
    Key {
        path: "startup-resync",
        value: Value::Switch,
        default: "on, and cannot be switched off",
        says: "A router that starts asks for all of the peer's flows. syncd always does.",
        vyos: Some("since T1244, April 2024; off there unless written"),
        reload: Reload::InPlace,
    },
    Key {
        path: "disable-external-cache",
        value: Value::Switch,
        default: "off",
        says: "Recommended. While this router stands by, the peer's flows are in its kernel, too, so that a takeover has \
               nothing left to write. They are still shown in the external cache, with their true timeouts. It takes as \
               many entries of the kernel's table as the peer has flows, on both routers, and purge-timeout never applies.",
        vyos: Some("yes"),
        reload: Reload::InPlace,
    },
    Key {
        path: "disable-gate",
        value: Value::Switch,
        default: "off: there is a gate",
        says: "No gate is closed while the peer's flows are committed. With one, packets that belong to no known flow and open \
               none are dropped for so long; docs/failover.md. It takes nft (package nftables).",
        vyos: None,
        reload: Reload::InPlace,
    },
    Key {
        path: "disable-syslog",
        value: Value::Switch,
        default: "off",
        says: "While it runs the daemon says nothing in the log. Why it did not start, or ended, it says all the same.",
        vyos: Some("since T6057, March 2024"),
        reload: Reload::InPlace,
    },
    Key {
        path: "log-level",
        value: Value::Word(LEVELS),
        default: "info",
        says: "What the daemon says in the log: only errors, warnings too, or also roles, peer and jobs.",
        vyos: None,
        reload: Reload::InPlace,
    },
    Key {
        path: "event-listen-queue-size",
        value: Value::Whole(1, MOST_MB, "MB"),
        default: "8",
        says: "The receive buffer for kernel events may grow to so many megabytes.",
        vyos: Some("yes"),
        reload: Reload::InPlace,
    },
    Key {
        path: "sync-queue-size",
        value: Value::Whole(1, MOST_MB, "MB"),
        default: "1",
        says: "Send and receive buffer of each dedicated link, in megabytes.",
        vyos: Some("yes"),
        reload: Reload::InPlace,
    },
    Key {
        path: "cache-limit",
        value: Value::Whole(1_000, 100_000_000, "flows"),
        default: "twice nf_conntrack_max, at least 524288",
        says: "Each cache holds so many flows; those beyond are not replicated. Memory is taken only as flows come.",
        vyos: None,
        reload: Reload::InPlace,
    },
    Key {
        path: "purge-timeout",
        value: Value::Whole(1, 2_147_483_647, "s"),
        default: "none: what is not proved to be left over is left to its timer, and gives way in the next commit",
        says: "So many seconds after this router was primary, its kernel is emptied of the flows that it had then: of those \
               that the peer has, or has told the end of since, and only while both know the same. Becoming primary again, or \
               a commit, calls it off, and a restart of the daemon forgets it. Logins to the router itself go too, unless its \
               addresses are in ignore-address.",
        vyos: Some("since T8189, April 2026"),
        reload: Reload::InPlace,
    },
    Key {
        path: "commit-timeout",
        value: Value::Whole(1, 2_147_483_647, "s"),
        default: "what is left of each flow's own timeout, at least 60",
        says: "Every committed flow lives so many seconds in the kernel unless a packet comes.",
        vyos: None,
        reload: Reload::InPlace,
    },
    Key {
        path: "peer-timeout",
        value: Value::Whole(2, 300, "s"),
        default: "3.5",
        says: "After so many seconds without a word the peer counts as lost. It says one each second.",
        vyos: None,
        reload: Reload::InPlace,
    },
    Key {
        path: "metrics",
        value: Value::Section,
        default: "none: nothing is shown",
        says: "The daemon's numbers, for Prometheus.",
        vyos: None,
        reload: Reload::Restart,
    },
    Key {
        path: "metrics.listen",
        value: Value::Socket,
        default: "required",
        says: "Where GET /metrics is answered. Whoever can reach it may ask: there is no password.",
        vyos: None,
        reload: Reload::Restart,
    },
];

/// The key of that path. Only paths of the table are asked for.
pub(crate) fn key(path: &str) -> &'static Key {
    KEYS.iter().find(|key| key.path == path).expect("a path of the table")
}

/// The names of the keys directly below a path of the table; the empty one is the top.
pub(crate) fn below(path: &str) -> Vec<&'static str> {
    children(path).map(name).collect()
}

/// The keys directly below a path.
pub(crate) fn children(path: &str) -> impl Iterator<Item = &'static Key> {
    KEYS.iter().filter(move |key| match key.path.rsplit_once('.') {
        Some((above, _)) => above == path,
        None => path.is_empty(),
    })
}

/// The last word of a key's path.
pub(crate) fn name(key: &'static Key) -> &'static str {
    key.path.rsplit('.').next().unwrap_or(key.path)
}

/// The least and the most of a whole number.
pub(crate) fn range(path: &str) -> (i64, i64) {
    match key(path).value {
        Value::Whole(least, most, _) => (least, most),
        other => unreachable!("{path} is {other:?}"),
    }
}

impl Value {
    /// What may stand there, for a reader.
    pub(crate) fn describe(self) -> String {
        match self {
            Self::Section => "keys with values".to_owned(),
            Self::Interfaces => "names of interfaces, each with keys of its own".to_owned(),
            Self::Address => "an IPv4 or IPv6 address".to_owned(),
            Self::Group => "an IPv4 or IPv6 multicast address".to_owned(),
            Self::Addresses => "IPv4 and IPv6 addresses: one, or a list".to_owned(),
            Self::Networks => "addresses and networks: one, or a list".to_owned(),
            Self::Words(words) => format!("of {}: one, or a list", words.join(", ")),
            Self::Word(words) => format!("one of {}", words.join(", ")),
            Self::Whole(least, most, "port") => format!("a whole number from {least} to {most}"),
            Self::Whole(least, most, unit) => format!("a whole number of {unit} from {least} to {most}"),
            Self::Switch => "true, or nothing".to_owned(),
            Self::Path => "an absolute path".to_owned(),
            Self::Name => "a name".to_owned(),
            Self::Socket => "unix:PATH, ADDRESS:PORT, or in quotes \"[IPV6]:PORT\"".to_owned(),
        }
    }
}
