//! Scenarios and topologies: from YAML to a model in which nothing is left to doubt.
//!
//! Never starts anything. The verbs load a file here; `plan`, `lab` and `verdict` use the model. Tested in `tests.rs`
//! and, for every file of `scenarios/`, in `labctl/tests/plans.rs`.

mod check;
mod event;
mod expectation;
pub(crate) mod load;
mod matrix;
mod mistake;
mod model;
mod refusal;
mod size;
mod streams;
pub(crate) mod topology;
pub(crate) mod units;
mod variation;
mod weather;
mod written;

#[cfg(test)]
mod tests;

pub(crate) use event::{Action, Event, Fault, Networks};
pub(crate) use expectation::{Expectation, Sight};
pub(crate) use load::{Sources, load};
pub(crate) use matrix::{Cell, Matrix, load_matrix};
pub(crate) use mistake::Mistakes;
pub(crate) use model::{Channel, Scenario, SnapshotPart, SyncKind};
pub(crate) use size::Scale;
pub(crate) use streams::{Helper, Path, StreamText};
pub(crate) use topology::{Router, Topology, VirtualAddresses};
pub(crate) use units::{Prefix, Share, Span};
pub(crate) use variation::{Runs, Variation};
pub(crate) use written::Written;
