//! Prometheus' text format 0.0.4: families of samples, each with HELP and TYPE.
//!
//! Knows no metric. Tested in `metrics/tests.rs`.

use std::fmt::{Display, Write};

/// What its reader is told the page is.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A page under way.
#[derive(Debug, Default)]
pub(super) struct Text {
    out: String,
}

/// The kind of a metric.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// It only grows, save by a restart.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Counts by size.
    Histogram,
}

impl Text {
    /// Begins a metric; its samples follow.
    pub(super) fn family<'t>(&'t mut self, name: &'t str, kind: Kind, help: &str) -> Family<'t> {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        // Writing to a string cannot fail, here and below.
        _ = writeln!(self.out, "# HELP {name} {help}\n# TYPE {name} {kind}");
        Family { out: &mut self.out, name }
    }

    /// A metric of one sample without labels.
    pub(super) fn single(&mut self, name: &str, kind: Kind, help: &str, value: impl Display) {
        self.family(name, kind, help).sample(&[], value);
    }

    /// The page.
    pub(super) fn finish(self) -> String {
        self.out
    }
}

/// A metric whose samples are being written.
pub(super) struct Family<'t> {
    out: &'t mut String,
    name: &'t str,
}

impl Family<'_> {
    /// A sample.
    pub(super) fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) -> &mut Self {
        self.part("", labels, value)
    }

    /// A sample of a part of a metric, such as `_sum`.
    pub(super) fn part(&mut self, part: &str, labels: &[(&str, &str)], value: impl Display) -> &mut Self {
        _ = write!(self.out, "{}{part}", self.name);
        for (index, (name, value)) in labels.iter().enumerate() {
            let before = if index == 0 { '{' } else { ',' };
            _ = write!(self.out, "{before}{name}=\"{}\"", escaped(value));
        }
        let after = if labels.is_empty() { "" } else { "}" };
        _ = writeln!(self.out, "{after} {value}");
        self
    }
}

/// A label's value may hold anything once these three are escaped.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
