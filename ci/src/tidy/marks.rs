//! Words that must not be in the tree: unfinished work, switched-off checks without a reason, paths of one machine, blocks of pages that
//! nobody tries.

use super::Finding;
use super::source::Source;
use crate::docs;

/// What an unfinished place looks like, and what to do instead.
const UNFINISHED: [(&str, &str); 3] = [
    ("todo", "build it, or leave the way to it out"),
    ("unimplemented", "build it, or leave the way to it out"),
    ("dbg", "remove it; what is worth seeing is a Notice, a counter or an assertion's message"),
];

/// Directories that exist on one machine only. In pieces, so that this file passes its own rule.
const MACHINE_PATHS: [&str; 5] = [
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("../sha", "red"),
    concat!("/tmp", "/"),
];

/// No `todo!`, `unimplemented!`, `dbg!` and no ignored test.
pub(crate) fn unfinished(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (word, instead) in UNFINISHED {
        for at in source.words(word) {
            if source.code[at + word.len()..].starts_with('!') {
                findings.push(Finding::new(source.path, source.line_at(at), format!("`{word}!`: {instead}")));
            }
        }
    }
    for at in attributes(source, "ignore") {
        let text = "an ignored test: repair it, or delete it and say why in the commit";
        findings.push(Finding::new(source.path, source.line_at(at), text));
    }
    findings
}

/// A lint is switched off by `expect` and with a reason.
pub(crate) fn reasons(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for kind in ["allow", "expect"] {
        for at in attributes(source, kind) {
            let open = at + source.code[at..].find('[').unwrap_or(0);
            let attribute = &source.code[at..source.closing(open)];
            if !attribute.contains("reason") {
                let text = format!(
                    "`{kind}` without a reason: write `expect(lint, reason = \"why it is right here\")`, \
                     which also complains when it is needed no more"
                );
                findings.push(Finding::new(source.path, source.line_at(at), text));
            }
        }
    }
    findings
}

/// No path of the machine the author happened to use. Scratch space is asked for by `std::env::temp_dir`.
pub(crate) fn machine_paths(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if let Some(found) = MACHINE_PATHS.iter().find(|machine| line.contains(*machine)) {
            let text = format!(
                "`{found}` exists on one machine only: make it relative to the clone, or configurable"
            );
            findings.push(Finding::new(path, number + 1, text));
        }
    }
    findings
}

/// No link of a page or a paper for developers that leads nowhere.
pub(crate) fn dead_links(path: &str, text: &str, files: &[docs::links::File<'_>]) -> Vec<Finding> {
    if !path.ends_with(".md") {
        return Vec::new();
    }
    let dead = docs::links::dead(path, text, files).into_iter();
    dead.map(|(line, what)| Finding::new(path, line, format!("{what}; name what is there"))).collect()
}

/// No block of a page whose truth nobody tries.
pub(crate) fn untried_blocks(path: &str, text: &str) -> Vec<Finding> {
    if !docs::is_page(path) {
        return Vec::new();
    }
    let (_, mistakes) = docs::read_page(path, text);
    mistakes.into_iter().map(|(line, what)| Finding::new(path, line, what)).collect()
}

/// Where an attribute `name` begins, inner or outer.
fn attributes(source: &Source, name: &str) -> Vec<usize> {
    let opening = |at: usize| {
        let before = source.code[..at].trim_end();
        let start = before.strip_suffix("#[").or_else(|| before.strip_suffix("#!["));
        start.map(str::len)
    };
    source.words(name).into_iter().filter_map(opening).collect()
}
