//! Descriptors that travel over a Unix socket with a message.
//!
//! The only unsafe code of the sandbox: the kernel hands over descriptors as numbers. Never interprets the message.
//! Driven by the session's server and by `exec` and `shell`; tested below.
#![expect(unsafe_code, reason = "descriptors arrive as numbers, and owning a number has no safe form")]

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};

/// More than a node has namespaces.
const DESCRIPTORS_MAX: usize = 8;

/// Sends a message, of at least one byte, with descriptors.
///
/// # Errors
/// What the kernel said.
pub(crate) fn send_descriptors(
    stream: &UnixStream,
    message: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let numbers: Vec<RawFd> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
    let control = [ControlMessage::ScmRights(&numbers)];
    let control = if numbers.is_empty() { &[][..] } else { &control };
    let sent = sendmsg::<()>(stream.as_raw_fd(), &[IoSlice::new(message)], control, MsgFlags::empty(), None)?;
    if sent < message.len() {
        return Err(io::ErrorKind::WriteZero.into());
    }
    Ok(())
}

/// Receives one message of at most a few kilobytes, and the descriptors that came with it.
///
/// # Errors
/// What the kernel said.
pub(crate) fn receive_descriptors(stream: &UnixStream) -> io::Result<(Vec<u8>, Vec<OwnedFd>)> {
    let mut message = vec![0; 4096];
    let mut control = nix::cmsg_space!([RawFd; DESCRIPTORS_MAX]);
    let mut parts = [IoSliceMut::new(&mut message)];
    let received =
        recvmsg::<()>(stream.as_raw_fd(), &mut parts, Some(&mut control), MsgFlags::MSG_CMSG_CLOEXEC)?;
    let length = received.bytes;
    let mut descriptors = Vec::new();
    for control in received.cmsgs()? {
        if let ControlMessageOwned::ScmRights(numbers) = control {
            // SAFETY: the kernel has just made these descriptors for us, and nobody else knows them.
            descriptors.extend(numbers.into_iter().map(|number| unsafe { OwnedFd::from_raw_fd(number) }));
        }
    }
    message.truncate(length);
    Ok((message, descriptors))
}

#[cfg(test)]
mod tests {
    use super::{receive_descriptors, send_descriptors};
    use std::fs::File;
    use std::io::{Read, Write};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_descriptor_arrives_as_another_number_for_the_same_file() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (mut reader, writer) = std::io::pipe().unwrap();
        send_descriptors(&ours, b"words\n", &[writer.as_fd()]).unwrap();
        drop(writer);
        let (message, mut descriptors) = receive_descriptors(&theirs).unwrap();
        assert_eq!(message, b"words\n");
        File::from(descriptors.pop().unwrap()).write_all(b"through").unwrap();
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "through");
        assert!(descriptors.is_empty());
    }
}
