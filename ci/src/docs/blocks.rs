//! What is to be tried of a page: its fenced blocks, each with a mark behind its language, and comments that nobody sees
//! but the trial.
//!
//! Pure. Every block has a mark, so that nothing is left out by forgetting; the marks are in `CONTRIBUTING.md`. Tested in
//! `tests.rs` beside it.

/// A page.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Page {
    /// Its path from the root of the clone.
    pub(super) path: String,
    /// The lab that it is tried in.
    pub(super) lab: Lab,
    /// What is done, from top to bottom.
    pub(super) steps: Vec<Step>,
}

/// Where a page is tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Lab {
    /// It needs none.
    None,
    /// In a lab of this file.
    Of(String),
    /// In the lab of another page, after it.
    After(String),
}

/// One thing that is done.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// Where it stands, counted from 1.
    pub(super) line: usize,
    /// What it is.
    pub(super) what: What,
}

/// What is done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum What {
    /// labctl is asked for something; only a comment says so.
    Labctl(Vec<String>),
    /// A file of another page is there, on the routers on which it is there; only a comment says so.
    Borrow { page: String, path: String },
    /// A file gets this text, or gets it at its end.
    File { path: String, on: Vec<String>, text: String, append: bool },
    /// A shell runs a script.
    Run(Run),
}

/// A script and what is expected of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Run {
    /// On these routers, or none: in the clone.
    pub(super) on: Vec<String>,
    pub(super) script: String,
    /// It needs systemd and dpkg, which a lab has not.
    pub(super) booted: bool,
    /// It only looks, so it may be asked until it shows what is expected.
    pub(super) look: bool,
    /// Its exit code.
    pub(super) exit: i32,
    /// What it prints.
    pub(super) output: Option<String>,
}

/// Something wrong with a page: its line, and what.
pub(super) type Mistake = (usize, String);

const MARKS: &str = "mark it behind its language: run, look or endless (on=r1,r2 booted exit=N), file=PATH or append=PATH \
                     (on=r1,r2), output, or shown=\"why it cannot be tried\"";

/// What goes on until somebody interrupts it is interrupted after so many seconds.
const ENOUGH: u8 = 2;

/// `timeout(1)` ends so if it had to interrupt.
const INTERRUPTED: i32 = 124;

/// A block as it stands there.
struct Block<'t> {
    line: usize,
    info: &'t str,
    text: String,
}

/// Reads a page, and all that is wrong with it.
pub(crate) fn read(path: &str, text: &str) -> (Page, Vec<Mistake>) {
    let mut page = Page { path: path.to_owned(), lab: Lab::None, steps: Vec::new() };
    let mut mistakes = Vec::new();
    let mut lines = text.lines().enumerate().map(|(at, line)| (at + 1, line));
    while let Some((line, said)) = lines.next() {
        if let Some(comment) = said.trim().strip_prefix("<!--").and_then(|rest| rest.strip_suffix("-->")) {
            if let Err(what) = page.hear(line, comment.trim()) {
                mistakes.push((line, what));
            }
            continue;
        }
        let Some((fence, info)) = opening(said) else { continue };
        let indent = said.len() - said.trim_start().len();
        let mut text = String::new();
        let mut closed = false;
        for (_, inner) in lines.by_ref() {
            closed = inner.trim() == fence;
            if closed {
                break;
            }
            let kept = if inner.trim().is_empty() { "" } else { inner.get(indent..).unwrap_or(inner) };
            text.push_str(kept);
            text.push('\n');
        }
        let block = Block { line, info, text };
        if !closed {
            mistakes.push((line, "the block does not end".to_owned()));
        } else if let Err(what) = page.take(block) {
            mistakes.push((line, what));
        }
    }
    (page, mistakes)
}

/// A line that opens a block: its fence, and what stands behind it.
fn opening(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    let length = line.len() - line.trim_start_matches('`').len();
    (length >= 3).then(|| line.split_at(length))
}

impl Page {
    fn hear(&mut self, line: usize, comment: &str) -> Result<(), String> {
        if let Some(lab) = comment.strip_prefix("lab: ") {
            self.lab = match lab.strip_prefix("that of ") {
                Some(page) => Lab::After(page.to_owned()),
                None => Lab::Of(lab.to_owned()),
            };
            return Ok(());
        }
        let Some(command) = comment.strip_prefix("try: ") else { return Ok(()) };
        let words: Vec<&str> = command.split_whitespace().collect();
        let what = match words[..] {
            ["labctl", ref words @ ..] if !words.is_empty() => {
                What::Labctl(words.iter().map(|word| (*word).to_owned()).collect())
            }
            [path, "of", page] if path.starts_with('/') => {
                What::Borrow { page: page.to_owned(), path: path.to_owned() }
            }
            _ => {
                let known = "<!-- try: labctl verify -->, <!-- try: /etc/nftables.conf of docs/getting-started.md -->";
                return Err(format!(
                    "a comment can only ask labctl, or have a file of another page: {known}"
                ));
            }
        };
        if self.lab == Lab::None {
            return Err("say before in which lab: <!-- lab: scenarios/topologies/by-hand.yaml -->".to_owned());
        }
        self.steps.push(Step { line, what });
        Ok(())
    }

