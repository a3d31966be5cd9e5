//! Epochs: runs of sequence numbers that were appended on one UTC day. Retention drops whole ones, so what it dropped
//! is known by a number of two bytes at each id. It must never call an id dropped whose record is there.

use chrono::NaiveDate;

/// One run of sequence numbers of one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Epoch {
    /// The UTC day of appending.
    pub(super) day: NaiveDate,
    /// Its first sequence number; it ends where the next one begins.
    pub(super) first_seq: u64,
    /// Ids that entered in it.
    pub(super) ids: u64,
}

/// The epochs that are not dropped, without a gap in their numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Epochs {
    /// Number of the first one.
    pub(super) first: u16,
    pub(super) list: Vec<Epoch>,
}

impl Epochs {
    /// The number of the epoch for a record with this sequence number and day; a new day begins a new one.
    ///
    /// When the numbers are used up, after 65,535 changes of day, the last epoch takes all that comes.
    pub(super) fn enter(&mut self, day: NaiveDate, seq: u64) -> u16 {
        let same = self.list.last().is_some_and(|epoch| epoch.day == day);
        if !same && (self.list.is_empty() || !self.worn_out()) {
            self.list.push(Epoch { day, first_seq: seq, ids: 0 });
        }
        self.last()
    }

    /// The number of the newest one.
    pub(super) fn last(&self) -> u16 {
        let after = u16::try_from(self.list.len().saturating_sub(1)).unwrap_or(u16::MAX);
        self.first.saturating_add(after)
    }

    /// Counts an id that entered in the newest epoch.
    pub(super) fn count(&mut self) {
        if let Some(epoch) = self.list.last_mut() {
            epoch.ids += 1;
        }
    }

    /// Whether there is no number left: an index made again begins at 0.
    pub(super) fn worn_out(&self) -> bool {
        self.last() == u16::MAX
    }

    /// Whether the records of an epoch are still there.
    pub(super) fn is_live(&self, epoch: u16) -> bool {
        epoch >= self.first && !self.list.is_empty()
    }

    /// Ids whose records are there.
    pub(super) fn ids(&self) -> u64 {
        self.list.iter().map(|epoch| epoch.ids).sum()
    }

    /// Leaves out what ends at or before `kept`; `end` is where the newest one ends so far. `false` when `kept` is
    /// inside of an epoch: then it is not known which of its ids are dropped; or when there is no number left.
    #[must_use]
    pub(super) fn retire(&mut self, kept: u64, end: u64) -> bool {
        let ends = self.list.iter().skip(1).map(|epoch| epoch.first_seq).chain([end]);
        let gone = ends.take_while(|end| *end <= kept).count().min(self.list.len());
        let next = usize::from(self.first) + gone;
        // Numbers are never used again, not even when all epochs are gone.
        let Ok(next) = u16::try_from(next) else { return false };
        self.first = next;
        self.list.drain(..gone);
        self.list.first().is_none_or(|first| first.first_seq >= kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(n: i32) -> NaiveDate {
        NaiveDate::from_num_days_from_ce_opt(740_000 + n).unwrap_or_default()
    }

    #[test]
    fn a_change_of_day_begins_an_epoch_and_a_drop_ends_it() {
        let mut epochs = Epochs::default();
        assert!(!epochs.is_live(0));
        // The clock is set back once: another epoch, because what is dropped is a range of sequence numbers.
        let numbers: Vec<u16> = [(0, 0), (0, 5), (1, 10), (0, 20), (2, 30)]
            .map(|(d, seq)| {
                let number = epochs.enter(day(d), seq);
                epochs.count();
                number
            })
            .into();
        assert_eq!(numbers, [0, 0, 1, 2, 3]);
        assert_eq!(epochs.ids(), 5);
        assert!(epochs.retire(0, 40) && epochs.first == 0);
        assert!(epochs.retire(20, 40));
        assert_eq!((epochs.first, epochs.ids()), (2, 2));
        assert!(!epochs.is_live(1) && epochs.is_live(2) && epochs.is_live(3));
        assert!(!epochs.clone().retire(25, 40), "in the middle of an epoch");
        assert!(epochs.retire(40, 40));
        assert!(!epochs.is_live(3) && !epochs.is_live(4));
        assert_eq!(epochs.enter(day(2), 40), 4, "a number is not used twice");
    }

    #[test]
    fn after_the_last_number_the_last_epoch_takes_all() {
        let mut epochs = Epochs { first: u16::MAX - 1, list: Vec::new() };
        assert_eq!(epochs.enter(day(0), 0), u16::MAX - 1);
        assert!(!epochs.worn_out());
        assert_eq!(epochs.enter(day(1), 1), u16::MAX);
        assert_eq!(epochs.enter(day(2), 2), u16::MAX);
        assert!(epochs.worn_out() && epochs.is_live(u16::MAX));
        assert!(!epochs.clone().retire(2, 3), "what was dropped of the last epoch is not known");
        assert!(!epochs.retire(3, 3), "there is no number for what comes next");
    }
}
