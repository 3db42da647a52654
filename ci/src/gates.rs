//! A row of gates: each is named, timed and printed, the first that fails ends the row with the command that repeats it.
//!
//! Knows nothing of what a gate does. Driven by `suite`.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use crate::residue;
use crate::setup::Lacking;
use crate::workspace::Workspace;

/// The gates so far.
pub(crate) struct Gates {
    started: Instant,
    /// With how long each took, or why it was left out.
    seen: Vec<(String, String)>,
}

impl Gates {
    /// An empty row; its time begins now.
    pub(crate) fn new() -> Self {
        Self { started: Instant::now(), seen: Vec::new() }
    }

    /// One gate. `repeat` is what somebody types to see it fail again.
    ///
    /// # Errors
    /// What `work` says, with the gate's name, duration and `repeat`.
    pub(crate) fn pass(&mut self, name: &str, repeat: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
        println!("\n== {name}: {repeat}");
        let began = Instant::now();
        let outcome = work();
        let took = began.elapsed();
        if let Err(error) = outcome {
            let text = format!("{name} failed after {}: {error:#}\nto repeat:\n    {repeat}", seconds(took));
            return Err(if error.is::<Lacking>() { Lacking::new(text).into() } else { anyhow!(text) });
        }
        println!("== {name}: passed in {}", seconds(took));
        self.seen.push((name.to_owned(), seconds(took)));
        Ok(())
    }

    /// A gate that is one command; its line is what repeats it.
    ///
    /// # Errors
    /// As [`Gates::pass`], when the command cannot be started or does not end with 0.
    pub(crate) fn pass_command(&mut self, name: &str, mut command: Command) -> Result<()> {
        let repeat = line_of(&command);
        self.pass(name, &repeat, || run(&mut command))
    }

    /// A gate that cannot be tried here: it is shown, and not as passed.
    pub(crate) fn skip(&mut self, name: &str, why: &str) {
        println!("\n== {name}: SKIPPED, {why}");
        self.seen.push((name.to_owned(), format!("SKIPPED, {why}")));
    }

    /// What was passed, and how long it took; what was left out, and why.
    pub(crate) fn print_summary(&self) {
        println!();
        for (name, became) in &self.seen {
            println!("{name:<24}{became:>10}");
        }
        println!("{:<24}{:>10}", "together", seconds(self.started.elapsed()));
    }
}

/// Runs `command` to its end.
///
/// # Errors
/// When it cannot be started or does not end with 0. Code 3 is handed on as what it means in this project's
/// programs: the environment lacks something, and the program has said what.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_owned();
    let status = command.status().with_context(|| format!("cannot start {}", program.display()))?;
    match status.code() {
        Some(0) => Ok(()),
        Some(3) => Err(Lacking::new("the environment lacks something (see above)").into()),
        _ => bail!("{status}"),
    }
}

/// cargo, to be run in the clone.
pub(crate) fn cargo(workspace: &Workspace, arguments: &[&str]) -> Command {
    let mut command = workspace.command("cargo");
    command.args(arguments);
    command
}

/// `command` as it would be typed: its arguments, and what we added to its environment on purpose.
fn line_of(command: &Command) -> String {
    let mut words = Vec::new();
    for (name, value) in command.get_envs().filter(|(name, _)| *name != "PATH" && *name != residue::MARK) {
        if let Some(value) = value {
            words.push(format!("{}={}", name.display(), quoted(&value.to_string_lossy())));
        }
    }
    let program = command.get_program().to_string_lossy();
    words.push(if program.ends_with("/cargo") { "cargo".to_owned() } else { quoted(&program) });
    words.extend(command.get_args().map(|argument| quoted(&argument.to_string_lossy())));
    words.join(" ")
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.to_owned() } else { format!("'{word}'") }
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::{Gates, line_of, run};
    use crate::setup::Lacking;
    use std::process::Command;

    #[test]
    fn a_line_can_be_typed() {
        let mut command = Command::new("/opt/rust/bin/cargo");
        command.args(["test", "--", "a b"]).env("LAB", "1").env("PATH", "/sbin");
        assert_eq!(line_of(&command), "LAB=1 cargo test -- 'a b'");
    }

    #[test]
    fn a_failure_names_the_gate_and_the_command() {
        let error = Gates::new().pass_command("doubt", Command::new("false")).unwrap_err();
        let text = format!("{error:#}");
        assert!(text.contains("doubt failed") && text.ends_with("    false"), "{text}");
        assert!(!error.is::<Lacking>());
    }

    #[test]
    fn what_is_left_out_is_not_passed() {
        let mut gates = Gates::new();
        gates.skip("flight", "no wings");
        assert_eq!(gates.seen, [("flight".to_owned(), "SKIPPED, no wings".to_owned())]);
    }

    #[test]
    fn code_3_is_the_environment() {
        let error =
            Gates::new().pass("lab", "x", || run(Command::new("sh").args(["-c", "exit 3"]))).unwrap_err();
        assert!(error.is::<Lacking>(), "{error:#}");
    }
}
