//! The rows about flows that come by themselves: through the router, and at a rate.
//!
//! Driven by `figures.rs`; tested below.

use super::super::Plan;
use super::super::daemon::Daemon;
use super::super::lossy::Weathered;
use super::super::measure::Inserted;
use super::super::paced::{Paced, RATES, Rate};
use super::super::passage::{Audience, Passed};
use super::{Row, grouped, spread, whole};

/// New flows pass at least so many times as fast.
const PASSAGE_RATIO: f64 = 1.8;
/// On either side a flow takes at most so much of conntrackd's CPU time.
const CPU_RATIO: f64 = 0.2;
/// At most so many datagrams per flow.
const DATAGRAMS: f64 = 0.15;
/// And at a pace that conntrackd can keep, at most so many of conntrackd's.
const DATAGRAMS_RATIO: f64 = 0.1;
/// After the last flow over a bad link at most so much of conntrackd's time.
const LOSSY_RATIO: f64 = 0.5;
/// Up to so many births in a second nothing waits: the median lag is at most so many milliseconds.
const GENTLE: (u32, f64) = (1_000, 0.3);
/// Nowhere is the median lag longer, in milliseconds.
const EVERYWHERE: f64 = 1.0;
/// At so many births in a second it is at most so many milliseconds, and the 99th percentile is not above conntrackd's.
const HARD: (u32, f64) = (50_000, 0.57);

