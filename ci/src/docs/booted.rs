//! Debians that are booted in the places of a lab's routers: its cables and hosts, their own systemd, dpkg and `/etc`.
//!
//! systemd-nspawn boots a copy of a clean Debian in the network namespace that labctl has made for a router, so that traffic
//! and faults are the lab's, and everything else is as on a machine. The copies are gone afterwards. Knows nothing of what
//! is tried on them. Driven by `mod.rs` for `cargo ci package --try`, which is its test.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::groups::Groups;
use super::look_again_soon;
use super::site::{Lab, Said, Site, finish};
use crate::residue;
use crate::workspace::Workspace;

/// What a Debian is made of, and what is on it before somebody follows a page.
pub(crate) struct Image<'a> {
    /// The root of a clean Debian.
    pub(crate) base: &'a Path,
    /// Where the package is, with nothing beside it.
    pub(crate) packages: &'a Path,
    /// Where the machines' consoles are written to.
    pub(crate) consoles: &'a Path,
}

/// So long may a machine take to boot: some seconds on a quiet host.
const BOOTING: Duration = Duration::from_mins(2);

/// The package where pages say it is; and no daemon that is only there because the Debian is one for several trials.
const PREPARE: &str = "cp /packages/*.deb . && systemctl disable --now keepalived conntrackd";

/// The routers of a lab, booted. The lab ends with this, and so do they.
pub(super) struct Booted<'w> {
    machines: Mutex<BTreeMap<String, Machine>>,
    lab: Lab<'w>,
}

impl<'w> Booted<'w> {
    /// Boots these routers of a lab.
    ///
    /// # Errors
    /// When one does not come up.
    pub(super) fn up(
        workspace: &Workspace,
        lab: Lab<'w>,
        routers: &[String],
        image: &Image<'_>,
    ) -> Result<Self> {
        let mut machines = BTreeMap::new();
        for router in routers {
            let network = network_of(&lab, router)?;
            let machine = Machine::start(workspace, image, router, &network)?;
            machines.insert(router.clone(), machine);
        }
        for (router, machine) in &mut machines {
            machine.has_booted().with_context(|| format!("{router} does not boot"))?;
            let said = machine.run(PREPARE, "")?;
            if said.code != 0 {
                bail!("{router}: {}", said.text);
            }
        }
        Ok(Self { machines: Mutex::new(machines), lab })
    }

    fn take(&self, router: &str) -> Option<Machine> {
        self.machines.lock().unwrap_or_else(PoisonError::into_inner).remove(router)
    }
}

