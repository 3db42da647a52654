//! Roles as VRRP announces them: a reader of each router's notify FIFO.
//!
//! The FIFO belongs to the lab's directory and outlives its node, so a router that returns is heard by the same reader.
//! Never asks keepalived anything. Driven by `lab`; the lines are tested below, the reading through the scenarios.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde::{Deserialize, Serialize};

/// The role of a router's group of VRRP instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Role {
    /// Nothing was announced yet.
    Unknown,
    /// Holds the virtual addresses.
    Primary,
    /// Waits.
    Backup,
    /// Cannot take part.
    Fault,
    /// keepalived left in an orderly way.
    Stopped,
    /// The router is dead.
    Gone,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Unknown => "unknown",
            Self::Primary => "primary",
            Self::Backup => "backup",
            Self::Fault => "fault",
            Self::Stopped => "stopped",
            Self::Gone => "gone",
        })
    }
}

/// All changes of role since the lab began.
#[derive(Debug, Default)]
pub(crate) struct Roles {
    changes: Mutex<BTreeMap<String, Vec<(Instant, Role)>>>,
    /// When a primary last heard of another one of lower priority.
    lower: Mutex<BTreeMap<String, Instant>>,
    changed: Condvar,
}

impl Roles {
    /// The role of a router now.
    #[must_use]
    pub(crate) fn of(&self, router: &str) -> Role {
        let changes = self.changes();
        changes.get(router).and_then(|changes| changes.last()).map_or(Role::Unknown, |(_, role)| *role)
    }

    /// When a router other than `except` first became primary after `since`.
    #[must_use]
    pub(crate) fn taken_over(&self, except: Option<&str>, since: Instant) -> Option<Instant> {
        let changes = self.changes();
        let others = changes.iter().filter(|(router, _)| Some(router.as_str()) != except);
        let taken = others
            .flat_map(|(_, changes)| changes)
            .filter(|(at, role)| *at >= since && *role == Role::Primary);
        taken.map(|(at, _)| *at).min()
    }

    /// Notes a change.
    pub(crate) fn note(&self, router: &str, role: Role) {
        let now = Instant::now();
        let mut changes = self.changes();
        let known = changes.entry(router.to_owned()).or_default();
        if known.last().is_none_or(|(_, last)| *last != role) {
            known.push((now, role));
        }
        drop(changes);
        self.changed.notify_all();
    }

    /// Notes that a router, being primary, has heard of another primary of lower priority.
    fn note_lower(&self, router: &str) {
        let mut lower = self.lower.lock().unwrap_or_else(PoisonError::into_inner);
        lower.insert(router.to_owned(), Instant::now());
    }

    /// Whether a router has heard of a primary of lower priority, and since then of no new role of its own.
    #[must_use]
    pub(crate) fn lower_heard(&self, router: &str) -> bool {
        let lower = self.lower.lock().unwrap_or_else(PoisonError::into_inner);
        let heard = lower.get(router).copied();
        drop(lower);
        let changes = self.changes();
        let changed = changes.get(router).and_then(|changes| changes.last()).map(|(at, _)| *at);
        heard.is_some_and(|heard| changed.is_none_or(|changed| changed < heard))
    }

    fn changes(&self) -> MutexGuard<'_, BTreeMap<String, Vec<(Instant, Role)>>> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Listens to a router's FIFO, from before keepalived opens it until the lab ends; `heard` is called with every role of
/// the group, in order, on the reader's thread.
///
/// # Errors
/// When the FIFO cannot be made or opened.
pub(crate) fn listen(
    router: &str,
    fifo: &Path,
    group: &'static str,
    roles: Arc<Roles>,
    mut heard: impl FnMut(Role) + Send + 'static,
) -> io::Result<()> {
    mkfifo(fifo, Mode::S_IRUSR | Mode::S_IWUSR)?;
    // Writable too: without a writer of our own the end of keepalived would be the end of the file.
    let fifo: File = OpenOptions::new().read(true).write(true).open(fifo)?;
    let router = router.to_owned();
    thread::Builder::new().name(format!("roles-{router}")).spawn(move || {
        for line in BufReader::new(fifo).lines().map_while(Result::ok) {
            if let Some(role) = group_role(&line, group) {
                roles.note(&router, role);
                heard(role);
            } else if tells_of_lower(&line) {
                roles.note_lower(&router);
            }
        }
    })?;
    Ok(())
}

/// `GROUP "syncgrp" MASTER 0`; lines about instances say nothing about the router.
fn group_role(line: &str, group: &str) -> Option<Role> {
    let rest = line.strip_prefix("GROUP \"")?.strip_prefix(group)?.strip_prefix("\" ")?;
    match rest.split(' ').next()? {
        "MASTER" => Some(Role::Primary),
        "BACKUP" => Some(Role::Backup),
        "FAULT" => Some(Role::Fault),
        "STOP" | "DELETED" => Some(Role::Stopped),
        _ => None,
    }
}

/// `INSTANCE "LAN4" MASTER_RX_LOWER_PRI 150`: the only word that the router of higher priority gets when a split heals.
fn tells_of_lower(line: &str) -> bool {
    line.starts_with("INSTANCE ") && line.split(' ').any(|word| word == "MASTER_RX_LOWER_PRI")
}

#[cfg(test)]
mod tests {
    use super::{Role, Roles, group_role, tells_of_lower};
    use std::time::Instant;

    #[test]
    fn only_lines_of_the_group_tell_a_role() {
        assert_eq!(group_role("GROUP \"syncgrp\" MASTER 0", "syncgrp"), Some(Role::Primary));
        assert_eq!(group_role("GROUP \"syncgrp\" STOP 0", "syncgrp"), Some(Role::Stopped));
        assert_eq!(group_role("GROUP \"other\" MASTER 0", "syncgrp"), None);
        assert_eq!(group_role("INSTANCE \"syncgrp\" MASTER 150", "syncgrp"), None);
        assert_eq!(group_role("GROUP \"syncgrp\" MASTER_RX_LOWER_PRI 0", "syncgrp"), None);
    }

    #[test]
    fn a_primary_of_lower_priority_is_heard_of_until_the_next_role() {
        assert!(tells_of_lower("INSTANCE \"LAN4\" MASTER_RX_LOWER_PRI 150"));
        assert!(!tells_of_lower("INSTANCE \"LAN4\" MASTER 150"));
        let roles = Roles::default();
        roles.note("r1", Role::Primary);
        assert!(!roles.lower_heard("r1"));
        roles.note_lower("r1");
        assert!(roles.lower_heard("r1") && !roles.lower_heard("r2"));
        roles.note("r1", Role::Backup);
        assert!(!roles.lower_heard("r1"));
    }

    #[test]
    fn a_takeover_is_another_routers_first_primary_after_the_fault() {
        let roles = Roles::default();
        roles.note("r1", Role::Primary);
        let fault = Instant::now();
        roles.note("r1", Role::Gone);
        assert_eq!(roles.taken_over(Some("r1"), fault), None);
        roles.note("r2", Role::Primary);
        let at = roles.taken_over(Some("r1"), fault).unwrap();
        roles.note("r2", Role::Primary);
        assert_eq!(roles.taken_over(Some("r1"), fault), Some(at));
        assert_eq!(
            (roles.of("r1"), roles.of("r2"), roles.of("r3")),
            (Role::Gone, Role::Primary, Role::Unknown)
        );
    }
}
