//! Alerts as plain text, for chats and e-mail: in full where they fit, else a line each, else a number.
//! It must never be longer than it may, pass a hostile text on as it is, or be silent about what it leaves out.

use chrono::SecondsFormat::Secs;

use super::Batch;
use crate::alert::{Alert, Level};
use crate::plain::{chat, line, link, name, time};

/// Kept free for the line that says what was left out, in the channel's measure.
const TAIL: usize = 260;
/// Characters of a field: at first, when that is too much, and in a line.
const CAPS: [usize; 2] = [400, 100];
const BRIEF: usize = 48;
/// Pairs of a key or group that are shown.
const PAIRS: usize = 8;

/// Text, and how many alerts are in it as a number only.
pub(super) struct Text {
    pub(super) text: String,
    pub(super) left_out: usize,
}

/// The batch in at most `max` of what `measure` counts.
pub(super) fn render(batch: &Batch<'_>, max: usize, measure: fn(&str) -> usize) -> Text {
    let head = head(batch);
    if !batch.bare {
        for cap in CAPS {
            let items: Vec<String> = batch.alerts.iter().map(|a| full(a, cap)).collect();
            let text = format!("{head}\n\n{}", items.join("\n\n"));
            if measure(&text) <= max {
                return Text { text, left_out: 0 };
            }
        }
    }
    let mut text = head + "\n";
    let mut used = measure(&text);
    for (at, alert) in batch.alerts.iter().enumerate() {
        let item = if batch.bare { bare(alert) } else { brief(alert) };
        let item = format!("\n{item}");
        let tail = if at + 1 == batch.alerts.len() { 0 } else { TAIL };
        if used + measure(&item) + tail > max {
            text.push_str(&rest(&batch.alerts[at..]));
            return Text { text, left_out: batch.alerts.len() - at };
        }
        used += measure(&item);
        text.push_str(&item);
    }
    Text { text, left_out: 0 }
}

/// The first line: always begins with the same word, which robots with keywords need.
pub(super) fn summary(batch: &Batch<'_>) -> String {
    let fired = batch.alerts.iter().filter(|a| a.fired).count();
    let over = batch.alerts.len() - fired;
    let count = |n: usize, one: &str, more: &str| match n {
        0 => None,
        1 => Some(format!("1 {one}")),
        n => Some(format!("{n} {more}")),
    };
    let parts = [count(fired, "alert", "alerts"), count(over, "resolved", "resolved")];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    format!("innertrail: {}", parts.join(", "))
}

fn head(batch: &Batch<'_>) -> String {
    let mut head = summary(batch);
    if let Some(trail) = one_trail(batch.alerts) {
        head.push_str(&format!(", trail {trail}"));
    }
    if let (Some(hours), Some(oldest)) = (batch.late_hours, batch.alerts.iter().map(Alert::time_ms).min()) {
        let oldest = time(oldest, Secs);
        head.push_str(&format!(
            "\nLate: this channel could not be told within {hours} h of the alerts. The oldest is of {oldest}."
        ));
    }
    if batch.bare {
        head.push_str(
            "\nThe channel refused this message with its texts, so here are only numbers; the journal has the rest.",
        );
    }
    head
}

fn one_trail(alerts: &[Alert]) -> Option<String> {
    let first = &alerts.first()?.trail;
    (!first.is_empty() && alerts.iter().all(|a| a.trail == *first)).then(|| chat(first, 64))
}

/// Level in capitals, or that it is over.
pub(super) fn mark(alert: &Alert) -> String {
    let level = alert.level.as_str().to_ascii_uppercase();
    if alert.fired { format!("[{level}]") } else { format!("[RESOLVED {level}]") }
}

