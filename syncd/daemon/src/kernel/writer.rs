//! What changes the kernel's table. Few requests are executed where they are made; a full batch goes to the writing thread, so
//! that the kernel works on it while the next one is made and while the outcomes of the one before are told.
//!
//! Requests are executed in the order in which they were made, and nothing is read of the kernel between the first of them
//! and the last outcome: to the replica all batches of a round are one. Never sees the replica. Driven by [`super::Kernel`];
//! tested end to end.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use syncd_conntrack::{Batch, RequestSocket, SocketError};
use syncd_core::replica::{Errno, Token};

use super::queries::{ThreadError, errno};

/// So many batches are one round's. With more, a commit has fewer rounds, between which nobody writes; but all are executed
/// before anything else is read, 128 creations in about half a millisecond.
const BATCHES: usize = 8;

/// A batch, and what became of it.
#[derive(Debug, Default)]
pub(super) struct Written {
    batch: Batch,
    /// How each request ended, in their order.
    pub(super) outcomes: Vec<(Token, Option<Errno>)>,
    /// The kernel did not take the batch: nothing of it was executed.
    pub(super) refused: bool,
    /// The socket broke.
    pub(super) broken: Option<SocketError>,
}

impl Written {
    fn execute(&mut self, socket: &mut RequestSocket) {
        let outcomes = &mut self.outcomes;
        if let Err(error) = socket.send(&mut self.batch) {
            self.refused = true;
            let errno = errno(error.errno);
            outcomes.extend(self.batch.tokens().iter().map(|token| (Token(*token), Some(errno))));
            self.batch.clear();
            return;
        }
        let told = socket.outcomes(|token, outcome| {
            outcomes.push((Token(token), outcome.err().map(errno)));
        });
        self.broken = told.err();
    }
}

/// Our end of the writing thread.
#[derive(Debug)]
pub(super) struct Writer {
    socket: Arc<Mutex<RequestSocket>>,
    port_id: u32,
    /// The batch that is being made.
    next: Written,
    spare: Vec<Written>,
    full: SyncSender<Written>,
    executed: Receiver<Written>,
    /// Batches that the thread has, or has executed.
    under_way: usize,
    /// Batches that were executed and not told.
    untold: VecDeque<Written>,
}

impl Writer {
    /// Opens the socket and starts the thread, in this network namespace.
    pub(super) fn start() -> Result<Self, ThreadError> {
        let socket = RequestSocket::open()?;
        let port_id = socket.port_id();
        let socket = Arc::new(Mutex::new(socket));
        let (full, batches) = sync_channel::<Written>(BATCHES);
        let (tell, executed) = sync_channel(BATCHES);
        let theirs = Arc::clone(&socket);
        thread::Builder::new().name("syncd-writes".to_owned()).spawn(move || {
            while let Ok(mut written) = batches.recv() {
                written.execute(&mut lock(&theirs));
                if tell.send(written).is_err() {
                    return;
                }
            }
        })?;
        let spare = (1..BATCHES).map(|_| Written::default()).collect();
        let (next, untold) = (Written::default(), VecDeque::with_capacity(BATCHES));
        Ok(Self { socket, port_id, next, spare, full, executed, under_way: 0, untold })
    }

    /// The socket's netlink address.
    pub(super) const fn port_id(&self) -> u32 {
        self.port_id
    }

    /// Whether one more request has room.
    pub(super) fn has_room(&self) -> bool {
        !self.next.batch.is_full() && self.untold.is_empty()
    }

    /// Takes a request.
    pub(super) fn add(&mut self, request: impl FnOnce(&mut Batch)) {
        request(&mut self.next.batch);
        if self.next.batch.is_full() && !self.spare.is_empty() {
            self.hand_over();
        }
    }

    /// Executes what was taken, and waits for it.
    pub(super) fn wait(&mut self) {
        while let Some(written) = self.take() {
            self.untold.push_back(written);
        }
    }

    /// The next batch that was executed, if there is one; waits for it, and sees to it that others go on meanwhile.
    pub(super) fn next_written(&mut self) -> Option<Written> {
        self.untold.pop_front().or_else(|| self.take())
    }

    /// Its outcomes were told.
    pub(super) fn told(&mut self, mut written: Written) {
        if self.spare.len() + 1 < BATCHES {
            written.outcomes.clear();
            (written.refused, written.broken) = (false, None);
            self.spare.push(written);
        }
    }

    /// Whether every outcome of what may have been executed was told.
    pub(super) fn is_told(&self) -> bool {
        self.under_way == 0 && self.untold.is_empty()
    }

    fn take(&mut self) -> Option<Written> {
        if self.under_way > 0 {
            if !self.next.batch.is_empty() && !self.spare.is_empty() {
                self.hand_over();
            }
            self.under_way -= 1;
            return Some(self.executed.recv().expect("the writing thread ends after us"));
        }
        if self.next.batch.is_empty() {
            return None;
        }
        let mut written = self.begin_another();
        written.execute(&mut lock(&self.socket));
        Some(written)
    }

    fn hand_over(&mut self) {
        let full = self.begin_another();
        self.under_way += 1;
        // There is room, because the channel holds all batches there are.
        self.full.send(full).expect("the writing thread ends after us");
    }

    /// Begins another batch; this was the one before.
    fn begin_another(&mut self) -> Written {
        let mut another = self.spare.pop().unwrap_or_default();
        another.batch.follow(&self.next.batch);
        std::mem::replace(&mut self.next, another)
    }
}

fn lock(socket: &Mutex<RequestSocket>) -> MutexGuard<'_, RequestSocket> {
    socket.lock().unwrap_or_else(PoisonError::into_inner)
}
