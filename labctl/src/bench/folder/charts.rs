//! Which pictures there are, and which samples go into each.
//!
//! Pure. Driven by `mod.rs`; tested below.

use super::super::daemon::Daemon;
use super::super::figures::{Row, spread};
use super::super::flows::Kind;
use super::super::measure::Sample;
use super::svg::{self, Line, Panel};

const OURS: &str = "#1b6ca8";
const THEIRS: &str = "#c8553d";
const KERNELS: &str = "#999999";

/// Name of its file and picture; none where nothing was measured for it.
pub(super) fn all(rows: &[Row], samples: &[Sample]) -> Vec<(String, String)> {
    [("ratios.svg", ratios(rows)), ("sizes.svg", sizes(samples)), ("rates.svg", rates(samples))]
        .into_iter()
        .filter_map(|(name, picture)| Some((name.to_owned(), picture?)))
        .collect()
}

/// Every cost that has an aim, as a share of conntrackd's.
fn ratios(rows: &[Row]) -> Option<String> {
    let mut above = "";
    let mut bars = Vec::new();
    for row in rows {
        let belongs = row.figure.starts_with(' ');
        if !belongs {
            above = &row.figure;
        }
        let costs = ["ms", "us/flow", "bytes/flow", "per flow"].contains(&row.unit);
        if let (true, Some(ratio), Some(_)) = (costs, row.ratio, row.met) {
            let name = if belongs { format!("{above}:{}", &row.figure[1..]) } else { row.figure.clone() };
            bars.push((name, ratio));
        }
    }
    let title = "What syncd takes, as a share of what conntrackd takes in the same run: less is better";
    (!bars.is_empty()).then(|| svg::bars(title, "conntrackd", &bars, OURS))
}

/// Flows and a value, if the sample is the daemon's and of the right kind.
type Reading<'a> = &'a dyn Fn(&Sample, Daemon) -> Option<(u32, f64)>;

/// Time and memory by the number of flows.
fn sizes(samples: &[Sample]) -> Option<String> {
    let panel = |title: &str, of: Reading<'_>, kernel: Option<Line>| {
        let line = |daemon, name, colour| {
            let values = samples.iter().filter_map(|sample| of(sample, daemon));
            Line { name, colour, points: medians(values.map(|(flows, value)| (f64::from(flows), value))) }
        };
        let mut lines = pair(line);
        lines.extend(kernel);
        Panel { title: title.to_owned(), across: "flows", lines }
    };
    let alone = samples.iter().filter_map(Sample::alone).filter(|it| it.kind == Kind::Plain);
    let alone = medians(alone.map(|it| (f64::from(it.flows), it.milliseconds)));
    let commit = |sample: &Sample, daemon| {
        let it = sample.committed().filter(|it| it.daemon == daemon && it.kind == Kind::Plain)?;
        Some((it.flows, it.milliseconds))
    };
    let bulk = |sample: &Sample, daemon| {
        let it = sample.bulk().filter(|it| it.daemon == daemon)?;
        Some((it.flows, it.milliseconds))
    };
    let memory = |sample: &Sample, daemon| {
        let it = sample.filled().filter(|it| it.daemon == daemon)?;
        Some((it.flows, it.memory.r1 * f64::from(it.flows) / 1e6))
    };
    let ready = |sample: &Sample, daemon| {
        let it = sample.preloaded().filter(|it| it.daemon == daemon)?;
        Some((it.flows, it.ready_milliseconds))
    };
    let kernel = Line { name: "kernel alone", colour: KERNELS, points: alone };
    let panels = [
        panel("commit of plain flows, ms", &commit, Some(kernel)),
        panel("takeover until ready (syncd: preload), ms", &ready, None),
        panel("standby restarted until complete, ms", &bulk, None),
        panel("memory on the primary, MB", &memory, None),
    ];
    drawn(&panels)
}

/// Lag, CPU time and datagrams by the rate of births.
fn rates(samples: &[Sample]) -> Option<String> {
    let paced: Vec<_> = samples.iter().filter_map(Sample::paced).collect();
    let panel = |title: &str, of: &dyn Fn(&super::super::paced::Paced) -> Option<f64>| {
        let line = |daemon, name, colour| {
            let values = paced.iter().filter(|it| it.daemon == daemon);
            let values = values.filter_map(|it| Some((it, of(it)?)));
            // At full speed each has its own pace.
            let points = medians(values.map(|(it, value)| (f64::from(it.rate.per_second), value)));
            Line { name, colour, points }
        };
        Panel { title: title.to_owned(), across: "flows per second", lines: pair(line) }
    };
    let panels = [
        panel("median lag, ms", &|it| Some(it.lag?.0)),
        panel("CPU time on the primary, us per flow", &|it| Some(it.cpu.r1)),
        panel("datagrams per flow", &|it| Some(it.datagrams)),
    ];
    drawn(&panels)
}

fn pair(line: impl Fn(Daemon, &'static str, &'static str) -> Line) -> Vec<Line> {
    vec![line(Daemon::Syncd, "syncd", OURS), line(Daemon::Conntrackd, "conntrackd", THEIRS)]
}

fn drawn(panels: &[Panel]) -> Option<String> {
    let any = panels.iter().any(|panel| panel.lines.iter().any(|line| !line.points.is_empty()));
    any.then(|| svg::panels(panels))
}

/// One point for each place, in order.
fn medians(values: impl Iterator<Item = (f64, f64)>) -> Vec<(f64, f64)> {
    let mut all: Vec<(f64, f64)> = values.collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let of = |chunk: &[(f64, f64)]| {
        let median = spread(chunk.iter().map(|(_, value)| *value).collect())?.median;
        Some((chunk.first()?.0, median))
    };
    all.chunk_by(|a, b| a.0 == b.0).filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::medians;

    #[test]
    fn repetitions_become_one_point() {
        let values = [(10.0, 3.0), (1.0, 5.0), (10.0, 1.0), (10.0, 2.0)];
        assert_eq!(medians(values.into_iter()), [(1.0, 5.0), (10.0, 2.0)]);
    }
}
