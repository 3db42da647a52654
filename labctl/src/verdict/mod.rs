//! Whether what was seen is what was expected. Pure: judged over a record, which can be judged again.
//!
//! Never looks at anything itself and never waits. `lab` adds observations and asks. An expectation is met when it has
//! held without interruption up to the last look, from a moment that was not too late. Tested in `tests.rs`.

mod record;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use crate::probes::caches::Difference;
use crate::scenario::{Expectation, Share, Sight};
use crate::traffic::{ALIVE, TrafficReport};

use crate::probes::roles::Role;
use record::Observation;
pub(crate) use record::{NodeSeen, Record, Seen, WatchSeen};

/// Bytes that a flow in a cache may need: the 160 of a full table, and what a table that grows has in reserve.
const FLOW: u64 = 200;

/// What can be said of an expectation now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// It holds, in time and for long enough.
    Met,
    /// More must be seen.
    Open,
    /// It can no longer be met.
    Missed,
}

/// An expectation's judgement, and what was last seen of its subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Judged {
    /// The judgement.
    pub(crate) judgement: Judgement,
    /// In words.
    pub(crate) seen: String,
}

/// Judges by what was seen from `from` on, which is the moment of the last event.
#[must_use]
pub(crate) fn judge(expectation: &Expectation, record: &Record, from: Instant) -> Judged {
    if let Sight::Answers(node, limit) = &expectation.seen {
        return judge_answers(node, limit.0, expectation, record, from);
    }
    let mut holds_since: Option<Instant> = None;
    let mut last: Option<(Instant, String)> = None;
    let looks = record.since(from).filter_map(|observation| {
        sight(&expectation.seen, &observation.seen).map(|(holds, words)| (observation, holds, words))
    });
    for (observation, holds, words) in looks {
        let at = moment(&expectation.seen, observation, from);
        holds_since = if holds { holds_since.or(Some(at)) } else { None };
        last = Some((observation.at, words));
    }
    let (deadline, stood_still) = deadline(expectation, record, from);
    let (judgement, seen) = match (last, holds_since) {
        (None, _) => {
            let late = record.end().is_some_and(|end| end > deadline);
            (if late { Judgement::Missed } else { Judgement::Open }, "nothing was seen of it".to_owned())
        }
        (Some((end, words)), Some(since)) if since <= deadline => {
            let stable = end.duration_since(since) >= expectation.stable.0;
            let words = format!("{words}, {}", held(&expectation.seen, since.duration_since(from)));
            (if stable { Judgement::Met } else { Judgement::Open }, words)
        }
        (Some((_, words)), Some(since)) => {
            let late = milliseconds(since.duration_since(from));
            (Judgement::Missed, format!("{words}, but only after {late}"))
        }
        (Some((end, words)), None) => {
            (if end > deadline { Judgement::Missed } else { Judgement::Open }, words)
        }
    };
    Judged { judgement, seen: seen + &stood_still }
}

/// Until when it must hold, and what the machine has to do with it. One that stands still moves the roles of VRRP: these must
/// rest so long after it went on, but at most twice as late as otherwise. Everything else has no such excuse.
fn deadline(expectation: &Expectation, record: &Record, from: Instant) -> (Instant, String) {
    let within = expectation.within.0;
    let is_of_vrrp =
        matches!(expectation.seen, Sight::Primary(_) | Sight::BothPrimary | Sight::LowerHeard(_));
    let stalls = record.since(from).filter_map(|observation| match observation.seen {
        Seen::StoodStill { end, lasted } if is_of_vrrp && (from..=from + within).contains(&end) => {
            Some((end, lasted))
        }
        _ => None,
    });
    let Some((last, longest)) = stalls.reduce(|one, other| (one.0.max(other.0), one.1.max(other.1))) else {
        return (from + within, String::new());
    };
    let words = format!(
        "; the machine stood still, for {} at most, until {}",
        milliseconds(longest),
        milliseconds(last.duration_since(from))
    );
    (last + within, words)
}

