//! Short names in fixed room: of helpers and of their functions.
//!
//! They come from strangers and go to a kernel and to a terminal, so only printable ASCII is a name. Never
//! allocates. Tested in `tests.rs` beside it.

use core::fmt;

/// A name of at most `N - 1` printable ASCII characters; empty when there is none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name<const N: usize>([u8; N]);

/// The name of a helper: the kernel's `NF_CT_HELPER_NAME_LEN` is 16 with its NUL.
pub type HelperName = Name<16>;

/// The name of the function that a helper's NAT runs on an expected flow: what conntrackd stores.
pub type FnName = Name<24>;

impl<const N: usize> Name<N> {
    /// No name.
    pub const EMPTY: Self = Self([0; N]);

    /// The name that `text` begins with, up to the first NUL or the end. `None` when that is empty, too long, or not
    /// printable.
    #[must_use]
    pub fn new(text: &[u8]) -> Option<Self> {
        let length = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
        let text = &text[..length];
        if text.is_empty() || length >= N || !text.iter().all(u8::is_ascii_graphic) {
            return None;
        }
        let mut bytes = [0; N];
        bytes[..length].copy_from_slice(text);
        Some(Self(bytes))
    }

    /// Its characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(self.text()).expect("a name is ASCII")
    }

    /// Its characters and one NUL, as ctnetlink and conntrackd want it.
    #[must_use]
    pub fn with_nul(&self) -> &[u8] {
        &self.0[..=self.text().len()]
    }

    /// How many characters it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.text().len()
    }

    /// Whether there is no name.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.text().is_empty()
    }

    /// Whether it begins with `word`, in whatever case: conntrackd's way to match a helper.
    #[must_use]
    pub fn begins_with(&self, word: &str) -> bool {
        self.text().get(..word.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(word.as_bytes()))
    }

    fn text(&self) -> &[u8] {
        // The last byte is always NUL.
        let length = self.0.iter().position(|byte| *byte == 0).unwrap_or(N - 1);
        &self.0[..length]
    }
}

impl<const N: usize> Default for Name<N> {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl<const N: usize> fmt::Display for Name<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl<const N: usize> fmt::Debug for Name<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}
