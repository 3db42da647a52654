//! `cargo ci bench`: set up, build, and syncd's figures beside conntrackd's, in one table.
//!
//! Measures nothing itself: labctl does, and a test of the kernel's crate for the decoder. A target that is missed is
//! printed and fails nothing, since a figure is the machine's as much as ours; what cannot be measured does, and so does
//! overload at full size, which follows the table: there a flow is lost or it is not. labctl ends when we do, and its
//! guardian restores the host's limits then.

use std::process::{self, Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::lock::HostLock;
use crate::setup::{self, Lacking, Need};
use crate::workspace::Workspace;
use crate::{gates, residue, suite};

/// What labctl prints, as far as it is shown here.
#[derive(Deserialize)]
struct Document {
    /// What one should know of this run.
    remarks: Vec<String>,
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    figure: String,
    unit: String,
    syncd: Spread,
    /// None where there is nothing to compare with.
    conntrackd: Option<Spread>,
    ratio: Option<f64>,
    target: Option<String>,
    met: Option<bool>,
}

#[derive(Clone, Copy, Deserialize)]
struct Spread {
    median: f64,
    min: f64,
    max: f64,
}

/// Measures and prints.
///
/// # Errors
/// When the environment lacks something, the build fails, something cannot be measured, or overload loses something.
pub(crate) fn bench(workspace: &Workspace) -> Result<()> {
    setup::setup(workspace, Need::Everything)?;
    gates::run(&mut suite::build(workspace, &["syncd", "labctl"])).context("the build failed")?;
    let _lock = HostLock::take()?;
    let decoding = decoding(workspace)?;
    let mut labctl = workspace.command(workspace.binary("labctl"));
    labctl.args(["bench", "--json", "--parent", &process::id().to_string()]);
    residue::mark(&mut labctl);
    let mut document: Document =
        serde_json::from_str(&output(&mut labctl)?).context("labctl's figures are not understood")?;
    document.rows.push(decoding);
    print!("\n{}", table(&document.rows));
    for remark in document.remarks {
        println!("\n{remark}");
    }
    if !setup::is_root() {
        println!("\noverload at full size: SKIPPED, only root may raise the host's limits");
        return Ok(());
    }
    println!("\noverload at full size, and what conntrackd loses in it:");
    gates::run(&mut suite::full_size(workspace)).context("overload at full size failed")
}

/// Decoding one event: the test fails when it allocates, and says how long it takes.
fn decoding(workspace: &Workspace) -> Result<Row> {
    let mut test = workspace.command("cargo");
    test.args(["test", "--quiet", "--release", "-p", "syncd-conntrack", "--test", "no_alloc"]);
    test.args(["--", "--nocapture", "--test-threads=1"]);
    let text = output(&mut test)?;
    let nanoseconds = nanoseconds(&text).context("the test of the decoder does not say how long it takes")?;
    Ok(Row {
        figure: "decoding one event".to_owned(),
        unit: "ns".to_owned(),
        syncd: Spread { median: nanoseconds, min: nanoseconds, max: nanoseconds },
        conntrackd: None,
        ratio: None,
        target: Some("no allocation".to_owned()),
        met: Some(true),
    })
}

/// `decoding one event: 187 ns`, wherever the test harness has put it.
fn nanoseconds(text: &str) -> Option<f64> {
    let (_, behind) = text.split_once("decoding one event: ")?;
    behind.split_whitespace().next()?.parse().ok()
}

/// What a program that must succeed prints; its errors and its progress go where ours go.
fn output(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_owned();
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start {}", program.display()))?;
    match output.status.code() {
        Some(0) => String::from_utf8(output.stdout).context("an output that is no text"),
        Some(3) => Err(Lacking::new("the environment lacks something (see above)").into()),
        _ => bail!("{}: {}\n{}", program.display(), output.status, String::from_utf8_lossy(&output.stdout)),
    }
}

fn table(rows: &[Row]) -> String {
    let line = |figure: &str, unit: &str, syncd: &str, conntrackd: &str, ratio: &str, verdict: &str| {
        format!("{figure:<40}{unit:<14}{syncd:>24}{conntrackd:>24}{ratio:>8}  {verdict}")
            .trim_end()
            .to_owned()
            + "\n"
    };
    let mut text = line("", "", "syncd", "conntrackd", "ratio", "target");
    for row in rows {
        let conntrackd = row.conntrackd.as_ref().map_or_else(|| "-".to_owned(), words);
        let ratio = row.ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"));
        let verdict = match (&row.target, row.met) {
            (Some(target), Some(true)) => format!("met: {target}"),
            (Some(target), Some(false)) => format!("MISSED: {target}"),
            _ => String::new(),
        };
        text += &line(&row.figure, &row.unit, &words(&row.syncd), &conntrackd, &ratio, &verdict);
    }
    text
}

/// The median, and least to most where they differ.
fn words(spread: &Spread) -> String {
    let Spread { median, min, max } = *spread;
    let digits = match max {
        max if max >= 100.0 || [median, min, max].iter().all(|value| value.fract() == 0.0) => 0,
        max if max >= 10.0 => 1,
        _ => 2,
    };
    let [median, min, max] = [median, min, max].map(|value| format!("{value:.digits$}"));
    if min == max { median } else { format!("{median} ({min}-{max})") }
}

#[cfg(test)]
mod tests {
    use super::{Document, nanoseconds, table};

    #[test]
    fn the_decoders_time_is_found_in_the_harness_output() {
        assert_eq!(nanoseconds("running 2 tests\ndecoding one event: 187 ns\n.encoding: 1 ns"), Some(187.0));
        assert_eq!(nanoseconds("running 0 tests"), None);
    }

    #[test]
    fn labctls_rows_become_lines_with_ratio_and_verdict() {
        let json = r#"{"host":{"max":1},"remarks":[],"samples":[],"rows":[
            {"figure":"commit","unit":"ms","syncd":{"median":340.4,"min":300.0,"max":400.0},
             "conntrackd":{"median":1000.0,"min":1000.0,"max":1000.0},"ratio":0.34,"target":"at most 0.6","met":true},
            {"figure":"memory","unit":"bytes/flow","syncd":{"median":1.125,"min":1.125,"max":1.125},
             "conntrackd":null,"ratio":null,"target":"less","met":false}]}"#;
        let document: Document = serde_json::from_str(json).unwrap();
        let text = table(&document.rows);
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(
            lines[1],
            ["commit", "ms", "340", "(300-400)", "1000", "0.34", "met:", "at", "most", "0.6"]
        );
        assert_eq!(lines[2], ["memory", "bytes/flow", "1.12", "-", "-", "MISSED:", "less"]);
    }
}
