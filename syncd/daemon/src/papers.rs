//! The manual pages and the shells' completions, written out of what can be typed.
//!
//! For whoever packages syncd: `cargo ci package`. A page for each verb, as git has them. Never looks at the machine.
//! Tested below.

use std::io;
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;

use crate::args::Arguments;

/// The section of the manual.
const SECTION: &str = "8";

/// Writes all of them into `directory`.
///
/// # Errors
///
/// The directory's.
pub(crate) fn write(directory: &Path) -> io::Result<()> {
    let mut command = Arguments::command().disable_help_subcommand(true);
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut command, "syncd", directory)?;
    }
    command.build();
    pages(&command, directory)
}

fn pages(command: &Command, directory: &Path) -> io::Result<()> {
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        pages(below, directory)?;
    }
    let man = Man::new(command.clone()).section(SECTION);
    let man = man.source(concat!("syncd ", env!("CARGO_PKG_VERSION"))).manual("System administration");
    man.generate_to(directory).map(drop)
}

#[cfg(test)]
mod tests {
    use std::fs;

    #[test]
    fn each_verb_has_a_page_and_each_shell_a_file() {
        let directory = std::env::temp_dir().join(format!("syncd-papers-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        super::write(&directory).unwrap();
        let read = |name: &str| fs::read_to_string(directory.join(name)).unwrap_or_else(|_| panic!("{name}"));
        assert!(read("syncd.8").contains("syncd\\-show(8)"));
        assert!(read("syncd-show-conntrack-sync-status.8").contains("\\-\\-json"));
        assert!(read("syncd.bash").contains("conntrack-sync"));
        assert!(read("_syncd").starts_with("#compdef syncd"));
        assert!(read("syncd.fish").contains("complete -c syncd"));
        // What is hidden stays so.
        assert!(!directory.join("syncd-papers.8").exists());
        fs::remove_dir_all(&directory).unwrap();
    }
}
