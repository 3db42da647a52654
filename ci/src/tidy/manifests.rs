//! Which crate may depend on which: crates are cut by permission, and a manifest is a permission.
//!
//! nix and libc reach the operating system; who may name them is said here and nowhere else.

use super::Finding;
use crate::workspace::Package;

/// What one crate may name in its manifest.
struct Wall {
    package: &'static str,
    /// Where its manifest is.
    manifest: &'static str,
    /// Crates of this workspace.
    ours: &'static [&'static str],
    /// Crates of others; `None` when the wall is only about our own.
    others: Option<&'static [&'static str]>,
    /// What only its tests use besides.
    tests: &'static [&'static str],
    /// What the crate may touch.
    touches: &'static str,
}

const WALLS: [Wall; 7] = [
    Wall {
        package: "syncd-core",
        manifest: "syncd/core/Cargo.toml",
        ours: &[],
        others: Some(&["hashbrown", "foldhash"]),
        tests: &["serde", "serde_json", "proptest"],
        touches: "nothing",
    },
    Wall {
        package: "syncd-conntrack",
        manifest: "syncd/conntrack/Cargo.toml",
        ours: &["syncd-core"],
        others: Some(&["nix", "libc", "netlink-sys"]),
        tests: &["netlink-packet-netfilter", "netlink-packet-core", "proptest"],
        touches: "netfilter's netlink sockets",
    },
    Wall {
        package: "syncd",
        manifest: "syncd/daemon/Cargo.toml",
        ours: &["syncd-core", "syncd-conntrack"],
        others: None,
        tests: &[],
        touches: "the operating system",
    },
    Wall {
        package: "syncd-sim",
        manifest: "syncd/sim/Cargo.toml",
        ours: &["syncd-core"],
        others: Some(&["clap", "anyhow"]),
        tests: &[],
        touches: "a seed, or a recording",
    },
    Wall {
        package: "syncd-fuzz",
        manifest: "syncd/fuzz/Cargo.toml",
        ours: &["syncd-core", "syncd-conntrack", "syncd"],
        others: Some(&["anyhow", "clap", "nix"]),
        tests: &[],
        touches: "what reads bytes of strangers, and its corpora",
    },
    Wall {
        package: "labctl",
        manifest: "labctl/Cargo.toml",
        ours: &[],
        others: None,
        tests: &[],
        touches: "the operating system; it is the witness and shares no code with the suspect",
    },
    Wall {
        package: "ci",
        manifest: "ci/Cargo.toml",
        ours: &[],
        others: Some(&["anyhow", "clap", "serde", "serde_json"]),
        tests: &[],
        touches: "text, and programs it starts",
    },
];

/// Every manifest against its wall.
pub(crate) fn walls(packages: &[Package]) -> Vec<Finding> {
    let names: Vec<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    packages.iter().flat_map(|package| breaches(package, &names)).collect()
}

fn breaches(package: &Package, workspace: &[&str]) -> Vec<Finding> {
    let Some(wall) = WALLS.iter().find(|wall| wall.package == package.name) else {
        let text =
            format!("`{}` is a new crate: say in ci/src/tidy/manifests.rs what it may touch", package.name);
        return vec![Finding::new("Cargo.toml", 0, text)];
    };
    let mut findings = Vec::new();
    for dependency in &package.dependencies {
        let name = dependency.name.as_str();
        let only_tests = dependency.kind.as_deref() == Some("dev");
        let allowed = if workspace.contains(&name) {
            wall.ours.contains(&name)
        } else {
            wall.others.is_none_or(|others| others.contains(&name))
                || only_tests && wall.tests.contains(&name)
        };
        if !allowed {
            let text = format!(
                "{} may touch {}, so it must not depend on `{name}`: do without, or change the wall in \
                 ci/src/tidy/manifests.rs in a commit that argues for it",
                wall.package, wall.touches
            );
            findings.push(Finding::new(wall.manifest, 0, text));
        }
    }
    findings
}
