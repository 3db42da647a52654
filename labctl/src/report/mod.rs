//! What a run leaves behind: the result document, the table for people, and, on failure, a directory of evidence.
//!
//! Never judges. The document's form is fixed; programs read it. Driven by `session` and the verbs; tested in
//! `tests.rs`.

mod diagnosis;
mod document;
mod matrix;
mod picture;
mod status;
mod table;
#[cfg(test)]
mod tests;

pub(crate) use diagnosis::{diagnose, remains};
pub(crate) use document::{Document, ExpectationSeen, TrafficSeen};
pub(crate) use matrix::{CellSeen, all_passed, matrix_document, matrix_table};
pub(crate) use picture::picture;
pub(crate) use status::status;
pub(crate) use table::{expectations, table, traffic_lines};
