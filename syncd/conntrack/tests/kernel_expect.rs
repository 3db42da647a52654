//! Expectations and the real kernel, in a network namespace that each test makes for itself.

mod programs;
mod sandbox;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use syncd_conntrack::{
    Batch, DecodedExpectation, Errno, EventSocket, Inbox, Message, Messages, QuerySocket, RequestSocket,
    decode_expectation,
};
use syncd_core::flow::{
    Address, AttrSet, Change, ExpectFlags, ExpectNat, Expectation, ExtraSet, Extras, Family, Flow, FnName,
    HelperName, Origin, Parent, Protocol, Status, TcpState, Tuple, Whole,
};

fn name(text: &str) -> HelperName {
    HelperName::new(text.as_bytes()).expect("a name")
}

fn host(family: Family, last: u8) -> Address {
    match family {
        Family::V4 => Address::from_v4([127, 0, 0, last]),
        Family::V6 => Address::from_v6([0xfd, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]),
    }
}

/// A control connection to that port of host 2, with a helper.
fn control(family: Family, protocol: Protocol, port: u16, helper: &str) -> Whole {
    let (source, target) = (host(family, 1), host(family, 2));
    let original = Tuple { source, target, source_port: 40_000, target_port: port };
    let mut flow = Flow::new(family, protocol, original);
    flow.status = Status(Status::SEEN_REPLY | Status::ASSURED | Status::CONFIRMED);
    flow.tcp_state = TcpState::ESTABLISHED;
    flow.present = AttrSet::REPLY.with(AttrSet::STATUS).with(AttrSet::TCP_STATE);
    let mut extras = Extras { helper: name(helper), ..Extras::EMPTY };
    extras.said(ExtraSet::HELPER);
    Whole::new(flow, extras)
}

/// What that control connection announces: a connection from anywhere on host 1 to that port of host 2.
fn announced(control: &Whole, protocol: Protocol, port: u16) -> Expectation {
    let Flow { original, family, .. } = control.flow;
    let parent = Parent { original, family, protocol: control.protocol };
    let tuple = Tuple { source_port: 0, target_port: port, ..original };
    let everything = Address::from_v6([255; 16]);
    let everything = if family == Family::V4 { Address::from_v4([255; 4]) } else { everything };
    let mask = Tuple { source: everything, target: everything, source_port: 0, target_port: u16::MAX };
    Expectation {
        helper: control.extras.helper,
        class: Some(0),
        ..Expectation::new(parent, protocol, tuple, mask)
    }
}

fn execute(socket: &mut RequestSocket, fill: impl FnOnce(&mut Batch)) -> Vec<Result<(), Errno>> {
    let mut batch = Batch::new();
    fill(&mut batch);
    let mut outcomes = Vec::new();
    socket.send(&mut batch).unwrap();
    socket.outcomes(|_, result| outcomes.push(result)).unwrap();
    outcomes
}

fn dump(socket: &mut QuerySocket) -> Vec<Expectation> {
    let (expectations, summary) = socket.dump_expectations().unwrap();
    assert_eq!((summary.skipped, summary.malformed), (0, 0));
    expectations
}

/// All events about expectations that wait, in order.
fn events(socket: &EventSocket, ours: &[u32]) -> Vec<DecodedExpectation> {
    let mut inbox = Inbox::new(EventSocket::LONGEST);
    let mut seen = Vec::new();
    while socket.recv(&mut inbox, usize::MAX).unwrap() > 0 {
        for message in inbox.iter().flat_map(|datagram| Messages::new(datagram.unwrap())) {
            let Ok(Message::Netfilter(view)) = message else { panic!("an event, not {message:?}") };
            seen.extend(decode_expectation(&view, ours));
        }
    }
    seen
}

/// What the kernel holds instead of `wanted`, which it was told to create.
fn created(wanted: &Expectation) -> Expectation {
    let mut requests = RequestSocket::open().unwrap();
    let mut queries = QuerySocket::open().unwrap();
    assert_eq!(execute(&mut requests, |batch| batch.create_expectation(1, wanted)), [Ok(())], "{wanted}");
    let all = dump(&mut queries);
    let seen = all.iter().find(|seen| seen.key() == wanted.key());
    *seen.unwrap_or_else(|| panic!("{wanted} is not among {all:?}"))
}

