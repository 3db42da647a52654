//! A growing array that never moves: pages of a few thousand elements, added as needed.
//!
//! No doubling copy of a hundred megabytes in the middle of a burst, and slots stay where they are.

use alloc::boxed::Box;
use alloc::vec::Vec;

/// Elements per page.
const PAGE: usize = 4096;

/// An array of `T` in pages.
#[derive(Debug, Default)]
pub(crate) struct Paged<T> {
    pages: Vec<Box<[T]>>,
}

impl<T: Clone + Default> Paged<T> {
    /// An empty array.
    #[must_use]
    pub(crate) const fn new() -> Self {
        Self { pages: Vec::new() }
    }

    /// How many elements there are: a multiple of [`PAGE`].
    #[must_use]
    pub(crate) const fn len(&self) -> usize {
        self.pages.len() * PAGE
    }

    /// Adds pages of default elements until `index` exists.
    pub(crate) fn reach(&mut self, index: usize) {
        while self.len() <= index {
            self.pages.push(alloc::vec![T::default(); PAGE].into_boxed_slice());
        }
    }
}

impl<T> core::ops::Index<usize> for Paged<T> {
    type Output = T;

    fn index(&self, index: usize) -> &T {
        &self.pages[index / PAGE][index % PAGE]
    }
}

impl<T> core::ops::IndexMut<usize> for Paged<T> {
    fn index_mut(&mut self, index: usize) -> &mut T {
        &mut self.pages[index / PAGE][index % PAGE]
    }
}
