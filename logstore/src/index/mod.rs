//! The token index: for every segment of the log a small file that names the ranges of rows which may hold a word.
//! It must never leave out a range that holds the word (a range too many only costs time), and it must never hold
//! anything that is not in the segment: it is derived, and whoever lacks it reads everything.
//!
//! # Words
//! A *token* is what [`tokens`] yields; text and question are cut by the same function. A *range* is up to
//! [`RANGE_ROWS`] rows of a segment, from its first row on. Four ranges are a *group* (as many rows as a Parquet row
//! group). Each range has a *filter* for its tokens; tokens that are in all four ranges of a full group are kept once,
//! in the group's *shared* filter.
//!
//! # What of an event is indexed
//! The tokens of its text as it is stored, of the text with JSON escapes replaced once (what the values in it say),
//! and replaced twice (JSON inside a JSON string, as in `requestParameters`). So a word is found whichever of the
//! three the reader looks at. Bytes that are not UTF-8 separate tokens, so what is text around them is found.
//! Columns that were computed, and stand nowhere in the event, are not indexed unless the writer adds them
//! ([`TokenIndexBuilder::also`]).
//!
//! # The file, byte for byte
//! Little endian. Filters follow the header at the next multiple of 64 and lie back to back.
//!
//! | at | size | |
//! |---|---|---|
//! | 0 | 8 | `ITTBF` 00 00 01 |
//! | 8 | 4 | header length h, with the checksum |
//! | 12 | 4 | rules of tokens, hash and filter: 1 |
//! | 16 | 4 | rows of a range, 8,192 |
//! | 20 | 4 | ranges of a group, 4 |
//! | 24 | 8 | rows |
//! | 32 | 8 | length of the file |
//! | 40 | 4 × n | blocks of each filter: per group its ranges' filters in order, then its shared one |
//! | h − 4 | 4 | CRC-32C of bytes 0 to h − 5 |
//!
//! A filter is a number of 64-byte blocks; none when it has no tokens. A block is 496 bits, then the lower 16 bits of
//! the CRC-32C over its number in the file (u32, from 0 at the first filter) and its 62 bytes. The checksum is there
//! because a bit that rots from 1 to 0 would hide a record. Bit i is bit i mod 8 of byte i div 8.
//!
//! # Hash and probes (rules 1)
//! All arithmetic is on u64 and wraps; `fold(a, b)` is the lower half of the 128-bit product xor its upper half;
//! `K0…K4` are the first 320 bits of the fraction of π. With the token's UTF-8 in 16-byte pieces, the last one filled
//! with zeros, each as two words a, b: start with h = length in bytes; for each piece h = fold(h ^ a ^ K0, b ^ K1); at
//! the end h = fold(h ^ K2, K3), then its lowest four bits are set to zero, and if h is zero it is 16. In a filter of n blocks the token's block is (upper 32 bits of h) · n / 2³²; its six
//! bits are, with g = h · K4 (K4 made odd), for i in 0…5: (10 bits of g from bit 54 − 10 i on) · 496 / 1,024.
//!
//! Why this hash: it takes 16 bytes a multiplication, needs no table, and is short enough to be written down here,
//! which a file that is read by later versions needs more than anything else. It is not keyed: who writes log text can
//! choose tokens that meet in a filter, and gains a range that is read without need.

mod builder;
mod filter;
mod hash;
mod reader;
mod tokens;

use std::path::PathBuf;

use crate::SegmentRef;
pub use crate::scan::rows_in_ranges;
pub use builder::TokenIndexBuilder;
pub use reader::TokenIndex;
pub use tokens::{Tokens, tokens};

/// Rows of one range at most; only the last range of a segment is shorter.
pub const RANGE_ROWS: u64 = 8_192;
/// Ranges of one group.
const GROUP_RANGES: u64 = 4;
const MAGIC: &[u8; 8] = b"ITTBF\0\0\x01";
/// Number of the rules by which tokens are cut, hashed and probed. Any change of them is a new number.
const RULES: u32 = 1;
/// Header bytes before the filters' sizes.
const FIXED: usize = 40;
/// Header bytes after them.
const CHECKSUM: usize = 4;

impl SegmentRef {
    /// Where the token index of this segment is: `data` in front of its day becomes `index`, and the extension `tbf`.
    /// The file need not exist; who misses it reads every row.
    #[must_use]
    pub fn index_path(&self) -> PathBuf {
        let name = self.path.with_extension("tbf");
        let day = self.path.parent();
        let root = day.and_then(|d| d.parent()).filter(|d| d.ends_with("data")).and_then(|d| d.parent());
        match (root, day.and_then(|d| d.file_name()), name.file_name()) {
            (Some(root), Some(day), Some(file)) => root.join("index").join(day).join(file),
            _ => name,
        }
    }
}

/// How many filters an index over `rows` rows has.
fn filters(rows: u64) -> u64 {
    let ranges = rows.div_ceil(RANGE_ROWS);
    ranges.saturating_add(ranges.div_ceil(GROUP_RANGES))
}
