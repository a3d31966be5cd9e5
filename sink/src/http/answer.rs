//! What an HTTP answer means for the records of the request.
//! It must never repeat more of an answer than its first words, harmless.

use std::time::{Duration, SystemTime};

use chrono::DateTime;
use ureq::http::HeaderMap;

use crate::sender::Refused;

/// Characters of the body that are repeated.
const WORDS: usize = 160;

/// What became of the batch.
///
/// | status | |
/// |---|---|
/// | 2xx | taken |
/// | 429, 502, 503, 504, 408, 425 | later; `Retry-After` is honoured |
/// | 500, other 5xx | unclear: Vector means a failed sink or a rejected event |
/// | 401, 403, 404, 405, 407, 421, 3xx | later: somebody must mend the configuration; no redirect is followed |
/// | 400, 413, 422, other 4xx | never |
pub(super) fn judge(shown: &str, status: u16, headers: &HeaderMap, body: &str) -> Result<(), Refused> {
    let words: String = body.trim().chars().take(WORDS).collect();
    let colon = if words.is_empty() { "" } else { ": " };
    let why = format!("{shown}: status {status}{colon}{}", words.escape_debug());
    match status {
        200..=299 => Ok(()),
        429 | 502 | 503 | 504 | 408 | 425 => {
            Err(Refused::Later { why, after: retry_after(headers, SystemTime::now()) })
        }
        401 | 403 | 404 | 405 | 407 | 421 => Err(Refused::Later { why, after: None }),
        300..=399 => Err(Refused::Later {
            why: format!("{shown}: status {status}: no redirect is followed; name the place itself"),
            after: None,
        }),
        400..=499 => Err(Refused::Never { why }),
        _ => Err(Refused::Unclear { why }),
    }
}

/// Whether fresh keys may help.
pub(super) fn is_about_keys(refused: &Refused) -> bool {
    let told = |why: &str| ["status 401", "status 403"].iter().any(|s| why.contains(s));
    matches!(refused, Refused::Later { why, .. } if told(why))
}

/// Seconds, or a date.
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
        for status in 200..=599 {
            let kind = match judge("h", status, &HeaderMap::new(), "") {
                Ok(()) => "taken",
                Err(Refused::Later { .. }) => "later",
                Err(Refused::Never { .. }) => "never",
                Err(Refused::Unclear { .. }) => "unclear",
            };
            match groups.last_mut() {
                Some((last, statuses)) if last == kind => statuses.push(status),
                _ => groups.push((kind.to_owned(), vec![status])),
            }
        }
        let told: Vec<String> = groups.iter().map(|(k, s)| format!("{}-{} {k}", s[0], s[s.len() - 1])).collect();
        insta::assert_snapshot!(told.join("\n"), @r#"
200-299 taken
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
            retry_after(&headers, now)
        };
        assert_eq!(read("120"), Some(Duration::from_secs(120)));
        assert_eq!(read("Wed, 21 Oct 2015 07:30:00 GMT"), Some(Duration::from_secs(120)));
        for odd in ["-1", "soon", "Wed, 21 Oct 2014 07:28:00 GMT", ""] {
            assert_eq!(read(odd), None, "{odd}");
        }
    }

    #[test]
    fn hostile_words_are_shown_harmless_and_short() {
        let body = format!("\u{1b}[31m\n{}", "é".repeat(500));
        let refused = judge("http://h", 400, &HeaderMap::new(), &body).unwrap_err();
        assert!(refused.to_string().chars().count() < 220 && !refused.to_string().contains('\u{1b}'), "{refused}");
    }
}
