//! The pages are there, and `docs/reference.md` is what the tables and the command line say.
//!
//! `INSTA_UPDATE=always` writes it, like snapshots.

use std::env;
use std::fmt::Write as _;
use std::path::PathBuf;

use super::*;
use crate::front::letters::USAGE;

/// What is said behind the language of a block that cannot be tried by itself (CONTRIBUTING.md, "Pages").
const SHOWN: &str = "what the program says; a test keeps it so";

#[test]
fn each_verb_has_a_page_and_each_shell_a_file() {
    let directory = env::temp_dir().join(format!("syncd-papers-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    write(&directory).unwrap();
    let read = |name: &str| fs::read_to_string(directory.join(name)).unwrap_or_else(|_| panic!("{name}"));
    assert!(read("syncd.8").contains("syncd\\-show(8)"));
    assert!(read("syncd-show-conntrack-sync-status.8").contains("\\-\\-json"));
    assert!(read("syncd.bash").contains("conntrack-sync"));
    assert!(read("_syncd").starts_with("#compdef syncd"));
    assert!(read("syncd.fish").contains("complete -c syncd"));
    let keys = read("syncd.yaml.5");
    assert!(keys.starts_with(".SH KEYS") || keys.contains("\n.SH KEYS"), "{keys}");
    assert!(KEYS.iter().all(|key| keys.contains(&key.path.replace('-', "\\-"))), "{keys}");
    // What is hidden stays so.
    assert!(!directory.join("syncd-papers.8").exists());
    fs::remove_dir_all(&directory).unwrap();
}

/// The reference: every key of the table, and every command as its own help tells it.
fn reference() -> String {
    let mut page = String::from(
        "# Reference\n\nMade of the tables that the program itself reads; `syncd explain` and `--help` print the same. \
         A test fails when this page\nis not what they say.\n\n## Keys of the configuration\n\nAll are below \
         `conntrack-sync`. `*` is the name of an interface. *Reload*: whether `syncd reload` applies a change at once or \
         refuses\nit, because only a restart can.\n",
    );
    for key in KEYS {
        let reload = match key.reload {
            Reload::InPlace => "at once",
            Reload::Restart => "takes a restart",
        };
        let _ = write!(
            page,
            "\n### `{}`\n\n{}\n\n- Value: {}.\n- Default: {}.\n- VyOS: {}.\n- Reload: {reload}.\n",
            key.path,
            key.says,
            key.value.describe().trim_end_matches('.'),
            key.default.trim_end_matches('.'),
            key.vyos.unwrap_or("no; syncd's own"),
        );
    }
    page.push_str("\n## Commands\n");
    let mut command = Arguments::command().disable_help_subcommand(true).term_width(100);
    command.build();
    describe(&mut command, "syncd", &mut page);
    let _ = write!(
        page,
        "\n## `conntrackd`\n\nThe same program, started under this name, answers conntrackd's letters.\n\n\
         ```text shown=\"{SHOWN}\"\n{}\n```\n",
        USAGE.trim_end()
    );
    page
}

fn describe(command: &mut Command, name: &str, into: &mut String) {
    let help = command.clone().bin_name(name).render_long_help().to_string();
    let lines: Vec<&str> = help.trim_end().lines().map(str::trim_end).collect();
    let _ = write!(into, "\n### `{name}`\n\n```text shown=\"{SHOWN}\"\n{}\n```\n", lines.join("\n"));
    for below in command.get_subcommands_mut().filter(|below| !below.is_hide_set()) {
        let name = format!("{name} {}", below.get_name());
        describe(below, &name, into);
    }
}

#[test]
fn the_committed_reference_is_what_the_program_says() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference.md");
    let text = reference();
    if env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
        fs::write(&path, &text).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    let differs = committed.lines().zip(text.lines()).find(|(committed, now)| committed != now);
    assert!(
        committed == text,
        "docs/reference.md: the program says {differs:?} now; write it with INSTA_UPDATE=always and read the difference"
    );
}
