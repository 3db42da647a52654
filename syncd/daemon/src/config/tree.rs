//! Walking the tree: a [`Cursor`] knows where it stands, a [`Reader`] notes what is wrong there.
//!
//! Knows nothing of the keys' meaning; [`super::read`] does. Tested in `tests.rs` beside it.

use std::collections::HashSet;
use std::net::IpAddr;

use super::keys;
use super::node::{Node, Part, Path, Source};
use super::problem::{self, Problem};

/// A part of the tree, with the way to it.
#[derive(Clone, Debug)]
pub(super) struct Cursor<'n> {
    /// What stands there.
    pub(super) node: &'n Node,
    /// The way from the root.
    pub(super) path: Path,
    names: Vec<String>,
}

impl<'n> Cursor<'n> {
    /// The whole document.
    pub(super) const fn root(node: &'n Node) -> Self {
        Self { node, path: Vec::new(), names: Vec::new() }
    }

    /// The key under which it stands.
    pub(super) fn key(&self) -> &str {
        self.names.last().map_or("", String::as_str)
    }

    /// All keys from the top, joined by dots.
    pub(super) fn name(&self) -> String {
        self.names.join(".")
    }

    fn below(&self, index: usize, name: String, node: &'n Node) -> Self {
        let mut path = self.path.clone();
        path.push(index);
        let mut names = self.names.clone();
        names.push(name);
        Self { node, path, names }
    }
}

/// The known keys of one level that are there, and those that may be meant by unknown ones.
pub(super) struct Fields<'n> {
    there: Vec<Cursor<'n>>,
    meant: Vec<String>,
}

impl<'n> Fields<'n> {
    /// What stands under `key`.
    pub(super) fn get(&self, key: &str) -> Option<&Cursor<'n>> {
        self.there.iter().find(|cursor| cursor.key() == key)
    }

    /// Whether an unknown key looks like a misspelt `key`.
    pub(super) fn is_meant(&self, key: &str) -> bool {
        self.meant.iter().any(|meant| meant == key)
    }
}

/// Reads values and notes problems.
pub(super) struct Reader<'t> {
    source: &'t Source,
    noted: Noted,
}

/// What a reader has to say.
#[derive(Debug, Default)]
pub(super) struct Noted {
    /// What is wrong.
    pub(super) problems: Vec<Problem>,
    /// How many problems there are besides.
    pub(super) unshown: usize,
    /// What is right and probably not meant.
    pub(super) remarks: Vec<Problem>,
}

impl<'t> Reader<'t> {
    /// A reader of this text, with nothing noted.
    pub(super) const fn new(source: &'t Source) -> Self {
        Self { source, noted: Noted { problems: Vec::new(), unshown: 0, remarks: Vec::new() } }
    }

