//! A step: what is done, as a type, and the one command line that an operator would have typed for it.
//!
//! Never executes anything. Made by the rooms beside it, executed by `apply`; tested through `labctl/tests/plans.rs`.

use std::fmt;

use crate::sandbox::LAB_DIRECTORY;
use crate::scenario::{Prefix, SyncKind};

/// An interface of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Interface {
    /// The node.
    pub(crate) node: String,
    /// The interface's name there.
    pub(crate) name: String,
}

impl Interface {
    /// An interface of a node.
    #[must_use]
    pub(crate) fn new(node: &str, name: &str) -> Self {
        Self { node: node.to_owned(), name: name.to_owned() }
    }
}

/// A program that lives in a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Actor {
    /// VRRP.
    Keepalived,
    /// The daemon under test.
    Syncd,
    /// Its ancestor.
    Conntrackd,
}

impl Actor {
    /// The program that replicates.
    #[must_use]
    pub(crate) const fn of(kind: SyncKind) -> Option<Self> {
        match kind {
            SyncKind::Syncd => Some(Self::Syncd),
            SyncKind::Conntrackd => Some(Self::Conntrackd),
            SyncKind::None => None,
        }
    }

    /// The program's name.
    #[must_use]
    pub(crate) const fn program(self) -> &'static str {
        match self {
            Self::Keepalived => "keepalived",
            Self::Syncd => "syncd",
            Self::Conntrackd => "conntrackd",
        }
    }
}

/// The lines of a file, or of what a program reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Text(pub(crate) String);

/// One step of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A node with its namespaces.
    Node {
        /// Its name.
        name: String,
    },
    /// A node gets a copy of `/etc` in which it may write.
    OwnEtc {
        /// The node.
        node: String,
    },
    /// A kernel setting of a node.
    Sysctl {
        /// The node.
        node: String,
        /// With dots.
        key: String,
        /// The value.
        value: String,
    },
    /// A bridge.
    Bridge(Interface),
    /// Two interfaces that are each other's far end.
    Veth {
        /// One.
        a: Interface,
        /// The other.
        b: Interface,
    },
    /// An interface becomes a port of a bridge of its node.
    Enslave {
        /// The interface.
        port: Interface,
        /// The bridge's name.
        bridge: String,
    },
    /// No checksum and segmentation offload.
    Offload(Interface),
    /// An interface is switched on.
    Up(Interface),
    /// An interface gets an address.
    Address {
        /// The interface.
        on: Interface,
        /// The address.
        address: Prefix,
    },
    /// Everything else goes there.
    Gateway {
        /// The node.
        node: String,
        /// The next router.
        via: Prefix,
    },
    /// The node's packet filter.
    Rules {
        /// The node.
        node: String,
        /// For `nft -f -`.
        rules: Text,
    },
    /// A file in the node's part of the lab's directory.
    File {
        /// The node.
        node: String,
        /// The file's name.
        name: &'static str,
        /// Its text.
        text: Text,
    },
    /// The dedicated link: labctl carries frames between the far ends of the routers' interfaces.
    Join {
        /// One router.
        a: String,
        /// The other.
        b: String,
    },
    /// A program starts.
    Start {
        /// The node.
        node: String,
        /// The program.
        actor: Actor,
        /// What follows the program's name.
        arguments: Vec<String>,
    },
}

impl Step {
    /// Where a node's files are, in every node and in the lab's first process.
    #[must_use]
    pub(crate) fn directory(node: &str) -> String {
        format!("{LAB_DIRECTORY}/{node}")
    }

    /// Whether the step makes this node or something in it, or ties it to the others; not whether it starts something.
    pub(super) fn makes(&self, wanted: &str) -> bool {
        match self {
            Self::Node { name: node }
            | Self::OwnEtc { node }
            | Self::Sysctl { node, .. }
            | Self::Gateway { node, .. }
            | Self::Rules { node, .. }
            | Self::File { node, .. } => node == wanted,
            Self::Bridge(on) | Self::Offload(on) | Self::Address { on, .. } => on.node == wanted,
            // The switch's port of a router goes and comes with the router.
            Self::Up(on) | Self::Enslave { port: on, .. } => on.node == wanted || is_port_of(on, wanted),
            Self::Veth { a, b } => a.node == wanted || b.node == wanted,
            Self::Join { .. } | Self::Start { .. } => false,
        }
    }
}

fn is_port_of(on: &Interface, node: &str) -> bool {
    on.node == super::SWITCH && on.name.strip_prefix(node).is_some_and(|rest| rest.starts_with('-'))
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<<'END'\n{}END", self.0)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node { name } => write!(f, "ip netns add {name}"),
            Self::OwnEtc { node } => {
                write!(f, "ip netns exec {node} sh -c 'cp -r /etc /run && mount --bind /run/etc /etc'")
            }
            Self::Sysctl { node, key, value } => write!(f, "ip netns exec {node} sysctl -w {key}={value}"),
            Self::Bridge(Interface { node, name }) => {
                write!(f, "ip -n {node} link add {name} type bridge mcast_snooping 0")
            }
            Self::Veth { a, b } => {
                write!(
                    f,
                    "ip link add {} netns {} type veth peer {} netns {}",
                    a.name, a.node, b.name, b.node
                )
            }
            Self::Enslave { port, bridge } => {
                write!(f, "ip -n {} link set {} master {bridge}", port.node, port.name)
            }
            Self::Offload(Interface { node, name }) => {
                write!(f, "ip netns exec {node} ethtool -K {name} tx off tso off gso off")
            }
            Self::Up(Interface { node, name }) => write!(f, "ip -n {node} link set {name} up"),
            Self::Address { on: Interface { node, name }, address } => {
                let nodad = if address.address.is_ipv6() { " nodad" } else { "" };
                write!(f, "ip -n {node} address add {address} dev {name}{nodad}")
            }
            Self::Gateway { node, via } => write!(f, "ip -n {node} route add default via {}", via.address),
            Self::Rules { node, rules } => write!(f, "ip netns exec {node} nft -f - {rules}"),
            Self::File { node, name, text } => write!(f, "cat > {}/{name} {text}", Self::directory(node)),
            Self::Join { a, b } => {
                write!(f, "# labctl carries frames between {} and {}", super::far_end(a), super::far_end(b))
            }
            Self::Start { node, actor, arguments } => {
                write!(f, "ip netns exec {node} {} {}", actor.program(), arguments.join(" "))
            }
        }
    }
}
