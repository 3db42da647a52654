//! From the daemon, or the kernel, to standard output.
//!
//! Caches are printed page by page as they come, so that a million flows need no memory here. Tested in
//! `control/tests.rs` and end to end.

use std::io::{self, Write};

use serde::Serialize;
use syncd_conntrack::{Decoded, QueryError, QuerySocket};
use syncd_core::flow::Family;

use super::flows::FlowView;
use super::processors::ProcessorsView;
use super::selection::Selection;
use super::stretch::Stretch;
use super::table::{self, CacheFormat, TableFormat};
use super::{statistics as counters, text};
use crate::clock;
use crate::control::client::{CallError, Client};
use crate::control::protocol::{Cache, Form, PAGE, Page, RecordError, Request, Response};
use crate::show::view::{StatisticsView, StatusView};

/// Why nothing, or not all, was printed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ShowError {
    /// The daemon did not answer.
    #[error("{0}")]
    Call(#[from] CallError),
    /// The daemon answered, and then no more.
    #[error("the list breaks off after {shown} entries and is not whole: {source}")]
    BrokenOff {
        /// How many are written.
        shown: u64,
        /// Why there are no more.
        source: CallError,
    },
    /// Another daemon has other slots: what it would go on with is not the rest of this list.
    #[error(
        "the list breaks off after {shown} entries and is not whole: the daemon was restarted meanwhile; ask again"
    )]
    Restarted {
        /// How many are written.
        shown: u64,
    },
    /// The kernel did not answer.
    #[error("cannot read the kernel's table: {0}; run as root, or with CAP_NET_ADMIN")]
    Kernel(#[from] QueryError),
    /// No socket for the kernel.
    #[error(transparent)]
    Socket(#[from] syncd_conntrack::SocketError),
    /// Standard output is gone; a closed pipe is success and decided at the top.
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
    /// What is wanted makes no sense. clap has refused it already where it was typed.
    #[error("{0}")]
    Selection(String),
}

/// How a list is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style<F> {
    /// As text.
    Text(F),
    /// As conntrackd's `-x`.
    Xml,
    /// As one document.
    Json,
}

/// Which part of a list.
#[derive(Clone, Debug, Default)]
pub(crate) struct Part {
    /// What is wanted.
    pub(crate) selection: Selection,
    /// At most so many.
    pub(crate) limit: Option<u64>,
    /// From this slot of a cache on, or from this id in the kernel's table.
    pub(crate) from: u32,
}

/// What the daemon says of itself.
pub(crate) fn ask_status(client: &mut Client) -> Result<StatusView, CallError> {
    match client.call(&Request::Status)? {
        Response::Status(view) => Ok(*view),
        _ => Err(unexpected()),
    }
}

/// What the daemon has counted.
pub(crate) fn ask_statistics(client: &mut Client) -> Result<StatisticsView, CallError> {
    match client.call(&Request::Statistics)? {
        Response::Statistics(view) => Ok(*view),
        _ => Err(unexpected()),
    }
}

/// `show conntrack-sync status`.
pub(crate) fn status(client: &mut Client, json: bool, out: &mut impl Write) -> Result<(), ShowError> {
    let view = ask_status(client)?;
    if json {
        return document(out, &view);
    }
    Ok(out.write_all(text::status(&view, clock::unix_seconds()).as_bytes())?)
}

/// `show conntrack-sync statistics`.
pub(crate) fn statistics(
    client: &mut Client,
    json: bool,
    detail: bool,
    out: &mut impl Write,
) -> Result<(), ShowError> {
    let view = ask_statistics(client)?;
    if json {
        return document(out, &view);
    }
    Ok(out.write_all(counters::statistics(&view, detail).as_bytes())?)
}

/// `show conntrack-sync internal-cache` and `external-cache`. Says where it could go on, if the limit ended it.
pub(crate) fn cache(
    client: &mut Client,
    cache: Cache,
    style: Style<CacheFormat>,
    part: &Part,
    out: &mut impl Write,
) -> Result<Option<u32>, ShowError> {
    let form = match style {
        Style::Json | Style::Text(CacheFormat::Table) => Form::Objects,
        Style::Xml => Form::Xml,
        Style::Text(CacheFormat::Lines) => Form::Lines,
    };
    let name = match cache {
        Cache::Internal | Cache::External => "flows",
        Cache::InternalExpectations | Cache::ExternalExpectations => "expectations",
    };
    let mut list = List::new(out, (style == Style::Json).then_some(name));
    if style == Style::Text(CacheFormat::Table) {
        table::cache_head(list.out)?;
    }
    let daemon = ask_status(client)?.started_ns;
    let (mut shown, mut left) = (0, part.limit.unwrap_or(u64::MAX));
    let mut next = Some(part.from);
    while let Some(from) = next.filter(|_| left > 0) {
        let most = u32::try_from(left).unwrap_or(u32::MAX).min(u32::try_from(PAGE).unwrap_or(u32::MAX));
        let selection = part.selection.clone();
        let request = Request::Cache { cache, from, form, selection, most: Some(most) };
        let answer = match ask_again(client, &request, daemon) {
            Ok(answer) => answer.ok_or(ShowError::Restarted { shown })?,
            Err(source) if shown > 0 => return Err(ShowError::BrokenOff { shown, source }),
            Err(source) => return Err(source.into()),
        };
        let Response::Page(page) = answer else { return Err(unexpected().into()) };
        shown += page.len() as u64;
        left = left.saturating_sub(page.len() as u64);
        next = page.next;
        show_page(&mut list, &page, style)?;
    }
    list.end(next)?;
    Ok(next)
}

