//! The rows about full tables: committed, sent, held. One of each per size, so that one sees how the cost grows.
//!
//! What was aimed at holds for the size at which conntrackd's own figures were taken. Driven by `figures.rs`; tested there.

use super::super::Plan;
use super::super::daemon::Daemon;
use super::super::flows::Kind;
use super::super::full::{Bulk, Filled};
use super::super::kernel::Alone;
use super::super::measure::Committed;
use super::super::preload::Preloaded;
use super::super::reading::{MEANWHILE, Read};
use super::{Row, grouped, spread};

/// A commit of fewer flows than [`MANY`] takes at most so much of conntrackd's time.
const COMMIT_RATIO: f64 = 0.6;
/// And one of so many.
const MANY_RATIO: f64 = 1.0 / 3.0;
/// From so many flows on.
const MANY: u32 = 1_000_000;
/// With the flows in the kernel already a router is ready after so many milliseconds, however many there are.
const READY: f64 = 50.0;
/// At most so many times what the kernel takes by itself.
const KERNEL_RATIO: f64 = 1.2;
/// A bulk takes at most so much of the time in which conntrackd sends it without keeping what was not acknowledged.
const BULK_RATIO: f64 = 1.5;
/// A million flows are known to be complete after so many milliseconds.
const COMPLETE: f64 = 2_000.0;
/// A flow of a full table takes at most so many bytes on either side.
const MEMORY: f64 = 160.0;
/// Whoever reads a table, however long, holds at most so many megabytes.
const READER: f64 = 16.0;

/// Every size of both kinds, and beside each what it is of the kernel's own time.
pub(super) fn commits(plan: &Plan, samples: &[Committed], alone: &[Alone]) -> Vec<Row> {
    let kinds = |flows: &u32| [(Kind::Plain, *flows), (Kind::Translated, *flows)];
    plan.sizes.iter().flat_map(kinds).flat_map(|(kind, flows)| commit(kind, flows, samples, alone)).collect()
}

fn commit(kind: Kind, flows: u32, samples: &[Committed], alone: &[Alone]) -> Vec<Row> {
    let commits: Vec<&Committed> = samples.iter().filter(|it| it.kind == kind && it.flows == flows).collect();
    let figure = format!("commit of {} {} flows", grouped(flows), kind.word());
    let times = commits.iter().map(|it| (it.daemon, it.milliseconds));
    let cpu = commits.iter().map(|it| (it.daemon, it.cpu_milliseconds));
    // Quick because something was left out is not quick.
    let whole = commits.iter().all(|it| it.daemon != Daemon::Syncd || it.committed == u64::from(it.flows));
    let most = if flows < MANY { COMMIT_RATIO } else { MANY_RATIO };
    let time = Row::of(figure, "ms", times.clone()).map(|row| match kind {
        Kind::Plain => row.at_most(most, "conntrackd's time", whole),
        // Most of it is the kernel's own.
        Kind::Translated | Kind::Gre | Kind::Udplite => row,
    });
    let kernel = alone.iter().filter(|it| it.kind == kind && it.flows == flows).map(|it| it.milliseconds);
    let share = spread(kernel.collect()).and_then(|kernel| {
        let figure = format!("  of the kernel's own {:.0} ms", kernel.median);
        let row = Row::of(figure, "", times.map(|(daemon, time)| (daemon, time / kernel.median)))?;
        Some(match kind {
            Kind::Plain if flows >= MANY => {
                row.aim(format!("at most {KERNEL_RATIO}"), |row| whole && row.syncd.median <= KERNEL_RATIO)
            }
            Kind::Plain | Kind::Translated | Kind::Gre | Kind::Udplite => row,
        })
    });
    [time, share, Row::of("  CPU time on r2", "ms", cpu)].into_iter().flatten().collect()
}

