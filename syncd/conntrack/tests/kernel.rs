//! The real kernel, in a network namespace that each test makes for itself: what we ask for is what it builds, what it
//! tells is what we read.

mod sandbox;

use std::collections::BTreeMap;

use syncd_conntrack::{
    Batch, Decoded, Errno, EventError, EventSocket, Inbox, Message, Messages, QuerySocket, RequestSocket,
    Truncated, decode,
};
use syncd_core::flow::{
    Address, AttrSet, Change, Family, Flow, Origin, Protocol, Status, TcpFlags, TcpState, Tuple, Whole,
};

const SAID: AttrSet = AttrSet::REPLY.with(AttrSet::STATUS);

fn v4(last: u8) -> Address {
    Address::from_v4([10, 9, 0, last])
}

fn v6(last: u8) -> Address {
    Address::from_v6([0xfd, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last])
}

/// An established flow from host 1 to host 2 as a peer would tell of it; no translation.
fn flow(family: Family, protocol: Protocol, source_port: u16) -> Flow {
    let (source, target) = match family {
        Family::V4 => (v4(1), v4(2)),
        Family::V6 => (v6(1), v6(2)),
    };
    let original = match protocol {
        Protocol::ICMP => Tuple::icmp(source, target, source_port, 8, 0),
        Protocol::ICMP6 => Tuple::icmp(source, target, source_port, 128, 0),
        Protocol(50) => Tuple { source, target, source_port: 0, target_port: 0 },
        _ => Tuple { source, target, source_port, target_port: 80 },
    };
    let mut flow = Flow::new(family, protocol, original);
    flow.present = SAID;
    flow.status = Status(Status::SEEN_REPLY | Status::ASSURED | Status::CONFIRMED);
    if protocol == Protocol::TCP {
        flow.tcp_state = TcpState::ESTABLISHED;
        (flow.tcp_scale_original, flow.tcp_scale_reply) = (7, 9);
        flow.present = SAID.with(AttrSet::TCP_STATE).with(AttrSet::TCP_SCALE);
    }
    flow
}

fn udp(source_port: u16) -> Flow {
    flow(Family::V4, Protocol::UDP, source_port)
}

/// Source translation to host 3.
fn with_source_nat(mut flow: Flow, port: u16) -> Flow {
    flow.reply.target = if flow.family == Family::V4 { v4(3) } else { v6(3) };
    if flow.protocol.is_icmp() {
        flow.reply.source_port = port;
    } else {
        flow.reply.target_port = port;
    }
    flow.status.0 |= Status::SRC_NAT | Status::SRC_NAT_DONE | Status::DST_NAT_DONE;
    flow
}

/// Target translation to host 4.
fn with_target_nat(mut flow: Flow, port: u16) -> Flow {
    flow.reply.source = if flow.family == Family::V4 { v4(4) } else { v6(4) };
    if !flow.protocol.is_icmp() {
        flow.reply.source_port = port;
    }
    flow.status.0 |= Status::DST_NAT | Status::SRC_NAT_DONE | Status::DST_NAT_DONE;
    flow
}

/// Sends the batch and returns how each request ended.
fn execute(socket: &mut RequestSocket, batch: &mut Batch) -> Vec<(u32, Result<(), Errno>)> {
    let mut outcomes = Vec::new();
    socket.send(batch).unwrap();
    socket.outcomes(|token, result| outcomes.push((token, result))).unwrap();
    outcomes
}

fn create_all(socket: &mut RequestSocket, flows: &[Flow], timeout: u32) {
    let mut batch = Batch::new();
    for part in flows.chunks(Batch::CAPACITY) {
        for (token, flow) in (0..).zip(part) {
            batch.create(token, flow, timeout);
        }
        for (token, result) in execute(socket, &mut batch) {
            assert_eq!(result, Ok(()), "{}", part[token as usize]);
        }
    }
}

fn dump(socket: &mut QuerySocket) -> Vec<Whole> {
    let mut flows = Vec::new();
    let summary = socket.dump(|batch| flows.extend_from_slice(batch)).unwrap();
    assert_eq!((summary.flows, summary.malformed, summary.interrupted), (flows.len() as u64, 0, false));
    assert_eq!(summary.skipped, 0, "everything is carried");
    flows
}