/// Asks, once more if the daemon has hung up: whoever reads page by page may leave us waiting for longer than a daemon
/// waits for a client, and a page says itself where it begins. None if it is not the daemon any more that started at
/// `daemon`.
fn ask_again(client: &mut Client, request: &Request, daemon: u64) -> Result<Option<Response>, CallError> {
    match client.call(request) {
        Err(CallError::HungUp { .. }) => {
            client.reconnect()?;
            if ask_status(client)?.started_ns != daemon {
                return Ok(None);
            }
            client.call(request).map(Some)
        }
        answer => answer.map(Some),
    }
}

fn show_page<W: Write>(
    list: &mut List<'_, W>,
    page: &Page,
    style: Style<CacheFormat>,
) -> Result<(), ShowError> {
    for line in &page.lines {
        writeln!(list.out, "{line}")?;
    }
    for flow in &page.flows {
        if style == Style::Json { list.object(flow)? } else { table::cached(flow, list.out)? }
    }
    for expectation in &page.expectations {
        if style == Style::Json { list.object(expectation)? } else { table::expected(expectation, list.out)? }
    }
    Ok(())
}

/// `show conntrack table ipv4|ipv6`: the kernel's own table in this network namespace; no daemon is needed. Says with which
/// id it could go on, if the limit ended it.
pub(crate) fn table(
    family: Family,
    style: Style<TableFormat>,
    part: &Part,
    out: &mut impl Write,
) -> Result<Option<u32>, ShowError> {
    let chosen = part.selection.read().map_err(ShowError::Selection)?;
    chosen.require(family).map_err(ShowError::Selection)?;
    let wanted = |flow: &Decoded| {
        flow.flow.family == family && flow.flow.id >= part.from && chosen.admits(flow.whole())
    };
    let mut list = List::new(out, (style == Style::Json).then_some("flows"));
    let (mut shown, mut written) = (0_u64, Ok(()));
    let mut show = |flow: &Decoded| -> Result<(), ShowError> {
        shown += 1;
        match style {
            Style::Json => list.object(&FlowView::of_kernel(flow)),
            Style::Xml => Ok(writeln!(list.out, "{}", super::xml::flow(flow.whole()))?),
            Style::Text(format) => {
                if shown == 1 {
                    table::head(family, format, list.out)?;
                }
                Ok(table::flow(flow, format, list.out)?)
            }
        }
    };
    let mut stretch = part.limit.map(|most| Stretch::new(part.from, most));
    QuerySocket::open()?.dump_carried(|flow| match &mut stretch {
        _ if !wanted(flow) => {}
        Some(stretch) => stretch.take(flow),
        None if written.is_ok() => written = show(flow),
        None => {}
    })?;
    written?;
    let mut next = None;
    if let Some((mut flows, more)) = stretch.map(Stretch::finish) {
        flows.try_for_each(|flow| show(&flow))?;
        next = more;
    }
    if shown == 0 && matches!(style, Style::Text(TableFormat::Table | TableFormat::Wide)) {
        writeln!(list.out, "{}", table::NOTHING)?;
    }
    list.end(next)?;
    Ok(next)
}

/// `show conntrack statistics`.
pub(crate) fn processors(json: bool, out: &mut impl Write) -> Result<(), ShowError> {
    let mut socket = QuerySocket::open()?;
    let view = ProcessorsView::new(socket.count()?, &socket.processors()?);
    if json {
        return document(out, &view);
    }
    Ok(out.write_all(view.text().as_bytes())?)
}

/// An answer to another question.
pub(crate) fn unexpected() -> CallError {
    RecordError::Malformed("an answer to another question".to_owned()).into()
}

/// One JSON document and a line feed.
pub(crate) fn document(out: &mut impl Write, value: &impl Serialize) -> Result<(), ShowError> {
    serde_json::to_writer(&mut *out, value).map_err(io::Error::from)?;
    Ok(out.write_all(b"\n")?)
}

/// A list in the making: lines, or `{"version":1,"flows":[...]}`. Nothing of that is written before there is an answer: what
/// cannot be had is no document that breaks off.
struct List<'o, W> {
    out: &'o mut W,
    /// What the objects are called, in JSON.
    json: Option<&'static str>,
    begun: bool,
}

impl<'o, W: Write> List<'o, W> {
    const fn new(out: &'o mut W, json: Option<&'static str>) -> Self {
        Self { out, json, begun: false }
    }

    fn begin(&mut self) -> Result<(), ShowError> {
        if let Some(name) = self.json.filter(|_| !self.begun) {
            write!(self.out, "{{\"version\":1,\"{name}\":[")?;
        }
        self.begun = true;
        Ok(())
    }

    fn object(&mut self, value: &impl Serialize) -> Result<(), ShowError> {
        let separator: &[u8] = if self.begun { b",\n" } else { b"\n" };
        self.begin()?;
        self.out.write_all(separator)?;
        Ok(serde_json::to_writer(&mut *self.out, value).map_err(io::Error::from)?)
    }

    /// `next`: where it could go on.
    fn end(mut self, next: Option<u32>) -> Result<(), ShowError> {
        self.begin()?;
        if self.json.is_some() {
            self.out.write_all(b"\n]")?;
            if let Some(next) = next {
                write!(self.out, ",\"next\":{next}")?;
            }
            self.out.write_all(b"}\n")?;
        }
        Ok(())
    }
}
