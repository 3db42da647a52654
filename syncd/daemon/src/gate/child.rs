//! A program that takes commands as lines. Never waits for it: a pipe that is full is an error, and what it says is read
//! when it is there. Driven by [`super::Gate`]; tested in `tests.rs`.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{self, Command, Stdio};
use std::task::{Context, Poll};

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use crate::ready::Ready;

/// What nobody has read yet of a program is not kept beyond this, in bytes.
const LONGEST: usize = 16 * 1024;

/// The program, running.
#[derive(Debug)]
pub(super) struct Child {
    process: process::Child,
    /// None when it was told to end.
    input: Option<File>,
    output: Stream,
    errors: Stream,
}

/// What it says on one of its outputs.
#[derive(Debug)]
struct Stream {
    file: File,
    ready: Ready,
    said: String,
    ended: bool,
}

impl Child {
    /// Starts it.
    ///
    /// # Errors
    ///
    /// Where it cannot be started; out of descriptors.
    pub(super) fn start(program: &Path, arguments: &[&OsStr]) -> io::Result<Self> {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // nft -i keeps what was typed in the home directory, and edits lines where there is a terminal.
        command.env_clear().env("HOME", "/nonexistent").env("LC_ALL", "C").env("TERM", "dumb");
        let mut process = command.spawn()?;
        match pipes(&mut process) {
            Ok((input, output, errors)) => Ok(Self { process, input: Some(input), output, errors }),
            Err(error) => {
                drop(process.kill());
                drop(process.wait());
                Err(error)
            }
        }
    }

    /// Says something to it.
    ///
    /// # Errors
    ///
    /// It has ended, or has not read for so long that it has no room.
    pub(super) fn say(&mut self, words: &str) -> io::Result<()> {
        let Some(input) = &mut self.input else { return Err(ErrorKind::BrokenPipe.into()) };
        match input.write(words.as_bytes())? {
            all if all == words.len() => Ok(()),
            _ => Err(ErrorKind::WouldBlock.into()),
        }
    }

    /// There is nothing more to say: it ends when it has done what it was told.
    pub(super) fn dismiss(&mut self) {
        self.input = None;
    }

    /// Ready when it may have said something; if not, wakes the task when it has.
    pub(super) fn poll_read(&self, context: &mut Context<'_>) -> Poll<()> {
        let streams = [&self.output, &self.errors];
        // Each is asked, so that each wakes us.
        let ready = streams.map(|stream| !stream.ended && stream.ready.poll_read(context).is_ready());
        if ready.contains(&true) { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Whether it may have said something since it was heard last.
    pub(super) fn speaks(&self) -> bool {
        [&self.output, &self.errors].into_iter().any(|stream| !stream.ended && stream.ready.is_readable())
    }

    /// Everything it has said until now: whole lines of its output, and complaints.
    pub(super) fn hear(&mut self) -> (Vec<String>, String) {
        // Complaints last: what it complains of after an answer belongs to what follows.
        self.output.read();
        self.errors.read();
        let whole = self.output.said.rfind('\n').map_or(0, |at| at + 1);
        let lines: String = self.output.said.drain(..whole).collect();
        (lines.lines().map(str::to_owned).collect(), std::mem::take(&mut self.errors.said))
    }

    /// Whether it will say nothing more.
    pub(super) const fn has_ended(&self) -> bool {
        self.output.ended && self.errors.ended
    }

    /// Ends it, whatever it does; what is left is to be buried.
    pub(super) fn end(mut self) -> Corpse {
        self.input = None;
        // It may have ended by itself.
        drop(self.process.kill());
        Corpse(self.process)
    }
}

/// A process that was killed. The kernel takes a while for what it held.
#[derive(Debug)]
pub(super) struct Corpse(process::Child);

impl Corpse {
    /// Whether nothing is left of it.
    pub(super) fn is_buried(&mut self) -> bool {
        // An error means that there is none.
        !matches!(self.0.try_wait(), Ok(None))
    }

    /// Waits until nothing is left of it.
    pub(super) fn bury(mut self) {
        drop(self.0.wait());
    }
}

fn pipes(process: &mut process::Child) -> io::Result<(File, Stream, Stream)> {
    let missing = || io::Error::from(ErrorKind::NotConnected);
    let input = unblocked(process.stdin.take().ok_or_else(missing)?.into())?;
    let output = Stream::new(process.stdout.take().ok_or_else(missing)?.into())?;
    let errors = Stream::new(process.stderr.take().ok_or_else(missing)?.into())?;
    Ok((input, output, errors))
}

/// Our end of a pipe: the other one is not changed.
fn unblocked(end: OwnedFd) -> io::Result<File> {
    fcntl(&end, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok(end.into())
}

impl Stream {
    fn new(end: OwnedFd) -> io::Result<Self> {
        let file = unblocked(end)?;
        let ready = Ready::to_read(&file)?;
        Ok(Self { file, ready, said: String::new(), ended: false })
    }

    fn read(&mut self) {
        let mut bytes = [0; 4096];
        while !self.ended {
            match self.file.read(&mut bytes) {
                Ok(0) => self.ended = true,
                Ok(len) => {
                    self.said.push_str(&String::from_utf8_lossy(&bytes[..len]));
                    if self.said.len() > LONGEST {
                        self.said.clear();
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return self.ready.exhausted(),
                Err(_) => self.ended = true,
            }
        }
    }
}
