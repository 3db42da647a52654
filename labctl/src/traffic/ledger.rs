//! What each side saw of its streams. The engines write, the judge reads.
//!
//! Never judges. Each side has its own ledger and its own lock; they are joined when judged: over the preamble that
//! leads each direction of a TCP stream, each side learns the other's number of the stream. Tested through `tests/`.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::arrivals::Arrivals;

/// What arrived in one direction of one stream.
#[derive(Clone, Debug, Default)]
pub(super) struct Receipt {
    pub(super) verified: u64,
    pub(super) corrupted: u64,
    pub(super) arrivals: Arrivals,
}

impl Receipt {
    pub(super) fn note(&mut self, now: Instant, verified: u64, corrupted: u64) {
        self.verified += verified;
        self.corrupted += corrupted;
        if verified > 0 {
            self.arrivals.note(now);
        }
    }
}

/// A socket error, and when.
#[derive(Clone, Debug)]
pub(super) struct Ended {
    pub(super) at: Instant,
    pub(super) why: String,
}

impl Ended {
    pub(super) fn new(at: Instant, error: &io::Error) -> Self {
        Self { at, why: error.to_string() }
    }
}

/// One stream as its client sees it.
#[derive(Clone, Debug, Default)]
pub(super) struct ClientStream {
    pub(super) local: Option<SocketAddr>,
    pub(super) receipt: Receipt,
    /// The server's number of this stream, once its preamble arrived.
    pub(super) accepted: Option<u32>,
    /// For TCP the end; for datagrams the last error since the last answer.
    pub(super) ended: Option<Ended>,
}

/// One TCP stream as the server accepted it.
#[derive(Clone, Debug)]
pub(super) struct Accepted {
    /// The client's address after NAT.
    pub(super) seen_as: SocketAddr,
    pub(super) receipt: Receipt,
    /// The client's number of this stream, once its preamble arrived.
    pub(super) number: Option<u32>,
    pub(super) ended: Option<Ended>,
}

/// What the server saw of one datagram stream, by the client's number.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// The client's address after NAT, of the first request: to a server this is the flow.
    pub(super) first: SocketAddr,
    /// The same of the last one.
    pub(super) seen_as: SocketAddr,
    pub(super) receipt: Receipt,
    /// As long as the last request came from elsewhere than the first.
    pub(super) ended: Option<Ended>,
}

impl Asked {
    pub(super) fn new(seen_as: SocketAddr) -> Self {
        Self { first: seen_as, seen_as, receipt: Receipt::default(), ended: None }
    }

    /// A request came from `seen_as`. A router that has forgotten a flow makes another of the next datagram, and its
    /// NAT another port: the client gets its answers, but what the server knew is over. A router that learns the old
    /// flow again a moment later has lost nothing.
    pub(super) fn note(&mut self, now: Instant, seen_as: SocketAddr) {
        if seen_as != self.seen_as {
            let first = self.first;
            let why = || format!("a new flow to the server: it comes from {seen_as}, first from {first}");
            self.ended = (seen_as != first).then(|| Ended { at: now, why: why() });
            self.seen_as = seen_as;
        }
    }
}

/// The server's ledger.
#[derive(Debug, Default)]
pub(super) struct ServerSide {
    pub(super) accepted: Vec<Accepted>,
    pub(super) asked: BTreeMap<u32, Asked>,
    /// Given to streams that are accepted later.
    pub(super) fault: Option<Instant>,
}

/// Both ledgers and the bell for whoever waits for streams to open.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    client: Mutex<Vec<ClientStream>>,
    server: Mutex<ServerSide>,
    changes: Mutex<u64>,
    changed: Condvar,
}

impl Ledger {
    pub(super) fn new(streams: usize) -> Self {
        Self { client: Mutex::new(vec![ClientStream::default(); streams]), ..Self::default() }
    }

    /// The client's ledger; lock it before the server's where both are needed.
    pub(super) fn client(&self) -> MutexGuard<'_, Vec<ClientStream>> {
        whole(self.client.lock())
    }

    /// The server's ledger.
    pub(super) fn server(&self) -> MutexGuard<'_, ServerSide> {
        whole(self.server.lock())
    }

    /// Tells that a stream opened or ended.
    pub(super) fn ring(&self) {
        *whole(self.changes.lock()) += 1;
        self.changed.notify_all();
    }

    /// How often the bell rang so far.
    pub(super) fn changes(&self) -> u64 {
        *whole(self.changes.lock())
    }

    /// Waits until the bell has rung more often than `seen`, or for `patience`.
    pub(super) fn wait_change(&self, seen: u64, patience: Duration) {
        let changes = whole(self.changes.lock());
        drop(self.changed.wait_timeout_while(changes, patience, |changes| *changes == seen));
    }
}

/// A panic of one engine leaves counters behind that are still worth reading.
fn whole<T>(guard: Result<T, PoisonError<T>>) -> T {
    guard.unwrap_or_else(PoisonError::into_inner)
}
