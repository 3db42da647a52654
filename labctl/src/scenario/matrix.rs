//! A matrix: scenarios in its rows, pairs of daemons in its columns, a variation in each cell.
//!
//! Never runs a cell; the verb does. Every cell's scenario is read and checked here, all mistakes at once. Tested in
//! `tests.rs` and, for the project's own, in `labctl/tests/plans.rs`.

use std::collections::BTreeMap;
use std::path::Path as FilePath;

use serde::Deserialize;

use super::load::{self, Sources};
use super::mistake::{Mistake, Mistakes, line_of};
use super::model::{Channel, Scenario, SyncKind};
use super::variation::Variation;

/// Rows and columns whose cells can be run.
#[derive(Clone, Debug)]
pub(crate) struct Matrix {
    /// One line for people.
    pub(crate) title: String,
    /// The columns' names, in order.
    pub(crate) columns: Vec<String>,
    /// The rows' names, in order.
    pub(crate) rows: Vec<String>,
    /// Row by row; where a row leaves a column out there is none.
    pub(crate) cells: Vec<Cell>,
}

/// A scenario with the daemons of its column.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    /// Its row's name.
    pub(crate) row: String,
    /// Its column's.
    pub(crate) column: String,
    /// Whether syncd is in it. Without it a cell shows what conntrackd alone does, whatever that is.
    pub(crate) judged: bool,
    /// What would be typed to run it alone.
    pub(crate) command: String,
    /// For its lab.
    pub(crate) sources: Sources,
    /// As it is run.
    pub(crate) scenario: Scenario,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct MatrixText {
    title: String,
    columns: Vec<BTreeMap<String, SyncKind>>,
    rows: Vec<RowText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RowText {
    row: String,
    /// Name of a scenario, beside the matrix or beside its directory.
    scenario: String,
    channel: Option<Channel>,
    /// The columns in which it is run; all, if it does not say.
    columns: Option<Vec<String>>,
}

/// Reads a matrix and the scenario of each of its cells.
///
/// # Errors
/// [`Mistakes`], also when a file cannot be read or is no YAML.
pub(crate) fn load_matrix(path: &FilePath) -> Result<Matrix, Mistakes> {
    let file = path.display().to_string();
    let text = load::read(path)?;
    let said: MatrixText = load::parse(&file, &text)?;
    let columns: Vec<String> = said.columns.iter().map(name_of).collect();
    let mut mistakes = Vec::new();
    for name in ["columns", "rows"] {
        if (if name == "rows" { said.rows.len() } else { columns.len() }) == 0 {
            let (line, what) = (line_of(&text, &[name], None), format!("no {name}"));
            let remedy = "give at least one".to_owned();
            mistakes.push(Mistake { file: file.clone(), line, what, remedy });
        }
    }
    let mut cells = Vec::new();
    for (place, row) in said.rows.iter().enumerate() {
        let wanted = row.columns.as_ref().unwrap_or(&columns);
        let unknown = wanted.iter().find(|name| !columns.contains(name));
        let again = said.rows[..place].iter().any(|earlier| earlier.row == row.row);
        for what in [
            unknown.map(|name| format!("no column is called `{name}`")),
            again.then(|| format!("`{}` twice", row.row)),
        ] {
            let line = line_of(&text, &["rows"], Some(place));
            let remedy = format!("columns are {}; every row has its own name", columns.join(", "));
            mistakes.extend(what.map(|what| Mistake { file: file.clone(), line, what, remedy }));
        }
        let scenario = load::beside(path, &format!("{}.yaml", row.scenario));
        for (column, sync) in columns.iter().zip(&said.columns).filter(|(name, _)| wanted.contains(name)) {
            match cell(row, column, sync, &scenario) {
                Ok(cell) => cells.push(cell),
                // A mistake of the scenario itself is one mistake, whatever the column.
                Err(Mistakes(found)) => mistakes
                    .extend(found.into_iter().filter(|new| !mistakes.contains(new)).collect::<Vec<_>>()),
            }
        }
    }
    if !mistakes.is_empty() {
        return Err(Mistakes(mistakes));
    }
    Ok(Matrix { title: said.title, columns, rows: said.rows.into_iter().map(|row| row.row).collect(), cells })
}

/// The daemons, in the order of their routers' names.
fn name_of(sync: &BTreeMap<String, SyncKind>) -> String {
    sync.values().map(|kind| kind.word()).collect::<Vec<_>>().join("/")
}

fn cell(
    row: &RowText,
    column: &str,
    sync: &BTreeMap<String, SyncKind>,
    file: &FilePath,
) -> Result<Cell, Mistakes> {
    let variation = Variation { sync: sync.clone(), channel: row.channel, ..Variation::default() };
    let command = format!("labctl run {}{variation}", file.display());
    let (sources, scenario) = load::load(file, variation)?;
    let judged = scenario.sync.values().any(|kind| *kind == SyncKind::Syncd);
    let (row, column) = (row.row.clone(), column.to_owned());
    Ok(Cell { row, column, judged, command, sources, scenario })
}
