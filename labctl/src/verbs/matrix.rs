//! `labctl matrix`: every cell in a lab of its own, one after the other, and one table of what became of each.
//!
//! Everything is checked before the first lab is built. A cell that fails does not end the others. Never judges. Driven
//! by `cargo ci interop`; its parts are tested in `scenario` and `report`.

use std::path::{Path, PathBuf};
use std::process::{self, ExitCode};
use std::time::Instant;

use anyhow::{Result, bail};

use super::{one, require_programs};
use crate::ending::Ending;
use crate::report::{self, CellSeen};
use crate::scenario::{self, Cell, Matrix};

/// How a matrix is to be run.
#[derive(Debug)]
pub(super) struct Wanted {
    /// The daemon under test.
    pub(super) syncd: Option<PathBuf>,
    /// Only these rows, if any.
    pub(super) rows: Vec<String>,
    /// Only these columns, if any.
    pub(super) columns: Vec<String>,
    /// A document instead of text.
    pub(super) json: bool,
    /// Print commands only.
    pub(super) dry_run: bool,
    /// Where evidence goes.
    pub(super) report: Option<PathBuf>,
}

/// Runs the cells that are wanted; the code says whether all with syncd in them passed.
///
/// # Errors
/// Mistakes of any file, names of no row or column, missing programs, a lab that cannot be built.
pub(super) fn run(file: &Path, wanted: &Wanted) -> Result<ExitCode> {
    let matrix = scenario::load_matrix(file)?;
    let cells = chosen(&matrix, wanted)?;
    if wanted.dry_run {
        for cell in &cells {
            println!("{}", cell.command);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let mut syncd = None;
    for cell in &cells {
        syncd = require_programs(&cell.scenario, wanted.syncd.as_deref())?.or(syncd);
    }
    let began = Instant::now();
    let mut seen = Vec::new();
    for (place, cell) in cells.iter().enumerate() {
        let cell_seen = run_cell(cell, syncd.as_deref(), wanted)?;
        eprintln!(
            "{:>3}/{} {:<26}{:<24}{} {:>6.1} s",
            place + 1,
            cells.len(),
            cell_seen.row,
            cell_seen.column,
            cell_seen.brief(),
            cell_seen.seconds
        );
        seen.push(cell_seen);
    }
    if wanted.json {
        println!("{:#}", report::matrix_document(&matrix, &seen));
    } else {
        print!("\n{}", report::matrix_table(&matrix, &seen));
        println!("\n{} cells in {:.0} s", seen.len(), began.elapsed().as_secs_f64());
    }
    Ok(if report::all_passed(&seen) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn chosen<'a>(matrix: &'a Matrix, wanted: &Wanted) -> Result<Vec<&'a Cell>> {
    for (what, names, known) in
        [("row", &wanted.rows, &matrix.rows), ("column", &wanted.columns, &matrix.columns)]
    {
        if let Some(name) = names.iter().find(|name| !known.contains(name)) {
            let text = format!("no {what} is called {name}: write one of {}", known.join(", "));
            bail!(Ending::Usage(text));
        }
    }
    let is_wanted = |names: &[String], name: &String| names.is_empty() || names.contains(name);
    let wanted =
        |cell: &&Cell| is_wanted(&wanted.rows, &cell.row) && is_wanted(&wanted.columns, &cell.column);
    Ok(matrix.cells.iter().filter(wanted).collect())
}

fn run_cell(cell: &Cell, syncd: Option<&Path>, wanted: &Wanted) -> Result<CellSeen> {
    let began = Instant::now();
    let lab = format!("{}-{}", cell.row, process::id());
    let ran = one::one(&lab, cell.sources.clone(), &cell.scenario, syncd)?;
    let mut seen = CellSeen::of(cell, &ran.outcome.document, began.elapsed().as_secs_f64())?;
    if !ran.passed {
        let name = format!("{}-{}", cell.row, cell.column.replace('/', "-"));
        let directory = one::keep_evidence(&name, &ran.evidence, wanted.report.as_deref())?;
        seen.evidence = Some(directory.display().to_string());
    }
    Ok(seen)
}
