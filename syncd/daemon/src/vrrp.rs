//! keepalived's notify FIFO: lines in, roles out.
//!
//! keepalived writes one line per event, `GROUP "NAME" STATE PRIORITY`, each with one `write`. Only the lines of our
//! sync group count, and of instances `MASTER_RX_LOWER_PRI`.
//!
//! *A line leaves the FIFO when what it says is kept.* A daemon that is killed in between finds it again when it starts;
//! one that took it out first would believe the role of before, and nobody says it twice. So a line may be heard twice,
//! which is harmless, because entering a role twice is idempotent for the replica's owner.
//!
//! Never starts a program and never answers keepalived. Driven by the event loop; tested in `vrrp/tests.rs`.

#[cfg(test)]
mod tests;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::task::{Context, Poll};

use nix::errno::Errno;
use nix::fcntl::{OFlag, SpliceFFlags, tee};
use nix::sys::stat::Mode;
use nix::unistd::{mkfifo, pipe2};
use syncd_core::replica::Role;

use crate::ready::Ready;

/// No line of keepalived is longer (a name has at most 64 characters or so); what is longer is garbage.
const LONGEST_LINE: usize = 1024;

/// So many bytes are read at once.
const PIECE: usize = 4096;

/// Why the FIFO cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FifoError {
    /// It is not there and cannot be made.
    #[error("cannot make the FIFO {}: {source}; its directory must be writable for us", path.display())]
    Make {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It cannot be opened, or we are out of descriptors.
    #[error("cannot open the FIFO {}: {source}; it must belong to the user who runs syncd", path.display())]
    Open {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Something else has its name.
    #[error("{} is no FIFO; remove it, or give another notify-fifo", path.display())]
    Other {
        /// Where.
        path: PathBuf,
    },
}

/// What keepalived says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Vrrp {
    /// Our group has this role.
    Role(Role),
    /// A master of lower priority was heard while we are master: both were, and the other one steps back. Our own
    /// group has no transition then.
    PeerYielded,
}

/// The FIFO, open for reading.
#[derive(Debug)]
pub(crate) struct Fifo {
    file: File,
    ready: Ready,
    /// A pipe of ours, into which the kernel copies what is in the FIFO without taking it out (`tee(2)`): its ends.
    copied: File,
    copy: OwnedFd,
    /// So many bytes were looked at and are still in the FIFO.
    seen: usize,
    lines: Lines,
}

/// What a look into the FIFO has shown.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    /// In keepalived's order.
    pub(crate) said: Vec<Vrrp>,
    /// So many lines made no sense.
    pub(crate) garbage: u64,
}

impl Fifo {
    /// Opens the FIFO, and makes it (mode 0600) and its directory if they are missing: keepalived takes what is there.
    ///
    /// # Errors
    ///
    /// See [`FifoError`].
    pub(crate) fn open(path: &Path, group: &str) -> Result<Self, FifoError> {
        let failed_make = |source| FifoError::Make { path: path.to_owned(), source };
        let failed_open = |source| FifoError::Open { path: path.to_owned(), source };
        if let Some(directory) = path.parent() {
            fs::DirBuilder::new().recursive(true).mode(0o755).create(directory).map_err(failed_make)?;
        }
        match mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(error) => return Err(failed_make(error.into())),
        }
        // Open for writing too, so that keepalived's end is no end of file for us; never through a symbolic link.
        let flags = nix::libc::O_NONBLOCK | nix::libc::O_NOFOLLOW;
        let file =
            OpenOptions::new().read(true).write(true).custom_flags(flags).open(path).map_err(failed_open)?;
        if !file.metadata().map_err(failed_open)?.file_type().is_fifo() {
            return Err(FifoError::Other { path: path.to_owned() });
        }
        let ready = Ready::to_read(&file).map_err(failed_open)?;
        let (copied, copy) =
            pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).map_err(|e| failed_open(e.into()))?;
        Ok(Self { file, ready, copied: copied.into(), copy, seen: 0, lines: Lines::new(group) })
    }

    /// Ready when keepalived may have written; if not, wakes the task when it has.
    pub(crate) fn poll_read(&self, context: &mut Context<'_>) -> Poll<()> {
        self.ready.poll_read(context)
    }

    /// Looks at what was written since it was kept last, and leaves it in the FIFO until it is [`kept`](Self::kept).
    ///
    /// # Errors
    ///
    /// When the FIFO cannot be read any more.
    pub(crate) fn look(&mut self) -> io::Result<Heard> {
        assert_eq!(self.seen, 0, "what was heard is kept before more is");
        match tee(&self.file, &self.copy, PIECE, SpliceFFlags::SPLICE_F_NONBLOCK) {
            Ok(len) => self.seen = len,
            Err(Errno::EAGAIN) => self.ready.exhausted(),
            Err(error) => return Err(error.into()),
        }
        let mut bytes = [0; PIECE];
        self.copied.read_exact(&mut bytes[..self.seen])?;
        self.lines.take(&bytes[..self.seen]);
        let said = std::iter::from_fn(|| self.lines.next()).collect();
        Ok(Heard { said, garbage: self.lines.take_garbage() })
    }

    /// What was heard is where a restart finds it: takes it out of the FIFO. False if it was there no more, because
    /// somebody else reads the FIFO, too.
    ///
    /// # Errors
    ///
    /// When the FIFO cannot be read any more.
    pub(crate) fn kept(&mut self) -> io::Result<bool> {
        let seen = std::mem::take(&mut self.seen);
        match self.file.read_exact(&mut [0; PIECE][..seen]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            read => read.map(|()| true),
        }
    }
}

