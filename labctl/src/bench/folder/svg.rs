//! Pictures: lines on two logarithmic scales, and bars from a common zero.
//!
//! Pure text; the same numbers make the same bytes. Knows nothing of what the numbers mean. Driven by `charts.rs`; tested
//! below.

use std::fmt::Write as _;

use super::escaped;

/// Points joined by a line.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// In the legend.
    pub(super) name: &'static str,
    /// As CSS has it.
    pub(super) colour: &'static str,
    /// Both above zero, or they are left out: a logarithm has no place for them.
    pub(super) points: Vec<(f64, f64)>,
}

/// One diagram.
#[derive(Clone, Debug)]
pub(super) struct Panel {
    /// Above it.
    pub(super) title: String,
    /// Below it.
    pub(super) across: &'static str,
    /// What is drawn.
    pub(super) lines: Vec<Line>,
}

const WIDTH: f64 = 320.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 52.0;
const TOP: f64 = 34.0;
/// Below a diagram: its scale, and the legend.
const BOTTOM: f64 = 62.0;
const GAP: f64 = 18.0;

/// Diagrams side by side with one legend.
pub(super) fn panels(panels: &[Panel]) -> String {
    let step = LEFT + WIDTH + GAP;
    let (width, height) = (step * count(panels.len()), TOP + HEIGHT + BOTTOM);
    let mut text = head(width, height);
    for (place, panel) in panels.iter().enumerate() {
        draw(&mut text, panel, count(place) * step + LEFT);
    }
    let names = panels.first().map_or(&[][..], |panel| &panel.lines);
    for (place, line) in names.iter().enumerate() {
        let (x, y) = (LEFT + count(place) * 130.0, height - 12.0);
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "<rect x=\"{x:.0}\" y=\"{:.0}\" width=\"14\" height=\"4\" fill=\"{}\"/>",
            y - 6.0,
            line.colour
        );
        label(&mut text, x + 20.0, y, "start", line.name);
    }
    text + "</svg>"
}

fn draw(text: &mut String, panel: &Panel, left: f64) {
    let drawn = |(x, y): &(f64, f64)| *x > 0.0 && *y > 0.0;
    let points: Vec<(f64, f64)> =
        panel.lines.iter().flat_map(|line| line.points.iter().copied().filter(drawn)).collect();
    label(text, left, TOP - 14.0, "start", &panel.title);
    label(text, left + WIDTH / 2.0, TOP + HEIGHT + 32.0, "middle", panel.across);
    let Some(((x0, x1), (y0, y1))) =
        decades(points.iter().map(|p| p.0)).zip(decades(points.iter().map(|p| p.1)))
    else {
        return;
    };
    let across = |x: f64| left + (x.log10() - f64::from(x0)) / f64::from(x1 - x0) * WIDTH;
    let up = |y: f64| TOP + HEIGHT - (y.log10() - f64::from(y0)) / f64::from(y1 - y0) * HEIGHT;
    for decade in x0..=x1 {
        let x = across(10_f64.powi(decade));
        rule(text, (x, TOP), (x, TOP + HEIGHT));
        label(text, x, TOP + HEIGHT + 15.0, "middle", &power(decade));
    }
    for decade in y0..=y1 {
        let y = up(10_f64.powi(decade));
        rule(text, (left, y), (left + WIDTH, y));
        label(text, left - 6.0, y + 4.0, "end", &power(decade));
    }
    for line in &panel.lines {
        let places: Vec<(f64, f64)> =
            line.points.iter().filter(|point| drawn(point)).map(|(x, y)| (across(*x), up(*y))).collect();
        let path: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let (path, colour) = (path.join(" "), line.colour);
        let _ = write!(
            text,
            "<polyline points=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>"
        );
        for (x, y) in places {
            let _ = write!(text, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>");
        }
    }
}

/// The powers of ten around some values; at least one apart.
fn decades(values: impl Iterator<Item = f64>) -> Option<(i32, i32)> {
    let (mut least, mut most) = (f64::INFINITY, 0.0_f64);
    for value in values {
        (least, most) = (least.min(value), most.max(value));
    }
    if !least.is_finite() {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "a logarithm of a finite number")]
    let (low, high) = (least.log10().floor() as i32, most.log10().ceil() as i32);
    Some((low, high.max(low + 1)))
}

