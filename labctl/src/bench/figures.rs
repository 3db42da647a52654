//! From samples to the table: medians and spread, one daemon beside the other, and what was aimed at.
//!
//! Pure. Never calls anything a success that was not measured. Driven by `outside.rs`; tested below.

use std::fmt::{self, Write as _};

use serde::Serialize;

use super::daemon::Daemon;
use super::flows::Kind;
use super::measure::{Committed, Inserted, Sample, Sides};
use super::{Figure, Plan};

/// A commit takes at most so much of conntrackd's time.
const COMMIT_RATIO: f64 = 0.6;

/// One measured quantity of one daemon.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Spread {
    /// The middle one.
    pub(crate) median: f64,
    /// The least.
    pub(crate) min: f64,
    /// The most.
    pub(crate) max: f64,
}

/// One line of the table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Row {
    /// What was measured.
    pub(crate) figure: String,
    /// In what.
    pub(crate) unit: &'static str,
    /// By syncd.
    pub(crate) syncd: Spread,
    /// By conntrackd.
    pub(crate) conntrackd: Spread,
    /// Median of syncd by median of conntrackd; None where that says nothing.
    pub(crate) ratio: Option<f64>,
    /// What was aimed at, in words.
    pub(crate) target: Option<String>,
    /// Whether it was reached; None without a target.
    pub(crate) met: Option<bool>,
}

/// The table.
#[must_use]
pub(crate) fn rows(plan: &Plan, samples: &[Sample]) -> Vec<Row> {
    let mut rows = Vec::new();
    if plan.wants(Figure::Commit) {
        rows.extend([Kind::Plain, Kind::Translated].into_iter().flat_map(|kind| commit(kind, plan, samples)));
    }
    let inserted: Vec<Inserted> = samples
        .iter()
        .filter_map(|sample| if let Sample::Inserted(inserted) = sample { Some(*inserted) } else { None })
        .collect();
    let row = |figure: &str, unit, value: fn(&Inserted) -> f64| {
        let values: Vec<_> = inserted.iter().map(|it| (it.daemon, value(it))).collect();
        row(figure.to_owned(), unit, &values)
    };
    let flows = grouped(plan.inserted);
    if plan.wants(Figure::Insert) {
        rows.extend(row(&format!("{flows} flows at full speed"), "flows/s", |it| it.per_second));
        rows.extend(
            row("  missing in r1's internal cache", "flows", |it| whole(it.missing).r1).map(none_missing),
        );
        rows.extend(
            row("  missing in r2's external cache", "flows", |it| whole(it.missing).r2).map(none_missing),
        );
        rows.extend(row("  CPU time on r1", "us/flow", |it| it.cpu.r1));
        rows.extend(row("  CPU time on r2", "us/flow", |it| it.cpu.r2));
    }
    if plan.wants(Figure::Memory) {
        rows.extend(row(&format!("memory on r1, {flows} flows"), "bytes/flow", |it| it.memory.r1));
        rows.extend(row(&format!("memory on r2, {flows} flows"), "bytes/flow", |it| it.memory.r2));
    }
    rows
}

fn commit(kind: Kind, plan: &Plan, samples: &[Sample]) -> Vec<Row> {
    let commits: Vec<&Committed> = samples
        .iter()
        .filter_map(|sample| if let Sample::Committed(it) = sample { Some(it) } else { None })
        .filter(|it| it.kind == kind)
        .collect();
    let words = match kind {
        Kind::Plain => "plain",
        Kind::Translated => "translated",
    };
    let figure = format!("commit of {} {words} flows", grouped(plan.committed));
    let times: Vec<_> = commits.iter().map(|it| (it.daemon, it.milliseconds)).collect();
    let cpu: Vec<_> = commits.iter().map(|it| (it.daemon, it.cpu_milliseconds)).collect();
    let rows = [row(figure, "ms", &times), row("  CPU time on r2".to_owned(), "ms", &cpu)];
    let mut rows: Vec<Row> = rows.into_iter().flatten().collect();
    if kind == Kind::Plain
        && let Some(row) = rows.first_mut()
    {
        // Quick because something was left out is not quick.
        let whole =
            commits.iter().all(|it| it.daemon != Daemon::Syncd || it.committed == u64::from(it.flows));
        row.target = Some(format!("at most {COMMIT_RATIO} of conntrackd's time"));
        row.met = Some(whole && row.ratio.is_some_and(|ratio| ratio <= COMMIT_RATIO));
    }
    rows
}

/// None may be missing in any repetition.
fn none_missing(row: Row) -> Row {
    let met = Some(row.syncd.max == 0.0);
    Row { ratio: None, target: Some("none missing".to_owned()), met, ..row }
}

#[expect(clippy::cast_precision_loss, reason = "flows are far below 2^52")]
fn whole(sides: Sides<u64>) -> Sides<f64> {
    Sides { r1: sides.r1 as f64, r2: sides.r2 as f64 }
}

