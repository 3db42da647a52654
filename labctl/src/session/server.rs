//! The lab's end of all sessions.
//!
//! One thread per connection; the lab is changed by one of them at a time. Ends when it is told to, or when its owner
//! goes without having told it to stay: returning from here ends the lab's first process and with it everything.
//! Never trusts a connection of another user. Driven by `main`; tested in `labctl/tests/scenarios/holder.rs`.

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use nix::unistd::geteuid;

use super::{Answer, Outcome, Request};
use crate::bench;
use crate::lab::{Lab, timeline};
use crate::programs;
use crate::report::{self, Document};
use crate::sandbox::{Inside, send_descriptors, socket};
use crate::scenario::{Fault, load};
use crate::snapshot::snapshot;

/// What all connections share.
struct Shared {
    lab: OnceLock<Arc<Lab>>,
    /// Tells the main thread that the lab ends.
    end: Sender<()>,
}

/// Serves until the lab ends.
///
/// # Errors
/// When threads cannot be started.
pub(crate) fn serve(inside: Inside) -> Result<()> {
    let (end, ended) = mpsc::channel();
    let shared = Arc::new(Shared { lab: OnceLock::new(), end });
    let Inside { owner, listener } = inside;
    {
        let shared = Arc::clone(&shared);
        thread::Builder::new().name("owner".to_owned()).spawn(move || {
            if !converse(&shared, owner) {
                // The main thread may be gone already.
                let _ = shared.end.send(());
            }
        })?;
    }
    thread::Builder::new().name("accept".to_owned()).spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            if socket::require_user(&stream, geteuid()).is_err() {
                continue;
            }
            let shared = Arc::clone(&shared);
            let served =
                thread::Builder::new().name("session".to_owned()).spawn(move || converse(&shared, stream));
            if let Err(error) = served {
                eprintln!("a session was refused: {error}");
            }
        }
    })?;
    // Fails only if both threads are gone, which is an end as well.
    let _ = ended.recv();
    Ok(())
}

/// Answers one connection until its other side goes; true if the lab was told to stay.
fn converse(shared: &Shared, stream: UnixStream) -> bool {
    let mut stay = false;
    let Ok(mut answers) = stream.try_clone() else { return stay };
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        let request: Request = match serde_json::from_str(&line) {
            Ok(request) => request,
            Err(error) => {
                say(&answers, &failed(&anyhow!("not understood: {error}")));
                continue;
            }
        };
        match request {
            Request::Stay => {
                stay = true;
                say(&answers, &Answer::Done { well: true });
            }
            Request::Down => {
                say(&answers, &Answer::Done { well: true });
                let _ = shared.end.send(());
            }
            Request::Namespaces(node) => {
                if let Err(error) = hand_over(shared, &node, &answers) {
                    say(&answers, &failed(&error));
                }
            }
            request => {
                let last = match answer(shared, request, &mut |answer| say(&answers, answer)) {
                    Ok(well) => Answer::Done { well },
                    Err(error) => failed(&error),
                };
                say(&answers, &last);
            }
        }
        let _ = answers.flush();
    }
    stay
}

/// An answer that nobody hears any more is nobody's loss: the connection's end is noticed where it is read.
fn say(mut stream: &UnixStream, answer: &Answer) {
    if let Ok(mut line) = serde_json::to_string(answer) {
        line.push('\n');
        let _ = stream.write_all(line.as_bytes());
    }
}

fn failed(error: &anyhow::Error) -> Answer {
    let lacking = error.chain().any(<dyn Error>::is::<programs::Missing>);
    Answer::Failed { message: format!("{error:#}"), lacking }
}

fn lab(shared: &Shared) -> Result<&Arc<Lab>> {
    shared.lab.get().ok_or_else(|| anyhow!("the lab is being built"))
}

