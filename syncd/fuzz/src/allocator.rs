//! The system's allocator, which knows what the calling thread has asked of it. Every program that links this crate
//! has it. Tested in `tests/judge.rs`.
#![expect(
    unsafe_code,
    reason = "a global allocator can only be written so; this one hands everything to the system's"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
    static LARGEST: Cell<usize> = const { Cell::new(0) };
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

/// What a piece of work has asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// How many times.
    pub count: u64,
    /// The most bytes in one go.
    pub largest: usize,
    /// The most bytes that it held at a time, beyond what was held before.
    pub peak: usize,
}

/// Does `work` and says what it has asked for. Not nested: the outer one would miss what came before the inner one.
pub fn measure<T>(work: impl FnOnce() -> T) -> (T, Usage) {
    COUNT.set(0);
    LARGEST.set(0);
    LIVE.set(0);
    PEAK.set(0);
    let done = work();
    let peak = usize::try_from(PEAK.get()).unwrap_or(0);
    (done, Usage { count: COUNT.get(), largest: LARGEST.get(), peak })
}

/// How many times the thread has asked so far: for work inside of what is measured.
#[must_use]
pub fn count() -> u64 {
    COUNT.get()
}

fn taken(bytes: usize) {
    COUNT.set(COUNT.get() + 1);
    LARGEST.set(LARGEST.get().max(bytes));
    LIVE.set(LIVE.get() + bytes.cast_signed());
    PEAK.set(PEAK.get().max(LIVE.get()));
}

fn given_back(bytes: usize) {
    LIVE.set(LIVE.get() - bytes.cast_signed());
}

// SAFETY: every call goes unchanged to `System`; the counters are plain numbers of the thread, which neither allocate
// nor have a destructor.
unsafe impl GlobalAlloc for Counting {
    // SAFETY: the contract is `GlobalAlloc::alloc`'s, kept by `System`.
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        taken(layout.size());
        // SAFETY: the caller's promise about `layout` is handed on.
        unsafe { System.alloc(layout) }
    }

    // SAFETY: the contract is `GlobalAlloc::alloc_zeroed`'s, kept by `System`.
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        taken(layout.size());
        // SAFETY: the caller's promise about `layout` is handed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    // SAFETY: the contract is `GlobalAlloc::realloc`'s, kept by `System`.
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        given_back(layout.size());
        taken(size);
        // SAFETY: `pointer` came from this allocator, and so from `System`; the rest is the caller's promise.
        unsafe { System.realloc(pointer, layout, size) }
    }

    // SAFETY: the contract is `GlobalAlloc::dealloc`'s, kept by `System`.
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        given_back(layout.size());
        // SAFETY: `pointer` came from this allocator, and so from `System`.
        unsafe { System.dealloc(pointer, layout) }
    }
}
