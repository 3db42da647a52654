//! The socket on which metrics are asked for: in the file system, or TCP on an address that the operator names.
//!
//! Opens and removes, never accepts. Tested end to end.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use socket2::{Domain, SockAddr, Socket, Type};

use crate::config::MetricsSocket;
use crate::journal::{Journal, Level};

/// So many connections wait to be accepted.
const BACKLOG: i32 = 16;

/// Every user of this machine may ask, as over loopback: no flow is on the page.
const MODE: u32 = 0o666;

/// Why metrics cannot be shown.
#[derive(Debug, thiserror::Error)]
#[error("cannot show metrics on {at}: {reason}; {remedy}, or leave 'metrics' out of the configuration")]
pub(crate) struct ListenError {
    at: MetricsSocket,
    reason: String,
    remedy: &'static str,
}

/// The listening socket; its file, if it has one, goes when this does.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: Socket,
    file: Option<PathBuf>,
}

impl Listener {
    /// Listens. An address that no interface has yet is told and listened on all the same: it may come, as shared
    /// addresses do.
    ///
    /// # Errors
    ///
    /// See [`ListenError`].
    pub(crate) fn open(at: &MetricsSocket, journal: &Journal) -> Result<Self, ListenError> {
        let fail = |reason: String, remedy| ListenError { at: at.clone(), reason, remedy };
        match at {
            MetricsSocket::Tcp(address) => {
                let socket = tcp(*address, journal).map_err(|error| match error.kind() {
                    ErrorKind::AddrInUse => {
                        fail(error.to_string(), "stop who listens there, or take another port")
                    }
                    ErrorKind::PermissionDenied => fail(error.to_string(), "take a port above 1023"),
                    _ => fail(error.to_string(), "take another address"),
                })?;
                Ok(Self { socket, file: None })
            }
            MetricsSocket::Unix(path) => {
                let socket = unix(path).map_err(|error| match error.kind() {
                    ErrorKind::AddrInUse => {
                        fail("somebody listens there already".to_owned(), "stop it, or take another path")
                    }
                    ErrorKind::AlreadyExists => {
                        fail("what is there is no socket".to_owned(), "remove it, or take another path")
                    }
                    _ => fail(error.to_string(), "its directory must be writable for us"),
                })?;
                Ok(Self { socket, file: Some(path.clone()) })
            }
        }
    }

    /// The socket; it does not block.
    pub(super) const fn socket(&self) -> &Socket {
        &self.socket
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(path) = &self.file {
            // A file that stays is no obstacle for the next daemon.
            drop(fs::remove_file(path));
        }
    }
}

fn tcp(address: SocketAddr, journal: &Journal) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking().cloexec(), None)?;
    // A restart does not wait for the connections of before.
    socket.set_reuse_address(true)?;
    match socket.bind(&address.into()) {
        Err(error) if error.kind() == ErrorKind::AddrNotAvailable => {
            if address.is_ipv4() {
                socket.set_freebind_v4(true)?;
            } else {
                socket.set_freebind_v6(true)?;
            }
            socket.bind(&address.into())?;
            let ip = address.ip();
            journal.say(
                Level::Warn,
                format_args!("no interface has {ip} yet: metrics can be read when one gets it; else correct metrics.listen"),
            );
        }
        other => other?,
    }
    socket.listen(BACKLOG)?;
    Ok(socket)
}

fn unix(path: &Path) -> io::Result<Socket> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    fs::DirBuilder::new().recursive(true).mode(0o755).create(directory)?;
    // Two daemons that start together are kept apart.
    let _lock = Flock::lock(File::open(directory)?, FlockArg::LockExclusive)
        .map_err(|(_, error)| io::Error::from(error))?;
    remove_stale(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking().cloexec(), None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    fs::set_permissions(path, fs::Permissions::from_mode(MODE))?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}

/// Removes the socket of a daemon that is dead; refuses to touch anything else.
fn remove_stale(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(found) if !found.file_type().is_socket() => return Err(ErrorKind::AlreadyExists.into()),
        Ok(_) => {}
    }
    let probe = Socket::new(Domain::UNIX, Type::STREAM.nonblocking().cloexec(), None)?;
    match probe.connect(&SockAddr::unix(path)?) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path),
        // Connected, or its queue is full, or it is of another kind: alive.
        _ => Err(ErrorKind::AddrInUse.into()),
    }
}
