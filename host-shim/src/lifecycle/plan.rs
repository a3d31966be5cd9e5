//! What retention drops now: from the days that are there to whole days at the front of a store. Sans-IO.
//!
//! Must never plan to drop a day that a hold covers, a day in the middle, or anything of the journal.

use chrono::NaiveDate;
use innertrail_logstore::{SegmentRef, Store};

use super::State;

/// The stores that retention applies to. The journal tells what was dropped, so it stays.
pub const STORES: [Store; 3] = [Store::Log, Store::Quarantine, Store::Passthrough];

/// Rows of one store that are there, in sequence order: a segment, or neighbours of one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Present {
    /// The store.
    pub store: Store,
    /// UTC day of appending.
    pub day: NaiveDate,
    /// Rows.
    pub rows: u64,
    /// Sequence number after the last one.
    pub end: u64,
    /// Bytes of the file.
    pub bytes: u64,
}

impl Present {
    /// A segment.
    #[must_use]
    pub fn of(store: Store, segment: &SegmentRef) -> Self {
        Self { store, day: segment.day, rows: segment.rows, end: segment.end(), bytes: segment.bytes }
    }
}

/// Days at the front of a store that are to be dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drop {
    /// The store.
    pub store: Store,
    /// All days before this one, up to the first that is not.
    pub before: NaiveDate,
    /// The days, ascending.
    pub days: Vec<NaiveDate>,
    /// Their rows.
    pub rows: u64,
    /// Bytes of the files that hold them.
    pub bytes: u64,
    /// Sequence number of the first row that is left.
    pub first_kept: u64,
}

/// Plans. `present` is in sequence order within each store; a clock that was set back may have put an earlier day behind
/// a later one. Then what stands in front of it waits with it.
#[must_use]
pub fn plan(state: &State, now_us: i64, present: &[Present]) -> Vec<Drop> {
    let Some(first_kept_day) = state.retention.first_kept_day(now_us) else { return Vec::new() };
    STORES.into_iter().filter_map(|store| of_store(state, store, first_kept_day, present)).collect()
}

