//! Flows in columns: the layout of VyOS's documentation, and the one of its newer commands.
//!
//! Columns have fixed widths, so that a million flows need no memory; what is wider moves its line to the right. Tested
//! in `show/tests/table.rs`.

use std::io::{self, Write};

use clap::ValueEnum;
use syncd_conntrack::{Carried, Decoded};
use syncd_core::flow::{AttrSet, Family, FlowRef, Protocol, TcpState, Tuple};

use super::expectations::ExpectationView;
use super::flows::{Ends, FlowView, TupleView, state_name};

/// How the kernel's table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TableFormat {
    /// Columns, with the states of TCP in two letters.
    Table,
    /// All columns of VyOS's newer command: both directions, counters, mark and zone.
    Wide,
    /// One line for each flow, as conntrack -L prints it.
    Lines,
}

/// How a cache is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CacheFormat {
    /// Source, destination, protocol.
    Table,
    /// One line each, as conntrackd prints it.
    Lines,
}

const STATE_CODES: &str = "\
TCP state codes: SS - SYN SENT, SR - SYN RECEIVED, ES - ESTABLISHED,
                 FW - FIN WAIT, CW - CLOSE WAIT, LA - LAST ACK,
                 TW - TIME WAIT, CL - CLOSE, LI - LISTEN
";

/// Where there is nothing to show.
pub(crate) const NOTHING: &str = "Entries not found";

/// What stands above the flows.
pub(crate) fn head(family: Family, format: TableFormat, out: &mut impl Write) -> io::Result<()> {
    match format {
        TableFormat::Lines => Ok(()),
        TableFormat::Table => {
            writeln!(out, "{STATE_CODES}")?;
            let width = narrow(family);
            writeln!(
                out,
                "{:<10} {:<width$} {:<width$} {:<16} TIMEOUT",
                "CONN ID", "Source", "Destination", "Protocol"
            )
        }
        TableFormat::Wide => {
            let names = [
                "Id",
                "Original src",
                "Original dst",
                "Original packets",
                "Original bytes",
                "Reply src",
                "Reply dst",
                "Reply packets",
                "Reply bytes",
                "Protocol",
                "State",
                "Timeout",
                "Mark",
                "Zone",
            ];
            row(family, &names.map(str::to_owned), out)?;
            row(family, &wide(family).map(|width| "-".repeat(width)), out)
        }
    }
}

/// A flow of the kernel.
pub(crate) fn flow(of: &Decoded, format: TableFormat, out: &mut impl Write) -> io::Result<()> {
    let flow = of.whole();
    match format {
        TableFormat::Lines => writeln!(out, "{flow}"),
        TableFormat::Table => {
            let protocol = format!("{} [{}] {}", flow.protocol.name(), flow.protocol.0, code(flow));
            let width = narrow(flow.family);
            writeln!(
                out,
                "{:<10} {:<width$} {:<width$} {:<16} {}",
                flow.id,
                end(flow, flow.original.source, flow.original.source_port),
                end(flow, flow.original.target, flow.original.target_port),
                protocol.trim_end(),
                timeout(flow)
            )
        }
        TableFormat::Wide => {
            // A flow that has carried nothing at all is one of which nobody counts what it carries.
            let counted = of.carried.iter().any(|carried| carried.packets > 0);
            let count = |number: u64| if counted { number.to_string() } else { "-".to_owned() };
            let cells = |tuple: &Tuple, carried: Carried| {
                [
                    end(flow, tuple.source, tuple.source_port),
                    end(flow, tuple.target, tuple.target_port),
                    count(carried.packets),
                    count(carried.bytes),
                ]
            };
            let [source, target, packets, bytes] = cells(&flow.original, of.carried[0]);
            let [reply_source, reply_target, reply_packets, reply_bytes] = cells(&flow.reply, of.carried[1]);
            let cells = [
                flow.id.to_string(),
                source,
                target,
                packets,
                bytes,
                reply_source,
                reply_target,
                reply_packets,
                reply_bytes,
                flow.protocol.name().to_owned(),
                state_name(flow).unwrap_or_default().to_owned(),
                timeout(flow),
                if flow.has(AttrSet::MARK) { flow.mark } else { 0 }.to_string(),
                if flow.zone == 0 { String::new() } else { flow.zone.to_string() },
            ];
            row(flow.family, &cells, out)
        }
    }
}

