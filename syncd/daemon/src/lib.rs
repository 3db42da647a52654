//! `syncd` keeps the connections of a Linux router pair through a failover.
//!
//! One program is daemon and operator's tool: `run` runs the daemon, everything else asks it (or the kernel).
//! From the outside in:
//!
//! | room | what it is about |
//! | --- | --- |
//! | [`args`] | what can be typed |
//! | [`config`] | YAML to a checked configuration; [`check`] shows what is wrong, and what the keys mean |
//! | [`handover`] | the role handed over on purpose, and back on any doubt |
//! | [`import`] | another program's configuration as ours |
//! | [`run`] | from a configuration to a running daemon |
//! | [`event_loop`] | wait, gather, turn, flush; with [`doors`], [`outside`], [`timer`], [`ready`], [`clock`] |
//! | [`kernel`], [`channels`], [`vrrp`], [`signals`] | what comes in and goes out |
//! | [`failovers`] | what the daemon knows of the last changes of role |
//! | [`gate`] | closed while the peer's flows are being committed |
//! | [`last_role`] | the role, over a restart |
//! | [`readiness`] | whether a takeover would lose anything, and what keepalived is told of it |
//! | [`mod@reload`] | a changed configuration, read beside the loop |
//! | [`supervisor`], [`processes`] | systemd, and who else is here |
//! | [`control`] | the control socket |
//! | [`metrics`] | the same numbers for Prometheus, on a socket of their own |
//! | [`show`] | the operator's views |
//! | [`operate`], [`log`] | what an operator does and follows |
//! | [`front`] | the letters of conntrackd, for the scripts people have |
//! | [`doctor`] | what of the machine would cost flows |
//! | [`decode`] | what a capture of a dedicated link says |
//! | [`journal`] | what the daemon says by itself |
//! | [`recorder`] | everything the replica hears and does, in a file |
//! | [`papers`] | manual pages and completions, for packages |
//! | [`strangers`] | what reads bytes of others, for the fuzzer |
//!
//! No protocol decision is taken here: `syncd-core` takes them.
//!
//! A library only so that bytes from strangers can be thrown at what reads them ([`strangers`]); nobody else links it.

mod accept;
mod args;
mod channels;
mod check;
mod clock;
mod config;
mod control;
mod decode;
mod doctor;
mod doors;
mod event_loop;
mod failovers;
mod front;
mod gate;
mod handover;
mod import;
mod journal;
mod kernel;
mod last_role;
mod log;
mod metrics;
mod operate;
mod outside;
mod papers;
mod processes;
mod readiness;
mod ready;
mod recorder;
mod reload;
mod run;
mod show;
mod signals;
pub mod strangers;
mod supervisor;
mod timer;
mod vrrp;

use std::error::Error;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;

use args::{Arguments, Log, Monitor, Restart, Verb};
use control::client::{CallError, Client};
use control::protocol::{Reloaded, Request, Response};
use show::done::{NotDone, ReloadApplied, RoleGiven, VERSION};

/// Refused or failed.
const FAILED: u8 = 1;
/// What clap refuses.
const WRONG_USAGE: u8 = 2;
/// The daemon cannot be reached.
const UNREACHABLE: u8 = 3;

/// The program.
#[must_use]
pub fn main() -> ExitCode {
    let mut words = std::env::args_os();
    if words.next().is_some_and(|name| front::is_meant(&name)) {
        return front::main(words);
    }
    // No value of an option begins so.
    let json = words.any(|word| word == "--json");
    let mut out = Output { out: BufWriter::new(io::stdout().lock()), any: false };
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return unusual(&error, json.then_some(&mut out)),
    };
    let done = obey(&arguments.verb, &mut out).and_then(|code| Ok(out.flush().map(|()| code)?));
    match done {
        Ok(code) => code,
        // Whoever reads has seen enough: `syncd show ... | head` is no failure.
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let unreachable = error.chain().any(|cause| {
                matches!(cause.downcast_ref(), Some(CallError::Unreachable { .. } | CallError::HungUp { .. }))
            });
            let code = if unreachable { UNREACHABLE } else { FAILED };
            let text = sentence(&error);
            // A standard error that is closed leaves the exit code to tell.
            drop(writeln!(io::stderr(), "syncd: {text}"));
            answer_not_done(code, &text, json.then_some(&mut out));
            ExitCode::from(code)
        }
    }
}

/// Standard output, and whether anything was written there: behind that no other document may follow.
struct Output<W> {
    out: W,
    any: bool,
}

