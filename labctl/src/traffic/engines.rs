//! Engines: threads inside namespaces that work until they are told to stop.
//!
//! Never knows what they do. Traffic and births own one each; their end is this one's. Tested through both.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::thread::JoinHandle;

use nix::sys::eventfd::EventFd;

use crate::link::namespace::spawn_in;

/// Running engines. They end when told to or when dropped.
#[derive(Debug)]
pub(super) struct Engines {
    stop: Arc<EventFd>,
    threads: Vec<JoinHandle<Option<()>>>,
}

impl Engines {
    /// None yet.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { stop: Arc::new(EventFd::new()?), threads: Vec::new() })
    }

    /// Starts one inside a namespace: `open` is given what tells it to stop, and its failure is ours.
    pub(super) fn start<T: 'static>(
        &mut self,
        ns: BorrowedFd<'_>,
        name: &str,
        open: impl FnOnce(&Arc<EventFd>) -> io::Result<T> + Send + 'static,
        run: impl FnOnce(T) + Send + 'static,
    ) -> io::Result<()> {
        let stop = Arc::clone(&self.stop);
        self.threads.push(spawn_in(ns, name, move || open(&stop), run)?);
        Ok(())
    }

    /// Tells all to stop and waits until they have.
    pub(super) fn end(&mut self) {
        // The counter is never read, so it stays ready for all of them. It cannot be full.
        let _ = self.stop.write(1);
        for thread in self.threads.drain(..) {
            // A panic has been printed; what it left undone shows in its ledger.
            let _ = thread.join();
        }
    }
}

impl Drop for Engines {
    fn drop(&mut self) {
        self.end();
    }
}
