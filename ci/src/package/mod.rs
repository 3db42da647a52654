//! `cargo ci package`: the Debian package, out of the optimised programs and `packaging/`, by dpkg-deb.
//!
//! The tree is made anew each time, below the build directory, with the names and modes that `contents` lists; the
//! same commit gives the same package. Installs nothing: `trial` does so, in a container. Tested below and in
//! `contents`, and by `cargo ci package --try`.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::lock::HostLock;
use crate::setup::{self, Need};
use crate::workspace::Workspace;
use crate::{gates, suite};

mod contents;
mod control;
mod trial;

#[cfg(test)]
mod tests;

/// What is wanted besides the package.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Options {
    /// Install, upgrade and remove it in a clean Debian that is booted for it, and follow docs/ on two of them; as root
    #[arg(long = "try")]
    trial: bool,
}

/// With the trial.
pub(crate) const TRIAL: Options = Options { trial: true };

/// `cargo ci package`.
///
/// # Errors
/// As [`package`].
pub(crate) fn alone(workspace: &Workspace, options: Options) -> Result<()> {
    // The pages are followed in labs.
    let lock = || {
        gates::run(&mut suite::build(workspace, &["syncd", "labctl"])).context("the build failed")?;
        HostLock::take()
    };
    let _lock = options.trial.then(lock).transpose()?;
    package(workspace, options)
}

/// Builds it, and tries it if that is wanted. Then whoever calls holds the lock of the lab.
///
/// # Errors
/// When something is missing, the build fails, or the trial does.
pub(crate) fn package(workspace: &Workspace, options: Options) -> Result<()> {
    setup::setup(workspace, Need::Everything)?;
    gates::run(&mut suite::build(workspace, &["syncd", "labctl"])).context("the build failed")?;
    let version = version(workspace)?;
    let package = build(workspace, version)?;
    println!("{}", package.display());
    if options.trial {
        let newer = build(workspace, &format!("{version}+upgrade"))?;
        trial::run(workspace, &package, &newer)?;
        trial::follow_pages(workspace, &package)?;
        fs::remove_file(&newer).with_context(|| format!("cannot remove {}", newer.display()))?;
    }
    Ok(())
}

fn version(workspace: &Workspace) -> Result<&str> {
    let syncd = workspace.packages.iter().find(|package| package.name == "syncd");
    Ok(&syncd.context("the workspace has no crate syncd")?.version)
}

/// Where packages, and what they are made of, are.
fn place(workspace: &Workspace) -> PathBuf {
    workspace.target.join("debian")
}

/// The package of this version, from programs that were built.
fn build(workspace: &Workspace, version: &str) -> Result<PathBuf> {
    let (tree, papers) = (place(workspace).join("tree"), place(workspace).join("papers"));
    for directory in [&tree, &papers] {
        if directory.exists() {
            fs::remove_dir_all(directory)
                .with_context(|| format!("cannot remove {}", directory.display()))?;
        }
        make_directory(directory)?;
    }
    for program in ["syncd", "labctl"] {
        gates::run(workspace.command(workspace.binary(program)).arg("papers").arg(&papers))?;
    }
    for entry in contents::list(&workspace.root, &workspace.target, &papers)? {
        place_file(&tree, &entry).with_context(|| format!("cannot make {}", entry.target))?;
    }
    let link = tree.join(contents::FRONT.0);
    make_directory(link.parent().context("a path")?)?;
    symlink(contents::FRONT.1, &link).context("cannot make the link conntrackd")?;
    make_directory(&tree.join("etc/syncd"))?;
    for program in ["usr/sbin/syncd", "usr/bin/labctl"] {
        gates::run(workspace.command("strip").arg("--strip-unneeded").arg(tree.join(program)))?;
    }
    control::write(workspace, &tree, version)?;
    let script = "cd \"$1\" && find usr/share/man usr/share/doc -maxdepth 4 -type f \\( -path '*/man/*' -o -name '[cC][hH][aA]*' \\) \
                  -exec gzip -9n {} +\nfind . -type f -path './[!D]*' -printf '%P\\n' | LC_ALL=C sort | xargs md5sum >DEBIAN/md5sums\n\
                  chmod 644 DEBIAN/md5sums";
    gates::run(workspace.command("sh").args(["-ec", script, "sh"]).arg(&tree))?;
    let package = place(workspace).join(format!("syncd_{version}_{}.deb", control::architecture()?));
    let mut dpkg = workspace.command("dpkg-deb");
    dpkg.args(["--root-owner-group", "--build"]).args([&tree, &package]);
    if let Some(seconds) = control::said_by_git(workspace, "%ct") {
        dpkg.env("SOURCE_DATE_EPOCH", seconds);
    }
    gates::run(&mut dpkg)?;
    Ok(package)
}

fn place_file(tree: &Path, entry: &contents::Entry) -> Result<()> {
    let to = tree.join(&entry.target);
    make_directory(to.parent().context("a path")?)?;
    let Some((first, more)) = entry.sources.split_first() else { bail!("it has no source") };
    let read = |path: &PathBuf| fs::read(path).with_context(|| format!("cannot read {}", path.display()));
    let mut bytes = read(first)?;
    for path in more {
        bytes.extend(read(path)?);
    }
    fs::write(&to, bytes)?;
    Ok(fs::set_permissions(&to, Permissions::from_mode(entry.mode))?)
}

/// With its parents, for everybody to read whatever the umask.
fn make_directory(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        make_directory(parent)?;
    }
    fs::create_dir(path).with_context(|| format!("cannot make {}", path.display()))?;
    Ok(fs::set_permissions(path, Permissions::from_mode(0o755))?)
}
