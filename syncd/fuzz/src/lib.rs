//! `syncd-fuzz`: mutations of real bytes against everything that reads bytes of strangers, on the stable toolchain.
//!
//! No panic, no more memory and no more time than a target may take, whatever the bytes. The compiler measures no
//! coverage there, so the mutations know the form of the bytes (lengths, nesting, words), and what makes a target say
//! something new is mutated further. Everything comes from one seed.
//!
//! | room | what it is |
//! | --- | --- |
//! | [`targets`] | one per decoder, a few lines each; with [`router`], a replica to throw at |
//! | [`corpus`] | the committed inputs |
//! | [`mutate`], [`tree`], [`shape`], [`chance`] | mutations |
//! | [`judge`], [`allocator`], [`stopwatch`], [`seen`] | one run, and what it may cost |
//! | [`campaign`], [`minimise`] | many runs; what is found, made small |
//!
//! `cargo test` runs the corpora and mutates for a second each (`tests/campaigns.rs`); `cargo ci fuzz` goes on for as
//! long as one likes. A finding is repaired in its own commit and its input goes into the corpus.

pub mod allocator;
pub mod campaign;
pub mod chance;
pub mod corpus;
pub mod judge;
pub mod minimise;
pub mod mutate;
pub mod router;
pub mod seen;
pub mod shape;
pub mod stopwatch;
pub mod targets;
pub mod tree;
