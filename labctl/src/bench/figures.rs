//! From samples to the table: medians and spread, one daemon beside the other, and what was aimed at.
//!
//! Pure. Never calls anything a success that was not measured. Driven by `outside.rs`; tested below.

mod loads;
mod sizes;
mod takeover;

use std::fmt::{self, Write as _};

use serde::Serialize;

use super::Plan;
use super::daemon::Daemon;
use super::measure::Sample;

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
    let mut rows = takeover::takeover(&only(samples, Sample::taken_over));
    let (committed, alone) = (only(samples, Sample::committed), only(samples, Sample::alone));
    rows.extend(sizes::commits(plan, &committed, &alone));
    rows.extend(sizes::preloads(plan, &only(samples, Sample::preloaded)));
    rows.extend(sizes::bulks(plan, &only(samples, Sample::bulk)));
    rows.extend(sizes::memory(plan, &only(samples, Sample::filled)));
    rows.extend(sizes::readings(&only(samples, Sample::read)));
    rows.extend(loads::insert(plan, &only(samples, Sample::inserted)));
    rows.extend(loads::lossy(&only(samples, Sample::weathered)));
    rows.extend(loads::traffic(&only(samples, Sample::passed)));
    rows.extend(loads::rates(&only(samples, Sample::paced)));
    rows
}

fn only<T>(samples: &[Sample], of: impl Fn(&Sample) -> Option<T>) -> Vec<T> {
    samples.iter().filter_map(of).collect()
}

impl Row {
    /// None unless both daemons were measured.
    fn of(
        figure: impl Into<String>,
        unit: &'static str,
        values: impl IntoIterator<Item = (Daemon, f64)>,
    ) -> Option<Self> {
        let (ours, theirs): (Vec<_>, Vec<_>) =
            values.into_iter().partition(|(daemon, _)| *daemon == Daemon::Syncd);
        let of = |values: Vec<(Daemon, f64)>| spread(values.into_iter().map(|(_, value)| value).collect());
        let (syncd, conntrackd) = (of(ours)?, of(theirs)?);
        let ratio = (conntrackd.median > 0.0).then(|| syncd.median / conntrackd.median);
        Some(Self { figure: figure.into(), unit, syncd, conntrackd, ratio, target: None, met: None })
    }

    fn aim(self, target: String, met: impl FnOnce(&Self) -> bool) -> Self {
        let met = Some(met(&self));
        Self { target: Some(target), met, ..self }
    }

    /// By the medians; and only if it was `whole`.
    fn at_most(self, share: f64, of: &str, whole: bool) -> Self {
        self.aim(format!("at most {share:.2} of {of}"), |row| {
            whole && row.ratio.is_some_and(|ratio| ratio <= share)
        })
    }

    /// In every repetition less than so much, in the row's unit.
    fn under(self, most: f64) -> Self {
        let target = format!("under {most} {}", self.unit);
        self.aim(target, |row| row.syncd.max < most)
    }

    /// None may be missing in any repetition.
    fn none(self) -> Self {
        Self { ratio: None, ..self.aim("none".to_owned(), |row| row.syncd.max == 0.0) }
    }
}

#[expect(clippy::cast_precision_loss, reason = "flows are far below 2^52")]
const fn whole(flows: u64) -> f64 {
    flows as f64
}

pub(crate) fn spread(mut values: Vec<f64>) -> Option<Spread> {
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
    let mut text = format!("{:<40}{:<14}{:>24}{:>24}{:>8}\n", "", "", "syncd", "conntrackd", "ratio");
    for row in rows {
        let ratio = row.ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"));
        let verdict = match (&row.target, row.met) {
            (Some(target), Some(true)) => format!("  met: {target}"),
            (Some(target), Some(false)) => format!("  MISSED: {target}"),
            _ => String::new(),
        };
        let (ours, theirs) = (row.syncd.to_string(), row.conntrackd.to_string());
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{:<40}{:<14}{ours:>24}{theirs:>24}{ratio:>8}{verdict}", row.figure, row.unit);
    }
    text
}

