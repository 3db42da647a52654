//! keepalived's configuration, as far as it concerns a failover: blocks and words, `include` followed.
//!
//! Never starts keepalived and never judges. What it cannot follow (conditions, definitions) it says, instead of reading
//! something else than keepalived does. Driven by `gather`; tested in `tests/keepalived.rs`.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// What it says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Keepalived {
    /// Where it writes every change of a role.
    pub(super) fifos: Vec<String>,
    /// `fifo_write_vrrp_states_on_reload`.
    pub(super) tells_on_reload: bool,
    /// `vrrp_startup_delay`, in seconds; 0 without.
    pub(super) startup_delay: f64,
    /// The files that it can look at.
    pub(super) track_files: Vec<TrackFile>,
    /// The sync groups.
    pub(super) groups: Vec<Group>,
    /// The VRRP instances.
    pub(super) instances: Vec<Instance>,
}

/// A `track_file`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TrackFile {
    /// Its name.
    pub(super) name: String,
    /// Which file.
    pub(super) file: String,
    /// By what the number in it is multiplied; keepalived takes 1 where nothing is said.
    pub(super) weight: Option<i32>,
    /// What it says before anybody has written it.
    pub(super) init: Option<String>,
}

/// That a group or an instance looks at a `track_file`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tracking {
    /// The name of the file.
    pub(super) name: String,
    /// By what the number in it is multiplied here.
    pub(super) weight: Option<i32>,
}

/// A `vrrp_sync_group`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Group {
    /// Its name.
    pub(super) name: String,
    /// The instances that move together.
    pub(super) members: Vec<String>,
    /// Whether a script is told of its role.
    pub(super) notifies: bool,
    /// What all its members look at.
    pub(super) tracks: Vec<Tracking>,
}

/// A `vrrp_instance`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Instance {
    /// Its name.
    pub(super) name: String,
    /// Where it speaks.
    pub(super) interface: String,
    /// The interface of its own MAC address, by which packets come in.
    pub(super) vmac: Option<String>,
    /// Whether its advertisements leave by [`Instance::vmac`].
    pub(super) speaks_by_vmac: bool,
    /// Whether it speaks to named peers and not to the group.
    pub(super) unicast: bool,
    /// The shared addresses.
    pub(super) addresses: Vec<IpAddr>,
    /// Whether it takes nothing back from a peer of lower priority.
    pub(super) nopreempt: bool,
    /// Whether it begins as master.
    pub(super) begins_as_master: bool,
    /// Its priority; keepalived takes 100 where nothing is said.
    pub(super) priority: Option<i32>,
    /// What it looks at.
    pub(super) tracks: Vec<Tracking>,
}

/// More files than anybody includes, and deeper.
const FILES: usize = 200;
/// A longer file is no configuration, in bytes.
const LONGEST: u64 = 4 << 20;

/// Reads the file, and those that it includes.
///
/// # Errors
///
/// Why it cannot be read as keepalived would, in words.
pub(super) fn read(file: &Path) -> Result<Keepalived, String> {
    let mut tokens = Vec::new();
    gather(file, &mut tokens, &mut 0)?;
    let mut rest = tokens.as_slice();
    let top = entries(&mut rest);
    if !rest.is_empty() {
        return Err(format!("{}: a brace closes what none has opened", file.display()));
    }
    let mut read = Keepalived::default();
    top.iter().for_each(|entry| read.take(entry));
    Ok(read)
}

/// The words of one line, or a brace.
#[derive(Debug)]
enum Token {
    Line(Vec<String>),
    Open,
    Close,
}

/// A line, and the block that follows it.
#[derive(Debug)]
struct Entry {
    words: Vec<String>,
    block: Vec<Entry>,
}

fn gather(file: &Path, tokens: &mut Vec<Token>, files: &mut usize) -> Result<(), String> {
    *files += 1;
    if *files > FILES {
        return Err(format!("more than {FILES} files are included: do they include each other?"));
    }
    let failed = |error: std::io::Error| format!("cannot read {}: {error}", file.display());
    if fs::metadata(file).map_err(failed)?.len() > LONGEST {
        return Err(format!("{} is longer than {LONGEST} bytes", file.display()));
    }
    let text = fs::read(file).map_err(failed)?;
    for (number, line) in String::from_utf8_lossy(&text).lines().enumerate() {
        let words = words(line);
        let Some(first) = words.first() else { continue };
        if first.starts_with(['@', '$', '~']) || line.contains("${") {
            return Err(format!(
                "{}:{}: conditions and definitions ({first}) are not followed here",
                file.display(),
                number + 1
            ));
        }
        if first.starts_with("include") && words.len() > 1 {
            for included in matching(file, &words[1])? {
                gather(&included, tokens, files)?;
            }
            continue;
        }
        let mut line = Vec::new();
        for word in words {
            match word.as_str() {
                "{" | "}" => {
                    push_line(tokens, &mut line);
                    tokens.push(if word == "{" { Token::Open } else { Token::Close });
                }
                _ => line.push(word),
            }
        }
        push_line(tokens, &mut line);
    }
    Ok(())
}

fn push_line(tokens: &mut Vec<Token>, line: &mut Vec<String>) {
    if !line.is_empty() {
        tokens.push(Token::Line(std::mem::take(line)));
    }
}

