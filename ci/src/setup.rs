//! Which programs the gates need, which of them are missing, and how they come here.
//!
//! Installs by apt-get where it may (root on a Debian) and else says the exact command. Never starts or enables a
//! service: see `install.sh`. Quick and silent when nothing is missing.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result};

use crate::workspace::{Workspace, find_program};

/// Which gates are to be run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// `cargo ci demo`.
    Demo,
    /// `cargo ci test` and what contains it.
    Everything,
}

/// The environment lacks something; the text says what, and the command that installs it. Exit code 3.
#[derive(Debug)]
pub(crate) struct Lacking(String);

impl std::fmt::Display for Lacking {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Lacking {}

impl Lacking {
    /// What is missing, and the command that installs it.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// A program, and the Debian package it comes in.
struct Program {
    name: &'static str,
    package: &'static str,
    /// The demonstration needs it too.
    demo: bool,
}

const PROGRAMS: [Program; 11] = [
    Program { name: "keepalived", package: "keepalived", demo: true },
    Program { name: "nft", package: "nftables", demo: true },
    Program { name: "iptables-save", package: "iptables", demo: false },
    Program { name: "conntrackd", package: "conntrackd", demo: false },
    Program { name: "conntrack", package: "conntrack", demo: false },
    // On every Debian by itself; the scenarios are also run as a user who is not root.
    Program { name: "setpriv", package: "util-linux", demo: false },
    // The Debian package, what its units are worth, and a clean Debian to try it in.
    Program { name: "dpkg-deb", package: "dpkg", demo: false },
    Program { name: "strip", package: "binutils", demo: false },
    Program { name: "systemd-analyze", package: "systemd", demo: false },
    Program { name: "systemd-nspawn", package: "systemd-container", demo: false },
    Program { name: "debootstrap", package: "debootstrap", demo: false },
];

/// What only some tests need. Where it cannot be had, these are left out by name and stand in the summary as SKIPPED.
const OPTIONAL: [Program; 5] = [
    // The page of metrics, the alert rules and the dashboard, read by Prometheus' own program.
    Program { name: PROMTOOL, package: "prometheus", demo: false },
    // Who opens what a helper has announced.
    Program { name: CLIENTS[0], package: "curl", demo: false },
    Program { name: CLIENTS[1], package: "lftp", demo: false },
    Program { name: CLIENTS[2], package: "vsftpd", demo: false },
    Program { name: CLIENTS[3], package: "sip-tester", demo: false },
];

/// Clients and servers that are not ours.
pub(crate) const CLIENTS: [&str; 4] = ["curl", "lftp", "vsftpd", "sipp"];

/// See [`OPTIONAL`].
pub(crate) const PROMTOOL: &str = "promtool";

/// There is connection tracking in this kernel when this file is there.
const CONNTRACK: &str = "/proc/sys/net/netfilter/nf_conntrack_max";

/// A shell script and not Rust: what it puts on the host must go again even when cargo is killed.
const INSTALL: &str = include_str!("install.sh");

/// Brings here what `need` needs.
///
/// # Errors
/// [`Lacking`] where something is missing that we may not, or could not, install.
pub(crate) fn setup(workspace: &Workspace, need: Need) -> Result<()> {
    let missing = missing(need);
    if !missing.is_empty() {
        install(workspace, &missing)?;
    }
    if need == Need::Everything {
        try_optional(workspace);
    }
    load_conntrack(workspace)?;
    if need == Need::Everything {
        require_component(workspace, "fmt", "rustfmt")?;
        require_component(workspace, "clippy", "clippy")?;
    }
    Ok(())
}

/// Installs what may be missing, if it may, each for itself; says what will be left out without it.
fn try_optional(workspace: &Workspace) {
    for program in OPTIONAL.iter().filter(|program| find_program(program.name).is_none()) {
        if let Err(error) = install(workspace, &[program]) {
            println!("setup: {error}\nsetup: the tests that need it are left out");
        }
    }
}

fn missing(need: Need) -> Vec<&'static Program> {
    let wanted = PROGRAMS.iter().filter(|program| program.demo || need == Need::Everything);
    wanted.filter(|program| find_program(program.name).is_none()).collect()
}

fn install(workspace: &Workspace, missing: &[&Program]) -> Result<()> {
    let join = |pick: fn(&Program) -> &str| missing.iter().map(|p| pick(p)).collect::<Vec<_>>().join(" ");
    let (programs, packages) = (join(|p| p.name), join(|p| p.package));
    if find_program("apt-get").is_none() {
        return Err(Lacking(format!(
            "missing: {programs}. Install them with your package manager (Debian calls the packages: {packages})"
        ))
        .into());
    }
    let by_hand = format!("apt-get install --no-install-recommends {packages}");
    if !is_root() {
        return Err(Lacking(format!("missing: {programs}. Install them with\n    sudo {by_hand}")).into());
    }
    println!("setup: installing {packages}; no service is started");
    let status = workspace
        .command("sh")
        .args(["-c", INSTALL, "install.sh"])
        .args(missing.iter().map(|program| program.package))
        .stdin(Stdio::null())
        .status()
        .context("cannot start a shell")?;
    let left: Vec<_> = missing.iter().filter(|p| find_program(p.name).is_none()).map(|p| p.name).collect();
    if status.success() && left.is_empty() {
        return Ok(());
    }
    Err(Lacking(format!("could not install {packages} (see above). By hand:\n    {by_hand}")).into())
}

/// Where connection tracking is a module that nobody has loaded yet, root loads it; a lab's first rule would do so
/// only after the lab has wanted to write the sysctls.
fn load_conntrack(workspace: &Workspace) -> Result<()> {
    const MODULES: [&str; 2] = ["nf_conntrack", "nf_conntrack_netlink"];
    if Path::new(CONNTRACK).exists() {
        return Ok(());
    }
    let loaded = is_root() && workspace.command("modprobe").arg("-a").args(MODULES).status().is_ok();
    if loaded && Path::new(CONNTRACK).exists() {
        return Ok(());
    }
    let by_hand = format!("modprobe -a {}", MODULES.join(" "));
    Err(Lacking(format!(
        "this kernel tracks no connections ({CONNTRACK} is not there). Load it as root:\n    {by_hand}"
    ))
    .into())
}

fn require_component(workspace: &Workspace, subcommand: &str, component: &str) -> Result<()> {
    let found = workspace
        .command("cargo")
        .args([subcommand, "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if found {
        return Ok(());
    }
    Err(Lacking(format!(
        "missing: cargo {subcommand}. Install it with\n    rustup component add {component}"
    ))
    .into())
}

/// Whether we run as root, by the effective user id in `/proc/self/status` (`Uid: real effective saved fs`).
pub(crate) fn is_root() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ids = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    ids.and_then(|ids| ids.split_whitespace().nth(1)) == Some("0")
}
