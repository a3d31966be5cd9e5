//! Times as people and journal entries have them: UTC days and RFC 3339.
//!
//! Must never know a time zone but UTC, and never read the clock.

use chrono::{DateTime, NaiveDate, SecondsFormat};

/// Microseconds of an hour.
pub const HOUR_US: i64 = 3_600_000_000;
/// Microseconds of a day.
pub const DAY_US: i64 = 24 * HOUR_US;

/// The UTC day of a time in microseconds since 1970; `None` outside of what a calendar can name.
#[must_use]
pub fn day_of(us: i64) -> Option<NaiveDate> {
    DateTime::from_timestamp_micros(us).map(|time| time.date_naive())
}

/// The time as RFC 3339 has it, UTC, with as many digits as there are.
#[must_use]
pub fn rfc3339(us: i64) -> String {
    match DateTime::from_timestamp_micros(us) {
        Some(time) => time.to_rfc3339_opts(SecondsFormat::AutoSi, true),
        None => format!("{us} µs since 1970"),
    }
}

/// The time to the second, for people.
#[must_use]
pub fn told(us: i64) -> String {
    rfc3339(us.div_euclid(1_000_000).saturating_mul(1_000_000))
}

/// Reads `YYYY-MM-DD`.
///
/// # Errors
/// What is expected.
pub fn parse_day(text: &str) -> Result<NaiveDate, String> {
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok();
    // The parser is generous with signs and digits.
    day.filter(|day| day.to_string() == text)
        .ok_or_else(|| "expected a day as YYYY-MM-DD, such as 2026-11-23 (UTC)".to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_midnight_utc() {
        let midnight = 1_795_392_000_000_000;
        assert_eq!(day_of(midnight).unwrap().to_string(), "2026-11-23");
        assert_eq!(day_of(midnight - 1).unwrap().to_string(), "2026-11-22");
        assert_eq!(rfc3339(midnight), "2026-11-23T00:00:00Z");
        assert_eq!(rfc3339(midnight + 5), "2026-11-23T00:00:00.000005Z");
        assert_eq!(told(midnight + 999_999), "2026-11-23T00:00:00Z");
        assert_eq!(day_of(i64::MAX), None);
    }

    #[test]
    fn days_are_read_as_they_are_written() {
        assert_eq!(parse_day("2026-02-28").unwrap().to_string(), "2026-02-28");
        for wrong in ["2026-02-30", "26-02-28", "2026-2-8", "today", "2026-02-28T0", "+026-02-28", ""] {
            assert!(parse_day(wrong).is_err(), "{wrong}");
        }
    }
}
