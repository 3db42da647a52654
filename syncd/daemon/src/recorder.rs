//! `syncd run --record FILE`: everything the replica hears and does, for `sim replay FILE`.
//!
//! The loop fills a buffer; a thread of its own writes full ones to the file. When the disk cannot follow, or is full, the
//! recording ends with a word and replication goes on. A panic hands over what waits before it aborts; after a kill the
//! last second is missing. Knows nothing of what it records: [`syncd_core::recording`] does. Tested in
//! `recorder/tests.rs` and end to end.

#[cfg(test)]
mod tests;

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::panic;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TryRecvError, TrySendError, channel, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use syncd_core::recording::{Entry, Recorder, Start};
use syncd_core::time::Instant;

/// A buffer of so many bytes is full.
const BUFFER: usize = 256 * 1024;
/// So many full buffers wait for the disk: 16 MiB, some five seconds at 50,000 events a second.
const WAITING: usize = 64;
/// A buffer is handed over after so long, though it be not full.
const AGE: Duration = Duration::from_secs(1);
/// So long the end waits for the disk.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why there is no recording.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecordError {
    /// Nothing is overwritten: it may be the record of the failure that is looked for.
    #[error("cannot record into {}: it exists; give another --record, or remove it", path.display())]
    Exists {
        /// Where.
        path: PathBuf,
    },
    /// The file system refuses.
    #[error("cannot record into {}: {source}; its directory must be there and writable for us", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A recording that is being written. Its owner is the event loop; a panic's hook shares it.
#[derive(Debug)]
pub(crate) struct Recording(Arc<Mutex<Tape>>);

#[derive(Debug)]
struct Tape {
    recorder: Recorder,
    /// Full buffers; none once the recording has ended.
    full: Option<SyncSender<Vec<u8>>>,
    /// Buffers that were written.
    empty: Receiver<Vec<u8>>,
    /// How the writer ended.
    ended: Receiver<io::Result<()>>,
    /// When a buffer was handed over last.
    handed_over: Instant,
    /// Why it ended before the daemon.
    broken: Option<String>,
}

impl Recording {
    /// Makes the file, which only its owner may read: flows and the key of the tables are in it.
    ///
    /// # Errors
    ///
    /// See [`RecordError`].
    pub(crate) fn begin(path: &Path, now: Instant, start: Start<'_>) -> Result<Self, RecordError> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let recording = file.and_then(|file| Self::onto(file, now, start)).map_err(|source| {
            let path = path.to_owned();
            if source.kind() == io::ErrorKind::AlreadyExists {
                RecordError::Exists { path }
            } else {
                RecordError::Io { path, source }
            }
        })?;
        recording.survive_panics();
        Ok(recording)
    }

    /// Records onto `disk`.
    fn onto(disk: impl Write + Send + 'static, now: Instant, start: Start<'_>) -> io::Result<Self> {
        let (full, to_write) = sync_channel(WAITING);
        let (written, empty) = channel();
        let (tell, ended) = channel();
        thread::Builder::new().name("syncd-recorder".to_owned()).spawn(move || {
            // Whoever could be told may have gone.
            drop(tell.send(write_all(disk, &to_write, &written)));
        })?;
        let recorder = Recorder::new(now, start);
        let mut tape = Tape { recorder, full: Some(full), empty, ended, handed_over: now, broken: None };
        // What the replica was made with is in the file before anything can happen.
        tape.hand_over();
        Ok(Self(Arc::new(Mutex::new(tape))))
    }

    /// Records an entry.
    pub(crate) fn write(&self, entry: &Entry<'_>) {
        let mut tape = self.tape();
        if tape.full.is_some() {
            tape.recorder.write(entry);
            if tape.recorder.waiting() >= BUFFER {
                tape.hand_over();
            }
        }
    }

    /// Hands over what has waited for long. Why the recording has ended, if it has.
    pub(crate) fn keep_up(&self, now: Instant) -> Option<String> {
        let mut tape = self.tape();
        if now.since(tape.handed_over) >= AGE {
            tape.handed_over = now;
            tape.hand_over();
        }
        tape.hear_of_end();
        tape.broken.take()
    }

    /// Ends it on purpose, and waits until it is in the file.
    pub(crate) fn end(&self, now: Instant) {
        self.write(&Entry::End(now));
        self.tape().close();
    }

    fn tape(&self) -> MutexGuard<'_, Tape> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What led to a panic is what one would like to see again.
    fn survive_panics(&self) {
        let tape = Arc::clone(&self.0);
        let others = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            others(info);
            // Held by ourselves if it was the recorder that panicked.
            if let Ok(mut tape) = tape.try_lock() {
                tape.close();
            }
        }));
    }
}

impl Tape {
    /// Gives the buffer to the writer.
    fn hand_over(&mut self) {
        let Some(full) = &self.full else { return };
        let empty = self.empty.try_recv().unwrap_or_default();
        match full.try_send(self.recorder.take(empty)) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                let waiting = (WAITING * BUFFER) >> 20;
                self.end_early(format!("the disk cannot follow, {waiting} MiB wait for it"));
            }
            // How it ended was told before.
            Err(TrySendError::Disconnected(_)) => self.hear_of_end(),
        }
    }

    /// Whether the writer has met an error.
    fn hear_of_end(&mut self) {
        match self.ended.try_recv() {
            Ok(Err(error)) => self.end_early(error.to_string()),
            Ok(Ok(())) | Err(TryRecvError::Empty | TryRecvError::Disconnected) => {}
        }
    }

    fn end_early(&mut self, reason: String) {
        self.full = None;
        self.broken = Some(reason);
    }

    /// Hands over the rest and waits for the writer.
    fn close(&mut self) {
        self.hand_over();
        if self.full.take().is_some() {
            drop(self.ended.recv_timeout(PATIENCE));
        }
    }
}

/// The thread: until there are no more buffers.
fn write_all(mut disk: impl Write, full: &Receiver<Vec<u8>>, written: &Sender<Vec<u8>>) -> io::Result<()> {
    while let Ok(buffer) = full.recv() {
        disk.write_all(&buffer)?;
        // Nobody takes the last ones back.
        drop(written.send(buffer));
    }
    Ok(())
}
