//! A front for the letters of conntrackd: the scripts that people have go on working, with syncd behind them.
//!
//! The program is this front when it is started under the name `conntrackd`. It answers in conntrackd's words and does
//! what its letters are for, which is not always what conntrackd does: nothing is thrown away before its replacement is
//! here, and where no notify FIFO is configured the letters of a transition (`-c`, `-t`, `-n`) say the role. Never
//! touches anything that the daemon's other commands do not. Tested in `front/tests.rs` and end to end with the scripts
//! themselves.

pub(crate) mod letters;
mod start;
pub(crate) mod texts;

#[cfg(test)]
mod tests;

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use syncd_conntrack::{Batch, QuerySocket, RequestSocket};
use syncd_core::filter::{Filter, Network};
use syncd_core::flow::{Address, Family, Protocol};

use crate::control::DEFAULT_SOCKET;
use crate::control::client::{CallError, Client};
use crate::control::protocol::{Cache, FilterView, Request, Response, StepWord, Unacknowledged};
use crate::show::print::{self, Part, Style};
use crate::show::statistics;
use crate::show::table::CacheFormat;
use crate::show::view::StatusView;
use letters::{Letter, Statistics, Table};

/// Under this name the program is the front.
const NAME: &str = "conntrackd";
/// Names the daemon's control socket, if it is not the usual one: scripts know no `--socket`.
const SOCKET: &str = "SYNCD_SOCKET";

/// Whether a program that was started by this name is the front.
pub(crate) fn is_meant(name: &OsStr) -> bool {
    Path::new(name).file_name().is_some_and(|name| name == NAME)
}

/// The front; `words` are what follows its name. Ends with 0, or 1 as conntrackd does for whatever goes wrong.
pub(crate) fn main(words: impl Iterator<Item = OsString>) -> ExitCode {
    let words: Vec<String> = words.map(|word| word.to_string_lossy().into_owned()).collect();
    let mut out = BufWriter::new(io::stdout().lock());
    let done = letters::read(&words).and_then(|letter| {
        obey(&letter, &mut out)?;
        Ok(out.flush()?)
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads has seen enough.
        Err(error) if crate::is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            drop(writeln!(io::stderr(), "{NAME}: {}", crate::sentence(&error)));
            ExitCode::FAILURE
        }
    }
}

fn socket() -> PathBuf {
    env::var_os(SOCKET).map_or_else(|| DEFAULT_SOCKET.into(), PathBuf::from)
}

