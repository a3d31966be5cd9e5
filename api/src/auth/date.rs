//! The two forms in which a request says when it was signed. It must never read the clock.

use chrono::{DateTime, NaiveDateTime};

/// `Thu, 01 Jan 2026 00:00:00 GMT`, as microseconds UTC.
pub(super) fn http(text: &str) -> Option<i64> {
    Some(DateTime::parse_from_rfc2822(text).ok()?.timestamp_micros())
}

/// `20260101T000000Z`, as microseconds UTC.
pub(super) fn basic(text: &str) -> Option<i64> {
    if text.len() != 16 {
        return None;
    }
    Some(NaiveDateTime::parse_from_str(text, "%Y%m%dT%H%M%SZ").ok()?.and_utc().timestamp_micros())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms() {
        let at = Some(1_767_225_600_000_000);
        assert_eq!(http("Thu, 01 Jan 2026 00:00:00 GMT"), at);
        assert_eq!(http("Thu, 01 Jan 2026 08:00:00 +0800"), at);
        assert_eq!(basic("20260101T000000Z"), at);
        for bad in
            ["", "2026-01-01T00:00:00Z", "20260101T000000", "20261301T000000Z", "20260101T000000ZZ", "99999999999999"]
        {
            assert_eq!((http(bad), basic(bad)), (None, None), "{bad}");
        }
    }
}
