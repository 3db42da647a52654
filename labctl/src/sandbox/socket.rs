//! The labs' sockets: abstract names, so that no file can go stale.
//!
//! An abstract name belongs to the network namespace in which it was bound, the host's, and goes with its last socket.
//! Never trusts a name alone: both sides compare the other's user with their own. Tested in `labctl/tests/scenarios/holder.rs`.

use std::fs;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};

use nix::sys::socket::{getsockopt, sockopt};
use nix::unistd::{Uid, geteuid};

fn address(lab: &str) -> io::Result<SocketAddr> {
    SocketAddr::from_abstract_name(format!("{}{lab}", prefix()))
}

fn prefix() -> String {
    format!("labctl/{}/", geteuid())
}

/// Takes the lab's name; `AddrInUse` when such a lab runs.
///
/// # Errors
/// What the kernel said.
pub(crate) fn listen(lab: &str) -> io::Result<UnixListener> {
    UnixListener::bind_addr(&address(lab)?)
}

/// Reaches a lab of this user.
///
/// # Errors
/// `ConnectionRefused` when there is no such lab, `PermissionDenied` when somebody else has taken its name.
pub(crate) fn connect(lab: &str) -> io::Result<UnixStream> {
    let stream = UnixStream::connect_addr(&address(lab)?)?;
    require_user(&stream, geteuid())?;
    Ok(stream)
}

/// Refuses whoever is not `user`.
///
/// # Errors
/// `PermissionDenied`.
pub(crate) fn require_user(stream: &UnixStream, user: Uid) -> io::Result<()> {
    let credentials = getsockopt(stream, sockopt::PeerCredentials)?;
    if Uid::from_raw(credentials.uid()) == user {
        Ok(())
    } else {
        Err(io::Error::new(io::ErrorKind::PermissionDenied, "the other side is another user's"))
    }
}

/// The names of this user's labs, from the kernel's list of sockets.
///
/// # Errors
/// When `/proc` cannot be read.
pub(crate) fn list() -> io::Result<Vec<String>> {
    let mut labs = names(&fs::read_to_string("/proc/net/unix")?, &format!("@{}", prefix()));
    labs.sort();
    labs.dedup();
    Ok(labs)
}

/// Abstract names are shown with an `@` in the place of their first byte, as the last word of a line.
fn names(table: &str, prefix: &str) -> Vec<String> {
    let name = |line: &str| line.split_whitespace().last()?.strip_prefix(prefix).map(str::to_owned);
    table.lines().filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn only_this_users_labs_are_listed() {
        let table = "Num       RefCount Protocol Flags    Type St Inode Path\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 1234 @labctl/0/demo\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 1235 @labctl/65534/theirs\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 1236 /run/other\n";
        assert_eq!(names(table, "@labctl/0/"), ["demo"]);
    }
}
