//! As much of HTTP as a scrape needs: one request, one answer, then the connection ends.
//!
//! Bytes to a question and an answer to bytes; no sockets. Tested in `metrics/tests.rs`.

use super::text::CONTENT_TYPE;

/// A request's head is no longer, in bytes; Prometheus sends some 300.
pub(crate) const LONGEST_HEAD: usize = 8 * 1024;

/// Where the page is.
const PATH: &str = "/metrics";

/// What is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// The page.
    Page,
    /// Its head only.
    Head,
}

/// An answer that is no page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    status: &'static str,
    says: &'static str,
}

/// What these bytes want; none while their head has no end yet. The first `seen` of them were looked at before and had
/// none: who sends byte by byte shall not have all of them looked at each time.
pub(crate) fn understand(bytes: &[u8], seen: usize) -> Option<Result<Wanted, Refused>> {
    let refuse = |status, says| Some(Err(Refused { status, says }));
    let too_long = "a request's head has at most 8192 bytes";
    // Lines end with CR LF; a bare LF is understood too (RFC 9112, 2.2).
    let within = &bytes[..bytes.len().min(LONGEST_HEAD)];
    let is_end = |at: &usize| within[*at..].starts_with(b"\n\r\n") || within[*at..].starts_with(b"\n\n");
    let Some(end) = (seen.saturating_sub(2)..within.len()).find(is_end) else {
        return if bytes.len() < LONGEST_HEAD {
            None
        } else {
            refuse("431 Request Header Fields Too Large", too_long)
        };
    };
    let malformed = "this is no HTTP request; try: GET /metrics HTTP/1.1";
    let Ok(head) = str::from_utf8(&bytes[..end]) else { return refuse("400 Bad Request", malformed) };
    let mut words = head.lines().next().unwrap_or("").split(' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return refuse("400 Bad Request", malformed);
    };
    if !version.starts_with("HTTP/") {
        return refuse("400 Bad Request", malformed);
    }
    if !version.starts_with("HTTP/1.") {
        return refuse("505 HTTP Version Not Supported", "HTTP/1.1 and 1.0 are spoken here");
    }
    let wanted = match method {
        "GET" => Wanted::Page,
        "HEAD" => Wanted::Head,
        _ => return refuse("405 Method Not Allowed", "metrics are only read: GET /metrics"),
    };
    match target.split('?').next() {
        Some(PATH) => Some(Ok(wanted)),
        _ => refuse("404 Not Found", "metrics are under /metrics, and there is nothing else"),
    }
}

/// The answer with the page.
pub(crate) fn page(wanted: Wanted, page: &str) -> Vec<u8> {
    answer("200 OK", CONTENT_TYPE, "", page, wanted)
}

/// The page cannot be had.
pub(crate) fn unavailable(why: &str) -> Vec<u8> {
    plain("503 Service Unavailable", "", why)
}

/// The answer to what is not understood.
pub(crate) fn refused(refused: &Refused) -> Vec<u8> {
    let allow = if refused.status.starts_with("405") { "Allow: GET, HEAD\r\n" } else { "" };
    plain(refused.status, allow, refused.says)
}

fn plain(status: &str, more: &str, says: &str) -> Vec<u8> {
    answer(status, "text/plain; charset=utf-8", more, &format!("{says}\n"), Wanted::Page)
}

fn answer(status: &str, kind: &str, more: &str, body: &str, wanted: Wanted) -> Vec<u8> {
    let len = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len}\r\nCache-Control: no-store\r\n\
         {more}Connection: close\r\n\r\n"
    );
    let body = if wanted == Wanted::Head { "" } else { body };
    [head.as_bytes(), body.as_bytes()].concat()
}
