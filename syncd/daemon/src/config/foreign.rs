//! A file that another program reads: `syncd check` on a conntrackd.conf, or on a listing of VyOS's commands, says which
//! command makes ours of it.
//!
//! Asked only about what is no configuration of ours. Tested in `config/tests.rs`.

use std::path::Path;

use super::node::Place;
use super::problem::Problem;

/// Blocks at the top of a conntrackd.conf (conntrackd.conf(5)).
const BLOCKS: [&str; 3] = ["Sync", "General", "Stats"];

/// What is to be said of it, if it is one of these.
pub(super) fn recognise(file: &Path, text: &str) -> Option<Problem> {
    text.lines().enumerate().find_map(|(index, line)| {
        let (what, remedy) = language(line)?;
        let column = line.chars().take_while(|c| c.is_whitespace()).count() + 1;
        let place = Some(Place { line: index + 1, column });
        let remedy = match remedy {
            Remedy::Import(word) => format!("'syncd import {word} {}' prints it as one", file.display()),
            Remedy::List => {
                "on the router 'show configuration commands' lists it; 'syncd import vyos' takes what that prints".to_owned()
            }
        };
        Some(Problem::new(place, "", &format!("this is {what}, not a configuration of syncd"), &remedy))
    })
}

/// How it becomes ours.
enum Remedy {
    /// By this word of `syncd import`.
    Import(&'static str),
    /// It must be listed in another way first.
    List,
}

/// Whose a line must be.
fn language(line: &str) -> Option<(&'static str, Remedy)> {
    let words: Vec<&str> = line.split_whitespace().take(3).collect();
    match words[..] {
        ["set" | "delete", "service" | "high-availability", _] => {
            Some(("a listing of VyOS's commands", Remedy::Import("vyos")))
        }
        ["service" | "high-availability" | "interfaces" | "conntrack-sync", "{"] => {
            Some(("a configuration of VyOS", Remedy::List))
        }
        [block, "{", ..] | [block] if is_block(block) => {
            Some(("a conntrackd.conf", Remedy::Import("conntrackd")))
        }
        _ => None,
    }
}

/// Its bracket may stand beside it; in YAML neither is the beginning of a line.
fn is_block(word: &str) -> bool {
    word.strip_suffix('{').map_or_else(|| BLOCKS.contains(&word), |name| BLOCKS.contains(&name))
}
