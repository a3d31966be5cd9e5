//! Calendar functions, over timestamps and over plain seconds since 1970, in the one zone of [`ZONE`].
//! They must never wrap around at the calendar's end; what is outside is an error.
//!
//! [`ZONE`]: super::scalar::ZONE

use arrow::array::{Array, TimestampMicrosecondArray};
use chrono::{DateTime, Datelike, Months, NaiveDate, NaiveDateTime, Timelike, Utc};

use super::memo::Memo;
use super::scalar::Kind::{Float, Int, Text, Time};
use super::scalar::{Answer, Function, Row, Value, ZONE, quoted};
use super::time_format;

const DAY_US: i64 = 86_400_000_000;
/// Within so many microseconds of 1970 every time is in the calendar: 250,000 years.
const CALENDAR_US: u64 = 7_889_400_000_000_000_000;

/// Functions that read one field of the calendar.
macro_rules! fields {
    ($($name:literal => $read:expr;)*) => {
        pub(super) const FIELDS: &[Function] = &[$(Function {
            name: $name,
            params: &[Time],
            required: 1,
            returns: Int,
            body: |row, _| Ok(Some(Value::Int(i64::from(($read)(calendar(row.time(0)?)?))))),
        },)*];
    };
}

fields! {
    "year" => |at: NaiveDateTime| at.year();
    "quarter" => |at: NaiveDateTime| at.month0() / 3 + 1;
    "month" => |at: NaiveDateTime| at.month();
    "day" => |at: NaiveDateTime| at.day();
    "day_of_month" => |at: NaiveDateTime| at.day();
    "hour" => |at: NaiveDateTime| at.hour();
    "minute" => |at: NaiveDateTime| at.minute();
    "second" => |at: NaiveDateTime| at.second();
    "millisecond" => |at: NaiveDateTime| at.nanosecond() / 1_000_000;
    "day_of_week" => |at: NaiveDateTime| at.weekday().number_from_monday();
    "dow" => |at: NaiveDateTime| at.weekday().number_from_monday();
    "day_of_year" => |at: NaiveDateTime| at.ordinal();
    "doy" => |at: NaiveDateTime| at.ordinal();
    "week" => |at: NaiveDateTime| at.iso_week().week();
    "week_of_year" => |at: NaiveDateTime| at.iso_week().week();
    "year_of_week" => |at: NaiveDateTime| at.iso_week().year();
    "yow" => |at: NaiveDateTime| at.iso_week().year();
}

pub(super) const FUNCTIONS: &[Function] = &[
    Function { name: "date_trunc", params: &[Text, Time], required: 2, returns: Time, body: date_trunc },
    Function { name: "date_add", params: &[Text, Int, Time], required: 3, returns: Time, body: date_add },
    Function { name: "date_diff", params: &[Text, Time, Time], required: 3, returns: Int, body: date_diff },
    Function { name: "date_format", params: &[Time, Text], required: 2, returns: Text, body: date_format },
    Function { name: "date_parse", params: &[Text, Text], required: 2, returns: Time, body: date_parse },
    Function { name: "it_from_unixtime", params: &[Time], required: 1, returns: Time, body: from_unixtime },
    Function { name: "to_unixtime", params: &[Time], required: 1, returns: Float, body: to_unixtime },
    Function { name: "from_iso8601_timestamp", params: &[Text], required: 1, returns: Time, body: from_iso8601 },
    Function { name: "to_iso8601", params: &[Time], required: 1, returns: Text, body: to_iso8601 },
];

fn calendar(us: i64) -> Result<NaiveDateTime, String> {
    let at: Option<DateTime<Utc>> = DateTime::from_timestamp_micros(us);
    at.map(|at| at.naive_utc()).ok_or_else(outside)
}

fn outside() -> String {
    "the time is outside the calendar".into()
}

pub(super) fn micros(at: NaiveDateTime) -> i64 {
    at.and_utc().timestamp_micros()
}

/// A unit: so many microseconds, or so many months.
#[derive(Clone, Copy)]
enum Unit {
    Micros(i64),
    Months(i64),
}

const WEEK: i64 = 7 * DAY_US;

fn unit(name: &str) -> Result<Unit, String> {
    let units = [
        ("millisecond", Unit::Micros(1_000)),
        ("second", Unit::Micros(1_000_000)),
        ("minute", Unit::Micros(60_000_000)),
        ("hour", Unit::Micros(3_600_000_000)),
        ("day", Unit::Micros(DAY_US)),
        ("week", Unit::Micros(WEEK)),
        ("month", Unit::Months(1)),
        ("quarter", Unit::Months(3)),
        ("year", Unit::Months(12)),
    ];
    let found = units.iter().find(|(known, _)| known.eq_ignore_ascii_case(name.trim()));
    found.map(|(_, unit)| *unit).ok_or_else(|| {
        let known: Vec<&str> = units.iter().map(|(known, _)| *known).collect();
        format!("{} is no unit of time; the units are {}", quoted(name), known.join(", "))
    })
}

fn date_trunc(row: &Row<'_>, _: &mut Memo) -> Answer {
    let us = row.time(1)?;
    let at = calendar(us)?;
    let start = match unit(row.text(0)?)? {
        // 1970-01-01 was a Thursday, weeks begin on Monday.
        Unit::Micros(WEEK) => us.checked_sub((us + 3 * DAY_US).rem_euclid(WEEK)),
        Unit::Micros(length) => us.checked_sub(us.rem_euclid(length)),
        Unit::Months(length) => {
            let month = i64::from(at.month0()) / length * length;
            let month = u32::try_from(month).map_err(|_| outside())?;
            let first = NaiveDate::from_ymd_opt(at.year(), month + 1, 1).and_then(|day| day.and_hms_opt(0, 0, 0));
            first.map(micros)
        }
    };
    start.map(|us| Some(Value::Time(us))).ok_or_else(outside)
}

