//! What is wrong with a configuration, shown with its place: file, line, column, key path, reason, remedy, and the
//! line itself with a caret. The problems of a file are shown at once, up to a number that somebody may read. Tested in `tests.rs` beside it.

use std::fmt;
use std::path::{Path, PathBuf};

use super::node::Place;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Where, if the text says it somewhere.
    pub(super) place: Option<Place>,
    /// The keys from the top to what is wrong, joined by dots; empty for the file as a whole.
    pub(crate) key: String,
    /// What is wrong.
    pub(crate) reason: String,
    /// What to do about it.
    pub(crate) remedy: String,
}

impl Problem {
    /// A problem in words of a bounded length: they quote the file, in which anything may stand.
    pub(super) fn new(place: Option<Place>, key: &str, reason: &str, remedy: &str) -> Self {
        Self { place, key: cut(key), reason: cut(reason), remedy: cut(remedy) }
    }

    /// Line, from 1, if there is one.
    pub(crate) fn line(&self) -> Option<usize> {
        self.place.map(|place| place.line)
    }

    /// Column, from 1, if there is one.
    pub(crate) fn column(&self) -> Option<usize> {
        self.place.map(|place| place.column)
    }
}

/// At most so many problems are shown: nobody reads more.
pub(super) const MOST: usize = 50;

/// More characters of one text are not shown. The names of all keys of one level have room.
const LONGEST: usize = 400;

/// A text is not cut within a word of so many characters.
const LONGEST_WORD: usize = 40;

/// So many characters of a long line are shown around the place of a problem.
const WINDOW: usize = 120;

/// A configuration that cannot be used, and what is wrong with it.
#[derive(Debug)]
pub(crate) struct Invalid {
    file: PathBuf,
    text: String,
    problems: Vec<Problem>,
    unshown: usize,
}

impl Invalid {
    /// Problems of the file, sorted by their place, and how many there are besides.
    pub(super) fn new(file: &Path, text: &str, mut problems: Vec<Problem>, unshown: usize) -> Self {
        problems.sort_by_key(|problem| problem.place);
        Self { file: file.to_owned(), text: text.to_owned(), problems, unshown }
    }

    /// What is wrong, in order of the lines.
    pub(crate) fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

/// Problems, or remarks, of one file as they are shown.
pub(super) struct Shown<'a> {
    pub(super) file: &'a Path,
    pub(super) text: &'a str,
}

impl Shown<'_> {
    /// One of them, on lines of its own, each of which begins with a line break.
    pub(super) fn write(&self, f: &mut fmt::Formatter<'_>, problem: &Problem) -> fmt::Result {
        write!(f, "\n{}", self.file.display())?;
        if let Some(Place { line, column }) = problem.place {
            write!(f, ":{line}:{column}")?;
        }
        if !problem.key.is_empty() {
            write!(f, ": {}", problem.key)?;
        }
        writeln!(f, ": {}", problem.reason)?;
        if let Some(Place { line, column }) = problem.place {
            let source = self.text.lines().nth(line - 1).unwrap_or("");
            let skipped = if column > WINDOW { column - 1 - WINDOW / 2 } else { 0 };
            let shown = || source.chars().skip(skipped);
            let before = if skipped > 0 { "…" } else { "" };
            let after = if shown().nth(WINDOW).is_some() { "…" } else { "" };
            let line_shown: String = shown().take(WINDOW).map(printable).collect();
            // The line as it is, and below it its own blanks and tabs, so that the caret meets the column.
            let lead = shown().take(column - 1 - skipped).map(|c| if c == '\t' { '\t' } else { ' ' });
            let lead: String = before.chars().map(|_| ' ').chain(lead).collect();
            writeln!(f, "{line:>5} | {before}{line_shown}{after}")?;
            writeln!(f, "      | {lead}^")?;
        }
        write!(f, "      = remedy: {}", problem.remedy)
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot use {}: ", self.file.display())?;
        match self.problems.len() + self.unshown {
            1 => f.write_str("1 problem")?,
            many => write!(f, "{many} problems")?,
        }
        let shown = Shown { file: &self.file, text: &self.text };
        self.problems.iter().try_for_each(|problem| shown.write(f, problem))?;
        if self.unshown > 0 {
            write!(f, "\nand {} more: repair these first", self.unshown)?;
        }
        Ok(())
    }
}

/// The text, or its beginning, as a terminal may have it.
fn cut(text: &str) -> String {
    shortened(text, LONGEST).chars().map(printable).collect()
}

/// The text, or its beginning, up to a blank near the end of so many characters if there is one.
pub(crate) fn shortened(text: &str, longest: usize) -> String {
    let Some((end, _)) = text.char_indices().nth(longest) else { return text.to_owned() };
    let begin = &text[..end];
    match begin.rfind(' ').filter(|at| begin[*at..].chars().count() <= LONGEST_WORD) {
        Some(at) => format!("{} …", begin[..at].trim_end()),
        None => format!("{begin}…"),
    }
}

/// The character, unless a terminal would obey it.
fn printable(c: char) -> char {
    if c.is_control() && c != '\t' { char::REPLACEMENT_CHARACTER } else { c }
}

impl std::error::Error for Invalid {}
