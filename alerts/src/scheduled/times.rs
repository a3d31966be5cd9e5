//! When a rule is due: every so often, counted from 1970, or at fixed times of the UTC day.
//! It must never depend on when a program was started, or a restart would move it.

/// Seconds of a day.
const DAY: i64 = 86_400;

/// A schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Schedule {
    /// Seconds between two runs.
    Every(u32),
    /// Seconds of the UTC day, ascending.
    At(Vec<u32>),
}

impl Schedule {
    /// The last moment at or before `now` (seconds since 1970) at which it was due.
    #[must_use]
    pub fn due(&self, now: i64) -> i64 {
        match self {
            Self::Every(seconds) => {
                let every = i64::from(*seconds).max(1);
                now.div_euclid(every) * every
            }
            Self::At(times) => {
                let day = now.div_euclid(DAY) * DAY;
                let last = |of: i64| times.iter().rev().map(|time| of + i64::from(*time)).find(|at| *at <= now);
                last(day).or_else(|| last(day - DAY)).unwrap_or(day)
            }
        }
    }

    /// The first moment after `now` at which it is due.
    #[must_use]
    pub fn next(&self, now: i64) -> i64 {
        match self {
            Self::Every(seconds) => self.due(now).saturating_add(i64::from(*seconds).max(1)),
            Self::At(times) => {
                let day = now.div_euclid(DAY) * DAY;
                let first = |of: i64| times.iter().map(|time| of + i64::from(*time)).find(|at| *at > now);
                first(day).or_else(|| first(day + DAY)).unwrap_or(day + DAY)
            }
        }
    }

    /// As people read it.
    #[must_use]
    pub fn told(&self) -> String {
        match self {
            Self::Every(seconds) => format!("every {}", crate::correlation::Span(*seconds)),
            Self::At(times) => {
                let time = |t: &u32| format!("{:02}:{:02}", t / 3600, t % 3600 / 60);
                format!("at {} UTC", times.iter().map(time).collect::<Vec<_>>().join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_due_at_the_same_moments_whenever_somebody_asks() {
        let every = Schedule::Every(300);
        assert_eq!((every.due(1_000), every.next(1_000)), (900, 1_200));
        assert_eq!((every.due(900), every.next(900)), (900, 1_200));
        let at = Schedule::At(vec![8 * 3600, 20 * 3600 + 1800]);
        let day = 20_000 * DAY;
        assert_eq!((at.due(day + 8 * 3600), at.next(day + 8 * 3600)), (day + 8 * 3600, day + 20 * 3600 + 1800));
        assert_eq!((at.due(day), at.next(day)), (day - DAY + 20 * 3600 + 1800, day + 8 * 3600));
        assert_eq!(at.next(day + 23 * 3600), day + DAY + 8 * 3600);
        assert_eq!((every.told(), at.told()), ("every 5m".to_owned(), "at 08:00, 20:30 UTC".to_owned()));
    }
}
