//! What an operator does by hand: show, reset, restart. From the words that were typed to the daemon, or the kernel.
//!
//! Decides nothing that the daemon could decide. Tested end to end.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;

use anyhow::{Context as _, bail};
use syncd_conntrack::QuerySocket;

use crate::args::{Conntrack, Output, Question, Reset, ResetCache, Show, Sync};
use crate::clock;
use crate::control::client::{CallError, Client};
use crate::control::protocol::{Request, Response, StepWord};
use crate::log;
use crate::show::done::{CacheReset, Restarted, TableEmptied, VERSION};
use crate::show::metrics::MetricsView;
use crate::show::print::{self, Part, Style};
use crate::show::table::CacheFormat;
use crate::show::{failover, handover, ready};

/// A daemon that begins again answers within this, in seconds.
const PATIENCE: u64 = 30;

/// `show`.
pub(crate) fn show(show: &Show, out: &mut impl Write) -> anyhow::Result<()> {
    match show {
        Show::ConntrackSync { what } => show_sync(what, out),
        Show::Failover { number, question } => show_failovers(*number, question, out),
        Show::Log(crate::args::Log::ConntrackSync(question)) => log::show(question, out),
        Show::Metrics(question) => show_metrics(question, out),
        Show::Conntrack { what: Conntrack::Statistics(output) } => Ok(print::processors(output.json, out)?),
        Show::Conntrack { what: Conntrack::Table(kernel) } => {
            let style = style(kernel.output.json, kernel.xml, kernel.format);
            let part = Part { from: kernel.from, ..kernel.part.clone().into() };
            let next = print::table(kernel.family.family(), style, &part, out)?;
            tell_next(next.filter(|_| style != Style::Json), out)
        }
    }
}

const fn style<F: Copy>(json: bool, xml: bool, format: F) -> Style<F> {
    match (json, xml) {
        (true, _) => Style::Json,
        (_, true) => Style::Xml,
        _ => Style::Text(format),
    }
}

fn show_sync(what: &Sync, out: &mut impl Write) -> anyhow::Result<()> {
    match what {
        Sync::Status(question) => {
            let mut client = Client::connect(&question.control.socket)?;
            return Ok(print::status(&mut client, question.output.json, out)?);
        }
        Sync::Statistics { detail, question } => {
            let mut client = Client::connect(&question.control.socket)?;
            return Ok(print::statistics(&mut client, question.output.json, *detail, out)?);
        }
        _ => {}
    }
    let Some((cache, format, caching)) = what.cache() else { return Ok(()) };
    let mut client = Client::connect(&caching.question.control.socket)?;
    let style: Style<CacheFormat> =
        style(caching.question.output.json, caching.xml, caching.format.unwrap_or(format));
    let part = Part { from: caching.from, ..caching.part.clone().into() };
    let next = print::cache(&mut client, cache, style, &part, out)?;
    tell_next(next.filter(|_| style != Style::Json), out)
}

/// Not among the flows: whoever counts lines counts flows. JSON says it itself.
fn tell_next(next: Option<u32>, out: &mut impl Write) -> anyhow::Result<()> {
    if let Some(next) = next {
        out.flush()?;
        drop(writeln!(io::stderr(), "syncd: there may be more: go on with --from {next}"));
    }
    Ok(())
}

fn show_failovers(most: u32, question: &Question, out: &mut impl Write) -> anyhow::Result<()> {
    let Response::Failovers(view) =
        Client::connect(&question.control.socket)?.call(&Request::Failovers { most })?
    else {
        bail!("the daemon answered something else; use the syncd of the daemon's own version");
    };
    if question.output.json {
        return Ok(print::document(out, &*view)?);
    }
    Ok(out.write_all(failover::text(&view).as_bytes())?)
}

fn show_metrics(question: &Question, out: &mut impl Write) -> anyhow::Result<()> {
    let Response::Metrics(page) = Client::connect(&question.control.socket)?.call(&Request::Metrics)? else {
        bail!("the daemon answered something else; use the syncd of the daemon's own version");
    };
    if question.output.json {
        let view = MetricsView::read(&page);
        let view =
            view.context("cannot understand the daemon's page; use the syncd of the daemon's own version")?;
        return Ok(print::document(out, &view)?);
    }
    Ok(out.write_all(page.as_bytes())?)
}

/// `ready`. Whether it is; with `keepalived`, whether the priority stays as it is.
pub(crate) fn ready(
    socket: &Path,
    keepalived: bool,
    json: bool,
    out: &mut impl Write,
) -> anyhow::Result<bool> {
    let Response::Ready(view) = Client::connect(socket)?.call(&Request::Ready)? else {
        bail!("the daemon answered something else; use the syncd of the daemon's own version");
    };
    if json {
        print::document(out, &*view)?;
    } else {
        out.write_all(ready::text(&view).as_bytes())?;
    }
    Ok(if keepalived { view.keepalived.level == 0 } else { view.ready })
}

