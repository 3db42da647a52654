//! SIGTERM and SIGINT end the daemon cleanly: the loop finishes its round, the control socket's file is removed. SIGHUP
//! makes it read its configuration again.
//! Tested end to end.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// What a signal means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// End.
    End,
    /// Read the configuration again.
    Reload,
}

/// Hands over signals for ever.
///
/// # Errors
///
/// When the handlers cannot be installed.
pub(crate) fn listen(tell: mpsc::Sender<Signal>) -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(async move {
        loop {
            let meant = tokio::select! {
                _ = terminate.recv() => Signal::End,
                _ = interrupt.recv() => Signal::End,
                _ = hangup.recv() => Signal::Reload,
            };
            // Nobody there: it is ending already.
            if tell.send(meant).await.is_err() {
                return;
            }
        }
    })
}
