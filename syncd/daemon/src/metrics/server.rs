//! Serving scrapes: one task each, which asks the event loop for the page and hands it over.
//!
//! Nobody here can hold up the loop: so many are served at once and the others wait in the kernel; each has
//! [`PATIENCE`] for everything, request and answer; the page is made at most once in [`FRESH`]. Whoever can reach the
//! socket may ask. Tested end to end.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::time::Duration;

use socket2::Socket;
use syncd_core::time::Instant;
use tokio::sync::{Mutex, Semaphore, mpsc, oneshot};
use tokio::task::yield_now;
use tokio::time::timeout;

use super::http::{self, LONGEST_HEAD};
use super::listen::Listener;
use crate::accept::Door;
use crate::clock;
use crate::control::protocol::{Request, Response};
use crate::control::server::Call;
use crate::journal::{Journal, Level};
use crate::ready::Ready;

/// So many are served at once.
const PLACES: usize = 8;
/// How long one may take for its request and the answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long somebody who was answered may still talk before the connection is cut.
const FAREWELL: Duration = Duration::from_secs(1);
/// No more than this is read of what follows a request, in bytes.
const LONGEST_FAREWELL: usize = 256 * 1024;
/// A page is as good as new for so long.
const FRESH: Duration = Duration::from_millis(100);

/// The page, and who makes it.
struct Pages {
    calls: mpsc::Sender<Call>,
    last: Mutex<Option<(Instant, Arc<str>)>>,
}

/// Accepts for ever; returns when the listening socket is broken, having said so.
pub(crate) async fn serve(listener: Listener, calls: mpsc::Sender<Call>, journal: Journal) {
    if let Err(error) = accept(&listener, calls).await {
        let text = format_args!("metrics are no longer shown: {error}; restart syncd to show them again");
        journal.say(Level::Error, text);
    }
}

async fn accept(listener: &Listener, calls: mpsc::Sender<Call>) -> io::Result<()> {
    let door = Door::of(listener.socket())?;
    let places = Arc::new(Semaphore::new(PLACES));
    let pages = Arc::new(Pages { calls, last: Mutex::new(None) });
    loop {
        // Whoever finds no place waits in the kernel's queue, and costs nothing here.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return Ok(()) };
        let socket = door.client().await?;
        let pages = Arc::clone(&pages);
        tokio::spawn(async move {
            // Whatever ends the conversation, it is the client's: nobody here waits for it.
            drop(converse(&socket, &pages).await);
            drop(place);
        });
        // Who connects again and again does so between the rounds of the loop.
        yield_now().await;
    }
}

async fn converse(socket: &Socket, pages: &Pages) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    let ready = Ready::to_read_and_write(socket)?;
    timeout(PATIENCE, exchange(socket, &ready, pages)).await??;
    socket.shutdown(Shutdown::Write)?;
    // What is unread when a socket closes makes the kernel throw away the answer with it.
    timeout(FAREWELL, drain(socket, &ready)).await?
}

/// Reads a request and answers it.
async fn exchange(mut socket: &Socket, ready: &Ready, pages: &Pages) -> io::Result<()> {
    let mut head = [0; LONGEST_HEAD];
    let mut len = 0;
    let asked = loop {
        let more = ready.read(|| socket.read(&mut head[len..])).await?;
        if more == 0 {
            return Ok(());
        }
        let seen = len;
        len += more;
        if let Some(asked) = http::understand(&head[..len], seen) {
            break asked;
        }
    };
    let answer = match asked {
        Err(refused) => http::refused(&refused),
        Ok(wanted) => match pages.page().await {
            Some(page) => http::page(wanted, &page),
            None => http::unavailable("the daemon is ending"),
        },
    };
    let mut rest = &answer[..];
    while !rest.is_empty() {
        let written = ready.write(|| socket.write(rest)).await?;
        rest = &rest[written..];
    }
    Ok(())
}

async fn drain(mut socket: &Socket, ready: &Ready) -> io::Result<()> {
    let (mut scratch, mut read) = ([0; 4096], 0);
    while read < LONGEST_FAREWELL {
        match ready.read(|| socket.read(&mut scratch)).await? {
            0 => break,
            more => read += more,
        }
    }
    Ok(())
}

impl Pages {
    /// A page that is fresh enough. Those who ask at the same time get the same.
    async fn page(&self) -> Option<Arc<str>> {
        let mut last = self.last.lock().await;
        let now = clock::now();
        if let Some((made, page)) = &*last
            && now.since(*made) < FRESH
        {
            return Some(Arc::clone(page));
        }
        let (answer, answered) = oneshot::channel();
        self.calls.send(Call { request: Request::Metrics, answer }).await.ok()?;
        let Ok(Response::Metrics(page)) = answered.await else { return None };
        let page: Arc<str> = page.into();
        *last = Some((now, Arc::clone(&page)));
        Some(page)
    }
}
