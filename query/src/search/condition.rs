//! Comparisons of numbers and times, exact for every 64-bit integer.
//! It must never put an integer through a double; only a fraction in an event is one already.

use std::cmp::Ordering;

use chrono::{DateTime, NaiveDate, NaiveTime};

use innertrail_search::{Bound, Comparison};

/// Digits behind the point of a second in a timestamp column.
pub(super) const MICROS: u32 = 6;

/// A decimal number: between `floor` and the next integer, or just `floor`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Number {
    floor: i128,
    whole: bool,
    nearest: f64,
}

/// One comparison, or two that must both hold.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Condition(pub(super) Vec<(Comparison, Number)>);

impl Number {
    /// Of checked digits, multiplied by ten to the power of `shift`. What is beyond 128 bits stays beyond 64.
    pub(super) fn of_digits(text: &str, shift: u32) -> Self {
        let (sign, unsigned) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let (up, rest) = fraction.split_at(fraction.len().min(shift as usize));
        let zeros = "0".repeat((shift as usize).saturating_sub(up.len()));
        let magnitude = format!("{whole}{up}{zeros}").parse().unwrap_or(i128::MAX);
        let whole = rest.bytes().all(|b| b == b'0');
        let floor = if sign < 0 { -magnitude - i128::from(!whole) } else { magnitude };
        let scale = 10f64.powi(i32::try_from(shift).unwrap_or(0));
        Self { floor, whole, nearest: text.parse().unwrap_or(f64::NAN) * scale }
    }

    /// Of an integer.
    pub(super) fn of_integer(value: i128) -> Self {
        Self { floor: value, whole: true, nearest: value as f64 }
    }

    /// Of a checked time, in microseconds since 1970 UTC.
    pub(super) fn of_time(text: &str) -> Option<Self> {
        let at = match NaiveDate::parse_from_str(text, "%Y-%m-%d") {
            Ok(day) => day.and_time(NaiveTime::MIN).and_utc(),
            Err(_) => DateTime::parse_from_rfc3339(text).ok()?.to_utc(),
        };
        let whole = at.timestamp_subsec_nanos() % 1_000 == 0;
        Some(Self { whole, ..Self::of_integer(at.timestamp_micros().into()) })
    }

    fn is_above(&self, value: i128) -> Ordering {
        match value.cmp(&self.floor) {
            Ordering::Equal if !self.whole => Ordering::Less,
            order => order,
        }
    }
}

fn holds(how: Comparison, order: Ordering) -> bool {
    match how {
        Comparison::Less => order.is_lt(),
        Comparison::AtMost => order.is_le(),
        Comparison::Equal => order.is_eq(),
        Comparison::AtLeast => order.is_ge(),
        Comparison::Greater => order.is_gt(),
    }
}

impl Condition {
    /// Of what was written: numbers as they are (`shift` 0) or seconds as microseconds ([`MICROS`]). `None` for a time
    /// where `times` is off.
    pub(super) fn new(written: &[(Comparison, Bound)], shift: u32, times: bool) -> Option<Self> {
        let number = |bound: &Bound| match bound {
            Bound::Number(text) => Some(Number::of_digits(text, shift)),
            Bound::Time(text) if times => Number::of_time(text),
            Bound::Time(_) => None,
        };
        written.iter().map(|(how, bound)| Some((*how, number(bound)?))).collect::<Option<_>>().map(Self)
    }

    pub(super) fn holds_integer(&self, value: i128) -> bool {
        self.0.iter().all(|(how, number)| holds(*how, number.is_above(value)))
    }

    pub(super) fn holds_double(&self, value: f64) -> bool {
        self.0.iter().all(|(how, number)| value.partial_cmp(&number.nearest).is_some_and(|o| holds(*how, o)))
    }

    /// The smallest and largest integer for which it holds; none when the first is above the second.
    pub(super) fn span(&self) -> (i128, i128) {
        self.0.iter().fold((i128::MIN, i128::MAX), |(low, high), (how, number)| {
            let ceiling = number.floor.saturating_add(i128::from(!number.whole));
            match how {
                Comparison::Less => (low, high.min(ceiling.saturating_sub(1))),
                Comparison::AtMost => (low, high.min(number.floor)),
                Comparison::Equal => (low.max(ceiling), high.min(number.floor)),
                Comparison::AtLeast => (low.max(ceiling), high),
                Comparison::Greater => (low.max(number.floor.saturating_add(1)), high),
            }
        })
    }
}
