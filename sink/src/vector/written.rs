//! Records as Vector wants them: each a request of one event, and any number of them one behind the other a request.
//! It must never hand out a record's bytes for another one's.

use bytes::Bytes;

use crate::encode::{EncodeError, Encoder, Encoding, push_event};
use crate::record::{Batch, Record};
use crate::sender::Prepare;

/// What a record needs beside its raw event, bytes, as a guess.
const BESIDE: usize = 1_536;

/// Writes records, or takes them as they were written before.
#[derive(Debug)]
pub(super) struct Writer(Encoder);

impl Default for Writer {
    fn default() -> Self {
        Self(Encoder::new(Encoding::Native))
    }
}

impl Writer {
    /// The pieces of a request.
    ///
    /// # Errors
    /// Of the first record that cannot be written.
    pub(super) fn request(&self, batch: &Batch<'_>) -> Result<Vec<Bytes>, EncodeError> {
        batch.records.iter().map(|record| self.piece(batch, record)).collect()
    }

    /// How long a record's piece is; 0 for one that cannot be written, which is found out when it is sent.
    pub(super) fn len(&self, batch: &Batch<'_>, at: usize) -> usize {
        batch.records.get(at).and_then(|record| self.piece(batch, record).ok()).map_or(0, |piece| piece.len())
    }

    fn piece(&self, batch: &Batch<'_>, record: &Record) -> Result<Bytes, EncodeError> {
        if let Some(written) = &record.written {
            return Ok(written.clone());
        }
        let mut out = Vec::with_capacity(record.row.payload().len() + BESIDE);
        let place = self.0.members(batch, |members| push_event(members, record, &mut out))?;
        Ok(Bytes::from(out).slice(place))
    }

    /// Writes all that can be written into one piece of memory, of which each record has its part.
    fn page(&self, trail: &str, layout: &innertrail_logstore::Layout, records: &mut [Record]) {
        let batch = Batch { trail, layout, records };
        let mut out = Vec::with_capacity(batch.records.iter().map(|r| r.row.payload().len() + BESIDE).sum());
        let places: Vec<_> = self.0.members(&batch, |members| {
            batch.records.iter().map(|record| push_event(members, record, &mut out).ok()).collect()
        });
        let page = Bytes::from(out);
        for (record, place) in records.iter_mut().zip(places) {
            record.written = place.map(|place| page.slice(place));
        }
    }
}

/// Writes records down on another thread than the one that sends them.
pub(super) fn prepare() -> Prepare {
    let writer = Writer::default();
    Box::new(move |trail, layout, records| writer.page(trail, layout, records))
}
