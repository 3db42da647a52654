//! Programs that are run for their answer: an end is waited for, but not for ever.
//!
//! Never keeps one running: what does not end is ended. Driven by `lab`; tested below.

use std::fs;
use std::io::Read;
use std::os::fd::AsFd;
use std::process::{Child, Output};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
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

/// An answer of a few lines, and what it took.
#[derive(Debug)]
pub(crate) struct Brief {
    /// The program's standard output.
    pub(crate) said: Vec<u8>,
    /// Until its end.
    pub(crate) took: Duration,
    /// Of this, it only waited for a processor that others had.
    pub(crate) waited: Duration,
}

/// Hears a short answer, timed from now on. On this thread: one that is started waits for whoever gives memory back to the
/// kernel, which can be longer than the answer takes.
///
/// # Errors
/// When it does not end in time, or not well; in its own words.
pub(crate) fn brief(mut child: Child, patience: Duration) -> Result<Brief> {
    let began = Instant::now();
    let pid = Pid::from_raw(child.id().cast_signed());
    // It runs already, and what it has waited for until now is not part of our time.
    let before = waited_for_processor(pid);
    let mut said = Vec::new();
    let mut pipe = child.stdout.take().context("a program without its output")?;
    let mut part = [0; 4096];
    loop {
        let left = patience.saturating_sub(began.elapsed());
        let left = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        if poll(&mut [PollFd::new(pipe.as_fd(), PollFlags::POLLIN)], left)? == 0 {
            child.kill()?;
            child.wait()?;
            return Err(anyhow!("no answer within {} s", patience.as_secs()));
        }
        match pipe.read(&mut part)? {
            0 => break,
            length => said.extend(&part[..length]),
        }
    }
    waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT)?;
    // Until it is reaped it can still be asked.
    let waited = waited_for_processor(pid).saturating_sub(before);
    let took = began.elapsed();
    if !child.wait()?.success() {
        let mut why = String::new();
        if let Some(mut pipe) = child.stderr.take() {
            pipe.read_to_string(&mut why)?;
        }
        return Err(anyhow!("{}", why.trim().to_owned()));
    }
    Ok(Brief { said, took, waited })
}

/// How long a process has been ready to run and did not, since its start: the second number of `schedstat` in proc(5).
/// Nothing where the kernel does not tell.
pub(crate) fn waited_for_processor(pid: Pid) -> Duration {
    let text = fs::read_to_string(format!("/proc/{pid}/schedstat")).unwrap_or_default();
    let nanoseconds = text.split_whitespace().nth(1).and_then(|number| number.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::{brief, output};
    use std::process::{Command, Stdio};
    use std::time::Duration;

    #[test]
    fn a_brief_answer_is_heard_and_silence_ends() {
        let child = Command::new("echo").arg("here").stdout(Stdio::piped()).spawn().unwrap();
        let heard = brief(child, Duration::from_secs(10)).unwrap();
        assert!(heard.said == b"here\n" && heard.waited <= heard.took, "{heard:?}");
        let child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let error = brief(child, Duration::ZERO).unwrap_err();
        assert!(error.to_string().contains("no answer"), "{error}");
    }

    #[test]
    fn an_answer_is_heard_and_silence_ends() {
        let child = Command::new("echo").arg("here").stdout(Stdio::piped()).spawn().unwrap();
        assert_eq!(output(child, Duration::from_secs(10)).unwrap().stdout, b"here\n");
        let child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let error = output(child, Duration::ZERO).unwrap_err();
        assert!(error.to_string().contains("no answer"), "{error}");
    }
}
