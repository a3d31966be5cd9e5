//! Writes an event as the Logstore's row, so that nothing behind the sandbox has to parse it again.
//!
//! Little endian: `u16` number of slots, `u16` flags (0), `u32` length of the payload, the slots (`u64` each), the
//! payload, the extra bytes. A slot is `column << 56 | length << 32 | offset`; the offset counts from the start of the
//! payload and may reach into the extra bytes. The payload is the raw event and is never changed here.

use super::columns::{ALL, Column};

/// Longest value a slot can carry, bytes. Longer values are cut at a character's border; the payload keeps them whole.
pub const MAX_VALUE: usize = (1 << 24) - 1;

/// Collects one row's values, then writes it.
///
/// Keeps its buffers between rows, so a warm one does not allocate.
#[derive(Debug, Default)]
pub struct RowWriter {
    slots: Vec<u64>,
    extra: Vec<u8>,
    base: usize,
}

impl RowWriter {
    /// Starts a row over a payload of this length.
    pub fn begin(&mut self, payload_len: usize) {
        self.slots.clear();
        self.extra.clear();
        self.base = payload_len;
    }

    /// Fills a column with a part of the payload.
    pub fn slice(&mut self, column: Column, start: usize, len: usize) {
        self.slot(column, start, len.min(MAX_VALUE));
    }

    /// Fills a column with text that is not in the payload. The bytes have to be UTF-8.
    pub fn text(&mut self, column: Column, value: impl AsRef<[u8]>) {
        let value = cut(value.as_ref());
        let start = self.base + self.extra.len();
        self.extra.extend_from_slice(value);
        self.slot(column, start, value.len());
    }

    /// Fills a column with text made of pieces.
    pub fn joined(&mut self, column: Column, pieces: &[&[u8]]) {
        let start = self.base + self.extra.len();
        for piece in pieces {
            self.extra.extend_from_slice(cut(piece));
        }
        self.slot(column, start, (self.base + self.extra.len() - start).min(MAX_VALUE));
    }

    /// Fills a column with a number or a time.
    pub fn integer(&mut self, column: Column, value: i64) {
        let start = self.base + self.extra.len();
        self.extra.extend_from_slice(&value.to_le_bytes());
        self.slot(column, start, 8);
    }

    /// Appends the row to `out`.
    pub fn finish(&mut self, payload: &[u8], out: &mut Vec<u8>) {
        debug_assert_eq!(payload.len(), self.base);
        let count = u16::try_from(self.slots.len()).unwrap_or(u16::MAX);
        let len = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        out.reserve(8 + self.slots.len() * 8 + payload.len() + self.extra.len());
        out.extend_from_slice(&count.to_le_bytes());
        out.extend_from_slice(&0u16.to_le_bytes());
        out.extend_from_slice(&len.to_le_bytes());
        for slot in &self.slots {
            out.extend_from_slice(&slot.to_le_bytes());
        }
        out.extend_from_slice(payload);
        out.extend_from_slice(&self.extra);
    }

    fn slot(&mut self, column: Column, start: usize, len: usize) {
        self.slots.push((column as u64) << 56 | (len as u64) << 32 | start as u64);
    }
}

fn cut(value: &[u8]) -> &[u8] {
    if value.len() <= MAX_VALUE {
        return value;
    }
    // Back over the continuation bytes of a character that would be cut in two.
    let mut end = MAX_VALUE;
    while end > 0 && value[end] & 0xc0 == 0x80 {
        end -= 1;
    }
    &value[..end]
}

/// A row read back: for tests, `explain` and encoders that start from a stored row.
#[derive(Debug, Clone, Copy)]
pub struct RowView<'a> {
    slots: &'a [u8],
    body: &'a [u8],
    payload_len: usize,
}

impl<'a> RowView<'a> {
    /// Looks at a row; `None` where the bytes are no row.
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        let (count, rest) = bytes.split_at_checked(8)?;
        let slots = usize::from(u16::from_le_bytes([count[0], count[1]])) * 8;
        let payload_len = u32::from_le_bytes([count[4], count[5], count[6], count[7]]) as usize;
        let (slots, body) = rest.split_at_checked(slots)?;
        (body.len() >= payload_len).then_some(Self { slots, body, payload_len })
    }

    /// The raw event.
    pub fn payload(&self) -> &'a [u8] {
        &self.body[..self.payload_len]
    }

    /// The values, in the order they were filled. Slots that point outside are left out.
    pub fn values(&self) -> impl Iterator<Item = (Column, &'a [u8])> + use<'a> {
        let body = self.body;
        self.slots.chunks_exact(8).filter_map(move |slot| {
            let slot = u64::from_le_bytes(slot.try_into().ok()?);
            let (start, len) = ((slot & 0xffff_ffff) as usize, (slot >> 32 & 0xff_ffff) as usize);
            Some((*ALL.get((slot >> 56) as usize)?, body.get(start..start + len)?))
        })
    }

    /// One column's value.
    pub fn get(&self, column: Column) -> Option<&'a [u8]> {
        self.values().find(|(c, _)| *c == column).map(|(_, v)| v)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_row_reads_back() {
        let mut writer = RowWriter::default();
        let mut out = Vec::new();
        let payload = br#"{"eventId":"A1"}"#;
        writer.begin(payload.len());
        writer.slice(Column::EventId, 12, 2);
        writer.joined(Column::Actor, &[b"ram-user", b":", b"alice"]);
        writer.integer(Column::UnixTime, -5);
        writer.finish(payload, &mut out);
        let row = RowView::new(&out).unwrap();
        assert_eq!(row.payload(), payload);
        assert_eq!(row.get(Column::EventId).unwrap(), b"A1");
        assert_eq!(row.get(Column::Actor).unwrap(), b"ram-user:alice");
        assert_eq!(row.get(Column::UnixTime).unwrap(), (-5i64).to_le_bytes());
        assert!(RowView::new(&out[..20]).is_none());
    }
}
