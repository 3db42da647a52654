//! What the daemon says, shown and followed: `show log`, `monitor log`, `watch`.
//!
//! Where systemd keeps a journal of the daemon, that is shown, because it remembers more and outlives the daemon; else the
//! daemon itself has its last lines. Tested end to end, and in `log/tests.rs` with a daemon that ends.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::args::Question;
use crate::control::client::{CallError, Client};
use crate::control::protocol::{Request, Response};
use crate::journal::told::LineView;
use crate::show::print::{self, ShowError};
use crate::show::text::utc;

#[cfg(test)]
mod tests;

/// Below it the packaged units have their sockets.
const RUN: &str = "/run/syncd";
/// `monitor` begins with so many lines, like `journalctl --follow`.
const BACKLOG: usize = 10;

/// So often a daemon that has hung up is looked for, [`pause`] by pause: a restart takes less than a second.
const TRIES: u32 = 250;

/// `show log conntrack-sync`.
pub(crate) fn show(question: &Question, out: &mut impl Write) -> anyhow::Result<()> {
    let mut client = match source(question)? {
        Source::Journal(unit) => return read_journal(&unit, false),
        Source::Daemon(client) => client,
    };
    for line in kept(&mut client)?.iter().filter(|line| line.logged) {
        print(line, question.output.json, out)?;
    }
    Ok(())
}

/// `monitor log conntrack-sync`.
pub(crate) fn monitor(question: &Question, out: &mut impl Write) -> anyhow::Result<()> {
    let mut client = match source(question)? {
        Source::Journal(unit) => return read_journal(&unit, true),
        Source::Daemon(client) => client,
    };
    let lines = kept(&mut client)?;
    let after = lines.iter().filter(|line| line.logged).nth_back(BACKLOG).map_or(0, |line| line.number);
    follow(&mut client, after, false, question.output.json, out)
}

/// `watch`.
pub(crate) fn watch(all: bool, question: &Question, out: &mut impl Write) -> anyhow::Result<()> {
    let mut client = Client::connect(&question.control.socket)?;
    let after = if all { 0 } else { kept(&mut client)?.last().map_or(0, |line| line.number) };
    follow(&mut client, after, true, question.output.json, out)
}

/// A moment between two looks at something that tells nobody when it changes.
#[expect(clippy::disallowed_methods, reason = "a daemon that is starting has nothing to wait on yet")]
pub(crate) fn pause() {
    thread::sleep(Duration::from_millis(20));
}

/// Who has the log.
enum Source {
    /// systemd, under this unit.
    Journal(String),
    /// The daemon.
    Daemon(Client),
}

/// Machines want objects, which the daemon has; humans all there is.
fn source(question: &Question) -> Result<Source, CallError> {
    let answer = Client::connect(&question.control.socket)
        .and_then(|mut client| Ok((print::ask_status(&mut client)?.journal_unit, client)));
    match answer {
        Ok((Some(unit), _)) if !question.output.json && has_journal() => Ok(Source::Journal(unit)),
        Ok((_, client)) => Ok(Source::Daemon(client)),
        Err(CallError::Unreachable { .. }) if !question.output.json && has_journal() => {
            Ok(Source::Journal(unit(&question.control.socket)))
        }
        Err(error) => Err(error),
    }
}

/// The unit whose daemon would listen on this socket; for when none does.
fn unit(socket: &Path) -> String {
    let name = socket.strip_prefix(RUN).ok().and_then(|below| below.to_str()?.strip_suffix("/control"));
    name.map_or_else(|| "syncd.service".to_owned(), |name| format!("syncd@{name}.service"))
}

/// Whether this machine was booted by systemd (`sd_booted(3)`).
fn has_journal() -> bool {
    Path::new("/run/systemd/system").is_dir()
}

/// Becomes `journalctl`.
fn read_journal(unit: &str, follow: bool) -> anyhow::Result<()> {
    let mut command = Command::new("journalctl");
    command.args(["--no-hostname", "--unit", unit]);
    if follow {
        command.arg("--follow");
    }
    let error = command.exec();
    anyhow::bail!("cannot start journalctl: {error}; 'syncd watch --all' asks the daemon itself")
}

fn kept(client: &mut Client) -> Result<Vec<LineView>, CallError> {
    let mut all: Vec<LineView> = Vec::new();
    loop {
        let after = all.last().map_or(0, |line| line.number);
        match client.call(&Request::Told { after, follow: false })? {
            Response::Told(lines) if lines.is_empty() => return Ok(all),
            Response::Told(lines) => all.extend(lines),
            _ => return Err(print::unexpected()),
        }
    }
}

/// Prints what comes; `all`, or what is in the log.
fn follow(
    client: &mut Client,
    after: u64,
    all: bool,
    json: bool,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let daemon = print::ask_status(client)?.started_ns;
    let mut last = after;
    let mut answer = client.call(&Request::Told { after, follow: true })?;
    loop {
        let Response::Told(lines) = answer else { return Err(print::unexpected().into()) };
        for line in lines {
            if last != 0 && line.number > last + 1 && !json {
                writeln!(out, "({} lines were missed)", line.number - last - 1)?;
            }
            last = line.number;
            if all || line.logged {
                print(&line, json, out)?;
            }
        }
        // Each is read as it comes, also through a pipe.
        out.flush()?;
        answer = match client.next() {
            Err(CallError::HungUp { .. }) => go_on(client, daemon, last)?,
            answer => answer?,
        };
    }
}

/// The daemon has hung up: because we did not read for a while, or because it begins again. Then it may hang up once more:
/// its socket takes clients until the end.
fn go_on(client: &mut Client, daemon: u64, last: u64) -> Result<Response, CallError> {
    let mut tries = 0;
    loop {
        match ask_again(client, daemon, last) {
            Err(CallError::Unreachable { .. } | CallError::HungUp { .. }) if tries < TRIES => pause(),
            answer => return answer,
        }
        tries += 1;
    }
}

/// Asks for what comes after that line. The lines of another daemon have numbers of their own.
fn ask_again(client: &mut Client, daemon: u64, last: u64) -> Result<Response, CallError> {
    client.reconnect()?;
    let after = if print::ask_status(client)?.started_ns == daemon { last } else { 0 };
    client.call(&Request::Told { after, follow: true })
}

fn print(line: &LineView, json: bool, out: &mut impl Write) -> Result<(), ShowError> {
    if json {
        return print::document(out, line);
    }
    let (seconds, millis) = (line.unix_ms / 1000, line.unix_ms % 1000);
    let time = utc(seconds);
    let time = time.trim_end_matches(" UTC");
    Ok(writeln!(out, "{time}.{millis:03} {}: {}", line.level, line.text)?)
}
