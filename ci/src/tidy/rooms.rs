//! Which room of the core may enter which, and what of the core the kernel's crate may know.
//!
//! The table of `ARCHITECTURE.md` as data, held against every `crate::room` and `super::…::room` in the code.

use super::Finding;
use super::source::Source;

/// Where the core's rooms are.
const CORE: &str = "syncd/core/src/";

/// A room, and those it may use.
const ROOMS: [(&str, &[&str]); 9] = [
    ("time", &[]),
    ("paged", &[]),
    ("flow", &["time"]),
    ("filter", &["flow"]),
    ("cache", &["flow", "time", "paged"]),
    ("wire", &["flow"]),
    ("ftfw", &["wire", "time", "paged"]),
    ("replica", &["time", "paged", "flow", "filter", "cache", "wire", "ftfw"]),
    ("recording", &["time", "flow", "filter", "wire", "replica"]),
];

/// Of `wire`, reliability sees numbers and what a header says: it has never seen a flow.
const FTFW_SEES_OF_WIRE: [&str; 6] = ["seq", "Seq", "SeqRange", "header", "Control", "Flags"];

/// The table of rooms, over one file of the core.
pub(crate) fn core_rooms(source: &Source) -> Vec<Finding> {
    let Some(inside) = source.path.strip_prefix(CORE) else { return Vec::new() };
    let module = module_path(inside);
    let Some(room) = module.first() else { return Vec::new() };
    let Some((_, may_use)) = ROOMS.iter().find(|(name, _)| name == room) else {
        let text = format!(
            "`{room}` is a new room of the core: say in ci/src/tidy/rooms.rs which others it may use"
        );
        return vec![Finding::new(source.path, 0, text)];
    };
    let mut findings = Vec::new();
    for (at, path) in paths(source, &module) {
        let Some(used) = path.first().filter(|used| *used != room) else { continue };
        let line = source.line_at(at);
        // A name that is no room is an item of lib.rs, which holds none.
        if !may_use.contains(&used.as_str()) {
            let text = format!(
                "`{room}` must not know `{used}` (table in ARCHITECTURE.md): hand in what it needs as a value, \
                 or let `replica` bring the two together"
            );
            findings.push(Finding::new(source.path, line, text));
        } else if *room == "ftfw" && used == "wire" && !sees_only_numbers(&path) {
            let text =
                "`ftfw` sees of `wire` only numbers and headers: it handles slots, never flows or bytes";
            findings.push(Finding::new(source.path, line, text));
        }
    }
    findings.dedup();
    findings
}

/// The kernel's crate knows what a flow is, and nothing of replication.
pub(crate) fn conntrack_knows_only_flow(source: &Source) -> Vec<Finding> {
    if !source.path.starts_with("syncd/conntrack/") {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for at in source.words("syncd_core") {
        for path in path_from(&source.code[at + "syncd_core".len()..]) {
            if path.first().is_some_and(|room| room != "flow") {
                let text = format!("syncd-conntrack knows only `syncd_core::flow`, not `{}`", path[0]);
                findings.push(Finding::new(source.path, source.line_at(at), text));
            }
        }
    }
    findings
}

fn sees_only_numbers(path: &[String]) -> bool {
    path.get(1).is_some_and(|part| FTFW_SEES_OF_WIRE.contains(&part.as_str()))
}

/// `cache/table.rs` is the module `cache::table`; `cache/mod.rs` is `cache`, `lib.rs` the crate itself.
fn module_path(inside: &str) -> Vec<String> {
    let stem = inside.strip_suffix(".rs").unwrap_or(inside);
    let mut parts: Vec<String> = stem.split('/').map(str::to_owned).collect();
    if matches!(parts.last().map(String::as_str), Some("mod" | "lib")) {
        parts.pop();
    }
    parts
}

/// Every path in the code that leaves `module` towards the crate's root, as seen from there.
fn paths(source: &Source, module: &[String]) -> Vec<(usize, Vec<String>)> {
    let mut found = Vec::new();
    for at in source.words("crate") {
        let ends = path_from(&source.code[at + "crate".len()..]);
        found.extend(ends.into_iter().map(|path| (at, path)));
    }
    for at in source.words("super") {
        if source.code[..at].ends_with("super::") {
            continue; // counted from the first of the chain
        }
        let mut rest = &source.code[at + "super".len()..];
        let mut above = module.len().saturating_sub(1);
        while let Some(shorter) = rest.strip_prefix("::super") {
            rest = shorter;
            above = above.saturating_sub(1);
        }
        for end in path_from(rest) {
            let path = module[..above].iter().cloned().chain(end).collect();
            found.push((at, path));
        }
    }
    found
}

/// The paths that `rest` continues with: `::a::b` is one, `::{a::b, c}` are two.
fn path_from(rest: &str) -> Vec<Vec<String>> {
    let Some(rest) = rest.strip_prefix("::") else { return Vec::new() };
    if let Some(group) = rest.strip_prefix('{') {
        return branches(group).into_iter().flat_map(|branch| path_from(&format!("::{branch}"))).collect();
    }
    let length = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
    if length == 0 {
        return Vec::new();
    }
    let (first, rest) = (rest[..length].to_owned(), &rest[length..]);
    let further = path_from(rest);
    if further.is_empty() {
        return vec![vec![first]];
    }
    further.into_iter().map(|end| [vec![first.clone()], end].concat()).collect()
}

/// The members of a group `a::b, c::{d, e}}`, up to its closing brace.
fn branches(group: &str) -> Vec<&str> {
    let (mut found, mut depth, mut begin) = (Vec::new(), 0_usize, 0);
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => {
                found.push(group[begin..at].trim());
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                found.push(group[begin..at].trim());
                begin = at + 1;
            }
            _ => {}
        }
    }
    found
}
