//! What an object's key says about time. It says what it likes: nothing here may be an error.
//!
//! ActionTrail writes `…/<region>/<YYYY>/<MM>/<DD>/Actiontrail_<region>_<YYYYMMDDHHMMSS>_…`, times in UTC, below other
//! folders that differ by kind of event and by account. So a folder is *dated* when it holds folders of years, and every
//! account and region has a dated folder of its own.

use chrono::{NaiveDate, NaiveDateTime, TimeDelta};

/// Whether a folder's name is a year.
pub fn is_year(segment: &str) -> bool {
    segment.len() == 4 && segment.bytes().all(|b| b.is_ascii_digit()) && ("1970"..="2999").contains(&segment)
}

/// The day of a key in a dated folder.
pub fn day(folder: &str, key: &str) -> Option<NaiveDate> {
    let mut parts = key.strip_prefix(folder)?.split('/');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    parts.next()?;
    let two = |part: &str| (part.len() == 2).then(|| part.parse().ok()).flatten();
    NaiveDate::from_ymd_opt(is_year(year).then(|| year.parse().ok()).flatten()?, two(month)?, two(day)?)
}

/// The time in an object's name.
pub fn time(key: &str) -> Option<NaiveDateTime> {
    let name = key.rsplit('/').next()?;
    let digits = name.split('_').find(|part| part.len() == 14 && part.bytes().all(|b| b.is_ascii_digit()))?;
    NaiveDateTime::parse_from_str(digits, "%Y%m%d%H%M%S").ok()
}

/// The time in an object's name, milliseconds since the Unix epoch.
pub fn time_ms(key: &str) -> Option<i64> {
    time(key).map(|time| time.and_utc().timestamp_millis())
}

/// What the keys of a day in a dated folder begin with. Itself it sorts before all of them.
pub fn day_prefix(folder: &str, day: NaiveDate) -> String {
    format!("{folder}{}", day.format("%Y/%m/%d/"))
}

/// The first day in which an object may still appear once this one is there, `overlap_hours` later at the most.
pub fn floor(folder: &str, key: &str, overlap_hours: u32) -> Option<NaiveDate> {
    let day = day(folder, key)?;
    // A name's own time counts only within its day: objects of midnight lie in either day's folder.
    let midnight = day.and_hms_opt(0, 0, 0)?;
    let time = time(key).filter(|time| time.date() == day).unwrap_or(midnight);
    Some(time.checked_sub_signed(TimeDelta::hours(i64::from(overlap_hours)))?.date())
}

/// A day, and back so many.
pub fn days_before(day: NaiveDate, days: u64) -> NaiveDate {
    day.checked_sub_days(chrono::Days::new(days)).unwrap_or(day)
}

/// From when on an object of this key's day may come unseen, milliseconds: by then the listings may begin behind it.
pub fn late_ms(folder: &str, key: &str, overlap_hours: u32) -> Option<i64> {
    let midnight = day(folder, key)?.succ_opt()?.and_hms_opt(0, 0, 0)?.and_utc().timestamp_millis();
    Some(midnight + i64::from(overlap_hours) * 3_600_000)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn days_and_floors_are_read_from_keys() {
        let folder = "p/AliyunLogs/Actiontrail/cn-hangzhou/";
        let key = |rest: &str| format!("{folder}{rest}");
        let at = |text: &str| Some(text.parse::<NaiveDate>().unwrap());
        let name = "Actiontrail_cn-hangzhou_20260615013000_1002_4_1146_000102030405060708090a0b0c0d0e0f.gz";
        assert_eq!(day(folder, &key(&format!("2026/06/15/{name}"))), at("2026-06-15"));
        for wrong in ["2026/6/15/x", "2026/13/01/x", "2026/06/15", "x/06/15/y", "2026/06/31/x", "２０26/06/15/x"] {
            assert_eq!(day(folder, &key(wrong)), None, "{wrong}");
        }
        assert_eq!(floor(folder, &key(&format!("2026/06/15/{name}")), 2), at("2026-06-14"));
        assert_eq!(floor(folder, &key(&format!("2026/06/15/{name}")), 1), at("2026-06-15"));
        assert_eq!(floor(folder, &key(&format!("2026/06/14/{name}")), 1), at("2026-06-13"));
        assert_eq!(floor(folder, &key("2026/06/15/other.gz"), 0), at("2026-06-15"));
        assert_eq!(time_ms(name), Some(1_781_487_000_000));
        assert_eq!(day_prefix(folder, at("2026-06-05").unwrap()), key("2026/06/05/"));
        assert!(is_year("2026") && !is_year("0026") && !is_year("20260") && !is_year("cn-x"));
    }
}
