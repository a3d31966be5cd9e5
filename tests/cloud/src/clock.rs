//! The servers' clock: the machine's, moved by a skew that tests set. It must never run backwards by itself, and nothing
//! here reads the time any other way.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use chrono::{DateTime, NaiveDateTime, Utc};

/// Milliseconds by which a request's date may differ from the server's, either way: 15 minutes.
pub(crate) const MOST_SKEW_MS: i64 = 15 * 60 * 1000;

/// A clock that can be set wrong.
#[derive(Debug, Default)]
pub struct Clock {
    skew_ms: AtomicI64,
}

impl Clock {
    /// Sets the difference to the machine's clock in milliseconds; positive is in the future.
    pub fn set_skew_ms(&self, skew_ms: i64) {
        self.skew_ms.store(skew_ms, Ordering::Relaxed);
    }

    /// Milliseconds since 1970, skew included.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        let real = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64);
        real + self.skew_ms.load(Ordering::Relaxed)
    }

    /// Seconds since 1970, skew included.
    #[must_use]
    pub fn now_secs(&self) -> u64 {
        (self.now_ms() / 1000).max(0) as u64
    }
}

fn utc(ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(ms).unwrap_or_default()
}

/// `Wed, 25 Nov 2026 02:00:00 GMT`.
pub(crate) fn http_date(ms: i64) -> String {
    utc(ms).format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// `2026-11-25T02:00:00.000Z`: OSS writes whole seconds, and its Python SDK reads no others.
pub(crate) fn iso_date(ms: i64) -> String {
    utc(ms).format("%Y-%m-%dT%H:%M:%S.000Z").to_string()
}

/// Milliseconds of `Wed, 25 Nov 2026 02:00:00 GMT`; nothing when it is something else.
pub(crate) fn parse_http_date(text: &str) -> Option<i64> {
    let parsed = NaiveDateTime::parse_from_str(text, "%a, %d %b %Y %H:%M:%S GMT").ok()?;
    Some(parsed.and_utc().timestamp_millis())
}

/// Milliseconds of `20261125T020000Z`; nothing when it is something else.
pub(crate) fn parse_basic_date(text: &str) -> Option<i64> {
    let parsed = NaiveDateTime::parse_from_str(text, "%Y%m%dT%H%M%SZ").ok()?;
    Some(parsed.and_utc().timestamp_millis())
}

/// `20261125T020000Z`.
pub(crate) fn basic_date(ms: i64) -> String {
    utc(ms).format("%Y%m%dT%H%M%SZ").to_string()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_as_they_are_written() {
        let ms = 1_795_572_000_000;
        assert_eq!(http_date(ms), "Wed, 25 Nov 2026 02:00:00 GMT");
        assert_eq!(parse_http_date(&http_date(ms)), Some(ms));
        assert_eq!(parse_basic_date(&basic_date(ms)), Some(ms));
        assert_eq!(parse_http_date("2026-11-25"), None);
        assert_eq!(iso_date(ms + 5), "2026-11-25T02:00:00.000Z");
    }
}
