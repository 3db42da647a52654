//! Serving clients: one task each, which hands requests to the event loop and carries the answers back.
//!
//! Only root and the daemon's own user are served. The number of clients is bounded; one that says nothing, or does
//! not take its answer, for [`PATIENCE`] is dropped and never waited for. Tested in `control/tests.rs`.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::Duration;

use nix::sys::socket::{getsockopt, sockopt};
use nix::unistd::geteuid;
use socket2::Socket;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;

use super::LONGEST_RECORD;
use super::claim::Claim;
use super::protocol::{self, Request, Response};
use crate::accept::Door;
use crate::journal::told::Told;
use crate::ready::Ready;

/// So many clients are served at once.
pub(crate) const MAX_CLIENTS: usize = 32;
/// How long a client may be silent between requests, or leave an answer lying.
const PATIENCE: Duration = Duration::from_secs(10);

/// A request and where its answer goes. An answer nobody waits for any more is dropped.
#[derive(Debug)]
pub(crate) struct Call {
    /// What is wanted.
    pub(crate) request: Request,
    /// Who waits.
    pub(crate) answer: oneshot::Sender<Response>,
}

/// Accepts clients for ever.
///
/// # Errors
///
/// When the listening socket is broken.
pub(crate) async fn serve(claim: Arc<Claim>, calls: mpsc::Sender<Call>, told: Arc<Told>) -> io::Result<()> {
    let door = Door::of(claim.socket())?;
    let places = Arc::new(Semaphore::new(MAX_CLIENTS));
    loop {
        let socket = door.client().await?;
        if !is_trusted(&socket) {
            continue;
        }
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            let full = Response::refused("too many clients", "try again in a moment");
            drop((&socket).write(&protocol::encode(&full)));
            continue;
        };
        let (calls, told) = (calls.clone(), Arc::clone(&told));
        tokio::spawn(async move {
            // Whatever ends the conversation, it is the client's: nobody here waits for it.
            drop(converse(&socket, &calls, &told).await);
            drop(place);
        });
    }
}

/// Whether the other end is root or our own user. The file's mode says the same; a passed descriptor would not.
fn is_trusted(socket: &Socket) -> bool {
    getsockopt(socket, sockopt::PeerCredentials)
        .is_ok_and(|peer| peer.uid() == 0 || peer.uid() == geteuid().as_raw())
}

async fn converse(socket: &Socket, calls: &mpsc::Sender<Call>, told: &Told) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    let ready = Ready::to_read_and_write(socket)?;
    let mut buffer = vec![0; LONGEST_RECORD];
    loop {
        let mut from = socket;
        let len = timeout(PATIENCE, ready.read(|| from.read(&mut buffer))).await??;
        if len == 0 {
            return Ok(());
        }
        let response = match understand(&buffer[..len]) {
            Ok(Request::Told { after, follow: true }) => return follow(socket, &ready, told, after).await,
            Ok(Request::Told { after, follow: false }) => Response::Told(told.after(after)),
            Ok(request) => ask(request, calls).await,
            Err(refused) => refused,
        };
        answer(socket, &ready, &response).await?;
    }
}

async fn answer(socket: &Socket, ready: &Ready, response: &Response) -> io::Result<()> {
    let record = protocol::encode(response);
    let mut to = socket;
    timeout(PATIENCE, ready.write(|| to.write(&record))).await??;
    Ok(())
}

/// Hands over every line after `number` as it comes, until the client hangs up. One that does not take them is dropped
/// like every other.
async fn follow(socket: &Socket, ready: &Ready, told: &Told, mut number: u64) -> io::Result<()> {
    let mut news = told.subscribe();
    loop {
        news.borrow_and_update();
        let lines = told.after(number);
        if let Some(last) = lines.last() {
            number = last.number;
            answer(socket, ready, &Response::Told(lines)).await?;
            continue;
        }
        let mut from = socket;
        // Whatever the client says now, it is over: it has hung up, or it does not know what it asked for.
        tokio::select! {
            changed = news.changed() => if changed.is_err() { return Ok(()) },
            _ = ready.read(|| from.read(&mut [0])) => return Ok(()),
        }
    }
}

/// A client's record as a request, or what it is answered instead.
pub(crate) fn understand(record: &[u8]) -> Result<Request, Response> {
    protocol::decode(record)
        .map_err(|error| Response::refused(error.to_string(), "use the syncd of the daemon's own version"))
}

/// Brings a request to the event loop and waits for the answer; a role may take as long as its jobs.
async fn ask(request: Request, calls: &mpsc::Sender<Call>) -> Response {
    let ending = || Response::refused("the daemon is ending", "start it again");
    let (answer, answered) = oneshot::channel();
    if calls.send(Call { request, answer }).await.is_err() {
        return ending();
    }
    answered.await.unwrap_or_else(|_| ending())
}
