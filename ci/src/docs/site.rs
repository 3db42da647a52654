//! Where pages are tried: routers on which shells run, and a labctl that holds the wires, the hosts and their traffic.
//!
//! A lab has no systemd: a script stands in for systemctl there. Machines that have one are `booted.rs`. Never knows what
//! is tried. Driven by `mod.rs`.

use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::thread;

use anyhow::{Context, Result, bail};

use crate::workspace::Workspace;
use crate::{gates, residue};

/// What a lab's routers have in the place of systemctl, and the unit that is not installed on this host.
const STANDIN: [(&str, &str); 2] = [
    ("systemctl", include_str!("systemctl.sh")),
    ("syncd.service", include_str!("../../../packaging/systemd/syncd.service")),
];

/// Where they are on a router.
const STANDIN_DIRECTORY: &str = "/run/standin";

/// What a command came to.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    /// Both of its outputs, as they came.
    pub(crate) text: String,
}

/// Routers.
pub(crate) trait Site {
    /// Whether they have been booted: systemd and dpkg are real.
    fn is_booted(&self) -> bool;

    /// Runs a script on a router, with this for its standard input.
    ///
    /// # Errors
    /// When it cannot be run.
    fn on(&self, node: &str, script: &str, input: &str) -> Result<Said>;

    /// Asks labctl, whose exit code must be 0.
    ///
    /// # Errors
    /// When it is not.
    fn labctl(&self, words: &[&str]) -> Result<()>;
}

/// A lab. It ends with this.
pub(crate) struct Lab<'w> {
    workspace: &'w Workspace,
    pub(super) name: String,
}

impl<'w> Lab<'w> {
    /// Builds the lab of this file.
    ///
    /// # Errors
    /// What labctl says.
    pub(crate) fn up(workspace: &'w Workspace, file: &str, name: &str) -> Result<Self> {
        let mut command = labctl(workspace);
        command.args(["up", file, "--name", name]);
        let said = finish(command, "")?;
        if said.code != 0 {
            bail!("labctl up {file}: {}", said.text);
        }
        Ok(Self { workspace, name: name.to_owned() })
    }

    /// Lets the routers do what is otherwise systemd's.
    ///
    /// # Errors
    /// When a router cannot be reached.
    pub(super) fn stand_in(&self, nodes: &[String]) -> Result<()> {
        for node in nodes {
            for (name, text) in STANDIN {
                let script = format!(
                    "mkdir -p {STANDIN_DIRECTORY} && cat >{STANDIN_DIRECTORY}/{name} && chmod 755 {STANDIN_DIRECTORY}/{name}"
                );
                let said = self.on(node, &script, text)?;
                if said.code != 0 {
                    bail!("{node}: {}", said.text);
                }
            }
        }
        Ok(())
    }
}

impl Lab<'_> {
    /// What labctl says of this lab.
    ///
    /// # Errors
    /// When its exit code is not 0.
    pub(crate) fn ask(&self, words: &[&str]) -> Result<String> {
        let mut command = labctl(self.workspace);
        command.args(words).args(["--name", &self.name]);
        let said = finish(command, "")?;
        if said.code != 0 {
            bail!("labctl {}: {}", words.join(" "), said.text);
        }
        Ok(said.text)
    }
}

impl Site for Lab<'_> {
    fn is_booted(&self) -> bool {
        false
    }

    fn on(&self, node: &str, script: &str, input: &str) -> Result<Said> {
        let prelude = format!("PATH={STANDIN_DIRECTORY}:$PATH; cd /tmp; exec 2>&1\n");
        let mut command = labctl(self.workspace);
        command.args(["exec", "--name", &self.name, node, "--", "sh", "-ec", &(prelude + script)]);
        finish(command, input)
    }

    fn labctl(&self, words: &[&str]) -> Result<()> {
        self.ask(words).map(drop)
    }
}

impl Drop for Lab<'_> {
    fn drop(&mut self) {
        let mut command = labctl(self.workspace);
        if let Err(error) = gates::run(command.args(["down", "--name", &self.name])) {
            eprintln!("the lab {} does not end: {error:#}", self.name);
        }
    }
}

fn labctl(workspace: &Workspace) -> Command {
    let mut command = workspace.command(workspace.binary("labctl"));
    residue::mark(&mut command);
    command
}

/// Runs a command to its end.
pub(super) fn finish(mut command: Command, input: &str) -> Result<Said> {
    let program = command.get_program().to_owned();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
    let stdin = child.stdin.take();
    let Output { status, stdout, stderr } = thread::scope(|scope| {
        scope.spawn(move || {
            // One that reads nothing is no failure.
            stdin.map(|mut stdin| stdin.write_all(input.as_bytes()))
        });
        child.wait_with_output()
    })?;
    let text = [stdout, stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
    Ok(Said { code: status.code().unwrap_or(-1), text })
}
