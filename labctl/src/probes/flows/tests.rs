//! Flows that real sockets made in a private namespace, read back.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;

use socket2::{Domain, Protocol, Socket, Type};

use super::{SeenFamily, SeenFlow, SeenPorts, dump_flows};
use crate::link::namespace::run_in;
use crate::link::stage;

/// Rules that mark, translate and put into a zone what the tests send over loopback.
const RULES: &str = "
table inet t {
  chain zones { type filter hook output priority raw; udp dport 5300 ct zone set 7; }
  chain marks { type filter hook output priority mangle; tcp dport 7000 ct mark set 0x2a; }
  chain translations { type nat hook output priority -100; ip daddr 127.0.0.9 tcp dport 7000 dnat ip to 127.0.0.1; }
  chain tracking { type filter hook input priority filter; ct state established accept; }
}";

fn to_port(flows: &[SeenFlow], port: u16) -> SeenFlow {
    let found: Vec<_> = flows
        .iter()
        .filter(|flow| matches!(flow.original.ports, SeenPorts::Ports { target, .. } if target == port))
        .collect();
    assert_eq!(found.len(), 1, "flows to port {port}: {flows:?}");
    *found[0]
}

#[test]
fn real_flows_are_read_back() {
    stage::act(module_path!(), "real_flows_are_read_back", || {
        let ns = stage::namespace();
        stage::rules(ns.as_fd(), RULES);
        assert_eq!(dump_flows(ns.as_fd()).expect("an empty table"), []);

        let open = run_in(ns.as_fd(), || {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 7000))?;
            let mut client = TcpStream::connect((Ipv4Addr::new(127, 0, 0, 9), 7000))?;
            let (mut server, _) = listener.accept()?;
            client.write_all(b"?")?;
            server.read_exact(&mut [0])?;
            let resolver = UdpSocket::bind((Ipv6Addr::LOCALHOST, 5300))?;
            let asker = UdpSocket::bind((Ipv6Addr::LOCALHOST, 0))?;
            asker.send_to(b"?", (Ipv6Addr::LOCALHOST, 5300))?;
            let echo = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4))?;
            // Type 8, code 0, checksum, identifier 0x1234, sequence 1.
            let request = [8, 0, 0xe5, 0xca, 0x12, 0x34, 0, 1];
            echo.send_to(&request, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
            Ok((client, server, resolver, asker, echo))
        })
        .expect("sockets");

        let flows = dump_flows(ns.as_fd()).expect("the table");
        assert_eq!(flows.len(), 3, "{flows:?}");
        let tcp = to_port(&flows, 7000);
        assert_eq!((tcp.protocol, tcp.family, tcp.mark, tcp.tcp_state), (6, SeenFamily::V4, 0x2a, Some(3)));
        assert!(tcp.assured() && tcp.seen_reply() && tcp.dst_nat() && !tcp.src_nat());
        let port = open.0.local_addr().expect("address").port();
        assert_eq!(
            tcp.to_string(),
            format!(
                "tcp 127.0.0.1:{port}>127.0.0.9:7000 reply 127.0.0.1:7000>127.0.0.1:{port} ESTABLISHED assured dst-nat mark=42"
            )
        );
        let udp = to_port(&flows, 5300);
        assert_eq!((udp.protocol, udp.family, udp.zone, udp.tcp_state), (17, SeenFamily::V6, 7, None));
        let port = open.3.local_addr().expect("address").port();
        assert_eq!(
            udp.to_string(),
            format!("udp [::1]:{port}>[::1]:5300 reply [::1]:5300>[::1]:{port} unreplied zone=7")
        );
        let echo = flows.iter().find(|flow| flow.protocol == 1).expect("the echo");
        assert_eq!(echo.original.ports, SeenPorts::Echo { id: 0x1234, kind: 8, code: 0 });
        assert_eq!(
            echo.to_string(),
            "icmp 127.0.0.1>127.0.0.1 type=8 code=0 id=4660 reply 127.0.0.1>127.0.0.1 type=0 code=0 id=4660"
        );
    });
}

#[test]
fn a_table_of_many_datagrams_is_read_whole() {
    const FLOWS: u16 = 1_500;
    stage::act(module_path!(), "a_table_of_many_datagrams_is_read_whole", || {
        let ns = stage::namespace();
        stage::rules(ns.as_fd(), RULES);
        let from = run_in(ns.as_fd(), || {
            let from = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
            for port in 0..FLOWS {
                // Nobody listens: the answer is an ICMP error, which the next send reports.
                let _ = from.send_to(b"?", (Ipv4Addr::LOCALHOST, 20_000 + port));
            }
            Ok(from)
        })
        .expect("a socket");
        let flows = dump_flows(ns.as_fd()).expect("the table");
        let sent = from.local_addr().expect("address").port();
        let targets: Vec<_> = flows
            .iter()
            .filter_map(|flow| match flow.original.ports {
                SeenPorts::Ports { source, target } if source == sent => Some(target),
                _ => None,
            })
            .collect();
        // A send that was spent on reporting an error made no flow.
        assert!(targets.len() > usize::from(FLOWS) / 3, "{} flows", targets.len());
        assert!(targets.is_sorted());
    });
}
