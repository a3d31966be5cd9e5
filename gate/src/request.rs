//! Takes a `PushEventsRequest` apart without decoding an event, and puts what passes together again, byte for byte.
//! It must never let anything through that no verdict was asked for.

use std::ops::Range;

use bytes::Bytes;

/// Bytes of events that are judged at a time, and the longest event: Vector's own limit of a `native` frame.
pub(crate) const BATCH: usize = 8 << 20;
/// Events that are judged at a time.
pub(crate) const FRAMES: usize = 1 << 15;
/// Events that a request may have: one of two bytes must not cost fifty.
const EVENTS: usize = 1 << 20;
/// What cannot be decoded is kept in pieces of this length.
const PIECE: usize = 1 << 20;

/// What is wrong with a frame before anybody has looked at what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// It is not what the protocol says.
    Malformed,
    /// It is longer than an event may be; a piece of it.
    Oversize,
}

/// One event to be judged: of Vector as an `EventArray` of one, of OTLP as an object of `native_json`; broken, the bytes as
/// they came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Where it ends in the batch's data.
    pub end: usize,
    /// Where it began in the request, bytes.
    pub offset: usize,
    /// Set: it cannot pass.
    pub broken: Option<Broken>,
}

/// Frames, end to end.
#[derive(Debug, Default)]
pub struct Batch {
    /// Their bytes.
    pub data: Vec<u8>,
    /// Their ends.
    pub frames: Vec<Frame>,
}

impl Batch {
    /// Whether something of this length may be judged together with what is here.
    pub(crate) fn has_room(&self, more: usize) -> bool {
        self.frames.is_empty() || (self.data.len() + more <= BATCH && self.frames.len() < FRAMES)
    }

    pub(crate) fn push(&mut self, parts: &[&[u8]], offset: usize, broken: Option<Broken>) {
        parts.iter().for_each(|part| self.data.extend_from_slice(part));
        self.frames.push(Frame { end: self.data.len(), offset, broken });
    }
}

/// A request, cut into its events.
#[derive(Debug)]
pub(crate) struct Request {
    message: Bytes,
    /// Each event with its tag and length, as it stands in the message.
    events: Vec<Range<usize>>,
}

/// The message is no `PushEventsRequest`.
#[derive(Debug, thiserror::Error)]
#[error("byte {0} of the request is none of a PushEventsRequest")]
pub(crate) struct NoRequest(usize);

impl Request {
    /// Cuts a message.
    pub(crate) fn cut(message: Bytes) -> Result<Self, (NoRequest, Bytes)> {
        let (mut events, mut at) = (Vec::new(), 0);
        while at < message.len() {
            match field(&message[at..]) {
                Some((1, content)) if events.len() < EVENTS => {
                    events.push(at..at + content.end);
                    at += content.end;
                }
                _ => return Err((NoRequest(at), message)),
            }
        }
        Ok(Self { message, events })
    }

    /// How many events there are.
    pub(crate) fn len(&self) -> usize {
        self.events.len()
    }

    /// The events from `first` on that are judged together, at least one.
    pub(crate) fn batch(&self, first: usize) -> Batch {
        let mut batch = Batch::default();
        for range in &self.events[first..] {
            if !batch.has_room(range.len()) {
                break;
            }
            let whole = &self.message[range.clone()];
            match array(whole) {
                Some(_) if whole.len() > BATCH => {
                    batch.push(&[whole], range.start, Some(Broken::Oversize));
                }
                Some((tag, event)) => {
                    let inner = length(event.len());
                    let outer = length(1 + inner.len() + event.len());
                    batch.push(&[&[tag], &outer, &[ONE], &inner, event], range.start, None);
                }
                None => batch.push(&[whole], range.start, Some(Broken::Malformed)),
            }
        }
        batch
    }

    /// The request of the events that pass; nothing if none does.
    pub(crate) fn passing(self, verdicts: &[bool]) -> Option<Bytes> {
        if verdicts.iter().all(|passes| *passes) {
            return (!verdicts.is_empty()).then_some(self.message);
        }
        let mut out = Vec::with_capacity(self.message.len());
        for (range, _) in self.events.iter().zip(verdicts).filter(|(_, passes)| **passes) {
            out.extend_from_slice(&self.message[range.clone()]);
        }
        (!out.is_empty()).then(|| out.into())
    }
}

/// A message that is no request, in pieces to be kept.
pub(crate) fn broken(message: &[u8]) -> Vec<Batch> {
    let batch = |(n, piece): (usize, &[u8])| {
        let mut batch = Batch::default();
        batch.push(&[piece], n * PIECE, Some(Broken::Malformed));
        batch
    };
    message.chunks(PIECE).enumerate().map(batch).collect()
}