/// Flows written into the kernel as fast as it takes them.
pub(super) fn insert(plan: &Plan, samples: &[Inserted]) -> Vec<Row> {
    let row = |figure: &str, unit, value: fn(&Inserted) -> f64| {
        Row::of(figure, unit, samples.iter().map(|it| (it.daemon, value(it))))
    };
    let figure = format!("{} flows at full speed", grouped(plan.inserted));
    [
        row(&figure, "flows/s", |it| it.per_second),
        row("  missing in r1's internal cache", "flows", |it| whole(it.missing.r1)).map(Row::none),
        row("  missing in r2's external cache", "flows", |it| whole(it.missing.r2)).map(Row::none),
        row("  CPU time on r1", "us/flow", |it| it.cpu.r1),
        row("  CPU time on r2", "us/flow", |it| it.cpu.r2),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Flows over a bad link.
pub(super) fn lossy(samples: &[Weathered]) -> Vec<Row> {
    let Some(first) = samples.first() else { return Vec::new() };
    let row = |figure: &str, unit, value: fn(&Weathered) -> f64| {
        Row::of(figure, unit, samples.iter().map(|it| (it.daemon, value(it))))
    };
    let all = samples.iter().all(|it| it.daemon != Daemon::Syncd || it.arrived == u64::from(it.flows));
    let figure = format!("20 % loss, {} flows: until known", grouped(first.flows));
    let missing = |it: &Weathered| whole(u64::from(it.flows).saturating_sub(it.arrived));
    [
        row(&figure, "ms", |it| it.milliseconds).map(|row| row.at_most(LOSSY_RATIO, "conntrackd's", all)),
        row("  never known", "flows", missing).map(Row::none),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Flows through the router.
pub(super) fn traffic(samples: &[Passed]) -> Vec<Row> {
    let (moderate, fast): (Vec<_>, Vec<_>) = samples.iter().partition(|it| it.pace.is_some());
    at_full_speed(&fast).into_iter().chain(at_a_pace(&moderate)).collect()
}

fn daemon(it: &Passed) -> Option<Daemon> {
    if let Audience::Pair(daemon) = it.audience { Some(daemon) } else { None }
}

/// As many as can.
fn at_full_speed(samples: &[&Passed]) -> Vec<Row> {
    let row = |figure: &str, unit, value: &dyn Fn(&Passed) -> f64| {
        Row::of(figure, unit, samples.iter().filter_map(|it| Some((daemon(it)?, value(it)))))
    };
    let ours = |it: &&&Passed| it.audience == Audience::Pair(Daemon::Syncd);
    let all = samples.iter().filter(ours).all(|it| it.is_whole());
    let faster = |row: Row| {
        row.aim(format!("at least {PASSAGE_RATIO} of conntrackd's"), |row| {
            all && row.ratio.is_some_and(|ratio| ratio >= PASSAGE_RATIO)
        })
    };
    let share = |audience, who: &str| {
        let rates = samples.iter().filter(|it| it.audience == audience).map(|it| it.per_second).collect();
        let limit = spread(rates)?.median;
        row(&format!("  of {:.0}k/s with {who}", limit / 1e3), "", &|it| it.per_second / limit)
    };
    let to_listen = || {
        let bare = samples.iter().filter(|it| it.audience == Audience::Bare);
        let least = spread(bare.map(|it| it.cpu.r1).collect())?.median;
        row(&format!("  … of a bare listener's {least:.1} us"), "", &|it| it.cpu.r1 / least)
    };
    let few = |row: Row| row.aim(format!("at most {DATAGRAMS}"), |row| row.syncd.median <= DATAGRAMS);
    let cheap = |row: Row| row.at_most(CPU_RATIO, "conntrackd's", true);
    [
        row("new UDP flows through SNAT", "flows/s", &|it| it.per_second).map(faster),
        share(Audience::Bare, "a bare listener"),
        share(Audience::None, "no listener"),
        row("  events not delivered", "events", &|it| whole(it.dropped)).map(Row::none),
        row("  missing in r1's internal cache", "flows", &|it| whole(it.missing.r1)).map(Row::none),
        row("  missing in r2's external cache", "flows", &|it| whole(it.missing.r2)).map(Row::none),
        row("  CPU time on r1", "us/flow", &|it| it.cpu.r1).map(cheap),
        to_listen(),
        row("  CPU time on r2", "us/flow", &|it| it.cpu.r2).map(cheap),
        row("  datagrams", "per flow", &|it| it.datagrams).map(few),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// As many as both can.
fn at_a_pace(samples: &[&Passed]) -> Vec<Row> {
    let Some(pace) = samples.first().and_then(|it| it.pace) else { return Vec::new() };
    let row = |figure: &str, unit, value: fn(&Passed) -> f64| {
        Row::of(figure, unit, samples.iter().filter_map(|it| Some((daemon(it)?, value(it)))))
    };
    let figure = format!("UDP flows through SNAT, {} asked", grouped(pace));
    [
        row(&figure, "flows/s", |it| it.per_second),
        row("  CPU time on r1", "us/flow", |it| it.cpu.r1),
        row("  CPU time on r2", "us/flow", |it| it.cpu.r2),
        row("  datagrams", "per flow", |it| it.datagrams)
            .map(|row| row.at_most(DATAGRAMS_RATIO, "conntrackd's", true)),
        row("  … had all been full", "per flow", |it| it.datagrams_if_full),
        row("  missing in r2's external cache", "flows", |it| whole(it.missing.r2)).map(Row::none),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Lag, CPU time and datagrams, each as a function of the rate.
pub(super) fn rates(samples: &[Paced]) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut function =
        |what: &str, unit, value: &dyn Fn(&Paced) -> Option<f64>, aim: &dyn Fn(Rate, Row) -> Row| {
            for rate in RATES {
                let at = samples.iter().filter(|it| it.rate == rate);
                let values = at.filter_map(|it| Some((it.daemon, value(it)?)));
                rows.extend(
                    Row::of(format!("{what} at {}", words(rate)), unit, values).map(|row| aim(rate, row)),
                );
            }
        };
    let unaimed = |_, row| row;
    let no_worse = |rate: Rate, row: Row| {
        if rate.per_second == HARD.0 { row.at_most(1.0, "conntrackd's", true) } else { row }
    };
    let at_most = |row: Row, most: f64| row.aim(format!("at most {most} ms"), |row| row.syncd.median <= most);
    function("rate", "flows/s", &|it| Some(it.per_second), &unaimed);
    function("median lag", "ms", &|it| Some(it.lag?.0), &|rate, row| match rate.per_second {
        pace if (1..=GENTLE.0).contains(&pace) => at_most(row, GENTLE.1),
        pace if pace == HARD.0 => at_most(row, HARD.1),
        _ => at_most(row, EVERYWHERE),
    });
    function("99th percentile", "ms", &|it| Some(it.lag?.1), &no_worse);
    function("CPU time on r1", "us/flow", &|it| Some(it.cpu.r1), &unaimed);
    function("CPU time on r2", "us/flow", &|it| Some(it.cpu.r2), &unaimed);
    function("datagrams", "per flow", &|it| Some(it.datagrams), &unaimed);
    function("events not delivered", "events", &|it| Some(whole(it.dropped)), &|_, row| Row {
        ratio: None,
        ..row
    });
    rows
}

fn words(rate: Rate) -> String {
    match rate {
        Rate { per_second: 0, .. } => "full speed".to_owned(),
        Rate { per_second, burst: 1 } => format!("{}/s", grouped(per_second)),
        Rate { per_second, burst } => format!("{}/s by {burst}", grouped(per_second)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::measure::Sides;
    use super::{Audience, Daemon, Paced, Passed, RATES, rates, traffic};

    fn passed(audience: Audience, per_second: f64, cpu: f64, dropped: u64) -> Passed {
        Passed {
            audience,
            flows: 300_000,
            per_second,
            missing: Sides { r1: 0, r2: 0 },
            dropped,
            cpu: Sides { r1: cpu, r2: cpu },
            datagrams: 0.1,
            datagrams_if_full: 0.05,
            throttled: false,
            pace: None,
        }
    }

    #[test]
    fn speed_counts_only_where_nothing_is_lost() {
        let verdict = |dropped| {
            let rows = traffic(&[
                passed(Audience::Pair(Daemon::Syncd), 60e3, 5.0, dropped),
                passed(Audience::Pair(Daemon::Conntrackd), 30e3, 30.0, 0),
                passed(Audience::Bare, 75e3, 2.5, 0),
            ]);
            assert_eq!(rows[1].figure, "  of 75k/s with a bare listener");
            assert_eq!((rows[1].syncd.median, rows[1].conntrackd.median), (0.8, 0.4));
            let least = rows.iter().find(|row| row.figure == "  … of a bare listener's 2.5 us").unwrap();
            assert_eq!((least.syncd.median, least.conntrackd.median), (2.0, 12.0));
            rows.iter().filter_map(|row| row.met).collect::<Vec<_>>()
        };
        assert_eq!(verdict(0), [true; 7]);
        assert_eq!(verdict(1), [false, false, true, true, true, true, true]);
    }

    #[test]
    fn at_a_pace_datagrams_are_compared_with_full_ones() {
        let at_a_pace = |daemon, datagrams| Passed {
            datagrams,
            pace: Some(30_000),
            ..passed(Audience::Pair(daemon), 30e3, 5.0, 0)
        };
        let rows = traffic(&[at_a_pace(Daemon::Syncd, 0.06), at_a_pace(Daemon::Conntrackd, 0.5)]);
        let row = |figure: &str| rows.iter().find(|row| row.figure == figure).unwrap();
        assert_eq!(row("  datagrams").met, Some(false));
        let full = row("  … had all been full");
        assert_eq!((full.syncd.median, full.met), (0.05, None));
    }

    #[test]
    fn lag_is_judged_at_the_ends_of_the_scale() {
        let paced = |daemon, rate, lag| Paced {
            daemon,
            rate,
            per_second: 1e3,
            lag,
            unseen: 0,
            cpu: Sides { r1: 1.0, r2: 1.0 },
            datagrams: 1.0,
            dropped: 0,
        };
        let both = |rate| {
            let lag = Some((0.2, 0.9));
            [paced(Daemon::Syncd, rate, lag), paced(Daemon::Conntrackd, rate, Some((0.1, 1.0)))]
        };
        let rows = rates(&RATES.into_iter().flat_map(both).collect::<Vec<_>>());
        assert_eq!(rows.len(), 7 * RATES.len());
        let judged = rows.iter().filter_map(|row| Some((row.figure.as_str(), row.met?)));
        let expected = [
            ("median lag at 100/s", true),
            ("median lag at 1,000/s", true),
            ("median lag at 5,000/s", true),
            ("median lag at 10,000/s", true),
            ("median lag at 20,000/s by 64", true),
            ("median lag at 40,000/s by 64", true),
            ("median lag at 50,000/s by 64", true),
            ("median lag at full speed", true),
            ("99th percentile at 50,000/s by 64", true),
        ];
        assert_eq!(judged.collect::<Vec<_>>(), expected);
    }
}
