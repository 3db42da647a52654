//! `show conntrack statistics`: what each processor has counted about the kernel's connection tracking.
//!
//! Tested in `show/tests/table.rs`.

use std::fmt::Write;

use serde::{Deserialize, Serialize};
use syncd_conntrack::ProcessorStats;

/// The document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProcessorsView {
    /// Of this document.
    pub(crate) version: u32,
    /// Flows in this network namespace.
    pub(crate) flows: u32,
    /// One for each processor.
    pub(crate) processors: Vec<ProcessorView>,
}

/// What one processor has counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProcessorView {
    cpu: u16,
    found: u32,
    invalid: u32,
    insert: u32,
    insert_failed: u32,
    drop: u32,
    early_drop: u32,
    error: u32,
    search_restart: u32,
    clash_resolve: u32,
    chain_too_long: u32,
}

impl ProcessorsView {
    /// As the kernel says it.
    pub(crate) fn new(flows: u32, processors: &[ProcessorStats]) -> Self {
        let view = |stats: &ProcessorStats| ProcessorView {
            cpu: stats.cpu,
            found: stats.found,
            invalid: stats.invalid,
            insert: stats.insert,
            insert_failed: stats.insert_failed,
            drop: stats.drop,
            early_drop: stats.early_drop,
            error: stats.error,
            search_restart: stats.search_restart,
            clash_resolve: stats.clash_resolve,
            chain_too_long: stats.chain_too_long,
        };
        Self { version: 1, flows, processors: processors.iter().map(view).collect() }
    }

    /// In VyOS's columns.
    pub(crate) fn text(&self) -> String {
        let names = [
            "CPU",
            "Found",
            "Invalid",
            "Insert",
            "Insert fail",
            "Drop",
            "Early drop",
            "Errors",
            "Search restart",
        ];
        let rows: Vec<[u32; 9]> = self
            .processors
            .iter()
            .map(|of| {
                [
                    u32::from(of.cpu),
                    of.found,
                    of.invalid,
                    of.insert,
                    of.insert_failed,
                    of.drop,
                    of.early_drop,
                    of.error,
                    of.search_restart,
                ]
            })
            .collect();
        let width = |column: usize| {
            let widest = rows.iter().map(|row| row[column].to_string().len()).max().unwrap_or(0);
            widest.max(names[column].len())
        };
        let widths: [usize; 9] = std::array::from_fn(width);
        let mut out = String::new();
        let mut line = |cells: Vec<String>| {
            let cells: Vec<String> =
                cells.iter().zip(widths).map(|(cell, width)| format!("{cell:>width$}")).collect();
            // Writing to a string cannot fail.
            _ = writeln!(out, "{}", cells.join("  "));
        };
        line(names.map(str::to_owned).to_vec());
        line(widths.map(|width| "-".repeat(width)).to_vec());
        for row in &rows {
            line(row.map(|count| count.to_string()).to_vec());
        }
        out
    }
}
