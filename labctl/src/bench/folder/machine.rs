//! What was measured on: without it a figure says nothing.
//!
//! Never fails: what cannot be found out is left out. Driven by `mod.rs`; tested below.

use std::fs;
use std::process::Command;
use std::thread;

use nix::sys::utsname::uname;

use crate::programs;

/// Processor, memory, kernel, and whom syncd is compared with, in one sentence.
pub(super) fn words() -> String {
    let processors = thread::available_parallelism().map_or(0, usize::from);
    let model = fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| field(&text, "model name"));
    let memory = fs::read_to_string("/proc/meminfo").ok().and_then(|text| field(&text, "MemTotal"));
    let kernel = uname().ok().map(|names| names.release().to_string_lossy().into_owned());
    let mut parts = vec![match model {
        Some(model) => format!("{processors} processors ({model})"),
        None => format!("{processors} processors"),
    }];
    parts.extend(memory.as_deref().and_then(gigabytes));
    parts.extend(kernel.map(|release| format!("Linux {release}")));
    parts.extend(conntrackd());
    parts.push(format!("syncd {}", env!("CARGO_PKG_VERSION")));
    parts.join(", ") + "."
}

/// `name : value` of the first line of this name.
fn field(text: &str, name: &str) -> Option<String> {
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().to_owned())
}

/// `16384000 kB` as people say it.
fn gigabytes(memory: &str) -> Option<String> {
    let kilobytes: u64 = memory.split_whitespace().next()?.parse().ok()?;
    Some(format!("{} GB of memory", (kilobytes + 500_000) / 1_000_000))
}

/// `conntrackd v1.4.7`, as it calls itself.
fn conntrackd() -> Option<String> {
    let output = Command::new(programs::find("conntrackd").ok()?).arg("-v").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = text
        .split_whitespace()
        .find(|word| word.trim_start_matches('v').starts_with(|c: char| c.is_ascii_digit()))?;
    Some(format!("conntrackd {}", version.trim_start_matches('v').trim_end_matches(['.', ','])))
}

#[cfg(test)]
mod tests {
    use super::{field, gigabytes};

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let text = "model\t\t: 85\nmodel name\t: A processor: fast\nMemTotal:  24612345 kB\n";
        assert_eq!(field(text, "model name").as_deref(), Some("A processor: fast"));
        assert_eq!(
            field(text, "MemTotal").as_deref().and_then(gigabytes).as_deref(),
            Some("25 GB of memory")
        );
        assert_eq!(field(text, "flags"), None);
    }
}
