//! An expectation that a real helper made, read back; and the daemons' words for it.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::AsFd;

use super::told::Told;
use super::{SeenExpectation, dump_expectations, of_conntrackd, of_kernel, of_syncd};
use crate::link::namespace::run_in;
use crate::link::stage;
use crate::probes::flows::{SeenPorts, SeenTuple};
use crate::probes::syncd::read_expectations;

const RULES: &str = "
table ip t {
  ct helper ftp { type \"ftp\" protocol tcp; }
  chain helpers { type filter hook output priority mangle; tcp dport 21 ct helper set \"ftp\"; }
  chain translations { type nat hook output priority -100; ip daddr 127.0.0.9 dnat to 127.0.0.1; }
}";

fn tuple(source: IpAddr, from: u16, target: IpAddr, to: u16) -> SeenTuple {
    SeenTuple { source, target, ports: SeenPorts::Ports { source: from, target: to } }
}

#[test]
fn what_a_helper_expects_is_read_back() {
    stage::act(module_path!(), "what_a_helper_expects_is_read_back", || {
        let ns = stage::namespace();
        stage::rules(ns.as_fd(), RULES);
        assert_eq!(dump_expectations(ns.as_fd()).expect("an empty table"), []);

        let open = run_in(ns.as_fd(), || {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 21))?;
            let mut client = TcpStream::connect((Ipv4Addr::new(127, 0, 0, 9), 21))?;
            let (mut server, _) = listener.accept()?;
            // The helper reads whole lines: it must have seen where one ends.
            for line in ["USER lab\r\n", "PORT 127,0,0,1,46,224\r\n"] {
                client.write_all(line.as_bytes())?;
                server.read_exact(&mut vec![0; line.len()])?;
            }
            Ok((client, server))
        })
        .expect("a control connection");

        let local: IpAddr = Ipv4Addr::LOCALHOST.into();
        let own = open.0.local_addr().expect("an address").port();
        let expectations = dump_expectations(ns.as_fd()).expect("expectations");
        let parent = tuple(local, own, Ipv4Addr::new(127, 0, 0, 9).into(), 21);
        let expected = tuple(local, 0, local, 46 * 256 + 224);
        let full: IpAddr = Ipv4Addr::BROADCAST.into();
        assert_eq!(
            expectations,
            [SeenExpectation {
                protocol: 6,
                expected,
                mask: tuple(full, 0, full, 0xffff),
                parent: (6, parent),
                zone: 0,
                helper: "ftp".to_owned(),
                class: 0,
                flags: 0,
                // As it is announced, with nobody's address: the one that must be restored is the parent's.
                nat: Some((
                    1,
                    tuple(Ipv4Addr::UNSPECIFIED.into(), 46 * 256 + 224, Ipv4Addr::UNSPECIFIED.into(), 0)
                )),
                function: Some("nat-follow-master".to_owned()),
            }]
        );
        let line = format!(
            "proto=6 src=127.0.0.1 dst=127.0.0.1 sport=0 dport=12000 mask-src=255.255.255.255 \
             mask-dst=255.255.255.255 sport=0 dport=65535 master-src=127.0.0.1 master-dst=127.0.0.9 sport={own} \
             dport=21 class=0 helper=ftp [active since 1s]\nnot one\n"
        );
        assert_eq!(of_conntrackd(&line), of_kernel(&expectations));
        let json = format!(
            r#"{{"version":1,"expectations":[{{"protocol_number":6,"helper":"ftp","class":0,
            "parent":{{"source":"127.0.0.1","target":"127.0.0.9","source_port":{own},"target_port":21}},
            "tuple":{{"source":"127.0.0.1","target":"127.0.0.1","source_port":0,"target_port":12000}}}}]}}"#
        );
        let cached = read_expectations(json.as_bytes()).expect("a document");
        assert_eq!(of_syncd(&cached), of_kernel(&expectations));
    });
}

#[test]
fn another_port_is_another_expectation() {
    let line = |port: u16| {
        format!(
            "proto=17 src=198.51.100.10 dst=198.51.100.1 sport=0 dport={port} mask-src=255.255.255.255 \
             mask-dst=255.255.255.255 sport=0 dport=65535 master-src=10.1.0.10 master-dst=198.51.100.10 \
             sport=5060 dport=5060 class=1 helper=sip [active since 1s]"
        )
    };
    let told = of_conntrackd(&line(13_000));
    assert_eq!(told.iter().map(|told: &Told| told.class).collect::<Vec<_>>(), [1]);
    assert_ne!(told, of_conntrackd(&line(13_001)));
}
