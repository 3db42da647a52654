//! The benchmark's end on the host: limits, lab, progress, result.
//!
//! Whatever ends it, the lab ends with its stream and the limits with its pipe. Driven by `main.rs`; tested in
//! `labctl/tests/bench.rs`.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process;

use anyhow::{Result, bail};
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::getppid;
use serde_json::{Value, json};

use super::figures::Row;
use super::full::{Bulk, Filled};
use super::kernel::Alone;
use super::limits::{Limits, Values};
use super::lossy::Weathered;
use super::measure::{self, Committed, Inserted, Sample, Sides};
use super::paced::Paced;
use super::passage::Passed;
use super::preload::Preloaded;
use super::takeover::{self, TakenOver};
use super::{Figure, Options, Plan, figures, folder, others};
use crate::programs;
use crate::session::{Answer, Client, Request};

/// Measures and prints.
///
/// # Errors
/// What the environment lacks, or what failed.
pub(crate) fn bench(options: &Options, syncd: Option<&Path>) -> Result<()> {
    if let Some(parent) = options.parent {
        prctl::set_pdeathsig(Signal::SIGKILL)?;
        // The signal is for deaths from now on.
        if getppid().as_raw() != parent {
            bail!("process {parent}, which started this benchmark, is gone");
        }
    }
    let syncd = programs::find_syncd(syncd)?;
    programs::find("conntrackd")?;
    let mut remarks = others::remarks();
    let limits = Limits::raise()?;
    let plan = Plan::fitting(options, limits.values.max);
    let most = plan.most();
    remarks.extend(limits.not_raised.as_ref().map(|why| format!("{why}: at most {most} flows are used")));
    for remark in &remarks {
        eprintln!("{remark}");
    }
    let host = limits.values;
    let measured = measure(&plan, &syncd);
    // First the host, then the result, whatever it is.
    limits.restore()?;
    print(options, &plan, host, &remarks, &measured?)
}

/// The lab is ours: it ends with us, however we end.
fn measure(plan: &Plan, syncd: &Path) -> Result<Vec<Sample>> {
    let mut client = Client::start(&format!("bench-{}", process::id()), Some(syncd))?;
    let mut samples = Vec::new();
    let mut take = |sample| {
        eprintln!("{}", describe(&sample));
        samples.push(sample);
    };
    client.ask(&Request::Bench(plan.clone()), |answer| {
        if let Answer::Sample(sample) = answer {
            take(sample);
        }
    })?;
    // The lab's listeners would be heard by every kernel's flows.
    drop(client);
    for repetition in 0..if plan.wants(Figure::Takeover) { plan.repetitions } else { 0 } {
        for daemon in measure::order(repetition) {
            takeover::takeover(daemon, plan, syncd, &mut |seen| take(Sample::TakenOver(seen)))?;
        }
    }
    Ok(samples)
}

/// One line of progress, with what one should know of the moment.
fn describe(sample: &Sample) -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default();
    format!("{} [load {load}]", said(sample))
}

fn said(sample: &Sample) -> String {
    match sample {
        Sample::Committed(Committed { daemon, kind, flows, committed, milliseconds, cpu_milliseconds }) => {
            format!(
                "{daemon:?}: {committed} of {flows} flows ({kind:?}) committed in {milliseconds:.0} ms ({cpu_milliseconds:.0} ms of CPU)"
            )
        }
        Sample::Alone(Alone { kind, flows, milliseconds }) => {
            format!("the kernel alone: {flows} flows ({kind:?}) written in {milliseconds:.0} ms")
        }
        Sample::Weathered(Weathered { daemon, flows, arrived, milliseconds }) => {
            format!(
                "{daemon:?}: {arrived} of {flows} flows over a bad link, {milliseconds:.0} ms after the last"
            )
        }
        Sample::TakenOver(TakenOver {
            daemon,
            loose,
            preload,
            flows_before,
            streams,
            lost,
            gap_ms,
            vrrp_ms,
            ..
        }) => {
            let (loose, preload) = (u8::from(*loose), if *preload { ", preload" } else { "" });
            format!(
                "{daemon:?}: {lost} of {streams} streams lost with {flows_before} flows and tcp_loose={loose}{preload}; \
                 longest gap {gap_ms:.0} ms, VRRP {vrrp_ms:.0} ms"
            )
        }
        Sample::Preloaded(Preloaded { daemon, flows, held, ready_milliseconds, cpu }) => {
            format!(
                "{daemon:?}: {held} of {flows} flows in the kernel, ready {ready_milliseconds:.1} ms after the order to take \
                 over; {cpu:.2} us per flow before"
            )
        }
        Sample::Read(read) => read.to_string(),
        Sample::Inserted(Inserted { daemon, flows, per_second, settled_milliseconds, missing, .. }) => {
            let Sides { r1, r2 } = missing;
            format!(
                "{daemon:?}: {flows} flows at {per_second:.0}/s, settled after {settled_milliseconds:.0} ms; missing \
                 on r1 {r1}, on r2 {r2}"
            )
        }
        Sample::Filled(Filled { daemon, flows, memory: Sides { r1, r2 } }) => {
            format!("{daemon:?}: {flows} flows in {r1:.0} bytes each on r1, {r2:.0} on r2")
        }
        Sample::Bulk(Bulk { daemon, flows, arrived, milliseconds }) => {
            format!("{daemon:?}: {arrived} of {flows} flows to a restarted standby in {milliseconds:.0} ms")
        }
        Sample::Passed(passed) => {
            let Passed { audience, per_second, missing, dropped, cpu, datagrams, throttled, .. } = passed;
            let how = if *throttled { "throttled to" } else { "at" };
            format!(
                "{audience:?}: UDP flows {how} {per_second:.0}/s; missing {missing:?}, {dropped} events not delivered, \
                 {cpu:.1?} us, {datagrams:.2} datagrams each"
            )
        }
        Sample::Paced(Paced { daemon, rate, per_second, lag, unseen, cpu, datagrams, dropped }) => format!(
            "{daemon:?}: {rate:?}: {per_second:.0}/s, lag {lag:.2?} ms, {unseen} unseen, {cpu:.1?} us, {datagrams:.2} \
             datagrams, {dropped} events not delivered"
        ),
    }
}

fn print(options: &Options, plan: &Plan, host: Values, remarks: &[String], samples: &[Sample]) -> Result<()> {
    let rows = figures::rows(plan, samples);
    if let Some(directory) = &options.into {
        let document = document(plan, host, remarks, samples, &rows);
        folder::write(directory, &document, &rows, samples)?;
    }
    let mut out = io::stdout().lock();
    if options.json {
        writeln!(out, "{:#}", document(plan, host, remarks, samples, &rows))?;
    } else {
        write!(out, "\n{}", figures::table(&rows))?;
    }
    Ok(out.flush()?)
}

fn document(plan: &Plan, host: Values, remarks: &[String], samples: &[Sample], rows: &[Row]) -> Value {
    json!({ "host": host, "remarks": remarks, "plan": plan, "rows": rows, "samples": samples })
}
