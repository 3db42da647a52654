//! Columns, of the kernel's table and of caches.

use syncd_conntrack::{Carried, Decoded, ProcessorStats};
use syncd_core::flow::{Change, Origin};

use super::*;
use crate::show::processors::ProcessorsView;
use crate::show::table::{self, TableFormat};

fn decoded(flow: Flow, carried: [Carried; 2]) -> Decoded {
    let Whole { flow, extras } = Whole::new(flow, Extras::EMPTY);
    Decoded { change: Change::Update, origin: Origin::Kernel, flow, extras, skipped: 0, measured: 0, carried }
}

/// Of each kind one, of that family.
fn kernel(family: Family) -> Vec<Decoded> {
    let address = |text: &str| Address::from(text.parse::<std::net::IpAddr>().expect("an address"));
    let (source, target, outside) = match family {
        Family::V4 => (address("10.35.101.221"), address("172.31.120.21"), address("198.51.100.1")),
        Family::V6 => (
            address("2001:db8::35:221"),
            address("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"),
            address("2001:db8::1"),
        ),
    };
    let tuple = Tuple { source, target, source_port: 57_483, target_port: 22 };
    let said = AttrSet::REPLY.with(AttrSet::TIMEOUT).with(AttrSet::ID);
    let mut tcp = Flow::new(family, Protocol::TCP, tuple);
    tcp.reply = Tuple { target: outside, ..tcp.reply };
    (tcp.id, tcp.timeout, tcp.mark, tcp.zone) = (1_015_736_576, 430_279, 42, 7);
    tcp.tcp_state = TcpState::ESTABLISHED;
    tcp.present = said.with(AttrSet::TCP_STATE).with(AttrSet::MARK);
    let mut waiting = tcp;
    (waiting.id, waiting.timeout, waiting.tcp_state) = (17, 37, TcpState::TIME_WAIT);
    let mut udp = Flow::new(family, Protocol::UDP, Tuple { target_port: 694, ..tuple });
    (udp.id, udp.timeout, udp.present) = (1_015_734_272, 29, said);
    let protocol = if family == Family::V4 { Protocol::ICMP } else { Protocol::ICMP6 };
    let mut echo = Flow::new(family, protocol, Tuple::icmp(source, target, 7, 8, 0));
    (echo.id, echo.timeout, echo.present) = (u32::MAX, 29, said);
    let mut esp = Flow::new(family, Protocol(50), Tuple { source_port: 0, target_port: 0, ..tuple });
    // A flow that hardware carries has no timeout.
    (esp.id, esp.present) = (9, AttrSet::REPLY.with(AttrSet::ID));
    let carried = [Carried { packets: 2612, bytes: 3_845_685 }, Carried { packets: 254, bytes: 17_447 }];
    let nothing = [Carried::default(); 2];
    vec![
        decoded(tcp, carried),
        decoded(waiting, nothing),
        decoded(udp, nothing),
        decoded(echo, nothing),
        decoded(esp, nothing),
    ]
}

#[test]
fn the_kernels_table_in_every_layout() {
    for (format, name) in [
        (TableFormat::Table, "table"),
        (TableFormat::Wide, "table-wide"),
        (TableFormat::Lines, "table-lines"),
    ] {
        let mut out = Vec::new();
        for family in [Family::V4, Family::V6] {
            table::head(family, format, &mut out).unwrap();
            for flow in kernel(family) {
                table::flow(&flow, format, &mut out).unwrap();
            }
            out.push(b'\n');
        }
        snapshot(name, &String::from_utf8(out).unwrap());
    }
}

#[test]
fn the_documentations_columns_are_where_it_has_them() {
    let mut out = Vec::new();
    table::head(Family::V4, TableFormat::Table, &mut out).unwrap();
    table::flow(&kernel(Family::V4)[0], TableFormat::Table, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    let mut lines = text.lines().skip(4);
    let head = "CONN ID    Source                 Destination            Protocol         TIMEOUT";
    assert_eq!(lines.next(), Some(head));
    let flow = "1015736576 10.35.101.221:57483    172.31.120.21:22       tcp [6] ES       430279";
    assert_eq!(lines.next(), Some(flow));
}

#[test]
fn a_cache_as_a_table() {
    let mut out = Vec::new();
    table::cache_head(&mut out).unwrap();
    for flow in kernel(Family::V4).iter().chain(&kernel(Family::V6)) {
        table::cached(&FlowView::new(flow.whole(), Some(1), None), &mut out).unwrap();
    }
    snapshot("cache-table", &String::from_utf8(out).unwrap());
}

pub(super) fn processors() -> ProcessorsView {
    let first = ProcessorStats { insert: 14_000_000, search_restart: 3, ..ProcessorStats::default() };
    let second =
        ProcessorStats { cpu: 1, invalid: 12, insert_failed: 2, early_drop: 1, ..ProcessorStats::default() };
    ProcessorsView::new(40, &[first, second])
}

#[test]
fn what_processors_counted() {
    snapshot("processors", &processors().text());
}

pub(super) fn of_kernel() -> FlowView {
    FlowView::of_kernel(&kernel(Family::V4)[0])
}
