//! Legal holds: days that are not dropped, however old, until the hold is released.
//!
//! Must never let a hold shrink or vanish but by its release.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

/// The most holds at a time.
pub const MAX_HOLDS: usize = 1000;
/// The longest name, bytes.
pub const MAX_NAME: usize = 64;
/// The longest reason, bytes.
pub const MAX_REASON: usize = 1024;

/// One hold. Without a day at an end it is open there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Why, in the words of who set it. Hostile text: safe for a terminal only after escaping.
    pub reason: String,
    /// First UTC day of appending that it covers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Day>,
    /// Last UTC day of appending that it covers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Day>,
    /// When it was set, microseconds UTC.
    pub set_us: i64,
}

/// A day as JSON has it: `2026-11-23`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Day(pub NaiveDate);

impl TryFrom<String> for Day {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        super::day::parse_day(&text).map(Self)
    }
}

impl From<Day> for String {
    fn from(day: Day) -> Self {
        day.0.to_string()
    }
}

impl Hold {
    /// Whether it covers a day.
    #[must_use]
    pub fn covers(&self, day: NaiveDate) -> bool {
        self.from.is_none_or(|from| from.0 <= day) && self.to.is_none_or(|to| day <= to.0)
    }

    /// For people: which days.
    #[must_use]
    pub fn days_told(&self) -> String {
        match (self.from, self.to) {
            (None, None) => "all days".to_owned(),
            (Some(from), None) => format!("from {}", from.0),
            (None, Some(to)) => format!("to {}", to.0),
            (Some(from), Some(to)) => format!("{} to {}", from.0, to.0),
        }
    }
}

/// Why a hold is not set or not released.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HoldError {
    /// Its name cannot be one.
    #[error("the name of a hold has 1 to {MAX_NAME} letters, digits, `.`, `_` or `-`, such as case-2026-17")]
    Name,
    /// No reason, or too long a one.
    #[error("a hold needs a reason of 1 to {MAX_REASON} bytes")]
    Reason,
    /// It ends before it begins.
    #[error("a hold from {from} to {to} covers no day; swap the two")]
    Empty {
        /// First day.
        from: NaiveDate,
        /// Last day.
        to: NaiveDate,
    },
    /// There is one of that name.
    #[error("there is a hold {0} already; release it first, or choose another name. `innertrail hold list` shows it")]
    Exists(String),
    /// There is none of that name.
    #[error("there is no hold {0}; `innertrail hold list` shows those that are set")]
    Unknown(String),
    /// There are too many.
    #[error("{MAX_HOLDS} holds are set, more are not possible; one hold without days covers everything")]
    TooMany,
}

/// Sets a hold.
///
/// # Errors
/// [`HoldError`]; then nothing has changed.
pub fn set(holds: &mut BTreeMap<String, Hold>, name: &str, hold: Hold) -> Result<(), HoldError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty() || name.len() > MAX_NAME || !name.chars().all(allowed) {
        return Err(HoldError::Name);
    }
    if hold.reason.trim().is_empty() || hold.reason.len() > MAX_REASON {
        return Err(HoldError::Reason);
    }
    if let (Some(Day(from)), Some(Day(to))) = (hold.from, hold.to)
        && to < from
    {
        return Err(HoldError::Empty { from, to });
    }
    if holds.contains_key(name) {
        return Err(HoldError::Exists(name.to_owned()));
    }
    if holds.len() >= MAX_HOLDS {
        return Err(HoldError::TooMany);
    }
    holds.insert(name.to_owned(), hold);
    Ok(())
}

/// Releases a hold.
///
/// # Errors
/// [`HoldError::Unknown`].
pub fn release(holds: &mut BTreeMap<String, Hold>, name: &str) -> Result<Hold, HoldError> {
    holds.remove(name).ok_or_else(|| HoldError::Unknown(name.chars().take(MAX_NAME).collect()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(super) mod tests {
    use super::super::day::parse_day;
    use super::*;

    pub(in super::super) fn hold(from: Option<&str>, to: Option<&str>) -> Hold {
        let day = |text: Option<&str>| text.map(|text| Day(parse_day(text).unwrap()));
        Hold { reason: "an investigation".to_owned(), from: day(from), to: day(to), set_us: 1 }
    }

    #[test]
    fn a_hold_covers_its_days_and_both_ends() {
        let day = |text| parse_day(text).unwrap();
        let closed = hold(Some("2026-01-10"), Some("2026-01-12"));
        let covered = ["2026-01-09", "2026-01-10", "2026-01-12", "2026-01-13"].map(|d| closed.covers(day(d)));
        assert_eq!(covered, [false, true, true, false]);
        assert!(hold(None, None).covers(day("1999-01-01")));
        assert!(hold(Some("2026-01-10"), None).covers(day("2126-01-10")));
        assert!(!hold(None, Some("2026-01-10")).covers(day("2026-01-11")));
    }

    #[test]
    fn what_cannot_be_a_hold_is_refused_and_none_is_replaced() {
        let mut holds = BTreeMap::new();
        assert_eq!(set(&mut holds, "case-17", hold(None, None)), Ok(()));
        let before = holds.clone();
        let long = "x".repeat(65);
        for name in ["", "a b", "../x", "\u{1b}[31m", "é", long.as_str()] {
            assert_eq!(set(&mut holds, name, hold(None, None)), Err(HoldError::Name), "{name}");
        }
        assert_eq!(
            set(&mut holds, "case-17", hold(Some("2026-01-10"), None)),
            Err(HoldError::Exists("case-17".into()))
        );
        for reason in [" ".to_owned(), "r".repeat(1025)] {
            assert_eq!(set(&mut holds, "a", Hold { reason, ..hold(None, None) }), Err(HoldError::Reason));
        }
        let empty = set(&mut holds, "a", hold(Some("2026-01-10"), Some("2026-01-09")));
        assert!(matches!(empty, Err(HoldError::Empty { .. })));
        assert_eq!(release(&mut holds, "case-18"), Err(HoldError::Unknown("case-18".into())));
        assert_eq!(holds, before);
        release(&mut holds, "case-17").unwrap();
        assert!(holds.is_empty());
    }

    #[test]
    fn a_hold_survives_its_json() {
        let before = hold(Some("2026-01-10"), None);
        let json = serde_json::to_string(&before).unwrap();
        assert_eq!(json, r#"{"reason":"an investigation","from":"2026-01-10","set_us":1}"#);
        assert_eq!(serde_json::from_str::<Hold>(&json).unwrap(), before);
        assert!(serde_json::from_str::<Hold>(r#"{"reason":"x","from":"soon","set_us":1}"#).is_err());
    }
}
