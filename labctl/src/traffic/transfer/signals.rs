//! Waiting inside a session: for its socket, for the word to go on, for the end of everything.
//!
//! Every wait of a session goes through here, so that it ends when the traffic does. Never reads and never writes.
//! Tested through `tests.rs`.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::EventFd;
use socket2::{Domain, Protocol, Socket, Type};

/// Two events that come once and stay.
#[derive(Clone, Debug)]
pub(super) struct Signals {
    go: Arc<EventFd>,
    stop: Arc<EventFd>,
}

impl Signals {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { go: Arc::new(EventFd::new()?), stop: Arc::new(EventFd::new()?) })
    }

    /// What was announced may be opened.
    pub(super) fn go(&self) {
        // The counter is never read, so it stays ready for everybody. It cannot be full.
        let _ = self.go.write(1);
    }

    /// Everything ends.
    pub(super) fn stop(&self) {
        let _ = self.stop.write(1);
    }

    /// Waits until there is something to read; None waits for ever.
    ///
    /// # Errors
    /// `TimedOut` at the deadline, `Interrupted` at the end of everything.
    pub(super) fn readable(&self, socket: impl AsFd, deadline: impl Into<Option<Instant>>) -> io::Result<()> {
        self.ready(socket.as_fd(), PollFlags::POLLIN, deadline.into())
    }

    /// Waits until something can be written, or the connection is there.
    ///
    /// # Errors
    /// As [`readable`](Self::readable).
    pub(super) fn writable(&self, socket: impl AsFd, deadline: Instant) -> io::Result<()> {
        self.ready(socket.as_fd(), PollFlags::POLLOUT, Some(deadline))
    }

    /// Waits for the word to go on.
    ///
    /// # Errors
    /// `Interrupted` at the end of everything.
    pub(super) fn wait_go(&self) -> io::Result<()> {
        self.readable(&*self.go, None)
    }

    /// Waits for the word to go on; the connection must be silent until then.
    ///
    /// # Errors
    /// `InvalidData` when it is not silent or breaks, `Interrupted` at the end of everything.
    pub(super) fn wait_go_beside(&self, connection: impl AsFd) -> io::Result<()> {
        let mut watched = [
            PollFd::new(self.stop.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.go.as_fd(), PollFlags::POLLIN),
            PollFd::new(connection.as_fd(), PollFlags::POLLIN),
        ];
        wait(&mut watched, None)?;
        if is_set(&watched[0]) {
            return Err(ended());
        }
        if is_set(&watched[2]) {
            return Err(super::broken("the control flow spoke or ended before it was its turn"));
        }
        Ok(())
    }

    /// Waits for the end of everything.
    pub(super) fn wait_stop(&self) {
        // Nothing but the end can come of it.
        let _ = wait(&mut [PollFd::new(self.stop.as_fd(), PollFlags::POLLIN)], None);
    }

    /// Connects, without waiting longer than any other step may.
    ///
    /// # Errors
    /// The kernel's, or as [`readable`](Self::readable).
    pub(super) fn connect(
        &self,
        from: Option<SocketAddr>,
        to: SocketAddr,
        deadline: Instant,
    ) -> io::Result<TcpStream> {
        let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        if let Some(from) = from {
            // Many connections come from port 20.
            socket.set_reuse_address(true)?;
            socket.bind(&from.into())?;
        }
        match socket.connect(&to.into()) {
            Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => return Err(error),
            _ => {}
        }
        self.writable(&socket, deadline)?;
        match socket.take_error()? {
            Some(error) => Err(error),
            None => {
                socket.set_tcp_nodelay(true)?;
                Ok(socket.into())
            }
        }
    }

    fn ready(&self, socket: BorrowedFd<'_>, flags: PollFlags, deadline: Option<Instant>) -> io::Result<()> {
        let mut watched = [PollFd::new(self.stop.as_fd(), PollFlags::POLLIN), PollFd::new(socket, flags)];
        wait(&mut watched, deadline)?;
        if is_set(&watched[0]) {
            return Err(ended());
        }
        if is_set(&watched[1]) {
            return Ok(());
        }
        Err(io::Error::new(ErrorKind::TimedOut, "nothing came of it in time"))
    }
}

/// How the end of everything looks to a session.
fn ended() -> io::Error {
    io::Error::new(ErrorKind::Interrupted, "the traffic was stopped")
}

fn is_set(watched: &PollFd<'_>) -> bool {
    watched.revents().is_some_and(|seen| !seen.is_empty())
}

fn wait(watched: &mut [PollFd<'_>], deadline: Option<Instant>) -> io::Result<()> {
    loop {
        let patience = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let timeout = match patience {
            None => PollTimeout::NONE,
            // Rounded up: an early wake-up would only wait again.
            Some(patience) => {
                let patience = patience + Duration::from_micros(999);
                PollTimeout::try_from(patience.as_millis()).unwrap_or(PollTimeout::MAX)
            }
        };
        match poll(watched, timeout) {
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
            Ok(_) => return Ok(()),
        }
    }
}
