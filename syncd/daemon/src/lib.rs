//! `syncd` keeps the connections of a Linux router pair through a failover.
//!
//! One program is daemon and operator's tool: `run` runs the daemon, everything else asks it (or the kernel).
//! From the outside in:
//!
//! | room | what it is about |
//! | --- | --- |
//! | [`args`] | what can be typed |
//! | [`config`] | YAML to a checked configuration |
//! | [`run`] | from a configuration to a running daemon |
//! | [`event_loop`] | wait, gather, turn, flush; with [`doors`], [`outside`], [`timer`], [`ready`], [`clock`] |
//! | [`kernel`], [`channels`], [`vrrp`], [`signals`] | what comes in and goes out |
//! | [`last_role`] | the role, over a restart |
//! | [`control`] | the control socket |
//! | [`show`] | the operator's views |
//! | [`operate`], [`log`] | what an operator does and follows |
//! | [`front`] | the letters of conntrackd, for the scripts people have |
//! | [`decode`] | what a capture of a dedicated link says |
//! | [`journal`] | what the daemon says by itself |
//! | [`recorder`] | everything the replica hears and does, in a file |
//! | [`strangers`] | what reads bytes of others, for the fuzzer |
//!
//! No protocol decision is taken here: `syncd-core` takes them.
//!
//! A library only so that bytes from strangers can be thrown at what reads them ([`strangers`]); nobody else links it.

mod args;
mod channels;
mod clock;
mod config;
mod control;
mod decode;
mod doors;
mod event_loop;
mod front;
mod journal;
mod kernel;
mod last_role;
mod log;
mod operate;
mod outside;
mod ready;
mod recorder;
mod run;
mod show;
mod signals;
pub mod strangers;
mod timer;
mod vrrp;

use std::error::Error;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

use args::{Arguments, Log, Monitor, Output, Restart, Verb};
use control::client::{CallError, Client};
use control::protocol::Request;

/// Refused or failed.
const FAILED: u8 = 1;
/// The daemon cannot be reached. (2, wrong usage, is clap's.)
const UNREACHABLE: u8 = 3;

/// The program.
#[must_use]
pub fn main() -> ExitCode {
    let mut words = std::env::args_os();
    if words.next().is_some_and(|name| front::is_meant(&name)) {
        return front::main(words);
    }
    let arguments = Arguments::parse();
    let mut out = BufWriter::new(io::stdout().lock());
    let done = obey(&arguments.verb, &mut out).and_then(|code| Ok(out.flush().map(|()| code)?));
    match done {
        Ok(code) => code,
        // Whoever reads has seen enough: `syncd show ... | head` is no failure.
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let unreachable = error.chain().any(|cause| {
                matches!(cause.downcast_ref(), Some(CallError::Unreachable { .. } | CallError::HungUp { .. }))
            });
            // A standard error that is closed leaves the exit code to tell.
            drop(writeln!(io::stderr(), "syncd: {}", sentence(&error)));
            ExitCode::from(if unreachable { UNREACHABLE } else { FAILED })
        }
    }
}

fn obey(verb: &Verb, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    match verb {
        Verb::Run { config, record, control } => run::run(config, &control.socket, record.as_deref())?,
        Verb::Check { file, output } => return check(file, output, out),
        Verb::Role { role, group, no_wait, control, output } => {
            let role = role.word().to_owned();
            let request = Request::Role { role: role.clone(), group: group.clone(), wait: !no_wait };
            Client::connect(&control.socket)?.call(&request)?;
            if output.json {
                writeln!(out, "{}", serde_json::json!({ "version": 1, "role": role, "waited": !no_wait }))?;
            }
        }
        Verb::Decode { file, port, output } => decode::print(file, *port, output.json, out)?,
        Verb::Show(show) => operate::show(show, out)?,
        Verb::Reset(reset) => operate::reset(reset, out)?,
        Verb::Restart(Restart::ConntrackSync(question)) => operate::restart(question, out)?,
        Verb::Monitor(Monitor::Log(Log::ConntrackSync(question))) => log::monitor(question, out)?,
        Verb::Watch { all, question } => log::watch(*all, question, out)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn check(file: &Path, output: &Output, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    if !output.json {
        config::load(file)?;
        writeln!(out, "{}: valid", file.display())?;
        return Ok(ExitCode::SUCCESS);
    }
    let problems = match config::load(file) {
        Ok(_) => Vec::new(),
        Err(config::LoadError::Invalid(invalid)) => invalid
            .problems()
            .iter()
            .map(|problem| {
                serde_json::json!({
                    "line": problem.line(), "column": problem.column(),
                    "key": problem.key, "reason": problem.reason, "remedy": problem.remedy,
                })
            })
            .collect(),
        Err(error) => return Err(error.into()),
    };
    let valid = problems.is_empty();
    writeln!(out, "{}", serde_json::json!({ "version": 1, "valid": valid, "problems": problems }))?;
    Ok(if valid { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
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
