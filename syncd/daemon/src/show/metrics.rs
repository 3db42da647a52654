//! `show metrics --json`: Prometheus' page as a document.
//!
//! Only pages of our own are read (`metrics/text.rs` writes them). Tested in `metrics/tests.rs` and end to end.

use serde::Serialize;
use serde_json::{Map, Number, Value};

/// The document.
#[derive(Debug, Serialize)]
pub(crate) struct MetricsView {
    /// Of this document.
    version: u32,
    /// In the order of the page.
    metrics: Vec<MetricView>,
}

#[derive(Debug, Serialize)]
struct MetricView {
    name: String,
    /// `counter`, `gauge` or `histogram`.
    #[serde(rename = "type")]
    kind: String,
    help: String,
    samples: Vec<SampleView>,
}

#[derive(Debug, Serialize)]
struct SampleView {
    /// The metric's, or that of a part of it, such as `…_sum`.
    name: String,
    labels: Map<String, Value>,
    value: Number,
}

impl MetricsView {
    /// The page as a document; none if it is no such page.
    pub(crate) fn read(page: &str) -> Option<Self> {
        let mut metrics: Vec<MetricView> = Vec::new();
        for line in page.lines() {
            if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
                metrics.push(MetricView {
                    name: name.to_owned(),
                    kind: String::new(),
                    help: plain(help),
                    samples: Vec::new(),
                });
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                rest.split_once(' ')?.1.clone_into(&mut metrics.last_mut()?.kind);
            } else {
                metrics.last_mut()?.samples.push(sample(line)?);
            }
        }
        Some(Self { version: 1, metrics })
    }
}

/// `name{label="value",…} number`
fn sample(line: &str) -> Option<SampleView> {
    let (name, value) = line.rsplit_once(' ')?;
    let (name, mut rest) = match name.split_once('{') {
        Some((name, labels)) => (name, labels.strip_suffix('}')?),
        None => (name, ""),
    };
    let mut labels = Map::new();
    while !rest.is_empty() {
        let (label, quoted) = rest.split_once("=\"")?;
        let end = closing(quoted)?;
        labels.insert(label.to_owned(), plain(&quoted[..end]).into());
        rest = &quoted[end + 1..];
        rest = rest.strip_prefix(',').unwrap_or(rest);
    }
    Some(SampleView { name: name.to_owned(), labels, value: value.parse().ok()? })
}

/// Where the quotation ends: at the first quote that is not escaped.
fn closing(quoted: &str) -> Option<usize> {
    let mut escaped = false;
    quoted.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })
}

/// Without its escapes.
fn plain(text: &str) -> String {
    let mut letters = text.chars();
    let mut plain = String::with_capacity(text.len());
    while let Some(letter) = letters.next() {
        plain.push(match letter {
            '\\' => match letters.next() {
                Some('n') => '\n',
                other => other.unwrap_or('\\'),
            },
            other => other,
        });
    }
    plain
}
