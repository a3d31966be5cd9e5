//! Unix seconds to the UTC calendar, for event times and the day folders of a trail.
//! It must never read the clock: generated files depend on their seed alone.

/// Seconds of a day.
pub const DAY: u64 = 86_400;

/// A moment in UTC, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Utc {
    /// Year, month (1 to 12) and day of the month (1 to 31).
    pub date: (u64, u64, u64),
    /// Hour, minute and second.
    pub clock: (u64, u64, u64),
}

/// Takes Unix seconds apart (proleptic Gregorian calendar, no leap seconds).
#[must_use]
pub fn utc(seconds: u64) -> Utc {
    let (days, rest) = (seconds / DAY, seconds % DAY);
    // Count from 1 March of year 0, so that the leap day is the last day of a year.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    Utc { date: (year, month, day), clock: (rest / 3600, rest / 60 % 60, rest % 60) }
}

/// Appends `value` with at least `width` digits.
pub fn push_digits(out: &mut Vec<u8>, value: u64, width: usize) {
    let start = out.len();
    let mut left = value;
    while left > 0 || out.len() - start < width {
        out.push(b'0' + (left % 10) as u8);
        left /= 10;
    }
    out[start..].reverse();
}

/// Appends `YYYY-MM-DDThh:mm:ssZ`, the form of every event time.
pub fn push_rfc3339(out: &mut Vec<u8>, seconds: u64) {
    let Utc { date, clock } = utc(seconds);
    let parts = [
        (date.0, 4, b'-'),
        (date.1, 2, b'-'),
        (date.2, 2, b'T'),
        (clock.0, 2, b':'),
        (clock.1, 2, b':'),
        (clock.2, 2, b'Z'),
    ];
    for (value, width, after) in parts {
        push_digits(out, value, width);
        out.push(after);
    }
}

/// `YYYYMMDDHHMMSS`, the form inside an object's name.
#[must_use]
pub fn compact(seconds: u64) -> String {
    let Utc { date: (year, month, day), clock: (hour, minute, second) } = utc(seconds);
    format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments() {
        let text = |s| {
            let mut out = Vec::new();
            push_rfc3339(&mut out, s);
            String::from_utf8_lossy(&out).into_owned()
        };
        assert_eq!(text(0), "1970-01-01T00:00:00Z");
        assert_eq!(text(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(text(1_780_272_000), "2026-06-01T00:00:00Z");
        assert_eq!(compact(1_780_358_399), "20260601235959");
    }
}
