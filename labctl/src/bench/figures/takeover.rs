//! The rows about a router that died: streams, gaps.
//!
//! Driven by `figures.rs`; tested below.

use super::super::daemon::Daemon;
use super::super::takeover::TakenOver;
use super::{Row, grouped, whole};

/// So many milliseconds beyond VRRP's own a stream may wait.
const BEYOND: f64 = 100.0;

/// With and without the kernel's loose pick-up, and with each the flows in syncd's external cache, and in its kernel.
pub(super) fn takeover(samples: &[TakenOver]) -> Vec<Row> {
    let manners = [true, false].into_iter().flat_map(|loose| [(loose, false), (loose, true)]);
    manners.flat_map(|(loose, preload)| of(loose, preload, samples)).collect()
}

fn of(loose: bool, preload: bool, samples: &[TakenOver]) -> Vec<Row> {
    // conntrackd has one manner.
    let is_meant = |it: &&TakenOver| it.preload == preload || it.daemon == Daemon::Conntrackd;
    let seen: Vec<&TakenOver> = samples.iter().filter(|it| it.loose == loose).filter(is_meant).collect();
    let Some(first) = seen.first() else { return Vec::new() };
    let (streams, others) = (first.streams, first.flows_before.saturating_sub(first.streams));
    let setting = u8::from(loose);
    let row = |figure: &str, unit, value: fn(&TakenOver) -> Option<f64>| {
        let values: Option<Vec<(Daemon, f64)>> =
            seen.iter().map(|it| Some((it.daemon, value(it)?))).collect();
        Row::of(figure, unit, values?)
    };
    let lost =
        format!("lost of {streams} streams, tcp_loose={setting}{}", if preload { ", preload" } else { "" });
    let opened = seen.iter().all(|it| it.streams == streams);
    let beside = format!(
        "  other flows, about {}",
        grouped(u32::try_from(others / 1_000 * 1_000).unwrap_or(u32::MAX))
    );
    let beyond = row("  longest gap beyond that", "ms", |it| Some((it.gap_ms - it.vrrp_ms).max(0.0)));
    let datagrams =
        row("  … of a stream of datagrams", "ms", |it| Some((it.datagrams_gap_ms - it.vrrp_ms).max(0.0)));
    // A commit from the external cache takes the kernel's own time, whoever does it.
    let judged = |row: Option<Row>| if preload { row.map(|row| row.under(BEYOND)) } else { row };
    [
        row(&lost, "streams", |it| Some(whole(it.lost)))
            .map(|row| Row { met: Some(opened && row.syncd.max == 0.0), ..row.none() }),
        row(&beside, "flows", |it| Some(whole(it.flows_before.saturating_sub(it.streams)))),
        row("  longest gap", "ms", |it| Some(it.gap_ms)),
        row("  until VRRP has moved", "ms", |it| Some(it.vrrp_ms)),
        judged(beyond),
        judged(datagrams),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[cfg(test)]
mod tests {
    use super::{Daemon, TakenOver, takeover};

    #[test]
    fn no_stream_may_be_lost_and_none_may_wait_long() {
        let seen = |daemon, lost, gap_ms, datagrams_gap_ms| TakenOver {
            daemon,
            loose: true,
            preload: daemon == Daemon::Syncd,
            flows_before: 502_000,
            streams: 2_000,
            lost,
            gap_ms,
            datagrams_gap_ms,
            vrrp_ms: 330.0,
            commit_ms: None,
        };
        let met = |lost, gap, datagrams| {
            let of_ours = seen(Daemon::Syncd, lost, gap, datagrams);
            let rows = takeover(&[of_ours, seen(Daemon::Conntrackd, 1_800, 9_000.0, 7_000.0)]);
            assert_eq!(rows[0].figure, "lost of 2000 streams, tcp_loose=1, preload");
            assert_eq!((rows[4].syncd.median, rows[4].conntrackd.median), ((gap - 330.0).max(0.0), 8_670.0));
            assert_eq!((rows[5].syncd.median, rows[5].conntrackd.median), (datagrams - 330.0, 6_670.0));
            rows.iter().filter_map(|row| row.met).collect::<Vec<_>>()
        };
        assert_eq!(met(0, 400.0, 350.0), [true, true, true]);
        assert_eq!(met(1, 430.0, 430.0), [false, false, false]);
        assert_eq!(met(0, 700.0, 350.0), [true, false, true]);
        assert_eq!(met(0, 200.0, 430.0), [true, true, false]);
    }
}
