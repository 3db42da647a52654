//! What serde refuses, in the words of whoever wrote the file: what is wrong, and what would be right.
//!
//! serde says what it met and what it wanted, and nothing of what to do. Each kind of its errors has a remedy here. Never
//! reads a file. Driven by `load.rs`; tested in `refusal/tests.rs`.

use super::mistake::{Mistake, again};

/// Keys that must be there, as they may be written.
const EXAMPLES: [(&str, &str); 15] = [
    ("addresses", "addresses: [10.1.0.2/24]"),
    ("client", "client: { addresses: [10.1.0.2/24] }"),
    ("count", "count: 10"),
    ("kind", "kind: download"),
    ("lan", "lan: [10.1.0.3/24]"),
    ("per-second", "per-second: 1000"),
    ("priority", "priority: 150"),
    ("routers", "routers: { r1: { priority: 150, … }, r2: { priority: 100, … } }"),
    ("server", "server: { addresses: [10.2.0.2/24] }"),
    ("title", "title: what is to be seen, in one line"),
    ("topology", "topology: two-routers"),
    ("traffic", "traffic: { streams: [{ kind: download, count: 10 }] }"),
    ("virtual-addresses", "virtual-addresses: { lan: [10.1.0.1/24], wan: [10.2.0.1/24] }"),
    ("wan", "wan: [10.2.0.3/24]"),
    ("within", "within: 5s"),
];

/// The mistake behind an error about `text`.
#[must_use]
pub(super) fn mistake(file: &str, text: &str, error: &serde_yaml::Error) -> Mistake {
    let place = error.location();
    let mut line = place.as_ref().map_or(1, serde_yaml::Location::line);
    let mut said = error.to_string();
    if let Some(place) = &place {
        // The line is told before it, the column is that of a bracket more often than not.
        said = said.replace(&format!(" at line {} column {}", place.line(), place.column()), "");
    }
    if let Some((_, key)) = said.split_once("duplicate field ") {
        // serde is at the beginning of the keys then.
        line = again(text, key.trim_matches('`'), line);
    }
    let (what, remedy) = told(&said, text.lines().nth(line - 1).unwrap_or_default());
    Mistake { file: file.to_owned(), line, what, remedy }
}

/// What is wrong and what would be right; `line` is the one it is about.
fn told(said: &str, line: &str) -> (String, String) {
    if let Some((_, names)) =
        said.split_once("unknown field ").or_else(|| said.split_once("unknown variant "))
    {
        return chosen(said, names);
    }
    if let Some((_, key)) = said.split_once("missing field ") {
        let key = key.trim_matches('`');
        let example = EXAMPLES.iter().find(|(name, _)| *name == key);
        let remedy = example
            .map_or_else(|| format!("add `{key}: …` here"), |(_, like)| format!("add it, like `{like}`"));
        return (said.to_owned(), remedy);
    }
    if let Some((_, wanted)) = said.split_once("invalid ").and_then(|(_, rest)| rest.rsplit_once("expected "))
    {
        let (word, remedy) = form(wanted);
        return (said.replace(&format!("expected {wanted}"), &format!("expected {word}")), remedy.to_owned());
    }
    if said.contains("duplicate ") {
        return (said.to_owned(), "write each key once".to_owned());
    }
    // Our own values say what would be right: "`soon` is no span of time: write 200ms or 1.5s".
    if let Some((what, remedy)) = said.rsplit_once(": ").filter(|(_, remedy)| remedy.starts_with("write ")) {
        return (what.to_owned(), remedy.to_owned());
    }
    (format!("this is no YAML: {said}"), syntax(said, line).to_owned())
}

/// A word that is none of those that are known: `names` is it and they, each in backticks.
fn chosen(said: &str, names: &str) -> (String, String) {
    let mut names = names.split('`').skip(1).step_by(2);
    let word = names.next().unwrap_or_default();
    let known: Vec<&str> = names.collect();
    let what = said.split_once(", expected ").map_or(said, |(what, _)| what).to_owned();
    let near = known.iter().map(|name| (distance(word, name), name)).min();
    let remedy = match near {
        Some((distance, name)) if distance <= 2 => format!("did you mean `{name}`?"),
        _ => format!("write one of {}", known.join(", ")),
    };
    (what, remedy)
}

/// The form that serde wanted, for people, and how it is written.
fn form(wanted: &str) -> (&str, &'static str) {
    match wanted {
        "a sequence" => ("a list", "write `- …` lines below the key, or [a, b]"),
        "a map" => ("keys with values", "write `key: value` lines below the key, or { key: value }"),
        "a string" => ("a word", "write one value; in quotes where it looks like a number"),
        "a boolean" => ("true or false", "write true or false"),
        "u8" => ("a whole number", "write a whole number of 0 to 255"),
        "u16" => ("a whole number", "write a whole number of 0 to 65535"),
        "u32" => ("a whole number", "write a whole number of 0 to 4294967295"),
        "u64" => ("a whole number", "write a whole number, not below zero"),
        of if of.starts_with("struct ") => {
            ("keys with values", "write `key: value` lines below the key, or { key: value }")
        }
        other => (other, "write it in that form"),
    }
}

fn syntax(said: &str, line: &str) -> &'static str {
    if line.contains('\t') {
        "indent with blanks: YAML takes no tabs there"
    } else if said.contains("EOF while parsing a value") {
        "begin with `title:` and, for a scenario, `topology:`"
    } else {
        "check the indentation (blanks only), the colon after each key and the brackets, here and in the line above"
    }
}

/// How many letters must be changed, added or left out to make one word of the other.
fn distance(from: &str, to: &str) -> usize {
    let first: Vec<usize> = (0..=to.len()).collect();
    let last = from.bytes().enumerate().fold(first, |above, (row, letter)| {
        to.bytes().enumerate().fold(vec![row + 1], |mut line, (column, other)| {
            let changed = above[column] + usize::from(letter != other);
            line.push(changed.min(above[column + 1] + 1).min(line[column] + 1));
            line
        })
    });
    last[to.len()]
}

#[cfg(test)]
mod tests;
