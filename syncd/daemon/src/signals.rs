//! SIGTERM and SIGINT end the daemon cleanly: the loop finishes its round, the control socket's file is removed.
//! Tested end to end.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// What a signal means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// End.
    End,
}

/// Hands over signals for ever.
///
/// # Errors
///
/// When the handlers cannot be installed.
pub(crate) fn listen(tell: mpsc::Sender<Signal>) -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        // Nobody there: it is ending already.
        _ = tell.send(Signal::End).await;
    })
}
