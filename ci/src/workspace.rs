//! The workspace as cargo describes it: where it is, where it builds to, which crate depends on what.
//!
//! Read once per run by `cargo metadata --no-deps`; never by parsing manifests. Every other program a gate starts is
//! made here, so that all of them see the same directory and search path.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// What cargo says about this workspace.
#[derive(Deserialize)]
pub(crate) struct Workspace {
    /// The directory of the clone.
    #[serde(rename = "workspace_root")]
    pub(crate) root: PathBuf,
    /// Where cargo builds to (`CARGO_TARGET_DIR` included).
    #[serde(rename = "target_directory")]
    pub(crate) target: PathBuf,
    /// The crates of the workspace.
    pub(crate) packages: Vec<Package>,
}

/// One crate of the workspace.
#[derive(Deserialize)]
pub(crate) struct Package {
    /// Its name.
    pub(crate) name: String,
    /// Its version.
    pub(crate) version: String,
    /// What its manifest names.
    pub(crate) dependencies: Vec<Dependency>,
}

/// One line of a manifest's dependencies.
#[derive(Deserialize)]
pub(crate) struct Dependency {
    /// The crate depended upon.
    pub(crate) name: String,
    /// `None` for an ordinary dependency, else `dev` or `build`.
    pub(crate) kind: Option<String>,
}

impl Workspace {
    /// Asks cargo about the workspace that the current directory belongs to.
    ///
    /// # Errors
    /// When cargo cannot be started or the current directory is in no workspace.
    pub(crate) fn load() -> Result<Self> {
        let output = Command::new(cargo())
            .args(["metadata", "--no-deps", "--format-version", "1"])
            .output()
            .context("cannot start cargo")?;
        if !output.status.success() {
            bail!("run this inside the clone: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        serde_json::from_slice(&output.stdout).context("cargo metadata: unexpected answer")
    }

    /// A program to be run in the root of the clone. `cargo` is the one that started us.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let program = program.as_ref();
        let mut command = if program == "cargo" { Command::new(cargo()) } else { Command::new(program) };
        command.current_dir(&self.root).env("PATH", search_path());
        command
    }

    /// Where cargo puts an optimised binary.
    pub(crate) fn binary(&self, name: &str) -> PathBuf {
        self.target.join("release").join(name)
    }
}

/// The directory of the first program `name` on the search path.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    env::split_paths(&search_path()).map(|directory| directory.join(name)).find(|path| path.is_file())
}

/// `PATH`, with the directories of the administrator's programs, which Debian leaves out of a user's.
fn search_path() -> OsString {
    let own = env::var_os("PATH").unwrap_or_default();
    let mut directories: Vec<PathBuf> = env::split_paths(&own).collect();
    for directory in ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(Path::new) {
        if !directories.iter().any(|known| known == directory) {
            directories.push(directory.to_path_buf());
        }
    }
    env::join_paths(directories).unwrap_or(own)
}

fn cargo() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}
