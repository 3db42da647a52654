//! The traffic's tests: arithmetic without sockets, then real streams between real namespaces.

mod arithmetic;
mod routed;
mod streams;
