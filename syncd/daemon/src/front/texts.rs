//! What `conntrackd -s` prints besides flows and expectations, to the column: scripts and support bundles read it.
//!
//! What conntrackd counts and we do not have (child processes, errors of its queues) is 0. Tested against true samples in
//! `front/tests.rs`.

use std::fmt::Write;

use syncd_core::ftfw::send::WINDOW;

use crate::control::protocol::Unacknowledged;
use crate::show::statistics::{all_traffic, gone, traffic};
use crate::show::view::{CacheView, StatisticsView};

/// `-s network`.
pub(crate) fn network(view: &StatisticsView) -> String {
    let link = &view.link;
    let mut out = String::from("network statistics:\n\trecv:\n");
    let rows = [
        ("Malformed messages", link.malformed),
        ("Wrong protocol version", link.wrong_version),
        ("Malformed header", 0),
        ("Malformed payload", link.bad_payload),
        ("Bad message type", link.bad_header),
        ("Truncated message", link.truncated),
        ("Bad message size", link.bad_size),
    ];
    for (name, count) in rows {
        // Writing to a string cannot fail, here and below.
        _ = writeln!(out, "\t\t{name}:\t{count:>20}");
    }
    _ = writeln!(out, "\tsend:\n\t\tMalformed messages:\t{:>20}\n", 0);
    _ = writeln!(out, "sequence tracking statistics:\n\trecv:");
    _ = writeln!(out, "\t\tPackets lost:\t\t{:>20}", view.ftfw.lost);
    _ = writeln!(out, "\t\tPackets before:\t\t{:>20}\n", view.ftfw.before);
    all_traffic(&mut out, view);
    out
}

/// `-s cache`.
pub(crate) fn cache(view: &StatisticsView) -> String {
    let mut out = String::new();
    one_cache(&mut out, "internal", &view.internal, view.daemon.ended);
    one_cache(&mut out, "external", &view.external, 0);
    out
}

fn one_cache(out: &mut String, name: &str, cache: &CacheView, ended: u32) {
    let (stats, current) = (&cache.stats, cache.current);
    _ = writeln!(out, "cache:{name}\tactive objects:\t\t{:>12}", current + ended);
    _ = writeln!(out, "\tactive/total entries:\t\t{current:>12}/{:>12}", current + ended);
    _ = writeln!(out, "\tcreation OK/failed:\t\t{:>12}/{:>12}", stats.created, stats.create_failed);
    _ = writeln!(out, "\t\tno memory available:\t{:>12}", 0);
    _ = writeln!(out, "\t\tno space left in cache:\t{:>12}", stats.create_failed);
    _ = writeln!(out, "\tupdate OK/failed:\t\t{:>12}/{:>12}", stats.updated, 0);
    _ = writeln!(out, "\t\tentry not found:\t{:>12}", 0);
    _ = writeln!(out, "\tdeletion created/failed:\t{:>12}/{:>12}", gone(cache), 0);
    _ = writeln!(out, "\t\tentry not found:\t{:>12}\n", 0);
}

/// `-s runtime`.
pub(crate) fn runtime(view: &StatisticsView) -> String {
    let (kernel, daemon) = (&view.kernel, &view.daemon);
    let received =
        kernel.events_new + kernel.events_update + kernel.events_destroy + kernel.expectation_events;
    let mut out = format!("daemon uptime: {}\n\nnetlink stats:\n", uptime(daemon.uptime_s));
    _ = writeln!(out, "\tevents received:\t{received:>20}");
    _ = writeln!(out, "\tevents filtered:\t{:>20}", kernel.filtered + kernel.expectations_filtered);
    let rows = [
        ("events unknown type:\t\t", 0),
        ("catch event failed:\t\t", daemon.events_malformed),
        ("dump unknown type:\t\t", 0),
        ("netlink overrun:\t\t", kernel.overruns),
        ("flush kernel table:\t\t", 0),
        ("resync with kernel table:\t", kernel.dumps),
        ("current buffer size (in bytes):\t", daemon.event_buffer_bytes),
    ];
    for (name, count) in rows {
        _ = writeln!(out, "\t{name}{count:>12}");
    }
    out.push_str("\nruntime stats:\n");
    let rows = [
        "child process failed:\t\t",
        "\tchild process segfault:\t",
        "\tchild process termsig:\t",
        "select failed:\t\t\t",
        "wait failed:\t\t\t",
        "local read failed:\t\t",
        "local unknown request:\t\t",
    ];
    for name in rows {
        _ = writeln!(out, "\t{name}{:>12}", 0);
    }
    out.push('\n');
    out
}

fn uptime(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours) {
        (0, 0) => format!("{minutes} min"),
        (0, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} day(s) {hours} h {minutes} min"),
    }
}

/// `-s link`.
pub(crate) fn link(view: &StatisticsView) -> String {
    let mut out = String::new();
    for link in &view.daemon.links {
        let (kind, role) = (&view.daemon.transport, if link.active { "ACTIVE" } else { "BACKUP" });
        let (device, status) = (&link.interface, &link.state);
        _ = writeln!(out, "{kind} traffic device={device} status={status} role={role}:");
        traffic(&mut out, link.traffic);
    }
    out
}

/// `-s queue`. Nodes are what is queued or waits for its acknowledgement.
pub(crate) fn queue(view: &StatisticsView) -> String {
    let (queued, in_flight) = (view.daemon.queued, view.daemon.in_flight);
    let mut out = format!("allocated queue nodes:\t\t{:>12}\n\n", queued + in_flight);
    for (name, current, most) in
        [("txqueue", queued, u32::MAX >> 1), ("errorq", 0, 128), ("rsqueue", in_flight, WINDOW)]
    {
        _ = writeln!(out, "queue {name}:");
        _ = writeln!(out, "current elements:\t\t{current:>12}");
        _ = writeln!(out, "maximum elements:\t\t{most:>12}");
        _ = writeln!(out, "not enough space errors:\t{:>12}\n", 0);
    }
    out
}

/// `-s rsqueue`. Objects are what conntrackd calls messages about flows and expectations.
pub(crate) fn resend_queue(waiting: &[Unacknowledged]) -> String {
    let mut out = format!("resent queue (len={})\n", waiting.len());
    for Unacknowledged { seq, flags } in waiting {
        _ = match flags {
            None => writeln!(out, "object -> seq:{seq}"),
            Some(flags) => writeln!(out, "control -> seq:{seq} flags:{flags}"),
        };
    }
    out
}
