//! The text format 0.0.4 of Prometheus, written so that it cannot be wrong: a family is one block, a series stands in it
//! once, and label values are escaped.
//!
//! Must never let a name or a word from outside end a line or a label. (Specification: prometheus.io, "Exposition
//! formats".)

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use innertrail_query::terminal_safe;

/// Content type of the text.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Most series of a family; what comes behind is left out and counted in the family's comment.
const MOST: usize = 1000;

/// A number of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Number {
    Whole(i128),
    Part(f64),
}

impl From<u64> for Number {
    fn from(value: u64) -> Self {
        Self::Whole(value.into())
    }
}

impl From<bool> for Number {
    fn from(value: bool) -> Self {
        Self::Whole(value.into())
    }
}

/// Microseconds as seconds, which is what Prometheus wants.
pub(super) fn seconds(us: i64) -> Number {
    #[allow(clippy::cast_precision_loss)]
    Number::Part(us as f64 / 1e6)
}

/// Labels of a series, in the order in which they are written.
pub(super) type Labels<'a> = &'a [(&'static str, &'a str)];

/// The text, family by family.
#[derive(Debug, Default)]
pub(super) struct Exposition {
    text: String,
}

impl Exposition {
    /// A family of counters or gauges. One without a series is left out. What would be the same series twice (two names
    /// that differ only by what is not shown) becomes their sum.
    pub(super) fn family(&mut self, name: &str, kind: &str, help: &str, fill: impl FnOnce(&mut Family)) {
        let mut family = Family::default();
        fill(&mut family);
        if family.series.is_empty() {
            return;
        }
        self.head(name, kind, help);
        for (labels, number) in &family.series {
            let _ = match number {
                Number::Whole(n) => writeln!(self.text, "{name}{labels} {n}"),
                Number::Part(n) => writeln!(self.text, "{name}{labels} {n}"),
            };
        }
        if family.left_out > 0 {
            let _ = writeln!(self.text, "# {name}: {} further series are left out", family.left_out);
        }
    }

    /// A histogram of seconds without labels.
    pub(super) fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram) {
        self.head(name, "histogram", help);
        let mut below = 0;
        for (bound, count) in Histogram::BOUNDS.iter().zip(&histogram.counts) {
            below += count;
            let _ = writeln!(self.text, "{name}_bucket{{le=\"{bound}\"}} {below}");
        }
        let _ = writeln!(self.text, "{name}_bucket{{le=\"+Inf\"}} {}", histogram.total);
        let _ = writeln!(self.text, "{name}_sum {}", histogram.sum.as_secs_f64());
        let _ = writeln!(self.text, "{name}_count {}", histogram.total);
    }

    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    pub(super) fn finish(self) -> String {
        self.text
    }
}

/// The series of a family.
#[derive(Debug, Default)]
pub(super) struct Family {
    series: BTreeMap<String, Number>,
    left_out: usize,
}

impl Family {
    pub(super) fn add(&mut self, labels: Labels<'_>, value: impl Into<Number>) {
        let key = written(labels);
        if self.series.len() >= MOST && !self.series.contains_key(&key) {
            self.left_out += 1;
            return;
        }
        let value = value.into();
        self.series
            .entry(key)
            .and_modify(|sum| {
                *sum = match (*sum, value) {
                    (Number::Whole(a), Number::Whole(b)) => Number::Whole(a.saturating_add(b)),
                    (_, newer) => newer,
                };
            })
            .or_insert(value);
    }
}

fn written(labels: Labels<'_>) -> String {
    if labels.is_empty() {
        return String::new();
    }
    let mut out = String::from("{");
    for (place, (name, value)) in labels.iter().enumerate() {
        let comma = if place > 0 { "," } else { "" };
        let _ = write!(out, "{comma}{name}=\"{}\"", escaped(value));
    }
    out.push('}');
    out
}

/// People read this on terminals too, so what would act there is escaped first, as everywhere else.
fn escaped(value: &str) -> String {
    terminal_safe(value).replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// Durations, in buckets.
#[derive(Debug, Clone, Default)]
pub(super) struct Histogram {
    counts: [u64; Self::BOUNDS.len()],
    total: u64,
    sum: Duration,
}

impl Histogram {
    /// Upper bounds, seconds: an fsync of an SSD to one of a disk in trouble.
    const BOUNDS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0];

    pub(super) fn observe(&mut self, took: Duration) {
        let seconds = took.as_secs_f64();
        if let Some(place) = Self::BOUNDS.iter().position(|bound| seconds <= *bound) {
            self.counts[place] += 1;
        }
        self.total += 1;
        self.sum += took;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_ends_a_label_or_a_line() {
        let mut out = Exposition::default();
        out.family("a_total", "counter", "a\\b\nc", |f| {
            f.add(&[("reason", "x\"} 1\nb_total 2\\ \u{1b}[2J\u{202e}桶"), ("b", "")], 3u64);
        });
        let text = out.finish();
        insta::assert_snapshot!(text, @r#"
        # HELP a_total a\\b\nc
        # TYPE a_total counter
        a_total{reason="x\"} 1\\nb_total 2\\ \\u{1b}[2J\\u{202e}桶",b=""} 3
        "#);
    }

    #[test]
    fn a_series_stands_once_and_a_family_is_bounded() {
        let mut out = Exposition::default();
        out.family("a_total", "counter", "a", |f| {
            f.add(&[("x", "\u{1b}")], 3u64);
            f.add(&[("x", "\\u{1b}")], 4u64);
        });
        out.family("none", "gauge", "left out", |_| {});
        out.family("many", "gauge", "bounded", |f| (0..1005u64).for_each(|n| f.add(&[("n", &n.to_string())], n)));
        let text = out.finish();
        assert!(text.contains("a_total{x=\"\\\\u{1b}\"} 7\n"), "{text}");
        assert!(!text.contains("none"));
        assert!(text.ends_with("# many: 5 further series are left out\n"));
    }

    #[test]
    fn buckets_add_up() {
        let mut histogram = Histogram::default();
        [0.5, 2.0, 10_000.0].iter().for_each(|ms| histogram.observe(Duration::from_secs_f64(ms / 1e3)));
        let mut out = Exposition::default();
        out.histogram("c_seconds", "c", &histogram);
        let text = out.finish();
        for line in ["{le=\"0.001\"} 1", "{le=\"0.0025\"} 2", "{le=\"5\"} 2", "{le=\"+Inf\"} 3", "c_seconds_count 3"] {
            assert!(text.contains(&format!("{line}\n")), "{line} in {text}");
        }
        assert!(text.contains("c_seconds_sum 10.0025\n"), "{text}");
    }
}
