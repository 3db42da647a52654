//! The lab's end of all sessions: connections, and when the lab ends.
//!
//! One thread per connection. Ends when it is told to, or when its owner goes without having told it to stay: returning
//! from here ends the lab's first process and with it everything. Never trusts a connection of another user. Driven by
//! `main`; tested in `labctl/tests/scenarios/holder.rs`.

use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread;

use anyhow::{Result, anyhow};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::geteuid;

use super::answer::{Place, answer, lab};
use super::{Answer, Request};
use crate::ending::exit_code;
use crate::poll as again;
use crate::sandbox::{Inside, send_descriptors, socket};

/// What all connections share.
struct Shared {
    lab: Place,
    /// Whether the lab lives on without its owner.
    stay: AtomicBool,
    /// Tells the main thread that the lab ends.
    end: Sender<()>,
}

impl Shared {
    fn end(&self) {
        // The main thread may be gone already.
        let _ = self.end.send(());
    }
}

/// Serves until the lab ends.
///
/// # Errors
/// When threads cannot be started.
pub(crate) fn serve(inside: Inside) -> Result<()> {
    let (end, ended) = mpsc::channel();
    let shared = Arc::new(Shared { lab: Place::new(), stay: AtomicBool::new(false), end });
    let Inside { owner, listener } = inside;
    let watched = owner.try_clone()?;
    start("owner", &shared, move |shared| converse(shared, owner))?;
    start("watch", &shared, move |shared| watch(shared, &watched))?;
    start("accept", &shared, move |shared| accept(shared, &listener))?;
    // Fails only if all threads are gone, which is an end as well.
    let _ = ended.recv();
    Ok(())
}

fn start(
    name: &str,
    shared: &Arc<Shared>,
    body: impl FnOnce(&Arc<Shared>) + Send + 'static,
) -> io::Result<()> {
    let shared = Arc::clone(shared);
    thread::Builder::new().name(name.to_owned()).spawn(move || body(&shared)).map(drop)
}

/// Notices the owner's end at once, also while its request is being worked on: a hangup is told without being asked for.
fn watch(shared: &Shared, owner: &UnixStream) {
    let mut hangup = [PollFd::new(owner.as_fd(), PollFlags::empty())];
    while poll(&mut hangup, PollTimeout::NONE) == Err(Errno::EINTR) {}
    if !shared.stay.load(Ordering::SeqCst) {
        shared.end();
    }
}

fn accept(shared: &Arc<Shared>, listener: &UnixListener) {
    for stream in listener.incoming() {
        let served = stream.and_then(|stream| {
            socket::require_user(&stream, geteuid())?;
            start("session", shared, move |shared| converse(shared, stream))
        });
        if let Err(error) = served {
            eprintln!("a session was refused: {error}");
            // What is lacking, such as descriptors, may come back.
            again::pause(again::INTERVAL);
        }
    }
}

/// Answers one connection until its other side goes.
fn converse(shared: &Shared, stream: UnixStream) {
    let Ok(answers) = stream.try_clone() else { return };
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        let last = match serde_json::from_str(&line) {
            Err(error) => Err(anyhow!("not understood: {error}")),
            Ok(Request::Stay) => {
                shared.stay.store(true, Ordering::SeqCst);
                Ok(Some(true))
            }
            Ok(Request::Down) => {
                say(&answers, &Answer::Done { well: true });
                shared.end();
                return;
            }
            Ok(Request::Namespaces(node)) => hand_over(shared, &node, &answers).map(|()| None),
            Ok(request) => answer(&shared.lab, request, &mut |answer| say(&answers, answer)).map(Some),
        };
        match last {
            Ok(Some(well)) => say(&answers, &Answer::Done { well }),
            // The answer has gone with what was handed over.
            Ok(None) => {}
            Err(error) => say(&answers, &failed(&error)),
        }
    }
}

/// An answer that nobody hears any more is nobody's loss: the connection's end is noticed where it is read.
fn say(mut stream: &UnixStream, answer: &Answer) {
    if let Ok(mut line) = serde_json::to_string(answer) {
        line.push('\n');
        let _ = stream.write_all(line.as_bytes());
    }
}

fn failed(error: &anyhow::Error) -> Answer {
    Answer::Failed { message: format!("{error:#}"), code: exit_code(error) }
}

fn hand_over(shared: &Shared, node: &str, stream: &UnixStream) -> Result<()> {
    let message = serde_json::to_vec(&Answer::Done { well: true })?;
    lab(&shared.lab)?.with_node(node, |node| {
        let namespaces = node.namespaces();
        // The user namespace is the lab's own, which this process is in.
        let user = std::fs::File::open("/proc/self/ns/user")?;
        let all =
            [namespaces.net.as_fd(), namespaces.mount.as_fd(), namespaces.process.as_fd(), user.as_fd()];
        Ok(send_descriptors(stream, &message, &all)?)
    })
}
