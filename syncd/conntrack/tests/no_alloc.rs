//! The hot path does not allocate: decoding 10,000 events, and filling a batch that was used before. Prints what one
//! event costs.
#![expect(unsafe_code, reason = "a global allocator that counts can only be written so")]
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "a measurement reads the clock and prints"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;
use std::time::Instant;

use syncd_conntrack::{Batch, Message, Messages, decode};

/// The system's allocator, which counts what the calling thread asks of it.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call goes unchanged to `System`; the counter is a plain number of the thread, which neither allocates
// nor has a destructor.
unsafe impl GlobalAlloc for Counting {
    // SAFETY: the contract is `GlobalAlloc::alloc`'s, kept by `System`.
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise about `layout` is handed on.
        unsafe { System.alloc(layout) }
    }

    // SAFETY: the contract is `GlobalAlloc::dealloc`'s, kept by `System`.
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `pointer` came from `alloc` above, and so from `System`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often `work` allocates.
fn allocations_of(work: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

fn events() -> Vec<Vec<u8>> {
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    include_str!("fixtures/events.txt")
        .lines()
        .filter(|line| line.bytes().all(|b| b.is_ascii_hexdigit()))
        .map(|hex| hex.as_bytes().chunks(2).map(byte).collect())
        .collect()
}

const ROUNDS: usize = 10_000;

#[test]
fn decoding_an_event_allocates_nothing() {
    let events = events();
    assert_eq!(events.len(), 51);
    let ours = [77];
    let mut decoded = 0;
    let start = Instant::now();
    let count = allocations_of(|| {
        for datagram in events.iter().cycle().take(ROUNDS) {
            for message in Messages::new(black_box(datagram)) {
                if let Ok(Message::Netfilter(view)) = message {
                    decoded += usize::from(black_box(decode(&view, &ours)).is_ok());
                }
            }
        }
    });
    let each = start.elapsed().as_nanos() / ROUNDS as u128;
    println!("decoding one event: {each} ns");
    assert_eq!((decoded, count), (ROUNDS, 0));
}

#[test]
fn a_used_batch_allocates_nothing() {
    let events = events();
    let Some(Ok(Message::Netfilter(view))) = Messages::new(&events[0]).next() else { panic!("an event") };
    let flow = decode(&view, &[]).unwrap().flow;
    let mut batch = Batch::new();
    let start = Instant::now();
    let count = allocations_of(|| {
        for token in 0..ROUNDS as u32 {
            if batch.is_full() {
                black_box(batch.bytes());
                batch.clear();
            }
            batch.create(token, black_box(&flow), 300);
        }
    });
    println!("encoding one creation: {} ns", start.elapsed().as_nanos() / ROUNDS as u128);
    assert_eq!(count, 0);
}