/// A takeover whose flows are in the kernel already, for every size, and what it costs to have them there.
pub(super) fn preloads(plan: &Plan, samples: &[Preloaded]) -> Vec<Row> {
    let rows = |flows: &u32| {
        let seen: Vec<&Preloaded> = samples.iter().filter(|it| it.flows == *flows).collect();
        // Quick because something was left out is not quick.
        let whole = seen.iter().all(|it| it.daemon != Daemon::Syncd || it.held == u64::from(it.flows));
        let figure = format!("takeover, preload, {} flows", grouped(*flows));
        let ready = Row::of(figure, "ms", seen.iter().map(|it| (it.daemon, it.ready_milliseconds)));
        let ready =
            ready.map(|row| row.aim(format!("under {READY:.0} ms"), |row| whole && row.syncd.max < READY));
        [ready, Row::of("  CPU time on r2 before it", "us/flow", seen.iter().map(|it| (it.daemon, it.cpu)))]
    };
    plan.sizes.iter().flat_map(rows).flatten().collect()
}

/// A standby that was restarted, for every size.
pub(super) fn bulks(plan: &Plan, samples: &[Bulk]) -> Vec<Row> {
    let bulk = |flows: &u32| {
        let bulks: Vec<&Bulk> = samples.iter().filter(|it| it.flows == *flows).collect();
        let figure = format!("standby restarted, {} flows", grouped(*flows));
        let whole = bulks.iter().all(|it| it.daemon != Daemon::Syncd || it.arrived == u64::from(it.flows));
        let row = Row::of(figure, "ms", bulks.iter().map(|it| (it.daemon, it.milliseconds)))?;
        if *flows < MANY {
            return Some(row);
        }
        let target = format!("{BULK_RATIO} of conntrackd's time, under {COMPLETE:.0} ms");
        Some(row.aim(target, |row| {
            whole && row.ratio.is_some_and(|ratio| ratio <= BULK_RATIO) && row.syncd.max < COMPLETE
        }))
    };
    plan.sizes.iter().filter_map(bulk).collect()
}

/// Both sides, for every size: a small table is dear, since a page is the least there is.
pub(super) fn memory(plan: &Plan, samples: &[Filled]) -> Vec<Row> {
    let side = |flows: u32, router: &str, value: fn(&Filled) -> f64| {
        let figure = format!("memory on {router}, {} flows", grouped(flows));
        let filled = samples.iter().filter(|it| it.flows == flows);
        let row = Row::of(figure, "bytes/flow", filled.map(|it| (it.daemon, value(it))))?;
        let met = |row: &Row| row.syncd.max <= MEMORY;
        Some(if flows < MANY { row } else { row.aim(format!("at most {MEMORY:.0} bytes"), met) })
    };
    let sides = |flows: &u32| [side(*flows, "r1", |it| it.memory.r1), side(*flows, "r2", |it| it.memory.r2)];
    plan.sizes.iter().flat_map(sides).flatten().collect()
}

/// The largest table, read while replication goes on.
pub(super) fn readings(samples: &[Read]) -> Vec<Row> {
    let Some(flows) = samples.iter().map(|it| it.flows).max() else { return Vec::new() };
    // Small because something was left out is not small.
    let whole = samples.iter().all(|it| it.daemon != Daemon::Syncd || it.shown >= u64::from(it.flows));
    let row = |figure: String, unit, value: fn(&Read) -> f64| {
        Row::of(figure, unit, samples.iter().map(|it| (it.daemon, value(it))))
    };
    let small = |row: Row| row.aim(format!("under {READER:.0} MB"), |row| whole && row.syncd.max < READER);
    let cache = row(format!("external cache of {} read: reader", grouped(flows)), "MB", |it| it.reader);
    let grown = row("  the daemon's memory grows by".to_owned(), "MB", |it| it.grown);
    let meanwhile = format!("  {} born meanwhile: there after", grouped(MEANWHILE));
    let lag = row(meanwhile, "ms", |it| it.milliseconds);
    let table = row("  the kernel's own table: reader".to_owned(), "MB", |it| it.table);
    [cache.map(small), grown, lag, table.map(small)].into_iter().flatten().collect()
}
