//! The operator's views: what the daemon knows, as text and as JSON.
//!
//! [`view`] makes values of the replica's state, [`text`] makes lines of values, [`print`] writes either. JSON is a
//! contract: every document says `"version": 1`, times are monotonic nanoseconds, and fields are only ever added.

pub(crate) mod expectations;
pub(crate) mod extras;
pub(crate) mod flows;
pub(crate) mod print;
pub(crate) mod text;
pub(crate) mod view;

#[cfg(test)]
mod tests;
