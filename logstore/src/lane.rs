//! The rows of one store of a write-ahead log on their way into segments and the index of their words.
//! It must never take a row twice, or put rows of two days into one segment.

use std::path::Path;

use chrono::NaiveDate;

use crate::batch::BatchBuilder;
use crate::encoder::Encoder;
use crate::frame::Frame;
use crate::index::TokenIndexBuilder;
use crate::rotate::Home;
use crate::segment::Finished;
use crate::{Error, RowError, Store};

/// The rows of one store on their way into segments.
pub(crate) struct Lane {
    pub(crate) store: Store,
    from: u64,
    batch: BatchBuilder,
    open: Option<Encoder>,
    /// Words of the open segment; only the dedicated Logstore is searched by them.
    index: Option<TokenIndexBuilder>,
    finished: Vec<Written>,
}

/// A segment under its temporary name, and the content of its token index.
pub(crate) struct Written {
    pub(crate) segment: Finished,
    pub(crate) index: Option<Vec<u8>>,
}

pub(crate) enum LaneError {
    Row(RowError),
    Frame,
    Other(Error),
}

impl LaneError {
    pub(crate) fn at(self, path: &Path) -> Error {
        match self {
            Self::Row(row) => Error::corrupt(path, 0, row.to_string()),
            Self::Frame => Error::corrupt(path, 0, "a frame with a valid checksum has rows that do not fit it"),
            Self::Other(e) => e,
        }
    }
}

impl From<Error> for LaneError {
    fn from(e: Error) -> Self {
        Self::Other(e)
    }
}

impl Lane {
    /// `from`: the first row that is in no segment yet.
    pub(crate) fn new(home: &Home, store: Store, from: u64) -> Self {
        let batch = BatchBuilder::new(&home.layout, store);
        Self { store, from, batch, open: None, index: None, finished: Vec::new() }
    }

    /// Takes the rows of one frame that are not yet in a segment.
    pub(crate) fn take(&mut self, home: &Home, frame: &Frame, day: NaiveDate) -> Result<(), LaneError> {
        for (index, row) in frame.rows(self.store).enumerate() {
            let (seq, row) = row.ok_or(LaneError::Frame)?;
            if seq < self.from {
                continue;
            }
            self.make_room(home, seq, day)?;
            let pushed = self.batch.push(seq, frame.header.now_us, row);
            let refused = |fault| LaneError::Row(RowError { index, store: self.store, fault });
            let payload = pushed.map_err(refused)?;
            if let Some(words) = &mut self.index {
                words.push(payload);
            }
        }
        Ok(())
    }

    /// Flushes a full batch, and starts a new segment where there is none or the day changes.
    fn make_room(&mut self, home: &Home, seq: u64, day: NaiveDate) -> Result<(), Error> {
        if self.open.as_ref().is_some_and(|s| s.day != day) {
            self.close()?;
        }
        if self.batch.is_full() {
            self.flush()?;
        }
        if self.open.is_none() {
            self.open = Some(Encoder::begin(home, self.store, seq, day)?);
            self.index = (self.store == Store::Log).then(TokenIndexBuilder::new);
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        if let Some(segment) = self.open.as_mut().filter(|_| !self.batch.is_empty()) {
            segment.write(self.batch.finish()?)?;
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), Error> {
        self.flush()?;
        if let Some(segment) = self.open.take() {
            let index = self.index.take().map(TokenIndexBuilder::finish);
            self.finished.push(Written { segment: segment.finish()?, index });
        }
        Ok(())
    }

    /// The segments, durable under their temporary names.
    pub(crate) fn finish(mut self) -> Result<Vec<Written>, Error> {
        self.close()?;
        Ok(self.finished)
    }
}
