//! The checks of a timeline's entries.
//!
//! Pure. Each entry becomes one event, or all its mistakes. Driven by `load.rs`; tested in `scenario/tests.rs`.

use super::expectations::check_expectation;
use super::{Checker, transfers};
use crate::bench::flows;
use crate::scenario::event::{Action, Event, EventText, Fault, Networks};
use crate::scenario::mistake::line_of;
use crate::scenario::model::SyncKind;
use crate::scenario::size::Scaled;
use crate::scenario::written::{BirthsText, DeathsText, FillText, Over, Written};

const KEYS: [&str; 1] = ["timeline"];
/// Daemons that can be killed and hung.
const SOME_DAEMON: [SyncKind; 2] = [SyncKind::Syncd, SyncKind::Conntrackd];

pub(in crate::scenario) fn timeline(entries: Vec<EventText>, checker: &mut Checker<'_>) -> Vec<Event> {
    let mut events = Vec::new();
    for (place, entry) in entries.into_iter().enumerate() {
        let at = entry.at.map(|at| at.at(checker.known.scale));
        if let Some(action) = check_event(entry, place, checker) {
            events.push(Event { at, action });
        }
    }
    events
}

fn check_event(entry: EventText, place: usize, checker: &mut Checker<'_>) -> Option<Action> {
    let mut actions = Vec::new();
    for (name, action) in [(entry.start, Action::Start as fn(String) -> Action), (entry.stop, Action::Stop)] {
        if let Some(name) = name {
            checker.stream(&KEYS, Some(place), &name);
            actions.push(action(name));
        }
    }
    if let Some(name) = entry.fulfil {
        transfers::are_meant(&name, &KEYS, place, checker);
        actions.push(Action::Fulfil(name));
    }
    match (entry.fault, entry.node) {
        (Some(fault), Some(node)) => {
            check_fault(fault, &node, place, checker);
            actions.push(Action::Fault(fault, node));
        }
        (None, None) => {}
        _ => checker.mistake(
            &KEYS,
            Some(place),
            "`fault` and `node` belong together".to_owned(),
            "write `fault: kill-router, node: r1`",
        ),
    }
    for (name, action) in [
        (entry.boot, Action::Boot as fn(String) -> Action),
        (entry.start_vrrp, Action::StartVrrp),
        (entry.start_daemon, Action::StartDaemon),
        (entry.wake_daemon, Action::WakeDaemon),
        (entry.link_up, Action::LinkUp),
        (entry.drain, Action::Drain),
    ] {
        if let Some(name) = name {
            checker.router(&KEYS, Some(place), &name);
            actions.push(action(name));
        }
    }
    actions.extend(check_replacement(entry.replace_daemon, entry.with, place, checker));
    actions.extend(check_reload(entry.reload, entry.change, place, checker));
    actions.extend(entry.networks.map(|networks| check_networks(networks, place, checker)));
    actions.extend(entry.forget_neighbours.then_some(Action::ForgetNeighbours));
    actions.extend(entry.weather.map(Action::Weather));
    actions.extend(check_handovers(entry.handovers, entry.no_handover, place, checker));
    actions.extend(entry.births.and_then(|births| check_births(births, place, checker)));
    actions.extend(entry.deaths.and_then(|deaths| check_deaths(deaths, place, checker)));
    actions.extend(entry.fill.map(|fill| check_fill(fill, place, checker)));
    if let Some(wait) = entry.wait {
        let mistakes = checker.mistakes.len();
        let expectation = check_expectation(&wait, &KEYS, place, checker);
        if expectation.is_none() && checker.mistakes.len() == mistakes {
            // Nobody could tell it.
            return None;
        }
        actions.extend(expectation.map(Action::Wait));
    }
    if actions.len() != 1 && !checker.has_mistake(&KEYS, place) {
        checker.mistake(
            &KEYS,
            Some(place),
            format!("{} actions in one entry", actions.len()),
            "give exactly one of start, stop, fulfil, fault, boot, start-vrrp, start-daemon, replace-daemon, wake-daemon, reload, \
             link-up, networks, forget-neighbours, weather, handovers, no-handover, births, deaths, fill, drain, wait",
        );
    }
    actions.pop()
}

fn check_fault(fault: Fault, node: &str, place: usize, checker: &mut Checker<'_>) {
    if matches!(fault, Fault::KillDaemon | Fault::HangDaemon) {
        checker.tells(&KEYS, place, node, &SOME_DAEMON);
    } else {
        checker.router(&KEYS, Some(place), node);
    }
}

/// What comes after it is about the other daemon.
fn check_replacement(
    on: Option<String>,
    with: Option<SyncKind>,
    place: usize,
    checker: &mut Checker<'_>,
) -> Option<Action> {
    match (on, with) {
        (Some(on), Some(with)) => {
            let known = checker.mistakes.len();
            checker.router(&KEYS, Some(place), &on);
            let before = checker.known.sync.insert(on.clone(), with);
            let daemons = [before.unwrap_or(SyncKind::None), with];
            if checker.mistakes.len() == known && (daemons.contains(&SyncKind::None) || daemons[0] == with) {
                let what = format!("`{on}` has no other daemon to be replaced with `{}`", with.word());
                checker.mistake(
                    &KEYS,
                    Some(place),
                    what,
                    "replace conntrackd with syncd, or syncd with conntrackd",
                );
            }
            Some(Action::ReplaceDaemon { on, with })
        }
        (None, None) => None,
        _ => {
            let what = "`replace-daemon` and `with` belong together".to_owned();
            checker.mistake(&KEYS, Some(place), what, "write `replace-daemon: r2, with: syncd`");
            None
        }
    }
}

