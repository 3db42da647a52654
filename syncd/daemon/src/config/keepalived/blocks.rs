//! keepalived's file as lines and blocks, `include` followed: words only, none of them understood.
//!
//! What it cannot follow as keepalived does (conditions, definitions) it says, instead of reading something else. Driven by
//! `config/keepalived.rs`; tested in `tests.rs` beside this file.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// More files than anybody includes, and deeper.
const FILES: usize = 200;
/// A longer file is no configuration, in bytes.
const LONGEST: u64 = 4 << 20;
/// More blocks in each other than keepalived has.
const DEEPEST: usize = 32;

/// Why a file cannot be read as keepalived would.
#[derive(Debug)]
pub(crate) enum Unread {
    /// The system does not give it.
    Unreadable {
        /// Which file: the first one, or one that is included.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What in it is not followed here, in words.
    NotFollowed(String),
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { file, source } => write!(f, "cannot read {}: {source}", file.display()),
            Self::NotFollowed(why) => f.write_str(why),
        }
    }
}

/// A line, and the block that follows it.
#[derive(Debug)]
pub(super) struct Entry {
    /// Its words.
    pub(super) words: Vec<String>,
    /// The lines of its block.
    pub(super) block: Vec<Entry>,
}

impl Entry {
    /// The first word.
    pub(super) fn key(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    /// The second word.
    pub(super) fn value(&self) -> String {
        self.words.get(1).cloned().unwrap_or_default()
    }

    /// The words of the line after the first, and of all lines of the block.
    pub(super) fn all(&self) -> impl Iterator<Item = &String> {
        self.words.iter().skip(1).chain(self.block.iter().flat_map(|entry| &entry.words))
    }
}

/// The lines of a file and of those that it includes.
///
/// # Errors
///
/// See [`Unread`].
pub(super) fn read(file: &Path) -> Result<Vec<Entry>, Unread> {
    let mut gathered = Gathered::default();
    gathered.file(file)?;
    let mut rest = gathered.tokens.as_slice();
    let top = entries(&mut rest);
    if !rest.is_empty() {
        let why = format!("{}: a brace closes what none has opened", file.display());
        return Err(Unread::NotFollowed(why));
    }
    Ok(top)
}

/// The words of one line, or a brace.
#[derive(Debug)]
enum Token {
    Line(Vec<String>),
    Open,
    Close,
}

/// What was read so far.
#[derive(Debug, Default)]
struct Gathered {
    tokens: Vec<Token>,
    files: usize,
    depth: usize,
}

impl Gathered {
    fn file(&mut self, file: &Path) -> Result<(), Unread> {
        self.files += 1;
        if self.files > FILES {
            let why = format!("more than {FILES} files are included: do they include each other?");
            return Err(Unread::NotFollowed(why));
        }
        let mut text = Vec::new();
        File::open(file)
            .and_then(|opened| opened.take(LONGEST + 1).read_to_end(&mut text))
            .map_err(|source| Unread::Unreadable { file: file.to_owned(), source })?;
        if text.len() as u64 > LONGEST {
            let why = format!("{} is longer than {LONGEST} bytes", file.display());
            return Err(Unread::NotFollowed(why));
        }
        for (number, line) in String::from_utf8_lossy(&text).lines().enumerate() {
            self.line(file, line).map_err(|unread| match unread {
                Odd::Here(why) => Unread::NotFollowed(format!("{}:{}: {why}", file.display(), number + 1)),
                Odd::Below(unread) => unread,
            })?;
        }
        Ok(())
    }

