//! Reading the write-ahead log, frame by frame, from the format's text alone.
//! It must never trust a length, and never hold more than one frame.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::thread::sleep;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::tree::Hash;

const FILE_HEADER: usize = 32;
const FILE_MAGIC: &[u8; 8] = b"ITWAL\0\0\x01";
pub(crate) const HEADER: usize = 128;
const MAGIC: &[u8; 4] = b"ITF\x01";
const MAX_PAYLOAD: u32 = 256 << 20;
/// Header bytes that the chain covers.
const CHAINED: std::ops::Range<usize> = 16..112;
/// Candidates for a good frame behind a bad one that are looked at.
const MAX_CANDIDATES: usize = 64;
/// How often, and how long apart, an unfinished last frame is read again: it may be in the middle of being written.
const UNFINISHED_TRIES: usize = 5;
const UNFINISHED_PAUSE: Duration = Duration::from_millis(10);

/// The rows of one store in a frame.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Part {
    pub(crate) first: u64,
    pub(crate) rows: u32,
    bytes: u32,
}

/// A frame whose checksums hold.
#[derive(Debug)]
pub(crate) struct Frame {
    head: [u8; HEADER],
    pub(crate) number: u64,
    pub(crate) time: i64,
    pub(crate) parts: [Part; 4],
    payload: Vec<u8>,
    meta_len: usize,
    note_len: usize,
}

impl Frame {
    /// The signed checkpoint after this frame.
    pub(crate) fn note(&self) -> &[u8] {
        &self.payload[self.payload.len() - self.note_len..]
    }

    /// Gives every record to `record` (place of the store, content), and returns the chain after this frame.
    /// `None` when the rows are not rows, or leave bytes that no hash covers.
    pub(crate) fn replay(&self, chain: &Hash, mut record: impl FnMut(usize, &[u8])) -> Option<Hash> {
        let mut hash = Sha256::new();
        hash.update([2]);
        hash.update(chain);
        hash.update(&self.head[CHAINED]);
        let mut rest = &self.payload[..self.payload.len() - self.note_len];
        for (place, part) in self.parts.iter().enumerate() {
            let (mut rows, after) = rest.split_at_checked(part.bytes as usize)?;
            for _ in 0..part.rows {
                let (len, behind) = rows.split_first_chunk::<4>()?;
                let (row, behind) = behind.split_at_checked(u32::from_le_bytes(*len) as usize)?;
                let (before, content, extra) = split_row(row)?;
                hash.update(len);
                hash.update(before);
                hash.update(extra);
                record(place, content);
                rows = behind;
            }
            if !rows.is_empty() {
                return None;
            }
            rest = after;
        }
        hash.update(rest);
        (rest.len() == self.meta_len).then(|| hash.finalize().into())
    }
}

/// A row in three: what is before its content (fixed part, slots), the content, and what is behind it.
fn split_row(row: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let fixed = row.first_chunk::<8>()?;
    let slots = usize::from(u16::from_le_bytes([fixed[0], fixed[1]]));
    let len = u32::from_le_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]) as usize;
    if fixed[2..4] != [0, 0] {
        return None;
    }
    let (before, body) = row.split_at_checked(8 + slots * 8)?;
    let (content, extra) = body.split_at_checked(len)?;
    Some((before, content, extra))
}

/// What is at a place in the file.
#[derive(Debug)]
pub(crate) enum Next {
    Frame(Box<Frame>),
    /// The file ends here.
    End,
    /// No good frame here; a good one follows at `good`, if any does.
    Bad {
        bytes: u64,
        good: Option<u64>,
    },
}

/// A write-ahead log being read.
#[derive(Debug)]
pub(crate) struct Reader {
    file: BufReader<File>,
    id: [u8; 16],
    pub(crate) offset: u64,
    number: u64,
}

impl Reader {
    /// Starts reading. `None` when the file header is not one of this generation.
    pub(crate) fn new(mut file: File, generation: u64) -> std::io::Result<Option<Self>> {
        let mut head = Vec::new();
        (&mut file).take(FILE_HEADER as u64).read_to_end(&mut head)?;
        let good = head.len() == FILE_HEADER
            && head.starts_with(FILE_MAGIC)
            && head[24..28] == [0; 4]
            && crc32c::crc32c(&head[..28]) == u32_at(&head, 28)
            && u64_at(&head, 8) == generation;
        let id: Option<[u8; 16]> = head.get(8..24).and_then(|id| id.try_into().ok()).filter(|_| good);
        let file = BufReader::with_capacity(1 << 16, file);
        Ok(id.map(|id| Self { file, id, offset: FILE_HEADER as u64, number: 0 }))
    }

