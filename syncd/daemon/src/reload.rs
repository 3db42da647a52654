//! A changed configuration, read beside the loop: what it says, or why nothing is changed.
//!
//! Reads files and asks the kernel for its interfaces, which may take a while, and touches nothing. The event loop applies
//! it. Tested end to end.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tokio::sync::{mpsc, oneshot};

use crate::config::{self, Beside, Config, Interface, LoadError, Problem};
use crate::control::protocol::Response;

/// A configuration as it fits this machine.
#[derive(Debug)]
pub(crate) struct Fitting {
    /// What is wanted.
    pub(crate) config: Config,
    /// Our address on each link.
    pub(crate) own: Vec<IpAddr>,
    /// What is right and probably not meant.
    pub(crate) remarks: Vec<String>,
}

/// Why nothing is changed: each a sentence with its remedy.
#[derive(Debug)]
pub(crate) struct Unfit {
    /// The reasons.
    pub(crate) reasons: Vec<String>,
    /// What to do.
    pub(crate) remedy: String,
}

/// What was read, and who waits for what becomes of it.
#[derive(Debug)]
pub(crate) struct Read {
    /// What was read.
    pub(crate) read: Result<Fitting, Unfit>,
    /// Who waits, if it was no signal.
    pub(crate) answer: Option<oneshot::Sender<Response>>,
}

/// Reads the configuration again, elsewhere, and tells the loop.
#[derive(Debug)]
pub(crate) struct Reader {
    file: PathBuf,
    tell: mpsc::Sender<Read>,
}

impl Reader {
    /// A reader of that file.
    pub(crate) const fn new(file: PathBuf, tell: mpsc::Sender<Read>) -> Self {
        Self { file, tell }
    }

    /// Begins to read; whoever waits is answered when it was applied.
    pub(crate) fn begin(&self, answer: Option<oneshot::Sender<Response>>) {
        let (file, tell) = (self.file.clone(), self.tell.clone());
        tokio::task::spawn_blocking(move || {
            // When the daemon ends meanwhile, nobody waits any more.
            drop(tell.blocking_send(Read { read: read(&file), answer }));
        });
    }
}

fn read(file: &Path) -> Result<Fitting, Unfit> {
    let remedy = format!("'syncd check --here {}' shows the places", file.display());
    let unfit = |reasons: Vec<String>| Unfit { reasons, remedy: remedy.clone() };
    let lines = |problems: &[Problem]| problems.iter().map(|problem| config::line(file, problem)).collect();
    let config = match config::load(file) {
        Ok(config) => config,
        Err(LoadError::Invalid(invalid)) => return Err(unfit(lines(invalid.problems()))),
        Err(error) => return Err(unfit(vec![error.to_string()])),
    };
    let interfaces = Interface::all().context("cannot list the interfaces");
    let interfaces = interfaces.map_err(|error| unfit(vec![format!("{error:#}")]))?;
    let here = config.check_system(&interfaces, Beside::read(&config.failover).as_ref());
    let here = here.map_err(|invalid| unfit(lines(invalid.problems())))?;
    let remarks =
        config.remarks().iter().chain(&here.remarks).map(|remark| config::line(file, remark)).collect();
    Ok(Fitting { own: here.own, remarks, config })
}
