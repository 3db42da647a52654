//! One test lab at a time on this host: a failover beside another one would be judged under its load.
//!
//! The lock is a listening socket with an abstract name, which the kernel gives back when its process ends, however it
//! ends; no file remains.

use std::io::{ErrorKind, Read};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};

/// Held until dropped.
pub(crate) struct HostLock(#[expect(dead_code, reason = "held for what its being open means")] UnixListener);

impl HostLock {
    /// Takes the lock of all tests that build labs, waiting for whoever holds it.
    pub(crate) fn take() -> Self {
        Self::take_named("labctl-tests")
    }

    /// Takes another one of this kind.
    pub(crate) fn take_named(name: &str) -> Self {
        let address = SocketAddr::from_abstract_name(name).unwrap();
        loop {
            match UnixListener::bind_addr(&address) {
                Ok(listener) => return Self(listener),
                Err(error) => assert_eq!(error.kind(), ErrorKind::AddrInUse, "{error}"),
            }
            // Nobody accepts and nobody answers: the read ends when the holder of the lock does.
            if let Ok(mut stream) = UnixStream::connect_addr(&address) {
                let _ = stream.read(&mut [0]);
            }
        }
    }
}
