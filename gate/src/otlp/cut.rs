//! An `ExportLogsServiceRequest` cut into its records, in protobuf or JSON, and put together again without those that may
//! not pass.
//! It must never let anything through that a receiver may read and no verdict was asked for: what is not known is broken.

use std::ops::Range;

use bytes::Bytes;

use super::record::Log;
use super::{json, protobuf};
use crate::request::BATCH;

/// Parts that a request may have: records and what is around them. A record of two bytes must not cost two hundred.
const PARTS: usize = 300_000;

/// How a request is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Protobuf,
    Json,
}

/// A request, cut.
#[derive(Debug)]
pub(super) struct Cut {
    pub(super) message: Bytes,
    pub(super) form: Form,
    pub(super) top: Vec<Piece>,
    /// Where each record stands, and what it says within that.
    pub(super) records: Vec<Found>,
    /// What is said of several records.
    pub(super) groups: Vec<Group>,
    parts: usize,
}

/// A record: where it stands, and its content.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) at: Range<usize>,
    pub(super) content: Range<usize>,
}

/// A resource or a scope, and the records that it is of.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) content: Range<usize>,
    pub(super) level: Level,
    pub(super) records: Range<usize>,
}

/// The messages around records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Request,
    Resource,
    Scope,
}

/// A piece of a message.
#[derive(Debug)]
pub(super) enum Piece {
    /// Bytes that stay as they are.
    Same(Range<usize>),
    /// A record, by its number.
    Record(usize),
    /// A message within the message, with its tag (protobuf), or an array (JSON).
    Within(u8, Vec<Piece>),
    /// One after the other: what makes one element of an array.
    All(Vec<Piece>),
}

/// The body is no request.
#[derive(Debug, thiserror::Error)]
#[error("the body is no ExportLogsServiceRequest: {why} at byte {at}")]
pub(super) struct NoRequest {
    pub(super) why: &'static str,
    pub(super) at: usize,
}

impl Cut {
    /// Cuts a message.
    pub(super) fn of(message: Bytes, form: Form) -> Result<Self, (NoRequest, Bytes)> {
        let (top, records, groups) = (Vec::new(), Vec::new(), Vec::new());
        let cut = Self { message: message.clone(), form, top, records, groups, parts: 0 };
        match form {
            Form::Protobuf => protobuf::cut(cut),
            Form::Json => json::cut(cut),
        }
        .map_err(|why| (why, message))
    }

    /// Takes down a record; gives its piece.
    pub(super) fn record(&mut self, at: Range<usize>, content: Range<usize>) -> Result<Piece, NoRequest> {
        self.room(at.start)?;
        self.records.push(Found { at, content });
        Ok(Piece::Record(self.records.len() - 1))
    }

    /// Takes down what is said of the records from `first` on.
    pub(super) fn group(&mut self, content: Option<Range<usize>>, level: Level, first: usize) {
        let records = first..self.records.len();
        if let Some(content) = content.filter(|content| !content.is_empty() && !records.is_empty()) {
            self.groups.push(Group { content, level, records });
        }
    }

    /// Counts a part of the request.
    pub(super) fn room(&mut self, at: usize) -> Result<(), NoRequest> {
        self.parts += 1;
        if self.parts > PARTS { Err(NoRequest { why: "more parts than a request may have", at }) } else { Ok(()) }
    }

    /// What a record says; `None`: it is not what the protocol says, or longer than may be judged.
    pub(super) fn read(&self, number: usize) -> Option<Log> {
        let content = self.records[number].content.clone();
        match self.form {
            _ if content.len() > BATCH => None,
            Form::Protobuf => protobuf::log(&self.message, content),
            Form::Json => json::log(&self.message[content]),
        }
    }

    /// What is said of several records, likewise.
    pub(super) fn read_group(&self, group: &Group) -> Option<Log> {
        let content = group.content.clone();
        match self.form {
            _ if content.len() > BATCH => None,
            Form::Protobuf => protobuf::attributes(&self.message, content, group.level),
            Form::Json => json::attributes(&self.message[content]),
        }
    }

    /// The request of the records that pass; `None` if none does.
    pub(super) fn passing(&self, verdicts: &[bool]) -> Option<Bytes> {
        if !verdicts.contains(&true) {
            return None;
        }
        if !verdicts.contains(&false) {
            return Some(self.message.clone());
        }
        let mut out = Vec::with_capacity(self.message.len());
        self.write(&self.top, verdicts, &mut out);
        Some(out.into())
    }

    fn write(&self, pieces: &[Piece], verdicts: &[bool], out: &mut Vec<u8>) {
        for piece in pieces {
            match piece {
                Piece::Same(range) => out.extend_from_slice(&self.message[range.clone()]),
                Piece::Record(number) if verdicts[*number] => {
                    out.extend_from_slice(&self.message[self.records[*number].at.clone()]);
                }
                Piece::Record(_) => {}
                Piece::All(pieces) => self.write(pieces, verdicts, out),
                Piece::Within(tag, pieces) => match self.form {
                    Form::Protobuf => {
                        let mut inner = Vec::new();
                        self.write(pieces, verdicts, &mut inner);
                        out.push(*tag);
                        out.extend(crate::request::length(inner.len()));
                        out.extend(inner);
                    }
                    Form::Json => self.array(pieces, verdicts, out),
                },
            }
        }
    }

    /// The elements that are left, with commas between.
    fn array(&self, pieces: &[Piece], verdicts: &[bool], out: &mut Vec<u8>) {
        out.push(b'[');
        let left = pieces.iter().filter(|piece| !matches!(piece, Piece::Record(number) if !verdicts[*number]));
        for (place, piece) in left.enumerate() {
            if place > 0 {
                out.push(b',');
            }
            self.write(std::slice::from_ref(piece), verdicts, out);
        }
        out.push(b']');
    }
}
