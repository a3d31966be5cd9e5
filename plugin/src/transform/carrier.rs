//! Takes the agents' encodings apart: which bytes of a frame are an event's JSON, and which bytes to hand back
//! unchanged.
//!
//! It must never turn a frame that it cannot read into anything but [`Carried::Unreadable`].

use crate::decode::scan::{Problem, Scanner, Token, Unwatched};
use crate::event::native::{self, Frame as NativeFrame};
use crate::event::{LogEvent, NestingLimit, json, native_json};

use super::batch::Codec;
use super::walk;

/// What a frame of an agent's encoding holds.
pub(super) enum Carried<'a> {
    /// Events: the JSON object to look at, and the bytes to hand back.
    Events(Vec<(JsonBytes<'a>, JsonBytes<'a>)>),
    /// Metrics or traces: never an operation log.
    NotLogs,
    /// The frame cannot be read.
    Unreadable(String),
}

/// Borrowed from the frame where that is possible.
pub(super) type JsonBytes<'a> = std::borrow::Cow<'a, [u8]>;

/// Takes a frame apart.
pub(super) fn open<'a>(codec: Codec, frame: &'a [u8], max_depth: usize) -> Carried<'a> {
    match codec {
        Codec::NativeJson => from_native_json(frame, max_depth),
        Codec::Native => from_native(frame),
        // Plain JSON needs no taking apart; the decode room opens it.
        Codec::Json | Codec::ActionTrail => Carried::Events(vec![(frame.into(), frame.into())]),
    }
}

fn from_native_json(frame: &[u8], max_depth: usize) -> Carried<'_> {
    match native_json::split(frame) {
        Err(error) => Carried::Unreadable(error.to_string()),
        Ok(elements) => Carried::Events(
            elements
                .into_iter()
                .map(|element| {
                    let log = log_of(element, max_depth).map(|token| token.of(element)).unwrap_or(b"{}");
                    (log.into(), element.into())
                })
                .collect(),
        ),
    }
}

/// The object under `log`, where that is the element's one key.
fn log_of(element: &[u8], max_depth: usize) -> Option<Token> {
    let mut scanner = Scanner::new(element, 0, max_depth);
    scanner.expect(b'{', Problem::Value).ok()?;
    let key = scanner.key().ok()?;
    let value = scanner.value(1, &mut Unwatched).ok()?;
    (key.of(element) == b"log").then_some(value)
}

fn from_native(frame: &[u8]) -> Carried<'_> {
    // Nearly every frame is walked through without building a value of it; what that gives up on is decoded.
    if let Some(json) = walk::json(frame) {
        return Carried::Events(vec![(json.into(), frame.into())]);
    }
    match native::decode(frame) {
        Err(error) => Carried::Unreadable(error.to_string()),
        Ok(NativeFrame::NotLog(_)) => Carried::NotLogs,
        Ok(NativeFrame::Logs { unknown_values: 1.., events }) if events.len() != 1 => Carried::Unreadable(
            "holds values of a kind that this version does not know, in a frame of several events".into(),
        ),
        // One event: its frame is handed back as it came, so nothing can be lost on the way.
        Ok(NativeFrame::Logs { mut events, .. }) if events.len() == 1 => match events.pop().map(|log| as_json(&log)) {
            Some(Ok(json)) => Carried::Events(vec![(json.into(), frame.into())]),
            Some(Err(reason)) => Carried::Unreadable(reason),
            None => Carried::NotLogs,
        },
        Ok(NativeFrame::Logs { events, .. }) => one_by_one(events),
    }
}

fn one_by_one<'a>(logs: Vec<LogEvent>) -> Carried<'a> {
    let mut events = Vec::with_capacity(logs.len());
    for log in logs {
        let json = match as_json(&log) {
            Ok(json) => json,
            Err(reason) => return Carried::Unreadable(reason),
        };
        match native::encode(vec![log]) {
            Ok(bytes) => events.push((json.into(), bytes.into())),
            Err((_, error)) => return Carried::Unreadable(error.to_string()),
        }
    }
    Carried::Events(events)
}

fn as_json(log: &LogEvent) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    json::encode(log, NestingLimit::VECTOR, &mut out).map_err(|e| e.to_string())?;
    Ok(out)
}