/// As `date_trunc` for a whole column, in a fraction of the time; `None` for units without a fixed length, and when some
/// time is outside the calendar or near its end.
pub(super) fn truncated(unit_name: &str, times: &TimestampMicrosecondArray) -> Option<TimestampMicrosecondArray> {
    let length = match unit(unit_name) {
        Ok(Unit::Micros(length)) if length != WEEK => length,
        _ => return None,
    };
    // What stands where a time is null is any number, and its result is not looked at.
    let inside = |us: i64| us.unsigned_abs() < CALENDAR_US;
    let all = times.values();
    if !all.iter().fold(true, |good, &us| good & inside(us)) {
        return None;
    }
    let values: Vec<i64> = match length {
        // Known when this is compiled, they become multiplications.
        3_600_000_000 => all.iter().map(|us| us - us.rem_euclid(3_600_000_000)).collect(),
        DAY_US => all.iter().map(|us| us - us.rem_euclid(DAY_US)).collect(),
        60_000_000 => all.iter().map(|us| us - us.rem_euclid(60_000_000)).collect(),
        length => all.iter().map(|us| us - us.rem_euclid(length)).collect(),
    };
    Some(TimestampMicrosecondArray::new(values.into(), times.nulls().cloned()).with_timezone(ZONE))
}

fn add_months(at: NaiveDateTime, months: i64) -> Option<NaiveDateTime> {
    let count = Months::new(u32::try_from(months.unsigned_abs()).ok()?);
    if months < 0 { at.checked_sub_months(count) } else { at.checked_add_months(count) }
}

fn date_add(row: &Row<'_>, _: &mut Memo) -> Answer {
    let (count, us) = (row.int(1)?, row.time(2)?);
    let moved = match unit(row.text(0)?)? {
        Unit::Micros(length) => count.checked_mul(length).and_then(|by| us.checked_add(by)),
        Unit::Months(length) => {
            let months = count.checked_mul(length).ok_or_else(outside)?;
            add_months(calendar(us)?, months).map(micros)
        }
    };
    let moved = moved.ok_or_else(outside)?;
    calendar(moved)?;
    Ok(Some(Value::Time(moved)))
}

/// Whole units from the first time to the second.
fn date_diff(row: &Row<'_>, _: &mut Memo) -> Answer {
    let (from, to) = (row.time(1)?, row.time(2)?);
    let whole = match unit(row.text(0)?)? {
        Unit::Micros(length) => to.checked_sub(from).ok_or_else(outside)? / length,
        Unit::Months(length) => months_between(calendar(from)?, calendar(to)?)? / length,
    };
    Ok(Some(Value::Int(whole)))
}

fn months_between(from: NaiveDateTime, to: NaiveDateTime) -> Result<i64, String> {
    let month = |at: NaiveDateTime| i64::from(at.year()) * 12 + i64::from(at.month0());
    let months = month(to) - month(from);
    let reached = add_months(from, months).ok_or_else(outside)?;
    Ok(match months {
        1.. if reached > to => months - 1,
        ..=-1 if reached < to => months + 1,
        _ => months,
    })
}

fn date_format(row: &Row<'_>, memo: &mut Memo) -> Answer {
    let (us, pattern) = (row.time(0)?, row.text(1)?);
    Ok(Some(Value::Text(memo.time(us, pattern, || time_format::format(calendar(us)?, pattern))?)))
}

fn date_parse(row: &Row<'_>, _: &mut Memo) -> Answer {
    Ok(Some(Value::Time(micros(time_format::parse(row.text(0)?, row.text(1)?)?))))
}

fn from_unixtime(row: &Row<'_>, _: &mut Memo) -> Answer {
    let us = row.time(0)?;
    calendar(us)?;
    Ok(Some(Value::Time(us)))
}

fn to_unixtime(row: &Row<'_>, _: &mut Memo) -> Answer {
    let us = row.time(0)?;
    // Seconds of any year people write are exact in a double to the microsecond.
    #[allow(clippy::cast_precision_loss)]
    let seconds = us as f64 / 1e6;
    Ok(Some(Value::Float(seconds)))
}

/// `2026-11-24T08:00:00Z`, `2026-11-24T08:00:00.5+08:00`, `2026-11-24T08:00`, `2026-11-24`.
fn from_iso8601(row: &Row<'_>, _: &mut Memo) -> Answer {
    let text = row.text(0)?.trim();
    let bad = || format!("{} is no time after ISO 8601", quoted(text));
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Ok(Some(Value::Time(at.timestamp_micros())));
    }
    let naive = text.strip_suffix(['Z', 'z']).unwrap_or(text);
    let with_time = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"];
    let at = with_time.iter().find_map(|pattern| NaiveDateTime::parse_from_str(naive, pattern).ok());
    let day = || NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().and_then(|day| day.and_hms_opt(0, 0, 0));
    at.or_else(day).map(|at| Some(Value::Time(micros(at)))).ok_or_else(bad)
}

fn to_iso8601(row: &Row<'_>, _: &mut Memo) -> Answer {
    let at = calendar(row.time(0)?)?;
    Ok(Some(Value::Text(format!("{}Z", at.format("%Y-%m-%dT%H:%M:%S%.3f")))))
}
