//! One page of a shard: records from a place on, each a log group, as many as were asked for and fit.
//! It must never pass over a record, and never go beyond the place that the client named as its end.

use innertrail_logstore::{Error, Store};

use super::blocks::Blocks;
use super::fields::Records;
use super::shape::Shape;
use super::view::View;

/// Most bytes of a page before it is compressed, as in Log Service; one record is always given.
pub(crate) const MOST_BYTES: usize = 10 * 1000 * 1000;
/// Bytes that a record takes at the beginning, as a guess.
const GUESS: usize = 1_800;

/// A stretch of a shard.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stretch {
    pub(crate) store: Store,
    pub(crate) shard: u32,
    /// Ordinal of the first record.
    pub(crate) from: u64,
    /// Ordinal behind the last one that may be given; all before it are durable in the view.
    pub(crate) until: u64,
    /// Most records.
    pub(crate) count: u64,
}

/// A page before it is compressed.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) raw: Vec<u8>,
    pub(crate) groups: u64,
    /// When the last record arrived, microseconds UTC.
    pub(crate) received_us: Option<i64>,
}

impl Page {
    /// Writes a page.
    pub(crate) fn of(blocks: &Blocks, view: &View, shape: Shape, stretch: Stretch) -> Result<Self, Error> {
        let Stretch { store, shard, from, until, count } = stretch;
        let size = view.end(store).to_string();
        let last = until.min(from.saturating_add(count)).max(from);
        let expected = usize::try_from(last - from).unwrap_or(usize::MAX).saturating_mul(GUESS);
        let mut page = Self { raw: Vec::with_capacity(expected.min(MOST_BYTES)), groups: 0, received_us: None };
        let mut at = from;
        while at < last {
            let seq = shape.seq(shard, at);
            let range = seq..seq + (last.min(shape.block_end(at)) - at);
            for batch in blocks.read(view, store, range)? {
                let records = Records::of(store, &batch).ok_or_else(|| lacking(view, store))?;
                let given = page.add(&records, &size);
                at += given as u64;
                if given < records.len() {
                    return Ok(page);
                }
            }
        }
        Ok(page)
    }

    /// Adds records while they fit; how many did.
    fn add(&mut self, records: &Records<'_>, size: &str) -> usize {
        for row in 0..records.len() {
            let before = self.raw.len();
            records.log(row, size).put(&mut self.raw);
            if self.raw.len() > MOST_BYTES && self.groups > 0 {
                self.raw.truncate(before);
                return row;
            }
            self.groups += 1;
            self.received_us = Some(records.received_us(row));
        }
        records.len()
    }
}

fn lacking(view: &View, store: Store) -> Error {
    let what = "its records lack a column that all have".to_owned();
    Error::Corrupt { path: view.snapshot.dir().join(store.name()), offset: 0, what }
}
