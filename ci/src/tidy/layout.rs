//! How long a file and a function may be, how a file begins, what it may be called.

use super::Finding;
use super::source::Source;

/// Files aim for 100 to 300 lines and are thought about at 400.
const FILE_LINES_MAX: usize = 600;

/// One screen.
const FUNCTION_LINES_MAX: usize = 70;

/// Names that say nothing: everything ends up in such a file.
const FORBIDDEN_NAMES: [&str; 11] =
    ["util", "utils", "common", "helper", "helpers", "misc", "manager", "types", "type", "data", "stuff"];

/// Files at most 600 lines; tests are apart.
pub(crate) fn file_length(source: &Source) -> Vec<Finding> {
    let lines = source.text.lines().count();
    if source.is_test() || lines <= FILE_LINES_MAX {
        return Vec::new();
    }
    let text = format!(
        "{lines} lines, at most {FILE_LINES_MAX}: move what can be named on its own to a file of that name, \
         and tests to a sibling tests.rs"
    );
    vec![Finding::new(source.path, 0, text)]
}

/// Functions at most 70 lines, from `fn` to the closing brace.
pub(crate) fn function_length(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for at in source.words("fn") {
        let Some(body) = body_of(source, at) else { continue };
        let first = source.line_at(at);
        let lines = source.line_at(source.closing(body) - 1) - first + 1;
        if lines > FUNCTION_LINES_MAX {
            let text = format!(
                "a function of {lines} lines, at most {FUNCTION_LINES_MAX}: give a step of it a name and a function"
            );
            findings.push(Finding::new(source.path, first, text));
        }
    }
    findings
}

/// Where the body of the function at `at` opens; `None` for a function's type or declaration.
fn body_of(source: &Source, at: usize) -> Option<usize> {
    let bytes = source.code.as_bytes();
    let mut here = at + "fn".len();
    if source.code[here..].trim_start().starts_with('(') {
        return None;
    }
    while here < bytes.len() {
        match bytes[here] {
            b'{' => return Some(here),
            b';' => return None,
            b'(' | b'[' => here = source.closing(here),
            _ => here += 1,
        }
    }
    None
}

/// Every file begins with what it is.
pub(crate) fn module_doc(source: &Source) -> Vec<Finding> {
    if source.text.starts_with("//!") {
        return Vec::new();
    }
    let text = "begin the file with `//!`: what it is, what it never does, who drives it, where it is tested";
    vec![Finding::new(source.path, 1, text)]
}

/// No file or directory of sources with a name that says nothing.
pub(crate) fn file_name(source: &Source) -> Vec<Finding> {
    let stem = source.path.strip_suffix(".rs").unwrap_or(source.path);
    let forbidden = stem.split('/').find(|part| FORBIDDEN_NAMES.contains(part));
    let say = |name| {
        let text =
            format!("`{name}` as a name holds everything: name the file after the one thing it is about");
        Finding::new(source.path, 0, text)
    };
    forbidden.map(say).into_iter().collect()
}