/// All events that wait, in order.
fn events(socket: &EventSocket, ours: &[u32]) -> Vec<Decoded> {
    let mut inbox = Inbox::new(EventSocket::LONGEST);
    let mut seen = Vec::new();
    while socket.recv(&mut inbox, usize::MAX).unwrap() > 0 {
        for message in inbox.iter().flat_map(|datagram| Messages::new(datagram.unwrap())) {
            let Ok(Message::Netfilter(view)) = message else { panic!("an event, not {message:?}") };
            seen.push(decode(&view, ours).unwrap());
        }
    }
    seen
}

fn every_kind_of_flow() -> Vec<Flow> {
    let tcp = |port| flow(Family::V4, Protocol::TCP, port);
    let tcp6 = |port| flow(Family::V6, Protocol::TCP, port);
    let icmp = |id| flow(Family::V4, Protocol::ICMP, id);
    let mut marked = udp(20);
    marked.mark = 0xdead_beef;
    marked.present = marked.present.with(AttrSet::MARK);
    let mut zoned = udp(1);
    zoned.zone = 7;
    zoned.present = zoned.present.with(AttrSet::ZONE);
    let mut syn = tcp(21);
    syn.tcp_state = TcpState::SYN_SENT;
    syn.status = Status(Status::CONFIRMED);
    let mut unscaled = tcp(22);
    unscaled.present = unscaled.present.without(AttrSet::TCP_SCALE);
    (unscaled.tcp_scale_original, unscaled.tcp_scale_reply) = (0, 0);
    vec![
        udp(1),
        zoned,
        marked,
        syn,
        unscaled,
        tcp(1),
        with_source_nat(tcp(2), 2),
        with_source_nat(tcp(3), 50_078),
        with_target_nat(tcp(4), 80),
        with_target_nat(tcp(5), 7001),
        with_target_nat(with_source_nat(tcp(6), 50_079), 7001),
        with_source_nat(udp(7), 50_080),
        icmp(8),
        with_source_nat(icmp(9), 9),
        with_source_nat(icmp(10), 1234),
        with_target_nat(icmp(11), 0),
        with_target_nat(with_source_nat(icmp(12), 1235), 0),
        tcp6(13),
        with_source_nat(tcp6(14), 50_081),
        with_target_nat(tcp6(15), 7001),
        flow(Family::V6, Protocol::UDP, 16),
        flow(Family::V6, Protocol::ICMP6, 17),
        with_source_nat(flow(Family::V6, Protocol::ICMP6, 18), 1236),
        flow(Family::V4, Protocol::GRE, 19),
        flow(Family::V4, Protocol::UDPLITE, 19),
        flow(Family::V4, Protocol::SCTP, 19),
        flow(Family::V4, Protocol(50), 0),
        with_source_nat(flow(Family::V6, Protocol(50), 0), 0),
    ]
}

#[test]
fn every_kind_of_flow_is_built_as_told() {
    sandbox::run("every_kind_of_flow_is_built_as_told", || {
        let mut requests = RequestSocket::open().unwrap();
        let mut queries = QuerySocket::open().unwrap();
        let wanted = every_kind_of_flow();
        create_all(&mut requests, &wanted, 300);
        assert_eq!(queries.count().unwrap() as usize, wanted.len());
        let built: BTreeMap<_, _> =
            dump(&mut queries).into_iter().map(|f| ((f.zone, f.family, f.protocol, f.original), f)).collect();
        assert_eq!(built.len(), wanted.len());
        for want in wanted {
            let seen = &built[&(want.zone, want.family, want.protocol, want.original)];
            assert_eq!(seen.reply, want.reply, "{want} became {seen}");
            // The kernel notes both decisions about NAT once one of them was asked for.
            assert_eq!(seen.status, want.status, "{want} became {seen}");
            assert_eq!((seen.mark, seen.zone), (want.mark, want.zone));
            assert!((290..=300).contains(&seen.timeout), "{seen}");
            assert_eq!(seen.tcp_state, want.tcp_state, "{seen}");
            let scales = (seen.tcp_scale_original, seen.tcp_scale_reply);
            assert_eq!(scales, (want.tcp_scale_original, want.tcp_scale_reply), "{seen}");
            let liberal = if want.protocol == Protocol::TCP { 0x08 } else { 0 };
            let scaled = if want.has(AttrSet::TCP_SCALE) { 0x01 } else { 0 };
            assert_eq!(seen.tcp_flags_original.0, liberal | scaled, "{seen}");
            assert_eq!(seen.tcp_flags_reply.0, liberal | scaled, "{seen}");
            assert!(seen.has(AttrSet::ID.with(AttrSet::SYNPROXY_ZERO)), "{seen}");
            // What the kernel says is what it would be told again.
            assert_eq!((seen.source_nat(), seen.target_nat()), (want.source_nat(), want.target_nat()));
        }
    });
}

