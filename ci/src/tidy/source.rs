//! A Rust source as the rules see it: the text, and the same text with all that is not code blanked out.
//!
//! Not a parser. It knows comments, strings, characters and lifetimes, so that a rule that looks for a word or a brace
//! finds code and nothing else; lines and columns stay what they are.

/// One Rust source.
pub(crate) struct Source<'a> {
    /// Path from the root of the clone.
    pub(crate) path: &'a str,
    /// The text as it is.
    pub(crate) text: &'a str,
    /// The text with comments and the insides of literals turned to blanks; same length, same lines.
    pub(crate) code: String,
}

impl<'a> Source<'a> {
    /// Reads `text`.
    pub(crate) fn new(path: &'a str, text: &'a str) -> Self {
        Self { path, text, code: blank(text) }
    }

    /// The line (from 1) that holds the byte `offset`.
    pub(crate) fn line_at(&self, offset: usize) -> usize {
        self.code.as_bytes()[..offset].iter().filter(|&&byte| byte == b'\n').count() + 1
    }

    /// Offsets at which `word` stands in the code as a word of its own.
    pub(crate) fn words(&self, word: &str) -> Vec<usize> {
        let bytes = self.code.as_bytes();
        let is_part = |byte: Option<&u8>| byte.is_some_and(|&b| b.is_ascii_alphanumeric() || b == b'_');
        let stands_alone = |at: usize| {
            !is_part(at.checked_sub(1).and_then(|before| bytes.get(before)))
                && !is_part(bytes.get(at + word.len()))
        };
        self.code.match_indices(word).map(|(at, _)| at).filter(|&at| stands_alone(at)).collect()
    }

    /// The offset behind the bracket that closes the one at `open`; the end of the text if none does.
    pub(crate) fn closing(&self, open: usize) -> usize {
        let bytes = self.code.as_bytes();
        let (opener, closer) = match bytes[open] {
            b'{' => (b'{', b'}'),
            b'[' => (b'[', b']'),
            _ => (b'(', b')'),
        };
        let mut depth = 0_usize;
        for (at, &byte) in bytes.iter().enumerate().skip(open) {
            if byte == opener {
                depth += 1;
            } else if byte == closer {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
        }
        bytes.len()
    }

    /// Whether it is read only by tests: a sibling `tests.rs`, or below a directory `tests`.
    pub(crate) fn is_test(&self) -> bool {
        self.path.split('/').any(|part| part == "tests" || part == "tests.rs" || part == "benches")
    }
}

/// `text` with comments and the insides of literals turned to blanks.
fn blank(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = skip(bytes, at);
        if end > at {
            for byte in &mut code[at..end] {
                if *byte != b'\n' {
                    *byte = b' ';
                }
            }
            at = end;
        } else {
            at += 1;
        }
    }
    // What is left is whole characters: only ranges that begin and end at ASCII were blanked.
    String::from_utf8_lossy(&code).into_owned()
}

/// The end of the comment or literal that begins at `at`; `at` itself when none does.
fn skip(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    let after_word = at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_');
    match rest {
        [b'/', b'/', ..] => at + rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len()),
        [b'/', b'*', ..] => at + block_comment(rest),
        [b'"', ..] => at + string(rest),
        [b'\'', ..] => at + character(rest),
        [b'r', ..] if !after_word => at + raw_string(rest),
        [b'b', b'r', ..] if !after_word => match raw_string(&rest[1..]) {
            0 => at,
            length => at + 1 + length,
        },
        _ => at,
    }
}

fn block_comment(rest: &[u8]) -> usize {
    let (mut at, mut depth) = (0, 0_usize);
    while at < rest.len() {
        match &rest[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => {
                (depth, at) = (depth - 1, at + 2);
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    rest.len()
}

fn string(rest: &[u8]) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// A character literal; 0 for a lifetime, which also begins with a quote.
fn character(rest: &[u8]) -> usize {
    const LONGEST: usize = "'\\u{10ffff}'".len();
    match rest.get(1) {
        Some(b'\\') => rest.iter().skip(3).position(|&byte| byte == b'\'').map_or(0, |more| more + 4),
        Some(_) => {
            let close =
                rest.iter().take(LONGEST).skip(2).position(|&byte| byte == b'\'').map_or(0, |more| more + 2);
            // One character, in as many bytes as it takes; anything longer is two lifetimes.
            let one = close > 0
                && std::str::from_utf8(&rest[1..close]).is_ok_and(|inner| inner.chars().count() == 1);
            if one { close + 1 } else { 0 }
        }
        None => 0,
    }
}

/// A raw string from its `r`; 0 when it is only a word with this letter.
fn raw_string(rest: &[u8]) -> usize {
    let hashes = rest[1..].iter().take_while(|&&byte| byte == b'#').count();
    if rest.get(1 + hashes) != Some(&b'"') {
        return 0;
    }
    let mut close = vec![b'"'];
    close.resize(1 + hashes, b'#');
    let body = &rest[hashes + 2..];
    let found = body.windows(close.len()).position(|window| window == close);
    found.map_or(rest.len(), |length| hashes + 2 + length + close.len())
}
