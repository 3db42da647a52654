//! Mutations: of the tree where the bytes have one, of words where they are text, of plain bytes always.
//!
//! Never looks at what a target makes of them. The same chance makes the same mutation.

use crate::chance::Chance;
use crate::shape::{Shape, Words};
use crate::tree::{Inner, List, Piece};

/// Numbers at which programs err.
const INTERESTING: [u64; 17] = [
    0,
    1,
    2,
    3,
    4,
    7,
    8,
    0x7f,
    0x80,
    0xff,
    0x100,
    0x7fff,
    0x8000,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
];

/// Another input made of `bytes`, with parts of `donor`, at most `longest` long.
#[must_use]
pub fn mutate(bytes: &[u8], donor: &[u8], shape: Shape, longest: usize, chance: &mut Chance) -> Vec<u8> {
    let mut mutant = bytes.to_vec();
    let changes = 1 + chance.length(8);
    match shape {
        Shape::Tree(grammar) if !chance.one_in(4) => {
            let (mut list, donor) = (List::read(bytes, grammar), List::read(donor, grammar));
            for _ in 0..changes {
                change_tree(&mut list, &donor, chance);
            }
            mutant = list.write();
        }
        Shape::Text(words) if !chance.one_in(8) => {
            for _ in 0..changes {
                change_text(&mut mutant, donor, words, chance);
                mutant.truncate(longest);
            }
        }
        Shape::Tree(_) | Shape::Text(_) | Shape::Bytes => {
            for _ in 0..changes {
                change_bytes(&mut mutant, donor, chance);
                mutant.truncate(longest);
            }
        }
    }
    if chance.one_in(8) {
        change_bytes(&mut mutant, donor, chance);
    }
    mutant.truncate(longest);
    mutant
}

// ----- Trees. -----

fn change_tree(list: &mut List, donor: &List, chance: &mut Chance) {
    let number = chance.below(list.lists());
    let list = list.nth_mut(number).expect("below their count");
    let index = chance.below(list.pieces.len());
    if list.pieces.is_empty() {
        match chance.below(3) {
            0 => list.pieces.extend(any_piece(donor, chance)),
            _ => change_bytes(&mut list.stray, &[], chance),
        }
        return;
    }
    match chance.below(12) {
        0 => drop(list.pieces.remove(index)),
        1 => list.pieces.insert(index, list.pieces[index].clone()),
        2 => {
            let other = chance.below(list.pieces.len());
            list.pieces.swap(index, other);
        }
        3 => list.pieces.splice(index..index, any_piece(donor, chance)).for_each(drop),
        4 => list.pieces.splice(index..=index, any_piece(donor, chance)).for_each(drop),
        5 => change_bytes(&mut list.stray, &[], chance),
        6 => list.pieces[index].nest(1 + chance.length(256)),
        7 => {
            for _ in 0..chance.length(512) {
                list.pieces.push(list.pieces[index].clone());
            }
        }
        _ => change_piece(&mut list.pieces[index], chance),
    }
}

fn change_piece(piece: &mut Piece, chance: &mut Chance) {
    match chance.below(3) {
        0 => piece.lie = Some(lie(piece, chance)),
        1 => {
            let at = chance.below(piece.head.len());
            change_number(&mut piece.head[at..], chance);
        }
        _ => match &mut piece.inner {
            Inner::Bytes(bytes) => match chance.below(4) {
                0 => bytes.truncate(chance.below(bytes.len() + 1)),
                1 => bytes.extend((0..=chance.length(2048)).map(|_| chance.byte())),
                _ => {
                    let at = chance.below(bytes.len());
                    change_number(&mut bytes[at..], chance);
                }
            },
            Inner::List(list) => list.stray.extend((0..=chance.length(16)).map(|_| chance.byte())),
        },
    }
}

/// A length that is not true.
fn lie(piece: &Piece, chance: &mut Chance) -> u32 {
    let inner = match &piece.inner {
        Inner::Bytes(bytes) => bytes.len(),
        Inner::List(list) => list.write().len(),
    };
    let length = u32::try_from(piece.head.len() + inner).unwrap_or(u32::MAX);
    let off = u32::try_from(1 + chance.length(64)).unwrap_or(1);
    match chance.below(4) {
        0 => length.wrapping_add(off),
        1 => length.wrapping_sub(off),
        // Only the low half is written where there are two bytes.
        _ => u32::try_from(*chance.pick(&INTERESTING)).unwrap_or(u32::MAX),
    }
}