fn obey(letter: &Letter, out: &mut impl Write) -> anyhow::Result<()> {
    match letter {
        Letter::Help => return Ok(out.write_all(letters::USAGE.as_bytes())?),
        Letter::Version => {
            return Ok(writeln!(out, "syncd {}, in the place of conntrackd", env!("CARGO_PKG_VERSION"))?);
        }
        Letter::Start { config } => return start::start(config.as_deref(), &socket()),
        _ => {}
    }
    let mut client = Client::connect(&socket())?;
    match letter {
        Letter::Help | Letter::Version | Letter::Start { .. } => Ok(()),
        Letter::Show { internal, table, xml } => show(&mut client, *internal, *table, *xml, out),
        Letter::Statistics(what) => show_statistics(&mut client, *what, out),
        Letter::Commit => commit(&mut client),
        Letter::FlushCaches { external } => flush_caches(&mut client, *external),
        Letter::FlushKernel { flows, expectations } => flush_kernel(&mut client, *flows, *expectations, out),
        Letter::Reload => {
            // After a take-over the reload and the bulk are the role's own: these letters then join what is under way.
            let status = print::ask_status(&mut client)?;
            let joins = is_ours(&status) && status.role == "primary";
            step(&mut client, StepWord::ReloadInternal, !joins)
        }
        Letter::Bulk => step(&mut client, StepWord::Bulk, true),
        Letter::AskPeer => {
            let status = print::ask_status(&mut client)?;
            if is_ours(&status) && status.role == "fault" {
                return role(&mut client, "backup");
            }
            step(&mut client, StepWord::AskPeer, true)
        }
        Letter::Retire => {
            let status = print::ask_status(&mut client)?;
            // Stale flows of our kernel give way in the next commit: there is nothing to remove before.
            if is_ours(&status) { role(&mut client, "fault") } else { Ok(()) }
        }
        Letter::Stop => match client.call(&Request::Stop) {
            Ok(_) | Err(CallError::HungUp { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        },
    }
}

/// Whether the role is ours to say: nobody else does.
fn is_ours(status: &StatusView) -> bool {
    status.role_source == "commands"
}

fn step(client: &mut Client, step: StepWord, wait: bool) -> anyhow::Result<()> {
    client.call(&Request::Step { step, wait })?;
    Ok(())
}

fn role(client: &mut Client, role: &str) -> anyhow::Result<()> {
    client.call(&Request::Role { role: role.to_owned(), group: None, wait: false })?;
    Ok(())
}

fn show(
    client: &mut Client,
    internal: bool,
    table: Table,
    xml: bool,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let cache = match (internal, table) {
        (true, Table::Flows) => Cache::Internal,
        (true, Table::Expectations) => Cache::InternalExpectations,
        (false, Table::Flows) => Cache::External,
        (false, Table::Expectations) => Cache::ExternalExpectations,
    };
    let style = if xml { Style::Xml } else { Style::Text(CacheFormat::Lines) };
    print::cache(client, cache, style, &Part::default(), out)?;
    Ok(())
}

fn show_statistics(client: &mut Client, what: Statistics, out: &mut impl Write) -> anyhow::Result<()> {
    if what == Statistics::ResendQueue {
        return Ok(out.write_all(texts::resend_queue(&unacknowledged(client)?).as_bytes())?);
    }
    let view = print::ask_statistics(client)?;
    let text = match what {
        Statistics::Flows => statistics::main(&view),
        Statistics::Expectations => statistics::expect(&view),
        Statistics::Network => texts::network(&view),
        Statistics::Cache => texts::cache(&view),
        Statistics::Runtime => texts::runtime(&view),
        Statistics::Link => texts::link(&view),
        Statistics::Queue => texts::queue(&view),
        // There are no child processes; the other is answered already.
        Statistics::Process | Statistics::ResendQueue => String::new(),
    };
    Ok(out.write_all(text.as_bytes())?)
}

fn unacknowledged(client: &mut Client) -> anyhow::Result<Vec<Unacknowledged>> {
    let mut all: Vec<Unacknowledged> = Vec::new();
    loop {
        let after = all.last().map(|last| last.seq);
        match client.call(&Request::Unacknowledged { after })? {
            Response::Unacknowledged(more) if more.is_empty() => return Ok(all),
            Response::Unacknowledged(more) => all.extend(more),
            _ => return Err(print::unexpected().into()),
        }
    }
}

/// Returns when the commit is done, as scripts expect; what follows it in a take-over goes on.
fn commit(client: &mut Client) -> anyhow::Result<()> {
    let status = print::ask_status(client)?;
    if is_ours(&status) && status.role != "primary" {
        role(client, "primary")?;
    }
    step(client, StepWord::Commit, true)
}

/// What a commit has written has left the external cache, and a primary tries again what it could not write: there
/// nothing is left to flush. The internal cache is the kernel's table and is read again by `-R`.
fn flush_caches(client: &mut Client, external: bool) -> anyhow::Result<()> {
    if !external || print::ask_status(client)?.role == "primary" {
        return Ok(());
    }
    if print::ask_status(client)?.sync.state == "peer lost" {
        anyhow::bail!("the peer is silent, and nobody else could fill the external cache again: it stays");
    }
    step(client, StepWord::ResetExternal, false)
}

/// Removes what the daemon's filter lets through, as conntrackd does: the router's own flows stay.
fn flush_kernel(
    client: &mut Client,
    flows: bool,
    expectations: bool,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let Response::Filter(view) = client.call(&Request::Filter)? else {
        return Err(print::unexpected().into());
    };
    let mut socket = QuerySocket::open()?;
    // Expectations first: else one could open a flow anew. A kernel that knows of none has none.
    if expectations && socket.remove_all_expectations().is_err() && !flows {
        writeln!(out, "this kernel knows of no expectations")?;
    }
    if !flows {
        return Ok(());
    }
    let filter = filter(&view);
    let (mut requests, mut batch, mut broken) = (RequestSocket::open()?, Batch::new(), Ok(()));
    socket.dump(|flows| {
        for whole in flows.iter().filter(|flow| filter.accepts(flow)) {
            batch.delete(0, whole);
            if batch.is_full() && broken.is_ok() {
                broken = send(&mut requests, &mut batch);
            }
        }
    })?;
    broken?;
    send(&mut requests, &mut batch)?;
    Ok(())
}

/// One that has ended meanwhile is no failure.
fn send(requests: &mut RequestSocket, batch: &mut Batch) -> Result<(), syncd_conntrack::SocketError> {
    requests.send(batch)?;
    requests.outcomes(|_, _| {})
}

/// The daemon's own filter, as it was told.
fn filter(view: &FilterView) -> Filter {
    let network = |text: &String| {
        let (address, bits) = text.split_once('/')?;
        let address: std::net::IpAddr = address.parse().ok()?;
        let family = if address.is_ipv4() { Family::V4 } else { Family::V6 };
        Network::new(family, Address::from(address), bits.parse().ok()?)
    };
    let accepted = view.accepted.iter().copied().map(Protocol).collect();
    Filter::new(accepted, view.ignored.iter().filter_map(network).collect())
}
