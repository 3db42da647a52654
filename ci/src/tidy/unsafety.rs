//! `unsafe` stays in a few files that are named here, and each use says why it is sound.

use super::Finding;
use super::source::Source;

/// A file that may use `unsafe`, and what cannot be said without.
const MAY: [(&str, &str); 6] = [
    ("labctl/src/link/packet_socket.rs", "packet sockets and ethtool's ioctl have no safe wrapper"),
    (
        "labctl/src/sandbox/descriptors.rs",
        "descriptors come out of a socket as numbers, and owning a number is unsafe",
    ),
    ("syncd/daemon/src/ready.rs", "tokio cannot know that a descriptor outlives its registration"),
    ("syncd/conntrack/tests/no_alloc.rs", "an allocator that counts"),
    ("syncd/core/tests/no_alloc.rs", "an allocator that counts"),
    ("syncd/fuzz/src/allocator.rs", "an allocator that counts"),
];

/// Named file, explained use.
pub(crate) fn named_and_explained(source: &Source) -> Vec<Finding> {
    let uses = source.words("unsafe");
    let Some(first) = uses.first() else { return Vec::new() };
    if !MAY.iter().any(|(path, _)| *path == source.path) {
        let text = "`unsafe` in a file that is not named in ci/src/tidy/unsafety.rs: use what nix or the standard library \
                    has for it, or move it to one of the named files, or name this one with its reason";
        return vec![Finding::new(source.path, source.line_at(*first), text)];
    }
    let lines: Vec<&str> = source.text.lines().collect();
    let unexplained =
        uses.into_iter().map(|at| source.line_at(at)).filter(|&line| !is_explained(&lines, line));
    let text =
        "`unsafe` without a reason: put a comment `// SAFETY: …` directly above that says why it is sound";
    unexplained.map(|line| Finding::new(source.path, line, text)).collect()
}

/// The list names no file that is gone.
pub(crate) fn list_is_current(paths: &[&str]) -> Vec<Finding> {
    let gone = MAY.iter().filter(|(path, _)| !paths.contains(path));
    gone.map(|(path, _)| {
        Finding::new("ci/src/tidy/unsafety.rs", 0, format!("{path} is gone: take it off the list"))
    })
    .collect()
}

/// Whether the comment above `line` (from 1) holds `SAFETY:`. Between the two only attributes and the beginning of
/// the same statement may stand.
pub(super) fn is_explained(lines: &[&str], line: usize) -> bool {
    let above = lines[..line - 1].iter().rev().map(|line| line.trim_start());
    let mut comments = above.skip_while(|line| !line.starts_with("//") && !ends_a_statement(line));
    comments.by_ref().take_while(|line| line.starts_with("//")).any(|line| line.contains("SAFETY:"))
}

fn ends_a_statement(line: &str) -> bool {
    line.is_empty() || line.ends_with([';', '{', '}'])
}
