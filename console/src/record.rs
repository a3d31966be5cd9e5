//! A record as the console's JSON shows it. Log text stays what it is: the pages put it into text nodes.
//! It must never leave a byte of a record out: what is no UTF-8 comes as hexadecimal digits.

use innertrail_logstore::{Layout, Store, StoredRow, Value as Cell};
use serde_json::{Map, Value, json};

/// Columns of a record by name.
pub(crate) fn columns(row: &StoredRow, layout: &Layout) -> Map<String, Value> {
    row.columns()
        .filter_map(|(at, cell)| Some((layout.columns.get(usize::from(at))?.name.clone(), shown(cell))))
        .collect()
}

/// The same of these columns alone.
pub(crate) fn some(row: &StoredRow, layout: &Layout, wanted: &[&str]) -> Map<String, Value> {
    let cell = |name: &str| row.column(u8::try_from(layout.position(name)?).ok()?);
    wanted.iter().filter_map(|name| Some(((*name).to_owned(), shown(cell(name)?)))).collect()
}

/// A row of a list.
pub(crate) fn line(row: &StoredRow, layout: &Layout, wanted: &[&str]) -> Value {
    json!({"seq": row.seq, "time_us": time_us(row, layout), "received_us": row.received_us,
        "columns": some(row, layout, wanted)})
}

/// The event's own time, or when it was received.
pub(crate) fn time_us(row: &StoredRow, layout: &Layout) -> i64 {
    let at = layout.position("it_time").and_then(|at| u8::try_from(at).ok());
    match at.and_then(|at| row.column(at)) {
        Some(Cell::Timestamp(us)) => us,
        _ => row.received_us,
    }
}

/// A journal entry: the JSON that it is, and its place.
pub(crate) fn entry(row: &StoredRow) -> Value {
    let mut entry = serde_json::from_slice(row.payload()).unwrap_or_else(|_| json!({}));
    if let Some(members) = entry.as_object_mut() {
        members.insert("journal_seq".to_owned(), row.seq.into());
    }
    entry
}

/// The raw event: `raw` when it is text, `raw_hex` otherwise.
pub(crate) fn raw(row: &StoredRow) -> (&'static str, String) {
    match std::str::from_utf8(row.payload()) {
        Ok(text) => ("raw", text.to_owned()),
        Err(_) => ("raw_hex", row.payload().iter().map(|byte| format!("{byte:02x}")).collect()),
    }
}

/// Of a store, as pages name it.
pub(crate) fn head(store: Store, row: &StoredRow, layout: &Layout) -> Value {
    let (name, text) = raw(row);
    let mut head = json!({"store": store.name(), "seq": row.seq, "time_us": time_us(row, layout),
        "received_us": row.received_us, "columns": columns(row, layout)});
    if let Some(members) = head.as_object_mut() {
        members.insert(name.to_owned(), text.into());
    }
    head
}

fn shown(cell: Cell<'_>) -> Value {
    match cell {
        Cell::Text(text) => text.into(),
        Cell::Integer(number) | Cell::Timestamp(number) => number.into(),
    }
}
