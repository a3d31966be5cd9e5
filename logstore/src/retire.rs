//! Retention: whole days at the front of a store are dropped, and the trees stay whole.
//! It must never drop a row that is in the tail, a day in the middle, or a file before the drop is signed.

use chrono::NaiveDate;

use crate::durable::Part;
use crate::store::STORES;
use crate::{Error, SegmentRef, Store, Writer, leftovers, segment};

/// What a drop took away.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Retired {
    /// Rows dropped.
    pub rows: u64,
    /// Bytes of the files that held them.
    pub bytes: u64,
    /// Segments removed.
    pub segments: u64,
    /// First sequence number that is left.
    pub first_kept: u64,
    /// The days, ascending.
    pub days: Vec<NaiveDate>,
}

impl Writer {
    /// Drops the days before `before` (UTC days of appending) at the front of a store. The new beginning is signed in a
    /// digest and durable before the first file is unlinked; a drop that is cut short is finished at the next start.
    /// Event ids of dropped rows are new again from then on.
    ///
    /// # Errors
    /// Any error poisons the writer.
    pub fn retire(&mut self, store: Store, before: NaiveDate, now_us: i64) -> Result<Retired, Error> {
        self.refuse_if_poisoned()?;
        let result = self.drop_days(store, before, now_us);
        self.poison_on_error(result)
    }

    fn drop_days(&mut self, store: Store, before: NaiveDate, now_us: i64) -> Result<Retired, Error> {
        let place = store.place();
        let mut segments = segment::list_sealed(&self.home.dir, store, self.kept[place], self.sealed_end[place])?;
        let dropped = segments.iter().position(|s| s.day >= before).unwrap_or(segments.len());
        segments.truncate(dropped);
        let Some(last) = segments.last() else {
            return Ok(Retired { first_kept: self.kept[place], ..Retired::default() });
        };
        let mut kept: [u64; STORES] = self.kept;
        kept[place] = last.end();
        self.rotate(now_us, kept)?;
        leftovers::remove_segments(&self.home, Part::Retired, store, &segments)?;
        Ok(retired(&segments, kept[place]))
    }
}

fn retired(segments: &[SegmentRef], first_kept: u64) -> Retired {
    let mut days: Vec<NaiveDate> = segments.iter().map(|s| s.day).collect();
    days.sort_unstable();
    days.dedup();
    let rows = segments.iter().map(|s| s.rows).sum();
    let bytes = segments.iter().map(|s| s.bytes).sum();
    Retired { rows, bytes, segments: segments.len() as u64, first_kept, days }
}
