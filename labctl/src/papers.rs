//! The manual pages and the shells' completions, written out of what can be typed.
//!
//! For whoever packages labctl: `cargo ci package`. A page for each verb, as git has them. Never looks at the machine.
//! Tested below.

use std::io;
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;

use crate::arguments::Arguments;

/// The section of the manual.
const SECTION: &str = "1";

/// Writes all of them into `directory`.
///
/// # Errors
///
/// The directory's.
pub(crate) fn write(directory: &Path) -> io::Result<()> {
    let mut command = Arguments::command().disable_help_subcommand(true);
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut command, "labctl", directory)?;
    }
    command.build();
    pages(&command, directory)
}

fn pages(command: &Command, directory: &Path) -> io::Result<()> {
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        pages(below, directory)?;
    }
    let man = Man::new(command.clone()).section(SECTION);
    let man = man.source(concat!("labctl ", env!("CARGO_PKG_VERSION"))).manual("User commands");
    man.generate_to(directory).map(drop)
}

#[cfg(test)]
mod tests {
    use std::fs;

    #[test]
    fn each_verb_has_a_page_and_each_shell_a_file() {
        let directory = std::env::temp_dir().join(format!("labctl-papers-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        super::write(&directory).unwrap();
        let read = |name: &str| fs::read_to_string(directory.join(name)).unwrap_or_else(|_| panic!("{name}"));
        assert!(read("labctl.1").contains("labctl\\-run(1)"));
        assert!(read("labctl-traffic-start.1").contains("\\-\\-name"));
        assert!(read("labctl.bash").contains("traffic"));
        assert!(read("_labctl").starts_with("#compdef labctl"));
        assert!(read("labctl.fish").contains("complete -c labctl"));
        // What is hidden stays so.
        assert!(!directory.join("labctl-hold.1").exists());
        fs::remove_dir_all(&directory).unwrap();
    }
}
