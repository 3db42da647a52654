//! `syncd import`: another program's configuration as ours, and for each of its keys what became of it.
//!
//! Reads text and makes text; asks no machine. [`conntrackd`] and [`vyos`] know the two languages, [`draft`] writes ours.
//! Tested in `tests.rs`, whose samples are in `tests/import`.

mod conntrackd;
mod draft;
mod vyos;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use anyhow::Context as _;
use serde::Serialize;

use crate::config;

/// The version of what is printed with `--json`.
const VERSION: u32 = 1;

/// A longer file is none of these, in bytes.
const LONGEST: u64 = 4 << 20;

/// Whose configuration it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    /// `conntrackd.conf`.
    Conntrackd,
    /// VyOS's `show configuration commands`.
    Vyos,
}

/// What the source does not say, and whoever imports it may.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Wiring {
    /// Name of keepalived's vrrp_sync_group, which conntrackd.conf does not say.
    #[arg(long, value_name = "NAME")]
    pub(crate) sync_group: Option<String>,
    /// keepalived's vrrp_notify_fifo; without it scripts are to say the role.
    #[arg(long, value_name = "PATH")]
    pub(crate) notify_fifo: Option<String>,
}

/// What became of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Verdict {
    /// It means the same here.
    Same,
    /// What it is for is done here without it, or better.
    Better,
    /// It is lost, for the reason that is given.
    NotCarried,
}

/// A key of the source and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Fate {
    line: usize,
    key: String,
    verdict: Verdict,
    reason: String,
}

/// What was made of a source.
#[derive(Debug)]
struct Imported {
    yaml: String,
    fates: Vec<Fate>,
    /// Neither the source nor whoever imports it has named the sync group: that of the result is made up.
    lacks_group: bool,
}

impl Verdict {
    const fn word(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Better => "better",
            Self::NotCarried => "not carried",
        }
    }
}

impl Fate {
    fn new(line: usize, key: impl Into<String>, verdict: Verdict, reason: impl Into<String>) -> Self {
        Self { line, key: key.into(), verdict, reason: reason.into() }
    }
}

/// Imports a file: our YAML to `out`, what became of each key to `err`; with `json` both as one document to `out`. Says
/// whether the result is valid as it is.
pub(crate) fn import(
    language: Language,
    file: &Path,
    wiring: &Wiring,
    json: bool,
    out: &mut impl Write,
    err: &mut impl Write,
) -> anyhow::Result<bool> {
    let text = read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let Imported { yaml, fates, lacks_group } = match language {
        Language::Conntrackd => conntrackd::import(&text, wiring),
        Language::Vyos => vyos::import(&text, wiring),
    }
    .with_context(|| format!("cannot import {}", file.display()))?;
    let checked = config::understand(Path::new("(imported)"), yaml.as_bytes());
    if json {
        let problem = checked.as_ref().err().map(ToString::to_string);
        let document = serde_json::json!({
            "version": VERSION, "configuration": yaml, "keys": fates, "problem": problem,
            "sync_group_made_up": lacks_group,
        });
        writeln!(out, "{document}")?;
        return Ok(checked.is_ok());
    }
    write!(out, "{yaml}")?;
    for Fate { line, key, verdict, reason } in &fates {
        writeln!(err, "{}:{line}: {key}: {}: {reason}", file.display(), verdict.word())?;
    }
    if lacks_group {
        let group = draft::EXAMPLE_GROUP;
        writeln!(
            err,
            "\nsync-group {group} is made up: give --sync-group with the name of your vrrp_sync_group"
        )?;
    }
    if let Err(error) = &checked {
        writeln!(err, "\nthe result needs a hand before syncd takes it: {error}")?;
    }
    Ok(checked.is_ok())
}

fn read(file: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(file)?.take(LONGEST + 1).read_to_string(&mut text)?;
    if text.len() as u64 > LONGEST {
        let reason = format!("it is longer than {LONGEST} bytes; name a configuration");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, reason));
    }
    Ok(text)
}
