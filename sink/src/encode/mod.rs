//! How records are written for receivers: Vector's `native` and `native_json`, plain JSON, and OCSF and ECS.
//! It must never leave out the seal mark, change the raw event, or write what makes Vector panic.
//!
//! All are made from the record's columns; the event is not parsed again. `native_json` has the members that the
//! component gives a record (the vendor's names, `__time__`, `timestamp`, the normalised `it_*`, the raw event as text in
//! `event`), `native` the same with a typed `timestamp`; both add `it_seq` and `it_seal`. Plain JSON has every column.

pub mod ecs;
mod json;
mod meaning;
mod members;
mod native;
mod native_json;
pub mod ocsf;

use std::cell::RefCell;

use base64::prelude::{BASE64_STANDARD, Engine as _};

pub use native::log_event;
pub(crate) use native::{delimited, event_array, push_event};

use self::members::Members;
use crate::record::{Batch, Record};

/// How a record is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// `{"log":{…}}`, as Vector's `native_json` codec reads it.
    NativeJson,
    /// One object with every column, `it_seq`, `it_received` (microseconds UTC), `it_seal` and `event`.
    Json,
    /// One object of the Open Cybersecurity Schema Framework.
    Ocsf,
    /// One document of the Elastic Common Schema.
    Ecs,
    /// `event.Log` of Vector's protobuf: one log of an `EventArray` or `EventWrapper`.
    Native,
}

/// Why a record cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// No calendar date: Vector panics on it.
    #[error("record {seq}: no date exists for {us} microseconds since 1970, and Vector fails on such a timestamp")]
    Timestamp {
        /// The record.
        seq: u64,
        /// Its time.
        us: i64,
    },
}

/// Writes records in one encoding.
#[derive(Debug)]
pub struct Encoder {
    encoding: Encoding,
    members: RefCell<Option<Members>>,
    scratch: RefCell<Vec<u8>>,
}

impl Encoder {
    /// An encoder.
    #[must_use]
    pub fn new(encoding: Encoding) -> Self {
        Self { encoding, members: RefCell::default(), scratch: RefCell::default() }
    }

    /// The encoding.
    #[must_use]
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Appends a record of the batch, without anything before or behind it.
    ///
    /// # Errors
    /// [`EncodeError`]; then `out` is as it was.
    pub fn append(&self, batch: &Batch<'_>, record: &Record, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        match self.encoding {
            Encoding::NativeJson => self.members(batch, |members| native_json::append(members, record, out)),
            Encoding::Json => json::append(batch.layout, record, out),
            Encoding::Ocsf => ocsf::append(batch.trail, batch.layout, record, out),
            Encoding::Ecs => ecs::append(batch.trail, batch.layout, record, out),
            Encoding::Native => return self.members(batch, |members| native::append(members, record, out)),
        }
        Ok(())
    }

    /// How long [`Encoder::append`] makes `out` by this record.
    #[must_use]
    pub fn len(&self, batch: &Batch<'_>, record: &Record) -> usize {
        if self.encoding == Encoding::Native {
            return self.members(batch, |members| native::log_len(members, record));
        }
        let mut scratch = self.scratch.borrow_mut();
        scratch.clear();
        // JSON is written whatever the values are.
        let _written = self.append(batch, record, &mut scratch);
        let len = scratch.len();
        scratch.shrink_to(1 << 16);
        len
    }

    pub(crate) fn members<R>(&self, batch: &Batch<'_>, then: impl FnOnce(&Members) -> R) -> R {
        let mut known = self.members.borrow_mut();
        match &mut *known {
            Some(members) if members.fits(batch.layout) => then(members),
            known => then(known.insert(Members::of(batch.layout))),
        }
    }
}

/// A raw event that is no text, for formats that have nothing but texts.
fn base64(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(bytes)
}