#[test]
fn every_kind_of_expectation_is_built_as_told() {
    sandbox::run("every_kind_of_expectation_is_built_as_told", || {
        let mut requests = RequestSocket::open().unwrap();
        let ftp = control(Family::V4, Protocol::TCP, 21, "ftp");
        let ftp6 = control(Family::V6, Protocol::TCP, 21, "ftp");
        let sip = control(Family::V4, Protocol::UDP, 5060, "sip");
        let mut zoned = ftp;
        zoned.flow.zone = 7;
        let parents = [ftp, ftp6, sip, zoned];
        let done = execute(&mut requests, |batch| {
            parents.iter().zip(1..).for_each(|(flow, token)| batch.create(token, flow, 300));
        });
        assert_eq!(done, [Ok(()); 4]);

        let nat = |direction| {
            let tuple = Tuple {
                source: host(Family::V4, 9),
                target: Address::UNSPECIFIED,
                source_port: 7,
                target_port: 0,
            };
            Some(ExpectNat { tuple, protocol: Protocol::TCP, direction })
        };
        let follow = FnName::new(b"nat-follow-master").expect("a name");
        let translated =
            Expectation { nat: nat(1), function: follow, ..announced(&ftp, Protocol::TCP, 5001) };
        // Its kernel does not say in which zone it is.
        let in_zone = Expectation { zone: 7, ..announced(&ftp, Protocol::TCP, 5001) };
        let media = Expectation { class: Some(1), ..announced(&sip, Protocol::UDP, 5004) };
        let permanent = ExpectFlags(ExpectFlags::PERMANENT | ExpectFlags::INACTIVE);
        let signalling = Expectation { flags: permanent, ..announced(&sip, Protocol::UDP, 5062) };
        for wanted in [translated, in_zone, announced(&ftp6, Protocol::TCP, 5001), media, signalling] {
            let seen = created(&wanted);
            assert!(seen.same(&wanted), "{wanted} became {seen}");
            assert_ne!(seen.id, 0);
            assert!(seen.timeout.is_some_and(|timeout| timeout > 0), "{seen}");
        }
    });
}

#[test]
fn each_request_has_its_outcome() {
    sandbox::run("each_request_has_its_outcome", || {
        let mut requests = RequestSocket::open().unwrap();
        let mut queries = QuerySocket::open().unwrap();
        let ftp = control(Family::V4, Protocol::TCP, 21, "ftp");
        let wanted = announced(&ftp, Protocol::TCP, 5001);
        let create = |requests: &mut RequestSocket, wanted: &Expectation| {
            execute(requests, |batch| batch.create_expectation(1, wanted))[0]
        };
        assert_eq!(create(&mut requests, &wanted), Err(Errno::ENOENT), "no parent");
        let plain = Whole::from(ftp.flow);
        assert_eq!(execute(&mut requests, |batch| batch.create(1, &plain, 300)), [Ok(())]);
        assert_eq!(create(&mut requests, &wanted), Err(Errno::EOPNOTSUPP), "a parent without helper");
        let done = execute(&mut requests, |batch| {
            batch.delete(1, &ftp);
            batch.create(2, &ftp, 300);
            batch.create_expectation(3, &wanted);
            batch.create_expectation(4, &wanted);
            batch.renew_expectation(5, &wanted, 77);
        });
        assert_eq!(done, [Ok(()), Ok(()), Ok(()), Err(Errno::EEXIST), Ok(())]);
        let bogus = Expectation {
            function: FnName::new(b"nobodys").expect("a name"),
            ..announced(&ftp, Protocol::TCP, 2)
        };
        assert_eq!(create(&mut requests, &bogus), Err(Errno::EINVAL));

        let seen = queries.get_expectation(&wanted).unwrap().expect("it is there");
        assert!(seen.same(&wanted), "{seen}");
        assert!(seen.timeout.is_some_and(|timeout| (70..=77).contains(&timeout)), "{seen}: it was renewed");
        let other_life = Expectation { id: seen.id.wrapping_add(1), ..seen };
        let done = execute(&mut requests, |batch| {
            batch.delete_expectation(1, &other_life);
            batch.delete_expectation(2, &seen);
            batch.delete_expectation(3, &seen);
        });
        assert_eq!(done, [Err(Errno::ENOENT), Ok(()), Err(Errno::ENOENT)]);
        assert_eq!(queries.get_expectation(&wanted).unwrap(), None);
        assert_eq!(dump(&mut queries), []);
    });
}

