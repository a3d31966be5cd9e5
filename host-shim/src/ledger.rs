//! What objects promised and what was read of them, by source and day: counters in the transaction that holds the records.
//!
//! It must never know the form of an object's name: the component read the promise; here is only the day of the folder.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use innertrail_logstore::{State, Transaction};
use serde::Serialize;

use crate::runtime::wit::source::ObjectCheck;

/// Prefix of the counters: `day.<source>.<YYYY-MM-DD>.<what>`.
const DAY: &str = "day.";

/// Counts of one day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Promised {
    /// Objects that were read to their end and whose name promised something.
    pub objects: u64,
    /// Events that the names promised.
    pub promised: u64,
    /// Events that were found.
    pub found: u64,
    /// Promised and not found, summed over the objects; an object with more than promised does not make up for another.
    pub missing: u64,
    /// Objects whose count, size or MD5 is not as promised.
    pub broken: u64,
}

/// The day of a path: the last three folders in a row that are a year, a month and a day.
#[must_use]
pub fn day_of(path: &str) -> Option<NaiveDate> {
    let parts: Vec<&str> = path.split('/').collect();
    parts.windows(3).rev().find_map(|three| {
        let [year, month, day] = three else { return None };
        let digits = |text: &str, len| text.len() == len && text.bytes().all(|b| b.is_ascii_digit());
        let fits = digits(year, 4) && digits(month, 2) && digits(day, 2);
        fits.then(|| NaiveDate::from_ymd_opt(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?)).flatten()
    })
}

/// Enters an object that was read.
pub fn enter(txn: &mut Transaction, source: &str, check: &ObjectCheck) {
    let Some(day) = day_of(&check.path) else { return };
    let (promised, found) = check.count;
    let kept = promised == found && check.size_ok && check.md5_ok;
    let missing = promised.saturating_sub(found);
    let counts =
        [("objects", 1), ("promised", promised), ("found", found), ("missing", missing), ("broken", u64::from(!kept))];
    for (what, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
        txn.count(&format!("{DAY}{source}.{day}.{what}"), count);
    }
}

/// Everything that was entered, by source and day.
#[must_use]
pub fn read(state: &State) -> BTreeMap<(String, NaiveDate), Promised> {
    let mut days: BTreeMap<(String, NaiveDate), Promised> = BTreeMap::new();
    for (name, count) in &state.counters {
        let parts = name.strip_prefix(DAY).and_then(|rest| {
            let (rest, what) = rest.rsplit_once('.')?;
            let (source, day) = rest.rsplit_once('.')?;
            Some((source, day.parse().ok()?, what))
        });
        let Some((source, day, what)) = parts else { continue };
        let entry = days.entry((source.to_owned(), day)).or_default();
        match what {
            "objects" => entry.objects = *count,
            "promised" => entry.promised = *count,
            "found" => entry.found = *count,
            "missing" => entry.missing = *count,
            "broken" => entry.broken = *count,
            _ => {}
        }
    }
    days
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_day_is_the_folders() {
        let day = |path: &str| day_of(path).map(|day| day.to_string());
        let name = "oss:b/p/AliyunLogs/Actiontrail/cn-hangzhou/2026/11/23/Actiontrail_cn-hangzhou_20261122235959_1002_4_1_0.gz";
        assert_eq!(day(name).as_deref(), Some("2026-11-23"));
        assert_eq!(day("/backup/2025/01/01/x/2026/02/28/a.gz").as_deref(), Some("2026-02-28"));
        for none in ["", "a.gz", "2026/13/01/a", "2026/1/1/a", "2026/02/30/a", "26/02/03/a"] {
            assert_eq!(day(none), None, "{none}");
        }
    }
}