fn check_reload(
    on: Option<String>,
    change: Option<serde_yaml::Mapping>,
    place: usize,
    checker: &mut Checker<'_>,
) -> Option<Action> {
    match (on, change) {
        (Some(on), Some(change)) => {
            checker.tells(&KEYS, place, &on, &[SyncKind::Syncd]);
            Some(Action::Reload { on, change })
        }
        (None, None) => None,
        _ => {
            let remedy = "write `reload: r1, change: { accept-protocol: [tcp] }`, or `change: {}` for the \
                          configuration of the beginning";
            checker.mistake(&KEYS, Some(place), "`reload` and `change` belong together".to_owned(), remedy);
            None
        }
    }
}

fn check_networks(networks: Networks, place: usize, checker: &mut Checker<'_>) -> Action {
    if !checker.known.second {
        let what = "there is nobody on the other side of a split".to_owned();
        checker.mistake(&KEYS, Some(place), what, "take a topology with `second`, a second pair of hosts");
    }
    Action::Networks(networks)
}

fn check_handovers(
    count: Option<Scaled<u32>>,
    failing: Option<String>,
    place: usize,
    checker: &mut Checker<'_>,
) -> Vec<Action> {
    let all_syncd = checker.known.sync.values().all(|kind| *kind == SyncKind::Syncd);
    let meant = count.is_some() || failing.is_some();
    if meant && (!checker.known.tracked || (!all_syncd && !checker.known.varied)) {
        let what = "nobody here can hand over".to_owned();
        checker.mistake(
            &KEYS,
            Some(place),
            what,
            "write `track-file: true`, and let syncd run on both routers",
        );
    }
    let scale = checker.known.scale;
    let well = count.map(|count| Action::HandOver(count.at(scale)));
    well.into_iter().chain(failing.map(Action::FailToHandOver)).collect()
}

fn check_births(births: BirthsText, place: usize, checker: &mut Checker<'_>) -> Option<Action> {
    let scale = checker.known.scale;
    let BirthsText { count, per_second, on, first, translated, over, mute, meanwhile } = births;
    let count = count.at(scale);
    let Some(on) = on else {
        if first.is_some() || translated || over != Over::Tcp || mute || meanwhile {
            let what = "flows of the client are only counted and paced".to_owned();
            checker.mistake(
                &KEYS,
                Some(place),
                what,
                "say with `on` into which router's kernel to write them",
            );
        }
        return Some(Action::Births { count, per_second });
    };
    let first = first.map_or(0, |first| first.at(scale));
    let Some(kind) = over.kind(translated) else {
        let what = "only flows over TCP are written as translated".to_owned();
        checker.mistake(&KEYS, Some(place), what, "leave `translated` or `over` out");
        return None;
    };
    let written = Written { on, first, count, per_second, kind, meanwhile };
    check_written(&written, place, checker);
    if mute && meanwhile {
        let what = "`mute` and `meanwhile` exclude each other".to_owned();
        checker.mistake(&KEYS, Some(place), what, "flows are mute only while nothing else happens");
        return None;
    }
    Some(if mute { Action::WriteMute(written) } else { Action::Write(written) })
}

fn check_deaths(deaths: DeathsText, place: usize, checker: &mut Checker<'_>) -> Option<Action> {
    let scale = checker.known.scale;
    let DeathsText { count, per_second, on, first, over, meanwhile } = deaths;
    let (count, first) = (count.at(scale), first.map_or(0, |first| first.at(scale)));
    // An end is told by its tuple, whatever the translation.
    let kind = over.kind(false)?;
    let written = Written { on, first, count, per_second, kind, meanwhile };
    check_written(&written, place, checker);
    Some(Action::Erase(written))
}

fn check_written(written: &Written, place: usize, checker: &mut Checker<'_>) {
    checker.router(&KEYS, Some(place), &written.on);
    let fits = written.first.checked_add(written.count).is_some_and(|end| end <= flows::FILLERS);
    if !fits || written.count == 0 || written.per_second == 0 {
        let what = format!("no {} flows at {} per second", written.count, written.per_second);
        let remedy = format!("numbers go up to {}, and nothing takes no time", flows::FILLERS);
        checker.mistake(&KEYS, Some(place), what, remedy);
    }
}

fn check_fill(fill: FillText, place: usize, checker: &mut Checker<'_>) -> Action {
    checker.router(&KEYS, Some(place), &fill.on);
    Action::Fill { on: fill.on, leave: fill.leave }
}

impl Checker<'_> {
    fn has_mistake(&self, keys: &[&str], place: usize) -> bool {
        let line = line_of(self.text, keys, Some(place));
        self.mistakes.iter().any(|mistake| mistake.line == line)
    }
}