#[test]
fn the_helper_makes_one_and_the_flow_that_comes_ends_it() {
    sandbox::run("the_helper_makes_one_and_the_flow_that_comes_ends_it", || {
        programs::program("ip", &["link", "set", "lo", "up"]);
        programs::nft(
            "table ip t { ct helper ftp { type \"ftp\" protocol tcp; }; chain o { type filter hook output priority 0; \
             tcp dport 21 ct helper set \"ftp\"; }; }",
        );
        let socket = EventSocket::open(1 << 20).unwrap();
        socket.join_expectations().unwrap();
        let server = TcpListener::bind("127.0.0.1:21").unwrap();
        let data = TcpListener::bind("127.0.0.1:5001").unwrap();
        let mut client = TcpStream::connect("127.0.0.1:21").unwrap();
        let (mut session, _) = server.accept().unwrap();
        let mut read = [0; 64];
        for (line, from_server) in [
            ("220 \r\n", true),
            ("PASV\r\n", false),
            ("227 Entering Passive Mode (127,0,0,1,19,137)\r\n", true),
        ] {
            let (from, to) =
                if from_server { (&mut session, &mut client) } else { (&mut client, &mut session) };
            from.write_all(line.as_bytes()).unwrap();
            assert_eq!(to.read(&mut read).unwrap(), line.len());
        }
        let made = events(&socket, &[]);
        // On the loopback the helper sees the answer leave and come, and its second look replaces what the first made.
        let made = made.last().expect("an expectation");
        assert_eq!(made.change, Change::New);
        let expectation = made.expectation;
        assert_eq!((made.origin, made.skipped), (Origin::Kernel, 0));
        assert_eq!((expectation.helper, expectation.class), (name("ftp"), Some(0)));
        assert_eq!((expectation.tuple.target_port, expectation.mask.target_port), (5001, u16::MAX));
        assert_eq!((expectation.tuple.source_port, expectation.mask.source_port), (0, 0));
        assert_eq!(expectation.parent.original.target_port, 21);

        let connection = TcpStream::connect("127.0.0.1:5001").unwrap();
        let (accepted, _) = data.accept().unwrap();
        let met = events(&socket, &[]);
        assert_eq!(met.iter().map(|event| event.change).collect::<Vec<_>>(), [Change::Destroy]);
        assert_eq!(met[0].expectation.key(), expectation.key());
        let mut flows = Vec::new();
        let mut queries = QuerySocket::open().unwrap();
        queries.dump(|batch| flows.extend_from_slice(batch)).unwrap();
        let child = flows.iter().find(|flow| flow.original.target_port == 5001).expect("the data connection");
        assert_eq!(child.extras.parent(), Some(expectation.parent));
        assert!(child.status.has(Status::EXPECTED));
        drop((connection, accepted));
    });
}

#[test]
fn a_flow_that_was_announced_elsewhere_becomes_a_child_here() {
    sandbox::run("a_flow_that_was_announced_elsewhere_becomes_a_child_here", || {
        programs::program("ip", &["link", "set", "lo", "up"]);
        // Without a rule that asks for it, nothing is tracked.
        programs::nft("table ip t { chain o { type filter hook output priority 0; ct state new accept; }; }");
        let mut requests = RequestSocket::open().unwrap();
        let ftp = control(Family::V4, Protocol::TCP, 21, "ftp");
        let wanted = announced(&ftp, Protocol::TCP, 5001);
        let done = execute(&mut requests, |batch| {
            batch.create(1, &ftp, 300);
            batch.create_expectation(2, &wanted);
        });
        assert_eq!(done, [Ok(()), Ok(())]);
        let data = TcpListener::bind("127.0.0.2:5001").unwrap();
        let connection = TcpStream::connect("127.0.0.2:5001").unwrap();
        let (mut flows, mut queries) = (Vec::new(), QuerySocket::open().unwrap());
        queries.dump(|batch| flows.extend_from_slice(batch)).unwrap();
        let child = flows.iter().find(|flow| flow.original.target_port == 5001).expect("the data connection");
        assert_eq!(child.extras.parent(), Some(wanted.parent));
        assert_eq!(child.extras.helper(), None, "the helper that is named is the parent's");
        assert_eq!(dump(&mut queries), [], "it was met");
        drop((data, connection));
    });
}

#[test]
fn our_own_are_known_among_the_events() {
    sandbox::run("our_own_are_known_among_the_events", || {
        let socket = EventSocket::open(1 << 20).unwrap();
        socket.join_expectations().unwrap();
        let mut requests = RequestSocket::open().unwrap();
        let ftp = control(Family::V4, Protocol::TCP, 21, "ftp");
        let wanted = announced(&ftp, Protocol::TCP, 5001);
        execute(&mut requests, |batch| {
            batch.create(1, &ftp, 300);
            batch.create_expectation(2, &wanted);
            batch.delete(3, &ftp);
        });
        let seen = events(&socket, &[requests.port_id()]);
        let said: Vec<_> = seen.iter().map(|event| (event.change, event.origin)).collect();
        // Whose doing the end is the kernel does not say: an expectation goes with its parent.
        assert_eq!(said[0], (Change::New, Origin::Ourselves));
        assert_eq!(
            said.iter().map(|(change, _)| *change).collect::<Vec<_>>(),
            [Change::New, Change::Destroy]
        );
    });
}
