//! Other programs inside a sandbox. `cargo ci setup` installs them.

use std::process::Command;

/// Runs a program of this machine.
pub(crate) fn program(name: &str, arguments: &[&str]) {
    let output = Command::new(name)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("cannot start {name}(8): {error}; 'cargo ci setup' installs it"));
    assert!(output.status.success(), "{name} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Loads a ruleset.
pub(crate) fn nft(rules: &str) {
    program("nft", &[rules]);
}
