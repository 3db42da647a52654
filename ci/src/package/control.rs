//! What dpkg is told of the package: fields, scripts, and Debian's log of changes. Tested in `tests.rs` beside it.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::workspace::Workspace;

/// What dpkg runs.
pub(super) const SCRIPTS: [&str; 3] = ["postinst", "prerm", "postrm"];

/// What is filled in where `packaging/debian/control` has `@NAME@`.
#[derive(Debug)]
pub(super) struct Values<'a> {
    pub(super) version: &'a str,
    pub(super) architecture: &'a str,
    /// In KiB.
    pub(super) size: u64,
    /// The C library that the programs need at least.
    pub(super) glibc: &'a str,
}

/// The fields.
pub(super) fn fields(template: &str, values: &Values<'_>) -> String {
    let size = values.size.to_string();
    let pairs = [
        ("@VERSION@", values.version),
        ("@ARCHITECTURE@", values.architecture),
        ("@SIZE@", &size),
        ("@GLIBC@", values.glibc),
    ];
    pairs.iter().fold(template.to_owned(), |text, (name, value)| text.replace(name, value))
}

/// Writes `DEBIAN/` into the tree, and the log of changes.
pub(super) fn write(workspace: &Workspace, tree: &Path, version: &str) -> Result<()> {
    let from = workspace.root.join("packaging/debian");
    let to = tree.join("DEBIAN");
    super::make_directory(&to)?;
    let template = fs::read_to_string(from.join("control")).context("cannot read the control file")?;
    let mut glibc = (2, 34);
    for program in ["usr/sbin/syncd", "usr/bin/labctl"] {
        glibc = glibc.max(needed_glibc(&fs::read(tree.join(program))?));
    }
    let values = Values {
        version,
        architecture: &architecture()?,
        size: size(tree)?.div_ceil(1024),
        glibc: &format!("{}.{}", glibc.0, glibc.1),
    };
    put(&to.join("control"), &fields(&template, &values), 0o644)?;
    for script in SCRIPTS {
        put(&to.join(script), &fs::read_to_string(from.join(script))?, 0o755)?;
    }
    let date = said_by_git(workspace, "%aD").unwrap_or_else(|| "Thu, 01 Jan 1970 00:00:00 +0000".to_owned());
    let changes = format!(
        "syncd ({version}) unstable; urgency=medium\n\n  * See CHANGELOG.md.gz beside this file.\n\n \
         -- The syncd developers <syncd@example.invalid>  {date}\n"
    );
    put(&tree.join("usr/share/doc/syncd/changelog"), &changes, 0o644)
}

fn put(path: &Path, text: &str, mode: u32) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(fs::set_permissions(path, Permissions::from_mode(mode))?)
}

/// dpkg's name of this machine.
pub(super) fn architecture() -> Result<String> {
    let output = Command::new("dpkg").arg("--print-architecture").output().context("cannot start dpkg")?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Something about the last commit; nothing outside a clone.
pub(super) fn said_by_git(workspace: &Workspace, format: &str) -> Option<String> {
    let output = workspace.command("git").args(["log", "-1", &format!("--format={format}")]).output().ok()?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (output.status.success() && !said.is_empty()).then_some(said)
}

/// The newest version of a symbol of the C library that a program names.
pub(super) fn needed_glibc(program: &[u8]) -> (u32, u32) {
    const MARK: &[u8] = b"GLIBC_2.";
    let minors = program.windows(MARK.len()).enumerate().filter(|(_, window)| *window == MARK);
    let number = |at: usize| {
        let digits = program[at..].iter().take_while(|byte| byte.is_ascii_digit());
        digits.fold(0, |number: u32, digit| number.saturating_mul(10).saturating_add(u32::from(digit - b'0')))
    };
    (2, minors.map(|(at, _)| number(at + MARK.len())).max().unwrap_or(0))
}

fn size(directory: &Path) -> Result<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        sum += if kind.is_dir() { size(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(sum)
}
