//! The manual pages and the shells' completions, written out of what can be typed and configured.
//!
//! For whoever packages syncd: `cargo ci package`. A page for each verb, as git has them. Never looks at the machine.
//! Tested in `papers/tests.rs`, which also keeps `docs/reference.md`.

#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use crate::args::Arguments;
use crate::config::keys::{KEYS, Reload};

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
    pages(&command, directory)?;
    fs::write(directory.join("syncd.yaml.5"), keys())
}

/// The section of syncd.yaml(5) that has a paragraph for each key; `packaging/man` has the rest of the page.
fn keys() -> String {
    let mut page = Roff::new();
    page.control("SH", ["KEYS"]);
    for key in KEYS {
        page.control("TP", []);
        let reload = match key.reload {
            Reload::InPlace => "",
            Reload::Restart => " A change needs a restart.",
        };
        let says = format!("{} Default: {}.{reload}", key.says, key.default.trim_end_matches('.'));
        page.text([bold(key.path)]).text([roman(says)]);
    }
    page.to_roff()
}

fn pages(command: &Command, directory: &Path) -> io::Result<()> {
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        pages(below, directory)?;
    }
    let man = Man::new(command.clone()).section(SECTION);
    let man = man.source(concat!("syncd ", env!("CARGO_PKG_VERSION"))).manual("System administration");
    man.generate_to(directory).map(drop)
}