fn full(alert: &Alert, cap: usize) -> String {
    let mut out = format!("{} {}", mark(alert), chat(&alert.title, cap));
    let mut add = |label: &str, value: &str| {
        let value = chat(value, cap);
        if !value.trim().is_empty() {
            out.push_str(&format!("\n{label}: {value}"));
        }
    };
    add("rule", &format!("{} (version {})", alert.rule, alert.version));
    add("what", alert.event_name.as_deref().unwrap_or_default());
    add("who", alert.actor.as_deref().unwrap_or_default());
    add("on", alert.resource.as_deref().unwrap_or_default());
    add("when", alert.event_time.as_deref().unwrap_or_default());
    add("counted by", &pairs(&alert.key));
    add("group", &pairs(&alert.group));
    add("value", alert.value.as_deref().unwrap_or_default());
    add("window", alert.window.as_deref().unwrap_or_default());
    add("query", alert.query.as_deref().unwrap_or_default());
    add("to do", alert.remedy.as_deref().unwrap_or_default());
    add("event", alert.event_id.as_deref().unwrap_or_default());
    let seq = alert.seq.map(|seq| format!(", record {seq}")).unwrap_or_default();
    add("store", &format!("{}{seq}", alert.store));
    out.push_str(&format!("\nalert: {}, journal {}, {}", id(alert), alert.position, time(alert.time_ms(), Secs)));
    if let Some(link) = alert.link.as_deref().and_then(link) {
        out.push_str(&format!("\n{link}"));
    }
    out
}

fn brief(alert: &Alert) -> String {
    let mut out = format!("{} {}", mark(alert), chat(&alert.title, BRIEF));
    for (word, value) in
        [(":", &alert.event_name), (" by", &alert.actor), (" on", &alert.resource), (" at", &alert.event_time)]
    {
        if let Some(value) = value {
            out.push_str(&format!("{word} {}", chat(value, BRIEF)));
        }
    }
    out.push_str(&format!(" (alert {}, journal {})", id(alert), alert.position));
    out
}

fn bare(alert: &Alert) -> String {
    let rule = name(&alert.rule).unwrap_or("?");
    format!("{} rule {rule} (alert {}, journal {})", mark(alert), id(alert), alert.position)
}

fn pairs(pairs: &[(String, String)]) -> String {
    let mut shown: Vec<String> =
        pairs.iter().take(PAIRS).map(|(k, v)| format!("{}={}", line(k, 40), line(v, 80))).collect();
    if pairs.len() > PAIRS {
        shown.push(format!("and {} more", pairs.len() - PAIRS));
    }
    shown.join(", ")
}

/// The id, which is ours; one that is none is not repeated.
fn id(alert: &Alert) -> &str {
    name(&alert.alert).filter(|id| id.len() <= 32).unwrap_or("?")
}

fn rest(left: &[Alert]) -> String {
    let of = |level: Level| left.iter().filter(|a| a.level == level).count();
    let levels: Vec<String> = Level::ALL
        .iter()
        .filter(|level| of(**level) > 0)
        .map(|level| format!("{} {}", of(*level), level.as_str()))
        .collect();
    let (first, last) = (left.first().map_or(0, |a| a.position), left.last().map_or(0, |a| a.position));
    format!(
        "\n\nand {} more that are not shown: {}. Look in the journal from {first} to {last}.",
        left.len(),
        levels.join(", ")
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::encode::fixture;

    #[test]
    fn a_digest_says_how_many_it_leaves_out_and_never_grows_over() {
        let alerts = fixture::many(2000);
        for max in [600, 2048, 5000, 100_000] {
            let text = render(&fixture::batch(&alerts), max, str::len);
            assert!(text.text.len() <= max, "{max}: {}", text.text.len());
            let shown = text.text.matches("(alert ").count() + text.text.matches("\nalert: ").count();
            assert_eq!(shown + text.left_out, 2000, "{max}");
            assert!(text.text.contains(&format!("and {} more that are not shown", text.left_out)), "{max}");
        }
    }

    #[test]
    fn one_huge_alert_is_shown_whatever_is_in_it() {
        for filler in ["x", "a.", "\u{1f600}", "\"\\", "中"] {
            let alert = fixture::filled(&filler.repeat(20_000));
            for bare in [false, true] {
                let batch = Batch { bare, ..fixture::batch(std::slice::from_ref(&alert)) };
                let text = render(&batch, 2048, str::len);
                assert!(text.text.len() <= 2048 && text.left_out == 0, "{filler}: {}", text.text.len());
            }
        }
    }

    #[test]
    fn how_it_reads() {
        let alerts = [fixture::single(), fixture::scheduled(false)];
        let late = Batch { late_hours: Some(24), ..fixture::batch(&alerts) };
        insta::assert_snapshot!("full", render(&late, 9000, str::len).text);
        let many = fixture::many(40);
        insta::assert_snapshot!("digest", render(&fixture::batch(&many), 1200, str::len).text);
        insta::assert_snapshot!("bare", render(&Batch { bare: true, ..fixture::batch(&alerts) }, 1200, str::len).text);
    }
}
