//! The doors for bytes that somebody else wrote, without the files and sockets they come through: for the fuzzer in
//! `syncd/fuzz`, which throws bytes at them.
//!
//! Each does with its bytes what the daemon does, as far as no system is needed, and says what an operator would read.
//! Never touches anything. Not an interface: no other crate calls it.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use syncd_core::replica::Replica;

use crate::config::Interface;
use crate::control::protocol::{self, Cache, Form, PAGE, Request, Response};
use crate::control::{LONGEST_RECORD, server};
use crate::decode::{self, Ports};
use crate::metrics::http;
use crate::show::page::{self, Ask};
use crate::show::selection::Chosen;
use crate::vrrp::Vrrp;
use crate::{config, vrrp};

/// No record on the control socket is longer, in bytes: the rest of a longer one is cut off before it is looked at.
pub const LONGEST_REQUEST: usize = LONGEST_RECORD;

/// A configuration file: `valid`, or what is wrong with it as `syncd check` shows it, on a machine with one interface.
#[must_use]
pub fn configuration(file: &[u8]) -> String {
    let addresses = vec![IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))];
    let machine = Interface { name: "eth2".to_owned(), addresses, running: true, master: None };
    match config::understand(Path::new("syncd.yaml"), file) {
        Ok(config) => config
            .check_system(&[machine], None)
            .map_or_else(|problems| problems.to_string(), |_| "valid".to_owned()),
        Err(error) => error.to_string(),
    }
}

/// A record on the control socket: the record that answers it. Of what needs a running replica only that it would be
/// asked.
#[must_use]
pub fn request(record: &[u8]) -> Vec<u8> {
    let response = match server::understand(record) {
        Err(refused) => refused,
        Ok(Request::Role { role, group, .. }) => {
            match protocol::wanted_role("syncgrp", &role, group.as_deref()) {
                Err(refused) => refused,
                Ok(_) => Response::Done,
            }
        }
        Ok(Request::Cache { selection, .. }) => match selection.read() {
            Ok(_) => Response::Done,
            Err(wrong) => Response::refused(wrong, "see 'syncd show --help'"),
        },
        Ok(_) => Response::Done,
    };
    protocol::encode(&response)
}

/// A request for metrics as it comes in pieces of that many bytes: the answer to it, with a page of one sample, or
/// nothing while it has no end.
#[must_use]
pub fn scrape(bytes: &[u8], piece: usize) -> Option<Vec<u8>> {
    let mut seen = 0;
    while seen < bytes.len() {
        let len = (seen + piece.max(1)).min(bytes.len());
        match http::understand(&bytes[..len], seen) {
            None => seen = len,
            Some(Ok(wanted)) => return Some(http::page(wanted, "syncd_up 1\n")),
            Some(Err(refused)) => return Some(http::refused(&refused)),
        }
    }
    None
}

/// What is written into the notify FIFO, as it is read in pieces of that many bytes: what it tells the group `syncgrp`,
/// and how many lines made no sense.
#[must_use]
pub fn notifications(bytes: &[u8], piece: usize) -> String {
    let (said, garbage) = vrrp::understand(bytes, piece, "syncgrp");
    let names: Vec<&str> = said
        .iter()
        .map(|said| match said {
            Vrrp::Role(role) => role.name(),
            Vrrp::PeerYielded => "peer yielded",
        })
        .collect();
    format!("{} and {garbage}", names.join(" "))
}

/// A capture file: what `syncd decode` prints of it, as lines or as JSON, and why it stops, if it does.
#[must_use]
pub fn capture(file: &[u8], json: bool) -> (Vec<u8>, Option<String>) {
    let mut printed = Vec::new();
    let done = decode::print_from(file, Path::new("link.pcap"), Ports::Any, json, &mut printed);
    (printed, done.err().map(|error| error.to_string()))
}

/// Every page that `syncd show conntrack-sync internal-cache` and `external-cache` would ask for, in both forms.
///
/// # Panics
///
/// When a page does not fit a record.
pub fn pages(replica: &Replica) {
    for cache in [Cache::Internal, Cache::External, Cache::InternalExpectations, Cache::ExternalExpectations]
    {
        for form in [Form::Lines, Form::Objects, Form::Xml] {
            let mut next = Some(0);
            while let Some(from) = next {
                let ask = Ask { cache, from, form, chosen: Chosen::default(), most: PAGE };
                let page = page::page(replica, u32::MAX, ask);
                next = page.next;
                let record = protocol::encode(&Response::Page(page));
                assert!(record.len() <= LONGEST_RECORD, "a page of {} bytes", record.len());
            }
        }
    }
}
