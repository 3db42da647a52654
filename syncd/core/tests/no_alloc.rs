//! The hot path allocates nothing: ten thousand events of a steady state go from the kernel's door to datagrams,
//! and from datagrams into the peer's external cache, under an allocator that counts.

#![expect(unsafe_code, reason = "a global allocator is an unsafe trait; this one only counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};

use syncd_core::filter::Filter;
use syncd_core::flow::{Address, AttrSet, Change, Family, Flow, Origin, Protocol, Status, TcpState, Tuple};
use syncd_core::replica::{ChannelId, Config, Ends, KernelReply, KernelRequest, PEER_KEEPS, Replica};
use syncd_core::time::Instant;
use syncd_core::wire::{Datagram, Options, payload_limit};

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call is handed to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    // SAFETY: the contract is `GlobalAlloc::alloc`'s, kept by `System`.
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise about `layout` is passed on.
        unsafe { System.alloc(layout) }
    }

    // SAFETY: the contract is `GlobalAlloc::dealloc`'s, kept by `System`.
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise about `pointer` and `layout` is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

const LINK: ChannelId = ChannelId(0);
const FLOWS: u16 = 500;
const EVENTS: u32 = 10_000;

fn replica(entropy: u8) -> Replica {
    let config = Config {
        filter: Filter::default(),
        internal_limit: 10_000,
        external_limit: 10_000,
        channels: 1,
        wire: Options::default(),
        ends: Ends::Told,
        peer_keeps: PEER_KEEPS,
    };
    let mut replica = Replica::new(config, [entropy; 32], Instant::PAST);
    replica.handle_channel(Instant::PAST, LINK, true);
    let asked = |replica: &mut Replica| match replica.poll_kernel(Instant::PAST) {
        Some(KernelRequest::Count { .. }) => None,
        Some(KernelRequest::Dump { token }) => Some(token),
        other => panic!("a count and a dump come first, not {other:?}"),
    };
    let token = asked(&mut replica).or_else(|| asked(&mut replica)).expect("a dump");
    replica.handle_kernel(Instant::PAST, KernelReply::Done(token));
    replica
}

fn flow(port: u16, state: u8) -> Flow {
    let original = Tuple {
        source: Address::from_v4([10, 1, 0, 2]),
        target: Address::from_v4([10, 2, 0, 2]),
        source_port: port,
        target_port: 80,
    };
    let mut flow = Flow::new(Family::V4, Protocol::TCP, original);
    flow.tcp_state = TcpState(state);
    flow.status = Status(0x18e);
    flow.timeout = 300;
    flow.present = AttrSet::REPLY.with(AttrSet::TCP_STATE).with(AttrSet::STATUS).with(AttrSet::TIMEOUT);
    flow
}

/// Carries what each has to say to the other, until both are quiet.
fn exchange(now: Instant, a: &mut Replica, b: &mut Replica, datagram: &mut Datagram) {
    while carry(now, a, b, datagram) | carry(now, b, a, datagram) {}
}

/// Carries what one has to say to the other. Says whether there was anything.
fn carry(now: Instant, from: &mut Replica, to: &mut Replica, datagram: &mut Datagram) -> bool {
    let mut any = false;
    datagram.clear();
    while from.poll_transmit(now, datagram).is_some() {
        to.handle_datagram(now, LINK, datagram.as_bytes());
        datagram.clear();
        any = true;
    }
    any
}

fn events(now: &mut u64, count: u32, a: &mut Replica, b: &mut Replica, datagram: &mut Datagram) {
    for n in 0..count {
        *now += 1_000_000;
        let instant = Instant::from_nanos(*now);
        let port = u16::try_from(n % u32::from(FLOWS)).expect("a port");
        let state = u8::try_from(n / u32::from(FLOWS) % 4 + 3).expect("a state");
        a.handle_flow(instant, Origin::Kernel, Change::Update, &flow(port, state));
        exchange(instant, a, b, datagram);
        if n % 50 == 0 {
            a.handle_timeout(instant);
            b.handle_timeout(instant);
        }
        while a.poll_notice().is_some() || b.poll_notice().is_some() {}
    }
}

#[test]
fn ten_thousand_events_allocate_nothing() {
    let (mut a, mut b) = (replica(1), replica(2));
    let mut datagram = Datagram::with_limit(payload_limit(1500));
    let mut now = 1;
    events(&mut now, EVENTS, &mut a, &mut b, &mut datagram);
    assert_eq!(b.external().len(), u32::from(FLOWS), "the flows reach the peer");

    let before = ALLOCATIONS.load(Ordering::Relaxed);
    events(&mut now, EVENTS, &mut a, &mut b, &mut datagram);
    let allocations = ALLOCATIONS.load(Ordering::Relaxed) - before;
    assert_eq!(allocations, 0, "{EVENTS} events allocated {allocations} times");
    assert!(b.stats().external.updated > u64::from(EVENTS), "and something was done meanwhile");
}
