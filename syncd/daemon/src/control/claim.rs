//! Who may listen: one daemon per path. A socket whose daemon is dead is removed, a live one is respected.
//!
//! There is no pid file that could go stale: whether somebody listens is asked by connecting. Two daemons that start
//! together are kept apart by a lock on the directory, held only while looking. Tested in `control/tests.rs`.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use nix::sys::socket::{getsockopt, sockopt};
use nix::sys::stat::{Mode, fchmod};
use socket2::{Domain, SockAddr, Socket, Type};

/// So many clients wait to be accepted.
const BACKLOG: i32 = 16;

/// Why the socket cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClaimError {
    /// Another daemon listens there.
    #[error("syncd is already running (pid {pid}) on {}; stop it, or give another --socket", path.display())]
    Running {
        /// Its process.
        pid: i32,
        /// Where.
        path: PathBuf,
    },
    /// Something that is no socket has the name.
    #[error("cannot listen on {}: it is no socket; remove it, or give another --socket", path.display())]
    Other {
        /// Where.
        path: PathBuf,
    },
    /// The file system or the kernel refuses.
    #[error("cannot listen on {}: {source}; its directory must be writable for us", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The listening socket; its file goes when this does.
#[derive(Debug)]
pub(crate) struct Claim {
    socket: Socket,
    path: PathBuf,
}

impl Claim {
    /// Listens at `path`; makes its directory (mode 0755) if it is missing.
    ///
    /// # Errors
    ///
    /// See [`ClaimError`].
    pub(crate) fn take(path: &Path) -> Result<Self, ClaimError> {
        let failed = |source| ClaimError::Io { path: path.to_owned(), source };
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        fs::DirBuilder::new().recursive(true).mode(0o755).create(directory).map_err(failed)?;
        let lock = File::open(directory).map_err(failed)?;
        let _lock = Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, error)| failed(error.into()))?;
        remove_stale(path)?;
        let socket = listen(path).map_err(failed)?;
        Ok(Self { socket, path: path.to_owned() })
    }

    /// The listening socket; it does not block.
    pub(crate) const fn socket(&self) -> &Socket {
        &self.socket
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // Somebody may have removed it already; a file that stays is no obstacle for the next daemon.
        drop(fs::remove_file(&self.path));
    }
}

fn remove_stale(path: &Path) -> Result<(), ClaimError> {
    let failed = |source| ClaimError::Io { path: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(ClaimError::Other { path: path.to_owned() });
        }
        Ok(_) => {}
    }
    match super::connect(path) {
        // The kernel keeps the credentials of whoever called listen().
        Ok(socket) => {
            let pid = getsockopt(&socket, sockopt::PeerCredentials).map_or(0, |peer| peer.pid());
            Err(ClaimError::Running { pid, path: path.to_owned() })
        }
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(failed)
        }
        Err(error) => Err(failed(error)),
    }
}

fn listen(path: &Path) -> io::Result<Socket> {
    let socket = Socket::new(Domain::UNIX, Type::SEQPACKET.nonblocking().cloexec(), None)?;
    // Linux gives the file the mode of the unbound socket: it never exists with a wider one.
    fchmod(&socket, Mode::S_IRUSR | Mode::S_IWUSR)?;
    socket.bind(&SockAddr::unix(path)?)?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}
