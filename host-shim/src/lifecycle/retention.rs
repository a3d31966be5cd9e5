//! How long records are kept: the number of days, how it may change, and when a change takes effect.
//!
//! Must never read the clock, never shorten without being forced to, and never let a shorter time take effect at once:
//! Log Service begins to delete about an hour after a time-to-live was shortened, and there is no way back.

use chrono::{Days, NaiveDate};
use serde::{Deserialize, Serialize};

use super::day::{HOUR_US, day_of};

/// What `enable` sets when nothing else is asked for: the vendor's own default, and China's six months without slack.
pub const DEFAULT_DAYS: u32 = 180;
/// The fewest days.
pub const MIN_DAYS: u32 = 1;
/// The most days; as in Log Service this means for ever.
pub const FOR_EVER: u32 = 3650;
/// Hours between a shortening and its effect, unless others are asked for.
pub const DEFAULT_GRACE_HOURS: u32 = 24;
/// The most hours of grace: a year.
pub const MAX_GRACE_HOURS: u32 = 8760;

/// A retention that a rule asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Profile {
    /// 184 days: six calendar months, however long they are
    SixMonths,
    /// 365 days, as PCI DSS 10.5.1 asks for twelve months
    Pci,
}

impl Profile {
    /// Its days.
    #[must_use]
    pub fn days(self) -> u32 {
        match self {
            Self::SixMonths => 184,
            Self::Pci => 365,
        }
    }
}

/// A shorter retention that waits for its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shortening {
    /// Days from then on.
    pub days: u32,
    /// When it was asked for, microseconds UTC.
    pub asked_us: i64,
    /// When it takes effect, microseconds UTC.
    pub effective_us: i64,
}

/// How long records are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    /// Days in effect, [`MIN_DAYS`] to [`FOR_EVER`].
    pub days: u32,
    /// Whether a user chose them. `enable` shortens nothing that one did.
    pub by_user: bool,
    /// A shortening that is not in effect yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<Shortening>,
}

/// What became of the wish for another retention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is what it was.
    Same,
    /// It is what it was, and longer than the default that would have been set.
    Kept,
    /// A shortening that was under way is called off.
    Cancelled {
        /// The days it would have had.
        days: u32,
    },
    /// Longer, from now on.
    Longer {
        /// Days before.
        old: u32,
    },
    /// Shorter, from this time on.
    Shorter {
        /// What waits for its time.
        to: Shortening,
    },
}

/// Why a retention is not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RetentionError {
    /// Fewer days than now.
    #[error(
        "records are kept for {old} days; {new} would shorten that and delete what is older, for good. Nothing was changed; \
         add --force-retention if that is meant"
    )]
    Shortens {
        /// Days now.
        old: u32,
        /// Days that were asked for.
        new: u32,
    },
    /// Not a number of days.
    #[error("{0} days cannot be kept; give {MIN_DAYS} to {FOR_EVER}, where {FOR_EVER} means for ever")]
    OutOfBounds(u32),
}

/// A wish for another retention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wish {
    /// The days.
    pub days: u32,
    /// Hours before a shortening takes effect; at least one.
    pub grace_hours: u32,
    /// Whether shortening is meant.
    pub forced: bool,
}

impl Wish {
    /// These days, with the usual grace, shortening nothing.
    #[must_use]
    pub fn of(days: u32) -> Self {
        Self { days, grace_hours: DEFAULT_GRACE_HOURS, forced: false }
    }
}

impl Retention {
    /// The retention of a Logstore that is enabled for the first time. `None`: the default.
    ///
    /// # Errors
    /// [`RetentionError::OutOfBounds`].
    pub fn first(days: Option<u32>) -> Result<Self, RetentionError> {
        let retention = Self { days: days.unwrap_or(DEFAULT_DAYS), by_user: days.is_some(), pending: None };
        check(retention.days).map(|()| retention)
    }

