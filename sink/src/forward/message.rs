//! What goes over the wire: entries, PackedForward, the answer to it.
//! It must never take an event that is no UTF-8 for a text: MessagePack's texts are UTF-8.
//!
//! `[tag, entries, {"chunk": text, "size": n}]`; `entries` are bytes that hold `[EventTime, {name: value}]`, one after the
//! other. EventTime is the extension type 0: seconds and nanoseconds, 32 bits each, big endian.

use std::fmt;
use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use innertrail_logstore::Layout;
use rmp::encode;
use serde::Deserialize;
use serde::de::{Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::fields::{self, Field};
use crate::record::{Batch, Record};

/// An answer: the chunk that the receiver has.
pub(super) struct Ack(pub(super) String);

impl<'de> Deserialize<'de> for Ack {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(AckVisitor)
    }
}

struct AckVisitor;

impl<'de> Visitor<'de> for AckVisitor {
    type Value = Ack;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map with `ack`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Ack, A::Error> {
        let mut ack = None;
        while let Some(key) = map.next_key::<String>()? {
            if key == "ack" {
                ack = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        ack.map(Ack).ok_or_else(|| A::Error::custom("a map without `ack`"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Ack, A::Error> {
        Err(A::Error::custom("a list, such as the HELO of a receiver that wants a handshake: set `auth`"))
    }
}

type Written = Result<(), std::io::Error>;

/// A writer that only counts.
struct Counter(usize);

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn time(out: &mut impl Write, us: i64) -> Written {
    let nanoseconds = (us.rem_euclid(1_000_000) as u32) * 1_000;
    let seconds = us.div_euclid(1_000_000);
    match u32::try_from(seconds) {
        Ok(seconds) => {
            encode::write_ext_meta(out, 8, 0)?;
            out.write_all(&seconds.to_be_bytes())?;
            out.write_all(&nanoseconds.to_be_bytes())
        }
        // EventTime ends in 2106 and begins in 1970; the protocol has plain seconds for the rest.
        Err(_) => encode::write_sint(out, seconds).map(drop).map_err(Into::into),
    }
}

fn entry(out: &mut impl Write, layout: &Layout, record: &Record) -> Written {
    encode::write_array_len(out, 2)?;
    time(out, fields::time_us(layout, record).unwrap_or(record.row.received_us))?;
    let mut count = 1;
    fields::each(layout, record, |_, _| count += 1);
    encode::write_map_len(out, count)?;
    let mut written = Ok(());
    fields::each(layout, record, |name, value| {
        if written.is_ok() {
            written = pair(out, name, value);
        }
    });
    written?;
    encode::write_str(out, "event")?;
    match fields::event(record) {
        Ok(text) => encode::write_str(out, text)?,
        Err(bytes) => encode::write_bin(out, bytes)?,
    }
    Ok(())
}

fn pair(out: &mut impl Write, name: &str, value: Field<'_>) -> Written {
    encode::write_str(out, name)?;
    match value {
        Field::Text(text) => encode::write_str(out, text)?,
        Field::Integer(number) => encode::write_sint(out, number).map(drop)?,
    }
    Ok(())
}

/// Bytes of a record within `entries`.
pub(super) fn entry_len(layout: &Layout, record: &Record) -> usize {
    let mut counter = Counter(0);
    // Counting cannot fail; were it so, the record would be counted short and the message refused by its receiver.
    let _counted = entry(&mut counter, layout, record);
    counter.0
}

/// The whole message, and how many bytes of entries it has before compression.
pub(super) fn packed(batch: &Batch<'_>, tag: &str, chunk: &str, gzip: bool) -> Result<(Vec<u8>, usize), String> {
    let mut out = Vec::new();
    let written = write_packed(&mut out, batch, tag, chunk, gzip);
    let len = written.map_err(|e| format!("the message cannot be written: {e}"))?;
    Ok((out, len))
}

fn write_packed(out: &mut Vec<u8>, batch: &Batch<'_>, tag: &str, chunk: &str, gzip: bool) -> std::io::Result<usize> {
    let mut entries = Vec::new();
    for record in batch.records {
        entry(&mut entries, batch.layout, record)?;
    }
    let len = entries.len();
    if gzip {
        let mut packed = GzEncoder::new(Vec::with_capacity(entries.len() / 4), Compression::fast());
        packed.write_all(&entries)?;
        entries = packed.finish()?;
    }
    out.reserve_exact(entries.len() + 512);
    encode::write_array_len(out, 3)?;
    encode::write_str(out, tag)?;
    if u32::try_from(entries.len()).is_err() {
        return Err(std::io::Error::other("more than 4 GiB of entries"));
    }
    encode::write_bin(out, &entries)?;
    encode::write_map_len(out, if gzip { 3 } else { 2 })?;
    encode::write_str(out, "chunk")?;
    encode::write_str(out, chunk)?;
    encode::write_str(out, "size")?;
    encode::write_uint(out, batch.records.len() as u64)?;
    if gzip {
        encode::write_str(out, "compressed")?;
        encode::write_str(out, "gzip")?;
    }
    Ok(len)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_an_event_time_as_long_as_it_can_be() {
        let of = |us| {
            let mut out = vec![];
            time(&mut out, us).unwrap();
            rmpv::decode::read_value(&mut out.as_slice()).unwrap()
        };
        assert_eq!(of(1_500_000), rmpv::Value::Ext(0, vec![0, 0, 0, 1, 0x1d, 0xcd, 0x65, 0]));
        assert_eq!(of(0), rmpv::Value::Ext(0, vec![0; 8]));
        assert_eq!(of(-1), rmpv::Value::from(-1));
        assert_eq!(of(5_000_000_000_000_000), rmpv::Value::from(5_000_000_000_i64));
    }
}
