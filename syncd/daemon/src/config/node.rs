//! A YAML document as a tree, and the place of each of its parts in the text.
//!
//! The tree is bounded by the length of the text: an alias stands for all of what it names, and a page of aliases of
//! aliases would fill any memory.
//!
//! The tree keeps repeated keys, so that they can be shown. It holds no places: serde hands none over. When one is
//! wanted, the document is parsed once more, and what the parser says of each word gives all of them. Never judges; [`super::read`] does. This is the only file that knows the YAML crate.
//! Tested in `tests.rs` beside it.

use std::cell::{Cell, OnceCell};
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// A part of the document.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    /// Nothing: `key:` without a value, `~`, `null`.
    Nothing,
    /// `true` or `false`.
    Truth(bool),
    /// A whole number.
    Whole(i64),
    /// Any other number.
    Fraction(f64),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// Keys and values, in order, repetitions included.
    Map(Vec<(String, Node)>),
}

/// From the root: the number of the entry or item at each level.
pub(super) type Path = Vec<usize>;

/// Which half of an entry is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// The key.
    Key,
    /// The value, or an item of a list.
    Value,
}

/// A place in the text; both count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// Line.
    pub(super) line: usize,
    /// Column, in characters.
    pub(super) column: usize,
}

/// Why the text is no YAML, or no YAML we take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SyntaxError {
    /// The parser's words, without the place.
    pub(super) reason: String,
    /// Where it gave up, if it knows.
    pub(super) place: Option<Place>,
}

/// The most brackets that a text may open. The parser looks through all that are open whenever one more is, so that 60 kB
/// of them take two seconds; a configuration has a handful.
const BRACKETS: usize = 1000;

/// Parses the text.
pub(super) fn parse(text: &str) -> Result<Node, SyntaxError> {
    if let Some((at, _)) = text.match_indices(['[', '{']).nth(BRACKETS) {
        let (line, before) = text[..at].split('\n').enumerate().last().unwrap_or((0, ""));
        let place = Some(Place { line: line + 1, column: before.chars().count() + 1 });
        return Err(SyntaxError { reason: format!("it opens more than {BRACKETS} brackets"), place });
    }
    let budget = Budget::of(text);
    let tree = Grow(&budget).deserialize(serde_yaml::Deserializer::from_str(text));
    tree.map_err(|error| {
        let place = place_of(&error);
        let said = error.to_string();
        SyntaxError { reason: without_place(&said), place }
    })
}

/// The parser's words without its own place; the place where the surrounding part began stays.
fn without_place(said: &str) -> String {
    let reason = said.split(" at line ").next().unwrap_or(said);
    match said.split_once(", while ") {
        Some((_, context)) => {
            format!("{reason} while {}", context.replace(" at line ", " that begins at line "))
        }
        None => reason.to_owned(),
    }
}

/// A text that parses, and where its parts begin, which is found when it is first asked for.
#[derive(Clone, Debug)]
pub(super) struct Source {
    text: String,
    spots: OnceCell<Spot>,
}

impl Source {
    /// Of this text.
    pub(super) const fn new(text: String) -> Self {
        Self { text, spots: OnceCell::new() }
    }

    /// The text.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Where a part begins. A list or a map without a word in it, or whose first one is on another line, is where the key
    /// above or that word is.
    pub(super) fn locate(&self, path: &[usize], part: Part) -> Option<Place> {
        self.spots.get_or_init(|| Spot::all_of(&self.text)).locate(path, part, &self.text)
    }
}

fn place_of(error: &serde_yaml::Error) -> Option<Place> {
    error.location().map(|at| Place { line: at.line(), column: at.column() })
}

/// How much tree may still grow.
struct Budget(Cell<usize>);

impl Budget {
    /// What a text without aliases can never use up: a part has at least half a byte of it, and a character of a part
    /// one byte.
    fn of(text: &str) -> Self {
        Self(Cell::new(64 + 4 * text.len()))
    }

    fn take<E: de::Error>(&self, size: usize) -> Result<(), E> {
        let left = self.0.get().checked_sub(1 + size);
        self.0.set(left.ok_or_else(|| E::custom("its aliases stand for too much"))?);
        Ok(())
    }
}

/// Makes a tree of what the parser meets.
#[derive(Clone, Copy)]
struct Grow<'b>(&'b Budget);

