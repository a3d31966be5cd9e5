//! A place in the append order of one store, and its text form.
//! It must never be trusted when it comes from outside: a [`crate::consumer::Reader`] checks it against its Logstore.
//!
//! The text is base64 of a decimal number, because clients of Log Service do arithmetic on it: they decode a cursor,
//! take one away, and expect the place of the record before (observed with the Python SDK 0.9.52, `sls-api.md` §1.6).
//! A checksum at the end of the number would not survive that, so what identifies the Logstore stands at the front:
//!
//! | bit | |
//! |---|---|
//! | 62 | 1, so that all cursors have 19 digits and 28 characters |
//! | 60–61 | store |
//! | 44–59 | tag of the Logstore: of its trail's name and the time it was made |
//! | 0–43 | sequence number of the next record |
//!
//! The number grows in append order and fits a signed 64-bit integer. The tag finds mistakes, not attacks: another
//! Logstore has the same one in 1 of 65,536 cases, and nothing is protected by it. A store of more than 2^44
//! (17 million million) records would need another form.

use std::fmt;

use crate::{Snapshot, Store};

const SEQ_BITS: u32 = 44;
const TAG_BITS: u32 = 16;
const ALWAYS: u64 = 1 << 62;
/// The largest sequence number a cursor can hold.
const MAX_SEQ: u64 = (1 << SEQ_BITS) - 1;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/// Every cursor has 19 digits, so 28 characters of base64, the last two of them padding.
const DIGITS: usize = 19;
const CHARACTERS: usize = 28;

/// A place in the append order of one store: before the record with its sequence number.
///
/// Cursors of one store and Logstore compare like their places. `to_string` gives the text, [`Cursor::parse`] takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cursor {
    tag: u16,
    store: Store,
    seq: u64,
}

impl Cursor {
    pub(crate) fn new(tag: u16, store: Store, seq: u64) -> Self {
        Self { tag, store, seq: seq.min(MAX_SEQ) }
    }

    /// The same store, another place. Whether it exists is for a [`crate::consumer::Reader`] to say.
    #[must_use]
    pub fn at(self, seq: u64) -> Self {
        Self::new(self.tag, self.store, seq)
    }

    /// The store it is a place in.
    #[must_use]
    pub fn store(self) -> Store {
        self.store
    }

    /// Sequence number of the record it stands before.
    #[must_use]
    pub fn seq(self) -> u64 {
        self.seq
    }

    pub(crate) fn tag(self) -> u16 {
        self.tag
    }

    /// Reads the text form. One line feed behind it is accepted, because clients add one. `None` for anything that
    /// is not exactly what `to_string` gives. Whether the place exists is for a [`crate::consumer::Reader`] to say.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let number = decimal(&decode(text.strip_suffix('\n').unwrap_or(text))?)?;
        if number >> 62 != 1 {
            return None;
        }
        let place = usize::try_from(number >> (SEQ_BITS + TAG_BITS) & 3).ok()?;
        let store = *Store::ALL.get(place)?;
        let tag = u16::try_from(number >> SEQ_BITS & 0xffff).ok()?;
        Some(Self { tag, store, seq: number & MAX_SEQ })
    }

    fn number(self) -> u64 {
        ALWAYS
            | (self.store.place() as u64) << (SEQ_BITS + TAG_BITS)
            | u64::from(self.tag) << SEQ_BITS
            | self.seq.min(MAX_SEQ)
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&encode(self.number().to_string().as_bytes()))
    }
}

/// The tag of a Logstore.
pub(crate) fn tag_of(snapshot: &Snapshot) -> u16 {
    tag(snapshot.trail(), snapshot.created_us())
}

pub(crate) fn tag(trail: &str, created_us: i64) -> u16 {
    let sum = crc32c::crc32c_append(crc32c::crc32c(&created_us.to_le_bytes()), trail.as_bytes());
    (sum >> 16) as u16 ^ (sum & 0xffff) as u16
}

fn encode(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(CHARACTERS);
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0u32, |group, b| group << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for i in 0..4 {
            let digit = ALPHABET[(group >> (18 - 6 * i) & 63) as usize];
            out.push(if i <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    out
}

/// The 19 bytes that a cursor's text holds. Only the one way to write them is accepted, so texts compare like cursors.
fn decode(text: &str) -> Option<[u8; DIGITS]> {
    let text = text.as_bytes();
    let (chars, padding) = text.split_at_checked(CHARACTERS - 2)?;
    if padding != b"==" {
        return None;
    }
    let mut out = [0u8; DIGITS];
    let (mut bits, mut held, mut at) = (0u32, 0, 0);
    for c in chars {
        let digit = ALPHABET.iter().position(|a| a == c)?;
        bits = bits << 6 | u32::try_from(digit).ok()?;
        held += 6;
        if held >= 8 {
            held -= 8;
            *out.get_mut(at)? = (bits >> held & 0xff) as u8;
            at += 1;
            bits &= (1 << held) - 1;
        }
    }
    (at == DIGITS && bits == 0).then_some(out)
}

fn decimal(digits: &[u8; DIGITS]) -> Option<u64> {
    digits.iter().try_fold(0u64, |number, d| {
        let digit = d.checked_sub(b'0').filter(|d| *d < 10)?;
        number.checked_mul(10)?.checked_add(u64::from(digit))
    })
}
