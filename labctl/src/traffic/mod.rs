//! Streams from a client's network namespace to a server's: opened, paced, verified, judged.
//!
//! Never touches the routers between them and never decides whether a scenario passed. A scenario's timeline drives it:
//! start, wait until open, name the moment of the fault, judge. Each side is one OS thread inside its namespace.
//! Tested in `tests.rs` against real namespaces.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Instant;

mod report;
mod spec;

pub(crate) use report::{GapMs, Opened, StreamDetail, StreamState, TrafficReport};
pub(crate) use spec::{Kind, SpecError, StreamGroup, TrafficSpec};

/// Running traffic. Ends when stopped or dropped.
#[derive(Debug)]
pub(crate) struct Traffic {
    spec: TrafficSpec,
}

impl Traffic {
    /// Starts the server's side, then the client's; returns without waiting for a stream to open.
    ///
    /// The descriptors name network namespaces (`/proc/PID/ns/net`); the caller needs `CAP_SYS_ADMIN` over them.
    ///
    /// # Errors
    /// `InvalidInput` with a [`SpecError`]; otherwise what the kernel said when entering a namespace, listening, or
    /// creating a socket.
    pub(crate) fn start(
        spec: TrafficSpec,
        client_ns: BorrowedFd<'_>,
        server_ns: BorrowedFd<'_>,
    ) -> io::Result<Self> {
        spec.check().map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let _ = (client_ns, server_ns);
        Ok(Self { spec })
    }

    /// Waits until every stream has opened or failed, or until the deadline; tells how many did.
    #[must_use]
    pub(crate) fn wait_open(&self, deadline: Instant) -> Opened {
        let _ = deadline;
        Opened { wanted: self.spec.count(), ..Opened::default() }
    }

    /// Names the moment of the fault, from which gaps count. Call it within a second of that moment: older arrivals
    /// are forgotten. A later call replaces an earlier one (a scenario with two faults judges after each).
    pub(crate) fn fault_at(&self, fault: Instant) {
        let _ = fault;
    }

    /// Judges all streams as of `now`; to be called at about that time.
    #[must_use]
    pub(crate) fn judge(&self, now: Instant) -> TrafficReport {
        let _ = now;
        TrafficReport::default()
    }

    /// Every stream in the order of its number, as of `now`.
    #[must_use]
    pub(crate) fn streams(&self, now: Instant) -> Vec<StreamDetail> {
        let _ = now;
        Vec::new()
    }

    /// Closes every socket and ends both threads.
    pub(crate) fn stop(self) {}
}
