//! The row: how one event and its lifted columns travel from the plugin to the Logstore.
//! It must never trust a row: every view is checked first, and no byte of a row can cause a panic.
//!
//! `[u16 slot_count][u16 flags=0][u32 payload_len][slot: u64 × slot_count][payload][extra]`, little endian.
//! A slot is `column:8 | len:24 | off:32`, column in the top byte, `off` from the start of the payload.

use crate::layout::{Kind, Layout};
use crate::{RowFault, Store};

/// The longest row in bytes, fixed part and slots included.
pub const MAX_ROW: usize = 32 * 1024 * 1024;
/// Bytes before the slots.
pub const FIXED: usize = 8;

/// Builds rows, one after the other, reusing its buffers.
///
/// ```
/// # use innertrail_logstore::row::RowBuilder;
/// let mut builder = RowBuilder::new();
/// builder.begin(br#"{"eventId":"a"}"#);
/// builder.slice(0, 12, 1);          // column 0 = `a`, inside the payload
/// builder.integer(1, 42);           // column 1, kept beside the payload
/// let row: &[u8] = builder.finish();
/// # assert_eq!(row.len(), 8 + 16 + 15 + 8);
/// ```
#[derive(Debug, Default)]
pub struct RowBuilder {
    slots: Vec<u64>,
    body: Vec<u8>,
    payload_len: u32,
    row: Vec<u8>,
}

impl RowBuilder {
    /// An empty builder.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a row with the event's raw bytes. Forgets the row before.
    pub fn begin(&mut self, payload: &[u8]) {
        self.slots.clear();
        self.body.clear();
        self.body.extend_from_slice(payload);
        self.payload_len = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    }

    /// Column `column` is the part of the payload at `offset`, `len` bytes long.
    pub fn slice(&mut self, column: u8, offset: u32, len: u32) {
        self.slots.push(pack(column, len, offset));
    }

    /// Column `column` is `text`, which is not in the payload as such.
    pub fn text(&mut self, column: u8, text: &str) {
        self.extra(column, text.as_bytes());
    }

    /// Column `column` is an integer, or a timestamp in microseconds UTC.
    pub fn integer(&mut self, column: u8, value: i64) {
        self.extra(column, &value.to_le_bytes());
    }

    /// The finished row, valid until the next call. Checked only when it is committed.
    pub fn finish(&mut self) -> &[u8] {
        let count = u16::try_from(self.slots.len()).unwrap_or(u16::MAX);
        self.row.clear();
        self.row.extend_from_slice(&count.to_le_bytes());
        self.row.extend_from_slice(&0u16.to_le_bytes());
        self.row.extend_from_slice(&self.payload_len.to_le_bytes());
        for slot in &self.slots {
            self.row.extend_from_slice(&slot.to_le_bytes());
        }
        self.row.extend_from_slice(&self.body);
        &self.row
    }

    fn extra(&mut self, column: u8, bytes: &[u8]) {
        let offset = u32::try_from(self.body.len()).unwrap_or(u32::MAX);
        // A longer value gets a slot that fails the check: the row is refused, not cut.
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX).min(LEN_MASK);
        self.body.extend_from_slice(bytes);
        let fits = bytes.len() <= LEN_MASK as usize;
        self.slots.push(pack(column, len, if fits { offset } else { u32::MAX }));
    }
}

const LEN_MASK: u32 = 0x00ff_ffff;

fn pack(column: u8, len: u32, offset: u32) -> u64 {
    let offset = if len > LEN_MASK { u32::MAX } else { offset };
    (u64::from(column) << 56) | (u64::from(len & LEN_MASK) << 32) | u64::from(offset)
}

/// One slot, unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// Column index in the layout.
    pub column: u8,
    /// Length in bytes, below 2^24.
    pub len: u32,
    /// Offset from the start of the payload.
    pub offset: u32,
}

/// A checked view of a row.
#[derive(Debug, Clone, Copy)]
pub struct RowRef<'a> {
    head: &'a [u8],
    slots: &'a [u8],
    body: &'a [u8],
    payload_len: usize,
}

