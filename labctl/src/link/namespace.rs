//! Entering a network namespace on a thread of one's own.
//!
//! A thread's network namespace decides where the sockets it creates live; a socket stays there whoever uses it later.
//! So nothing here ever changes the namespace of a thread that it did not start. The rooms `link`, `traffic` and
//! `probes` drive it. Tested through them.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::mpsc;
use std::thread;

use nix::sched::{CloneFlags, setns};

/// Runs `body` on a short-lived thread inside the namespace and returns its result.
///
/// # Errors
/// What the kernel said on entering (`EPERM` without `CAP_SYS_ADMIN` over the namespace), or the body's own error.
pub(crate) fn run_in<T: Send>(
    ns: BorrowedFd<'_>,
    body: impl FnOnce() -> io::Result<T> + Send,
) -> io::Result<T> {
    thread::scope(|scope| {
        let inside = thread::Builder::new().name("inside".to_owned()).spawn_scoped(scope, move || {
            setns(ns, CloneFlags::CLONE_NEWNET)?;
            body()
        })?;
        inside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Starts a thread inside the namespace: `prepare` opens what it needs, then `run` works with it until it returns.
/// Comes back when `prepare` has ended, with its error if it failed.
///
/// # Errors
/// What the kernel said on entering or on starting a thread, or the error of `prepare`.
pub(crate) fn spawn_in<S, T: Send + 'static>(
    ns: BorrowedFd<'_>,
    name: &str,
    prepare: impl FnOnce() -> io::Result<S> + Send + 'static,
    run: impl FnOnce(S) -> T + Send + 'static,
) -> io::Result<thread::JoinHandle<Option<T>>> {
    let ns = ns.try_clone_to_owned()?;
    let (ready, prepared) = mpsc::channel();
    let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
        let entered = setns(ns.as_fd(), CloneFlags::CLONE_NEWNET).map_err(io::Error::from);
        // The thread is inside now; the descriptor would only keep the namespace alive longer than the sockets do.
        drop(ns);
        let state = match entered.and_then(|()| prepare()) {
            Ok(state) => state,
            Err(error) => {
                // Nobody listens only if the starter is gone, and then nobody asks.
                let _ = ready.send(Err(error));
                return None;
            }
        };
        let _ = ready.send(Ok(()));
        Some(run(state))
    })?;
    match prepared.recv() {
        Ok(Ok(())) => Ok(thread),
        Ok(Err(error)) => {
            // The thread has nothing left to do but return.
            let _ = thread.join();
            Err(error)
        }
        Err(mpsc::RecvError) => Err(io::Error::other(format!("thread {name} ended before it was ready"))),
    }
}
