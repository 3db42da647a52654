//! The verb's end of a session.
//!
//! Never interprets an answer beyond its last one. Driven by the verbs; tested in `labctl/tests/scenarios/holder.rs`.

use std::io::{BufRead, BufReader, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Child;

use anyhow::{Context, Result, bail};

use super::{Answer, Request};
use crate::ending::Ending;
use crate::sandbox::{self, StartError, receive_descriptors, socket};

/// A connection to a lab.
#[derive(Debug)]
pub(crate) struct Client {
    stream: BufReader<UnixStream>,
    /// The holder, as long as it may still tell why there is no lab.
    holder: Option<Child>,
}

impl Client {
    /// Starts a lab and owns it: it ends with this connection unless it is told to stay.
    ///
    /// # Errors
    /// When the lab's holder cannot be started.
    pub(crate) fn start(lab: &str, syncd: Option<&Path>) -> Result<Self> {
        let (stream, holder) = sandbox::start(lab, syncd)?;
        Ok(Self { stream: BufReader::new(stream), holder: Some(holder) })
    }

    /// Reaches a running lab.
    ///
    /// # Errors
    /// When there is none of this name.
    pub(crate) fn connect(lab: &str) -> Result<Self> {
        let stream = socket::connect(lab).map_err(|error| {
            Ending::Usage(format!("cannot reach the lab `{lab}` ({error}); labctl list shows those that run"))
        })?;
        Ok(Self { stream: BufReader::new(stream), holder: None })
    }

    /// Asks, hands every answer before the last to `hear`, and returns whether all is well.
    ///
    /// # Errors
    /// What the lab could not do, or that it is gone.
    pub(crate) fn ask(&mut self, request: &Request, mut hear: impl FnMut(Answer)) -> Result<bool> {
        let mut line = serde_json::to_string(request)?;
        line.push('\n');
        // A lab that ended already has told why, or tells so below.
        let _ = self.stream.get_mut().write_all(line.as_bytes());
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line).unwrap_or(0) == 0 {
                return Err(self.lost());
            }
            match serde_json::from_str(&line).context("the lab's answer is not understood")? {
                Answer::Done { well } => return Ok(well),
                Answer::Failed { message, code } => bail!(Ending::of(code, message)),
                answer => hear(answer),
            }
        }
    }

    /// Tells a lab that we own to live on without us.
    ///
    /// # Errors
    /// When it is gone.
    pub(crate) fn let_stay(mut self) -> Result<()> {
        self.ask(&Request::Stay, |_| {})?;
        self.holder = None;
        Ok(())
    }

    fn lost(&mut self) -> anyhow::Error {
        match self.holder.take() {
            Some(holder) => match StartError::of(holder) {
                StartError::Refused { words, lacking: false } => Ending::Usage(words).into(),
                error => Ending::Lacking(error.to_string()).into(),
            },
            None => Ending::Failed("the lab is gone".to_owned()).into(),
        }
    }

    /// A node's namespaces; see [`Request::Namespaces`].
    ///
    /// # Errors
    /// When there is no such node.
    pub(crate) fn namespaces(mut self, node: &str) -> Result<Vec<OwnedFd>> {
        let mut line = serde_json::to_string(&Request::Namespaces(node.to_owned()))?;
        line.push('\n');
        self.stream.get_mut().write_all(line.as_bytes())?;
        let (message, descriptors) = receive_descriptors(self.stream.get_ref())?;
        match serde_json::from_slice(&message).context("the lab's answer is not understood")? {
            Answer::Done { .. } => Ok(descriptors),
            Answer::Failed { message, code } => bail!(Ending::of(code, message)),
            _ => bail!("the lab answered something else"),
        }
    }
}

/// Whoever owns a lab leaves when nothing of it is left. The lab ends when its end of the stream does.
impl Drop for Client {
    fn drop(&mut self) {
        if let Some(mut holder) = self.holder.take() {
            // Refused only if the other side is gone already.
            let _ = self.stream.get_ref().shutdown(Shutdown::Both);
            let _ = holder.wait();
        }
    }
}