    /// Sets it because a user asks for it. Longer counts at once, shorter after the grace.
    ///
    /// # Errors
    /// [`RetentionError`]; then nothing has changed.
    pub fn set(&mut self, wish: Wish, now_us: i64) -> Result<Change, RetentionError> {
        check(wish.days)?;
        if wish.days < self.days {
            if !wish.forced {
                return Err(RetentionError::Shortens { old: self.days, new: wish.days });
            }
            let grace_us = i64::from(wish.grace_hours.clamp(1, MAX_GRACE_HOURS)) * HOUR_US;
            let effective_us = now_us.saturating_add(grace_us);
            let to = Shortening { days: wish.days, asked_us: now_us, effective_us };
            self.pending = Some(to);
            return Ok(Change::Shorter { to });
        }
        self.by_user = true;
        let (old, cancelled) = (std::mem::replace(&mut self.days, wish.days), self.pending.take());
        Ok(match cancelled {
            _ if old < wish.days => Change::Longer { old },
            Some(pending) => Change::Cancelled { days: pending.days },
            None => Change::Same,
        })
    }

    /// Sets the default because the Logstore is enabled again, unless that would shorten what is kept now. A shortening
    /// that a user asked for goes on, unless the retention grows.
    pub fn reset(&mut self) -> Change {
        let old = self.days;
        if old > DEFAULT_DAYS {
            return Change::Kept;
        }
        if old == DEFAULT_DAYS {
            return Change::Same;
        }
        *self = Self { days: DEFAULT_DAYS, by_user: false, pending: None };
        Change::Longer { old }
    }

    /// Lets a shortening take effect whose time has come; gives the days before.
    pub fn settle(&mut self, now_us: i64) -> Option<u32> {
        let due = self.pending.take_if(|pending| pending.effective_us <= now_us)?;
        self.by_user = true;
        Some(std::mem::replace(&mut self.days, due.days))
    }

    /// The first day that is kept. A day before it is over for longer than the retention: its newest possible record,
    /// made a moment before midnight, is too old. `None`: everything is kept.
    #[must_use]
    pub fn first_kept_day(&self, now_us: i64) -> Option<NaiveDate> {
        if self.days >= FOR_EVER {
            return None;
        }
        day_of(now_us)?.checked_sub_days(Days::new(u64::from(self.days)))
    }

    /// For people: `180 days`.
    #[must_use]
    pub fn told(&self) -> String {
        days_told(self.days)
    }
}

/// For people: `180 days`, `1 day`, `for ever`.
#[must_use]
pub fn days_told(days: u32) -> String {
    match days {
        1 => "1 day".to_owned(),
        FOR_EVER => format!("for ever ({FOR_EVER} days)"),
        _ => format!("{days} days"),
    }
}