/// A daemon is asked beside the looks: each answer has its own time, and how long a look takes says nothing of it. One that
/// took too long decides; `within` is for the first one.
fn judge_answers(
    node: &str,
    limit: Duration,
    expectation: &Expectation,
    record: &Record,
    from: Instant,
) -> Judged {
    let watched = record.since(from).filter_map(|observation| match &observation.seen {
        Seen::Watched(of, watch) if of == node => Some((observation.at, watch)),
        _ => None,
    });
    let Some((at, watch)) = watched.last() else {
        return Judged { judgement: Judgement::Open, seen: "nothing was seen of it".to_owned() };
    };
    let mut seen = format!(
        "{} answers, the longest in {} (and {} without a processor)",
        watch.answers,
        milliseconds(watch.longest),
        milliseconds(watch.waited)
    );
    if let Some(why) = &watch.why {
        seen += &format!(", {} questions without an answer: {why}", watch.failures);
    }
    // It will be answered, or count as a failure; how much of this was waiting for a processor is known then.
    let asked = watch.asked.map(|asked| at.saturating_duration_since(asked)).filter(|since| *since >= limit);
    if let Some(since) = asked {
        seen += &format!(", one is waited for since {}", milliseconds(since));
    }
    let lasted = at.duration_since(from);
    let silent = watch.answers == 0 && lasted > expectation.within.0;
    let judgement = if watch.failures > 0 || watch.longest >= limit || silent {
        Judgement::Missed
    } else if watch.answers == 0 || asked.is_some() || lasted < expectation.stable.0 {
        Judgement::Open
    } else {
        Judgement::Met
    };
    Judged { judgement, seen }
}

/// When what was seen was so. Whoever watches a daemon knows when it said something, and what it ever held.
fn moment(wanted: &Sight, observation: &Observation, from: Instant) -> Instant {
    match (wanted, &observation.seen) {
        (Sight::Said(_, text), Seen::Watched(_, watch)) => {
            said(watch, text).map_or(observation.at, |(_, at)| *at)
        }
        (Sight::Memory(..), Seen::Watched(..)) => from,
        _ => observation.at,
    }
}

fn said<'w>(watch: &'w WatchSeen, text: &str) -> Option<(&'w String, &'w Instant)> {
    watch.said.iter().filter(|(said, _)| said.contains(text)).min_by_key(|(_, at)| **at)
}

/// Since when something holds. A stream is alive through a silence that the word allows: the first look at which all are
/// is not the end of their gaps, and must not be read as that.
fn held(seen: &Sight, after: Duration) -> String {
    let after = milliseconds(after);
    match seen {
        Sight::Alive(..) => {
            format!(
                "at every look from {after} on (a silence of up to {} s beside its pauses counts as alive)",
                ALIVE.as_secs()
            )
        }
        _ => format!("after {after}"),
    }
}

fn milliseconds(span: Duration) -> String {
    format!("{} ms", span.as_millis())
}

fn expected(place: &str, difference: &Difference) -> String {
    let Difference { kernel, cached, missing, extra, example, .. } = difference;
    let example = example.as_ref().map(|example| format!(", such as {example}")).unwrap_or_default();
    format!(
        "{kernel} expected by the other kernel, {cached} {place}, {missing} missing, {extra} extra{example}"
    )
}

/// Whether so many of the streams live, and what became of all.
fn alive(share: Share, report: &TrafficReport) -> (bool, String) {
    let holds = share.is(report.alive, report.wanted) && report.corrupted_bytes == 0;
    let mut words = format!("{} of {} alive", report.alive, report.wanted);
    for (count, word) in [(report.stalled, "stalled"), (report.reset, "reset")] {
        if count > 0 {
            words += &format!(", {count} {word}");
        }
    }
    if report.corrupted_bytes > 0 {
        words += &format!(", {} bytes corrupted", report.corrupted_bytes);
    }
    if let Some(gap) = report.gap_ms.max {
        words += &format!(", longest gap {gap} ms");
    }
    (holds, words)
}

