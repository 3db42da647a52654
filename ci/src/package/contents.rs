//! What is in the package, under which name and mode. A list; never writes anything. Tested in `tests.rs` beside it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// conntrackd's letters, for whoever wants them: not in the place of Debian's conntrackd.
pub(super) const FRONT: (&str, &str) = ("usr/lib/syncd/conntrackd", "../../sbin/syncd");

/// Programs, from the build directory.
const PROGRAMS: [(&str, &str); 2] =
    [("release/syncd", "usr/sbin/syncd"), ("release/labctl", "usr/bin/labctl")];

/// Single files of the clone.
const FILES: [(&str, &str); 13] = [
    ("packaging/systemd/syncd.service", "usr/lib/systemd/system/syncd.service"),
    ("packaging/systemd/syncd@.service", "usr/lib/systemd/system/syncd@.service"),
    ("packaging/systemd/modules-load.conf", "usr/lib/modules-load.d/syncd.conf"),
    ("packaging/examples/syncd.yaml", "usr/share/doc/syncd/examples/syncd.yaml"),
    ("packaging/examples/keepalived.conf", "usr/share/doc/syncd/examples/keepalived.conf"),
    ("packaging/examples/nftables.conf", "usr/share/doc/syncd/examples/nftables.conf"),
    ("packaging/examples/sysctl.conf", "usr/share/doc/syncd/examples/sysctl.conf"),
    ("packaging/examples/netns.conf", "usr/share/doc/syncd/examples/netns.conf"),
    // Where the first line of the example says that an editor finds it.
    ("syncd/daemon/schema/syncd.schema.json", "usr/share/syncd/syncd.schema.json"),
    ("packaging/debian/copyright", "usr/share/doc/syncd/copyright"),
    ("LICENSE-MIT", "usr/share/doc/syncd/LICENSE-MIT"),
    ("README.md", "usr/share/doc/syncd/README.md"),
    ("CHANGELOG.md", "usr/share/doc/syncd/CHANGELOG.md"),
];

/// Trees of the clone.
const TREES: [(&str, &str); 3] = [
    // Where README.md has its links to.
    ("docs", "usr/share/doc/syncd/docs"),
    ("contrib", "usr/share/doc/syncd/contrib"),
    ("scenarios", "usr/share/doc/syncd/examples/scenarios"),
];

/// Pages that the program writes a part of, and what people wrote before and after it.
pub(super) const PAGES: [(&str, &[&str], &[&str]); 2] = [
    ("syncd.8", &[], &["packaging/man/syncd.8.more"]),
    ("syncd.yaml.5", &["packaging/man/syncd.yaml.5.head"], &["packaging/man/syncd.yaml.5.more"]),
];

/// One file.
#[derive(Debug)]
pub(super) struct Entry {
    /// What it is made of, one after the other.
    pub(super) sources: Vec<PathBuf>,
    /// Its name below the root.
    pub(super) target: String,
    /// Its mode.
    pub(super) mode: u32,
}

/// Every file, from the clone, the build directory, and the papers that the programs wrote.
pub(super) fn list(root: &Path, built: &Path, papers: &Path) -> Result<Vec<Entry>> {
    let mut entries = of_the_clone(root)?;
    for (from, to) in PROGRAMS {
        entries.push(Entry { sources: vec![built.join(from)], target: to.to_owned(), mode: 0o755 });
    }
    for name in names(papers)? {
        let Some(target) = place_of_paper(&name) else { continue };
        let page = PAGES.iter().find(|(page, ..)| *page == name);
        let (before, after) = page.map_or((&[][..], &[][..]), |(_, before, after)| (*before, *after));
        let written = |paths: &[&str]| paths.iter().map(|path| root.join(path)).collect::<Vec<_>>();
        let sources = [written(before), vec![papers.join(&name)], written(after)].concat();
        entries.push(Entry { sources, target, mode: 0o644 });
    }
    Ok(entries)
}

/// Every file that is in the clone.
pub(super) fn of_the_clone(root: &Path) -> Result<Vec<Entry>> {
    let plain = |from: PathBuf, to: &str| Entry { sources: vec![from], target: to.to_owned(), mode: 0o644 };
    let mut entries: Vec<Entry> = FILES.iter().map(|(from, to)| plain(root.join(from), to)).collect();
    for (from, to) in TREES {
        let mut open = vec![(root.join(from), to.to_owned())];
        while let Some((directory, to)) = open.pop() {
            for name in names(&directory)? {
                let (path, to) = (directory.join(&name), format!("{to}/{name}"));
                if path.is_dir() {
                    open.push((path, to));
                } else {
                    entries.push(plain(path, &to));
                }
            }
        }
    }
    entries.sort_by(|one, other| one.target.cmp(&other.target));
    Ok(entries)
}

/// Where a manual page or a completion goes, by its name.
pub(super) fn place_of_paper(name: &str) -> Option<String> {
    let share = "usr/share";
    if let Some(shell) = name.strip_suffix(".bash") {
        return Some(format!("{share}/bash-completion/completions/{shell}"));
    }
    if name.ends_with(".fish") {
        return Some(format!("{share}/fish/vendor_completions.d/{name}"));
    }
    if name.starts_with('_') {
        return Some(format!("{share}/zsh/vendor-completions/{name}"));
    }
    let section = name.rsplit('.').next().filter(|section| ["1", "5", "8"].contains(section))?;
    Some(format!("{share}/man/man{section}/{name}"))
}

fn names(directory: &Path) -> Result<Vec<String>> {
    let listing = fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?;
    let mut names = Vec::new();
    for entry in listing {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}
