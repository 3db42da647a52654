//! Executes steps: nodes, links, addresses, routes, settings, rules, files.
//!
//! Never decides what is made; that is `plan`. An error shows the command line that an operator can try by hand. Driven
//! by `lab`; tested through the scenarios.

mod netlink;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::fd::BorrowedFd;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::ending::Ending;
use crate::link::{disable_tx_checksum, namespace};
use crate::plan::{Interface, Step};
use crate::programs;
use crate::sandbox::Node;

pub(crate) use netlink::{addresses, delete_link, forget_neighbours, release, set_link};

/// The living nodes by name.
pub(crate) type Nodes = BTreeMap<String, Node>;

/// Executes one step that is not the start of something.
///
/// # Errors
/// What failed, with the step's command line.
pub(crate) fn execute(nodes: &mut Nodes, step: &Step) -> Result<()> {
    attempt(nodes, step).with_context(|| {
        // Of a step with a text, the line that takes it.
        let line = step.to_string();
        format!("failed: {}", line.lines().next().unwrap_or_default())
    })
}

fn attempt(nodes: &mut Nodes, step: &Step) -> Result<()> {
    match step {
        Step::Node { name } => {
            fs::create_dir_all(Step::directory(name)).context("cannot make the node's directory")?;
            nodes.insert(name.clone(), Node::create(name)?);
        }
        Step::OwnEtc { node } => find(nodes, node)?.own_etc()?,
        Step::Sysctl { node, key, value } => {
            let file = format!("/proc/sys/{}", key.replace('.', "/"));
            // /proc/sys/net shows the network namespace of whoever opens it.
            namespace::run_in(net(nodes, node)?, || fs::write(&file, value))
                .with_context(|| format!("cannot write {file}"))?;
        }
        Step::Bridge(bridge) => netlink::add_bridge(net(nodes, &bridge.node)?, &bridge.name)?,
        Step::Veth { a, b } => {
            netlink::add_veth((net(nodes, &a.node)?, &a.name), (net(nodes, &b.node)?, &b.name))?;
        }
        Step::Enslave { port, bridge } => netlink::enslave(net(nodes, &port.node)?, &port.name, bridge)?,
        Step::Offload(Interface { node, name }) => disable_tx_checksum(net(nodes, node)?, name)?,
        Step::Up(Interface { node, name }) => set_link(net(nodes, node)?, name, true)?,
        Step::Address { on, address } => netlink::add_address(net(nodes, &on.node)?, &on.name, *address)?,
        Step::Gateway { node, via } => netlink::add_gateway(net(nodes, node)?, via.address)?,
        Step::Rules { node, rules } => load_rules(find(nodes, node)?, &rules.0)?,
        Step::File { node, name, text } => {
            fs::write(format!("{}/{name}", Step::directory(node)), &text.0)?;
        }
        Step::Join { .. } | Step::Start { .. } => bail!("this step starts something that must be kept"),
    }
    Ok(())
}

/// A living node.
///
/// # Errors
/// When there is none of this name.
pub(crate) fn find<'a>(nodes: &'a Nodes, name: &str) -> Result<&'a Node> {
    nodes.get(name).ok_or_else(|| {
        let living = nodes.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        Ending::Usage(format!("node {name} is not there: it may be dead, or name one of {living}")).into()
    })
}

fn net<'a>(nodes: &'a Nodes, name: &str) -> Result<BorrowedFd<'a>> {
    Ok(find(nodes, name)?.net())
}

/// Gives a node's packet filter rules.
///
/// # Errors
/// What `nft` said.
pub(crate) fn load_rules(node: &Node, rules: &str) -> Result<()> {
    let mut command = Command::new(programs::find("nft")?);
    command.args(["-f", "-"]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut nft = node.spawn(&mut command)?;
    if let Some(mut stdin) = nft.stdin.take() {
        stdin.write_all(rules.as_bytes())?;
    }
    let output = nft.wait_with_output()?;
    if !output.status.success() {
        bail!("nft: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
