//! The shim's own log, on standard error: text for people, or one JSON object a line with the keys of Vector's component
//! specification (`component_id`, `component_kind`, `component_type`, `error_type`, `stage`).
//!
//! Must never stop the pipeline when it cannot be written, or be flooded: the same message of the same component is written
//! once in 10 s, and then how often it was held back.

use std::collections::HashMap;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use innertrail_query::terminal_safe;
use serde_json::json;

use super::args::{GlobalArgs, LogFormat};

/// For how long a message is not written again, as Vector's `internal_log_rate_limit`.
const WINDOW: Duration = Duration::from_secs(10);
/// Most messages that are remembered. With more of them in a window each is written.
const REMEMBERED: usize = 1024;

/// Whose line it is, and what kind of failure.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct About {
    /// Name in the configuration.
    pub(crate) id: String,
    /// `source`, `transform` or `sink`.
    pub(crate) kind: &'static str,
    /// As `type:` has it.
    pub(crate) of_type: String,
    /// From Vector's list of error types.
    pub(crate) error_type: Option<&'static str>,
    /// `receiving`, `processing` or `sending`.
    pub(crate) stage: Option<&'static str>,
}

/// Events that were not passed on, for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dropped {
    pub(crate) count: u64,
    /// Whether a rule wanted it so; if not, something went wrong.
    pub(crate) intentional: bool,
    /// May hold a receiver's words.
    pub(crate) reason: String,
}

/// The log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Log {
    pub(super) json: bool,
    pub(super) quiet: bool,
    pub(crate) verbose: bool,
}

impl Log {
    pub(super) fn new(global: &GlobalArgs) -> Self {
        Self { json: global.log_format == LogFormat::Json, quiet: global.quiet, verbose: global.verbose > 0 }
    }

    /// One line. `error` is written even when quiet.
    pub(crate) fn line(&self, level: &str, message: &str) {
        self.write(&Line { level: level.to_owned(), message: message.to_owned(), about: None, dropped: None });
    }

    fn write(&self, line: &Line) {
        if self.quiet && line.level != "error" {
            return;
        }
        let mut err = io::stderr().lock();
        // A log that cannot be written must not stop the pipeline.
        let _ = if self.json { writeln!(err, "{}", line.json()) } else { err.write_all(line.text().as_bytes()) };
    }
}

/// One line of it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    level: String,
    message: String,
    about: Option<About>,
    dropped: Option<Dropped>,
}

impl Line {
    fn json(&self) -> serde_json::Value {
        let now = crate::clock::now_ms();
        let mut told = json!({ "time_ms": now, "level": self.level, "message": self.message });
        if let (Some(about), Some(told)) = (&self.about, told.as_object_mut()) {
            told.insert("component_id".to_owned(), json!(about.id));
            told.insert("component_kind".to_owned(), json!(about.kind));
            told.insert("component_type".to_owned(), json!(about.of_type));
            let keys = [("error_type", about.error_type), ("stage", about.stage)];
            told.extend(keys.into_iter().filter_map(|(key, value)| Some((key.to_owned(), json!(value?)))));
            told.insert("internal_log_rate_limit".to_owned(), json!(true));
            if let Some(Dropped { count, intentional, reason }) = &self.dropped {
                told.insert("count".to_owned(), json!(count));
                told.insert("intentional".to_owned(), json!(intentional));
                told.insert("reason".to_owned(), json!(reason));
            }
        }
        told
    }

    fn text(&self) -> String {
        let whose = self.about.as_ref().map_or(String::new(), |about| format!("{} {}: ", about.kind, about.id));
        let dropped = self.dropped.as_ref().map_or(String::new(), |Dropped { count, intentional, reason }| {
            format!(" count={count} intentional={intentional} reason={reason:?}")
        });
        let message = format!("{}{dropped}", self.message);
        let lines = message.lines();
        lines.map(|line| format!("{}: {}\n", self.level, terminal_safe(&format!("{whose}{line}")))).collect()
    }
}

/// The log of a run: what components say, held back where it repeats.
#[derive(Debug)]
pub(crate) struct RunLog {
    log: Log,
    limit: Limit,
}

impl RunLog {
    pub(crate) fn new(log: Log) -> Self {
        Self { log, limit: Limit::default() }
    }

    /// Something that a component says.
    pub(crate) fn component(&mut self, level: &str, about: About, message: &str) {
        self.limited(Line { level: level.to_owned(), message: message.to_owned(), about: Some(about), dropped: None });
    }

    /// Events that a component did not pass on, as Vector says it. What is held back is counted.
    pub(crate) fn dropped(&mut self, level: &str, about: About, dropped: Dropped) {
        let message = "Events dropped".to_owned();
        self.limited(Line { level: level.to_owned(), message, about: Some(about), dropped: Some(dropped) });
    }

    fn limited(&mut self, line: Line) {
        let lines = self.limit.admit(line, Instant::now());
        lines.iter().for_each(|line| self.log.write(line));
    }

    /// Says what was held back, once its time is over; at the end, all of it.
    pub(crate) fn catch_up(&mut self, end: bool) {
        let now = if end { Instant::now() + WINDOW } else { Instant::now() };
        self.limit.over(now).iter().for_each(|line| self.log.write(line));
    }
}

/// What was written lately, and how often it came again.
#[derive(Debug, Default)]
struct Limit {
    seen: HashMap<String, Seen>,
}

#[derive(Debug)]
struct Seen {
    at: Instant,
    line: Line,
    held_back: u64,
    /// Events that the lines held back tell of.
    dropped: u64,
}