/// The median, and least to most where they differ: `340 (312-401)`.
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { median, min, max } = *self;
        let digits = match max {
            max if max >= 100.0 || [median, min, max].iter().all(|value| value.fract() == 0.0) => 0,
            max if max >= 10.0 => 1,
            _ => 2,
        };
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
    use super::super::flows::Kind;
    use super::super::full::{Bulk, Filled};
    use super::super::measure::{Committed, Inserted, Sides};
    use super::super::preload::Preloaded;
    use super::super::reading::Read;
    use super::{Daemon, Plan, Sample, grouped, rows, spread, table};

    fn commit(daemon: Daemon, milliseconds: f64, committed: u64) -> Sample {
        let (kind, flows, cpu_milliseconds) = (Kind::Plain, 100, milliseconds);
        Sample::Committed(Committed { daemon, kind, flows, committed, milliseconds, cpu_milliseconds })
    }

    fn plan() -> Plan {
        let sizes = vec![100, 1_000_000];
        Plan { only: Vec::new(), sizes, inserted: 300_000, repetitions: 3, root: true }
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
        assert!(table(&rows(&plan(), &samples)).contains("MISSED: at most 0.60"));
    }

    #[test]
    fn one_missing_flow_in_one_repetition_is_a_miss() {
        let insert = |(daemon, missing)| {
            let (missing, cpu) = (Sides { r1: 0, r2: missing }, Sides { r1: 1.25, r2: 1.25 });
            let (flows, per_second, settled_milliseconds) = (300_000, 1e5, 1.0);
            Sample::Inserted(Inserted { daemon, flows, per_second, settled_milliseconds, missing, cpu })
        };
        let samples = [(Daemon::Syncd, 0), (Daemon::Syncd, 0), (Daemon::Syncd, 1), (Daemon::Conntrackd, 5)];
        let rows = rows(&plan(), &samples.map(insert));
        let met: Vec<_> = rows.iter().map(|row| row.met).collect();
        assert_eq!(met, [None, Some(true), Some(false), None, None]);
    }

    #[test]
    fn memory_has_a_limit_of_its_own_and_a_bulk_is_compared() {
        let filled =
            |daemon, r2| Sample::Filled(Filled { daemon, flows: 1_000_000, memory: Sides { r1: 151.0, r2 } });
        let bulk = |daemon, milliseconds, arrived| {
            Sample::Bulk(Bulk { daemon, flows: 1_000_000, arrived, milliseconds })
        };
        let samples = [
            filled(Daemon::Syncd, 160.5),
            filled(Daemon::Conntrackd, 464.0),
            bulk(Daemon::Syncd, 900.0, 1_000_000),
            // What conntrackd does not send is its own affair.
            bulk(Daemon::Conntrackd, 600.0, 999_999),
        ];
        let all = rows(&plan(), &samples);
        assert_eq!(all.iter().map(|row| row.met).collect::<Vec<_>>(), [Some(true), Some(true), Some(false)]);
        let short = [bulk(Daemon::Syncd, 900.0, 999_999), samples[3]];
        assert_eq!(rows(&plan(), &short)[0].met, Some(false));
    }

    #[test]
    fn a_takeover_is_quick_only_with_all_flows_and_in_every_repetition() {
        let seen = |daemon, ready_milliseconds, held| {
            Sample::Preloaded(Preloaded { daemon, flows: 1_000_000, held, ready_milliseconds, cpu: 4.0 })
        };
        let met = |ours: [(f64, u64); 2]| {
            let mut samples = ours.map(|(ready, held)| seen(Daemon::Syncd, ready, held)).to_vec();
            samples.push(seen(Daemon::Conntrackd, 13_900.0, 999_000));
            rows(&plan(), &samples).iter().filter_map(|row| row.met).collect::<Vec<_>>()
        };
        assert_eq!(met([(6.0, 1_000_000), (49.0, 1_000_000)]), [true]);
        assert_eq!(met([(6.0, 1_000_000), (50.0, 1_000_000)]), [false]);
        assert_eq!(met([(6.0, 1_000_000), (6.0, 999_999)]), [false]);
    }

    #[test]
    fn a_reader_is_small_only_if_it_has_read_all() {
        let seen = |daemon, shown, reader| {
            let (flows, grown, milliseconds, table) = (990_000, 2.0, 30.0, 9.0);
            Sample::Read(Read { daemon, flows, shown, reader, grown, milliseconds, table, paged: None })
        };
        let met = |shown, reader| {
            let samples = [seen(Daemon::Syncd, shown, reader), seen(Daemon::Conntrackd, 1, 600.0)];
            rows(&plan(), &samples).iter().filter_map(|row| row.met).collect::<Vec<_>>()
        };
        assert_eq!(met(990_001, 9.0), [true, true]);
        assert_eq!(met(990_000, 16.0), [false, true]);
        assert_eq!(met(989_999, 9.0), [false, false]);
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
