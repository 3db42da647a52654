//! `conntrackd -d`: syncd in the background. Returns when it answers, or says why it ended. Tested end to end.

use std::env;
use std::fs;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

use crate::control::client::Client;
use crate::log;
use crate::show::print;

/// Names the configuration of syncd.
const CONFIG: &str = "SYNCD_CONFIG";
/// Where the configuration of syncd is unless it is named.
const DEFAULT_CONFIG: &str = "/etc/syncd/syncd.yaml";

/// Starts it, with a configuration that may be conntrackd's own.
pub(super) fn start(config: Option<&Path>, socket: &Path) -> anyhow::Result<()> {
    if Client::connect(socket).and_then(|mut client| print::ask_status(&mut client)).is_ok() {
        bail!("syncd is running already on {}; conntrackd -k ends it", socket.display());
    }
    let config = config.filter(|config| is_ours(config)).map_or_else(
        || env::var_os(CONFIG).map_or_else(|| DEFAULT_CONFIG.into(), PathBuf::from),
        Path::to_path_buf,
    );
    let program = env::current_exe().context("cannot find our own program")?;
    // A process group of its own: whoever started us may end, and its terminal with it. What it says is kept by itself,
    // see `syncd show log conntrack-sync`; until it answers we listen for why it ends.
    let mut daemon = Command::new(program)
        .arg0("syncd")
        .process_group(0)
        .args(["run", "--config"])
        .arg(&config)
        .arg("--socket")
        .arg(socket)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot start syncd")?;
    loop {
        if Client::connect(socket).and_then(|mut client| print::ask_status(&mut client)).is_ok() {
            return Ok(());
        }
        if daemon.try_wait()?.is_some() {
            let mut said = String::new();
            if let Some(mut stderr) = daemon.stderr.take() {
                stderr.read_to_string(&mut said)?;
            }
            bail!("syncd did not start with {}: {}", config.display(), said.trim_end());
        }
        log::pause();
    }
}

/// Whether the file is a configuration of syncd: a mapping with our key.
fn is_ours(file: &Path) -> bool {
    let text = fs::read_to_string(file).unwrap_or_default();
    let value: Result<serde_yaml::Value, _> = serde_yaml::from_str(&text);
    value.is_ok_and(|value| value.get("conntrack-sync").is_some())
}
