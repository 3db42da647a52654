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
    use std::fmt::Write as _;
    use std::{env, fs};

    use super::*;

    /// What is said behind the language of a block that cannot be tried by itself (CONTRIBUTING.md, "Pages").
    const SHOWN: &str = "what the program says; a test keeps it so";

    fn describe(command: &mut Command, name: &str, into: &mut String) {
        let help = command.clone().bin_name(name).render_long_help().to_string();
        let lines: Vec<&str> = help.trim_end().lines().map(str::trim_end).collect();
        let _ = write!(into, "\n## `{name}`\n\n```text shown=\"{SHOWN}\"\n{}\n```\n", lines.join("\n"));
        for below in command.get_subcommands_mut().filter(|below| !below.is_hide_set()) {
            let name = format!("{name} {}", below.get_name());
            describe(below, &name, into);
        }
    }

    /// `INSTA_UPDATE=always` writes it, like snapshots.
    #[test]
    fn the_committed_reference_is_what_the_program_says() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/labctl.md");
        let mut text = String::from(
            "# labctl\n\nEvery command as its own `--help` tells it. A test fails when this page is not what they say. \
             ARCHITECTURE, \"The lab\", tells\nwhat a lab is; `scenarios/` are the examples.\n",
        );
        let mut command = Arguments::command().disable_help_subcommand(true).term_width(100);
        command.build();
        describe(&mut command, "labctl", &mut text);
        if env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
            fs::write(&path, &text).unwrap();
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        let differs = committed.lines().zip(text.lines()).find(|(committed, now)| committed != now);
        assert!(
            committed == text,
            "docs/labctl.md: the program says {differs:?} now; write it with INSTA_UPDATE=always and read the difference"
        );
    }

    #[test]
    fn each_verb_has_a_page_and_each_shell_a_file() {
        let directory = env::temp_dir().join(format!("labctl-papers-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        write(&directory).unwrap();
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