impl<'a> RowRef<'a> {
    /// Checks the frame of the row: lengths and flags. Slots are checked by [`RowRef::check`].
    ///
    /// # Errors
    /// The first fault found.
    pub fn parse(row: &'a [u8]) -> Result<Self, RowFault> {
        if row.len() > MAX_ROW {
            return Err(RowFault::Long { have: row.len() as u64, limit: MAX_ROW as u64 });
        }
        let short = |need: usize| RowFault::Short { need: need as u64, have: row.len() as u64 };
        let (fixed, rest) = row.split_first_chunk::<FIXED>().ok_or_else(|| short(FIXED))?;
        let [c0, c1, f0, f1, p0, p1, p2, p3] = *fixed;
        let flags = u16::from_le_bytes([f0, f1]);
        if flags != 0 {
            return Err(RowFault::Flags(flags));
        }
        let slot_bytes = usize::from(u16::from_le_bytes([c0, c1])) * 8;
        let payload_len = u32::from_le_bytes([p0, p1, p2, p3]) as usize;
        let need = FIXED + slot_bytes + payload_len;
        if row.len() < need {
            return Err(short(need));
        }
        let (slots, body) = rest.split_at(slot_bytes);
        let (head, _) = row.split_at(FIXED + slot_bytes);
        Ok(Self { head, slots, body, payload_len })
    }

    /// Checks the row against a layout and a store: columns, bounds, widths, UTF-8.
    ///
    /// # Errors
    /// The first fault found.
    pub fn check(&self, layout: &Layout, store: Store) -> Result<(), RowFault> {
        let text = if store.text_payload() {
            let text = simdutf8::compat::from_utf8(self.payload())
                .map_err(|e| RowFault::PayloadNotUtf8 { valid_up_to: e.valid_up_to() as u64 })?;
            Some(text)
        } else {
            None
        };
        let mut seen = [0u64; 4];
        for slot in self.slots() {
            let column = layout
                .columns
                .get(usize::from(slot.column))
                .ok_or(RowFault::UnknownColumn { column: slot.column, columns: layout.columns.len() })?;
            let (word, bit) = (usize::from(slot.column >> 6), 1u64 << (slot.column & 63));
            if seen[word] & bit != 0 {
                return Err(RowFault::RepeatedColumn(slot.column));
            }
            seen[word] |= bit;
            self.check_slot(slot, column.kind, text)?;
        }
        Ok(())
    }

    fn check_slot(&self, slot: Slot, kind: Kind, text: Option<&str>) -> Result<(), RowFault> {
        let Some(bytes) = self.bytes(slot) else {
            let Slot { column, len, offset } = slot;
            return Err(RowFault::OutOfBounds { column, offset, len, have: self.body.len() as u64 });
        };
        if kind != Kind::Text {
            let ok = slot.len == 8;
            return if ok { Ok(()) } else { Err(RowFault::NumberWidth { column: slot.column, len: slot.len }) };
        }
        let (from, to) = (slot.offset as usize, slot.offset as usize + slot.len as usize);
        // Inside a payload that is valid as a whole, only the two ends need a look.
        let ok = match text {
            Some(text) if to <= text.len() => text.is_char_boundary(from) && text.is_char_boundary(to),
            _ => std::str::from_utf8(bytes).is_ok(),
        };
        if ok { Ok(()) } else { Err(RowFault::ColumnNotUtf8 { column: slot.column }) }
    }

    /// The event's raw bytes.
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        self.body.get(..self.payload_len).unwrap_or_default()
    }

    /// What stands before and after the event's raw bytes in the row.
    #[must_use]
    pub fn around_payload(&self) -> (&'a [u8], &'a [u8]) {
        (self.head, self.body.get(self.payload_len..).unwrap_or_default())
    }

    /// The slots in the order they were written.
    pub fn slots(&self) -> impl Iterator<Item = Slot> + use<'a> {
        self.slots.as_chunks::<8>().0.iter().map(|chunk| {
            let word = u64::from_le_bytes(*chunk);
            Slot {
                column: (word >> 56) as u8,
                len: (word >> 32) as u32 & LEN_MASK,
                offset: (word & u64::from(u32::MAX)) as u32,
            }
        })
    }

    /// The bytes a slot points at; `None` when it points outside the row.
    #[must_use]
    pub fn bytes(&self, slot: Slot) -> Option<&'a [u8]> {
        let from = slot.offset as usize;
        self.body.get(from..from.checked_add(slot.len as usize)?)
    }

    /// The bytes of one column; `None` when it is null.
    #[must_use]
    pub fn column(&self, column: u8) -> Option<&'a [u8]> {
        self.slots().find(|s| s.column == column).and_then(|s| self.bytes(s))
    }
}
