//! The stage: two hosts, two routers that stand in for each other, and the networks between them.
//!
//! Plain data as a file of `scenarios/topologies/` gives it. Never decides in which order anything is made; that is
//! `plan`. Read and checked by `load.rs`; tested in `tests.rs`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Deserialize;

use super::model::SyncKind;
use super::streams::StreamText;
use super::units::Prefix;

/// A client behind two routers, and a server before them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Topology {
    /// One line for people.
    pub(crate) title: String,
    /// On the LAN; opens every stream.
    pub(crate) client: Host,
    /// On the WAN; answers.
    pub(crate) server: Host,
    /// Another pair of hosts, which stays with the router of lower priority when the networks are split.
    pub(crate) second: Option<Pair>,
    /// Where labctl sets up no router: how their interfaces are called. They have their addresses and an `/etc` of their
    /// own, and everything else is done by whoever uses the lab.
    pub(crate) by_hand: Option<Interfaces>,
    /// By name; exactly two.
    pub(crate) routers: BTreeMap<String, Router>,
    /// What the primary holds.
    pub(crate) virtual_addresses: VirtualAddresses,
    /// Which daemon replicates on which router, where a scenario says nothing.
    pub(crate) sync: BTreeMap<String, SyncKind>,
    /// What `traffic start` starts, where a scenario says nothing.
    pub(crate) traffic: BTreeMap<String, Vec<StreamText>>,
}

/// A client and a server.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Pair {
    /// On the LAN.
    pub(crate) client: Host,
    /// On the WAN.
    pub(crate) server: Host,
}

/// A host with one interface, `eth0`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Host {
    /// Of `eth0`.
    pub(crate) addresses: Vec<Prefix>,
}

impl Host {
    /// The host's address of a family.
    #[must_use]
    pub(crate) fn address(&self, ipv6: bool) -> Option<IpAddr> {
        self.addresses.iter().map(|prefix| prefix.address).find(|address| address.is_ipv6() == ipv6)
    }
}

/// Which pair of hosts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Hosts {
    /// `client` and `server`.
    #[default]
    First,
    /// The pair of `second`.
    Second,
}

impl Hosts {
    /// The client's node.
    #[must_use]
    pub(crate) const fn client(self) -> &'static str {
        match self {
            Self::First => "client",
            Self::Second => "client2",
        }
    }

    /// The server's node.
    #[must_use]
    pub(crate) const fn server(self) -> &'static str {
        match self {
            Self::First => "server",
            Self::Second => "server2",
        }
    }
}

/// What a router's interfaces are called.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Interfaces {
    /// Towards the client.
    pub(crate) lan: String,
    /// Towards the server.
    pub(crate) wan: String,
    /// The dedicated link.
    pub(crate) sync: String,
}

impl Default for Interfaces {
    fn default() -> Self {
        Self { lan: "lan".to_owned(), wan: "wan".to_owned(), sync: "sync".to_owned() }
    }
}

/// A router with three interfaces, `lan`, `wan` and `sync` unless they are called otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Router {
    /// VRRP's; the larger one is the first primary.
    pub(crate) priority: u8,
    /// Of `lan`.
    pub(crate) lan: Vec<Prefix>,
    /// Of `wan`.
    pub(crate) wan: Vec<Prefix>,
    /// Of `sync`, the dedicated link.
    pub(crate) sync: Prefix,
}

/// The shared addresses. For IPv6 a link-local one comes first, as VRRP demands (RFC 9568, section 5.1.2.3).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct VirtualAddresses {
    /// The client's gateway.
    pub(crate) lan: Vec<Prefix>,
    /// What the server sees.
    pub(crate) wan: Vec<Prefix>,
}

impl VirtualAddresses {
    /// The first address of a family that is not link-local.
    #[must_use]
    pub(crate) fn first(of: &[Prefix], ipv6: bool) -> Option<Prefix> {
        of.iter().copied().find(|prefix| prefix.address.is_ipv6() == ipv6 && !prefix.is_link_local())
    }
}

impl Topology {
    /// What the routers' interfaces are called.
    #[must_use]
    pub(crate) fn interfaces(&self) -> Interfaces {
        self.by_hand.clone().unwrap_or_default()
    }

    /// The routers by descending priority: the first primary, then its backup.
    #[must_use]
    pub(crate) fn routers_by_priority(&self) -> Vec<(&str, &Router)> {
        let mut routers: Vec<_> = self.routers.iter().map(|(name, router)| (name.as_str(), router)).collect();
        routers.sort_by_key(|(_, router)| std::cmp::Reverse(router.priority));
        routers
    }

    /// The other router.
    ///
    /// # Panics
    /// When `name` is none of the two; a checked scenario names no other.
    #[must_use]
    pub(crate) fn peer_of(&self, name: &str) -> (&str, &Router) {
        let mut others = self.routers.iter().filter(|(other, _)| *other != name);
        let (peer, router) = others.next().expect("a checked topology has two routers");
        (peer, router)
    }

    /// A pair of hosts; None where the topology has no second one.
    #[must_use]
    pub(crate) fn hosts(&self, hosts: Hosts) -> Option<(&Host, &Host)> {
        match hosts {
            Hosts::First => Some((&self.client, &self.server)),
            Hosts::Second => self.second.as_ref().map(|pair| (&pair.client, &pair.server)),
        }
    }

    /// All names, in the order in which a picture shows them.
    #[must_use]
    pub(crate) fn nodes(&self) -> Vec<&str> {
        let mut nodes = vec![Hosts::First.client()];
        nodes.extend(self.routers.keys().map(String::as_str));
        nodes.push(Hosts::First.server());
        if self.second.is_some() {
            nodes.extend([Hosts::Second.client(), Hosts::Second.server()]);
        }
        nodes
    }
}
