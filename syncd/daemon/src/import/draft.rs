//! Our configuration in the making, and how it is written.
//!
//! Knows no other program's language. Tested through `tests.rs`.

use std::fmt::Write as _;
use std::net::IpAddr;

use crate::config::is_interface_name;

/// A dedicated link.
#[derive(Debug, Default)]
pub(super) struct Link {
    pub(super) interface: String,
    pub(super) peer: Option<IpAddr>,
    pub(super) port: Option<u16>,
}

/// Our configuration in the making.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) links: Vec<Link>,
    pub(super) group: Option<IpAddr>,
    pub(super) listen: Vec<IpAddr>,
    pub(super) protocols: Vec<&'static str>,
    pub(super) ignored: Vec<String>,
    pub(super) helpers: Vec<&'static str>,
    pub(super) sync_group: Option<String>,
    pub(super) notify_fifo: Option<String>,
    /// Whole numbers by key.
    pub(super) numbers: Vec<(&'static str, u64)>,
    /// Switches that are on.
    pub(super) switches: Vec<&'static str>,
}

/// Where conntrackd's own example has its sync group.
pub(super) const EXAMPLE_GROUP: &str = "G1";

impl Draft {
    /// The link on that interface, made if it is new; none if it cannot be one.
    pub(super) fn link(&mut self, interface: &str) -> Option<&mut Link> {
        if !is_interface_name(interface) {
            return None;
        }
        let at = self.links.iter().position(|link| link.interface == interface).unwrap_or_else(|| {
            self.links.push(Link { interface: interface.to_owned(), ..Link::default() });
            self.links.len() - 1
        });
        self.links.get_mut(at)
    }

    /// Sets a number; the larger one, where it is there already.
    pub(super) fn number(&mut self, key: &'static str, value: u64) {
        match self.numbers.iter_mut().find(|(known, _)| *known == key) {
            Some((_, known)) => *known = value.max(*known),
            None => self.numbers.push((key, value)),
        }
    }

    /// Adds a word to a list, once.
    pub(super) fn add<T: PartialEq>(list: &mut Vec<T>, item: T) {
        if !list.contains(&item) {
            list.push(item);
        }
    }

    /// All of it, as a file.
    pub(super) fn yaml(&self, from: &str) -> String {
        let mut text =
            format!("# Imported from {from}. 'syncd explain' says what the keys mean.\nconntrack-sync:\n");
        // Writing to a string cannot fail.
        if !self.links.is_empty() {
            let _ = writeln!(text, "  interface:");
        }
        for Link { interface, peer, port } in &self.links {
            let peer = peer.map(|peer| format!("peer: {}", address(peer)));
            let port = port.map(|port| format!("port: {port}"));
            let keys: Vec<String> = peer.into_iter().chain(port).collect();
            let keys = if keys.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", keys.join(", ")) };
            let _ = writeln!(text, "    {}: {keys}", quoted(interface));
        }
        if let Some(group) = self.group {
            let _ = writeln!(text, "  mcast-group: {}", address(group));
        }
        let listen: Vec<String> = self.listen.iter().map(|listen| address(*listen)).collect();
        let ignored: Vec<String> = self.ignored.iter().map(|network| quoted(network)).collect();
        list(&mut text, "listen-address", &listen);
        list(&mut text, "accept-protocol", &self.protocols);
        list(&mut text, "ignore-address", &ignored);
        list(&mut text, "expect-sync", &self.helpers);
        for (key, value) in &self.numbers {
            let _ = writeln!(text, "  {key}: {value}");
        }
        for key in &self.switches {
            let _ = writeln!(text, "  {key}: true");
        }
        if !self.switches.contains(&"disable-external-cache") {
            let _ = writeln!(
                text,
                "  # Recommended, on both routers: with it a takeover has nothing left to write."
            );
            let _ = writeln!(text, "  # docs/failover.md has its cost.");
            let _ = writeln!(text, "  # disable-external-cache: true");
        }
        let group = self.sync_group.as_deref().unwrap_or(EXAMPLE_GROUP);
        if self.sync_group.is_none() {
            let _ = writeln!(
                text,
                "  # Write the name of your vrrp_sync_group here, and keepalived's vrrp_notify_fifo as"
            );
            let _ = writeln!(text, "  # notify-fifo; or let your scripts call 'syncd role'.");
        }
        let fifo = self.notify_fifo.as_ref().map(|path| format!(", notify-fifo: {}", quoted(path)));
        let _ = writeln!(
            text,
            "  failover-mechanism:\n    vrrp: {{ sync-group: {}{} }}",
            quoted(group),
            fifo.unwrap_or_default()
        );
        text
    }
}

fn list(text: &mut String, key: &str, items: &[impl AsRef<str>]) {
    if !items.is_empty() {
        let items: Vec<&str> = items.iter().map(AsRef::as_ref).collect();
        let _ = writeln!(text, "  {key}: [{}]", items.join(", "));
    }
}

/// An address as YAML takes it: one of IPv6 is full of colons.
fn address(address: IpAddr) -> String {
    if address.is_ipv4() { address.to_string() } else { format!("\"{address}\"") }
}

/// A word as YAML takes it.
fn quoted(word: &str) -> String {
    let plain = word.chars().next().is_some_and(|first| first.is_ascii_alphabetic())
        && word.chars().all(|c| c.is_ascii_alphanumeric() || ['-', '_', '.'].contains(&c))
        && !["y", "n", "yes", "no", "on", "off", "true", "false", "null"]
            .contains(&word.to_lowercase().as_str());
    let number =
        word.split_once('/').is_some_and(|(address, _)| address.parse::<std::net::Ipv4Addr>().is_ok());
    if plain || number || word.parse::<std::net::Ipv4Addr>().is_ok() {
        word.to_owned()
    } else {
        // JSON's strings are YAML's.
        serde_json::to_string(word).expect("a string is always JSON")
    }
}