    /// The text of the file.
    pub(super) const fn source(&self) -> &'t Source {
        self.source
    }

    /// What was noted.
    pub(super) fn into_noted(self) -> Noted {
        self.noted
    }

    /// Notes a problem of the key or value at `cursor`.
    pub(super) fn note(&mut self, cursor: &Cursor<'_>, part: Part, reason: &str, remedy: &str) {
        if self.noted.problems.len() == problem::MOST {
            self.noted.unshown += 1;
            return;
        }
        let place = self.source.locate(&cursor.path, part);
        self.noted.problems.push(Problem::new(place, &cursor.name(), reason, remedy));
    }

    /// Remarks on what is right and probably not meant; each key has one at most.
    pub(super) fn remark(&mut self, cursor: &Cursor<'_>, part: Part, reason: &str, remedy: &str) {
        let place = self.source.locate(&cursor.path, part);
        self.noted.remarks.push(Problem::new(place, &cursor.name(), reason, remedy));
    }

    /// Notes a problem of the file as a whole.
    pub(super) fn note_file(&mut self, reason: &str, remedy: &str) {
        self.noted.problems.push(Problem::new(None, "", reason, remedy));
    }

    /// All entries below `cursor`; each repetition of a key is noted and left out. `meant` is what was probably to be
    /// written, if a value that stands there instead tells it.
    pub(super) fn entries<'n>(
        &mut self,
        cursor: &Cursor<'n>,
        meant: impl FnOnce(&Node) -> Option<String>,
    ) -> Option<Vec<Cursor<'n>>> {
        let Node::Map(map) = cursor.node else {
            let reason = format!("keys with values are expected here, not {}", kind(cursor.node));
            let remedy = match meant(cursor.node) {
                Some(meant) => format!("write '{meant}'"),
                None => "write 'key: value' lines below it, or { key: value }".to_owned(),
            };
            self.note(cursor, Part::Value, &reason, &remedy);
            return None;
        };
        let (mut entries, mut met) = (Vec::new(), HashSet::new());
        for (index, (key, node)) in map.iter().enumerate() {
            let entry = cursor.below(index, key.clone(), node);
            if met.insert(key) {
                entries.push(entry);
            } else {
                self.note(&entry, Part::Key, "this key is there twice", "write each key once");
            }
        }
        Some(entries)
    }

    /// The entries below `cursor` that the table of keys has below `path`; every other key is noted. For `meant` see
    /// [`Self::entries`].
    pub(super) fn fields<'n>(
        &mut self,
        cursor: &Cursor<'n>,
        path: &str,
        meant: impl FnOnce(&Node) -> Option<String>,
    ) -> Option<Fields<'n>> {
        let entries = self.entries(cursor, meant)?;
        Some(self.known(entries, &keys::below(path)))
    }

    /// The entries of the document: there is one.
    pub(super) fn sections<'n>(&mut self, root: &Cursor<'n>) -> Option<Fields<'n>> {
        let entries = self.entries(root, |_| None)?;
        Some(self.known(entries, &[keys::TOP]))
    }

    fn known<'n>(&mut self, entries: Vec<Cursor<'n>>, known: &[&str]) -> Fields<'n> {
        let (there, unknown): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|entry| known.contains(&entry.key()));
        let mut meant = Vec::new();
        for entry in &unknown {
            let near = near(entry.key(), known);
            let remedy = match near {
                Some(word) => format!("did you mean '{word}'?"),
                None => format!("known here: {}", known.join(", ")),
            };
            self.note(entry, Part::Key, "unknown key", &remedy);
            meant.extend(near.map(str::to_owned));
        }
        Fields { there, meant }
    }

    /// The items of a list; a single value counts as a list of one, as VyOS writes it.
    pub(super) fn items<'n>(&mut self, cursor: &Cursor<'n>) -> Vec<Cursor<'n>> {
        match cursor.node {
            Node::List(list) => {
                let name = |index| format!("{}[{index}]", cursor.key());
                let parent =
                    Cursor { names: cursor.names[..cursor.names.len() - 1].to_vec(), ..cursor.clone() };
                list.iter().enumerate().map(|(index, node)| parent.below(index, name(index), node)).collect()
            }
            Node::Map(_) | Node::Nothing => {
                let reason = format!("a list is expected here, not {}", kind(cursor.node));
                self.note(cursor, Part::Value, &reason, "write [a, b]");
                Vec::new()
            }
            _ => vec![cursor.clone()],
        }
    }

    /// The value as text. A number is none: whoever wants it as a name writes quotes.
    pub(super) fn text_of(&mut self, cursor: &Cursor<'_>, remedy: &str) -> Option<String> {
        match cursor.node {
            Node::Text(text) => Some(text.clone()),
            Node::Truth(_) | Node::Whole(_) | Node::Fraction(_) => {
                let reason = format!("text is expected here, not {}", kind(cursor.node));
                self.note(
                    cursor,
                    Part::Value,
                    &reason,
                    &format!("{remedy}; put a name that looks so in quotes"),
                );
                None
            }
            Node::Nothing | Node::List(_) | Node::Map(_) => {
                let reason = format!("text is expected here, not {}", kind(cursor.node));
                self.note(cursor, Part::Value, &reason, remedy);
                None
            }
        }
    }

    /// The value as a whole number; one in quotes is taken too.
    pub(super) fn whole(&mut self, cursor: &Cursor<'_>, remedy: &str) -> Option<i64> {
        let number = match cursor.node {
            Node::Whole(number) => Some(*number),
            Node::Text(text) => text.parse().ok(),
            _ => None,
        };
        if number.is_none() {
            let reason = format!("a whole number is expected here, not {}", kind(cursor.node));
            self.note(cursor, Part::Value, &reason, remedy);
        }
        number
    }

    /// The value as an address; `what` it is, for the remedy.
    pub(super) fn address(&mut self, cursor: &Cursor<'_>, what: &str) -> Option<IpAddr> {
        let text = match cursor.node {
            // 192.0 reads as a number, and the remedy about quotes would mislead.
            Node::Fraction(number) => number.to_string(),
            Node::Whole(number) => number.to_string(),
            _ => self.text_of(cursor, &format!("write {what}"))?,
        };
        self.address_of(cursor, &text, what)
    }

    /// The text, which stands at `cursor`, as an address.
    pub(super) fn address_of(&mut self, cursor: &Cursor<'_>, text: &str, what: &str) -> Option<IpAddr> {
        let address = text.parse().ok();
        if address.is_none() {
            let reason = format!("'{text}' is no IPv4 and no IPv6 address");
            self.note(cursor, Part::Value, &reason, &format!("write {what}"));
        }
        address
    }
}

/// The known key that was probably meant.
fn near<'k>(key: &str, known: &[&'k str]) -> Option<&'k str> {
    let letters = key.chars().count();
    // Each letter that one has more must be removed.
    let similar = known.iter().filter(|word| word.chars().count().abs_diff(letters) <= FAR);
    let measured = similar.map(|word| (distance(key, word), *word));
    measured
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, _)| *distance <= FAR)
        .map(|(_, word)| word)
}

/// With more wrong letters a word is another one.
const FAR: usize = 2;

/// How a value reads to a human.
fn kind(node: &Node) -> String {
    match node {
        Node::Nothing => "nothing".to_owned(),
        Node::Truth(truth) => format!("'{truth}'"),
        Node::Whole(number) => format!("the number {number}"),
        Node::Fraction(number) => format!("the number {number}"),
        Node::Text(text) => format!("'{text}'"),
        Node::List(_) => "a list".to_owned(),
        Node::Map(_) => "keys with values".to_owned(),
    }
}

/// How many letters must be added, removed or changed to make one word of the other (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, letter) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, other) in b.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *other);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
