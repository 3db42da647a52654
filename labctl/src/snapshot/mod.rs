//! The result of a scenario as a text that is the same after every run: roles, flows, counters.
//!
//! What differs from run to run is rewritten by fixed rules: ephemeral ports and echo identifiers are counted, equal
//! lines are counted, a counter is `0` or `>0`. No duration and no timeout enters. Never compares; a test does. Driven by
//! `session`; tested in `tests.rs`.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Result, bail};

use crate::lab::Lab;
use crate::link::DirectionCounters;
use crate::probes::flows::{SeenFlow, SeenPorts, SeenTuple};
use crate::scenario::SnapshotPart;
use crate::traffic::ANNOUNCED_PORTS;

/// The text that a lab's scenario asks for.
///
/// # Errors
/// When something of it cannot be read.
pub(crate) fn snapshot(lab: &Lab) -> Result<String> {
    let mut text = String::new();
    for part in &lab.scenario().snapshot {
        match part {
            SnapshotPart::Roles => {
                text += "roles\n";
                for seen in lab.look_at_routers()? {
                    let _ =
                        writeln!(text, "  {} {} {}/{} addresses", seen.name, seen.role, seen.held, seen.all);
                }
            }
            SnapshotPart::Flows(node) => {
                let _ = writeln!(text, "flows of {node}");
                text += &flow_lines(&lab.flows(node)?);
            }
            SnapshotPart::Statistics(node, names) => {
                let _ = writeln!(text, "statistics of {node}");
                text += &counter_lines(&lab.daemon_statistics(node)?, names)?;
            }
            SnapshotPart::Link => {
                let counters = lab.with_link(crate::link::Link::counters).unwrap_or_default();
                for (name, counters) in [("a to b", counters.a_to_b), ("b to a", counters.b_to_a)] {
                    let _ = writeln!(text, "link, {name}");
                    text += &link_lines(&counters);
                }
            }
        }
    }
    Ok(text)
}

const fn class(value: u64) -> &'static str {
    if value == 0 { "0" } else { ">0" }
}

/// The named counters, or all of a named group.
fn counter_lines(counters: &BTreeMap<String, u64>, names: &[String]) -> Result<String> {
    let mut text = String::new();
    for name in names {
        let group = format!("{name}.");
        let named = counters.iter().filter(|(counter, _)| *counter == name || counter.starts_with(&group));
        let lines: String =
            named.map(|(counter, value)| format!("  {counter} {}\n", class(*value))).collect();
        if lines.is_empty() {
            bail!("the daemon counts nothing that is called {name}");
        }
        text += &lines;
    }
    Ok(text)
}

fn link_lines(counters: &DirectionCounters) -> String {
    let DirectionCounters { lost, duplicated, reordered, corrupted, congested, .. } = *counters;
    let words =
        [("lost", lost), ("duplicated", duplicated), ("reordered", reordered), ("corrupted", corrupted)];
    // Only a line with a limit has this one.
    let congested = (congested > 0).then_some(("congested", congested));
    words.iter().chain(&congested).map(|(word, value)| format!("  {word} {}\n", class(*value))).collect()
}

/// Flows, sorted; those that differ only in what a kernel has chosen share a line with their number.
fn flow_lines(flows: &[SeenFlow]) -> String {
    let mut counted: BTreeMap<String, usize> = BTreeMap::new();
    for flow in flows {
        *counted.entry(rewritten(*flow)).or_default() += 1;
    }
    counted.iter().map(|(line, count)| format!("  {count} x {line}\n")).collect()
}

/// A flow with every chosen port and identifier renamed in the order of appearance, so that the same port in both
/// directions keeps one name. One that source NAT has chosen has a name of its own, also when it chose the same.
fn rewritten(flow: SeenFlow) -> String {
    let mut names: Vec<u16> = Vec::new();
    let mut name = |port: u16, anew: bool| match names.iter().position(|known| *known == port) {
        Some(place) if !anew => place,
        _ => {
            names.push(port);
            names.len() - 1
        }
    };
    // Who opens a flow has its port chosen by a kernel, and NAT chooses the one that the reply goes to; the other end's
    // is the scenario's.
    let mut tuple = |tuple: SeenTuple, source_chosen: bool| {
        let mut word = |port: u16, chosen: bool| {
            // Each session announces ports of its own.
            if flow.expected() && ANNOUNCED_PORTS.contains(&port) {
                return "<announced>".to_owned();
            }
            let anew = flow.src_nat() && !source_chosen;
            if chosen { format!("<port:{}>", letter(name(port, anew))) } else { port.to_string() }
        };
        match tuple.ports {
            SeenPorts::Ports { source, target } => {
                let (source, target) = (word(source, source_chosen), word(target, !source_chosen));
                format!("{}:{source} > {}:{target}", tuple.source, tuple.target)
            }
            SeenPorts::Echo { id, kind, .. } => {
                format!("{} > {} type={kind} id=<id:{}>", tuple.source, tuple.target, letter(name(id, false)))
            }
            SeenPorts::Nothing => format!("{} > {}", tuple.source, tuple.target),
        }
    };
    let (original, reply) = (tuple(flow.original, true), tuple(flow.reply, false));
    // The kernel's own line without its tuples: protocol first, then what it says of the flow.
    let text = flow.to_string();
    let protocol = text.split(' ').next().unwrap_or_default();
    let words =
        text.strip_prefix(&format!("{protocol} {} reply {}", flow.original, flow.reply)).unwrap_or_default();
    format!("{protocol} {original} reply {reply}{words}")
}

fn letter(place: usize) -> char {
    // A flow has at most four ports.
    char::from(b'a' + place as u8)
}
