//! What people are told of sinks: each new state, that one has waited for long, and that it delivers again.
//!
//! An agent that is down for an hour must not be one line far up in the log; nor may the log be flooded by it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use innertrail_query::terminal_safe;

use super::note::Said;

/// A sink that has waited for so long is told of once more.
const LONG: Duration = Duration::from_secs(60);
/// How often it is told of again after that.
const AGAIN: Duration = Duration::from_secs(600);

/// How much a word matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// For who wants to see everything.
    Detail,
    /// Something is well again.
    Good,
    /// Nothing was sent or asked yet: another process holds the sink's place.
    Held,
    /// Requests fail.
    Failing,
}

/// Something to tell of one sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// How much it matters.
    pub weight: Weight,
    /// The words, made harmless.
    pub text: String,
}

/// A sink that does not deliver.
#[derive(Debug)]
struct Waiting {
    from: Instant,
    /// When its waiting was last told of as long.
    told: Option<Instant>,
}

/// Remembers what was told of each sink.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    waiting: BTreeMap<String, Waiting>,
}

impl Watch {
    /// What there is to tell, now that a sink says this.
    pub(crate) fn look(&mut self, name: &str, before: Option<&Said>, now: &Said, at: Instant) -> Vec<Word> {
        let mut words = Vec::new();
        if before.map(|said| said.state.as_str()) != Some(now.state.as_str()) {
            words.push(Word { weight: weight(&now.state), text: format!("it is {}", now.told()) });
        }
        match now.state.as_str() {
            "waiting" | "held" => words.extend(self.waits(name, now, at)),
            "running" | "caught_up" => words.extend(self.delivers(name, now, at)),
            _ => drop(self.waiting.remove(name)),
        }
        words
    }

    fn waits(&mut self, name: &str, now: &Said, at: Instant) -> Option<Word> {
        let waiting = self.waiting.entry(name.to_owned()).or_insert(Waiting { from: at, told: None });
        let since = waiting.told.map_or((waiting.from, LONG), |told| (told, AGAIN));
        if at.saturating_duration_since(since.0) < since.1 {
            return None;
        }
        waiting.told = Some(at);
        let long = told(at.saturating_duration_since(waiting.from));
        let why = now.why.as_ref().map(|why| format!(": {}", terminal_safe(why))).unwrap_or_default();
        let text = format!("it has delivered nothing for {long}, {} records behind; nothing is lost{why}", now.behind);
        Some(Word { weight: weight(&now.state), text })
    }

    fn delivers(&mut self, name: &str, now: &Said, at: Instant) -> Option<Word> {
        let waiting = self.waiting.remove(name).filter(|waiting| waiting.told.is_some())?;
        let long = told(at.saturating_duration_since(waiting.from));
        Some(Word {
            weight: Weight::Good,
            text: format!("it delivers again after {long}, {} records behind", now.behind),
        })
    }
}

fn weight(state: &str) -> Weight {
    match state {
        "waiting" | "failed" => Weight::Failing,
        "held" => Weight::Held,
        _ => Weight::Detail,
    }
}

/// A span for people: whole minutes, with hours from one on.
fn told(span: Duration) -> String {
    let minutes = span.as_secs() / 60;
    if minutes < 60 { format!("{minutes} min") } else { format!("{} h {} min", minutes / 60, minutes % 60) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn said(state: &str, behind: u64) -> Said {
        let why = (state == "waiting").then(|| "connection refused\u{1b}[2J".to_owned());
        Said { state: state.to_owned(), why, behind, ..Said::default() }
    }

    /// An agent down for 31 minutes, looked at every half second: the first word, one after a minute, then each ten minutes.
    #[test]
    fn a_long_wait_is_told_now_and_then_and_so_is_its_end() {
        let (mut watch, begun, mut before) = (Watch::default(), Instant::now(), None);
        let mut told = Vec::new();
        for half in 0..2 * 60 * 31 {
            let now = said("waiting", 300);
            let at = begun + Duration::from_millis(500 * half);
            told.extend(watch.look("agent", before.as_ref(), &now, at).into_iter().map(|word| (half / 120, word)));
            before = Some(now);
        }
        let end = begun + Duration::from_secs(60 * 61);
        told.extend(watch.look("agent", before.as_ref(), &said("running", 7), end).into_iter().map(|word| (61, word)));
        let lines: Vec<String> =
            told.iter().map(|(at, word)| format!("{at} {:?} {}", word.weight, word.text)).collect();
        insta::assert_snapshot!(lines.join("\n"), @r"
        0 Failing it is waiting since 1970-01-01T00:00:00Z: connection refused\u{1b}[2J
        1 Failing it has delivered nothing for 1 min, 300 records behind; nothing is lost: connection refused\u{1b}[2J
        11 Failing it has delivered nothing for 11 min, 300 records behind; nothing is lost: connection refused\u{1b}[2J
        21 Failing it has delivered nothing for 21 min, 300 records behind; nothing is lost: connection refused\u{1b}[2J
        61 Detail it is running since 1970-01-01T00:00:00Z
        61 Good it delivers again after 1 h 1 min, 7 records behind
        ");
    }

    #[test]
    fn a_short_wait_is_no_long_one_and_what_ends_is_forgotten() {
        let (mut watch, begun) = (Watch::default(), Instant::now());
        let mut before = None;
        for (second, state) in
            [(0, "waiting"), (50, "running"), (55, "waiting"), (110, "caught_up"), (120, "held"), (130, "stopped")]
        {
            let now = said(state, 0);
            let words = watch.look("agent", before.as_ref(), &now, begun + Duration::from_secs(second));
            assert_eq!(words.len(), 1, "{second} {state}: {words:?}");
            before = Some(now);
        }
        assert!(watch.waiting.is_empty());
    }
}
