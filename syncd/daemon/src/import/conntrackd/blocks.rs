//! The blocks of a `conntrackd.conf`, as a tree of words.
//!
//! The language has no line ends: a key knows how many values it has. So a line is cut where the block that follows
//! begins, and the rest into pairs; in the blocks that list words each word is by itself. Tested through `tests.rs`.

use anyhow::bail;

/// A key with its values, or with what is in its braces.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Node {
    /// The key, then its values.
    pub(super) words: Vec<String>,
    /// What is in its braces, if it has some.
    pub(super) block: Option<Vec<Node>>,
    /// Where it stands, from 1.
    pub(super) line: usize,
}

impl Node {
    /// Whether that is its key.
    pub(super) fn is(&self, key: &str) -> bool {
        self.words.first().is_some_and(|word| word.eq_ignore_ascii_case(key))
    }

    /// Its first value.
    pub(super) fn value(&self) -> &str {
        self.words.get(1).map_or("", String::as_str)
    }
}

/// Keys that begin a block.
const HEADS: [&str; 18] = [
    "sync",
    "general",
    "stats",
    "helper",
    "mode",
    "multicast",
    "udp",
    "tcp",
    "options",
    "filter",
    "protocol",
    "address",
    "state",
    "unix",
    "scheduler",
    "type",
    "policy",
    "expectationsync",
];

/// Blocks that list words.
const LISTS: [&str; 3] = ["protocol", "state", "expectationsync"];

/// Deeper blocks are none of conntrackd's.
const DEEPEST: usize = 8;

enum Token<'t> {
    Word(&'t str),
    Open,
    Close,
    End,
}

/// Parses the text.
///
/// # Errors
///
/// When the braces do not match.
pub(super) fn parse(text: &str) -> anyhow::Result<Vec<Node>> {
    let tokens = tokens(text);
    let mut at = 0;
    let nodes = block(&tokens, &mut at, 0, false)?;
    if let Some((_, line)) = tokens.get(at) {
        bail!("line {line}: a '}}' without a '{{'");
    }
    Ok(nodes)
}

/// The tokens with their lines.
fn tokens(text: &str) -> Vec<(Token<'_>, usize)> {
    let mut tokens = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next().filter(|first| *first != '#') {
            let (token, after) = match first {
                '{' => (Token::Open, &rest[1..]),
                '}' => (Token::Close, &rest[1..]),
                '"' => {
                    let (word, after) = rest[1..].split_once('"').unwrap_or((&rest[1..], ""));
                    (Token::Word(word), after)
                }
                _ => {
                    let ends = |c: char| c.is_whitespace() || ['{', '}', '#'].contains(&c);
                    let (word, after) = rest.split_at(rest.find(ends).unwrap_or(rest.len()));
                    (Token::Word(word), after)
                }
            };
            tokens.push((token, number));
            rest = after.trim_start();
        }
        tokens.push((Token::End, number));
    }
    tokens
}

/// The nodes up to the closing brace, or to the end.
fn block(
    tokens: &[(Token<'_>, usize)],
    at: &mut usize,
    depth: usize,
    lists: bool,
) -> anyhow::Result<Vec<Node>> {
    let mut nodes = Vec::new();
    while let Some((token, line)) = tokens.get(*at) {
        match token {
            Token::Close => return Ok(nodes),
            Token::End => *at += 1,
            Token::Open => bail!("line {line}: a '{{' without a key before it"),
            Token::Word(_) => run(tokens, at, depth, lists, &mut nodes)?,
        }
    }
    Ok(nodes)
}

/// The words up to a brace or the end of the line, and the block if one follows.
fn run(
    tokens: &[(Token<'_>, usize)],
    at: &mut usize,
    depth: usize,
    lists: bool,
    nodes: &mut Vec<Node>,
) -> anyhow::Result<()> {
    let mut words: Vec<(&str, usize)> = Vec::new();
    while let Some((Token::Word(word), line)) = tokens.get(*at) {
        words.push((word, *line));
        *at += 1;
    }
    // The brace may stand on the next line.
    let blanks = tokens[*at..].iter().take_while(|(token, _)| matches!(token, Token::End)).count();
    let opens = matches!(tokens.get(*at + blanks), Some((Token::Open, _)));
    let is_head = |word: &str| HEADS.iter().any(|head| head.eq_ignore_ascii_case(word));
    let head =
        if opens { words.iter().rposition(|(word, _)| is_head(word)).unwrap_or(0) } else { words.len() };
    let (before, head) = words.split_at(head);
    let node = |words: &[(&str, usize)], block| Node {
        line: words.first().map_or(0, |(_, line)| *line),
        words: words.iter().map(|(word, _)| (*word).to_owned()).collect(),
        block,
    };
    nodes.extend(before.chunks(if lists { 1 } else { 2 }).map(|pair| node(pair, None)));
    if !opens {
        return Ok(());
    }
    let line = head.first().map_or(0, |(_, line)| *line);
    if depth == DEEPEST {
        bail!("line {line}: blocks in more than {DEEPEST} blocks");
    }
    *at += blanks + 1;
    let lists =
        LISTS.iter().any(|list| head.first().is_some_and(|(word, _)| list.eq_ignore_ascii_case(word)));
    let inside = block(tokens, at, depth + 1, lists)?;
    if !matches!(tokens.get(*at), Some((Token::Close, _))) {
        bail!("line {line}: the block '{}' has no end", head.first().map_or("", |(word, _)| word));
    }
    *at += 1;
    nodes.push(node(head, Some(inside)));
    Ok(())
}
