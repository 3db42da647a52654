//! What each request does: the lab is asked or changed, the answers are said.
//!
//! Never touches a connection. The lab is changed by one request at a time; one that comes meanwhile is refused, not
//! queued. Driven by `server.rs`; tested in `labctl/tests/scenarios/`.

use std::cell::RefCell;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use anyhow::{Context, Result, anyhow};

use super::{Answer, Outcome, Request};
use crate::bench;
use crate::lab::{Lab, timeline};
use crate::report::{self, Document, TrafficSeen};
use crate::scenario::{Fault, load};
use crate::snapshot::snapshot;

/// The lab, once it is built.
pub(super) type Place = OnceLock<Arc<Lab>>;

/// The lab.
///
/// # Errors
/// While there is none.
pub(super) fn lab(place: &Place) -> Result<&Arc<Lab>> {
    place.get().ok_or_else(|| anyhow!("the lab is being built"))
}

/// Does what is asked; true if all is well.
pub(super) fn answer(place: &Place, request: Request, say: &mut dyn FnMut(&Answer)) -> Result<bool> {
    if let Request::Build(sources) = request {
        let scenario = load::check(&sources)?;
        let built = {
            let say = RefCell::new(&mut *say);
            Lab::build(scenario, &|what| say.borrow_mut()(&Answer::Progress(what.to_owned())))
        };
        if built.is_err() {
            for (name, text) in report::remains() {
                say(&Answer::File(name, text));
            }
        }
        let built = built?;
        place.set(built).map_err(|_| anyhow!("the lab is built already"))?;
        return Ok(true);
    }
    if let Request::Bench(plan) = request {
        bench::measure(&plan, &mut |sample| say(&Answer::Sample(sample)))?;
        return Ok(true);
    }
    let lab = lab(place)?;
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
                say(&Answer::Text(format!("{name}: {}\n", lab.begin_traffic(name)?)));
            }
            Ok(true)
        }
        Request::TrafficFulfil(name) => {
            match name {
                Some(name) => lab.fulfil(&name)?,
                None => lab.each_transfers(|_, transfers| transfers.fulfil()),
            }
            Ok(true)
        }
        Request::TrafficStatus => {
            say(&Answer::Text(traffic_status(lab)));
            Ok(true)
        }
        Request::TrafficStop(name) => {
            lab.stop_named(name.as_deref())?;
            Ok(true)
        }
        Request::Failover(fault) => failover(lab, fault, say),
        Request::Verify => {
            let seen = lab.verify();
            say(&Answer::Text(report::expectations(&seen)));
            if let Some(words) = lab.not_asked() {
                say(&Answer::Text(format!("{words}\n")));
            }
            Ok(seen.iter().all(|seen| seen.passed))
        }
        Request::Build(_) | Request::Bench(_) | Request::Stay | Request::Namespaces(_) | Request::Down => {
            Ok(true)
        }
    }
}

fn traffic_status(lab: &Lab) -> String {
    let mut reports = Vec::new();
    lab.each_traffic(|name, traffic| {
        reports.push((name.to_owned(), TrafficSeen::Streams(traffic.judge(Instant::now()))));
    });
    lab.each_transfers(|name, transfers| {
        reports.push((name.to_owned(), TrafficSeen::Transfers(transfers.report())));
    });
    if reports.is_empty() {
        return "no traffic runs: labctl traffic start\n".to_owned();
    }
    report::traffic_lines(reports.iter().map(|(name, report)| (name.as_str(), report)))
}

fn run(lab: &Lab, say: &mut dyn FnMut(&Answer)) -> Result<bool> {
    let (mut expectations, result) = {
        let say = RefCell::new(&mut *say);
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
    let primary = lab.primary().ok_or_else(|| anyhow!("no router is primary; see labctl status"))?;
    lab.require_successor(&primary)?;
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
