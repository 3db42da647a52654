//! The control socket: how operators and tools reach a running daemon.
//!
//! A `SOCK_SEQPACKET` Unix socket, mode 0600, one JSON object per record ([`protocol`]). The server takes requests to
//! the event loop and answers back; it never touches the replica. Tested in `tests.rs` beside this file.

pub(crate) mod claim;
pub(crate) mod client;
pub(crate) mod protocol;
pub(crate) mod server;

#[cfg(test)]
mod tests;

use std::io;
use std::path::Path;

use socket2::{Domain, SockAddr, Socket, Type};

/// Where the daemon listens unless told otherwise.
pub(crate) const DEFAULT_SOCKET: &str = "/run/syncd/control";

/// No record is longer, in bytes: a page of flows with long reasons stays far below, and the kernel's default send
/// buffer takes it.
pub(crate) const LONGEST_RECORD: usize = 192 * 1024;

/// A connection to whoever listens at `path`.
fn connect(path: &Path) -> io::Result<Socket> {
    let socket = Socket::new(Domain::UNIX, Type::SEQPACKET.cloexec(), None)?;
    socket.connect(&SockAddr::unix(path)?)?;
    Ok(socket)
}
