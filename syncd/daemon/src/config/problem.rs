//! What is wrong with a configuration, shown with its place: file, line, column, key path, reason, remedy, and the
//! line itself with a caret. All problems of a file are shown at once. Tested in `tests.rs` beside it.

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
    /// Line, from 1, if there is one.
    pub(crate) fn line(&self) -> Option<usize> {
        self.place.map(|place| place.line)
    }

    /// Column, from 1, if there is one.
    pub(crate) fn column(&self) -> Option<usize> {
        self.place.map(|place| place.column)
    }
}

/// A configuration that cannot be used, and everything that is wrong with it.
#[derive(Debug)]
pub(crate) struct Invalid {
    file: PathBuf,
    text: String,
    problems: Vec<Problem>,
}

impl Invalid {
    /// Problems of the file, sorted by their place.
    pub(super) fn new(file: &Path, text: &str, mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| problem.place);
        Self { file: file.to_owned(), text: text.to_owned(), problems }
    }

    /// What is wrong, in order of the lines.
    pub(crate) fn problems(&self) -> &[Problem] {
        &self.problems
    }

    fn write_problem(&self, f: &mut fmt::Formatter<'_>, problem: &Problem) -> fmt::Result {
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
            // The line as it is, and below it its own blanks and tabs, so that the caret meets the column.
            let lead: String =
                source.chars().take(column - 1).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
            writeln!(f, "{line:>5} | {source}")?;
            writeln!(f, "      | {lead}^")?;
        }
        write!(f, "      = remedy: {}", problem.remedy)
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot use {}: ", self.file.display())?;
        match self.problems.len() {
            1 => f.write_str("1 problem")?,
            many => write!(f, "{many} problems")?,
        }
        self.problems.iter().try_for_each(|problem| self.write_problem(f, problem))
    }
}

impl std::error::Error for Invalid {}