#[test]
fn each_request_has_its_outcome() {
    sandbox::run("each_request_has_its_outcome", || {
        let mut requests = RequestSocket::open().unwrap();
        let mut batch = Batch::new();
        batch.create(70, &udp(1), 60);
        batch.create(71, &udp(1), 60);
        batch.update(72, &udp(2), 60);
        batch.delete(73, &udp(2));
        // The wanted translated port is taken by another flow: the kernel chooses no other.
        batch.create(74, &with_source_nat(udp(3), 50_000), 60);
        let mut rival = with_source_nat(udp(4), 50_000);
        rival.reply.source = v4(2);
        batch.create(75, &rival, 60);
        batch.update(76, &udp(1), 60);
        batch.delete(77, &udp(1));
        assert_eq!(
            execute(&mut requests, &mut batch),
            [
                (70, Ok(())),
                (71, Err(Errno::EEXIST)),
                (72, Err(Errno::ENOENT)),
                (73, Err(Errno::ENOENT)),
                (74, Ok(())),
                (75, Err(Errno::EEXIST)),
                (76, Ok(())),
                (77, Ok(())),
            ]
        );
        assert!(batch.is_empty());
        batch.create(80, &udp(1), 60);
        batch.create(80, &udp(1), 60);
        batch.delete(80, &udp(1));
        let same_token = [(80, Ok(())), (80, Err(Errno::EEXIST)), (80, Ok(()))];
        assert_eq!(execute(&mut requests, &mut batch), same_token, "outcomes are told by position");
        assert_eq!(execute(&mut requests, &mut batch), [], "an empty batch has no outcomes");
        for token in 0..Batch::CAPACITY as u32 {
            batch.create(token, &with_source_nat(udp(3), 50_000), 60);
        }
        assert!(batch.is_full());
        let outcomes = execute(&mut requests, &mut batch);
        assert_eq!(outcomes.len(), Batch::CAPACITY, "a full batch of errors fits the receive buffer");
        assert!(outcomes.iter().zip(0..).all(|(o, token)| *o == (token, Err(Errno::EEXIST))));
    });
}

