//! The checks of what is expected.
//!
//! Pure. Each entry becomes one expectation, or all its mistakes. Driven by `load.rs` and, for what a timeline waits
//! for, by `timeline.rs`; tested in `scenario/tests.rs`.

use super::{Checker, transfers};
use crate::scenario::expectation::{Expectation, ExpectationText, Sight};
use crate::scenario::model::SyncKind;
use crate::scenario::units::Span;

/// Whom only syncd tells something.
const SYNCD: [SyncKind; 1] = [SyncKind::Syncd];
/// Whose caches can be read.
const EITHER: [SyncKind; 2] = [SyncKind::Syncd, SyncKind::Conntrackd];

pub(in crate::scenario) fn expectations(
    entries: &[ExpectationText],
    checker: &mut Checker<'_>,
) -> Vec<Expectation> {
    let mut expectations = Vec::new();
    for (place, entry) in entries.iter().enumerate() {
        expectations.extend(check_expectation(entry, &["expect"], place, checker));
    }
    expectations
}

pub(super) fn check_expectation(
    entry: &ExpectationText,
    keys: &[&str],
    place: usize,
    checker: &mut Checker<'_>,
) -> Option<Expectation> {
    let mut untold = false;
    let mut sights = single(entry, keys, place, checker, &mut untold);
    sights.extend(paired(entry, keys, place, checker, &mut untold));
    transfers::sights(entry, keys, place, checker, &mut sights);
    if sights.len() != 1 {
        checker.mistake(
            keys,
            Some(place),
            format!("{} subjects in one expectation", sights.len()),
            "give exactly one of primary, both-primary, lower-heard, streams with alive, transfers with complete, in-sync, catching-up, \
             cache-equal, cache-complete, cache-differs, filling, committed, kept, expectations, expectations-committed, answers \
             with under, memory with below, said or logged with text, counted with counter, ended with on",
        );
    }
    let scale = checker.known.scale;
    let within = entry.within.at(scale);
    if within == Span::default() {
        let what = "`within: 0s` can never be met".to_owned();
        checker.mistake(keys, Some(place), what, "give it time");
    }
    let stable = entry.stable.map(|stable| stable.at(scale)).unwrap_or_default();
    sights.pop().filter(|_| !untold).map(|seen| Expectation { seen, within, stable })
}

/// What one word says; `untold` becomes true when nobody can tell it.
fn single(
    entry: &ExpectationText,
    keys: &[&str],
    place: usize,
    checker: &mut Checker<'_>,
    untold: &mut bool,
) -> Vec<Sight> {
    let mut sights = Vec::new();
    for (node, sight) in [
        (&entry.primary, Sight::Primary as fn(String) -> Sight),
        (&entry.lower_heard, Sight::LowerHeard),
        (&entry.kept, Sight::Kept),
    ] {
        if let Some(node) = node {
            checker.router(keys, Some(place), node);
            sights.push(sight(node.clone()));
        }
    }
    sights.extend(entry.both_primary.then_some(Sight::BothPrimary));
    let complete = match entry.cache_complete.as_ref().and_then(|node| checker.known.sync.get(node)) {
        Some(SyncKind::Conntrackd) => Sight::CacheComplete,
        _ => Sight::CacheEqual as fn(String) -> Sight,
    };
    let told = [
        (&entry.in_sync, Sight::InSync as fn(String) -> Sight, &SYNCD[..]),
        (&entry.catching_up, Sight::CatchingUp, &SYNCD),
        (&entry.cache_equal, Sight::CacheEqual, &EITHER),
        (&entry.cache_complete, complete, &EITHER),
        (&entry.committed, Sight::Committed, &EITHER),
    ];
    for (node, sight, by) in told {
        if let Some(node) = node {
            *untold |= !checker.tells(keys, place, node, by);
            sights.push(sight(node.clone()));
        }
    }
    sights
}

