//! One lab at a time on this host, whoever runs it and from whichever clone.
//!
//! The lock is a listening socket with an abstract name: the kernel lets one process have it, gives it back when that
//! process ends, however it ends, and no file remains. Held by `suite` around everything that builds a lab.

use std::io::{self, ErrorKind, Read};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};

use anyhow::{Context, Result};

const NAME: &[u8] = b"syncd-ci-lab";

/// Held until dropped.
pub(crate) struct HostLock(#[expect(dead_code, reason = "held for what its being open means")] UnixListener);

impl HostLock {
    /// Takes the lock, waiting for whoever holds it.
    ///
    /// # Errors
    /// When the kernel refuses sockets.
    pub(crate) fn take() -> Result<Self> {
        Self::take_named(NAME).context("cannot take the lock of the lab")
    }

    fn take_named(name: &[u8]) -> io::Result<Self> {
        let address = SocketAddr::from_abstract_name(name)?;
        let mut said = false;
        loop {
            match UnixListener::bind_addr(&address) {
                Ok(listener) => return Ok(Self(listener)),
                Err(error) if error.kind() == ErrorKind::AddrInUse => {}
                Err(error) => return Err(error),
            }
            if !said {
                eprintln!("another lab runs on this host; waiting for its end");
                said = true;
            }
            // The holder never accepts and never answers: the read ends when the holder does.
            if let Ok(mut stream) = UnixStream::connect_addr(&address) {
                let _ = stream.read(&mut [0]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::HostLock;
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixListener};
    use std::sync::{Arc, Mutex};
    use std::thread;

    #[test]
    fn the_second_waits_for_the_end_of_the_first() {
        let name = format!("syncd-ci-test-{}", std::process::id()).into_bytes();
        let order = Arc::new(Mutex::new(Vec::new()));
        let first = HostLock::take_named(&name).unwrap();
        assert!(UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).is_err());
        let second = thread::spawn({
            let order = Arc::clone(&order);
            move || {
                let _lock = HostLock::take_named(&name).unwrap();
                order.lock().unwrap().push("second begins");
            }
        });
        order.lock().unwrap().push("first ends");
        drop(first);
        second.join().unwrap();
        assert_eq!(*order.lock().unwrap(), ["first ends", "second begins"]);
    }
}
