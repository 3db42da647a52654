//! The result as a folder: everything as JSON, the table for a reader, pictures, and one page that holds them all.
//!
//! The page needs nothing but itself: no script, no font, no network. Never judges. Driven by `outside.rs`; tested below.

mod charts;
mod machine;
mod svg;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use super::figures::Row;
use super::measure::Sample;

/// Writes the folder.
///
/// # Errors
/// Which file could not be written.
pub(super) fn write(directory: &Path, document: &Value, rows: &[Row], samples: &[Sample]) -> Result<()> {
    fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    let machine = machine::words();
    let pictures = charts::all(rows, samples);
    let mut files = vec![
        ("result.json".to_owned(), format!("{document:#}\n")),
        ("table.md".to_owned(), format!("{machine}\n\n{}", markdown(rows))),
        ("index.html".to_owned(), page(&machine, rows, &pictures)),
    ];
    files.extend(pictures);
    for (name, text) in files {
        let file = directory.join(name);
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

/// The cells of a row as they are read: figure, unit, both daemons, ratio, target, whether it was met.
fn cells(row: &Row) -> [String; 6] {
    let ratio = row.ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}"));
    let verdict = match (&row.target, row.met) {
        (Some(target), Some(true)) => format!("{target}: met"),
        (Some(target), Some(false)) => format!("{target}: MISSED"),
        _ => String::new(),
    };
    [
        row.figure.trim_start().to_owned(),
        row.unit.to_owned(),
        row.syncd.to_string(),
        row.conntrackd.to_string(),
        ratio,
        verdict,
    ]
}

const HEAD: [&str; 6] = ["", "unit", "syncd", "conntrackd", "ratio", "target"];

/// A row that belongs to the one above it is indented there.
fn belongs(row: &Row) -> bool {
    row.figure.starts_with(' ')
}

fn markdown(rows: &[Row]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let mut text = line(&HEAD.map(str::to_owned));
    text += &line(&["---", "---", "---:", "---:", "---:", "---"].map(str::to_owned));
    for row in rows {
        let mut cells = cells(row);
        if belongs(row) {
            cells[0] = format!("… {}", cells[0]);
        }
        text += &line(&cells);
    }
    text
}

fn page(machine: &str, rows: &[Row], pictures: &[(String, String)]) -> String {
    let mut text = String::from(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>syncd beside conntrackd</title>\n<style>\n\
         body { font: 15px/1.5 sans-serif; margin: 2em auto; max-width: 70em; padding: 0 1em; color: #222 }\n\
         table { border-collapse: collapse; font-variant-numeric: tabular-nums }\n\
         td, th { padding: .15em .8em; border-bottom: 1px solid #ddd; text-align: right; font-weight: normal }\n\
         td:first-child, td:last-child, th { text-align: left }\n\
         .part td:first-child { padding-left: 2.2em; color: #666 }\n.missed td:last-child { color: #b00020; font-weight: bold }\n\
         svg { max-width: 100%; height: auto }\n</style>\n<h1>syncd beside conntrackd</h1>\n",
    );
    // Writing to a string cannot fail.
    let _ = writeln!(text, "<p>{}</p>", escaped(machine));
    for (_, picture) in pictures {
        let _ = writeln!(text, "<p>{picture}</p>");
    }
    let cell = |tag: &str, cell: &str| format!("<{tag}>{}</{tag}>", escaped(cell));
    let line = |tag, cells: &[String]| cells.iter().map(|text| cell(tag, text)).collect::<String>();
    let _ = writeln!(text, "<table>\n<tr>{}</tr>", line("th", &HEAD.map(str::to_owned)));
    for row in rows {
        let mut classes = Vec::new();
        classes.extend(belongs(row).then_some("part"));
        classes.extend((row.met == Some(false)).then_some("missed"));
        let _ = writeln!(text, "<tr class=\"{}\">{}</tr>", classes.join(" "), line("td", &cells(row)));
    }
    text + "</table>\n<p>Medians of all repetitions, least and most in brackets where they differ.</p>\n</html>\n"
}

/// As text between tags.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::super::figures::Spread;
    use super::{Row, escaped, markdown, page};

    fn rows() -> Vec<Row> {
        let spread = |median| Spread { median, min: median, max: median + 1.0 };
        let row = |figure: &str, met| Row {
            figure: figure.to_owned(),
            unit: "ms",
            syncd: spread(1.0),
            conntrackd: spread(4.0),
            ratio: Some(0.25),
            target: Some("at most 0.20 of conntrackd's".to_owned()),
            met: Some(met),
        };
        vec![row("commit of 100 flows", true), row("  of < 1 & > 0", false)]
    }

    #[test]
    fn the_table_is_read_by_people_and_by_browsers() {
        insta::with_settings!({ snapshot_path => "../../../../snapshots/bench", prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!("table", markdown(&rows()));
            insta::assert_snapshot!("page", page("a machine", &rows(), &[("a.svg".to_owned(), "<svg/>".to_owned())]));
        });
        assert_eq!(escaped("a<b & c"), "a&lt;b &amp; c");
    }
}