/// Some piece, of some list, of the donor.
fn any_piece(donor: &List, chance: &mut Chance) -> Option<Piece> {
    let mut donor = donor.clone();
    let number = chance.below(donor.lists());
    let list = donor.nth_mut(number)?;
    let index = chance.below(list.pieces.len());
    (!list.pieces.is_empty()).then(|| list.pieces.swap_remove(index))
}

// ----- Texts. -----

fn change_text(text: &mut Vec<u8>, donor: &[u8], words: &Words, chance: &mut Chance) {
    let at = chance.below(text.len() + 1);
    match chance.below(8) {
        0 | 1 => insert(text, at, chance.pick(words.words).as_bytes()),
        2 => insert(text, at, &chance.pick(words.words).repeat(1 + chance.length(4096)).into_bytes()),
        3 => {
            let (open, close) = *chance.pick(words.nests);
            let (times, end) = (1 + chance.length(4096), at + chance.below(text.len() + 1 - at));
            insert(text, end, close.repeat(times).as_bytes());
            insert(text, at, open.repeat(times).as_bytes());
        }
        4 => {
            // A line again, somewhere else: keys that repeat, and the wrong indentation.
            let begin = text[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |found| found + 1);
            let length = text[begin..]
                .iter()
                .position(|byte| *byte == b'\n')
                .map_or(text.len() - begin, |found| found + 1);
            let line = text[begin..begin + length].repeat(1 + chance.length(64));
            let at = chance.below(text.len() + 1);
            insert(text, at, &line);
        }
        5 => {
            // Another number in the place of one.
            let digits = text[at..].iter().position(u8::is_ascii_digit).map(|found| at + found);
            if let Some(from) = digits {
                let to = from + text[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
                let number = chance.pick(&INTERESTING).wrapping_mul(chance.next() | 1).to_string();
                text.splice(from..to, number.into_bytes()).for_each(drop);
            }
        }
        _ => change_bytes(text, donor, chance),
    }
}

fn insert(text: &mut Vec<u8>, at: usize, what: &[u8]) {
    text.splice(at..at, what.iter().copied()).for_each(drop);
}

// ----- Bytes. -----

fn change_bytes(bytes: &mut Vec<u8>, donor: &[u8], chance: &mut Chance) {
    let at = chance.below(bytes.len() + 1);
    let rest = bytes.len() - at;
    match chance.below(7) {
        0 if rest > 0 => bytes[at] ^= 1 << chance.below(8),
        1 if rest > 0 => change_number(&mut bytes[at..], chance),
        2 => {
            let count = chance.length(rest + 1);
            bytes.drain(at..at + count);
        }
        3 => {
            let filling = chance.byte();
            let some: Vec<u8> = (0..=chance.length(256)).map(|_| filling).collect();
            insert(bytes, at, &some);
        }
        4 => {
            let count = chance.length(rest + 1);
            let again = bytes[at..at + count].repeat(1 + chance.length(16));
            insert(bytes, at, &again);
        }
        5 => {
            // The rest comes from somebody else.
            let from = chance.below(donor.len() + 1);
            bytes.truncate(at);
            bytes.extend_from_slice(&donor[from..]);
        }
        _ => {
            let from = chance.below(donor.len() + 1);
            let count = chance.length(donor.len() - from + 1);
            insert(bytes, at, &donor[from..from + count]);
        }
    }
}

/// Another number at the beginning of `bytes`, of one, two, four or eight bytes, in either order.
fn change_number(bytes: &mut [u8], chance: &mut Chance) {
    let width = (1 << chance.below(4)).min(bytes.len());
    let field = &mut bytes[..width];
    let now = field.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    let number = match chance.below(4) {
        0 => now.wrapping_add(1 + chance.length(16) as u64),
        1 => now.wrapping_sub(1 + chance.length(16) as u64),
        2 => *chance.pick(&INTERESTING),
        _ => chance.next(),
    };
    let big = number.to_be_bytes();
    field.copy_from_slice(&big[8 - width..]);
    if chance.one_in(2) {
        field.reverse();
    }
}