/// Does what is asked; true if all is well.
fn answer(shared: &Shared, request: Request, say: &mut dyn FnMut(&Answer)) -> Result<bool> {
    if let Request::Build(sources) = request {
        let scenario = load::check(&sources)?;
        let built = {
            let say = std::cell::RefCell::new(&mut *say);
            Lab::build(scenario, &|what| say.borrow_mut()(&Answer::Progress(what.to_owned())))
        };
        if built.is_err() {
            for (name, text) in report::remains() {
                say(&Answer::File(name, text));
            }
        }
        let built = built?;
        shared.lab.set(built).map_err(|_| anyhow!("the lab is built already"))?;
        return Ok(true);
    }
    if let Request::Bench(plan) = request {
        bench::measure(&plan, &mut |sample| say(&Answer::Sample(sample)))?;
        return Ok(true);
    }
    let lab = lab(shared)?;
    let _driving = match &request {
        Request::Status | Request::TrafficStatus | Request::Verify => None,
        _ => Some(lab.driving.try_lock().map_err(|_| anyhow!("the lab is busy with another verb"))?),
    };
    match request {
        Request::Run => run(lab, say),
        Request::Status => {
            say(&Answer::Text(report::status(lab)?));
            Ok(true)
        }
        Request::TrafficStart(name) => {
            let names: Vec<&String> = match &name {
                Some(name) => vec![name],
                None => lab.scenario().traffic.keys().collect(),
            };
            for name in names {
                let opened = lab.start_traffic(name)?;
                say(&Answer::Text(format!(
                    "{name}: {} of {} streams opened\n",
                    opened.opened, opened.wanted
                )));
            }
            Ok(true)
        }
        Request::TrafficStatus => {
            say(&Answer::Text(traffic_status(lab)));
            Ok(true)
        }
        Request::TrafficStop(name) => {
            lab.stop_traffic(name.as_deref());
            Ok(true)
        }
        Request::Failover(fault) => failover(lab, fault, say),
        Request::Verify => {
            let seen = lab.verify();
            say(&Answer::Text(report::expectations(&seen)));
            Ok(seen.iter().all(|seen| seen.passed))
        }
        Request::Build(_) | Request::Bench(_) | Request::Stay | Request::Namespaces(_) | Request::Down => {
            Ok(true)
        }
    }
}

fn traffic_status(lab: &Lab) -> String {
    let mut reports = Vec::new();
    lab.each_traffic(|name, traffic| reports.push((name.to_owned(), traffic.judge(Instant::now()))));
    if reports.is_empty() {
        return "no traffic runs: labctl traffic start\n".to_owned();
    }
    report::traffic_lines(reports.iter().map(|(name, report)| (name.as_str(), report)))
}

fn run(lab: &Lab, say: &mut dyn FnMut(&Answer)) -> Result<bool> {
    let (mut expectations, result) = {
        let say = std::cell::RefCell::new(&mut *say);
        timeline::run(lab, &|what| say.borrow_mut()(&Answer::Progress(what.to_owned())))
    };
    if let Err(error) = result {
        let seen = format!("{error:#}");
        let text = "the timeline runs to its end".to_owned();
        expectations.push(report::ExpectationSeen { text, passed: false, seen });
    }
    let document = Document::of(lab, expectations);
    let outcome = Outcome {
        table: report::table(&document),
        snapshot: snapshot(lab).unwrap_or_else(|error| format!("{error:#}\n")),
        document: serde_json::to_value(&document).context("a result that is no JSON")?,
    };
    say(&Answer::Outcome(Box::new(outcome)));
    if !document.passed {
        for (name, text) in report::diagnose(lab) {
            say(&Answer::File(name, text));
        }
    }
    Ok(document.passed)
}

/// Breaks the primary and waits until the other router is primary.
fn failover(lab: &Lab, fault: Fault, say: &mut dyn FnMut(&Answer)) -> Result<bool> {
    let primary = lab.primary().ok_or_else(|| anyhow!("no router is primary: labctl status"))?;
    lab.break_it(fault, &primary)?;
    let moved = lab.wait_taken_over()?;
    say(&Answer::Text(format!(
        "{} {primary}: {} is primary after {} ms\n",
        fault.word(),
        moved.0,
        moved.1.as_millis()
    )));
    Ok(true)
}

fn hand_over(shared: &Shared, node: &str, stream: &UnixStream) -> Result<()> {
    let message = serde_json::to_vec(&Answer::Done { well: true })?;
    lab(shared)?.with_node(node, |node| {
        let namespaces = node.namespaces();
        // The user namespace is the lab's own, which this process is in.
        let user = std::fs::File::open("/proc/self/ns/user")?;
        let all =
            [namespaces.net.as_fd(), namespaces.mount.as_fd(), namespaces.process.as_fd(), user.as_fd()];
        Ok(send_descriptors(stream, &message, &all)?)
    })
}
