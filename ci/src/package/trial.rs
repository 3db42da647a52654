//! The package in a clean Debian with its systemd: installed, upgraded under flows, removed.
//!
//! debootstrap makes the Debian once, below the build directory; systemd-nspawn boots a copy of it that is gone
//! afterwards, with a network of its own, and `packaging/try/try.sh` in it says by its exit code how it went.
//! Never changes the host.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::docs::{self, Image};
use crate::setup::{self, Lacking};
use crate::workspace::Workspace;
use crate::{gates, residue};

/// What is in the clean Debian besides the smallest one: systemd, what every Debian has that was installed on a machine
/// (procps, netbase), and what routers have.
const PACKAGES: &str = "systemd,systemd-sysv,dbus,iproute2,procps,netbase,conntrack,conntrackd,keepalived,\
                        nftables,tcpdump";

/// The script makes this file at its end.
const PASSED: &str = "passed";

/// What takes longer hangs.
const PATIENCE: &str = "600";

/// Installs `old`, upgrades to `new`, removes.
pub(super) fn run(workspace: &Workspace, old: &Path, new: &Path) -> Result<()> {
    if !setup::is_root() {
        return Err(Lacking::new("only root can boot a container: sudo cargo ci package --try").into());
    }
    let base = base(workspace)?;
    let packages = super::place(workspace).join("try");
    if packages.exists() {
        fs::remove_dir_all(&packages)?;
    }
    super::make_directory(&packages)?;
    let script = workspace.root.join("packaging/try/try.sh");
    for (from, name) in [(old, "old.deb"), (new, "new.deb"), (&script, "try.sh")] {
        fs::copy(from, packages.join(name)).with_context(|| format!("cannot copy {}", from.display()))?;
    }
    // A /run of its own, because systemd-nspawn leaves directories in it; without a terminal; without asking a systemd of
    // the host, which may have none.
    let mut command = workspace.command("unshare");
    command.args(["--mount", "sh", "-ec", "mount -t tmpfs tmpfs /run && exec \"$@\"", "sh"]);
    command.args([
        "timeout",
        "--kill-after=20",
        PATIENCE,
        "systemd-nspawn",
        "--quiet",
        "--boot",
        "--ephemeral",
    ]);
    command.args(["--register=no", "--keep-unit", "--private-network", "--console=read-only"]);
    command.arg("--directory").arg(&base).arg(format!("--bind={}:/packages", packages.display()));
    command.args(["systemd.show_status=false", "systemd.wants=syncd-try.service"]);
    command.stdin(std::process::Stdio::null());
    residue::mark(&mut command);
    gates::run(&mut command).context("the trial failed (see above)")?;
    // A container that ends well for another reason has tried nothing.
    if !packages.join(PASSED).exists() {
        bail!("the container ended before the trial did (see above)");
    }
    Ok(())
}

/// Follows the pages of `docs/` on two such Debians at a time, in a lab.
pub(super) fn follow_pages(workspace: &Workspace, package: &Path) -> Result<()> {
    let base = base(workspace)?;
    let place = super::place(workspace);
    let (packages, consoles) = (place.join("to-install"), place.join("consoles"));
    for directory in [&packages, &consoles] {
        if directory.exists() {
            fs::remove_dir_all(directory)?;
        }
        super::make_directory(directory)?;
    }
    let name = package.file_name().context("a package has a name")?;
    fs::copy(package, packages.join(name)).with_context(|| format!("cannot copy {}", package.display()))?;
    docs::on_booted(workspace, &Image { base: &base, packages: &packages, consoles: &consoles })
}

/// A Debian as it is after its installation, and one unit of ours.
fn base(workspace: &Workspace) -> Result<PathBuf> {
    let base = super::place(workspace).join("base");
    let done = super::place(workspace).join("base-is-complete");
    if fs::read_to_string(&done).is_ok_and(|packages| packages == PACKAGES) {
        return Ok(base);
    }
    if base.exists() {
        fs::remove_dir_all(&base).with_context(|| format!("cannot remove {}", base.display()))?;
    }
    let suite = suite()?;
    let mut command = workspace.command("debootstrap");
    command.args(["--variant=minbase", &format!("--include={PACKAGES}"), &suite]).arg(&base);
    gates::run(&mut command).context("debootstrap could not make a Debian")?;
    let units = base.join("etc/systemd/system");
    fs::copy(workspace.root.join("packaging/try/syncd-try.service"), units.join("syncd-try.service"))?;
    // It would wait for a network that nobody configures here.
    symlink("/dev/null", units.join("systemd-networkd-wait-online.service"))?;
    fs::write(&done, PACKAGES)?;
    Ok(base)
}

/// The Debian that the programs were built on.
fn suite() -> Result<String> {
    let text = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let field = |name: &str| {
        text.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim_matches('"').to_owned())
    };
    match (field("ID="), field("VERSION_CODENAME=")) {
        (Some(id), Some(suite)) if id == "debian" => Ok(suite),
        _ => bail!("the trial needs a Debian to build on; this is another system (/etc/os-release)"),
    }
}
