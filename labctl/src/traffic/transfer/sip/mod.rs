//! SIP as RFC 3261 and RFC 4566 have it, as far as one call needs it: a caller and a callee that real helpers
//! understand, and their voice.
//!
//! Never knows of routers. A call is set up while one router lives; voice flows and the call ends when the word is given.
//! Each side checks what a telephone depends on: that what it reads names the other side as it knows it, that an answer
//! carries its own Via again, and that voice comes from where it was announced. Driven by `mod.rs` beside it; tested in
//! `../tests.rs`.

mod client;
mod message;
mod server;
mod voice;

use std::time::Duration;

pub(super) use client::client;
pub(super) use server::Server;

/// The first retransmission of a request over UDP (RFC 3261, T1).
const AGAIN: Duration = Duration::from_millis(500);
/// How long a request may stay unanswered.
const PATIENCE: Duration = Duration::from_secs(10);
/// A SIP message or a voice packet is not longer.
const BUFFER: usize = 4_096;