/// The words of a line; comments begin with `!` or `#`, quotes hold a word together.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted, mut any) = (Vec::new(), String::new(), false, false);
    let mut end = |word: &mut String, any: &mut bool| {
        if std::mem::take(any) {
            words.push(std::mem::take(word));
        }
    };
    for letter in line.chars() {
        match letter {
            '"' => (quoted, any) = (!quoted, true),
            _ if quoted => word.push(letter),
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
fn matching(file: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
    let path = file.parent().unwrap_or(Path::new(".")).join(pattern);
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let directory = path.parent().unwrap_or(Path::new("/"));
    if directory.to_string_lossy().contains(['*', '?', '[']) || name.contains('[') {
        return Err(format!(
            "include {pattern}: of a pattern only * and ? in the last part are followed here"
        ));
    }
    if !name.contains(['*', '?']) {
        return Ok(vec![path]);
    }
    let listed =
        fs::read_dir(directory).map_err(|error| format!("cannot read {}: {error}", directory.display()))?;
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

impl Entry {
    fn key(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    fn value(&self) -> String {
        self.words.get(1).cloned().unwrap_or_default()
    }

    /// The words of the line after the first, and of all lines of the block.
    fn all(&self) -> impl Iterator<Item = &String> {
        self.words.iter().skip(1).chain(self.block.iter().flat_map(|entry| &entry.words))
    }
}

impl Keepalived {
    fn take(&mut self, entry: &Entry) {
        match entry.key() {
            "global_defs" => entry.block.iter().for_each(|entry| self.take_global(entry)),
            "vrrp_sync_group" => self.groups.push(Group::of(entry)),
            "vrrp_instance" => self.instances.push(Instance::of(entry)),
            // The second is its name before keepalived 2.1.
            "track_file" | "vrrp_track_file" => self.track_files.push(TrackFile::of(entry)),
            _ => {}
        }
    }

    fn take_global(&mut self, entry: &Entry) {
        match entry.key() {
            "notify_fifo" | "vrrp_notify_fifo" => self.fifos.push(entry.value()),
            "fifo_write_vrrp_states_on_reload" => self.tells_on_reload = true,
            "vrrp_startup_delay" => self.startup_delay = entry.value().parse().unwrap_or(0.0),
            _ => {}
        }
    }
}

impl TrackFile {
    fn of(entry: &Entry) -> Self {
        let mut file = Self { name: entry.value(), ..Self::default() };
        for line in &entry.block {
            match line.key() {
                "file" => file.file = line.value(),
                "weight" => file.weight = line.value().parse().ok(),
                "init_file" => file.init = Some(line.value()),
                _ => {}
            }
        }
        file
    }
}

impl Tracking {
    /// `NAME`, or `NAME weight NUMBER`.
    fn of(entry: &Entry) -> Self {
        let weight = entry.words.iter().skip_while(|word| *word != "weight").nth(1);
        Self { name: entry.key().to_owned(), weight: weight.and_then(|word| word.parse().ok()) }
    }
}

impl Group {
    fn of(entry: &Entry) -> Self {
        let mut group = Self { name: entry.value(), ..Self::default() };
        for line in &entry.block {
            match line.key() {
                "group" => group.members.extend(line.all().cloned()),
                "track_file" => group.tracks.extend(line.block.iter().map(Tracking::of)),
                key if key.starts_with("notify") => group.notifies = true,
                _ => {}
            }
        }
        group
    }
}

impl Instance {
    fn of(entry: &Entry) -> Self {
        let mut instance = Self { name: entry.value(), speaks_by_vmac: true, ..Self::default() };
        let mut router = String::new();
        for line in &entry.block {
            match line.key() {
                "interface" => instance.interface = line.value(),
                "virtual_router_id" => router = line.value(),
                "use_vmac" => instance.vmac = Some(line.value()),
                "vmac_xmit_base" => instance.speaks_by_vmac = false,
                "unicast_peer" => instance.unicast = true,
                "nopreempt" => instance.nopreempt = true,
                "priority" => instance.priority = line.value().parse().ok(),
                "track_file" => instance.tracks.extend(line.block.iter().map(Tracking::of)),
                "state" => instance.begins_as_master = line.value() == "MASTER",
                "virtual_ipaddress" | "virtual_ipaddress_excluded" => {
                    let addresses = line.block.iter().map(Entry::key);
                    let alone = addresses.map(|word| word.split('/').next().unwrap_or(word));
                    instance.addresses.extend(alone.filter_map(|word| word.parse::<IpAddr>().ok()));
                }
                _ => {}
            }
        }
        if let Some(name) = instance.vmac.as_mut().filter(|name| name.is_empty()) {
            *name = format!("vrrp.{router}");
        }
        instance
    }

    /// The names under which packets come in.
    pub(super) fn entrances(&self) -> impl Iterator<Item = &str> {
        [Some(self.interface.as_str()), self.vmac.as_deref()].into_iter().flatten()
    }

    /// The name under which its advertisements leave.
    pub(super) fn exit(&self) -> &str {
        self.vmac.as_deref().filter(|_| self.speaks_by_vmac).unwrap_or(&self.interface)
    }
}
