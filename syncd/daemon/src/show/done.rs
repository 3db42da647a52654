//! What commands that do something answer with `--json`, and what any command does that could not be done: a document each,
//! with its version. Their schemas are in `docs/schema`, kept by `show/tests/schema.rs`.

use serde::Serialize;

/// The version of each.
pub(crate) const VERSION: u32 = 1;

/// To `role`.
#[derive(Debug, Serialize)]
pub(crate) struct RoleGiven<'a> {
    /// Of this document.
    pub(crate) version: u32,
    /// `primary`, `backup` or `fault`.
    pub(crate) role: &'a str,
    /// Whether the role's jobs are done.
    pub(crate) waited: bool,
}

/// To `reload`.
#[derive(Debug, Serialize)]
pub(crate) struct ReloadApplied<'a> {
    /// Of this document.
    pub(crate) version: u32,
    /// Keys of the configuration that mean something else now.
    pub(crate) changed: &'a [String],
    /// What is right and probably not meant.
    pub(crate) remarks: &'a [String],
}

/// To `reset conntrack-sync`.
#[derive(Debug, Serialize)]
pub(crate) struct CacheReset<'a> {
    /// Of this document.
    pub(crate) version: u32,
    /// `internal` or `external`.
    pub(crate) cache: &'a str,
    /// Flows that were in it.
    pub(crate) flows_before: u32,
    /// Flows that are in it.
    pub(crate) flows: u32,
    /// Expectations that are in it.
    pub(crate) expectations: u32,
}

/// To `reset conntrack`.
#[derive(Debug, Serialize)]
pub(crate) struct TableEmptied {
    /// Of this document.
    pub(crate) version: u32,
    /// Flows that were removed.
    pub(crate) removed: u32,
    /// Whether the kernel knows of expectations, and removed them, too.
    pub(crate) expectations_removed: bool,
}

/// To `restart conntrack-sync`.
#[derive(Debug, Serialize)]
pub(crate) struct Restarted {
    /// Of this document.
    pub(crate) version: u32,
    /// The new daemon answers.
    pub(crate) restarted: bool,
}

/// In the place of any answer: it could not be had, or what was asked for was not done.
#[derive(Debug, Serialize)]
pub(crate) struct NotDone<'a> {
    /// Of this document.
    pub(crate) version: u32,
    /// What is said to people: why, and what to do about it.
    pub(crate) error: &'a str,
    /// That of the program: 1 refused or failed, 2 wrong usage, 3 no daemon answers.
    pub(crate) exit_code: u8,
}
