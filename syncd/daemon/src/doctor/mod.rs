//! `syncd doctor`: what of this machine would cost flows in a failover, and what to do about it.
//!
//! Looking ([`gather`]) and judging ([`checks`]) are apart: the judges are functions of what was seen. What could not be
//! looked at is told as not checked, never as fine. Changes nothing and needs no daemon. docs/doctor.md tells each
//! finding; tested in `tests.rs`, and in namespaces by `tests/doctor`.

mod checks;
mod gather;
mod iptables;
mod machine;
mod packet;
mod ruleset;
mod walk;

#[cfg(test)]
pub(crate) mod tests;

use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

use checks::{CHECKS, Seen};
use machine::Machine;

/// The answer.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// Of the document.
    version: u32,
    /// What would cost flows.
    findings: Vec<Finding>,
    /// What could not be looked at.
    not_checked: Vec<Unchecked>,
    /// The checks that have nothing to say.
    fine: Vec<&'static str>,
}

/// What would cost flows.
#[derive(Debug, Serialize)]
struct Finding {
    check: &'static str,
    what: String,
    costs: &'static str,
    remedy: String,
}

/// What could not be looked at.
#[derive(Debug, Serialize)]
struct Unchecked {
    check: &'static str,
    why: String,
}

/// Looks, and prints. Whether there is no finding.
///
/// # Errors
///
/// When nobody takes the answer.
pub(crate) fn print(
    config: &Path,
    keepalived: Option<&Path>,
    json: bool,
    out: &mut impl Write,
) -> io::Result<bool> {
    let report = report(&gather::machine(config, keepalived));
    if json {
        writeln!(out, "{}", serde_json::to_string(&report)?)?;
    } else {
        report.write(out)?;
    }
    Ok(report.findings.is_empty())
}

fn report(machine: &Machine) -> Report {
    let mut report = Report { version: 1, findings: Vec::new(), not_checked: Vec::new(), fine: Vec::new() };
    for check in &CHECKS {
        let mut seen = Seen::default();
        (check.look)(machine, &mut seen);
        if seen.wrong.is_empty() && seen.unseen.is_empty() {
            report.fine.push(check.name);
        }
        let finding = |(what, remedy)| Finding { check: check.name, what, costs: check.costs, remedy };
        report.findings.extend(seen.wrong.into_iter().map(finding));
        report.not_checked.extend(seen.unseen.into_iter().map(|why| Unchecked { check: check.name, why }));
    }
    report
}

impl Report {
    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        for Finding { check, what, costs, remedy } in &self.findings {
            writeln!(out, "{check}: {what}\n    costs: {costs}\n    remedy: {remedy}\n")?;
        }
        // One reason often keeps several checks from looking.
        for (at, Unchecked { why, .. }) in self.not_checked.iter().enumerate() {
            let same = |other: &&Unchecked| other.why == *why;
            if !self.not_checked[..at].iter().any(|earlier| same(&earlier)) {
                let checks: Vec<&str> =
                    self.not_checked.iter().filter(same).map(|other| other.check).collect();
                writeln!(out, "not checked: {}: {why}", checks.join(", "))?;
            }
        }
        if !self.not_checked.is_empty() {
            writeln!(out)?;
        }
        if !self.fine.is_empty() {
            writeln!(out, "fine: {}", self.fine.join(", "))?;
        }
        let plural = if self.findings.len() == 1 { "" } else { "s" };
        let unchecked = CHECKS
            .iter()
            .filter(|check| self.not_checked.iter().any(|other| other.check == check.name))
            .count();
        let findings = self.findings.len();
        // With part of what it needs, a check has looked at that part.
        let partly = if unchecked > 0 { ", or only in part" } else { "" };
        writeln!(out, "{findings} finding{plural}, {unchecked} of {} checks not made{partly}", CHECKS.len())
    }
}