    fn line(&mut self, file: &Path, line: &str) -> Result<(), Odd> {
        let words = words(line);
        let Some(first) = words.first() else { return Ok(()) };
        if first.starts_with(['@', '$', '~']) || line.contains("${") {
            return Err(Odd::Here(format!("conditions and definitions ({first}) are not followed here")));
        }
        if first.starts_with("include") && words.len() > 1 {
            for included in matching(file, &words[1])? {
                self.file(&included).map_err(Odd::Below)?;
            }
            return Ok(());
        }
        let mut line = Vec::new();
        for word in words {
            match word.as_str() {
                "{" => {
                    self.push_line(&mut line);
                    self.depth += 1;
                    if self.depth > DEEPEST {
                        return Err(Odd::Here(format!("more than {DEEPEST} blocks stand in each other")));
                    }
                    self.tokens.push(Token::Open);
                }
                "}" => {
                    self.push_line(&mut line);
                    self.depth = self.depth.saturating_sub(1);
                    self.tokens.push(Token::Close);
                }
                _ => line.push(word),
            }
        }
        self.push_line(&mut line);
        Ok(())
    }

    fn push_line(&mut self, line: &mut Vec<String>) {
        if !line.is_empty() {
            self.tokens.push(Token::Line(std::mem::take(line)));
        }
    }
}

/// What a line does not allow.
enum Odd {
    /// It itself, in words.
    Here(String),
    /// What it includes.
    Below(Unread),
}

/// The words of a line; comments begin with `!` or `#`, quotes hold a word together.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote, mut any) = (Vec::new(), String::new(), None, false);
    let mut end = |word: &mut String, any: &mut bool| {
        if std::mem::take(any) {
            words.push(std::mem::take(word));
        }
    };
    for letter in line.chars() {
        match letter {
            _ if quote == Some(letter) => quote = None,
            _ if quote.is_some() => word.push(letter),
            '"' => (quote, any) = (Some(letter), true),
            // In a word it is an apostrophe.
            '\'' if !any => (quote, any) = (Some(letter), true),
            '#' | '!' => break,
            '{' | '}' => {
                end(&mut word, &mut any);
                word.push(letter);
                any = true;
                end(&mut word, &mut any);
            }
            _ if letter.is_whitespace() => end(&mut word, &mut any),
            _ => {
                word.push(letter);
                any = true;
            }
        }
    }
    end(&mut word, &mut any);
    words
}

/// The files that a pattern names: `*` and `?` in its last part, relative to the file that includes.
fn matching(file: &Path, pattern: &str) -> Result<Vec<PathBuf>, Odd> {
    let path = file.parent().unwrap_or(Path::new(".")).join(pattern);
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let directory = path.parent().unwrap_or(Path::new("/"));
    if directory.to_string_lossy().contains(['*', '?', '[']) || name.contains('[') {
        return Err(Odd::Here(format!(
            "include {pattern}: of a pattern only * and ? in the last part are followed here"
        )));
    }
    if !name.contains(['*', '?']) {
        return Ok(vec![path]);
    }
    let listed = fs::read_dir(directory)
        .map_err(|source| Odd::Below(Unread::Unreadable { file: directory.to_owned(), source }))?;
    let names = listed.filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()));
    let is_meant = |there: &String| !there.starts_with('.') && fits(name.as_bytes(), there.as_bytes());
    let mut names: Vec<String> = names.filter(is_meant).collect();
    names.sort_unstable();
    Ok(names.into_iter().map(|name| directory.join(name)).collect())
}

fn fits(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern, name) {
        ([], []) => true,
        ([b'*', more @ ..], _) => (0..=name.len()).any(|skipped| fits(more, &name[skipped..])),
        ([b'?', more @ ..], [_, rest @ ..]) => fits(more, rest),
        ([letter, more @ ..], [first, rest @ ..]) => letter == first && fits(more, rest),
        _ => false,
    }
}

/// Lines up to the end of the block.
fn entries(rest: &mut &[Token]) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    while let Some((token, more)) = rest.split_first() {
        match token {
            Token::Close => break,
            Token::Line(words) => entries.push(Entry { words: words.clone(), block: Vec::new() }),
            Token::Open => {}
        }
        *rest = more;
        if matches!(token, Token::Open) {
            let block = self::entries(rest);
            // The brace that closes it.
            *rest = rest.get(1..).unwrap_or(&[]);
            match entries.last_mut() {
                Some(entry) => entry.block = block,
                None => entries.push(Entry { words: Vec::new(), block }),
            }
        }
    }
    entries
}