/// What needs a second word; `untold` as above.
fn paired(
    entry: &ExpectationText,
    keys: &[&str],
    place: usize,
    checker: &mut Checker<'_>,
    untold: &mut bool,
) -> Vec<Sight> {
    let scale = checker.known.scale;
    let mut sights = Vec::new();
    let mut used = 0;
    if let (Some(streams), Some(share)) = (&entry.streams, entry.alive) {
        transfers::are_not_meant(streams, keys, place, checker);
        sights.push(Sight::Alive(streams.clone(), share));
        used += 2;
    }
    used += between(entry, keys, place, checker, untold, &mut sights);
    if let (Some(node), Some(limit)) = (&entry.answers, entry.under) {
        *untold |= !checker.tells(keys, place, node, &SYNCD);
        sights.push(Sight::Answers(node.clone(), limit));
        used += 2;
    }
    if let (Some(node), Some(limit)) = (&entry.memory, entry.below) {
        *untold |= !checker.tells(keys, place, node, &SYNCD);
        sights.push(Sight::Memory(node.clone(), limit.at(scale)));
        used += 2;
    }
    for (node, sight) in
        [(&entry.said, Sight::Said as fn(String, String) -> Sight), (&entry.logged, Sight::Logged)]
    {
        if let (Some(node), Some(text)) = (node, &entry.text) {
            *untold |= !checker.tells(keys, place, node, &SYNCD);
            sights.push(sight(node.clone(), text.clone()));
            used += 2;
        }
    }
    if let (Some(node), Some(counter)) = (&entry.counted, &entry.counter) {
        *untold |= !checker.tells(keys, place, node, &SYNCD);
        let least = entry.at_least.map_or(1, |least| least.at(scale));
        sights.push(Sight::Counted { node: node.clone(), counter: counter.clone(), least: least.into() });
        used += 2 + usize::from(entry.at_least.is_some());
    }
    if let (Some(traffic), Some(node)) = (&entry.ended, &entry.on) {
        checker.stream(keys, Some(place), traffic);
        checker.router(keys, Some(place), node);
        sights.push(Sight::Ended { traffic: traffic.clone(), node: node.clone() });
        used += 2;
    }
    if used != words(entry) {
        let what = "a word is missing or one too many".to_owned();
        let remedy = "write `streams: NAME, alive: 100%`, `answers: r1, under: 100ms`, `memory: r1, below: 200MB`, \
                      `said: r1, text: in sync`, `counted: r1, counter: kernel.overruns`, \
                      `filling: r2, at-least: 10, missing: 10`, `ended: NAME, on: r1`";
        checker.mistake(keys, Some(place), what, remedy);
    }
    sights
}

/// What is missing between a cache and its peer's kernel; `untold` as above. Says how many words that were.
fn between(
    entry: &ExpectationText,
    keys: &[&str],
    place: usize,
    checker: &mut Checker<'_>,
    untold: &mut bool,
    sights: &mut Vec<Sight>,
) -> usize {
    let scale = checker.known.scale;
    let mut used = 0;
    if let Some(node) = &entry.cache_differs {
        *untold |= !checker.tells(keys, place, node, &EITHER);
        let [missing, extra] =
            [entry.missing, entry.extra].map(|number| number.map_or(0, |number| number.at(scale)));
        if missing + extra == 0 {
            let what = "caches that differ by nothing are equal".to_owned();
            checker.mistake(keys, Some(place), what, "give `missing`, `extra` or both");
        }
        sights.push(Sight::CacheDiffers { node: node.clone(), missing, extra });
        used += 1 + usize::from(entry.missing.is_some()) + usize::from(entry.extra.is_some());
    }
    if let (Some(node), Some(least), Some(missing)) = (&entry.filling, entry.at_least, entry.missing) {
        *untold |= !checker.tells(keys, place, node, &EITHER);
        let (least, missing) = (least.at(scale), missing.at(scale));
        sights.push(Sight::Filling { node: node.clone(), least, missing });
        used += 3;
    }
    used
}

/// How many of the words that need another one are there.
fn words(entry: &ExpectationText) -> usize {
    [
        entry.streams.is_some(),
        entry.alive.is_some(),
        entry.cache_differs.is_some(),
        entry.filling.is_some(),
        entry.missing.is_some(),
        entry.extra.is_some(),
        entry.answers.is_some(),
        entry.under.is_some(),
        entry.memory.is_some(),
        entry.below.is_some(),
        entry.said.is_some(),
        entry.logged.is_some(),
        entry.text.is_some(),
        entry.counted.is_some(),
        entry.counter.is_some(),
        entry.at_least.is_some(),
        entry.ended.is_some(),
        entry.on.is_some(),
    ]
    .iter()
    .filter(|there| **there)
    .count()
}
