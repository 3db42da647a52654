//! Bytes as a tree of pieces with a length in front: frames and attributes on the dedicated link, messages and
//! (nested) attributes of netlink.
//!
//! A mutation of the tree is written with lengths that fit again, or with one that lies on purpose. Reading never
//! fails: what is no piece stays as stray bytes. Knows nothing of what a piece means. Tested in `tree/tests.rs`.

#[cfg(test)]
mod tests;

/// Where a length stands in a header, and how it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Length {
    /// Its first byte.
    pub at: usize,
    /// How many bytes it has: two or four.
    pub width: usize,
    /// Whether the high byte comes first.
    pub big_endian: bool,
}

/// How pieces of one kind are written.
#[derive(Clone, Copy, Debug)]
pub struct Grammar {
    /// Bytes of a header. The length counts them.
    pub header: usize,
    /// The length.
    pub length: Length,
    /// Pieces begin at multiples of this; the length does not count the padding.
    pub align: usize,
    /// What the body of a piece with this header holds.
    pub inside: fn(&[u8], &[u8], Depth) -> Inner,
}

/// How many lists a list is in.
#[derive(Clone, Copy, Debug)]
pub struct Depth(u8);

/// What is nested deeper is read as bytes: the reading must not need more stack than what it helps to test.
const DEEPEST: u8 = 32;

/// What a piece holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inner {
    /// Bytes.
    Bytes(Vec<u8>),
    /// Pieces.
    List(List),
}

/// A header, and what it is the header of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The header as it stands; its length is written anew.
    pub head: Vec<u8>,
    /// What is written as length instead of the true one.
    pub lie: Option<u32>,
    /// The rest.
    pub inner: Inner,
    length: Length,
    align: usize,
}

/// Pieces, and what follows them and is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct List {
    /// The pieces.
    pub pieces: Vec<Piece>,
    /// What is no piece.
    pub stray: Vec<u8>,
}

impl List {
    /// Reads `bytes`.
    #[must_use]
    pub fn read(bytes: &[u8], grammar: &Grammar) -> Self {
        Self::read_at(bytes, grammar, Depth(0))
    }

    fn read_at(bytes: &[u8], grammar: &Grammar, depth: Depth) -> Self {
        let (mut list, mut rest) = (Self::default(), bytes);
        while let Some((head, body)) = split(rest, grammar) {
            let inner = (grammar.inside)(head, body, depth);
            let (length, align) = (grammar.length, grammar.align);
            list.pieces.push(Piece { head: head.to_vec(), lie: None, inner, length, align });
            let step = (head.len() + body.len()).next_multiple_of(grammar.align);
            rest = rest.get(step..).unwrap_or_default();
        }
        list.stray = rest.to_vec();
        list
    }

    /// Writes it.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.append(&mut bytes);
        bytes
    }

    fn append(&self, out: &mut Vec<u8>) {
        for piece in &self.pieces {
            piece.append(out);
        }
        out.extend_from_slice(&self.stray);
    }

    /// How many lists there are, this one and those in pieces.
    #[must_use]
    pub fn lists(&self) -> usize {
        let inner = |piece: &Piece| if let Inner::List(list) = &piece.inner { list.lists() } else { 0 };
        1 + self.pieces.iter().map(inner).sum::<usize>()
    }

    /// The list of this number, in the order in which [`Self::lists`] counts.
    pub fn nth_mut(&mut self, number: usize) -> Option<&mut Self> {
        if number == 0 {
            return Some(self);
        }
        let mut left = number - 1;
        for piece in &mut self.pieces {
            if let Inner::List(list) = &mut piece.inner {
                let count = list.lists();
                if left < count {
                    return list.nth_mut(left);
                }
                left -= count;
            }
        }
        None
    }
}

impl Inner {
    /// `bytes`, which are in a list of that depth, as pieces; as bytes when they are too deep.
    #[must_use]
    pub fn read(bytes: &[u8], grammar: &Grammar, depth: Depth) -> Self {
        if depth.0 == DEEPEST {
            return Self::Bytes(bytes.to_vec());
        }
        Self::List(List::read_at(bytes, grammar, Depth(depth.0 + 1)))
    }
}

impl Piece {
    /// A piece with the same header that holds this one, so many times. As bytes, lest our own writing needs a stack.
    pub fn nest(&mut self, times: usize) {
        let around = self.head.clone();
        for _ in 0..times {
            let head = std::mem::replace(&mut self.head, around.clone());
            let inner = std::mem::replace(&mut self.inner, Inner::Bytes(Vec::new()));
            let (lie, length, align) = (self.lie.take(), self.length, self.align);
            let mut bytes = Vec::new();
            Self { head, lie, inner, length, align }.append(&mut bytes);
            self.inner = Inner::Bytes(bytes);
        }
    }

    fn append(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&self.head);
        match &self.inner {
            Inner::Bytes(bytes) => out.extend_from_slice(bytes),
            Inner::List(list) => list.append(out),
        }
        let length = out.len() - start;
        let stated = self.lie.unwrap_or_else(|| u32::try_from(length).unwrap_or(u32::MAX));
        let Length { at, width, big_endian } = self.length;
        let field = &mut out[start + at..start + at + width];
        if big_endian {
            field.copy_from_slice(&stated.to_be_bytes()[4 - width..]);
        } else {
            field.copy_from_slice(&stated.to_le_bytes()[..width]);
        }
        out.resize(start + length.next_multiple_of(self.align), 0);
    }
}

/// The header and the body of the first piece.
fn split<'a>(rest: &'a [u8], grammar: &Grammar) -> Option<(&'a [u8], &'a [u8])> {
    let head = rest.get(..grammar.header)?;
    let Length { at, width, big_endian } = grammar.length;
    let field = head.get(at..at + width)?.iter();
    let take = |length: usize, byte: &u8| length << 8 | usize::from(*byte);
    let length = if big_endian { field.fold(0, take) } else { field.rev().fold(0, take) };
    Some((head, rest.get(grammar.header..length)?))
}