/// Field 1, length-delimited.
const ONE: u8 = 0x0a;

/// The event of a wrapper with the tag of its array: the wrapper's fields 1 to 3 are the array's. A wrapper that holds
/// none, or more than one, is none: who decodes it decides then what it says.
fn array(whole: &[u8]) -> Option<(u8, &[u8])> {
    let (_, outer) = field(whole)?;
    let wrapper = &whole[outer];
    let (number @ 1..=3, inner) = field(wrapper)? else { return None };
    (inner.end == wrapper.len()).then(|| (number << 3 | 2, &wrapper[inner]))
}

/// A length-delimited field with a one-byte tag at the beginning: its number, and where its content stands.
fn field(bytes: &[u8]) -> Option<(u8, Range<usize>)> {
    let (tag, rest) = bytes.split_first()?;
    if tag & 0x87 != 2 {
        return None;
    }
    let (mut len, mut read) = (0_usize, 0);
    loop {
        let byte = *rest.get(read)?;
        len |= usize::from(byte & 0x7f) << (7 * read);
        read += 1;
        if byte & 0x80 == 0 {
            break;
        }
        // No message is longer than four such bytes say.
        if read == 4 {
            return None;
        }
    }
    let start = 1 + read;
    (len <= bytes.len() - start).then_some((tag >> 3, start..start + len))
}

/// A length as protobuf writes it.
pub(crate) fn length(mut value: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(5);
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use innertrail_plugin::event::{LogEvent, Value, native};

    fn log(text: &str) -> LogEvent {
        LogEvent::from_fields([("message".to_owned(), Value::Bytes(text.into()))].into())
    }

    fn request(wrappers: Vec<Vec<u8>>) -> Bytes {
        native::join_push_request(wrappers).into()
    }

    #[test]
    fn frames_are_what_the_codec_writes() {
        let long = "x".repeat(300);
        let texts = ["a", long.as_str()];
        let wrappers = texts.map(|t| native::encode_wrapper(log(t)).unwrap()).to_vec();
        let request = Request::cut(request(wrappers)).unwrap();
        let batch = request.batch(0);
        assert_eq!((batch.frames.len(), request.len()), (2, 2));
        let mut start = 0;
        for (frame, text) in batch.frames.iter().zip(texts) {
            assert_eq!(batch.data[start..frame.end], native::encode(vec![log(text)]).unwrap());
            start = frame.end;
        }
    }

    #[test]
    fn what_passes_is_the_bytes_that_came() {
        let wrappers: Vec<_> = ["a", "b", "c"].map(|t| native::encode_wrapper(log(t)).unwrap()).to_vec();
        let whole = request(wrappers.clone());
        let cut = || Request::cut(whole.clone()).unwrap();
        assert_eq!(cut().passing(&[true; 3]), Some(whole.clone()));
        let two = request(vec![wrappers[0].clone(), wrappers[2].clone()]);
        assert_eq!(cut().passing(&[true, false, true]), Some(two));
        assert_eq!(cut().passing(&[false; 3]), None);
        assert_eq!(Request::cut(Bytes::new()).unwrap().passing(&[]), None);
    }

    /// Two decoders may disagree on what a wrapper with two events holds: the one that is checked, or the other.
    #[test]
    fn a_wrapper_of_none_or_of_several_events_is_broken() {
        let one = native::encode_wrapper(log("a")).unwrap();
        let two = [one.clone(), native::encode_wrapper(log("b")).unwrap()].concat();
        let unknown = [one, vec![0x22, 0]].concat();
        let request = Request::cut(request(vec![two, vec![], unknown, vec![0x0a, 9], vec![0x12, 0]])).unwrap();
        let batch = request.batch(0);
        let broken: Vec<bool> = batch.frames.iter().map(|f| f.broken.is_some()).collect();
        assert_eq!(broken, [true, true, true, true, false]);
    }

    #[test]
    fn other_messages_are_none() {
        for bytes in
            [&b"garbage"[..], &[0x0a], &[0x0a, 5, 1], &[0x12, 0], &[0x0a, 0xff, 0xff, 0xff, 0xff, 1], &[0x08, 1]]
        {
            assert!(Request::cut(Bytes::copy_from_slice(bytes)).is_err(), "{bytes:?}");
        }
        assert_eq!(broken(&vec![7; PIECE + 1]).iter().map(|b| b.data.len()).collect::<Vec<_>>(), [PIECE, 1]);
    }
}
