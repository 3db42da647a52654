//! From the daemon, or the kernel, to standard output.
//!
//! Caches are printed page by page as they come, so that a million flows need no memory here. Tested in
//! `control/tests.rs` and end to end.

use std::io::{self, Write};

use serde::Serialize;
use syncd_conntrack::{QueryError, QuerySocket};
use syncd_core::flow::{Family, Whole};

use super::flows::FlowView;
use super::text;
use crate::clock;
use crate::control::client::{CallError, Client};
use crate::control::protocol::{Cache, Form, Request, Response};

/// Why nothing, or not all, was printed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ShowError {
    /// The daemon did not answer.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The kernel did not answer.
    #[error("cannot read the kernel's table: {0}; run as root, or with CAP_NET_ADMIN")]
    Kernel(#[from] QueryError),
    /// No socket for the kernel.
    #[error(transparent)]
    Socket(#[from] syncd_conntrack::SocketError),
    /// Standard output is gone; a closed pipe is success and decided at the top.
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
}

/// `show conntrack-sync status`.
pub(crate) fn status(client: &mut Client, json: bool, out: &mut impl Write) -> Result<(), ShowError> {
    match client.call(&Request::Status)? {
        Response::Status(view) if json => document(out, &view),
        Response::Status(view) => Ok(out.write_all(text::status(&view, clock::unix_seconds()).as_bytes())?),
        _ => Err(unexpected()),
    }
}

/// `show conntrack-sync statistics`.
pub(crate) fn statistics(client: &mut Client, json: bool, out: &mut impl Write) -> Result<(), ShowError> {
    match client.call(&Request::Statistics)? {
        Response::Statistics(view) if json => document(out, &view),
        Response::Statistics(view) => Ok(out.write_all(text::statistics(&view).as_bytes())?),
        _ => Err(unexpected()),
    }
}

/// `show conntrack-sync internal-cache` and `external-cache`.
pub(crate) fn cache(
    client: &mut Client,
    cache: Cache,
    json: bool,
    out: &mut impl Write,
) -> Result<(), ShowError> {
    let form = if json { Form::Objects } else { Form::Lines };
    let name = match cache {
        Cache::Internal | Cache::External => "flows",
        Cache::InternalExpectations | Cache::ExternalExpectations => "expectations",
    };
    let mut list = List::begin(out, json, name)?;
    let mut next = Some(0);
    while let Some(from) = next {
        let Response::Page(page) = client.call(&Request::Cache { cache, from, form })? else {
            return Err(unexpected());
        };
        for line in &page.lines {
            list.line(line)?;
        }
        for flow in &page.flows {
            list.object(flow)?;
        }
        for expectation in &page.expectations {
            list.object(expectation)?;
        }
        next = page.next;
    }
    list.end()
}

/// `show conntrack table ipv4|ipv6`: the kernel's own table in this network namespace; no daemon is needed.
pub(crate) fn table(family: Family, json: bool, out: &mut impl Write) -> Result<(), ShowError> {
    let mut list = List::begin(out, json, "flows")?;
    let mut written = Ok(());
    let mut print = |flow: &Whole| {
        if json { list.object(&FlowView::new(flow, None, None)) } else { list.line(&flow.to_string()) }
    };
    QuerySocket::open()?.dump(|flows| {
        for flow in flows.iter().filter(|flow| flow.family == family) {
            if written.is_ok() {
                written = print(flow);
            }
        }
    })?;
    written?;
    list.end()
}

fn unexpected() -> ShowError {
    let malformed =
        crate::control::protocol::RecordError::Malformed("an answer to another question".to_owned());
    ShowError::Call(malformed.into())
}

fn document(out: &mut impl Write, value: &impl Serialize) -> Result<(), ShowError> {
    serde_json::to_writer(&mut *out, value).map_err(io::Error::from)?;
    Ok(out.write_all(b"\n")?)
}

/// A list in the making: lines, or `{"version":1,"flows":[...]}`.
struct List<'o, W> {
    out: &'o mut W,
    json: bool,
    first: bool,
}

impl<'o, W: Write> List<'o, W> {
    fn begin(out: &'o mut W, json: bool, name: &str) -> Result<Self, ShowError> {
        if json {
            write!(out, "{{\"version\":1,\"{name}\":[")?;
        }
        Ok(Self { out, json, first: true })
    }

    fn line(&mut self, line: &str) -> Result<(), ShowError> {
        Ok(writeln!(self.out, "{line}")?)
    }

    fn object(&mut self, value: &impl Serialize) -> Result<(), ShowError> {
        let separator: &[u8] = if self.first { b"\n" } else { b",\n" };
        self.first = false;
        self.out.write_all(separator)?;
        Ok(serde_json::to_writer(&mut *self.out, value).map_err(io::Error::from)?)
    }

    fn end(self) -> Result<(), ShowError> {
        if self.json {
            self.out.write_all(b"\n]}\n")?;
        }
        Ok(())
    }
}
