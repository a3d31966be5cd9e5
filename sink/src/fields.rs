//! A record as names and values, for the protocols that have maps: its number, when it was appended, its columns under
//! the vendor's names, its seal mark.
//! It must never leave the mark out, or take an event that is no UTF-8 for text.

use innertrail_logstore::{Layout, Value};

use crate::record::Record;

/// A value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field<'a> {
    Text(&'a str),
    /// Also moments, as microseconds since 1970 UTC.
    Integer(i64),
}

/// Every name and value that the record has, without the event itself. `it_nulls` tells null from absent.
pub(crate) fn each<'a>(layout: &'a Layout, record: &'a Record, mut visit: impl FnMut(&'a str, Field<'a>)) {
    visit("it_seq", Field::Integer(i64::try_from(record.row.seq).unwrap_or(i64::MAX)));
    visit("it_received", Field::Integer(record.row.received_us));
    for (position, value) in record.row.columns() {
        let Some(column) = layout.columns.get(usize::from(position)) else { continue };
        let field = match value {
            Value::Text(text) => Field::Text(text),
            Value::Integer(number) | Value::Timestamp(number) => Field::Integer(number),
        };
        visit(&column.name, field);
    }
    visit("it_seal", Field::Text(&record.mark));
}

/// The event's raw bytes, as text where they are.
pub(crate) fn event(record: &Record) -> Result<&str, &[u8]> {
    std::str::from_utf8(record.row.payload()).map_err(|_| record.row.payload())
}

/// When the event happened, microseconds since 1970 UTC.
pub(crate) fn time_us(layout: &Layout, record: &Record) -> Option<i64> {
    match record.value(layout, "it_time")? {
        Value::Timestamp(us) | Value::Integer(us) => Some(us),
        Value::Text(_) => None,
    }
}

/// The account whose log the record is: as the route room decides it, without its configuration.
pub(crate) fn account<'a>(layout: &Layout, record: &'a Record) -> Option<&'a str> {
    let filled = |name| record.text(layout, name).filter(|text| !text.is_empty());
    filled("recipientAccountId").or_else(|| filled("userIdentity.accountId")).or_else(|| filled("ResourceOwnerID"))
}

/// Whether somebody should look at it: it failed, or the vendor tells the customer about it.
pub(crate) fn is_notable(layout: &Layout, record: &Record) -> bool {
    record.text(layout, "it_outcome") == Some("failure") || record.text(layout, "EventLevel") == Some("WARNING")
}
