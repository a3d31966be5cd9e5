//! The clock, and the forms of time that the protocols use.
//!
//! Nothing else in this crate may read the system's time of day; durations are measured with `Instant`.

use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use chrono::DateTime;

/// Milliseconds since the Unix epoch, from wherever the owner says.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> i64 + Send + Sync>);

impl Clock {
    /// The system's clock.
    #[must_use]
    pub fn system() -> Self {
        Self::from_fn(|| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
        })
    }

    /// A clock of the caller's; tests shift it.
    #[must_use]
    pub fn from_fn(now_ms: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(now_ms))
    }

    /// Now, milliseconds since the Unix epoch, UTC.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        (self.0)()
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// `Fri, 02 Jan 2026 03:04:05 GMT`.
pub(crate) fn http_date(seconds: i64) -> String {
    text(seconds, "%a, %d %b %Y %H:%M:%S GMT")
}

/// `20260102T030405Z`, what both V4 signatures use.
pub(crate) fn basic(seconds: i64) -> String {
    text(seconds, "%Y%m%dT%H%M%SZ")
}

/// `2026-01-02T03:04:05Z`.
pub(crate) fn rfc3339(seconds: i64) -> String {
    text(seconds, "%Y-%m-%dT%H:%M:%SZ")
}

fn text(seconds: i64, form: &str) -> String {
    DateTime::from_timestamp(seconds, 0).unwrap_or_default().format(form).to_string()
}

/// The milliseconds of an HTTP date.
pub(crate) fn parse_http_date(text: &str) -> Option<i64> {
    DateTime::parse_from_rfc2822(text.trim()).ok().map(|t| t.timestamp_millis())
}

/// The milliseconds of an RFC 3339 time.
pub(crate) fn parse_rfc3339(text: &str) -> Option<i64> {
    DateTime::parse_from_rfc3339(text.trim()).ok().map(|t| t.timestamp_millis())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_agree_with_each_other() {
        let at = 1_767_323_045;
        assert_eq!(http_date(at), "Fri, 02 Jan 2026 03:04:05 GMT");
        assert_eq!(basic(at), "20260102T030405Z");
        assert_eq!(rfc3339(at), "2026-01-02T03:04:05Z");
        assert_eq!(parse_http_date(&http_date(at)), Some(at * 1000));
        assert_eq!(parse_rfc3339(&rfc3339(at)), Some(at * 1000));
        assert_eq!((parse_http_date("yesterday"), parse_rfc3339("2026-13-01T00:00:00Z")), (None, None));
        assert!(Clock::system().now_ms() > at);
    }
}