/// Whether an observation is about the subject; then whether it is as expected, and what it says.
fn sight(wanted: &Sight, seen: &Seen) -> Option<(bool, String)> {
    match (wanted, seen) {
        (Sight::Primary(node), Seen::Nodes(nodes)) => Some(record::primary(node, nodes)),
        (Sight::Alive(name, share), Seen::Traffic(traffic, report)) if name == traffic => {
            Some(alive(*share, report))
        }
        (Sight::Complete(name, share), Seen::Transfers(traffic, report)) if name == traffic => {
            let holds = share.is(report.complete, report.wanted) && report.corrupted_bytes == 0;
            let mut words = format!("{} of {} complete", report.complete, report.wanted);
            if report.failed > 0 {
                words += &format!(", {} failed", report.failed);
            }
            if report.corrupted_bytes > 0 {
                words += &format!(", {} bytes corrupted", report.corrupted_bytes);
            }
            Some((holds, words))
        }
        (Sight::ExpectationsCached(node), Seen::Expectations(of, difference)) if node == of => {
            Some((difference.is_none() && difference.kernel > 0, expected("in the cache", difference)))
        }
        (Sight::ExpectationsCommitted(node), Seen::ExpectationsKept(of, difference)) if node == of => {
            // The kernel that took over may expect more.
            Some((
                difference.missing == 0 && difference.kernel > 0,
                expected("in the kernel now", difference),
            ))
        }
        (Sight::InSync(node), Seen::Daemon(of, status)) if node == of => {
            Some((status.sync.state == "in sync", status.sync.words()))
        }
        (Sight::CatchingUp(node), Seen::Daemon(of, status)) if node == of => {
            Some((status.sync.state == "catching up", status.sync.words()))
        }
        (Sight::Committed(node), Seen::Daemon(of, status)) if node == of => Some(match status.commit {
            None => (false, "no commit".to_owned()),
            Some(commit) => {
                let words = format!("{} committed, {} failed", commit.committed, commit.failed);
                (commit.end_ns.is_some() && commit.failed == 0, words)
            }
        }),
        (Sight::Committed(node), Seen::Script(of, failed)) if node == of => Some(match failed {
            None => (false, "the script has not ended".to_owned()),
            Some(failed) if failed.is_empty() => (true, "the script has ended".to_owned()),
            Some(failed) => (false, failed.join("; ")),
        }),
        (Sight::CacheEqual(node) | Sight::Held(node), Seen::Cache(of, difference)) if node == of => {
            Some((difference.is_none(), tables("in the kernel", "in the cache", difference)))
        }
        (Sight::CacheComplete(node), Seen::Cache(of, difference)) if node == of => {
            Some((difference.is_complete(), tables("in the kernel", "in the cache", difference)))
        }
        (Sight::Kept(node), Seen::Kept(of, difference)) if node == of => {
            Some((difference.is_complete(), tables("before", "after", difference)))
        }
        (Sight::CacheDiffers { node, missing, extra }, Seen::Cache(of, difference)) if node == of => {
            let differs = difference.missing >= *missing as usize && difference.extra >= *extra as usize;
            Some((differs, tables("in the kernel", "in the cache", difference)))
        }
        (Sight::BothPrimary, Seen::Nodes(nodes)) => Some(record::both_primary(nodes)),
        (Sight::LowerHeard(node), Seen::Nodes(nodes)) => {
            let seen = nodes.iter().find(|seen| seen.name == *node)?;
            let heard = if seen.lower_heard { "heard of" } else { "not heard of" };
            let words = format!("{node} {}, a lower priority {heard}", seen.role);
            Some((seen.lower_heard && seen.role == Role::Primary, words))
        }
        _ => sight_of_daemon(wanted, seen),
    }
}

/// What is said of a daemon over time, or by a kernel after an end.
fn sight_of_daemon(wanted: &Sight, seen: &Seen) -> Option<(bool, String)> {
    match (wanted, seen) {
        (Sight::Filling { node, least, missing }, Seen::Filling { node: of, cached, kernel })
            if node == of =>
        {
            let holds = *cached >= u64::from(*least) && kernel.saturating_sub(*cached) >= u64::from(*missing);
            Some((holds, format!("{kernel} flows in the kernel, {cached} in the cache")))
        }
        (Sight::Memory(node, limit), Seen::Watched(of, watch)) if node == of => {
            let holds = watch.memory > 0 && watch.memory < limit.0 + FLOW * watch.flows;
            Some((holds, format!("at most {} kB with {} flows", watch.memory >> 10, watch.flows)))
        }
        (Sight::Said(node, text), Seen::Watched(of, watch)) if node == of => {
            let all = || watch.said.keys().map(|said| format!("`{said}`")).collect::<Vec<_>>().join(", ");
            let said = said(watch, text);
            Some((
                said.is_some(),
                said.map_or_else(|| format!("it said {}", all()), |(said, _)| format!("`{said}`")),
            ))
        }
        (Sight::Logged(node, text), Seen::Logged(of, wanted, line)) if node == of && text == wanted => Some(
            (line.is_some(), line.as_ref().map_or_else(|| "not said".to_owned(), |line| format!("`{line}`"))),
        ),
        (Sight::Counted { node, counter, least }, Seen::Counters(of, counters)) if node == of => {
            let words = counters.get(counter).map_or_else(
                || format!("it counts nothing that is called {counter}"),
                |count| format!("{count} {counter}"),
            );
            Some((counters.get(counter).is_some_and(|count| count >= least), words))
        }
        (Sight::Ended { traffic, node }, Seen::Remaining { traffic: ended, node: on, left, of, example })
            if traffic == ended && node == on =>
        {
            let example = example.as_ref().map(|example| format!(", such as {example}")).unwrap_or_default();
            Some((*left == 0, format!("{left} of {of} flows are left{example}")))
        }
        _ => None,
    }
}

/// Two tables in words.
fn tables(one: &str, other: &str, difference: &Difference) -> String {
    format!(
        "{} flows {one}, {} {other}, {} missing, {} extra, {} different{}",
        difference.kernel,
        difference.cached,
        difference.missing,
        difference.extra,
        difference.different,
        difference.example.as_ref().map(|example| format!(", such as {example}")).unwrap_or_default()
    )
}