impl Limit {
    /// What is to be written when this line comes.
    fn admit(&mut self, line: Line, now: Instant) -> Vec<Line> {
        let mut out = self.over(now);
        let id = line.about.as_ref().map_or("", |about| about.id.as_str());
        let key = format!("{}\0{id}\0{}", line.about.as_ref().map_or("", |about| about.kind), line.message);
        match self.seen.get_mut(&key) {
            Some(seen) => {
                seen.held_back += 1;
                seen.dropped += line.dropped.map_or(0, |dropped| dropped.count);
            }
            None => {
                if self.seen.len() < REMEMBERED {
                    self.seen.insert(key, Seen { at: now, line: line.clone(), held_back: 0, dropped: 0 });
                }
                out.push(line);
            }
        }
        out
    }

    /// Forgets what is older than the window, and tells what was held back of it.
    fn over(&mut self, now: Instant) -> Vec<Line> {
        let old = self.seen.extract_if(|_, seen| now.saturating_duration_since(seen.at) >= WINDOW);
        let mut told: Vec<(Instant, Line)> = old
            .filter(|(_, seen)| seen.held_back > 0)
            .map(|(_, Seen { at, mut line, held_back, dropped })| {
                if let Some(told) = &mut line.dropped {
                    told.count = dropped;
                }
                line.message = format!("{held_back} similar suppressed: {}", line.message);
                (at, line)
            })
            .collect();
        told.sort_by_key(|(at, _)| *at);
        told.into_iter().map(|(_, line)| line).collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn line(id: &str, message: &str) -> Line {
        let about = About {
            id: id.to_owned(),
            kind: "sink",
            of_type: "otlp".to_owned(),
            error_type: Some("request_failed"),
            stage: Some("sending"),
        };
        Line { level: "warning".to_owned(), message: message.to_owned(), about: Some(about), dropped: None }
    }

    /// The story: five records were put into quarantine, and the log had no line about it.
    #[test]
    fn what_is_dropped_is_told_with_its_count_also_when_it_is_held_back() {
        let (mut limit, begin) = (Limit::default(), Instant::now());
        let dropped = |count| {
            let dropped = Dropped { count, intentional: false, reason: "400 \"no\"\n\u{1b}[2J".to_owned() };
            Line { dropped: Some(dropped), ..line("a", "Events dropped") }
        };
        let first = limit.admit(dropped(5), begin);
        assert_eq!(first, [dropped(5)]);
        let json = first[0].json();
        assert_eq!(
            (&json["count"], &json["intentional"], &json["component_id"]),
            (&json!(5), &json!(false), &json!("a"))
        );
        let text = "warning: sink a: Events dropped count=5 intentional=false reason=\"400 \\\"no\\\"\\n\\u{1b}[2J\"\n";
        assert_eq!(first[0].text(), text);
        assert!(limit.admit(dropped(2), begin).is_empty() && limit.admit(dropped(3), begin).is_empty());
        let later = limit.over(begin + WINDOW);
        assert_eq!(later[0].message, "2 similar suppressed: Events dropped");
        assert_eq!(later[0].dropped.as_ref().unwrap().count, 5, "none is told of twice, and each once");
    }

    /// The story: a receiver that refuses everything fills the disk with the same line and hides all others.
    #[test]
    fn the_same_line_comes_once_in_ten_seconds_and_then_its_count() {
        let (mut limit, begin) = (Limit::default(), Instant::now());
        let at = |s: u64| begin + Duration::from_secs(s);
        assert_eq!(limit.admit(line("a", "503"), at(0)), [line("a", "503")]);
        for s in 1..10 {
            assert_eq!(limit.admit(line("a", "503"), at(s)), []);
        }
        assert_eq!(limit.admit(line("a", "504"), at(9)), [line("a", "504")], "another message");
        assert_eq!(limit.admit(line("b", "503"), at(9)), [line("b", "503")], "another component");
        let told = limit.admit(line("a", "503"), at(10));
        assert_eq!(told, [line("a", "9 similar suppressed: 503"), line("a", "503")]);
        assert_eq!(limit.over(at(30)), [], "nothing was held back of these");
        assert!(limit.seen.is_empty());
    }

    #[test]
    fn what_was_held_back_is_told_though_it_never_comes_again_and_memory_is_bounded() {
        let (mut limit, begin) = (Limit::default(), Instant::now());
        limit.admit(line("a", "503"), begin);
        limit.admit(line("a", "503"), begin);
        assert_eq!(limit.over(begin + Duration::from_secs(9)), []);
        assert_eq!(limit.over(begin + WINDOW), [line("a", "1 similar suppressed: 503")]);
        for n in 0..3000 {
            assert_eq!(limit.admit(line("a", &n.to_string()), begin).len(), 1);
        }
        assert_eq!(limit.seen.len(), REMEMBERED);
    }

    #[test]
    fn hostile_words_stay_on_their_line() {
        let line = line("a", "x\u{1b}[2J\ny");
        assert_eq!(line.text(), "warning: sink a: x\\u{1b}[2J\nwarning: sink a: y\n");
        let json = line.json();
        let keys = ["component_id", "component_kind", "component_type", "error_type", "stage"];
        assert_eq!(keys.map(|key| json[key].as_str().unwrap()), ["a", "sink", "otlp", "request_failed", "sending"]);
        assert_eq!(json["message"], "x\u{1b}[2J\ny");
    }
}
