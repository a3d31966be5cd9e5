//! One frame of the write-ahead log: one transaction over all stores, its checkpoints and its counters.
//! It must never trust a length: every frame is checked against its checksums and its file before use.
//!
//! The byte layout is in `docs/format.md`; everything is little endian.

use crate::Store;
use crate::store::STORES;

/// Bytes of the file header.
pub(crate) const FILE_HEADER: usize = 32;
/// Bytes of a frame header.
pub(crate) const HEADER: usize = 128;
/// The longest frame payload.
pub(crate) const MAX_PAYLOAD: usize = 256 * 1024 * 1024;
/// First bytes of every frame.
pub(crate) const MAGIC: [u8; 4] = *b"ITF\x01";
const FILE_MAGIC: [u8; 8] = *b"ITWAL\0\0\x01";
const NOTE_LEN_AT: usize = 112;
const HEADER_CRC_AT: usize = 120;
/// The part of a frame header that the chain covers: everything but the lengths of what it may not know yet.
pub(crate) const CHAINED: std::ops::Range<usize> = 16..NOTE_LEN_AT;
const FRAME_CRC_AT: usize = 124;

/// Identity of a write-ahead log file. The salt is random, so that no event can contain a frame of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WalId {
    pub(crate) generation: u64,
    pub(crate) salt: u64,
}

impl WalId {
    pub(crate) fn encode(self) -> [u8; FILE_HEADER] {
        let mut out = [0u8; FILE_HEADER];
        out[..8].copy_from_slice(&FILE_MAGIC);
        out[8..16].copy_from_slice(&self.generation.to_le_bytes());
        out[16..24].copy_from_slice(&self.salt.to_le_bytes());
        let crc = crc32c::crc32c(&out[..28]);
        out[28..].copy_from_slice(&crc.to_le_bytes());
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let ok =
            bytes.len() >= FILE_HEADER && bytes[..8] == FILE_MAGIC && crc32c::crc32c(&bytes[..28]) == u32_at(bytes, 28);
        ok.then(|| Self { generation: u64_at(bytes, 8), salt: u64_at(bytes, 16) })
    }
}

/// The rows of one store in a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Part {
    pub(crate) first_seq: u64,
    pub(crate) rows: u32,
    pub(crate) bytes: u32,
}

impl Part {
    /// Sequence number behind its last row.
    pub(crate) fn end(self) -> u64 {
        self.first_seq.saturating_add(u64::from(self.rows))
    }
}

/// A checked frame header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) number: u64,
    pub(crate) now_us: i64,
    pub(crate) payload_len: u32,
    pub(crate) meta_len: u32,
    /// Bytes of the signed checkpoint at the end of the payload.
    pub(crate) note_len: u32,
    pub(crate) parts: [Part; STORES],
}

impl Header {
    fn encode(&self, id: WalId) -> [u8; HEADER] {
        let mut out = [0u8; HEADER];
        out[..4].copy_from_slice(&MAGIC);
        out[4..8].copy_from_slice(&(HEADER as u32).to_le_bytes());
        out[8..12].copy_from_slice(&self.payload_len.to_le_bytes());
        out[12..16].copy_from_slice(&self.meta_len.to_le_bytes());
        out[16..24].copy_from_slice(&id.generation.to_le_bytes());
        out[24..32].copy_from_slice(&id.salt.to_le_bytes());
        out[32..40].copy_from_slice(&self.number.to_le_bytes());
        out[40..48].copy_from_slice(&self.now_us.to_le_bytes());
        for (part, at) in self.parts.iter().zip((48..).step_by(16)) {
            out[at..at + 8].copy_from_slice(&part.first_seq.to_le_bytes());
            out[at + 8..at + 12].copy_from_slice(&part.rows.to_le_bytes());
            out[at + 12..at + 16].copy_from_slice(&part.bytes.to_le_bytes());
        }
        out[NOTE_LEN_AT..NOTE_LEN_AT + 4].copy_from_slice(&self.note_len.to_le_bytes());
        let crc = crc32c::crc32c(&out[..HEADER_CRC_AT]);
        out[HEADER_CRC_AT..FRAME_CRC_AT].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// The header at the start of `bytes`, if it is one of this file and its own checksum holds.
    pub(crate) fn decode(bytes: &[u8], id: WalId) -> Option<Self> {
        let ok = bytes.len() >= HEADER
            && bytes[..4] == MAGIC
            && u32_at(bytes, 4) as usize == HEADER
            && crc32c::crc32c(&bytes[..HEADER_CRC_AT]) == u32_at(bytes, HEADER_CRC_AT)
            && u64_at(bytes, 16) == id.generation
            && u64_at(bytes, 24) == id.salt;
        if !ok {
            return None;
        }
        let mut parts = [Part::default(); STORES];
        for (part, at) in parts.iter_mut().zip((48..).step_by(16)) {
            *part = Part { first_seq: u64_at(bytes, at), rows: u32_at(bytes, at + 8), bytes: u32_at(bytes, at + 12) };
        }
        let header = Self {
            number: u64_at(bytes, 32),
            now_us: u64_at(bytes, 40).cast_signed(),
            payload_len: u32_at(bytes, 8),
            meta_len: u32_at(bytes, 12),
            note_len: u32_at(bytes, NOTE_LEN_AT),
            parts,
        };
        let sum: u64 = header.parts.iter().map(|p| u64::from(p.bytes)).sum();
        let rest = u64::from(header.meta_len) + u64::from(header.note_len);
        let whole = sum + rest == u64::from(header.payload_len);
        (whole && header.payload_len as usize <= MAX_PAYLOAD).then_some(header)
    }

    /// Whether the frame checksum over header and payload holds.
    pub(crate) fn verify(header: &[u8], payload: &[u8]) -> bool {
        header.len() == HEADER
            && crc32c::crc32c_append(crc32c::crc32c(&header[..FRAME_CRC_AT]), payload) == u32_at(header, FRAME_CRC_AT)
    }
}

/// A frame whose checksums hold.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) header: Header,
    /// The header's bytes, for the chain.
    pub(crate) head: [u8; HEADER],
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// The rows of a store with their sequence numbers; `None` in place of a row that does not fit.
    pub(crate) fn rows(&self, store: Store) -> impl Iterator<Item = Option<(u64, &[u8])>> {
        rows(&self.header.parts, &self.payload, store)
    }

