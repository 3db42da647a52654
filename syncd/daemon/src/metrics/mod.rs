//! What is counted and how things stand, for Prometheus.
//!
//! [`page`] says which metrics there are, [`text`] how they are written, [`http`] and [`server`] hand them over,
//! [`listen`] says where. Off unless the configuration names a socket. No label comes from a flow: their number does
//! not grow with traffic. `docs/metrics.md` says what each metric means. Tested in `metrics/tests.rs` and end to end.

pub(crate) mod handovers;
pub(crate) mod http;
pub(crate) mod listen;
pub(crate) mod page;
pub(crate) mod server;
mod text;
pub(crate) mod transitions;

#[cfg(test)]
pub(crate) mod tests;