    /// The next frame.
    pub(crate) fn next(&mut self) -> std::io::Result<Next> {
        for _ in 0..UNFINISHED_TRIES {
            match self.frame_at(self.offset)? {
                At::Frame(frame) if frame.number == self.number => {
                    self.offset += (HEADER + frame.payload.len()) as u64;
                    self.number += 1;
                    return Ok(Next::Frame(frame));
                }
                At::End => return Ok(Next::End),
                At::Unfinished => sleep(UNFINISHED_PAUSE),
                At::Frame(_) | At::Bad => break,
            }
        }
        let len = self.file.get_ref().metadata()?.len();
        Ok(Next::Bad { bytes: len.saturating_sub(self.offset), good: self.good_after(self.offset + 1, len)? })
    }

    fn frame_at(&mut self, offset: u64) -> std::io::Result<At> {
        let len = self.file.get_ref().metadata()?.len();
        let left = len.saturating_sub(offset);
        if left == 0 {
            return Ok(At::End);
        }
        let delta =
            i64::try_from(offset).unwrap_or(i64::MAX) - i64::try_from(self.file.stream_position()?).unwrap_or(0);
        self.file.seek_relative(delta)?;
        if left < HEADER as u64 {
            return Ok(At::Unfinished);
        }
        let mut head = [0; HEADER];
        self.file.read_exact(&mut head)?;
        let Some(mut frame) = Frame::head(head, &self.id) else { return Ok(At::Bad) };
        let payload_len = u32_at(&head, 8);
        if u64::from(payload_len) > left - HEADER as u64 {
            return Ok(At::Unfinished);
        }
        frame.payload = vec![0; payload_len as usize];
        self.file.read_exact(&mut frame.payload)?;
        let crc = crc32c::crc32c_append(crc32c::crc32c(&head[..124]), &frame.payload);
        Ok(if crc == u32_at(&head, 124) { At::Frame(Box::new(frame)) } else { At::Bad })
    }

    /// Where a good frame starts between two places.
    fn good_after(&mut self, mut from: u64, len: u64) -> std::io::Result<Option<u64>> {
        const WINDOW: usize = 1 << 20;
        let (mut window, mut candidates) = (Vec::new(), 0);
        while from + HEADER as u64 <= len && candidates < MAX_CANDIDATES {
            window.clear();
            self.file.seek(SeekFrom::Start(from))?;
            (&mut self.file).take((WINDOW + HEADER - 1) as u64).read_to_end(&mut window)?;
            if window.len() < HEADER {
                break;
            }
            let likely = |at: &usize| {
                let head = window[*at..].first_chunk::<HEADER>();
                head.is_some_and(|head| head.starts_with(MAGIC) && Frame::head(*head, &self.id).is_some())
            };
            let places: Vec<usize> = (0..=window.len() - HEADER).filter(likely).take(MAX_CANDIDATES).collect();
            for at in places {
                candidates += 1;
                if let At::Frame(_) = self.frame_at(from + at as u64)? {
                    return Ok(Some(from + at as u64));
                }
            }
            from += (window.len() - HEADER + 1) as u64;
        }
        Ok(None)
    }
}

enum At {
    Frame(Box<Frame>),
    End,
    Unfinished,
    Bad,
}

impl Frame {
    /// A frame without its payload, if the header is one of this file and its checksum holds.
    fn head(head: [u8; HEADER], id: &[u8; 16]) -> Option<Self> {
        let good = head.starts_with(MAGIC)
            && u32_at(&head, 4) as usize == HEADER
            && head[16..32] == *id
            && head[116..120] == [0; 4]
            && crc32c::crc32c(&head[..120]) == u32_at(&head, 120);
        if !good {
            return None;
        }
        let mut parts = [Part::default(); 4];
        for (part, at) in parts.iter_mut().zip((48..).step_by(16)) {
            *part = Part { first: u64_at(&head, at), rows: u32_at(&head, at + 8), bytes: u32_at(&head, at + 12) };
        }
        let (payload_len, meta_len, note_len) = (u32_at(&head, 8), u32_at(&head, 12), u32_at(&head, 112));
        let sum: u64 = parts.iter().map(|p| u64::from(p.bytes)).sum();
        let whole = sum + u64::from(meta_len) + u64::from(note_len) == u64::from(payload_len);
        (whole && payload_len <= MAX_PAYLOAD).then(|| Self {
            head,
            number: u64_at(&head, 32),
            time: u64_at(&head, 40).cast_signed(),
            parts,
            payload: Vec::new(),
            meta_len: meta_len as usize,
            note_len: note_len as usize,
        })
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes)
}
