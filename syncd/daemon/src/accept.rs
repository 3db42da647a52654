//! Accepting clients on a listening socket, whoever serves them.
//!
//! What one client does wrong, or the machine lacks for a moment, ends no server. Decides about nobody: that is the
//! server's. Driven by the control and the metrics server; tested through them.

use std::io;
use std::time::Duration;

use nix::errno::Errno;
use socket2::Socket;

use crate::ready::Ready;

/// So long nobody is accepted when something has run out: the kernel says so at once and again, and a client that ends
/// makes room.
const SHORTAGE: Duration = Duration::from_millis(100);

/// A listening socket that does not block.
#[derive(Debug)]
pub(crate) struct Door<'s> {
    socket: &'s Socket,
    ready: Ready,
}

impl<'s> Door<'s> {
    /// Watches the socket.
    ///
    /// # Errors
    ///
    /// Out of descriptors.
    pub(crate) fn of(socket: &'s Socket) -> io::Result<Self> {
        Ok(Self { socket, ready: Ready::to_read(socket)? })
    }

    /// The next client.
    ///
    /// # Errors
    ///
    /// When the socket is broken.
    pub(crate) async fn client(&self) -> io::Result<Socket> {
        loop {
            match self.ready.read(|| self.socket.accept()).await {
                Ok((client, _)) => return Ok(client),
                Err(error) if is_of_one_client(&error) => {}
                Err(error) if is_shortage(&error) => tokio::time::sleep(SHORTAGE).await,
                Err(error) => return Err(error),
            }
        }
    }
}

/// Whether accepting failed because of whoever wanted to be accepted.
fn is_of_one_client(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted)
}

/// Whether accepting failed because something has run out for the moment.
fn is_shortage(error: &io::Error) -> bool {
    let shortages = [Errno::EMFILE, Errno::ENFILE, Errno::ENOBUFS, Errno::ENOMEM];
    error.raw_os_error().is_some_and(|number| shortages.contains(&Errno::from_raw(number)))
}
