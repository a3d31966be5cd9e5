//! Vector's `native_json`, as the component writes a record, with its number and seal mark.
//! It must never differ from what `innertrail tail --format native_json` prints but in the escapes of a string.

use innertrail_plugin::event::json::{write_json_integer, write_json_string, write_json_timestamp};

use super::members::{Members, Of};
use crate::record::Record;

pub(super) fn append(members: &Members, record: &Record, out: &mut Vec<u8>) {
    out.reserve(record.row.payload().len() * 2 + 1_024);
    out.extend_from_slice(b"{\"log\":{");
    let mut first = true;
    members.each(record, |name, value| {
        if !std::mem::take(&mut first) {
            out.push(b',');
        }
        // The names are this software's own and need no escape.
        out.push(b'"');
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":");
        match value {
            Of::Text(text) => write_json_string(out, text),
            Of::Integer(number) => write_json_integer(out, number),
            Of::Moment(us) => {
                let nanos = u32::try_from(us.rem_euclid(1_000_000)).unwrap_or(0) * 1_000;
                write_json_timestamp(out, us.div_euclid(1_000_000), nanos);
            }
            Of::Null => out.extend_from_slice(b"null"),
        }
    });
    out.extend_from_slice(b"}}");
}