/// An IPv4 address with its port, and a blank; of an IPv6 address the longest.
const fn narrow(family: Family) -> usize {
    match family {
        Family::V4 => 22,
        Family::V6 => 47,
    }
}

const fn wide(family: Family) -> [usize; 14] {
    let end = narrow(family) - 1;
    [10, end, end, 16, 14, end, end, 13, 11, 8, 11, 7, 10, 5]
}

fn row(family: Family, cells: &[String; 14], out: &mut impl Write) -> io::Result<()> {
    let line: Vec<String> =
        cells.iter().zip(wide(family)).map(|(cell, width)| format!("{cell:<width$}")).collect();
    writeln!(out, "{}", line.join("  ").trim_end())
}

fn end(flow: FlowRef<'_>, address: syncd_core::flow::Address, port: u16) -> String {
    let address = address.ip(flow.family);
    if !flow.protocol.has_kernel_ports() || flow.protocol == Protocol::GRE {
        address.to_string()
    } else if flow.family == Family::V6 {
        format!("[{address}]:{port}")
    } else {
        format!("{address}:{port}")
    }
}

fn timeout(flow: FlowRef<'_>) -> String {
    // A flow that hardware carries has none.
    if flow.has(AttrSet::TIMEOUT) { flow.timeout.to_string() } else { "-".to_owned() }
}

fn code(flow: FlowRef<'_>) -> &'static str {
    if flow.protocol != Protocol::TCP || !flow.has(AttrSet::TCP_STATE) {
        return "";
    }
    match flow.tcp_state {
        TcpState(1) => "SS",
        TcpState(2) => "SR",
        TcpState(3) => "ES",
        TcpState(4) => "FW",
        TcpState(5) => "CW",
        TcpState(6) => "LA",
        TcpState(7) => "TW",
        TcpState(8) => "CL",
        TcpState(9) => "LI",
        _ => "",
    }
}

/// What stands above the flows of a cache.
pub(crate) fn cache_head(out: &mut impl Write) -> io::Result<()> {
    cache_row("Source", "Destination", "Protocol", out)?;
    cache_row(&"-".repeat(21), &"-".repeat(21), &"-".repeat(8), out)
}

/// A flow of a cache.
pub(crate) fn cached(flow: &FlowView, out: &mut impl Write) -> io::Result<()> {
    let [source, target] = ends(flow.protocol_number, &flow.original);
    cache_row(&source, &target, &flow.protocol, out)
}

/// An expectation of a cache.
pub(crate) fn expected(expectation: &ExpectationView, out: &mut impl Write) -> io::Result<()> {
    let [source, target] = ends(expectation.protocol_number, &expectation.tuple);
    cache_row(&source, &target, &expectation.protocol, out)
}

fn cache_row(source: &str, target: &str, protocol: &str, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{source:<21}  {target:<21}  {protocol}")
}

fn ends(protocol: u8, tuple: &TupleView) -> [String; 2] {
    match tuple.ends {
        Ends::Ports { source_port, target_port } if Protocol(protocol).has_wire_ports() => {
            let end = |address: &str, port: u16| {
                if address.contains(':') {
                    format!("[{address}]:{port}")
                } else {
                    format!("{address}:{port}")
                }
            };
            [end(&tuple.source, source_port), end(&tuple.target, target_port)]
        }
        _ => [tuple.source.clone(), tuple.target.clone()],
    }
}
