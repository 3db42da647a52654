//! Waiting for a descriptor with tokio: the only thing tokio does for the daemon's hot side.
//!
//! A [`Ready`] watches a duplicate of the descriptor, which it owns, so the descriptor tokio knows stays open for as
//! long as tokio knows it. It never reads or writes: whoever owns the original does, until there is nothing more,
//! and then says [`Ready::exhausted`]. Driven by the event loop and the control server; tested through them.
#![expect(
    unsafe_code,
    reason = "tokio cannot know that a descriptor stays open; here its owner is the watcher"
)]

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::task::{Context, Poll};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A descriptor and whether something can be done with it.
#[derive(Debug)]
pub(crate) struct Ready {
    watched: AsyncFd<OwnedFd>,
}

impl Ready {
    /// Watches for something to read.
    ///
    /// # Errors
    ///
    /// Out of descriptors, or a descriptor that cannot be polled.
    pub(crate) fn to_read(fd: &impl AsFd) -> io::Result<Self> {
        Self::watch(fd, Interest::READABLE)
    }

    /// Watches for something to read and for room to write.
    ///
    /// # Errors
    ///
    /// As [`Self::to_read`].
    pub(crate) fn to_read_and_write(fd: &impl AsFd) -> io::Result<Self> {
        Self::watch(fd, Interest::READABLE | Interest::WRITABLE)
    }

    fn watch(fd: &impl AsFd, interest: Interest) -> io::Result<Self> {
        let duplicate = fd.as_fd().try_clone_to_owned()?;
        // SAFETY: an `OwnedFd` is an open descriptor and always the same one; it is moved into the `AsyncFd`, which
        // nobody else reaches and which is never asked for a mutable reference, so it stays open until both end.
        let watched = unsafe { AsyncFd::register_with_interest(duplicate, interest) }?;
        Ok(Self { watched })
    }

    /// Whether there was something to read when tokio looked last; if not, wakes the task when there is.
    pub(crate) fn poll_read(&self, context: &mut Context<'_>) -> Poll<()> {
        // An error means that the runtime ends; there is nothing to wait for then.
        self.watched.poll_read_ready(context).map(|guard| drop(guard.map(|mut guard| guard.retain_ready())))
    }

    /// Whether there was something to read when tokio looked last.
    pub(crate) fn is_readable(&self) -> bool {
        self.watched.try_io(Interest::READABLE, |_| Ok(())).is_ok()
    }

    /// There is nothing more to read: forget the readiness until the kernel says so anew.
    pub(crate) fn exhausted(&self) {
        let nothing: io::Result<()> =
            self.watched.try_io(Interest::READABLE, |_| Err(io::ErrorKind::WouldBlock.into()));
        drop(nothing);
    }

    /// Runs `read` when there is something to read, again until it says anything but "would block".
    ///
    /// # Errors
    ///
    /// Those of `read`.
    pub(crate) async fn read<T>(&self, mut read: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        self.watched.async_io(Interest::READABLE, |_| read()).await
    }

    /// Runs `write` when there is room, again until it says anything but "would block".
    ///
    /// # Errors
    ///
    /// Those of `write`.
    pub(crate) async fn write<T>(&self, mut write: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        self.watched.async_io(Interest::WRITABLE, |_| write()).await
    }
}