impl<W: Write> Write for Output<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.any |= !bytes.is_empty();
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Help, or wrong usage: told as clap tells it.
fn unusual(error: &clap::Error, out: Option<&mut Output<impl Write>>) -> ExitCode {
    drop(error.print());
    if !error.use_stderr() {
        return ExitCode::SUCCESS;
    }
    let text = error.to_string();
    let paragraph = text.split("\n\n").next().unwrap_or_default();
    let words: Vec<&str> = paragraph.split_whitespace().skip_while(|word| *word == "error:").collect();
    answer_not_done(WRONG_USAGE, &words.join(" "), out);
    ExitCode::from(WRONG_USAGE)
}

/// Whoever wants a document gets one also if there is nothing to tell but why.
fn answer_not_done(exit_code: u8, error: &str, out: Option<&mut Output<impl Write>>) {
    if let Some(out) = out.filter(|out| !out.any) {
        let document = NotDone { version: VERSION, error, exit_code };
        // A standard output that is closed leaves the exit code to tell, too.
        drop(show::print::document(out, &document).map(|()| out.flush()));
    }
}

fn obey(verb: &Verb, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    match verb {
        Verb::Run { config, record, control } => run::run(config, &control.socket, record.as_deref())?,
        Verb::Check { file, here, output } => {
            let valid = check::check(file, *here, output.json, out)?;
            return Ok(if valid { ExitCode::SUCCESS } else { ExitCode::from(FAILED) });
        }
        Verb::Import { language, file, wiring, output } => {
            let language = language.language();
            let valid = import::import(language, file, wiring, output.json, out, &mut io::stderr())?;
            return Ok(if valid { ExitCode::SUCCESS } else { ExitCode::from(FAILED) });
        }
        Verb::Explain { key, output } => check::explain(key.as_deref(), output.json, out)?,
        Verb::Schema => check::schema(out)?,
        Verb::Reload { control, output } => reload(&control.socket, output.json, out)?,
        Verb::Role { role, group, no_wait, control, output } => {
            let role = role.word().to_owned();
            let request = Request::Role { role: role.clone(), group: group.clone(), wait: !no_wait };
            Client::connect(&control.socket)?.call(&request)?;
            if output.json {
                let done = RoleGiven { version: VERSION, role: &role, waited: !no_wait };
                show::print::document(out, &done)?;
            }
        }
        Verb::Handover { timeout, control, output } => {
            let done = operate::hand_over(&control.socket, *timeout, output.json, out)?;
            return Ok(if done { ExitCode::SUCCESS } else { ExitCode::from(FAILED) });
        }
        Verb::Ready { keepalived, control, output } => {
            let ready = operate::ready(&control.socket, *keepalived, output.json, out)?;
            return Ok(if ready { ExitCode::SUCCESS } else { ExitCode::from(FAILED) });
        }
        Verb::Decode { file, port, output } => decode::print(file, *port, output.json, out)?,
        Verb::Doctor { config, keepalived, output } => {
            let healthy = doctor::print(config, keepalived.as_deref(), output.json, out)?;
            return Ok(if healthy { ExitCode::SUCCESS } else { ExitCode::from(FAILED) });
        }
        Verb::Show(show) => operate::show(show, out)?,
        Verb::Reset(reset) => operate::reset(reset, out)?,
        Verb::Restart(Restart::ConntrackSync(question)) => operate::restart(question, out)?,
        Verb::Monitor(Monitor::Log(Log::ConntrackSync(question))) => log::monitor(question, out)?,
        Verb::Papers { directory } => {
            papers::write(directory).with_context(|| format!("cannot write into {}", directory.display()))?;
        }
        Verb::Watch { all, question } => log::watch(*all, question, out)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn reload(socket: &Path, json: bool, out: &mut impl Write) -> anyhow::Result<()> {
    let Response::Reloaded(Reloaded { changed, remarks }) =
        Client::connect(socket)?.call(&Request::Reload)?
    else {
        anyhow::bail!("the daemon answered something else; use the syncd of the daemon's own version");
    };
    if json {
        let done = ReloadApplied { version: VERSION, changed: &changed, remarks: &remarks };
        return Ok(show::print::document(out, &done)?);
    }
    match changed.as_slice() {
        [] => writeln!(out, "reloaded: nothing has changed")?,
        changed => writeln!(out, "reloaded: changed {}", changed.join(", "))?,
    }
    for remark in remarks {
        writeln!(out, "remark: {remark}")?;
    }
    Ok(())
}

/// The error and its causes in one line. Most of our errors name their cause in the middle, before the remedy: what was
/// said is not said again.
fn sentence(error: &anyhow::Error) -> String {
    let mut said = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !said.contains(&cause) {
            said = format!("{said}: {cause}");
        }
    }
    said
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause: &(dyn Error + 'static)| {
        cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    })
}