    fn take(&mut self, block: Block<'_>) -> Result<(), String> {
        let Block { line, info, text } = block;
        let marks = Marks::read(info)?;
        let what = match marks.kind {
            Kind::Shown => return Ok(()),
            Kind::Output => {
                let Some(Step { what: What::Run(run), .. }) = self.steps.last_mut() else {
                    return Err(
                        "output of what? It follows a block that is run, or is shown=\"…\"".to_owned()
                    );
                };
                if run.output.replace(text).is_some() {
                    return Err("the block before has its output already".to_owned());
                }
                return Ok(());
            }
            Kind::File(path) => What::File { path, on: marks.on, text, append: false },
            Kind::Append(path) => What::File { path, on: marks.on, text, append: true },
            Kind::Run { look } => {
                let Marks { on, booted, exit, .. } = marks;
                What::Run(Run { on, script: text, booted, look, exit, output: None })
            }
            // It must go on until then: one that ends by itself ends otherwise.
            Kind::Endless => {
                let Marks { on, booted, .. } = marks;
                let script = format!("timeout --signal=INT {ENOUGH} sh -e <<'END'\n{text}END\n");
                What::Run(Run { on, script, booted, look: false, exit: INTERRUPTED, output: None })
            }
        };
        let on = match &what {
            What::File { on, .. } => on,
            What::Run(run) => &run.on,
            What::Labctl(_) | What::Borrow { .. } => return Ok(()),
        };
        if !on.is_empty() && self.lab == Lab::None {
            return Err("there is no router: say in which lab the page is tried, <!-- lab: … -->".to_owned());
        }
        if on.is_empty() && matches!(what, What::File { .. }) {
            return Err("say on which routers the file is: on=r1,r2".to_owned());
        }
        self.steps.push(Step { line, what });
        Ok(())
    }
}

enum Kind {
    Shown,
    Output,
    File(String),
    Append(String),
    Run { look: bool },
    Endless,
}

struct Marks {
    kind: Kind,
    on: Vec<String>,
    booted: bool,
    exit: i32,
}

impl Marks {
    fn read(info: &str) -> Result<Self, String> {
        let words = words(info);
        let mut words = words.iter().map(String::as_str);
        let language = words.next().unwrap_or_default();
        if language.is_empty()
            || language.contains('=')
            || ["run", "look", "endless", "output"].contains(&language)
        {
            return Err(format!("the block has no language; {MARKS}"));
        }
        let (mut kind, mut on, mut booted, mut exit) = (None, Vec::new(), false, 0);
        for word in words {
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            let this = match (name, value.is_empty()) {
                ("run", true) => Kind::Run { look: false },
                ("look", true) => Kind::Run { look: true },
                ("endless", true) => Kind::Endless,
                ("output", true) => Kind::Output,
                ("file", false) if value.starts_with('/') => Kind::File(value.to_owned()),
                ("append", false) if value.starts_with('/') => Kind::Append(value.to_owned()),
                ("shown", false) => Kind::Shown,
                ("on", false) => {
                    on = value.split(',').map(str::to_owned).collect();
                    continue;
                }
                ("booted", true) => {
                    booted = true;
                    continue;
                }
                ("exit", false) => {
                    exit = value.parse().map_err(|_| format!("`{word}`: no exit code; {MARKS}"))?;
                    continue;
                }
                _ => return Err(format!("`{word}` is no mark; {MARKS}")),
            };
            if kind.replace(this).is_some() {
                return Err(format!("two marks that exclude each other; {MARKS}"));
            }
        }
        let kind = kind.ok_or_else(|| format!("the block has no mark; {MARKS}"))?;
        let endless = matches!(kind, Kind::Endless);
        let runs = endless || matches!(kind, Kind::Run { .. });
        if !runs && booted
            || (endless || !runs) && exit != 0
            || matches!(kind, Kind::Output | Kind::Shown) && !on.is_empty()
        {
            return Err(format!("a mark that belongs to another kind of block; {MARKS}"));
        }
        if runs && !["sh", "console"].contains(&language) {
            return Err("only sh can be run".to_owned());
        }
        Ok(Self { kind, on, booted, exit })
    }
}

/// Words apart by spaces; double quotes hold several together.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut quoted) = (vec![String::new()], false);
    for letter in text.trim().chars() {
        match letter {
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            other => {
                if let Some(word) = words.last_mut() {
                    word.push(other);
                }
            }
        }
    }
    words.retain(|word| !word.is_empty());
    words
}