/// What `bytes` tell `group`, read in pieces of at most `piece` bytes, and how many lines made no sense.
pub(crate) fn understand(bytes: &[u8], piece: usize, group: &str) -> (Vec<Vrrp>, u64) {
    let mut lines = Lines::new(group);
    let mut said = Vec::new();
    for piece in bytes.chunks(piece.clamp(1, PIECE)) {
        lines.take(piece);
        said.extend(std::iter::from_fn(|| lines.next()));
    }
    (said, lines.take_garbage())
}

/// The lines of the FIFO, as they come in pieces.
#[derive(Debug)]
struct Lines {
    group: String,
    rest: Vec<u8>,
    /// The rest belongs to a line that is too long.
    skipping: bool,
    garbage: u64,
}

impl Lines {
    fn new(group: &str) -> Self {
        Self { group: group.to_owned(), rest: Vec::new(), skipping: false, garbage: 0 }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
    }

    fn take_garbage(&mut self) -> u64 {
        std::mem::take(&mut self.garbage)
    }

    /// The next line that means something to us, among the complete ones.
    fn next(&mut self) -> Option<Vrrp> {
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            if std::mem::take(&mut self.skipping) {
                continue;
            }
            match read_line(&line[..end], &self.group) {
                Line::Ours(said) => return Some(said),
                Line::OfOthers => {}
                Line::Garbage => self.garbage += 1,
            }
        }
        if self.rest.len() > LONGEST_LINE {
            self.garbage += u64::from(!self.skipping);
            self.skipping = true;
            self.rest.clear();
        }
        None
    }
}

/// What a line means to us.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    /// It is for us.
    Ours(Vrrp),
    /// It is about an instance's role, or about another group.
    OfOthers,
    /// It is not keepalived's.
    Garbage,
}

fn read_line(line: &[u8], group: &str) -> Line {
    let Ok(line) = str::from_utf8(line) else { return Line::Garbage };
    let Some((kind, rest)) = line.split_once(" \"") else { return Line::Garbage };
    // The name comes from keepalived's configuration and is not escaped: the last quote ends it.
    let Some((name, state_and_priority)) = rest.rsplit_once("\" ") else { return Line::Garbage };
    let state = state_and_priority.split(' ').next().unwrap_or("");
    match kind {
        // Which instances are in our group the FIFO does not say; that of another group costs a resync and takes over
        // nothing, because a backup of ours tells nothing that we do not have.
        "INSTANCE" if state == "MASTER_RX_LOWER_PRI" => Line::Ours(Vrrp::PeerYielded),
        "INSTANCE" => Line::OfOthers,
        "GROUP" if name != group => Line::OfOthers,
        "GROUP" => role_of(state).map_or(Line::Garbage, |role| Line::Ours(Vrrp::Role(role))),
        _ => Line::Garbage,
    }
}

/// STOP and DELETED: keepalived no longer speaks for this router, so it must not forward.
fn role_of(state: &str) -> Option<Role> {
    match state {
        "MASTER" => Some(Role::Primary),
        "BACKUP" => Some(Role::Backup),
        "FAULT" | "STOP" | "DELETED" => Some(Role::Fault),
        _ => None,
    }
}
