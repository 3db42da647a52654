//! Programs that are run for their answer: an end is waited for, but not for ever.
//!
//! Never keeps one running: what does not end is ended. Driven by `lab`; tested below.

use std::process::{Child, Output};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Longer than a daemon with a full table takes to answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Everything that a program says until it ends.
///
/// # Errors
/// When it does not end in time; it is killed then.
pub(crate) fn output(child: Child, patience: Duration) -> Result<Output> {
    let pid = Pid::from_raw(child.id().cast_signed());
    let (told, ended) = mpsc::channel();
    thread::Builder::new().name("answer".to_owned()).spawn(move || {
        // Nobody listens when it was too late.
        let _ = told.send(child.wait_with_output());
    })?;
    match ended.recv_timeout(patience) {
        Ok(output) => output.context("cannot hear a program"),
        Err(_) => {
            // It is not reaped before its thread has heard its end, so the number is still its own.
            let _ = kill(pid, Signal::SIGKILL);
            Err(anyhow!("no answer within {} s", patience.as_secs()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::output;
    use std::process::{Command, Stdio};
    use std::time::Duration;

    #[test]
    fn an_answer_is_heard_and_silence_ends() {
        let child = Command::new("echo").arg("here").stdout(Stdio::piped()).spawn().unwrap();
        assert_eq!(output(child, Duration::from_secs(10)).unwrap().stdout, b"here\n");
        let child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let error = output(child, Duration::ZERO).unwrap_err();
        assert!(error.to_string().contains("no answer"), "{error}");
    }
}
