//! The demonstration's scenario and one with a real conntrackd, as a user who is not root.
//!
//! Root runs it: root's home is closed to others, so binaries and scenarios are copied to a directory that everybody
//! may read, and labctl is started there as `nobody`. Never changes anything outside that directory, which is
//! removed at the end. Driven by `suite`.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process;

use anyhow::{Context, Result, bail};

use crate::workspace::Workspace;
use crate::{demo, gates, residue, setup};

/// conntrackd on the router that dies, syncd on the one that takes over.
const INTEROP: &str = "scenarios/interop-conntrackd-to-syncd.yaml";

/// The user and the group `nobody`.
const NOBODY: &str = "65534";

/// Copies, runs, removes. The optimised programs must have been built.
///
/// # Errors
/// When we are not root, the copy fails or a scenario does.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    if !setup::is_root() {
        bail!("only root can become nobody; as a user, `cargo ci demo` shows the same");
    }
    let stage = Stage::build(workspace)?;
    let mut command = workspace.command("setpriv");
    command
        .args([&format!("--reuid={NOBODY}"), &format!("--regid={NOBODY}"), "--clear-groups"])
        .arg(stage.directory.join("labctl"))
        .args(["run", demo::SCENARIO, INTEROP])
        .current_dir(&stage.directory)
        .env("HOME", &stage.directory);
    residue::mark(&mut command);
    gates::run(&mut command)
}

/// A directory that everybody may read, removed when dropped.
struct Stage {
    directory: PathBuf,
}

impl Stage {
    fn build(workspace: &Workspace) -> Result<Self> {
        let directory = std::env::temp_dir().join(format!("syncd-ci-{}", process::id()));
        fs::create_dir(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
        let stage = Self { directory };
        readable(&stage.directory)?;
        for name in ["syncd", "labctl"] {
            copy(&workspace.binary(name), &stage.directory.join(name))?;
        }
        copy_tree(&workspace.root.join("scenarios"), &stage.directory.join("scenarios"))?;
        Ok(stage)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.directory) {
            eprintln!("cannot remove {}: {error}", self.directory.display());
        }
    }
}

fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir(to).with_context(|| format!("cannot make {}", to.display()))?;
    readable(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            copy(&entry.path(), &target)?;
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    readable(to)
}

/// For everybody, whatever the umask and the mode of the source.
fn readable(path: &Path) -> Result<()> {
    fs::set_permissions(path, Permissions::from_mode(0o755))
        .with_context(|| format!("cannot open {} to others", path.display()))
}

#[cfg(test)]
mod tests {
    use super::{Stage, copy_tree};
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_copied_tree_is_open_and_goes_again() {
        let directory = std::env::temp_dir().join(format!("syncd-ci-test-{}", std::process::id()));
        let stage = Stage { directory: directory.clone() };
        fs::create_dir_all(directory.join("closed/inner")).unwrap();
        let file = directory.join("closed/inner/file");
        fs::write(&file, "text").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        copy_tree(&directory.join("closed"), &directory.join("open")).unwrap();
        let copied = directory.join("open/inner/file");
        assert_eq!(fs::read_to_string(&copied).unwrap(), "text");
        assert_eq!(fs::metadata(&copied).unwrap().permissions().mode() & 0o777, 0o755);
        drop(stage);
        assert!(!directory.exists());
    }
}