fn check(days: u32) -> Result<(), RetentionError> {
    if (MIN_DAYS..=FOR_EVER).contains(&days) { Ok(()) } else { Err(RetentionError::OutOfBounds(days)) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::day::DAY_US;
    use super::*;

    const NOW: i64 = 1_795_392_000_000_000; // 2026-11-23T00:00:00Z

    fn kept(days: u32, by_user: bool) -> Retention {
        Retention { days, by_user, pending: None }
    }

    fn pending(days: u32, effective_us: i64) -> Shortening {
        Shortening { days, asked_us: NOW, effective_us }
    }

    /// Enabling Alibaba's own service sets 180 days whatever was there, and an hour later the tail of a Logstore that
    /// was kept for ten years is gone. Here no line of this table shortens anything without force.
    #[test]
    fn enabling_again_shortens_nothing() {
        let after = |retention: Retention| (retention.days, retention.by_user);
        for (before, change, now) in [
            (kept(180, false), Change::Same, (180, false)),
            (kept(180, true), Change::Same, (180, true)),
            (kept(365, true), Change::Kept, (365, true)),
            (kept(3650, true), Change::Kept, (3650, true)),
            (kept(181, false), Change::Kept, (181, false)),
            (kept(30, true), Change::Longer { old: 30 }, (180, false)),
            (kept(30, false), Change::Longer { old: 30 }, (180, false)),
        ] {
            let mut retention = before.clone();
            assert_eq!((retention.reset(), after(retention)), (change, now), "{before:?}");
        }
    }

    #[test]
    fn what_a_user_asks_for() {
        let force = |days| Wish { forced: true, ..Wish::of(days) };
        let day = NOW + DAY_US;
        let table: &[(u32, Wish, Result<Change, RetentionError>, u32)] = &[
            (180, Wish::of(180), Ok(Change::Same), 180),
            (180, Wish::of(365), Ok(Change::Longer { old: 180 }), 365),
            (180, force(365), Ok(Change::Longer { old: 180 }), 365),
            (180, Wish::of(3650), Ok(Change::Longer { old: 180 }), 3650),
            (180, Wish::of(90), Err(RetentionError::Shortens { old: 180, new: 90 }), 180),
            (3650, Wish::of(3649), Err(RetentionError::Shortens { old: 3650, new: 3649 }), 3650),
            (180, force(90), Ok(Change::Shorter { to: pending(90, day) }), 180),
            (180, force(0), Err(RetentionError::OutOfBounds(0)), 180),
            (180, Wish::of(3651), Err(RetentionError::OutOfBounds(3651)), 180),
        ];
        for (before, wish, expected, days) in table {
            let mut retention = kept(*before, false);
            assert_eq!((retention.set(*wish, NOW), retention.days), (*expected, *days), "{before} {wish:?}");
        }
    }

    #[test]
    fn a_shortening_waits_for_its_time_and_can_be_called_off() {
        let wish = Wish { days: 90, grace_hours: 2, forced: true };
        let mut retention = kept(180, true);
        retention.set(wish, NOW).unwrap();
        assert_eq!(retention.settle(NOW + 2 * HOUR_US - 1), None);
        let mut later = retention.clone();
        assert_eq!(later.settle(NOW + 2 * HOUR_US), Some(180));
        assert_eq!((later.days, later.pending, later.by_user), (90, None, true));
        assert_eq!(later.settle(i64::MAX), None);
        assert_eq!(retention.set(Wish::of(180), NOW), Ok(Change::Cancelled { days: 90 }));
        assert_eq!(retention, kept(180, true));
        // A second one starts its own grace; a longer one wins over it.
        retention.set(wish, NOW).unwrap();
        retention.set(Wish { days: 60, ..wish }, NOW + HOUR_US).unwrap();
        assert_eq!(retention.settle(NOW + 2 * HOUR_US), None);
        assert_eq!(retention.set(Wish::of(200), NOW), Ok(Change::Longer { old: 180 }));
        assert_eq!(retention.settle(i64::MAX), None);
        // No grace is not to be had.
        retention.set(Wish { grace_hours: 0, ..wish }, NOW).unwrap();
        assert_eq!(retention.pending.unwrap().effective_us, NOW + HOUR_US);
    }

    /// A clock that is set back makes a shortening wait longer, never shorter.
    #[test]
    fn a_clock_set_back_drops_nothing_earlier() {
        let mut retention = kept(180, true);
        retention.set(Wish { forced: true, ..Wish::of(1) }, NOW).unwrap();
        assert_eq!(retention.settle(NOW - 400 * DAY_US), None);
        assert!(retention.first_kept_day(NOW - 400 * DAY_US) < retention.first_kept_day(NOW));
    }

    #[test]
    fn a_day_is_kept_until_its_last_moment_is_too_old() {
        let first = |days, now| kept(days, true).first_kept_day(now).map(|day| day.to_string());
        // At midnight that begins the 23rd, the 22nd has just ended: its last record is a moment old.
        assert_eq!(first(1, NOW).unwrap(), "2026-11-22");
        assert_eq!(first(1, NOW - 1).unwrap(), "2026-11-21");
        assert_eq!(first(1, NOW + DAY_US - 1).unwrap(), "2026-11-22");
        assert_eq!(first(180, NOW).unwrap(), "2026-05-27");
        assert_eq!(first(3649, NOW).unwrap(), "2016-11-26");
        assert_eq!(first(3650, NOW), None);
        assert_eq!(first(180, i64::MAX), None);
    }
}
