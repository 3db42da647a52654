//! What is text, or becomes some: requests on the control socket and for metrics, configuration
//! files, lines of keepalived, captures.

use syncd::strangers;

use crate::seen::Seen;

/// A record of a client. What is answered is short, however long the question.
pub(super) fn control(record: &[u8], seen: &mut Seen) {
    let answer = strangers::request(record);
    assert!(answer.len() <= 8 * 1024, "an answer of {} bytes", answer.len());
    seen.note(words(&String::from_utf8_lossy(&answer)));
}

/// A request for metrics, in pieces of any size: the answer does not depend on it, and is short.
pub(super) fn scrape(request: &[u8], seen: &mut Seen) {
    let whole = strangers::scrape(request, request.len());
    for piece in [1, 7, 1024] {
        // What has no end within the limit is refused as soon as the limit is reached.
        assert_eq!(strangers::scrape(request, piece), whole, "in pieces of {piece}");
    }
    let answer = whole.unwrap_or_default();
    assert!(answer.len() <= 512, "an answer of {} bytes", answer.len());
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 "));
    seen.note(words(&String::from_utf8_lossy(&answer)));
}

/// A file.
pub(super) fn configuration(file: &[u8], seen: &mut Seen) {
    let said = strangers::configuration(file);
    seen.note(words(&said));
    assert!(said.len() <= LONGEST_COMPLAINT, "{} bytes of problems", said.len());
}

/// What is wrong with a file must be readable.
const LONGEST_COMPLAINT: usize = 64 * 1024;

/// Bytes of the FIFO, in pieces of any size: what they mean does not depend on it as long as lines are short.
pub(super) fn notification(bytes: &[u8], seen: &mut Seen) {
    let whole = strangers::notifications(bytes, bytes.len());
    seen.note(words(&whole));
    let longest = bytes.split(|byte| *byte == b'\n').map(<[u8]>::len).max().unwrap_or(0);
    for piece in [if bytes.len() < 256 { 1 } else { 63 }, 7, 4096] {
        let pieces = strangers::notifications(bytes, piece);
        assert!(longest > 1024 || pieces == whole, "in pieces of {piece}: {pieces}, at once: {whole}");
    }
}

/// A capture, as lines and as JSON: the same messages, and the same end.
pub(super) fn capture(file: &[u8], seen: &mut Seen) {
    let (lines, end) = strangers::capture(file, false);
    let (json, same_end) = strangers::capture(file, true);
    assert_eq!(end, same_end);
    let json = String::from_utf8(json).expect("JSON is text");
    seen.much(lines.iter().filter(|byte| **byte == b'\n').count());
    seen.note(end.as_deref().map(words));
    seen.note(words(&json));
}

/// The words of a text, without its numbers and names: the same complaint about another key is no news.
fn words(text: &str) -> Vec<&str> {
    let mut words: Vec<&str> =
        text.split(|c: char| !c.is_ascii_lowercase()).filter(|word| word.len() > 3).collect();
    words.sort_unstable();
    words.dedup();
    words.truncate(64);
    words
}
