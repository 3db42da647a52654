//! The servers of a lab's transfers: each listens once, whichever traffic a session belongs to.
//!
//! A well-known port has room for one. So sessions have numbers that no other traffic uses at the same time, say them, and
//! are found by them. Never speaks a protocol. Held by `lab`; tested in `tests.rs`.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use super::signals::Signals;
use super::spec::TransferSpec;
use super::{Session, ftp, sip};
use crate::link::namespace::spawn_in;

/// Which session belongs to whom.
#[derive(Debug, Default)]
pub(super) struct Registry(Mutex<Vec<(Range<usize>, Session)>>);

impl Registry {
    fn entries(&self) -> MutexGuard<'_, Vec<(Range<usize>, Session)>> {
        // What a panicking thread leaves behind is whole: entries that are there or not.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The traffic of a session's number.
    pub(super) fn find(&self, number: usize) -> Option<Session> {
        self.entries()
            .iter()
            .find(|(numbers, _)| numbers.contains(&number))
            .map(|(_, session)| session.clone())
    }

    /// Takes `count` numbers in a row for what `make` makes of the first of them.
    ///
    /// # Errors
    /// When too few are free, or that of `make`.
    pub(super) fn enter(
        &self,
        count: usize,
        make: impl FnOnce(usize) -> io::Result<Session>,
    ) -> io::Result<(Range<usize>, Session)> {
        let mut entries = self.entries();
        let mut first = 0;
        for (numbers, _) in &*entries {
            if numbers.start - first >= count {
                break;
            }
            first = numbers.end;
        }
        if first + count > TransferSpec::MOST {
            let most = TransferSpec::MOST;
            return Err(io::Error::other(format!("more than {most} transfers at once: stop some")));
        }
        let entry = (first..first + count, make(first)?);
        entries.push(entry.clone());
        entries.sort_by_key(|(numbers, _)| numbers.start);
        Ok(entry)
    }

    /// Gives numbers back.
    pub(super) fn leave(&self, numbers: &Range<usize>) {
        self.entries().retain(|(taken, _)| taken != numbers);
    }
}

/// Servers, one of each protocol at each address. They end when dropped.
#[derive(Debug)]
pub(crate) struct Servers {
    pub(super) registry: Arc<Registry>,
    signals: Signals,
    /// Those that listen: whether it is FTP's, and where.
    open: BTreeSet<(bool, SocketAddr)>,
    threads: Vec<JoinHandle<Option<()>>>,
}

impl Servers {
    /// None yet; they open when they are needed.
    ///
    /// # Errors
    /// When the kernel has no event left.
    pub(crate) fn new() -> io::Result<Self> {
        let registry = Arc::new(Registry::default());
        Ok(Self { registry, signals: Signals::new()?, open: BTreeSet::new(), threads: Vec::new() })
    }

    /// Opens what these transfers need and what does not listen yet.
    pub(super) fn require(&mut self, spec: &TransferSpec, ns: BorrowedFd<'_>) -> io::Result<()> {
        for group in &spec.groups {
            let (ftp, listen) = (group.kind.is_ftp(), group.listen);
            if self.open.contains(&(ftp, listen)) {
                continue;
            }
            let (registry, signals) = (Arc::clone(&self.registry), self.signals.clone());
            self.threads.push(if ftp {
                let open = move || ftp::Server::open(registry, signals, listen);
                spawn_in(ns, "ftp-server", open, ftp::Server::run)?
            } else {
                let open = move || sip::Server::open(registry, signals, listen);
                spawn_in(ns, "sip-server", open, sip::Server::run)?
            });
            self.open.insert((ftp, listen));
        }
        Ok(())
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        self.signals.stop();
        for thread in self.threads.drain(..) {
            // A panic has been printed; its sessions never become complete.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Registry;
    use crate::traffic::pattern::Pattern;
    use crate::traffic::transfer::Session;
    use crate::traffic::transfer::ledger::Ledger;
    use crate::traffic::transfer::signals::Signals;

    #[test]
    fn numbers_are_nobody_elses_and_come_back() {
        let session = |_| {
            Ok(Session {
                ledger: Arc::new(Ledger::default()),
                signals: Signals::new()?,
                pattern: Arc::new(Pattern::new(1)),
            })
        };
        let registry = Registry::default();
        let enter = |count| registry.enter(count, session).map(|(numbers, _)| numbers);
        let (a, b) = (enter(10).unwrap(), enter(20).unwrap());
        assert_eq!((a.clone(), b.clone()), (0..10, 10..30));
        registry.leave(&a);
        assert!(registry.find(9).is_none() && registry.find(10).is_some() && registry.find(30).is_none());
        assert_eq!((enter(11).unwrap(), enter(10).unwrap()), (30..41, 0..10));
        assert!(enter(460).unwrap_err().to_string().contains("more than 500"));
    }
}