#[test]
fn an_update_changes_and_never_takes_back() {
    sandbox::run("an_update_changes_and_never_takes_back", || {
        let mut requests = RequestSocket::open().unwrap();
        let mut queries = QuerySocket::open().unwrap();
        let mut tcp = with_source_nat(flow(Family::V4, Protocol::TCP, 1), 50_000);
        tcp.mark = 5;
        tcp.present = tcp.present.with(AttrSet::MARK);
        create_all(&mut requests, &[tcp], 60);
        tcp.tcp_state = TcpState::TIME_WAIT;
        tcp.mark = 0;
        tcp.status = Status(Status::CONFIRMED);
        let mut batch = Batch::new();
        batch.update(1, &tcp, 120);
        assert_eq!(execute(&mut requests, &mut batch), [(1, Err(Errno::EBUSY))]);
        batch.update_without_status(2, &tcp, 120);
        assert_eq!(execute(&mut requests, &mut batch), [(2, Ok(()))]);
        let seen = queries.get_by_original(&tcp).unwrap().unwrap();
        assert_eq!((seen.tcp_state, seen.mark), (TcpState::TIME_WAIT, 0));
        assert!(seen.status.has(Status::ASSURED | Status::SRC_NAT), "{seen}");
        assert!((110..=120).contains(&seen.timeout), "{seen}");
        assert_eq!((seen.tcp_scale_original, seen.tcp_scale_reply), (7, 9));
        // Of whatever else the flow says, a relaxation changes nothing.
        let told = Flow { tcp_state: TcpState::ESTABLISHED, timeout: 9999, mark: 77, ..tcp };
        batch.relax(3, &told);
        batch.relax(4, &flow(Family::V4, Protocol::TCP, 2));
        assert_eq!(execute(&mut requests, &mut batch), [(3, Ok(())), (4, Err(Errno::ENOENT))]);
        let relaxed = queries.get_by_original(&tcp).unwrap().unwrap();
        assert_eq!((relaxed.tcp_state, relaxed.mark, relaxed.status), (seen.tcp_state, 0, seen.status));
        assert!((100..=120).contains(&relaxed.timeout), "{relaxed}");
        assert!(relaxed.tcp_flags_original.has(TcpFlags::BE_LIBERAL), "{:?}", relaxed.tcp_flags_original);
        assert!(relaxed.tcp_flags_reply.has(TcpFlags::BE_LIBERAL), "{:?}", relaxed.tcp_flags_reply);
    });
}

#[test]
fn values_no_kernel_takes_are_tamed() {
    sandbox::run("values_no_kernel_takes_are_tamed", || {
        let mut requests = RequestSocket::open().unwrap();
        let mut queries = QuerySocket::open().unwrap();
        let mut tcp = flow(Family::V4, Protocol::TCP, 1);
        tcp.status = Status(u32::MAX);
        tcp.tcp_state = TcpState(200);
        (tcp.tcp_scale_original, tcp.tcp_scale_reply) = (15, 255);
        create_all(&mut requests, &[tcp], 60);
        let seen = queries.get_by_original(&tcp).unwrap().unwrap();
        assert_eq!((seen.tcp_scale_original, seen.tcp_scale_reply), (14, 14));
        assert_eq!(seen.tcp_state, TcpState::MAX);
        assert_eq!(seen.status.0 & 0xf, Status::SEEN_REPLY | Status::ASSURED | Status::CONFIRMED);
        // FIXED_TIMEOUT would refuse this.
        let mut batch = Batch::new();
        batch.update(1, &seen, 90);
        assert_eq!(execute(&mut requests, &mut batch), [(1, Ok(()))]);
    });
}

#[test]
fn a_delete_by_id_spares_another_life() {
    sandbox::run("a_delete_by_id_spares_another_life", || {
        let mut requests = RequestSocket::open().unwrap();
        let mut queries = QuerySocket::open().unwrap();
        create_all(&mut requests, &[udp(1), udp(2)], 60);
        let seen = queries.get_by_original(&udp(1)).unwrap().unwrap();
        let mut other_life = seen;
        other_life.flow.id = seen.id.wrapping_add(1);
        let mut batch = Batch::new();
        batch.delete(1, &other_life);
        batch.delete(2, &seen);
        assert_eq!(execute(&mut requests, &mut batch), [(1, Err(Errno::ENOENT)), (2, Ok(()))]);
        assert_eq!(dump(&mut queries).len(), 1, "only the one that was named");
    });
}

#[test]
fn a_flow_is_found_by_either_tuple_in_its_zone() {
    sandbox::run("a_flow_is_found_by_either_tuple_in_its_zone", || {
        let mut requests = RequestSocket::open().unwrap();
        let mut queries = QuerySocket::open().unwrap();
        let held = with_source_nat(udp(1), 50_000);
        let mut zoned = udp(5);
        zoned.zone = 3;
        create_all(&mut requests, &[held, zoned], 60);
        let original = |f: Option<Whole>| f.map(|f| f.original);
        assert_eq!(original(queries.get_by_original(&held).unwrap()), Some(held.original));
        // Another flow that wants the same translated port learns who holds it.
        let wants = with_source_nat(udp(2), 50_000);
        assert_eq!(original(queries.get_by_original(&wants).unwrap()), None);
        assert_eq!(original(queries.get_by_reply(&wants).unwrap()), Some(held.original));
        assert_eq!(original(queries.get_by_reply(&with_source_nat(udp(1), 50_001)).unwrap()), None);
        assert_eq!(original(queries.get_by_original(&zoned).unwrap()), Some(zoned.original));
        zoned.zone = 4;
        assert_eq!(original(queries.get_by_original(&zoned).unwrap()), None);
        // The lookup knows no direction: the caller compares.
        let backwards = Flow { original: held.reply, ..held };
        assert_eq!(original(queries.get_by_original(&backwards).unwrap()), Some(held.original));
    });
}

