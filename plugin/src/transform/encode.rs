//! Encodes classified events: as the Logstore's row, and as Vector's `native_json`.
//!
//! Both are written straight from the event's tokens, without a tree between. The raw event goes along whole in
//! either form, because it is what the Logstore seals.

use crate::classify::Event;
use crate::decode::raw_event::{Envelope, RawEvent};
use crate::decode::scan::{Token, TokenKind};
use crate::event::columns::{ALL, COLUMNS, Column, LIFTED};
use crate::event::json::{write_json_integer, write_json_string, write_json_timestamp};
use crate::event::row::RowWriter;

/// What is known of a record besides the event itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context<'a> {
    pub source: &'a str,
    pub origin: &'a str,
    pub offset: u64,
    pub redacted: u32,
    /// The envelope's JSON with its secrets masked.
    pub envelope: Option<&'a [u8]>,
}

/// Fills the columns that every row has, and begins it.
pub(super) fn begin(row: &mut RowWriter, payload: &[u8], context: &Context<'_>) {
    row.begin(payload.len());
    row.joined(Column::Origin, &[context.source.as_bytes(), b":", context.origin.as_bytes()]);
    row.integer(Column::Offset, i64::try_from(context.offset).unwrap_or(i64::MAX));
}

/// Fills an operation log's columns.
pub(super) fn fill(row: &mut RowWriter, event: &Event<'_>, context: &Context<'_>) {
    for column in &ALL[..LIFTED] {
        lifted(row, event, *column);
    }
    let nulls = nulls(&event.raw);
    if !nulls.is_empty() {
        row.text(Column::Nulls, &nulls);
    }
    derived(row, event);
    if context.redacted > 0 {
        row.integer(Column::Redacted, i64::from(context.redacted));
    }
    if event.raw.duplicate_keys > 0 {
        row.integer(Column::DuplicateKeys, i64::from(event.raw.duplicate_keys));
    }
    if let Some(envelope) = event.raw.envelope {
        around(row, envelope, context);
    }
}

/// The lifted keys that are null, joined by commas: `it_nulls`.
pub(super) fn nulls(raw: &RawEvent<'_>) -> String {
    let mut nulls = String::new();
    for column in ALL[..LIFTED].iter().filter(|column| raw.token(**column).kind == TokenKind::Null) {
        if !nulls.is_empty() {
            nulls.push(',');
        }
        nulls.push_str(COLUMNS[*column as usize].name);
    }
    nulls
}

#[inline(always)]
fn lifted(row: &mut RowWriter, event: &Event<'_>, column: Column) {
    let Token { start, end, kind } = event.raw.token(column);
    match kind {
        TokenKind::Absent | TokenKind::Null => {}
        TokenKind::Escaped => row.text(column, event.raw.value(column).unwrap_or_default()),
        _ => row.slice(column, start as usize, (end - start) as usize),
    }
}

fn derived(row: &mut RowWriter, event: &Event<'_>) {
    let Some(family) = event.family else { return };
    if let Some(time) = event.time_us {
        row.integer(Column::UnixTime, time.div_euclid(1_000_000));
        row.integer(Column::Time, time);
    }
    row.text(Column::Family, family.as_str());
    let (kind, name) = &event.actor;
    row.joined(Column::Actor, &[kind, if name.is_empty() { b"" } else { b":" }, name]);
    row.text(Column::Action, event.action.as_str());
    row.text(Column::Outcome, event.outcome.as_str());
    for (column, value) in
        [(Column::Resource, &event.resource), (Column::Reason, &event.reason), (Column::Country, &event.country)]
    {
        if let Some(value) = value {
            row.text(column, value);
        }
    }
}

fn around(row: &mut RowWriter, envelope: &Envelope, context: &Context<'_>) {
    if let Some(topic) = &envelope.topic {
        row.text(Column::Topic, topic);
    }
    if let Some(source) = &envelope.source {
        row.text(Column::Source, source);
    }
    if let Some(json) = context.envelope.and_then(|j| std::str::from_utf8(j).ok())
        && !json.is_empty()
    {
        row.text(Column::Envelope, json);
    }
}

/// Writes an operation log as `{"log":{…}}`: its columns, `timestamp`, and the raw event as text in `event`.
pub(super) fn native_json(event: &Event<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"log\":{\"event\":");
    write_json_string(out, event.raw.bytes);
    beside(event, out);
    out.extend_from_slice(b"}}");
}

/// The members that [`native_json`] writes beside the raw event, a comma in front of each.
pub(super) fn beside(event: &Event<'_>, out: &mut Vec<u8>) {
    for column in &ALL[..LIFTED] {
        let token = event.raw.token(*column);
        if token.kind != TokenKind::Absent {
            key(out, COLUMNS[*column as usize].name);
            member(out, &event.raw, token);
        }
    }
    if let Some(time) = event.time_us {
        key(out, "__time__");
        write_json_integer(out, time.div_euclid(1_000_000));
        key(out, "timestamp");
        let nanos = u32::try_from(time.rem_euclid(1_000_000)).unwrap_or(0) * 1_000;
        write_json_timestamp(out, time.div_euclid(1_000_000), nanos);
    }
    normalised(event, out);
}

fn normalised(event: &Event<'_>, out: &mut Vec<u8>) {
    let Some(family) = event.family else { return };
    text(out, "it_family", family.as_str());
    let (kind, name) = &event.actor;
    if name.is_empty() {
        text(out, "it_actor", kind);
    } else {
        text(out, "it_actor", [kind, &b":"[..], name].concat());
    }
    text(out, "it_action", event.action.as_str());
    text(out, "it_outcome", event.outcome.as_str());
    for (name, value) in
        [("it_resource", &event.resource), ("it_reason", &event.reason), ("it_country", &event.country)]
    {
        if let Some(value) = value {
            text(out, name, value);
        }
    }
}

/// A lifted value as text, the way the row has it; null stays null. A string is copied with its escapes.
fn member(out: &mut Vec<u8>, raw: &RawEvent<'_>, token: Token) {
    match token.kind {
        TokenKind::Null | TokenKind::Absent => out.extend_from_slice(b"null"),
        TokenKind::Plain | TokenKind::Escaped => {
            out.push(b'"');
            out.extend_from_slice(token.of(raw.bytes));
            out.push(b'"');
        }
        _ => write_json_string(out, token.of(raw.bytes)),
    }
}

fn key(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

fn text(out: &mut Vec<u8>, name: &str, value: impl AsRef<[u8]>) {
    key(out, name);
    write_json_string(out, value.as_ref());
}
