//! Transfers: sessions that announce another flow over their control flow, and carry something over it later.
//!
//! FTP and SIP as they are spoken, so that the routers' helpers must read along, rewrite what is announced, and let the
//! announced flow in. Two phases: `start` opens every control flow and announces, `fulfil` opens what was announced.
//! What lies between them is the scenario's: the death of the router that has heard the announcements. Never touches a
//! router and never judges a scenario. Each session is one thread inside its namespace, a script that is read from top
//! to bottom. Tested in `tests.rs`, through a real router with real helpers.
//!
//! ```text
//!              start                       fulfil
//! client ──── control flow, announces ────── ... ──── done, and is spoken to once more
//! server ──── answers ────────────────────── ... ──── answers
//! either ─────────────────────────────────── the announced flow ── payload, verified
//! ```

use std::io;
use std::net::IpAddr;
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use super::pattern::Pattern;
use crate::link::namespace::spawn_in;
use ledger::Ledger;
use servers::Registry;
use signals::Signals;

mod ftp;
mod ledger;
mod report;
mod servers;
mod signals;
mod sip;
mod spec;
#[cfg(test)]
mod tests;

use report::TransferState;
pub(crate) use report::{TransferDetail, TransferReport};
pub(crate) use servers::Servers;
pub(crate) use spec::{ANNOUNCED_PORTS, TransferGroup, TransferKind, TransferSpec};

/// What the sessions of one traffic work with.
#[derive(Clone, Debug)]
struct Session {
    ledger: Arc<Ledger>,
    signals: Signals,
    pattern: Arc<Pattern>,
}

/// Running transfers. They end when stopped or dropped.
#[derive(Debug)]
pub(crate) struct Transfers {
    session: Session,
    registry: Arc<Registry>,
    numbers: Range<usize>,
    threads: Vec<JoinHandle<Option<()>>>,
}

impl Transfers {
    /// Opens the servers that are needed, then starts every session; returns without waiting for an announcement.
    ///
    /// The descriptors name network namespaces; the caller needs `CAP_SYS_ADMIN` over them.
    ///
    /// # Errors
    /// What the kernel said when entering a namespace or when listening, or that too many run. What a single session
    /// meets is in its [`TransferDetail`] instead.
    pub(crate) fn start(
        spec: &TransferSpec,
        servers: &mut Servers,
        client_ns: BorrowedFd<'_>,
        server_ns: BorrowedFd<'_>,
    ) -> io::Result<Self> {
        servers.require(spec, server_ns)?;
        let registry = Arc::clone(&servers.registry);
        let (numbers, session) = registry.enter(spec.count(), |first| {
            Ok(Session {
                ledger: Arc::new(Ledger::new(spec, first)),
                signals: Signals::new()?,
                pattern: Arc::new(Pattern::new(spec.seed)),
            })
        })?;
        let mut transfers = Self { session, registry, numbers, threads: Vec::new() };
        for (number, group) in transfers.numbers.clone().zip(spec.each()) {
            let session = transfers.session.clone();
            let run = move |()| match group.kind {
                TransferKind::FtpPassive | TransferKind::FtpActive => ftp::client(&session, number, &group),
                TransferKind::Sip => sip::client(&session, number, &group),
            };
            transfers.threads.push(spawn_in(client_ns, "transfer-client", || Ok(()), run)?);
        }
        Ok(transfers)
    }

    /// Waits until every session has announced or failed, or until the deadline.
    pub(crate) fn wait_announced(&self, deadline: Instant) -> TransferReport {
        self.session.ledger.wait(deadline, |details| {
            details.iter().all(|detail| !matches!(detail.state, TransferState::Opening))
        })
    }

    /// Lets every session open what it has announced. Returns at once; a second call changes nothing.
    pub(crate) fn fulfil(&self) {
        self.session.ledger.fulfil(Instant::now());
        self.session.signals.go();
    }

    /// What became of all sessions so far.
    #[must_use]
    pub(crate) fn report(&self) -> TransferReport {
        report::report(&self.session.ledger.details())
    }

    /// Every session in the order of its number.
    #[must_use]
    pub(crate) fn details(&self) -> Vec<TransferDetail> {
        self.session.ledger.details()
    }

    /// Closes every socket and ends every thread; look at the report before.
    pub(crate) fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.session.signals.stop();
        for thread in self.threads.drain(..) {
            // A panic has been printed; its session never became complete.
            let _ = thread.join();
        }
        self.registry.leave(&self.numbers);
    }
}

impl Drop for Transfers {
    fn drop(&mut self) {
        self.end();
    }
}

/// A session cannot go on: the far side did not do what its protocol demands.
fn broken(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}

/// What a helper must have made of an announced address: the one that the reader knows the other side by.
fn require_translated(announced: IpAddr, known: IpAddr) -> io::Result<()> {
    if announced == known {
        return Ok(());
    }
    Err(broken(format!("{announced} is announced, {known} would be right: no helper has rewritten it")))
}
