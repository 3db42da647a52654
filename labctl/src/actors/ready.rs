//! When an actor is ready: it answers.
//!
//! Never waits a fixed time; an actor that ends meanwhile ends the wait. Driven by `lab`; tested through the scenarios.

use std::fs;
use std::path::Path;

use super::Running;
use crate::plan::{Actor, conntrackd, syncd};

/// The question whose answer means that an actor is ready, as arguments of its own program; keepalived has none.
#[must_use]
pub(crate) fn question(actor: Actor, node: &str) -> Option<Vec<String>> {
    match actor {
        Actor::Keepalived => None,
        Actor::Syncd => Some(syncd::show(&["status"])),
        Actor::Conntrackd => Some(vec!["-C".to_owned(), conntrackd::config(node), "-s".to_owned()]),
    }
}

/// Whether keepalived has come so far that it has a child which speaks VRRP.
#[must_use]
pub(crate) fn keepalived_is_up() -> bool {
    fs::metadata(Path::new("/run/keepalived-vrrp.pid")).is_ok()
}

/// An error that says how an actor ended, with its last words.
#[must_use]
pub(crate) fn died(running: &Running, node: &str) -> anyhow::Error {
    let how = running.ended().map_or_else(|| "ended".to_owned(), |status| format!("ended: {status}"));
    anyhow::anyhow!("{} on {node} {how}\n{}", running.actor().program(), running.last_words())
}

/// An error for an actor that lives and does not answer; `refused` is what came of asking last.
#[must_use]
pub(crate) fn mute(running: &Running, node: &str, refused: &str) -> anyhow::Error {
    let program = running.actor().program();
    anyhow::anyhow!("{program} on {node} does not answer: {refused}\n{}", running.last_words())
}
