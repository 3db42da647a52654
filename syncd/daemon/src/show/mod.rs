//! The operator's views: what the daemon knows, as text and as JSON.
//!
//! [`view`] and [`ready`] make values of the state, [`text`], [`statistics`], [`table`] and [`xml`] make lines of values,
//! [`mod@print`] writes any of them, a `stretch` is what it needs of a long table. JSON is a contract: every document says
//! `"version": 1` and has a schema in `docs/schema`, times are monotonic nanoseconds, and fields are only ever added.

mod detail;
pub(crate) mod done;
pub(crate) mod expectations;
pub(crate) mod extras;
pub(crate) mod failover;
pub(crate) mod flows;
pub(crate) mod handover;
pub(crate) mod metrics;
pub(crate) mod page;
pub(crate) mod print;
pub(crate) mod processors;
pub(crate) mod ready;
pub(crate) mod selection;
pub(crate) mod statistics;
mod stretch;
pub(crate) mod table;
pub(crate) mod text;
pub(crate) mod view;
pub(crate) mod xml;

#[cfg(test)]
pub(crate) mod tests;
