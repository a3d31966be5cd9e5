//! What an HTTP status other than a success means for the records of a request, the same for every sink that posts.
//! It must never call a batch undeliverable for what is wrong with the address, the keys or the receiver's day.

use std::time::{Duration, SystemTime};

use chrono::DateTime;
use ureq::http::HeaderMap;

use crate::sender::Refused;

/// Characters of an answer that are repeated.
const WORDS: usize = 160;

/// Why a batch was not taken, by the status; `words` are the receiver's own, made [`harmless`] by the caller.
///
/// | status | |
/// |---|---|
/// | 429, 502, 503, 504, also 408, 425 | later; `Retry-After` is honoured |
/// | 3xx, 401, 403, 404, 405, 407, 421 | later: it is about the configuration, not about these records; no redirect is followed |
/// | 400, 413, 415, 422, other 4xx | never |
/// | 500, everything else | unclear: Vector means a failed sink or a rejected event |
pub(crate) fn by_status(shown: &str, status: u16, headers: &HeaderMap, words: &str, now: SystemTime) -> Refused {
    let why = format!("{shown}: status {status}{}{words}", if words.is_empty() { "" } else { ": " });
    match status {
        429 | 502 | 503 | 504 | 408 | 425 => Refused::Later { why, after: retry_after(headers, now) },
        401 | 403 | 404 | 405 | 407 | 421 => Refused::Later { why, after: None },
        300..=399 => {
            let why = format!("{shown}: status {status}: no redirect is followed; name the receiver itself");
            Refused::Later { why, after: None }
        }
        400..=499 => Refused::Never { why },
        _ => Refused::Unclear { why },
    }
}

/// The first words of what a receiver said, with nothing in them that acts on a terminal.
pub(crate) fn harmless(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(&text[..text.len().min(4 * WORDS)]);
    text.trim().chars().take(WORDS).collect::<String>().escape_debug().to_string()
}

/// Seconds, or a date; `None` where the receiver has no wish that can be read, or one that is over.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get("retry-after")?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date: SystemTime = DateTime::parse_from_rfc2822(text).ok()?.to_utc().into();
    date.duration_since(now).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_its_meaning() {
        let mut groups: Vec<(String, Vec<u16>)> = vec![];
        for status in 300..=599 {
            let kind = match by_status("h", status, &HeaderMap::new(), "", SystemTime::UNIX_EPOCH) {
                Refused::Later { .. } => "later",
                Refused::Closed { .. } => "closed",
                Refused::Never { .. } => "never",
                Refused::Unclear { .. } => "unclear",
            };
            match groups.last_mut() {
                Some((last, statuses)) if last == kind => statuses.push(status),
                _ => groups.push((kind.to_owned(), vec![status])),
            }
        }
        let told: Vec<String> = groups.iter().map(|(k, s)| format!("{}-{} {k}", s[0], s[s.len() - 1])).collect();
        insta::assert_snapshot!(told.join("\n"), @r#"
300-399 later
400-400 never
401-401 later
402-402 never
403-405 later
406-406 never
407-408 later
409-420 never
421-421 later
422-424 never
425-425 later
426-428 never
429-429 later
430-499 never
500-501 unclear
502-504 later
505-599 unclear
"#);
    }

    #[test]
    fn retry_after_is_read_as_seconds_and_as_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_445_412_480);
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("retry-after", text.parse().unwrap());
            match by_status("h", 429, &headers, "", now) {
                Refused::Later { after, .. } => after,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(read("120"), Some(Duration::from_secs(120)));
        assert_eq!(read("Wed, 21 Oct 2015 07:30:00 GMT"), Some(Duration::from_secs(120)));
        for odd in ["-1", "soon", "Wed, 21 Oct 2014 07:28:00 GMT", "99999999999999999999", ""] {
            assert_eq!(read(odd), None, "{odd}");
        }
    }

    #[test]
    fn hostile_words_are_harmless_and_short() {
        let words = harmless(format!("\u{1b}[31m\n{}", "é".repeat(500)).as_bytes());
        assert!(words.chars().count() < 200 && !words.contains('\u{1b}') && !words.contains('\n'), "{words}");
    }
}
