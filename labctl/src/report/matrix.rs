//! What became of a matrix: one table for people, one document for programs.
//!
//! A cell without syncd is shown as it is and fails nothing. Never runs anything and never judges anew. Driven by the
//! verb; tested in `tests.rs`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::document::{Compared, ExpectationSeen};
use crate::scenario::{Cell, Matrix};

/// A cell that was run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct CellSeen {
    /// Its row.
    pub(crate) row: String,
    /// Its column.
    pub(crate) column: String,
    /// Whether syncd is in it.
    pub(crate) judged: bool,
    /// Whether every expectation was met.
    pub(crate) passed: bool,
    /// The expectations that were not, with what was seen.
    pub(crate) missed: Vec<String>,
    /// Flows that the router which stood by holds: in its kernel after a failover, else in its cache.
    pub(crate) carried: Option<usize>,
    /// Of so many.
    pub(crate) of: Option<usize>,
    /// Flows of its cache that the other one's kernel does not hold.
    pub(crate) stale: usize,
    /// The longest of any stream, in milliseconds.
    pub(crate) gap_ms: Option<u64>,
    /// How long it took.
    pub(crate) seconds: f64,
    /// What would be typed to run it alone.
    pub(crate) command: String,
    /// Where what a failed one left is.
    pub(crate) evidence: Option<String>,
}

/// The members of a scenario's document that a cell shows.
#[derive(Deserialize)]
struct Shown {
    passed: bool,
    expectations: Vec<ExpectationSeen>,
    traffic: BTreeMap<String, Value>,
    failover: Times,
    cache: Option<Compared>,
}

#[derive(Deserialize)]
struct Times {
    flows_before: Option<usize>,
    flows_after: Option<usize>,
}

impl CellSeen {
    /// A cell and its scenario's document.
    ///
    /// # Errors
    /// When the document is none of ours.
    pub(crate) fn of(cell: &Cell, document: &Value, seconds: f64) -> serde_json::Result<Self> {
        let shown = Shown::deserialize(document)?;
        let missed = shown.expectations.iter().filter(|seen| !seen.passed);
        let gaps = shown.traffic.values().filter_map(|report| report.pointer("/gap_ms/max")?.as_u64());
        let cached = shown.cache.map(|cache| (cache.cached - cache.stale, cache.kernel));
        let (carried, of) = match shown.failover.flows_before {
            Some(before) => (shown.failover.flows_after, Some(before)),
            None => cached.unzip(),
        };
        Ok(Self {
            row: cell.row.clone(),
            column: cell.column.clone(),
            judged: cell.judged,
            passed: shown.passed,
            missed: missed.map(|seen| format!("{}: {}", seen.text, seen.seen)).collect(),
            carried,
            of,
            stale: shown.cache.map_or(0, |cache| cache.stale),
            gap_ms: gaps.max(),
            seconds,
            command: cell.command.clone(),
            evidence: None,
        })
    }

    /// In one word.
    const fn word(&self) -> &'static str {
        match (self.passed, self.judged) {
            (true, _) => "ok",
            (false, true) => "FAILED",
            (false, false) => "loses",
        }
    }

    /// The cell in the table, and the line of progress.
    pub(crate) fn brief(&self) -> String {
        let count = |flows: Option<usize>| flows.map_or_else(|| "-".to_owned(), |flows| flows.to_string());
        let mut flows = format!("{}/{}", count(self.carried), count(self.of));
        if self.stale > 0 {
            flows = format!("{flows} +{}", self.stale);
        }
        let gap = self.gap_ms.map_or_else(|| "-".to_owned(), |gap| format!("{gap} ms"));
        format!("{:<7}{flows:>14}{gap:>9}", self.word())
    }
}

/// Whether every cell with syncd in it has passed.
#[must_use]
pub(crate) fn all_passed(cells: &[CellSeen]) -> bool {
    cells.iter().all(|cell| cell.passed || !cell.judged)
}

/// The document.
#[must_use]
pub(crate) fn matrix_document(matrix: &Matrix, cells: &[CellSeen]) -> Value {
    let passed = all_passed(cells);
    serde_json::json!({
        "title": matrix.title, "passed": passed, "rows": matrix.rows, "columns": matrix.columns, "cells": cells,
    })
}

/// The table, and below it why cells are not as they should be.
#[must_use]
pub(crate) fn matrix_table(matrix: &Matrix, cells: &[CellSeen]) -> String {
    let rows = matrix.rows.iter().filter(|row| cells.iter().any(|cell| cell.row == **row));
    let columns: Vec<&String> =
        matrix.columns.iter().filter(|column| cells.iter().any(|cell| cell.column == **column)).collect();
    let width = matrix.rows.iter().map(String::len).max().unwrap_or(0) + 2;
    let mut text = format!("{}\n\n{:<width$}", matrix.title, "");
    for column in &columns {
        // Writing to a string cannot fail.
        let _ = write!(text, "{column:<34}");
    }
    let _ = write!(text, "\n{:<width$}", "");
    for _ in &columns {
        let _ = write!(text, "{:<34}", format!("{:<7}{:>14}{:>9}", "", "flows carried", "gap"));
    }
    for row in rows {
        let _ = write!(text, "\n{row:<width$}");
        for column in &columns {
            let cell = cells.iter().find(|cell| cell.row == *row && cell.column == **column);
            let _ = write!(text, "{:<34}", cell.map(CellSeen::brief).unwrap_or_default());
        }
    }
    let mut lines: String = text.lines().map(|line| line.trim_end().to_owned() + "\n").collect();
    for cell in cells.iter().filter(|cell| !cell.passed) {
        let _ = write!(lines, "\n{}, {}: {}\n", cell.row, cell.column, cell.word());
        for missed in &cell.missed {
            let _ = writeln!(lines, "    {missed}");
        }
        let _ = writeln!(lines, "    to repeat: {}", cell.command);
        if let Some(evidence) = &cell.evidence {
            let _ = writeln!(lines, "    what was there: {evidence}");
        }
    }
    if cells.iter().any(|cell| cell.stale > 0) {
        lines += "\n+N: stale flows in the cache of a conntrackd, which no bulk makes it forget\n";
    }
    lines
}
