//! The key `expect-sync`: whose expectations are replicated, in VyOS's words.
//!
//! A helper is known by the begin of its name, as conntrackd does it, so `ftp` is also the kernel's `ftp-2121`.
//! Tested in `tests.rs` beside it.

use syncd_core::filter::Helpers;
use syncd_core::flow::HelperName;

use super::node::Part;
use super::tree::{Cursor, Reader};

/// Everything.
const ALL: &str = "all";

/// VyOS's words, and the names of the helpers that are meant. `nfs` and `sqlnet` are programs of conntrackd's.
const WORDS: &[(&str, &[&str])] = &[
    ("ftp", &["ftp"]),
    ("sip", &["sip"]),
    ("h323", &["RAS", "Q.931", "H.245"]),
    ("nfs", &["rpc"]),
    ("sqlnet", &["tns"]),
];

/// The words that are written, each once.
pub(super) fn words(reader: &mut Reader<'_>, cursor: &Cursor<'_>) -> Vec<String> {
    let remedy =
        "write all, or a list of ftp, sip, h323, nfs and sqlnet; without the key, none are replicated";
    let mut words: Vec<String> = Vec::new();
    let items = reader.items(cursor);
    for item in &items {
        let Some(word) = reader.text_of(item, remedy) else { continue };
        if word != ALL && !WORDS.iter().any(|(known, _)| *known == word) {
            reader.note(item, Part::Value, &format!("unknown helper '{word}'"), remedy);
        } else if words.contains(&word) {
            reader.note(item, Part::Value, &format!("'{word}' is there twice"), "write it once");
        } else {
            words.push(word);
        }
    }
    if words.len() > 1 && words.iter().any(|word| word == ALL) {
        reader.note(cursor, Part::Value, "all and others", "all are all: write 'expect-sync: all'");
    }
    words
}

/// What the words mean.
pub(super) fn helpers(words: &[String]) -> Helpers {
    if words.is_empty() {
        return Helpers::None;
    }
    if words.iter().any(|word| word == ALL) {
        return Helpers::All;
    }
    let meant = WORDS.iter().filter(|(word, _)| words.iter().any(|written| written == word));
    let names = meant.flat_map(|(_, names)| names.iter());
    Helpers::Named(names.filter_map(|name| HelperName::new(name.as_bytes())).collect())
}
