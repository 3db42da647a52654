//! Asking a running daemon. Blocks; used by the commands, never by the daemon. Tested in `control/tests.rs`.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use socket2::Socket;

use super::LONGEST_RECORD;
use super::protocol::{self, RecordError, Request, Response};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// Nobody listens, or we may not ask.
    #[error("cannot reach the daemon on {}: {source}; {}", path.display(), unreachable_remedy(source))]
    Unreachable {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The daemon ended in between, or hung up.
    #[error("the daemon on {} ended before it answered; see its log", path.display())]
    HungUp {
        /// Where.
        path: PathBuf,
    },
    /// The answer makes no sense.
    #[error("cannot understand the daemon: {0}; use the syncd of the daemon's own version")]
    Record(#[from] RecordError),
    /// The daemon said no.
    #[error("{reason}; {remedy}")]
    Refused {
        /// Why.
        reason: String,
        /// What to do about it.
        remedy: String,
    },
}

fn unreachable_remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "run as root, or as the user who runs the daemon",
        _ => "start it ('systemctl start syncd', or 'syncd run --config FILE'), or give its --socket",
    }
}

/// A conversation with a daemon.
#[derive(Debug)]
pub(crate) struct Client {
    socket: Socket,
    path: PathBuf,
    buffer: Vec<u8>,
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    ///
    /// [`CallError::Unreachable`].
    pub(crate) fn connect(path: &Path) -> Result<Self, CallError> {
        let socket = super::connect(path)
            .map_err(|source| CallError::Unreachable { path: path.to_owned(), source })?;
        Ok(Self { socket, path: path.to_owned(), buffer: vec![0; LONGEST_RECORD] })
    }

    /// Begins the conversation anew.
    ///
    /// # Errors
    ///
    /// [`CallError::Unreachable`].
    pub(crate) fn reconnect(&mut self) -> Result<(), CallError> {
        *self = Self::connect(&self.path)?;
        Ok(())
    }

    /// Asks and waits for the answer.
    ///
    /// # Errors
    ///
    /// See [`CallError`]; a refusal is one.
    pub(crate) fn call(&mut self, request: &Request) -> Result<Response, CallError> {
        let hung_up = |_: io::Error| CallError::HungUp { path: self.path.clone() };
        self.socket.write(&protocol::encode(request)).map_err(hung_up)?;
        self.next()
    }

    /// Waits for the next part of an answer that has no end; see [`Request::Told`].
    ///
    /// # Errors
    ///
    /// See [`CallError`].
    pub(crate) fn next(&mut self) -> Result<Response, CallError> {
        let hung_up = |_: io::Error| CallError::HungUp { path: self.path.clone() };
        let len = self.socket.read(&mut self.buffer).map_err(hung_up)?;
        if len == 0 {
            return Err(CallError::HungUp { path: self.path.clone() });
        }
        match protocol::decode(&self.buffer[..len])? {
            Response::Refused { reason, remedy } => Err(CallError::Refused { reason, remedy }),
            response => Ok(response),
        }
    }
}