/// None unless both daemons were measured.
fn row(figure: String, unit: &'static str, values: &[(Daemon, f64)]) -> Option<Row> {
    let of =
        |daemon| spread(values.iter().filter(|(who, _)| *who == daemon).map(|(_, value)| *value).collect());
    let (syncd, conntrackd) = (of(Daemon::Syncd)?, of(Daemon::Conntrackd)?);
    let ratio = (conntrackd.median > 0.0).then(|| syncd.median / conntrackd.median);
    Some(Row { figure, unit, syncd, conntrackd, ratio, target: None, met: None })
}

fn spread(mut values: Vec<f64>) -> Option<Spread> {
    values.sort_by(f64::total_cmp);
    let (min, max) = (*values.first()?, *values.last()?);
    let middle = values.len() / 2;
    let median = if values.len() % 2 == 1 {
        values[middle]
    } else {
        f64::midpoint(values[middle - 1], values[middle])
    };
    Some(Spread { median, min, max })
}

/// The table as text.
#[must_use]
pub(crate) fn table(rows: &[Row]) -> String {
    let mut text = format!("{:<36}{:<12}{:>24}{:>24}{:>8}\n", "", "", "syncd", "conntrackd", "ratio");
    for row in rows {
        let ratio = row.ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"));
        let verdict = match (&row.target, row.met) {
            (Some(target), Some(true)) => format!("  met: {target}"),
            (Some(target), Some(false)) => format!("  MISSED: {target}"),
            _ => String::new(),
        };
        let (ours, theirs) = (row.syncd.to_string(), row.conntrackd.to_string());
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{:<36}{:<12}{ours:>24}{theirs:>24}{ratio:>8}{verdict}", row.figure, row.unit);
    }
    text
}

/// The median, and least to most where they differ: `340 (312-401)`.
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { median, min, max } = *self;
        let digits = if max < 100.0 && max.fract() != 0.0 { 1 } else { 0 };
        let [median, min, max] = [median, min, max].map(|value| format!("{value:.digits$}"));
        if min == max { f.write_str(&median) } else { write!(f, "{median} ({min}-{max})") }
    }
}

/// As people read it: 300,000.
fn grouped(number: u32) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Committed, Daemon, Inserted, Kind, Plan, Sample, Sides, grouped, rows, spread, table};

    fn commit(daemon: Daemon, milliseconds: f64, committed: u64) -> Sample {
        let (kind, flows, cpu_milliseconds) = (Kind::Plain, 100, milliseconds);
        Sample::Committed(Committed { daemon, kind, flows, committed, milliseconds, cpu_milliseconds })
    }

    fn plan() -> Plan {
        Plan { only: None, committed: 100, inserted: 300_000, repetitions: 3, root: true }
    }

    #[test]
    fn a_commit_meets_its_target_by_the_median_and_only_if_it_is_whole() {
        let mut samples: Vec<Sample> = [300.0, 500.0, 900.0].map(|ms| commit(Daemon::Syncd, ms, 100)).into();
        samples.extend([1000.0, 1000.0, 1000.0].map(|ms| commit(Daemon::Conntrackd, ms, 100)));
        let row = &rows(&plan(), &samples)[0];
        assert_eq!((row.ratio, row.met), (Some(0.5), Some(true)));
        assert_eq!(
            (row.syncd.to_string(), row.conntrackd.to_string()),
            ("500 (300-900)".into(), "1000".into())
        );
        samples[0] = commit(Daemon::Syncd, 300.0, 99);
        assert_eq!(rows(&plan(), &samples)[0].met, Some(false));
        assert!(table(&rows(&plan(), &samples)).contains("MISSED: at most 0.6"));
    }

    #[test]
    fn one_missing_flow_in_one_repetition_is_a_miss() {
        let insert = |(daemon, missing)| {
            let (missing, each) = (Sides { r1: 0, r2: missing }, Sides { r1: 1.25, r2: 1.25 });
            let (per_second, settled_milliseconds) = (1e5, 1.0);
            let flows = 300_000;
            Sample::Inserted(Inserted {
                daemon,
                flows,
                per_second,
                settled_milliseconds,
                missing,
                memory: each,
                cpu: each,
            })
        };
        let samples = [(Daemon::Syncd, 0), (Daemon::Syncd, 0), (Daemon::Syncd, 1), (Daemon::Conntrackd, 5)];
        let rows = rows(&plan(), &samples.map(insert));
        let met: Vec<_> = rows.iter().map(|row| row.met).collect();
        assert_eq!(met, [None, Some(true), Some(false), None, None, None, None]);
    }

    #[test]
    fn what_was_not_measured_is_no_row() {
        assert!(rows(&plan(), &[commit(Daemon::Syncd, 1.0, 100)]).is_empty());
    }

    #[test]
    fn the_median_of_two_is_between_them() {
        assert_eq!(spread(vec![4.0, 2.0]).unwrap().median, 3.0);
        assert_eq!(spread(vec![]), None);
        assert_eq!(grouped(1_048_576), "1,048,576");
    }
}