impl<'de> DeserializeSeed<'de> for Grow<'_> {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Grow<'_> {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text, a number, a list or keys with values")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Node, E> {
        self.0.take(0).map(|()| Node::Nothing)
    }

    fn visit_none<E: de::Error>(self) -> Result<Node, E> {
        self.visit_unit()
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Node, E> {
        self.0.take(0).map(|()| Node::Truth(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Node, E> {
        self.0.take(0).map(|()| Node::Whole(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Node, E> {
        let whole = i64::try_from(value);
        self.0.take(0).map(|()| whole.map_or_else(|_| Node::Text(value.to_string()), Node::Whole))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Node, E> {
        self.0.take(0).map(|()| Node::Fraction(value))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Node, E> {
        self.0.take(value.len()).map(|()| Node::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        self.0.take(0)?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        self.0.take(0)?;
        let mut map = Vec::new();
        while let Some(key) = entries.next_key_seed(Word(self))? {
            map.push((key, entries.next_value_seed(self)?));
        }
        Ok(Node::Map(map))
    }
}

/// A key: a scalar as it reads.
struct Word<'b>(Grow<'b>);

impl<'de> DeserializeSeed<'de> for Word<'_> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        match self.0.deserialize(deserializer)? {
            Node::Text(word) => Ok(word),
            Node::Whole(number) => Ok(number.to_string()),
            Node::Fraction(number) => Ok(number.to_string()),
            Node::Truth(truth) => Ok(truth.to_string()),
            Node::Nothing => Ok(String::new()),
            Node::List(_) | Node::Map(_) => Err(de::Error::custom("a key must be a word")),
        }
    }
}

/// Where a part of the document is, and what is in it.
#[derive(Clone, Debug)]
enum Spot {
    /// One word, or none.
    Word(Place),
    List(Vec<Spot>),
    /// The place of each key, and its value.
    Map(Vec<(Place, Spot)>),
}

/// By this, an error is known as ours.
const HERE: &str = "a part begins here";

impl Spot {
    /// Every part of a text that parses.
    fn all_of(text: &str) -> Self {
        Survey.deserialize(serde_yaml::Deserializer::from_str(text)).unwrap_or(Self::List(Vec::new()))
    }

    fn locate(&self, path: &[usize], part: Part, text: &str) -> Option<Place> {
        let (mut spot, mut above) = (self, None);
        for (depth, index) in path.iter().enumerate() {
            spot = match spot {
                Self::Word(_) => return above,
                Self::List(items) => items.get(*index)?,
                Self::Map(entries) => {
                    let (key, value) = entries.get(*index)?;
                    if part == Part::Key && depth + 1 == path.len() {
                        return Some(*key);
                    }
                    above = Some(*key);
                    value
                }
            };
        }
        spot.begins(text).or(above)
    }

    fn begins(&self, text: &str) -> Option<Place> {
        match self {
            Self::Word(place) => Some(*place),
            Self::List(items) => {
                Some(items.iter().find_map(|item| item.begins(text))?.after(&['-', '['], text))
            }
            Self::Map(entries) => Some(entries.first()?.0.after(&['{'], text)),
        }
    }
}

impl Place {
    /// The place of the sign before this one, if it is one of these.
    fn after(self, signs: &[char], text: &str) -> Self {
        let line = text.lines().nth(self.line - 1).unwrap_or("");
        let before: Vec<char> = line.chars().take(self.column - 1).collect();
        let sign = before.iter().rposition(|c| !c.is_whitespace()).filter(|at| signs.contains(&before[*at]));
        sign.map_or(self, |at| Self { column: at + 1, ..self })
    }
}

/// Notes where everything is. serde hands no places over, but the parser adds one to each error: so every word is answered
/// with an error, which is caught one level above.
#[derive(Clone, Copy)]
struct Survey;

impl<'de> DeserializeSeed<'de> for Survey {
    type Value = Spot;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Spot, D::Error> {
        deserializer
            .deserialize_any(self)
            .or_else(|error| place_in(&error.to_string()).map(Spot::Word).ok_or(error))
    }
}

/// The place in an error of ours.
fn place_in(said: &str) -> Option<Place> {
    let (_, at) = said.rsplit_once(HERE)?;
    // Of the very first character the parser says none.
    let Some((line, column)) = at.strip_prefix(" at line ").and_then(|at| at.split_once(" column ")) else {
        return Some(Place { line: 1, column: 1 });
    };
    Some(Place { line: line.parse().ok()?, column: column.parse().ok()? })
}

impl Survey {
    fn word<E: de::Error>() -> Result<Spot, E> {
        Err(E::custom(HERE))
    }
}

impl<'de> Visitor<'de> for Survey {
    type Value = Spot;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Spot, E> {
        Self::word()
    }

    fn visit_none<E: de::Error>(self) -> Result<Spot, E> {
        Self::word()
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<Spot, E> {
        Self::word()
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Spot, E> {
        Self::word()
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<Spot, E> {
        Self::word()
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Spot, E> {
        Self::word()
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<Spot, E> {
        Self::word()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Spot, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        Ok(Spot::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Spot, A::Error> {
        let mut map = Vec::new();
        while let Some(key) = entries.next_key_seed(self)? {
            let value = entries.next_value_seed(self)?;
            // A key is a word, or the text would not have parsed.
            let Spot::Word(key) = key else { return Err(de::Error::custom("a key must be a word")) };
            map.push((key, value));
        }
        Ok(Spot::Map(map))
    }
}
