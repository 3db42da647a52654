//! FTP as RFC 959 and, over IPv6, RFC 2428 have it, as far as a file is fetched: a client and a server that real helpers understand.
//!
//! Never knows of routers. A session fetches two files: the first is announced while one router lives and fetched when
//! the word is given; the second is announced afterwards, which shows that the helper goes on reading. Driven by
//! `mod.rs` beside it; tested in `../tests.rs`.

mod address;
mod client;
mod control;
mod server;

use std::time::{Duration, Instant};

pub(super) use client::client;
pub(super) use server::Server;

/// How long one step may take: several retransmissions after a takeover.
const PATIENCE: Duration = Duration::from_secs(10);
/// Files of a session.
const ROUNDS: usize = 2;

fn soon() -> Instant {
    Instant::now() + PATIENCE
}

/// The stream of the pattern that a session's file consists of.
const fn stream(number: usize, round: usize) -> u32 {
    (number * ROUNDS + round) as u32
}