    /// Checkpoints and counters; `None` when they do not parse.
    pub(crate) fn meta(&self) -> Option<Meta> {
        Meta::decode(self.meta_bytes())
    }

    /// Checkpoints and counters as they stand in the frame.
    pub(crate) fn meta_bytes(&self) -> &[u8] {
        let to = self.payload.len().saturating_sub(self.header.note_len as usize);
        self.payload.get(to.saturating_sub(self.header.meta_len as usize)..to).unwrap_or_default()
    }

    /// The part of the frame that its checkpoint speaks of.
    pub(crate) fn draft(&self) -> Draft<'_> {
        let chained = &self.head[CHAINED];
        Draft { chained, parts: &self.header.parts, rows: &self.payload, meta: self.meta_bytes() }
    }

    /// The signed checkpoint after this frame.
    pub(crate) fn note(&self) -> &[u8] {
        self.payload.get(self.payload.len().saturating_sub(self.header.note_len as usize)..).unwrap_or_default()
    }
}

/// The rows of a store in the payload of a frame; `None` in place of a row that does not fit.
pub(crate) fn rows<'a>(
    parts: &[Part; STORES],
    payload: &'a [u8],
    store: Store,
) -> impl Iterator<Item = Option<(u64, &'a [u8])>> + use<'a> {
    let from: usize = parts[..store.place()].iter().map(|p| p.bytes as usize).sum();
    let part = parts[store.place()];
    let mut rest = payload.get(from..from + part.bytes as usize).unwrap_or_default();
    (0..u64::from(part.rows)).map(move |i| {
        let (row, after) = take_block(rest)?;
        rest = after;
        Some((part.first_seq.checked_add(i)?, row))
    })
}

/// Checkpoints and counters of one transaction, in a fixed order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Meta {
    pub(crate) checkpoints: Vec<(String, Vec<u8>)>,
    pub(crate) counters: Vec<(String, u64)>,
}

impl Meta {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&(self.checkpoints.len() as u32).to_le_bytes());
        for (key, value) in &self.checkpoints {
            put_block(out, key.as_bytes());
            put_block(out, value);
        }
        out.extend_from_slice(&(self.counters.len() as u32).to_le_bytes());
        for (name, delta) in &self.counters {
            put_block(out, name.as_bytes());
            out.extend_from_slice(&delta.to_le_bytes());
        }
    }

    fn decode(mut rest: &[u8]) -> Option<Self> {
        let mut meta = Self::default();
        for _ in 0..take_u32(&mut rest)? {
            let (key, after) = take_block(rest)?;
            let (value, after) = take_block(after)?;
            rest = after;
            meta.checkpoints.push((std::str::from_utf8(key).ok()?.to_owned(), value.to_vec()));
        }
        for _ in 0..take_u32(&mut rest)? {
            let (name, after) = take_block(rest)?;
            let (delta, after) = after.split_first_chunk::<8>()?;
            rest = after;
            meta.counters.push((std::str::from_utf8(name).ok()?.to_owned(), u64::from_le_bytes(*delta)));
        }
        rest.is_empty().then_some(meta)
    }
}

/// Builds one frame in one buffer, so that it is written in one call.
#[derive(Debug, Default)]
pub(crate) struct FrameBuilder {
    buffer: Vec<u8>,
    parts: [Part; STORES],
}

impl FrameBuilder {
    /// Starts a frame. Rows must come store by store, in the order of [`Store::ALL`].
    pub(crate) fn begin(&mut self, first_seq: [u64; STORES]) {
        self.buffer.clear();
        self.buffer.resize(HEADER, 0);
        self.parts = [Part::default(); STORES];
        for (part, seq) in self.parts.iter_mut().zip(first_seq) {
            part.first_seq = seq;
        }
    }

