//! Writes to a stream that an agent reads: its standard input, as with Vector's `exec` source, or a pipe.
//! It must never write half a record on purpose, nor claim more than that the bytes are in the stream.
//!
//! A stream has no answer. What is in a pipe when its reader dies is lost, and neither side notices: at most once from
//! there on. The mark and number of each record let a reader find what is missing.

use std::io::Write;

use innertrail_plugin::event::native::MAX_FRAME_BYTES;

use crate::encode::{Encoder, Encoding, delimited, event_array};
use crate::record::Batch;
use crate::sender::{Refused, Sender};
use crate::trouble::Trouble;

/// Bytes of JSON written at a time.
const MAX_LINES: usize = 4 << 20;
/// A frame's length in front of it.
const LENGTH: usize = 4;

/// A stream of lines (`native_json`, JSON) or of length-delimited frames (`native`: one `EventArray` a batch).
pub struct Stream<W> {
    out: W,
    encoder: Encoder,
    buffer: Vec<u8>,
    /// Bytes of the last batch.
    sent: u64,
}

impl<W: Write> Stream<W> {
    /// Writes to `out` in this encoding.
    #[must_use]
    pub fn new(out: W, encoding: Encoding) -> Self {
        Self { out, encoder: Encoder::new(encoding), buffer: Vec::new(), sent: 0 }
    }

    fn encode(&mut self, batch: &Batch<'_>) -> Result<(), Refused> {
        let never = |e: crate::encode::EncodeError| Refused::Never { why: e.to_string() };
        self.buffer.clear();
        if self.encoder.encoding() != Encoding::Native {
            for record in batch.records {
                self.encoder.append(batch, record, &mut self.buffer).map_err(never)?;
                self.buffer.push(b'\n');
            }
            return Ok(());
        }
        self.buffer.extend_from_slice(&[0; LENGTH]);
        event_array(&self.encoder, batch, &mut self.buffer).map_err(never)?;
        let len = self.buffer.len() - LENGTH;
        match u32::try_from(len) {
            Ok(len) if len as usize <= MAX_FRAME_BYTES => {
                self.buffer[..LENGTH].copy_from_slice(&len.to_be_bytes());
                Ok(())
            }
            _ => Err(Refused::Never { why: format!("a frame of {len} bytes is over Vector's {MAX_FRAME_BYTES}") }),
        }
    }
}

impl<W: Write + Send> Sender for Stream<W> {
    fn send(&mut self, batch: &Batch<'_>) -> Result<(), Refused> {
        self.encode(batch)?;
        self.sent = self.buffer.len() as u64;
        let written = self.out.write_all(&self.buffer).and_then(|()| self.out.flush());
        self.buffer.shrink_to(1 << 16);
        written.map_err(|e| Refused::Later { why: format!("the stream took no more: {e}"), after: None })
    }

    fn max_request_bytes(&self) -> usize {
        // What leads a frame and its array has to fit too.
        if self.encoder.encoding() == Encoding::Native { MAX_FRAME_BYTES - 16 } else { MAX_LINES }
    }

    fn encoded_len(&self, batch: &Batch<'_>, at: usize) -> usize {
        let Some(record) = batch.records.get(at) else { return 0 };
        let len = self.encoder.len(batch, record);
        if self.encoder.encoding() == Encoding::Native { delimited(len) } else { len + 1 }
    }

    fn body_bytes(&self) -> Option<u64> {
        Some(self.sent)
    }

    fn trouble(&self) -> Trouble {
        Trouble::Writer
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use innertrail_logstore::{Layout, StoredRow};
    use innertrail_plugin::event::native::{Frame, decode, split_frames};

    use super::*;
    use crate::record::Record;

    fn records(count: u64, len: usize) -> Vec<Record> {
        let row = |seq| StoredRow::new(seq, 0, &[], &vec![b'x'; len]);
        (0..count).map(|seq| Record::new(row(seq), format!("v1.{seq}.00"))).collect()
    }

    fn sent(encoding: Encoding, records: &[Record]) -> Result<Vec<u8>, Refused> {
        let mut out = Vec::new();
        let mut stream = Stream::new(&mut out, encoding);
        let batch = Batch { trail: "t", layout: &Layout::default(), records };
        stream.send(&batch)?;
        let told: usize = (0..records.len()).map(|at| stream.encoded_len(&batch, at)).sum();
        assert!(out.len() - told <= 16, "{} for {told}", out.len());
        Ok(out)
    }

    #[test]
    fn each_form_is_what_its_reader_takes() {
        let lines = String::from_utf8(sent(Encoding::NativeJson, &records(2, 1)).unwrap()).unwrap();
        insta::assert_snapshot!(lines, @r#"
{"log":{"event":"x","it_seq":0,"it_seal":"v1.0.00"}}
{"log":{"event":"x","it_seq":1,"it_seal":"v1.1.00"}}
"#);
        let lines = String::from_utf8(sent(Encoding::Json, &records(1, 1)).unwrap()).unwrap();
        insta::assert_snapshot!(lines, @r#"{"it_seq":0,"it_received":0,"it_seal":"v1.0.00","event":"x"}"#);
        let frames = sent(Encoding::Native, &records(300, 100)).unwrap();
        let frames = split_frames(&frames, MAX_FRAME_BYTES);
        assert!(frames.rest.is_empty() && frames.frames.len() == 1);
        let Frame::Logs { events, unknown_values: 0 } = decode(frames.frames[0]).unwrap() else { panic!() };
        assert_eq!(events.len(), 300);
    }

    #[test]
    fn a_frame_that_no_reader_takes_is_not_written() {
        assert!(matches!(sent(Encoding::Native, &records(1, MAX_FRAME_BYTES)), Err(Refused::Never { .. })));
        assert!(sent(Encoding::Native, &records(1, MAX_FRAME_BYTES - 1_000)).is_ok());
    }

    #[test]
    fn a_closed_stream_is_waited_for() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                Err(std::io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let records = records(1, 1);
        let batch = Batch { trail: "t", layout: &Layout::default(), records: &records };
        assert!(matches!(Stream::new(Closed, Encoding::Json).send(&batch), Err(Refused::Later { .. })));
    }
}
