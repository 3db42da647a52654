//! What is wrong with a file: where, what, and what to do about it.
//!
//! Never decides what is wrong. `load.rs` collects these; `main` prints them and exits with 2. Tested in `tests.rs`.

use std::fmt;

/// One mistake of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    /// The file as it was named.
    pub(crate) file: String,
    /// Counted from one.
    pub(crate) line: usize,
    /// What is wrong.
    pub(crate) what: String,
    /// What would be right.
    pub(crate) remedy: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, what, remedy } = self;
        write!(f, "{file}:{line}: {what}: {remedy}")
    }
}

/// All mistakes of a scenario, one per line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub(crate) struct Mistakes(pub(crate) Vec<Mistake>);

/// The line of an entry of a file: `keys` lead to a mapping or a list, `place` to the entry of the list.
///
/// serde_yaml keeps no places of what it has read, so the lines are looked for in the text: a key at the start of its
/// line, an entry by its dash. What is written in one line (`{ a: 1, b: 2 }`) has one line anyway.
#[must_use]
pub(super) fn line_of(text: &str, keys: &[&str], place: Option<usize>) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    let (mut at, mut end) = (0, lines.len());
    let mut found = 1;
    for key in keys {
        let Some(line) = (at..end).find(|line| is_key(lines[*line], key)) else { return found };
        found = line + 1;
        let depth = indent(lines[line]);
        at = line + 1;
        // A list may begin in the same column as its key.
        end = (at..end)
            .find(|next| {
                let text = lines[*next].trim_start();
                !text.is_empty()
                    && !text.starts_with('#')
                    && (indent(lines[*next]) < depth
                        || indent(lines[*next]) == depth && !text.starts_with("- "))
            })
            .unwrap_or(end);
    }
    let Some(place) = place else { return found };
    let dashes: Vec<usize> = (at..end).filter(|line| lines[*line].trim_start().starts_with("- ")).collect();
    let Some(depth) = dashes.first().map(|line| indent(lines[*line])) else { return found };
    dashes.iter().filter(|line| indent(lines[**line]) == depth).nth(place).map_or(found, |line| line + 1)
}

/// The line on which a key stands for the second time among those that begin at `from`; `from` where it does not.
#[must_use]
pub(super) fn again(text: &str, key: &str, from: usize) -> usize {
    let mut found = (1..).zip(text.lines()).skip(from - 1).filter(|(_, line)| is_key(line, key));
    let Some((_, first)) = found.next() else { return from };
    found.find(|(_, line)| indent(line) == indent(first)).map_or(from, |(place, _)| place)
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

fn is_key(line: &str, key: &str) -> bool {
    line.trim_start().strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with(':'))
}