/// As it stands beside a scale.
fn power(decade: i32) -> String {
    match decade {
        6.. => format!("{}M", 10_u64.pow(u32::try_from(decade - 6).unwrap_or(0))),
        3..6 => format!("{}k", 10_u64.pow(u32::try_from(decade - 3).unwrap_or(0))),
        0..3 => 10_u64.pow(u32::try_from(decade).unwrap_or(0)).to_string(),
        ..0 => format!("{}", 10_f64.powi(decade)),
    }
}

/// How long a bar is that is as long as the measure; longer ones are cut.
const MEASURE: f64 = 260.0;
const NAMES: f64 = 330.0;
const BAR: f64 = 26.0;

/// Shares of a measure, which is drawn as a rule at `1`.
pub(super) fn bars(title: &str, measure: &str, bars: &[(String, f64)], colour: &str) -> String {
    let most = 1.6;
    let (width, height) = (NAMES + MEASURE * most + 60.0, 40.0 + BAR * count(bars.len()) + 22.0);
    let mut text = head(width, height);
    label(&mut text, 8.0, 20.0, "start", title);
    for (place, (name, share)) in bars.iter().enumerate() {
        let y = 36.0 + BAR * count(place);
        let length = share.min(most) * MEASURE;
        let _ = write!(
            text,
            "<rect x=\"{NAMES:.0}\" y=\"{y:.0}\" width=\"{length:.1}\" height=\"16\" fill=\"{colour}\"/>"
        );
        label(&mut text, NAMES - 8.0, y + 13.0, "end", name);
        label(&mut text, NAMES + length + 6.0, y + 13.0, "start", &format!("{share:.2}"));
    }
    rule(&mut text, (NAMES + MEASURE, 30.0), (NAMES + MEASURE, height - 20.0));
    label(&mut text, NAMES + MEASURE, height - 6.0, "middle", measure);
    text + "</svg>"
}

fn head(width: f64, height: f64) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
         height=\"{height:.0}\" font-family=\"sans-serif\" font-size=\"12\">\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>"
    )
}

fn rule(text: &mut String, from: (f64, f64), to: (f64, f64)) {
    let ((x1, y1), (x2, y2)) = (from, to);
    let _ =
        write!(text, "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"#ccc\"/>");
}

fn label(text: &mut String, x: f64, y: f64, anchor: &str, words: &str) {
    let words = escaped(words);
    let _ =
        write!(text, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"#333\">{words}</text>");
}

#[expect(clippy::cast_precision_loss, reason = "a handful")]
const fn count(number: usize) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::{Line, Panel, bars, decades, panels, power};

    #[test]
    fn scales_begin_and_end_at_powers_of_ten() {
        assert_eq!(decades([20.0, 900.0].into_iter()), Some((1, 3)));
        assert_eq!(decades([10.0].into_iter()), Some((1, 2)));
        assert_eq!(decades(std::iter::empty()), None);
        assert_eq!([-2, 0, 2, 4, 6].map(power), ["0.01", "1", "100", "10k", "1M"]);
    }

    #[test]
    fn a_line_runs_from_corner_to_corner_and_what_has_no_logarithm_is_left_out() {
        let line = Line { name: "a", colour: "red", points: vec![(1.0, 1.0), (10.0, 10.0), (100.0, 0.0)] };
        let panel = Panel { title: "t < u".to_owned(), across: "x", lines: vec![line] };
        let text = panels(&[panel]);
        assert!(text.contains("points=\"52.0,274.0 372.0,34.0\""), "{text}");
        assert!(text.contains("t &lt; u") && text.ends_with("</svg>"), "{text}");
        assert_eq!(text.matches("<circle").count(), 2);
    }

    #[test]
    fn a_bar_is_as_long_as_its_share_and_never_leaves_the_picture() {
        let text = bars("t", "one", &[("half".to_owned(), 0.5), ("much".to_owned(), 9.0)], "blue");
        assert!(text.contains("width=\"130.0\"") && text.contains("width=\"416.0\""), "{text}");
        assert!(text.contains(">9.00<"), "{text}");
    }
}
