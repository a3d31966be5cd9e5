//! Asking a token index: one read of 64 bytes for each token and range.
//! It must never hold a whole index in memory, and never answer from a damaged one.

use std::fs::File;
use std::io::ErrorKind;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::filter::{self, BLOCK};
use super::hash;
use super::tokens::tokens;
use super::{CHECKSUM, FIXED, GROUP_RANGES, MAGIC, RANGE_ROWS, RULES, filters};
use crate::Error;

/// Bytes read at first: the header of any segment up to 2.7 million rows.
const FIRST_READ: usize = 2_048;

/// The index of one segment, open for questions. Only its header is in memory.
#[derive(Debug)]
pub struct TokenIndex {
    file: File,
    path: PathBuf,
    rows: u64,
    /// Where the first filter starts in the file.
    start: u64,
    /// First block and number of blocks of every filter.
    filters: Vec<(u64, u32)>,
}

impl TokenIndex {
    /// Opens an index and reads its header.
    ///
    /// # Errors
    /// [`Error::Read`] (also when there is no such file), [`Error::Corrupt`] when it is not whole or not an index,
    /// [`Error::Version`] when it was written by other rules.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let file = File::open(path).map_err(|e| Error::read(path, e))?;
        let len = file.metadata().map_err(|e| Error::read(path, e))?.len();
        let header = Header::read(path, &file, len)?;
        let bad = |at: usize, what: &str| Err(Error::corrupt(path, at as u64, what));
        if header.u32(16)? != RANGE_ROWS as u32 || header.u32(20)? != GROUP_RANGES as u32 {
            return bad(16, "the index has ranges of another size");
        }
        let rows = header.u64(24)?;
        if header.u64(32)? != len {
            return bad(32, &format!("it should be {} bytes long and is {len}", header.u64(32)?));
        }
        let sizes = &header.bytes[FIXED..header.bytes.len() - CHECKSUM];
        if filters(rows).checked_mul(4) != Some(sizes.len() as u64) {
            return bad(24, "the number of filters does not fit the number of rows");
        }
        let mut next = 0;
        let mut filters = Vec::with_capacity(sizes.len() / 4);
        for &size in sizes.as_chunks::<4>().0 {
            let blocks = u32::from_le_bytes(size);
            filters.push((next, blocks));
            next += u64::from(blocks);
        }
        let start = header.bytes.len().next_multiple_of(BLOCK) as u64;
        if next.checked_mul(BLOCK as u64).and_then(|n| n.checked_add(start)) != Some(len) {
            return bad(FIXED, "the filters do not fill the file");
        }
        Ok(Self { file, path: path.to_path_buf(), rows, start, filters })
    }

    /// As [`TokenIndex::open`], but `None` when there is no such file.
    ///
    /// # Errors
    /// As [`TokenIndex::open`].
    pub fn open_if_there(path: &Path) -> Result<Option<Self>, Error> {
        match Self::open(path) {
            Ok(index) => Ok(Some(index)),
            Err(Error::Read { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Rows of the segment it was made for.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The rows, counted from the segment's first, that may hold **all** of `tokens`: in order, apart from each other,
    /// and whole ranges of [`RANGE_ROWS`]. A row outside holds not all of them; a row inside may not either. Without
    /// tokens these are all rows. A text that is no token, for example `a/b`, asks for every token in it.
    ///
    /// # Errors
    /// [`Error::Corrupt`], I/O.
    pub fn candidates(&self, tokens: &[&str]) -> Result<Vec<Range<u64>>, Error> {
        let hashes = hashes(tokens);
        let mut found: Vec<Range<u64>> = Vec::new();
        let mut first_filter = 0;
        let group_rows = RANGE_ROWS * GROUP_RANGES;
        for group in 0..self.rows.div_ceil(group_rows) {
            let first_row = group * group_rows;
            let ranges = (self.rows - first_row).div_ceil(RANGE_ROWS).min(GROUP_RANGES);
            let shared = self.filter(first_filter + ranges);
            let mut left: Vec<u64> = (0..ranges).collect();
            for &hash in &hashes {
                if left.is_empty() {
                    break;
                }
                if !self.holds(shared, hash)? {
                    left = self.retain(left, first_filter, hash)?;
                }
            }
            for range in left {
                let start = first_row + range * RANGE_ROWS;
                let end = (start + RANGE_ROWS).min(self.rows);
                match found.last_mut() {
                    Some(last) if last.end == start => last.end = end,
                    _ => found.push(start..end),
                }
            }
            first_filter += ranges + 1;
        }
        Ok(found)
    }

    fn retain(&self, ranges: Vec<u64>, first_filter: u64, hash: u64) -> Result<Vec<u64>, Error> {
        let mut left = Vec::with_capacity(ranges.len());
        for range in ranges {
            if self.holds(self.filter(first_filter + range), hash)? {
                left.push(range);
            }
        }
        Ok(left)
    }

    fn filter(&self, number: u64) -> (u64, u32) {
        // The number of filters fits the number of rows: checked when it was opened.
        usize::try_from(number).ok().and_then(|n| self.filters.get(n)).copied().unwrap_or_default()
    }

    /// Whether a filter may hold a token.
    fn holds(&self, (first, blocks): (u64, u32), hash: u64) -> Result<bool, Error> {
        if blocks == 0 {
            return Ok(false);
        }
        let number = first + hash::block(hash, blocks);
        let offset = self.start + number * BLOCK as u64;
        let mut block = [0; BLOCK];
        self.file.read_exact_at(&mut block, offset).map_err(|e| Error::read(&self.path, e))?;
        if !filter::is_good(&block, number) {
            return Err(Error::corrupt(&self.path, offset, "a block of a filter does not match its checksum"));
        }
        Ok(filter::check(&block, hash))
    }
}

/// Hashes of all tokens in the texts, the longest token first: long ones are rare, and spare the rest.
fn hashes(texts: &[&str]) -> Vec<u64> {
    let mut tokens: Vec<_> = texts.iter().flat_map(|t| tokens(t)).collect();
    tokens.sort_unstable_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    tokens.dedup();
    tokens.iter().map(|t| hash::hash(t.as_bytes())).collect()
}

/// The header, whole and unchanged.
struct Header<'a> {
    path: &'a Path,
    bytes: Vec<u8>,
}

impl<'a> Header<'a> {
    fn read(path: &'a Path, file: &File, len: u64) -> Result<Self, Error> {
        let fits = |n: usize| usize::try_from(len).unwrap_or(usize::MAX).min(n);
        let mut header = Self { path, bytes: vec![0; fits(FIRST_READ)] };
        file.read_exact_at(&mut header.bytes, 0).map_err(|e| Error::read(path, e))?;
        if header.bytes.first_chunk() != Some(MAGIC) {
            return Err(Error::corrupt(path, 0, "this is no token index"));
        }
        let length = header.u32(8)? as usize;
        if length < FIXED + CHECKSUM || fits(length) != length {
            return Err(Error::corrupt(path, 8, format!("the header cannot be {length} bytes long")));
        }
        let read = header.bytes.len().min(length);
        header.bytes.resize(length, 0);
        file.read_exact_at(&mut header.bytes[read..], read as u64).map_err(|e| Error::read(path, e))?;
        let (covered, checksum) = header.bytes.split_at(length - CHECKSUM);
        if crc32c::crc32c(covered).to_le_bytes() != checksum {
            return Err(Error::corrupt(path, 0, "the header does not match its checksum"));
        }
        let rules = header.u32(12)?;
        if rules != RULES {
            let (found, supported) = (u64::from(rules), u64::from(RULES));
            return Err(Error::Version { path: path.to_path_buf(), found, supported });
        }
        Ok(header)
    }

    fn array<const N: usize>(&self, at: usize) -> Result<[u8; N], Error> {
        let bytes = self.bytes.get(at..).and_then(|b| b.first_chunk()).copied();
        bytes.ok_or_else(|| Error::corrupt(self.path, at as u64, "the header ends too early"))
    }

    fn u32(&self, at: usize) -> Result<u32, Error> {
        self.array(at).map(u32::from_le_bytes)
    }

    fn u64(&self, at: usize) -> Result<u64, Error> {
        self.array(at).map(u64::from_le_bytes)
    }
}
