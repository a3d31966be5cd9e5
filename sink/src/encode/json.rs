//! Plain JSON: one object with every column under its name, and the raw event as text.
//! It must never carry a name or a value unescaped: both may be hostile.

use innertrail_logstore::{Layout, Value};
use innertrail_plugin::event::json::{write_json_integer, write_json_string};

use crate::record::Record;

pub(super) fn append(layout: &Layout, record: &Record, out: &mut Vec<u8>) {
    out.reserve(record.row.payload().len() * 2 + 1_024);
    out.extend_from_slice(b"{\"it_seq\":");
    write_json_integer(out, i64::try_from(record.row.seq).unwrap_or(i64::MAX));
    out.extend_from_slice(b",\"it_received\":");
    write_json_integer(out, record.row.received_us);
    out.extend_from_slice(b",\"it_seal\":");
    write_json_string(out, record.mark.as_bytes());
    for (position, value) in record.row.columns() {
        let Some(column) = layout.columns.get(usize::from(position)) else { continue };
        out.push(b',');
        write_json_string(out, column.name.as_bytes());
        out.push(b':');
        match value {
            Value::Text(text) => write_json_string(out, text.as_bytes()),
            Value::Integer(number) | Value::Timestamp(number) => write_json_integer(out, number),
        }
    }
    out.extend_from_slice(b",\"event\":");
    write_json_string(out, record.row.payload());
    out.push(b'}');
}