fn of_store(state: &State, store: Store, first_kept_day: NaiveDate, present: &[Present]) -> Option<Drop> {
    let here = || present.iter().filter(|p| p.store == store);
    let held = here().map(|p| p.day).filter(|day| state.holds.values().any(|hold| hold.covers(*day))).min();
    let before = held.map_or(first_kept_day, |held| held.min(first_kept_day));
    // A day whose other rows stand further back would be dropped in part: it waits, and so does what is behind it.
    let front = here().take_while(|p| p.day < before).count();
    let before = here().skip(front).map(|p| p.day).fold(before, NaiveDate::min);
    let mut drop = Drop { store, before, days: Vec::new(), rows: 0, bytes: 0, first_kept: 0 };
    for p in here().take_while(|p| p.day < before) {
        drop.days.push(p.day);
        drop.rows += p.rows;
        drop.bytes += p.bytes;
        drop.first_kept = p.end;
    }
    drop.days.sort_unstable();
    drop.days.dedup();
    (drop.rows > 0).then_some(drop)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::day::{DAY_US, parse_day};
    use super::super::hold::tests::hold;
    use super::super::retention::{FOR_EVER, Retention};
    use super::*;

    const NOW: i64 = 1_795_392_000_000_000; // 2026-11-23T00:00:00Z

    fn state(days: u32, holds: &[(Option<&str>, Option<&str>)]) -> State {
        let mut state = State::new(Retention::first(Some(days)).unwrap(), 0);
        for (number, (from, to)) in holds.iter().enumerate() {
            state.hold(&format!("h{number}"), hold(*from, *to)).unwrap();
        }
        state
    }

    /// Ten rows and a hundred bytes a day, in November 2026.
    fn present(store: Store, days: &[u32]) -> Vec<Present> {
        let day = |day: &u32| parse_day(&format!("2026-11-{day:02}")).unwrap();
        (1..).zip(days).map(|(n, d)| Present { store, day: day(d), rows: 10, end: n * 10, bytes: 100 }).collect()
    }

    fn dropped(state: &State, now: i64, days: &[u32]) -> (Vec<u32>, u64) {
        use chrono::Datelike;
        let plan = plan(state, now, &present(Store::Log, days));
        assert!(plan.len() <= 1);
        let drop = plan.into_iter().next();
        drop.map_or((Vec::new(), 0), |d| (d.days.iter().map(Datelike::day).collect(), d.first_kept))
    }

    #[test]
    fn whole_days_at_the_front_and_no_day_too_early() {
        let two = state(2, &[]);
        let days = [18, 19, 19, 20, 21, 22, 23];
        for (now, expected) in [
            (NOW - 1, (vec![18, 19], 30)),
            (NOW, (vec![18, 19, 20], 40)),
            (NOW + DAY_US - 1, (vec![18, 19, 20], 40)),
            (NOW + DAY_US, (vec![18, 19, 20, 21], 50)),
            // A clock set back drops less, one at its end nothing.
            (NOW - 4 * DAY_US, (vec![], 0)),
            (0, (vec![], 0)),
            (i64::MAX, (vec![], 0)),
            (i64::MIN, (vec![], 0)),
        ] {
            assert_eq!(dropped(&two, now, &days), expected, "{now}");
        }
        assert_eq!(dropped(&two, NOW, &[]), (vec![], 0));
        assert_eq!(dropped(&state(FOR_EVER, &[]), NOW + 10_000 * DAY_US, &days), (vec![], 0));
    }

    #[test]
    fn nothing_that_is_held_is_dropped_and_nothing_behind_it() {
        let days = [10, 11, 12, 13];
        for (holds, expected) in [
            (&[(None, None)][..], vec![]),
            (&[(Some("2026-11-12"), None)], vec![10, 11]),
            (&[(Some("2026-11-12"), Some("2026-11-12"))], vec![10, 11]),
            (&[(None, Some("2026-11-10"))], vec![]),
            (&[(None, Some("2026-11-09"))], vec![10, 11, 12, 13]),
            (&[(Some("2026-11-13"), None), (Some("2026-11-11"), Some("2026-11-11"))], vec![10]),
            (&[(Some("2026-11-14"), None)], vec![10, 11, 12, 13]),
        ] {
            assert_eq!(dropped(&state(1, holds), NOW, &days).0, expected, "{holds:?}");
        }
    }

    /// A clock set back while records came in: 20, 22, then 21. No day may go in part, and no held one at all.
    #[test]
    fn days_out_of_order_wait_for_each_other() {
        assert_eq!(dropped(&state(1, &[]), NOW, &[20, 22, 21, 23]), (vec![20], 10));
        assert_eq!(dropped(&state(1, &[]), NOW + DAY_US, &[20, 22, 21, 23]), (vec![20, 21, 22], 30));
        assert_eq!(dropped(&state(1, &[]), NOW, &[20, 23, 20, 23]), (vec![], 0));
        assert_eq!(dropped(&state(1, &[(None, Some("2026-11-19"))]), NOW, &[20, 19]), (vec![], 0));
    }

    #[test]
    fn each_store_for_itself_and_never_the_journal() {
        let mut all = Vec::new();
        for (store, days) in [
            (Store::Log, &[20, 21][..]),
            (Store::Quarantine, &[23]),
            (Store::Passthrough, &[1, 2, 3]),
            (Store::Journal, &[1, 2, 3]),
        ] {
            all.extend(present(store, days));
        }
        let plan = plan(&state(1, &[]), NOW, &all);
        let short: Vec<_> =
            plan.iter().map(|d| (d.store, d.rows, d.bytes, d.first_kept, d.before.to_string())).collect();
        let before = "2026-11-22".to_owned();
        let expected = [(Store::Log, 20, 200, 20, before.clone()), (Store::Passthrough, 30, 300, 30, before)];
        assert_eq!(short, expected);
    }
}