#[test]
fn events_say_what_happened_and_who_did_it() {
    sandbox::run("events_say_what_happened_and_who_did_it", || {
        let socket = EventSocket::open(1 << 20).unwrap();
        let mut requests = RequestSocket::open().unwrap();
        let mut stranger = RequestSocket::open().unwrap();
        let ours = [requests.port_id()];
        let mut batch = Batch::new();
        batch.create(1, &udp(1), 60);
        batch.update(2, &udp(1), 90);
        batch.delete(3, &udp(1));
        execute(&mut requests, &mut batch);
        create_all(&mut stranger, &[udp(2)], 60);
        let seen: Vec<_> =
            events(&socket, &ours).iter().map(|d| (d.change, d.origin, d.flow.original)).collect();
        assert_eq!(
            seen,
            [
                (Change::New, Origin::Ourselves, udp(1).original),
                (Change::Update, Origin::Ourselves, udp(1).original),
                (Change::Destroy, Origin::Ourselves, udp(1).original),
                (Change::New, Origin::Kernel, udp(2).original),
            ]
        );
        // A flow that runs out ends by nobody's request. A dump collects it at once.
        batch.update(4, &udp(2), 0);
        execute(&mut requests, &mut batch);
        let mut queries = QuerySocket::open().unwrap();
        assert_eq!(dump(&mut queries), []);
        let last = events(&socket, &ours).pop().unwrap();
        assert_eq!((last.change, last.origin), (Change::Destroy, Origin::Kernel));
        assert!(last.flow.has(AttrSet::REPLY.with(AttrSet::STATUS).with(AttrSet::ID)));
        assert!(last.flow.status.has(Status::DYING));
        assert_eq!(socket.drops().unwrap(), 0);
    });
}

#[test]
fn leaving_new_keeps_the_rest() {
    sandbox::run("leaving_new_keeps_the_rest", || {
        let socket = EventSocket::open(1 << 20).unwrap();
        let mut requests = RequestSocket::open().unwrap();
        let mut batch = Batch::new();
        let mut life = |socket: &EventSocket| {
            batch.create(1, &udp(1), 60);
            batch.update(2, &udp(1), 90);
            batch.delete(3, &udp(1));
            execute(&mut requests, &mut batch);
            events(socket, &[]).iter().map(|d| d.change).collect::<Vec<_>>()
        };
        socket.leave_new().unwrap();
        assert_eq!(life(&socket), [Change::Update, Change::Destroy]);
        socket.join_new().unwrap();
        assert_eq!(life(&socket), [Change::New, Change::Update, Change::Destroy]);
    });
}

