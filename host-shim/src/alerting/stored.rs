//! A stored row as rules see it: the rules' columns found in the Logstore's layout by name.

use innertrail_alerts::{Cell, Columns, Record, Store};
use innertrail_logstore::consumer::TailRow;
use innertrail_logstore::{Layout, StoredRow, Value};
use innertrail_plugin::event::columns::{ALL, COLUMNS, Column};

/// Where the columns stand in a layout, by their numbers.
pub(crate) struct Places(Vec<Option<u8>>);

impl Places {
    pub(crate) fn new(layout: &Layout) -> Self {
        let place = |column: &Column| {
            let name = COLUMNS[*column as usize].name;
            layout.position(name).and_then(|place| u8::try_from(place).ok())
        };
        Self(ALL.iter().map(place).collect())
    }
}

impl Places {
    fn of(&self, column: Column) -> Option<u8> {
        self.0.get(column as usize).copied().flatten()
    }
}

/// A row with its columns.
pub(crate) struct Row<'a> {
    pub(crate) places: &'a Places,
    pub(crate) row: &'a StoredRow,
}

impl Row<'_> {
    pub(crate) fn record(&self, store: Store) -> Record<'_> {
        Record::new(store, self, self.row.payload())
    }
}

impl Columns for Row<'_> {
    fn cell(&self, column: Column) -> Option<Cell<'_>> {
        self.places.of(column).and_then(|place| self.row.column(place)).map(cell)
    }
}

/// A row of the tail with its columns.
pub(crate) struct InPlace<'a> {
    pub(crate) places: &'a Places,
    pub(crate) row: &'a TailRow<'a>,
}

impl InPlace<'_> {
    pub(crate) fn record(&self, store: Store) -> Record<'_> {
        Record::new(store, self, self.row.payload())
    }
}

impl Columns for InPlace<'_> {
    fn cell(&self, column: Column) -> Option<Cell<'_>> {
        self.places.of(column).and_then(|place| self.row.column(place)).map(cell)
    }
}

fn cell(value: Value<'_>) -> Cell<'_> {
    match value {
        Value::Text(text) => Cell::Text(text),
        Value::Integer(number) | Value::Timestamp(number) => Cell::Number(number),
    }
}
