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
    /// So many records were not passed on, for good; the text says why.
    Dropped {
        /// How many.
        count: u64,
    },
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
        words.extend(dropped(before, now));
        // It is looked at now and then: between two looks a sink that waits in both may have delivered.
        if before.is_some_and(|said| now.sent > said.sent) {
            words.extend(self.delivers(name, now, at));
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

/// What was given up since the last look.
fn dropped(before: Option<&Said>, now: &Said) -> Vec<Word> {
    let (parked, missed) = before.map_or((0, 0), |said| (said.parked, said.missed));
    let refused = now.parked_why.as_deref().unwrap_or("the receiver refuses them for good");
    let all = [
        (now.parked.saturating_sub(parked), refused),
        (now.missed.saturating_sub(missed), "retention dropped them before the sink had sent them"),
    ];
    let given_up = all.into_iter().filter(|(count, _)| *count > 0);
    given_up.map(|(count, why)| Word { weight: Weight::Dropped { count }, text: terminal_safe(why) }).collect()
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

    /// The story: the log said "it has delivered nothing for 1 min" of a sink that had delivered 270 records 17 s before. It was
    /// waiting at each look, for another failure each time, and what it delivered in between was not seen.
    #[test]
    fn what_was_delivered_between_two_looks_ends_a_wait() {
        let (mut watch, begun, mut before) = (Watch::default(), Instant::now(), None);
        let mut told = Vec::new();
        for half in 0..2 * 180 {
            // A batch gets through every 43 s.
            let now = Said { sent: half / 86 * 270, ..said("waiting", 300) };
            let words = watch.look("agent", before.as_ref(), &now, begun + Duration::from_millis(500 * half));
            told.extend(words.into_iter().map(|word| word.text));
            before = Some(now);
        }
        assert_eq!(told.len(), 1, "{told:?}");
        // One that had waited for long is told to deliver again, though it waits at both looks.
        let at = |second: u64| begun + Duration::from_secs(180 + second);
        assert!(watch.look("agent", before.as_ref(), before.as_ref().unwrap(), at(60))[0].text.contains("nothing for"));
        let now = Said { sent: 9_000, ..said("waiting", 30) };
        let words = watch.look("agent", before.as_ref(), &now, at(61));
        assert_eq!(words.len(), 1, "{words:?}");
        assert!(words[0].weight == Weight::Good && words[0].text.contains("delivers again"), "{words:?}");
    }

    /// The story: five records were put into quarantine, and the log had no line about it.
    #[test]
    fn what_is_given_up_is_told_with_its_number_and_why() {
        let mut watch = Watch::default();
        let before = said("running", 9);
        let now = Said { parked: 5, missed: 2, parked_why: Some("400\u{1b}".to_owned()), ..said("running", 2) };
        let words = watch.look("agent", Some(&before), &now, Instant::now());
        let counts: Vec<Weight> = words.iter().map(|word| word.weight).collect();
        assert_eq!(counts, [5, 2].map(|count| Weight::Dropped { count }));
        assert_eq!(words[0].text, "400\\u{1b}");
        assert!(watch.look("agent", Some(&now), &now, Instant::now()).is_empty(), "once");
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
