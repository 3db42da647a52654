//! The house rules, read from the sources. One function per rule; each finding says how to repair it.
//!
//! Reads text and what cargo says of the manifests; never compiles and never changes anything. Driven by `cargo ci
//! tidy`, `cargo ci test` and the test `this_tree_is_tidy`. Each rule has samples in `tests.rs` that it must refuse.

use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::workspace::Workspace;
use source::Source;

mod clocks;
mod layout;
mod manifests;
mod marks;
mod rooms;
mod snapshots;
mod source;
mod unsafety;

#[cfg(test)]
mod tests;

/// Something against the rules.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// Path from the root of the clone.
    path: String,
    /// Line, counted from 1; 0 when the file as a whole is meant.
    line: usize,
    /// What is wrong, and how to repair it.
    text: String,
}

impl Finding {
    fn new(path: &str, line: usize, text: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, text: text.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.text),
            line => write!(f, "{}:{line}: {}", self.path, self.text),
        }
    }
}

/// A text file of the project: Rust, or something a person reads or writes.
#[derive(Debug)]
pub(crate) struct TextFile {
    /// Path from the root of the clone.
    path: String,
    text: String,
}

/// The rules about one Rust source.
const SOURCE_RULES: [fn(&Source) -> Vec<Finding>; 10] = [
    layout::file_length,
    layout::function_length,
    layout::module_doc,
    layout::file_name,
    marks::unfinished,
    marks::reasons,
    clocks::one_reading,
    rooms::core_rooms,
    rooms::conntrack_knows_only_flow,
    unsafety::named_and_explained,
];

/// The gate.
///
/// # Errors
/// When something is against the rules, or the sources cannot be read.
pub(crate) fn gate(workspace: &Workspace) -> Result<()> {
    let findings = check(workspace)?;
    if findings.is_empty() {
        return Ok(());
    }
    for finding in &findings {
        eprintln!("{finding}");
    }
    bail!("{} against the house rules", findings.len());
}

/// All findings, in the order of paths and lines.
fn check(workspace: &Workspace) -> Result<Vec<Finding>> {
    let files = read_tree(&workspace.root)?;
    let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
    let mut findings = manifests::walls(&workspace.packages);
    findings.extend(snapshots::paired(&paths));
    findings.extend(unsafety::list_is_current(&paths));
    let texts: Vec<_> = files.iter().map(|file| (file.path.as_str(), file.text.as_str())).collect();
    for file in &files {
        findings.extend(marks::dead_links(&file.path, &file.text, &texts));
        findings.extend(marks::machine_paths(&file.path, &file.text));
        findings.extend(marks::untried_blocks(&file.path, &file.text));
        if file.path.ends_with(".rs") {
            let source = Source::new(&file.path, &file.text);
            findings.extend(SOURCE_RULES.iter().flat_map(|rule| rule(&source)));
        }
    }
    findings.sort();
    Ok(findings)
}

/// Every text file below `root` that is ours: what git ignores (`target`) and hidden directories of tools are not.
fn read_tree(root: &Path) -> Result<Vec<TextFile>> {
    const KINDS: [&str; 12] = [
        ".rs",
        ".md",
        ".toml",
        ".yaml",
        ".yml",
        ".sh",
        ".snap",
        ".json",
        ".svg",
        ".ci/run",
        "LICENSE-APACHE",
        "LICENSE-MIT",
    ];
    let mut files = Vec::new();
    let mut open = vec![String::new()];
    while let Some(directory) = open.pop() {
        let listing =
            fs::read_dir(root.join(&directory)).with_context(|| format!("cannot read {directory}"))?;
        for entry in listing {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = if directory.is_empty() { name.clone() } else { format!("{directory}/{name}") };
            if entry.file_type()?.is_dir() {
                let tools = name.starts_with('.') && ![".ci", ".cargo"].contains(&name.as_str());
                if name != "target" && !tools {
                    open.push(path);
                }
            } else if KINDS.iter().any(|kind| path.ends_with(kind)) {
                let text = fs::read_to_string(entry.path()).with_context(|| format!("cannot read {path}"))?;
                files.push(TextFile { path, text });
            }
        }
    }
    Ok(files)
}
