//! What is in the package, what dpkg and systemd are told, without building it.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self, Command};

use super::contents::{self, place_of_paper};
use super::control::{self, Values};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn every_file_is_there_and_has_one_name() {
    let entries = contents::of_the_clone(&root()).unwrap();
    let mut targets = BTreeSet::new();
    for entry in &entries {
        assert!(entry.sources.iter().all(|source| source.is_file()), "{entry:?}");
        assert!(targets.insert(entry.target.as_str()), "twice: {}", entry.target);
        assert!(entry.target.starts_with("usr/") && entry.mode == 0o644, "{entry:?}");
    }
    let wanted = [
        "usr/lib/systemd/system/syncd.service",
        "usr/lib/systemd/system/syncd@.service",
        "usr/share/doc/syncd/copyright",
        "usr/share/doc/syncd/docs/vyos.md",
        "usr/share/doc/syncd/docs/schema/status.schema.json",
        "usr/share/doc/syncd/contrib/prometheus/syncd.rules.yml",
        "usr/share/doc/syncd/examples/keepalived.conf",
        "usr/share/doc/syncd/examples/scenarios/topologies/two-routers.yaml",
    ];
    assert!(wanted.iter().all(|name| targets.contains(name)), "{targets:?}");
    assert!(contents::FRONT.0.starts_with("usr/lib/syncd/"), "Debian's conntrackd keeps its place");
}

#[test]
fn papers_go_where_they_are_looked_for() {
    let place = |name| place_of_paper(name).unwrap_or_default();
    assert_eq!(place("syncd-show.8"), "usr/share/man/man8/syncd-show.8");
    assert_eq!(place("syncd.yaml.5"), "usr/share/man/man5/syncd.yaml.5");
    for (page, before, after) in contents::PAGES {
        assert!(
            !place(page).is_empty() && before.iter().chain(after).all(|path| root().join(path).is_file())
        );
    }
    assert_eq!(place("labctl.1"), "usr/share/man/man1/labctl.1");
    assert_eq!(place("syncd.bash"), "usr/share/bash-completion/completions/syncd");
    assert_eq!(place("_labctl"), "usr/share/zsh/vendor-completions/_labctl");
    assert_eq!(place("syncd.fish"), "usr/share/fish/vendor_completions.d/syncd.fish");
    assert_eq!(place_of_paper("notes.txt"), None);
}

#[test]
fn the_fields_are_as_debian_wants_them() {
    let values = Values { version: "1.2.3", architecture: "amd64", size: 42, glibc: "2.34" };
    let text = control::fields(&read("packaging/debian/control"), &values);
    assert!(!text.contains(" @") && !text.contains("(>= @") && text.ends_with('\n'), "{text}");
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
        line.unwrap_or_else(|| panic!("no {name}: {text}"))
    };
    for name in ["Package", "Maintainer", "Section", "Priority", "Homepage"] {
        assert!(!field(name).is_empty(), "{name}");
    }
    assert_eq!((field("Version"), field("Architecture"), field("Installed-Size")), ("1.2.3", "amd64", "42"));
    assert_eq!(field("Depends"), "libc6 (>= 2.34), libgcc-s1, nftables");
    // lintian's rules for a synopsis, and for what follows.
    let synopsis = field("Description");
    assert!(synopsis.len() <= 80 && !synopsis.ends_with('.'), "{synopsis}");
    assert!(!["a ", "an ", "the ", "syncd "].iter().any(|begin| synopsis.to_lowercase().starts_with(begin)));
    let long: Vec<&str> = text.lines().skip_while(|line| !line.starts_with("Description")).skip(1).collect();
    assert!(long.len() > 2 && long.iter().all(|line| line.starts_with(' ') && line.len() <= 80), "{long:?}");
    assert!(long.iter().all(|line| *line == " ." || line.trim_end() == *line && line.len() > 2), "{long:?}");
}

#[test]
fn the_newest_symbol_decides_which_library_is_needed() {
    assert_eq!(control::needed_glibc(b"\0GLIBC_2.2.5\0GLIBC_2.34\0GLIBC_2.17\0"), (2, 34));
    assert_eq!(control::needed_glibc(b"static"), (2, 0));
}

#[test]
fn the_scripts_are_scripts() {
    let directory = root().join("packaging");
    let scripts = control::SCRIPTS.map(|name| ("sh", directory.join("debian").join(name)));
    for (shell, script) in scripts.into_iter().chain([("bash", directory.join("try/try.sh"))]) {
        let status = Command::new(shell).arg("-n").arg(&script).status().unwrap();
        assert!(status.success(), "{}", script.display());
    }
}

/// `systemd-analyze` about a unit, as it is but for the program, which is not installed here. A template is looked at as
/// the instance `lan`.
fn analyze(unit: &str, words: &[&str]) {
    let directory = env::temp_dir().join(format!("syncd-units-{unit}-{}-{}", words[0], process::id()));
    fs::create_dir_all(&directory).unwrap();
    let path = directory.join(unit.replace('@', "@lan"));
    let text = read(&format!("packaging/systemd/{unit}"));
    fs::write(&path, text.replace("/usr/sbin/syncd", "/bin/true")).unwrap();
    let output = Command::new("systemd-analyze").args(words).arg(&path).output();
    let output = output.expect("systemd-analyze (package systemd) starts");
    let said =
        [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
    fs::remove_dir_all(&directory).unwrap();
    assert!(output.status.success(), "{said}");
    // Of a key that it does not know it only warns.
    let warned = said.lines().find(|line| line.contains(&*path.to_string_lossy()));
    assert_eq!(warned, None);
}

const UNITS: [&str; 2] = ["syncd.service", "syncd@.service"];

#[test]
fn systemd_understands_the_units() {
    for unit in UNITS {
        analyze(unit, &["verify", "--man=no"]);
    }
}

/// Today 2.2, "OK": what is left is the network, which is the program's work. 10 is a service without any walls.
#[test]
fn the_units_leave_little_to_an_attacker() {
    for unit in UNITS {
        analyze(unit, &["security", "--offline=yes", "--no-pager", "--threshold=23"]);
    }
}

#[test]
fn both_units_have_the_same_walls() {
    let walls = |unit: &str| {
        let text = read(&format!("packaging/systemd/{unit}"));
        let from = text.find("# What it may.").unwrap();
        text[from..].to_owned()
    };
    assert_eq!(walls("syncd.service"), walls("syncd@.service"));
}

#[test]
fn the_examples_are_those_of_the_documentation() {
    let (guide, readme) = (read("docs/getting-started.md"), read("README.md"));
    for name in ["syncd.yaml", "keepalived.conf", "nftables.conf", "sysctl.conf"] {
        let text = read(&format!("packaging/examples/{name}"));
        // One line says what it is; of this one another says first where its schema is.
        let schema = "# yaml-language-server: $schema=file:///usr/share/syncd/syncd.schema.json\n";
        let text = if name == "syncd.yaml" { text.strip_prefix(schema).unwrap() } else { &text };
        let (comment, body) = text.split_once('\n').unwrap();
        assert!(comment.starts_with("# "), "{name}");
        let shown = format!(" on=r1,r2\n{body}```\n");
        assert!(
            guide.contains(&shown),
            "packaging/examples/{name} is not what docs/getting-started.md shows"
        );
        assert!(name != "syncd.yaml" || readme.contains(&shown), "README.md shows another {name}");
    }
}
