//! When rows happened: the event's own time, and where an event has none, when it was received.
//! It must never give another time to a row in a segment than to the same row in the tail.

use std::ops::Range;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{Schema as ArrowSchema, TimestampMicrosecondType};
use datafusion::common::{Column, ScalarValue};
use datafusion::logical_expr::Expr;
use datafusion::parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use datafusion::parquet::file::statistics::Statistics;
use innertrail_logstore::RECEIVED;

/// The event's time.
pub(super) const TIME: &str = "it_time";

/// A range of time, microseconds UTC, without its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeRange {
    /// The first moment in it.
    pub from_us: i64,
    /// The first moment after it.
    pub to_us: i64,
}

impl TimeRange {
    /// All time.
    pub const ALL: Self = Self { from_us: i64::MIN, to_us: i64::MAX };

    pub(super) fn holds(self, time: i64) -> bool {
        self.from_us <= time && (time < self.to_us || self.to_us == i64::MAX)
    }

    pub(super) fn holds_all(self, ends: Ends) -> bool {
        self.holds(ends.least) && self.holds(ends.most)
    }

    pub(super) fn meets(self, ends: Ends) -> bool {
        ends.most >= self.from_us && (ends.least < self.to_us || self.to_us == i64::MAX)
    }

    /// Whether all rows are in it, whatever their time.
    pub(super) fn is_all(self) -> bool {
        self == Self::ALL
    }

    /// The same as a condition, in a form that the statistics of segments can decide.
    pub(super) fn condition(self, schema: &ArrowSchema) -> Option<Expr> {
        if self.is_all() {
            return None;
        }
        let column = |name: &str| Expr::Column(Column::new_unqualified(name));
        let at = |us: i64| Expr::Literal(ScalarValue::TimestampMicrosecond(Some(us), Some("UTC".into())), None);
        let within = |name: &str| {
            let from = column(name).gt_eq(at(self.from_us));
            if self.to_us == i64::MAX { from } else { from.and(column(name).lt(at(self.to_us))) }
        };
        if schema.field_with_name(TIME).is_err() {
            return Some(within(RECEIVED));
        }
        Some(within(TIME).or(column(TIME).is_null().and(within(RECEIVED))))
    }
}

/// The least and the most time of some rows, or less and more than that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ends {
    pub(super) least: i64,
    pub(super) most: i64,
}

impl Ends {
    const UNKNOWN: Self = Self { least: i64::MIN, most: i64::MAX };

    /// Of at least one time.
    pub(super) fn of(times: impl Iterator<Item = i64>) -> Option<Self> {
        times.map(|t| Self { least: t, most: t }).reduce(Self::and)
    }

    fn and(self, other: Self) -> Self {
        Self { least: self.least.min(other.least), most: self.most.max(other.most) }
    }
}

/// The times of a batch's rows, given its column of times, if it has one, and that of receiving.
pub(super) fn of_columns(time: Option<&ArrayRef>, received: Option<&ArrayRef>) -> Option<Vec<i64>> {
    let of = |array: &ArrayRef| array.as_primitive_opt::<TimestampMicrosecondType>().cloned();
    let received = received.and_then(of);
    match time {
        None => Some(received?.values().to_vec()),
        Some(time) => {
            let time = of(time)?;
            if time.null_count() == 0 {
                return Some(time.values().to_vec());
            }
            let received = received?;
            Some((0..time.len()).map(|i| if time.is_null(i) { received.value(i) } else { time.value(i) }).collect())
        }
    }
}

/// A row group: where it is in its segment, and its times as far as the footer tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) number: usize,
    /// Rows of the segment.
    pub(super) rows: Range<u64>,
    pub(super) ends: Ends,
    /// Whether every row has a time of its own.
    pub(super) timed: bool,
}

/// The row groups of a segment.
pub(super) fn groups(footer: &ParquetMetaData) -> Vec<Group> {
    let leaves = footer.file_metadata().schema_descr();
    let leaf = |name: &str| leaves.columns().iter().position(|c| c.path().parts() == [name]);
    let (time, received) = (leaf(TIME), leaf(RECEIVED));
    let mut end = 0;
    let group = |(number, group): (usize, &RowGroupMetaData)| {
        let rows = u64::try_from(group.num_rows()).unwrap_or(0);
        let start = end;
        end += rows;
        let of = |leaf: Option<usize>| leaf.and_then(|leaf| written(group.column(leaf).statistics()));
        let received = of(received).and_then(|(ends, _)| ends).unwrap_or(Ends::UNKNOWN);
        let (ends, timed) = match of(time) {
            Some((Some(ends), 0)) => (ends, true),
            Some((Some(ends), _)) => (ends.and(received), false),
            // No value at all, or no such column when the segment was written.
            Some((None, nulls)) if nulls == rows => (received, false),
            None if time.is_none() => (received, false),
            _ => (Ends::UNKNOWN, false),
        };
        Group { number, rows: start..end, ends, timed }
    };
    footer.row_groups().iter().enumerate().map(group).collect()
}

/// Ends and number of nulls; `None` when either is not known.
fn written(statistics: Option<&Statistics>) -> Option<(Option<Ends>, u64)> {
    let Some(Statistics::Int64(of)) = statistics else { return None };
    let ends = of.min_opt().zip(of.max_opt()).map(|(least, most)| Ends { least: *least, most: *most });
    Some((ends, of.null_count_opt()?))
}