/// `handover`: returns when it is over. Whether it is done.
pub(crate) fn hand_over(
    socket: &Path,
    patience_s: u32,
    json: bool,
    out: &mut impl Write,
) -> anyhow::Result<bool> {
    let Response::HandedOver(view) = Client::connect(socket)?.call(&Request::Handover { patience_s })? else {
        bail!("the daemon answered something else; use the syncd of the daemon's own version");
    };
    if json {
        print::document(out, &*view)?;
    } else {
        out.write_all(handover::text(&view).as_bytes())?;
    }
    Ok(view.is_done())
}

/// `reset`.
pub(crate) fn reset(reset: &Reset, out: &mut impl Write) -> anyhow::Result<()> {
    match reset {
        Reset::Conntrack { yes, output } => reset_conntrack(*yes, output, out),
        Reset::ConntrackSync { what: ResetCache::InternalCache(question) } => {
            let steps = [StepWord::ReloadInternal, StepWord::Bulk];
            reset_cache("internal", &steps, question, out)
        }
        Reset::ConntrackSync { what: ResetCache::ExternalCache(question) } => {
            reset_cache("external", &[StepWord::ResetExternal], question, out)
        }
    }
}

fn reset_cache(
    name: &str,
    steps: &[StepWord],
    question: &Question,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let mut client = Client::connect(&question.control.socket)?;
    let before = print::ask_status(&mut client)?;
    for step in steps {
        client.call(&Request::Step { step: *step, wait: true })?;
    }
    let after = print::ask_status(&mut client)?;
    if name == "external" && after.sync.state == "peer lost" {
        bail!(
            "the peer fell silent before it had named all its flows; what is held of it stays: try again later"
        );
    }
    let counts = |view: &crate::show::view::StatusView| match name {
        "internal" => (view.internal_flows, view.internal_expectations),
        _ => (view.external_flows, view.external_expectations),
    };
    let ((flows_before, _), (flows, expectations)) = (counts(&before), counts(&after));
    if question.output.json {
        let done = CacheReset { version: VERSION, cache: name, flows_before, flows, expectations };
        return Ok(print::document(out, &done)?);
    }
    Ok(writeln!(out, "{name} cache: {flows} flows (before: {flows_before}), {expectations} expectations")?)
}

fn reset_conntrack(yes: bool, output: &Output, out: &mut impl Write) -> anyhow::Result<()> {
    let mut socket = QuerySocket::open()?;
    let read = "cannot read the kernel's table; run as root, or with CAP_NET_ADMIN";
    let flows = socket.count().context(read)?;
    if !yes && !is_agreed(flows)? {
        bail!("nothing was removed; answer yes, or give --yes");
    }
    // As long as nobody expects anything, no expectation opens a flow anew.
    let expectations = socket.remove_all_expectations();
    socket
        .remove_all_flows()
        .context("cannot empty the kernel's table; run as root, or with CAP_NET_ADMIN")?;
    // A kernel that knows of no expectations has none.
    let without = expectations.is_err();
    if output.json {
        let done = TableEmptied { version: VERSION, removed: flows, expectations_removed: !without };
        return Ok(print::document(out, &done)?);
    }
    Ok(writeln!(out, "{flows} flows removed")?)
}

/// Asks whoever sits there. Whoever does not sit there is not asked: a script says --yes.
fn is_agreed(flows: u32) -> anyhow::Result<bool> {
    if !io::stdin().is_terminal() {
        bail!("this would cut {flows} flows, and nobody is there to be asked; give --yes");
    }
    let mut err = io::stderr();
    write!(err, "Remove all {flows} flows of this router? Connections will be cut. [y/N] ")?;
    err.flush()?;
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    Ok(matches!(line.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// `restart conntrack-sync`: returns when the new daemon answers.
pub(crate) fn restart(question: &Question, out: &mut impl Write) -> anyhow::Result<()> {
    let socket = &question.control.socket;
    let mut client = Client::connect(socket)?;
    let before = print::ask_status(&mut client)?.started_ns;
    match client.call(&Request::Restart) {
        // It may be gone before its answer is read.
        Ok(_) | Err(CallError::HungUp { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    drop(client);
    await_new(socket, before)?;
    if question.output.json {
        return Ok(print::document(out, &Restarted { version: VERSION, restarted: true })?);
    }
    Ok(writeln!(out, "restarted")?)
}

/// Waits for a daemon that started after `before`.
fn await_new(socket: &Path, before: u64) -> anyhow::Result<()> {
    let begun = clock::now();
    loop {
        let status = Client::connect(socket).and_then(|mut client| print::ask_status(&mut client));
        match status {
            Ok(status) if status.started_ns != before => return Ok(()),
            _ if clock::now().since(begun).as_secs() >= PATIENCE => {
                bail!(
                    "the daemon did not come up again within {PATIENCE} s; see its log, and start it by hand"
                );
            }
            _ => log::pause(),
        }
    }
}
