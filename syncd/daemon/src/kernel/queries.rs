//! The query thread: dumps and single look-ups, which can last 40 ms and more.
//!
//! It has a socket of its own, takes questions in order and hands over answers in batches through a short channel;
//! when nobody takes them, the dump waits. Never sees the replica. Driven by [`super::Kernel`]; tested end to end.

use std::io;
use std::sync::mpsc as std_mpsc;
use std::task::{Context, Poll};
use std::thread;

use syncd_conntrack::{Errno as OsErrno, QueryError, QuerySocket, SocketError};
use syncd_core::flow::{Expectation, Flow, Whole};
use syncd_core::replica::{By, Errno, Token};
use tokio::sync::mpsc;

/// So many batches of a dump wait; one has about 130 flows.
const ANSWERS: usize = 8;
/// So many questions wait.
const ASKS: usize = 64;

/// A question.
#[derive(Debug)]
pub(super) enum Ask {
    /// The whole table.
    Dump(Token),
    /// One flow.
    Find(Token, By, Flow),
    /// All expectations.
    DumpExpectations(Token),
    /// One expectation.
    FindExpectation(Token, Box<Expectation>),
    /// How many there are.
    Count(Token),
}

/// A part of an answer.
#[derive(Debug)]
pub(super) enum Answer {
    /// Some flows of a dump.
    Dumped(Token, Vec<Whole>),
    /// The flow that was looked for.
    Found(Token, Box<Whole>),
    /// All expectations; that it is complete follows.
    Expectations(Token, Vec<Expectation>),
    /// The expectation that was looked for.
    FoundExpectation(Token, Box<Expectation>),
    /// The dump is complete.
    Done(Token),
    /// How many there are.
    Counted(Token, u32),
    /// There is no answer, or no more of it.
    Failed(Token, Errno),
}

/// Why there is no query thread.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ThreadError {
    /// No socket.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// No thread.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] io::Error),
}

/// Our end of the query thread.
#[derive(Debug)]
pub(super) struct QueryThread {
    asks: std_mpsc::SyncSender<Ask>,
    answers: mpsc::Receiver<Answer>,
    /// An answer that was received while waiting.
    received: Option<Answer>,
    /// Questions not yet answered.
    open: usize,
}

impl QueryThread {
    /// Opens the socket and starts the thread, in this network namespace.
    pub(super) fn start() -> Result<Self, ThreadError> {
        let socket = QuerySocket::open()?;
        let (asks, questions) = std_mpsc::sync_channel(ASKS);
        let (tell, answers) = mpsc::channel(ANSWERS);
        thread::Builder::new()
            .name("syncd-queries".to_owned())
            .spawn(move || work(socket, &questions, &tell))?;
        Ok(Self { asks, answers, received: None, open: 0 })
    }

    /// Whether one more question has room.
    pub(super) const fn can_ask(&self) -> bool {
        self.open < ASKS
    }

    /// Asks.
    pub(super) fn ask(&mut self, ask: Ask) {
        self.open += 1;
        // There is room, because no more are open than the channel holds; and the thread lives as long as we do.
        self.asks.send(ask).expect("the query thread ends after us");
    }

    /// Ready when there is an answer.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.received.is_none() {
            let Poll::Ready(answer) = self.answers.poll_recv(context) else { return Poll::Pending };
            self.received = answer;
        }
        Poll::Ready(())
    }

    /// The next answer, if there is one.
    pub(super) fn take(&mut self) -> Option<Answer> {
        let answer = self.received.take().or_else(|| self.answers.try_recv().ok())?;
        self.open -= usize::from(!matches!(answer, Answer::Dumped(..) | Answer::Expectations(..)));
        Some(answer)
    }
}

/// The thread: until nobody asks any more.
fn work(mut socket: QuerySocket, questions: &std_mpsc::Receiver<Ask>, tell: &mpsc::Sender<Answer>) {
    while let Ok(ask) = questions.recv() {
        let last = match ask {
            Ask::Dump(token) => dump(&mut socket, token, tell),
            Ask::Find(token, by, flow) => find(&mut socket, token, by, &flow),
            Ask::DumpExpectations(token) => dump_expectations(&mut socket, token, tell),
            Ask::FindExpectation(token, expectation) => find_expectation(&mut socket, token, &expectation),
            Ask::Count(token) => count(&mut socket, token),
        };
        if tell.blocking_send(last).is_err() {
            return;
        }
    }
}

fn dump(socket: &mut QuerySocket, token: Token, tell: &mpsc::Sender<Answer>) -> Answer {
    let done = socket.dump(|flows| {
        // Nobody there: the daemon is ending, and so is this thread after the dump.
        drop(tell.blocking_send(Answer::Dumped(token, flows.to_vec())));
    });
    match done {
        Ok(_) => Answer::Done(token),
        Err(error) => Answer::Failed(token, query_errno(&error)),
    }
}

fn find(socket: &mut QuerySocket, token: Token, by: By, flow: &Flow) -> Answer {
    let found = match by {
        By::Original => socket.get_by_original(flow),
        By::Reply => socket.get_by_reply(flow),
    };
    match found {
        Ok(Some(flow)) => Answer::Found(token, Box::new(flow)),
        Ok(None) => Answer::Failed(token, Errno::ENOENT),
        Err(error) => Answer::Failed(token, query_errno(&error)),
    }
}

fn count(socket: &mut QuerySocket, token: Token) -> Answer {
    match socket.count() {
        Ok(flows) => Answer::Counted(token, flows),
        Err(error) => Answer::Failed(token, query_errno(&error)),
    }
}

fn dump_expectations(socket: &mut QuerySocket, token: Token, tell: &mpsc::Sender<Answer>) -> Answer {
    match socket.dump_expectations() {
        Ok((expectations, _)) => {
            // As above.
            drop(tell.blocking_send(Answer::Expectations(token, expectations)));
            Answer::Done(token)
        }
        Err(error) => Answer::Failed(token, query_errno(&error)),
    }
}

fn find_expectation(socket: &mut QuerySocket, token: Token, expectation: &Expectation) -> Answer {
    match socket.get_expectation(expectation) {
        Ok(Some(found)) => Answer::FoundExpectation(token, Box::new(found)),
        Ok(None) => Answer::Failed(token, Errno::ENOENT),
        Err(error) => Answer::Failed(token, query_errno(&error)),
    }
}

/// What the replica hears of a question that failed.
fn query_errno(error: &QueryError) -> Errno {
    match error {
        QueryError::Refused(refused) => errno(*refused),
        QueryError::Socket(broken) => errno(broken.errno),
        QueryError::Malformed(_) => errno(OsErrno::EBADMSG),
        QueryError::Lost => errno(OsErrno::ENOBUFS),
        QueryError::TimedOut => errno(OsErrno::ETIMEDOUT),
    }
}

/// An error number as the replica knows it.
pub(super) fn errno(errno: OsErrno) -> Errno {
    Errno(u16::try_from(errno as i32).unwrap_or(u16::MAX))
}
