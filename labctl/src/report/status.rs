//! `labctl status`: what a lab consists of and how it is.
//!
//! Never judges; `verify` does. Driven by `session`; tested in `labctl/tests/scenarios/holder.rs`.

use std::fmt::Write as _;

use anyhow::Result;

use super::picture::picture;
use crate::lab::Lab;

/// The lab in text.
///
/// # Errors
/// When a router cannot be looked at.
pub(crate) fn status(lab: &Lab) -> Result<String> {
    let scenario = lab.scenario();
    let mut text = format!("{}: {}\n\n{}\n", scenario.name, scenario.title, picture(scenario));
    let programs = lab.programs();
    for seen in lab.look_at_routers()? {
        let of_node = programs.iter().filter(|(node, ..)| *node == seen.name);
        let running: Vec<String> = of_node
            .map(|(_, actor, ended)| {
                let ended = ended.as_ref().map(|ended| format!(" ({ended})")).unwrap_or_default();
                format!("{}{ended}", actor.program())
            })
            .collect();
        let flows = lab.flows(&seen.name).map_or_else(|_| "-".to_owned(), |flows| flows.len().to_string());
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{}  {:<8} {}/{} virtual addresses, {flows} flows, {}",
            seen.name,
            seen.role,
            seen.held,
            seen.all,
            if running.is_empty() { "no program".to_owned() } else { running.join(", ") }
        );
    }
    lab.each_traffic(|name, traffic| {
        let report = traffic.judge(std::time::Instant::now());
        let _ = writeln!(text, "{name}: {} of {} streams alive", report.alive, traffic.spec().count());
    });
    lab.each_transfers(|name, transfers| {
        let report = transfers.report();
        let _ = writeln!(text, "{name}: {} of {} transfers complete", report.complete, report.wanted);
    });
    Ok(text)
}
