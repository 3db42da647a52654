//! A YAML document as a tree, and the place of each of its parts in the text.
//!
//! The tree is bounded by the length of the text: an alias stands for all of what it names, and a page of aliases of
//! aliases would fill any memory.
//!
//! The tree keeps repeated keys, so that they can be shown. It holds no places: serde hands none over. When one is
//! wanted, the document is parsed once more and the parser is stopped at the wanted part; the place in its error is
//! exact, also inside `{ }`. Never judges; [`super::read`] does. This is the only file that knows the YAML crate.
//! Tested in `tests.rs` beside it.

use std::cell::Cell;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

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

/// Where a part of a text that parses begins.
pub(super) fn locate(text: &str, path: &[usize], part: Part) -> Option<Place> {
    let stopped = Stop { path, part }.deserialize(serde_yaml::Deserializer::from_str(text)).err()?;
    place_of(&stopped)
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

/// Goes to one part of the document and stops the parser there.
#[derive(Clone, Copy)]
struct Stop<'p> {
    path: &'p [usize],
    part: Part,
}

impl<'de> DeserializeSeed<'de> for Stop<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Stop<'_> {
    /// At the part: an error, to which the parser adds the place. Elsewhere: nothing to do.
    fn at<E: de::Error>(self) -> Result<(), E> {
        if self.path.is_empty() { Err(E::custom("here")) } else { Ok(()) }
    }
}

impl<'de> Visitor<'de> for Stop<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        self.at()
    }

    fn visit_none<E: de::Error>(self) -> Result<(), E> {
        self.at()
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<(), E> {
        self.at()
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<(), E> {
        self.at()
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<(), E> {
        self.at()
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<(), E> {
        self.at()
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<(), E> {
        self.at()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Some((wanted, path)) = self.path.split_first() else { return self.at() };
        for _ in 0..*wanted {
            items.next_element::<IgnoredAny>()?;
        }
        items.next_element_seed(Stop { path, ..self })?;
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let Some((wanted, path)) = self.path.split_first() else { return self.at() };
        for _ in 0..*wanted {
            entries.next_entry::<IgnoredAny, IgnoredAny>()?;
        }
        if path.is_empty() && self.part == Part::Key {
            entries.next_key_seed(Stop { path, ..self })?;
            return Ok(());
        }
        entries.next_key::<IgnoredAny>()?;
        entries.next_value_seed(Stop { path, ..self })
    }
}
