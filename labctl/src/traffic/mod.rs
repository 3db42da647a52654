//! Streams from a client's network namespace to a server's: opened, paced, verified, judged.
//!
//! Never touches the routers between them and never decides whether a scenario passed. A scenario's timeline drives it:
//! start, wait until open, name the moment of the fault, judge. Each side is one OS thread inside its namespace.
//! Tested in `tests/`, between real namespaces.
//!
//! ```text
//! Traffic --spec--> client thread ~~~ routers ~~~ server thread
//!    ^                   | writes                     | writes
//!    '------ judge <-- ledger (client's)   ledger (server's)
//! ```

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::Instant;

use client::ClientEngine;
use engines::Engines;
use ledger::Ledger;
use pattern::Pattern;
use server::ServerEngine;

mod arrivals;
mod beat;
mod births;
mod client;
mod datagram;
mod engines;
mod judge;
mod ledger;
mod pattern;
mod report;
mod server;
mod spec;
mod stream;
#[cfg(test)]
mod tests;
mod transfer;

pub(crate) use births::{BirthSpec, Births};
#[cfg(test)]
pub(crate) use report::{GapMs, StreamState};
pub(crate) use report::{Opened, StreamDetail, TrafficReport};
#[cfg(test)]
pub(crate) use spec::SpecError;
pub(crate) use spec::{ALIVE, Kind, StreamGroup, TrafficSpec};
pub(crate) use transfer::{
    ANNOUNCED_PORTS, Servers as TransferServers, TransferGroup, TransferKind, TransferReport, TransferSpec,
    Transfers,
};

/// Running traffic. Ends when stopped or dropped.
#[derive(Debug)]
pub(crate) struct Traffic {
    spec: TrafficSpec,
    ledger: Arc<Ledger>,
    engines: Engines,
}

impl Traffic {
    /// Starts the server's side, then the client's; returns without waiting for a stream to open.
    ///
    /// The descriptors name network namespaces (`/proc/PID/ns/net`); the caller needs `CAP_SYS_ADMIN` over them.
    ///
    /// # Errors
    /// `InvalidInput` with a [`spec::SpecError`]; otherwise what the kernel said when entering a namespace, when listening,
    /// or when creating an echo socket. What a single stream meets is in its [`StreamDetail`] instead.
    pub(crate) fn start(
        spec: TrafficSpec,
        client_ns: BorrowedFd<'_>,
        server_ns: BorrowedFd<'_>,
    ) -> io::Result<Self> {
        spec.check().map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let ledger = Arc::new(Ledger::new(spec.count()));
        let pattern = Arc::new(Pattern::new(spec.seed));
        let mut traffic = Self { spec, ledger, engines: Engines::new()? };

        let parts = (traffic.spec.clone(), Arc::clone(&pattern), Arc::clone(&traffic.ledger));
        let open = move |stop: &_| ServerEngine::open(&parts.0, parts.1, parts.2, stop);
        traffic.engines.start(server_ns, "traffic-server", open, ServerEngine::run)?;

        let parts = (traffic.spec.clone(), pattern, Arc::clone(&traffic.ledger));
        let open = move |stop: &_| ClientEngine::open(&parts.0, parts.1, parts.2, stop);
        traffic.engines.start(client_ns, "traffic-client", open, ClientEngine::run)?;
        Ok(traffic)
    }

    /// Waits until every stream has opened or failed, or until the deadline; tells how many did.
    pub(crate) fn wait_open(&self, deadline: Instant) -> Opened {
        loop {
            let changes = self.ledger.changes();
            let now = Instant::now();
            let opened = judge::opened(&self.streams(now));
            if opened.opened + opened.failed == opened.wanted || now >= deadline {
                return opened;
            }
            self.ledger.wait_change(changes, deadline - now);
        }
    }

    /// Names the moment of the fault, from which gaps count. Call it within a second of that moment: older arrivals
    /// are forgotten. A later call replaces an earlier one (a scenario with two faults judges after each).
    pub(crate) fn fault_at(&self, fault: Instant) {
        for stream in self.ledger.client().iter_mut() {
            stream.receipt.arrivals.fault_at(fault);
        }
        let mut server = self.ledger.server();
        server.fault = Some(fault);
        for accepted in &mut server.accepted {
            accepted.receipt.arrivals.fault_at(fault);
        }
    }

    /// Judges all streams as of `now`; to be called at about that time. A gap is complete ten seconds after the fault.
    #[must_use]
    pub(crate) fn judge(&self, now: Instant) -> TrafficReport {
        judge::report(&self.streams(now))
    }

    /// Every stream in the order of its number, as of `now`.
    #[must_use]
    pub(crate) fn streams(&self, now: Instant) -> Vec<StreamDetail> {
        let client = self.ledger.client();
        let server = self.ledger.server();
        judge::streams(&self.spec, &client, &server, now)
    }

    /// What was asked for.
    #[must_use]
    pub(crate) const fn spec(&self) -> &TrafficSpec {
        &self.spec
    }

    /// Closes every socket and ends both engines; judge before.
    pub(crate) fn stop(mut self) {
        self.engines.end();
    }
}