    /// Adds a row. The caller has checked that the payload stays below [`MAX_PAYLOAD`].
    pub(crate) fn row(&mut self, store: Store, row: &[u8]) {
        let before = self.buffer.len();
        put_block(&mut self.buffer, row);
        let part = &mut self.parts[store.place()];
        part.rows += 1;
        part.bytes += (self.buffer.len() - before) as u32;
    }

    /// The finished frame, ready to be written, and its header. `note` makes the signed checkpoint after it.
    pub(crate) fn finish<E>(
        &mut self,
        id: WalId,
        number: u64,
        now_us: i64,
        meta: &Meta,
        note: impl FnOnce(Draft<'_>) -> Result<Vec<u8>, E>,
    ) -> Result<(&[u8], Header), E> {
        let rows_end = self.buffer.len();
        meta.encode(&mut self.buffer);
        let meta_len = (self.buffer.len() - rows_end) as u32;
        let mut header = Header { number, now_us, payload_len: 0, meta_len, note_len: 0, parts: self.parts };
        let head = header.encode(id);
        let (rows, meta) = self.buffer[HEADER..].split_at(rows_end - HEADER);
        let note = note(Draft { chained: &head[CHAINED], parts: &self.parts, rows, meta })?;
        header.note_len = note.len() as u32;
        self.buffer.extend_from_slice(&note);
        header.payload_len = (self.buffer.len() - HEADER) as u32;
        self.buffer[..HEADER].copy_from_slice(&header.encode(id));
        let crc = crc32c::crc32c_append(crc32c::crc32c(&self.buffer[..FRAME_CRC_AT]), &self.buffer[HEADER..]);
        self.buffer[FRAME_CRC_AT..HEADER].copy_from_slice(&crc.to_le_bytes());
        Ok((&self.buffer, header))
    }
}

/// What the seal covers of a frame: known before the frame's own checkpoint is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Draft<'a> {
    /// Header bytes [`CHAINED`].
    pub(crate) chained: &'a [u8],
    pub(crate) parts: &'a [Part; STORES],
    /// The rows of all stores; more may follow.
    pub(crate) rows: &'a [u8],
    pub(crate) meta: &'a [u8],
}

fn put_block(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}

fn take_block(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, after) = rest.split_first_chunk::<4>()?;
    after.split_at_checked(u32::from_le_bytes(*len) as usize)
}

fn take_u32(rest: &mut &[u8]) -> Option<u32> {
    let (word, after) = rest.split_first_chunk::<4>()?;
    *rest = after;
    Some(u32::from_le_bytes(*word))
}

/// Reads a word; the callers have checked the length, a short slice reads as zero.
fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const ID: WalId = WalId { generation: 7, salt: 0x1122_3344_5566_7788 };

    fn hex(bytes: &[u8]) -> String {
        let lines: Vec<String> =
            bytes.chunks(32).map(|l| l.iter().map(|b| format!("{b:02x}")).collect::<String>()).collect();
        lines.join("\n")
    }

    fn frame() -> Vec<u8> {
        let meta = Meta { checkpoints: vec![("k".into(), vec![9])], counters: vec![("n".into(), 3)] };
        let mut builder = FrameBuilder::default();
        builder.begin([5, 6, 7, 8]);
        builder.row(Store::Log, b"ab");
        builder.row(Store::Passthrough, b"c");
        builder.finish(ID, 2, -1, &meta, |_| Ok::<_, ()>(b"note\n".to_vec())).unwrap().0.to_vec()
    }

    /// Files of released versions must stay readable.
    #[test]
    fn the_bytes_of_format_2_do_not_change() {
        insta::assert_snapshot!(format!("{}\n\n{}", hex(&ID.encode()), hex(&frame())), @r"
        495457414c0000010700000000000000887766554433221100000000bef0d585

        49544601800000002f0000001f00000007000000000000008877665544332211
        0200000000000000ffffffffffffffff05000000000000000100000006000000
        0600000000000000000000000000000007000000000000000100000005000000
        080000000000000000000000000000000500000000000000baf54c577a607243
        020000006162010000006301000000010000006b010000000901000000010000
        006e03000000000000006e6f74650a
        ");
    }

    #[test]
    fn a_frame_reads_back_and_only_under_its_own_salt() {
        let bytes = frame();
        let header = Header::decode(&bytes, ID).unwrap();
        assert!(Header::verify(&bytes[..HEADER], &bytes[HEADER..]));
        assert_eq!(Header::decode(&bytes, WalId { salt: 1, ..ID }), None);
        assert_eq!((header.number, header.now_us), (2, -1));
        let head = bytes[..HEADER].try_into().unwrap();
        let frame = Frame { header, head, payload: bytes[HEADER..].to_vec() };
        assert_eq!(frame.note(), b"note\n");
        assert_eq!(frame.rows(Store::Log).collect::<Vec<_>>(), [Some((5, &b"ab"[..]))]);
        assert_eq!(frame.rows(Store::Quarantine).count(), 0);
        assert_eq!(frame.rows(Store::Passthrough).collect::<Vec<_>>(), [Some((7, &b"c"[..]))]);
        assert_eq!(frame.meta().unwrap().counters, [("n".to_owned(), 3)]);
    }
}