#[test]
fn an_overrun_is_said_counted_and_outgrown() {
    sandbox::run("an_overrun_is_said_counted_and_outgrown", || {
        let socket = EventSocket::open(4096).unwrap();
        let mut requests = RequestSocket::open().unwrap();
        let flows: Vec<_> = (1..=64).map(udp).collect();
        create_all(&mut requests, &flows, 60);
        let mut inbox = Inbox::new(EventSocket::LONGEST);
        let (mut read, mut overruns) = (0, 0);
        loop {
            match socket.recv(&mut inbox, 10) {
                Ok(0) => break,
                Ok(taken) => read += taken as u64,
                Err(EventError::Overrun) => overruns += 1,
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(overruns, 1, "said once per congestion");
        assert!((1..64).contains(&read), "{read} events fit");
        assert_eq!(socket.drops().unwrap(), 64 - read);
        let before = socket.receive_buffer().unwrap();
        assert_eq!(socket.grow(1 << 20).unwrap(), before * 2);
        assert_eq!(socket.grow(before * 3).unwrap(), before * 3, "not beyond the limit");
        assert_eq!(socket.grow(before).unwrap(), before * 3, "never smaller");
        while socket.grow(1 << 20).unwrap() < 1 << 20 {}
        // With room again, what was lost does not come back as a NEW by itself; what changes now does: reliable mode.
        let mut batch = Batch::new();
        for (token, flow) in (0..).zip(&flows) {
            batch.update(token, flow, 90);
        }
        execute(&mut requests, &mut batch);
        let changes: Vec<_> = events(&socket, &[]).iter().map(|d| d.change).collect();
        assert_eq!(changes.len(), 64);
        let again_new = changes.iter().filter(|c| **c == Change::New).count() as u64;
        assert_eq!(again_new, 64 - read, "a lost NEW is said with the next change");
    });
}

#[test]
fn a_short_inbox_is_noticed() {
    sandbox::run("a_short_inbox_is_noticed", || {
        let socket = EventSocket::open(1 << 20).unwrap();
        let mut requests = RequestSocket::open().unwrap();
        create_all(&mut requests, &[udp(1), udp(2)], 60);
        let mut short = Inbox::new(64);
        assert_eq!(socket.recv(&mut short, 1).unwrap(), 1);
        assert_eq!(short.iter().collect::<Vec<_>>(), [Err(Truncated)]);
        assert_eq!(events(&socket, &[]).len(), 1, "the next one is whole");
    });
}

/// What `dump` finds while nobody resizes the hash table, which all namespaces share: a dump during that says a flow
/// twice or not at all, and nothing tells.
fn undisturbed<T>(mut dump: impl FnMut() -> T) -> T {
    let buckets = || std::fs::read_to_string("/proc/sys/net/netfilter/nf_conntrack_buckets").unwrap();
    loop {
        let before = buckets();
        let found = dump();
        if buckets() == before {
            return found;
        }
    }
}

#[test]
fn a_large_table_is_dumped_whole() {
    sandbox::run("a_large_table_is_dumped_whole", || {
        let mut requests = RequestSocket::open().unwrap();
        let mut queries = QuerySocket::open().unwrap();
        let flows: Vec<_> = (1..=5000).map(|port| flow(Family::V4, Protocol::TCP, port)).collect();
        create_all(&mut requests, &flows, 300);
        for _ in 0..2 {
            let mut ports: Vec<_> =
                undisturbed(|| dump(&mut queries)).iter().map(|f| f.original.source_port).collect();
            ports.sort_unstable();
            assert!(ports.iter().copied().eq(1..=5000));
        }
        assert_eq!(queries.count().unwrap(), 5000);
    });
}

#[test]
fn an_operator_sees_what_each_processor_counted_and_empties_the_table() {
    sandbox::run("an_operator_sees_what_each_processor_counted_and_empties_the_table", || {
        let mut requests = RequestSocket::open().unwrap();
        let mut queries = QuerySocket::open().unwrap();
        let flows = [udp(1), udp(2), flow(Family::V6, Protocol::TCP, 3)];
        create_all(&mut requests, &flows, 300);
        // Flows that netlink makes are counted as entered, like those of packets.
        let counted = queries.processors().unwrap();
        let cpus: Vec<u16> = counted.iter().map(|of| of.cpu).collect();
        assert!((0..).zip(&cpus).all(|(at, cpu)| at == *cpu) && !cpus.is_empty(), "{cpus:?}");
        assert_eq!(counted.iter().map(|of| of.insert).sum::<u32>(), 3, "{counted:?}");
        let mut carried = Vec::new();
        queries
            .dump_carried(|flow| carried.push((flow.flow.original.source_port, flow.carried[0].bytes)))
            .unwrap();
        carried.sort_unstable();
        assert_eq!(carried, [(1, 0), (2, 0), (3, 0)]);
        queries.remove_all_flows().unwrap();
        assert_eq!(queries.count().unwrap(), 0);
        queries.remove_all_expectations().unwrap();
    });
}
