//! The text form of a place in a shard. It must never be taken for a place that its Logstore, store and shard do not have.
//!
//! The form is that of the Logstore's own cursors (base64 of 19 decimal digits), because clients decode it, take one away
//! and expect the place of the record before (Python SDK 0.9.52, `sls-api.md` §1.6). What differs is what is counted: the
//! records of one shard, so that taking one away never leads into another shard's block.
//!
//! | bit | |
//! |---|---|
//! | 62 | 1, so that all cursors have 19 digits |
//! | 60–61 | store |
//! | 44–59 | tag of the Logstore, its shards and this shard |
//! | 0–43 | ordinal of the next record in the shard |
//!
//! Shards of one Logstore never share a tag; another Logstore has the same one in 1 of 65,536 cases. It finds mistakes,
//! not attacks, and nothing is protected by it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use innertrail_logstore::Store;

use super::shape::Shape;

const ORDINAL_BITS: u32 = 44;
const ALWAYS: u64 = 1 << 62;
const MAX_ORDINAL: u64 = (1 << ORDINAL_BITS) - 1;
const DIGITS: usize = 19;
const CHARACTERS: usize = 28;

/// Writes and reads the cursors of one Logstore.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursors {
    tag: u16,
}

impl Cursors {
    /// For the Logstore of this trail, made at this time, with shards of this shape.
    pub(crate) fn new(trail: &str, created_us: i64, shape: Shape) -> Self {
        let mut sum = crc32c::crc32c(b"sls");
        for part in [created_us.to_le_bytes(), u64::from(shape.shards).to_le_bytes(), shape.block.to_le_bytes()] {
            sum = crc32c::crc32c_append(sum, &part);
        }
        sum = crc32c::crc32c_append(sum, trail.as_bytes());
        Self { tag: (sum >> 16) as u16 ^ (sum & 0xffff) as u16 }
    }

    fn front(self, store: Store, shard: u32) -> u64 {
        // 128 shards at the most, so the products differ.
        let tag = self.tag.wrapping_add((shard as u16).wrapping_mul(257));
        ALWAYS | super::place(store) << 60 | u64::from(tag) << ORDINAL_BITS
    }

    /// The text of a place.
    pub(crate) fn text(self, store: Store, shard: u32, ordinal: u64) -> String {
        STANDARD.encode((self.front(store, shard) | ordinal.min(MAX_ORDINAL)).to_string())
    }

    /// The ordinal that a text stands for, when it is exactly what [`Cursors::text`] gives for this store and shard, or that with
    /// blanks behind it: a client adds a line feed. Whether the place exists is not looked at.
    pub(crate) fn ordinal(self, store: Store, shard: u32, text: &str) -> Option<u64> {
        let text = text.trim_end();
        let digits = (text.len() == CHARACTERS).then(|| STANDARD.decode(text).ok())??;
        if digits.len() != DIGITS || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let number: u64 = std::str::from_utf8(&digits).ok()?.parse().ok()?;
        (number & !MAX_ORDINAL == self.front(store, shard)).then_some(number & MAX_ORDINAL)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape { shards: 4, block: 1024 };

    /// What the Python SDK does with a cursor to find the one before.
    fn before(text: &str) -> String {
        let number: u64 = String::from_utf8(STANDARD.decode(text).unwrap()).unwrap().parse().unwrap();
        STANDARD.encode((number - 1).to_string()) + "\n"
    }

    #[test]
    fn a_cursor_is_read_back_and_so_is_the_one_before_it() {
        let cursors = Cursors::new("main", 1_794_524_400_000_000, SHAPE);
        for store in Store::ALL {
            for (shard, ordinal) in [(0, 0), (3, 1), (1, 1024), (2, MAX_ORDINAL)] {
                let text = cursors.text(store, shard, ordinal);
                assert_eq!((text.len(), cursors.ordinal(store, shard, &text)), (28, Some(ordinal)));
                assert_eq!(cursors.ordinal(store, shard, &before(&text)), ordinal.checked_sub(1));
            }
        }
    }

    #[test]
    fn what_is_not_a_cursor_of_this_shard_is_none() {
        let cursors = Cursors::new("main", 1_794_524_400_000_000, SHAPE);
        let text = cursors.text(Store::Log, 1, 7);
        for shard in (0..128).filter(|shard| *shard != 1) {
            assert_eq!(cursors.ordinal(Store::Log, shard, &text), None);
        }
        assert_eq!(cursors.ordinal(Store::Journal, 1, &text), None);
        for other in [
            Cursors::new("other", 1_794_524_400_000_000, SHAPE),
            Cursors::new("main", 1_794_524_400_000_001, SHAPE),
            Cursors::new("main", 1_794_524_400_000_000, Shape { shards: 2, block: 1024 }),
            Cursors::new("main", 1_794_524_400_000_000, Shape { shards: 4, block: 512 }),
        ] {
            assert_eq!(other.ordinal(Store::Log, 1, &text), None);
        }
        let hostile = [
            String::new(),
            "\n".into(),
            "é".repeat(40),
            "A".repeat(1 << 20),
            STANDARD.encode("-1"),
            format!("{text}{text}"),
        ];
        for bad in hostile.iter().map(String::as_str).chain([&text[1..], &text[..27], "NDY4NTY3MzE1NjI0ODI3MjUxMg"]) {
            assert_eq!(cursors.ordinal(Store::Log, 1, bad), None, "{bad}");
        }
    }
}