impl Site for Booted<'_> {
    fn is_booted(&self) -> bool {
        true
    }

    fn on(&self, node: &str, script: &str, input: &str) -> Result<Said> {
        let machines = self.machines.lock().unwrap_or_else(PoisonError::into_inner);
        machines.get(node).with_context(|| format!("{node} is not there any more"))?.run(script, input)
    }

    fn labctl(&self, words: &[&str]) -> Result<()> {
        if !words.contains(&"kill-router") {
            return self.lab.labctl(words);
        }
        let status = self.lab.ask(&["status"])?;
        let primary = primary(&status).with_context(|| format!("who is primary?\n{status}"))?;
        let machine = self.take(primary).with_context(|| format!("{primary} is not there any more"))?;
        thread::scope(|scope| {
            let asked = scope.spawn(|| self.lab.labctl(words));
            // labctl ends what it has started of a router, which tells that it has begun; the power of the machine is ours to
            // cut, and then the router's cables are gone.
            while machine.network.exists() && !asked.is_finished() {
                look_again_soon();
            }
            drop(machine);
            asked.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

/// The router that `labctl status` calls primary.
pub(super) fn primary(status: &str) -> Option<&str> {
    status.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        let (router, role) = (words.next()?, words.next()?);
        (role == "primary").then_some(router)
    })
}

/// A way to the network namespace of a lab's router, from outside of the lab.
fn network_of(lab: &Lab<'_>, router: &str) -> Result<PathBuf> {
    let said = lab.on(router, "readlink /proc/self/ns/net", "")?;
    let wanted = said.text.trim();
    let processes = fs::read_dir("/proc").context("cannot read /proc")?;
    let mut ways = processes.flatten().map(|process| process.path().join("ns/net"));
    // Some of them end while we look.
    ways.find(|way| fs::read_link(way).is_ok_and(|link| link.as_os_str() == wanted))
        .with_context(|| format!("no process of {router} is seen from here"))
}

/// A Debian that runs. Its power is cut when it is dropped.
struct Machine {
    nspawn: Child,
    /// Its first process, as seen from here; none while it is being started.
    leader: Option<u32>,
    console: PathBuf,
    /// Where the network namespace is seen, as long as the lab has the router.
    network: PathBuf,
    /// Dropped last: what is in them has ended then.
    _groups: Groups,
}

impl Machine {
    fn start(workspace: &Workspace, image: &Image<'_>, router: &str, network: &Path) -> Result<Self> {
        let console = image.consoles.join(format!("{router}.log"));
        let file = File::create(&console).with_context(|| format!("cannot make {}", console.display()))?;
        // A /run of its own, because systemd-nspawn leaves directories in it.
        let mut command = workspace.command("unshare");
        let groups = Groups::make(&format!("syncd-try-{router}"))?;
        let script = format!("{}mount -t tmpfs tmpfs /run && exec \"$@\"", groups.enter());
        command.args(["--mount", "sh", "-ec", &script, "sh"]);
        command.args(["systemd-nspawn", "--quiet", "--boot", "--ephemeral", "--register=no", "--keep-unit"]);
        command.args(["--console=read-only", "--capability=CAP_NET_ADMIN"]);
        command
            .arg(format!("--machine={router}"))
            .arg(format!("--network-namespace-path={}", network.display()));
        command.arg("--directory").arg(image.base);
        command.arg(format!("--bind-ro={}:/packages", image.packages.display()));
        // As on a machine, the settings of the network are the administrator's.
        command.env("SYSTEMD_NSPAWN_API_VFS_WRITABLE", "network");
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        residue::mark(&mut command);
        let nspawn = command.spawn().context("cannot start systemd-nspawn")?;
        Ok(Self { nspawn, leader: None, console, network: network.to_owned(), _groups: groups })
    }

    /// Waits until everything is started that is started at boot.
    fn has_booted(&mut self) -> Result<()> {
        let began = Instant::now();
        loop {
            let ended = self.nspawn.try_wait()?;
            self.leader = first_child(self.nspawn.id());
            // Degraded is a Debian in which something has failed that nobody here misses.
            let asked =
                self.leader.map(|_| self.run("systemctl is-system-running || true", "")).transpose()?;
            if asked.is_some_and(|said| ["running", "degraded"].contains(&said.text.trim())) {
                return Ok(());
            }
            if ended.is_some() || began.elapsed() > BOOTING {
                let console = fs::read_to_string(&self.console).unwrap_or_default();
                bail!("its console says:\n{console}");
            }
            look_again_soon();
        }
    }

    fn run(&self, script: &str, input: &str) -> Result<Said> {
        let leader = self.leader.context("it has not booted")?;
        let mut command = Command::new("nsenter");
        command.arg(format!("--target={leader}")).args([
            "--all",
            "--",
            "env",
            "-i",
            "HOME=/root",
            "LANG=C.UTF-8",
        ]);
        command.args(["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "sh", "-ec"]);
        command.arg(format!("cd /tmp; exec 2>&1\n{script}"));
        finish(command, input)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // With the first process the kernel ends all others, and systemd-nspawn takes the copy away. Before there is one it
        // goes by itself.
        let leader = self.leader.or_else(|| first_child(self.nspawn.id()));
        let cut = leader.map(|leader| Command::new("kill").args(["-KILL", &leader.to_string()]).status());
        if cut.is_none() {
            let _ = Command::new("kill").args(["-TERM", &self.nspawn.id().to_string()]).status();
        }
        let _ = self.nspawn.wait();
    }
}

/// The first process that this one has started and that has not ended.
fn first_child(of: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{of}/task/{of}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}
