//! The decode room: bytes of one frame in, records out.
//!
//! It opens the containers in which ActionTrail is delivered (arrays, concatenated objects, Log Service records,
//! LookupEvents answers, EventBridge envelopes) and lifts the fields that later rooms need. It must never drop a
//! byte: what is no record comes out as [`Decoded::Bad`] with the place where it went wrong.

mod key;
pub(crate) mod may_hold;
pub mod raw_event;
mod record;
pub mod scan;
pub mod secrets;
pub mod text;
mod token;

pub(crate) use key::means_nothing;
use raw_event::{Envelope, RawEvent};
use record::{Carried, Opening, Unsettled};
use scan::{Problem, ScanError, Scanner, Token, TokenKind, Unwatched};
use secrets::WatchList;
use text::unescape;

/// What came out of a frame.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly every record is an event; a box would cost each an allocation")]
pub enum Decoded<'a> {
    /// A JSON object: an operation log, or something else.
    Event(RawEvent<'a>),
    /// Bytes that are no record.
    Bad {
        /// The bytes.
        bytes: &'a [u8],
        /// What is wrong, in words.
        detail: String,
    },
}

/// One thing that came out of a frame, and the bytes of the frame that it accounts for.
#[derive(Debug)]
pub struct Record<'a> {
    /// What it is.
    pub decoded: Decoded<'a>,
    /// Where it begins in the frame.
    pub start: usize,
    /// How many bytes of the frame it accounts for.
    pub consumed: usize,
}

/// Containers that are opened inside one another: an agent's line, a Log Service record, an answer or an envelope. Each
/// is looked through twice, so the time grows with two to the power of this.
const MOST_CONTAINERS: u8 = 3;

/// What was found inside an object.
enum Inner {
    /// No operation log.
    Nothing,
    /// Operation logs among other text: left as it is, so that nothing of it is lost.
    Hidden,
    /// It was taken apart.
    Opened,
}

/// The room's settings.
#[derive(Debug, Clone)]
pub struct Decoder {
    /// Deepest nesting, see [`scan::MAX_DEPTH`].
    pub max_depth: usize,
    /// Keys whose values are noted as secrets.
    pub watch: WatchList,
}

impl Decoder {
    /// Decodes one frame; `visit` gets every record in order. Bytes between records (blanks, commas, brackets) are
    /// framing and reach nobody.
    pub fn frame(&self, frame: &[u8], visit: &mut dyn FnMut(Record<'_>)) {
        self.frame_within(frame, MOST_CONTAINERS, visit);
    }

    /// A frame, or what an event carries. `opens`: so many containers may still be opened inside one another.
    fn frame_within(&self, frame: &[u8], opens: u8, visit: &mut dyn FnMut(Record<'_>)) {
        let frame_end = frame.len();
        if let Err(error) = simdutf8::compat::from_utf8(frame) {
            let detail = format!("not UTF-8 (byte {} of the record)", error.valid_up_to());
            return visit(Record { decoded: Decoded::Bad { bytes: frame, detail }, start: 0, consumed: frame_end });
        }
        let mut scanner = Scanner::new(frame, 0, self.max_depth);
        if frame.starts_with(b"\xef\xbb\xbf") {
            scanner.pos = 3;
        }
        loop {
            match scanner.peek() {
                0 if scanner.pos >= frame_end => return,
                b'{' => {}
                b'[' => return self.array(frame, scanner.pos, 0, opens, visit),
                _ => return bad(frame, scanner.pos, &ScanError { problem: Problem::Value, at: 0 }, visit),
            }
            match self.object(frame, scanner.pos, opens, visit) {
                Ok(end) => scanner.pos = end,
                Err(error) => return bad(frame, scanner.pos, &error, visit),
            }
        }
    }

    /// Decodes an event again after its secrets were masked.
    pub fn again<'a>(&self, bytes: &'a [u8], envelope: Option<&'a Envelope>) -> Option<RawEvent<'a>> {
        let event = record::object(bytes, 0, scan::MAX_DEPTH, &WatchList::default()).ok()?;
        Some(RawEvent { envelope, ..event })
    }

    /// Decodes one object, noting secrets.
    pub fn again_watched<'a>(&self, bytes: &'a [u8]) -> Option<RawEvent<'a>> {
        record::object(bytes, 0, scan::MAX_DEPTH, &self.watch).ok()
    }

    /// Decodes the object at `start` and gives the place behind it.
    fn object(
        &self,
        frame: &[u8],
        start: usize,
        opens: u8,
        visit: &mut dyn FnMut(Record<'_>),
    ) -> Result<usize, ScanError> {
        let carried = if opens > 0 { Carried::Along } else { Carried::Apart };
        let found = record::unsettled(frame, start, self.max_depth, &self.watch, carried)?;
        let len = found.event.bytes.len();
        let Unsettled { mut event, opening, carried } = found;
        if let Some(carried) = carried {
            if self.carried(start, &event, &opening, *carried, visit) {
                return Ok(start + len);
            }
            // What it holds is no event by itself, so it is looked through as a part of this record.
            let again = record::unsettled(frame, start, self.max_depth, &self.watch, Carried::Apart)?;
            event = again.event;
        }
        if let (None, Some(opens)) = (event.family(), opens.checked_sub(1)) {
            match self.open(frame, start, &event, &opening, opens, visit) {
                Inner::Opened => return Ok(start + len),
                Inner::Hidden => event.hides_log = true,
                Inner::Nothing => {}
            }
        }
        opening.settle(&mut event, &self.watch);
        if opening.topic.kind == TokenKind::Absent && opening.source.kind == TokenKind::Absent {
            visit(Record { decoded: Decoded::Event(event), start, consumed: len });
        } else {
            // A flat Log Service record: the fields stand beside its topic.
            let envelope = Envelope { json: Vec::new(), ..envelope(&event, &opening, Token::default()) };
            visit(Record {
                decoded: Decoded::Event(RawEvent { envelope: Some(&envelope), ..event }),
                start,
                consumed: len,
            });
        }
        Ok(start + len)
    }

    /// Hands on the operation log that was decoded on the way, if it is one and its record holds nothing else.
    fn carried(
        &self,
        start: usize,
        outer: &RawEvent<'_>,
        opening: &Opening,
        carried: Unsettled<'_>,
        visit: &mut dyn FnMut(Record<'_>),
    ) -> bool {
        let only = outer.family().is_none() && outer.duplicate_keys == 0 && opening.events.kind == TokenKind::Absent;
        let Some(event) = self.alone(carried).filter(|_| only) else { return false };
        let around = envelope(outer, opening, opening.inner);
        let decoded = Decoded::Event(RawEvent { envelope: Some(&around), ..event });
        visit(Record { decoded, start, consumed: outer.bytes.len() });
        true
    }

    /// The operation log that an object is, if it is one without anything around it.
    fn alone<'t>(&self, found: Unsettled<'t>) -> Option<RawEvent<'t>> {
        let Unsettled { mut event, opening, .. } = found;
        let flat = opening.topic.kind == TokenKind::Absent && opening.source.kind == TokenKind::Absent;
        if !flat || event.family().is_none() {
            return None;
        }
        opening.settle(&mut event, &self.watch);
        Some(event)
    }

    /// Opens a container, if the object is one.
    fn open(
        &self,
        frame: &[u8],
        start: usize,
        outer: &RawEvent<'_>,
        opening: &Opening,
        opens: u8,
        visit: &mut dyn FnMut(Record<'_>),
    ) -> Inner {
        if opening.events.kind == TokenKind::Array && self.holds_events(outer.bytes, opening.events) {
            let events = start + opening.events.start as usize;
            self.array(&frame[..start + opening.events.end as usize], events, 2, opens, visit);
            return Inner::Opened;
        }
        let mut hidden = false;
        for inner in [opening.inner, opening.data, opening.message] {
            match self.inner(start, outer, opening, inner, opens, visit) {
                Inner::Opened => return Inner::Opened,
                found => hidden |= matches!(found, Inner::Hidden),
            }
        }
        if hidden { Inner::Hidden } else { Inner::Nothing }
    }

    /// Whether the first element of an array is an operation log. Anybody's log may have a key called `Events`.
    fn holds_events(&self, text: &[u8], array: Token) -> bool {
        let mut scanner = Scanner::new(text, array.start as usize + 1, self.max_depth);
        scanner.peek() == b'{'
            && record::object(text, scanner.pos, self.max_depth, &WatchList::default())
                .is_ok_and(|event| event.family().is_some())
    }

    /// What `event`, `data` or `message` holds: operation logs and nothing else, in any container.
    fn inner(
        &self,
        start: usize,
        outer: &RawEvent<'_>,
        opening: &Opening,
        inner: Token,
        opens: u8,
        visit: &mut dyn FnMut(Record<'_>),
    ) -> Inner {
        // A Log Service record is looked through in any case: it may be one whose event is damaged.
        if opening.topic.kind == TokenKind::Absent && !may_hold::may_hold_log(inner.of(outer.bytes)) {
            return Inner::Nothing;
        }
        let text = match inner.kind {
            TokenKind::Object => inner.of(outer.bytes).to_vec(),
            TokenKind::Plain | TokenKind::Escaped => unescape(inner.of(outer.bytes)).into_bytes(),
            _ => return Inner::Nothing,
        };
        if let Some(event) = self.only(&text) {
            let around = envelope(outer, opening, inner);
            let decoded = Decoded::Event(RawEvent { envelope: Some(&around), ..event });
            visit(Record { decoded, start, consumed: outer.bytes.len() });
            return Inner::Opened;
        }
        let (mut logs, mut others, mut problem) = (0, 0, None);
        self.frame_within(&text, opens, &mut |record| match record.decoded {
            Decoded::Event(event) if event.family().is_some() => logs += 1,
            Decoded::Event(event) => {
                others += 1 + usize::from(event.hides_log);
                logs += usize::from(event.hides_log);
            }
            Decoded::Bad { detail, .. } => {
                others += 1;
                problem = Some(detail);
            }
        });
        if let (Some(problem), true) = (problem, opening.topic.kind != TokenKind::Absent && text.starts_with(b"{")) {
            // A Log Service record whose event is damaged must not pass as an ordinary log.
            let detail = format!("the event inside a Log Service record: {problem}");
            let bytes = outer.bytes;
            visit(Record { decoded: Decoded::Bad { bytes, detail }, start, consumed: bytes.len() });
            return Inner::Opened;
        }
        match (logs, others) {
            (0, _) => return Inner::Nothing,
            (_, 1..) => return Inner::Hidden,
            _ => {}
        }
        let around = envelope(outer, opening, inner);
        let mut consumed = outer.bytes.len();
        self.frame_within(&text, opens, &mut |record| {
            if let Decoded::Event(event) = record.decoded {
                let event = RawEvent { envelope: Some(event.envelope.unwrap_or(&around)), ..event };
                // The first one accounts for the record around them all.
                visit(Record { decoded: Decoded::Event(event), start, consumed: std::mem::take(&mut consumed) });
            }
        });
        Inner::Opened
    }

    /// The operation log that a text is, if it is one, without anything around it: by far the most common case, for
    /// which the text need not be decoded twice. The text has been found to be UTF-8.
    fn only<'t>(&self, text: &'t [u8]) -> Option<RawEvent<'t>> {
        if !text.starts_with(b"{") {
            return None;
        }
        let found = record::unsettled(text, 0, self.max_depth, &self.watch, Carried::Apart).ok()?;
        if found.event.bytes.len() < text.len() { None } else { self.alone(found) }
    }

    /// Every element of an array that begins at `start`; what is behind it in the frame follows.
    fn array(&self, frame: &[u8], start: usize, depth: usize, opens: u8, visit: &mut dyn FnMut(Record<'_>)) {
        let mut scanner = Scanner::new(frame, start + 1, self.max_depth);
        let mut first = true;
        loop {
            match scanner.peek() {
                b']' => {
                    scanner.pos += 1;
                    break;
                }
                b',' if !first => scanner.pos += 1,
                _ if first => {}
                _ => return bad(frame, scanner.pos, &at_start(Problem::Separator), visit),
            }
            first = false;
            scanner.peek();
            let begin = scanner.pos;
            match self.element(frame, begin, depth + 1, opens, visit) {
                Ok(end) => scanner.pos = end,
                Err(error) => return bad(frame, begin, &error, visit),
            }
        }
        scanner.peek();
        if depth == 0 && scanner.pos < frame.len() {
            bad(frame, scanner.pos, &at_start(Problem::Separator), visit);
        }
    }

    fn element(
        &self,
        frame: &[u8],
        begin: usize,
        depth: usize,
        opens: u8,
        visit: &mut dyn FnMut(Record<'_>),
    ) -> Result<usize, ScanError> {
        if frame.get(begin) == Some(&b'{') {
            return self.object(frame, begin, opens, visit);
        }
        let token = Scanner::new(frame, begin, self.max_depth)
            .value(depth, &mut Unwatched)
            .map_err(|e| ScanError { at: e.at - begin, ..e })?;
        let end = token.end as usize + usize::from(token.is_string());
        let bytes = &frame[begin..end];
        let detail = "an element of the array is not an object (byte 0 of the record)".to_owned();
        visit(Record { decoded: Decoded::Bad { bytes, detail }, start: begin, consumed: bytes.len() });
        Ok(end)
    }
}

fn at_start(problem: Problem) -> ScanError {
    ScanError { problem, at: 0 }
}

fn bad(frame: &[u8], start: usize, error: &ScanError, visit: &mut dyn FnMut(Record<'_>)) {
    let bytes = &frame[start..];
    visit(Record { decoded: Decoded::Bad { bytes, detail: error.to_string() }, start, consumed: bytes.len() });
}

fn envelope(outer: &RawEvent<'_>, opening: &Opening, inner: Token) -> Envelope {
    let quote = usize::from(inner.is_string());
    let (start, end) = ((inner.start as usize).saturating_sub(quote), inner.end as usize + quote);
    let mut json = Vec::with_capacity(outer.bytes.len() - (end - start) + 4);
    json.extend_from_slice(&outer.bytes[..start]);
    json.extend_from_slice(b"null");
    json.extend_from_slice(&outer.bytes[end..]);
    let text = |token| outer.text_of(token).map(std::borrow::Cow::into_owned);
    // Of what else may hold an event the strings were not looked through yet.
    let mut others = [opening.inner, opening.data, opening.message].into_iter().filter(|other| *other != inner);
    let is_plain = outer.secrets.is_empty()
        && outer.secret_texts.is_empty()
        && others.all(|other| other.kind == TokenKind::Absent);
    Envelope { json, is_plain, topic: text(opening.topic), source: text(opening.source) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(frame: &[u8]) -> String {
        let decoder = Decoder { max_depth: 64, watch: WatchList::new(["accessKeySecret"]) };
        let mut out = String::new();
        let mut consumed = 0;
        decoder.frame(frame, &mut |record| {
            consumed += record.consumed;
            out += &match record.decoded {
                Decoded::Event(e) => format!(
                    "{}+{} {:?} id={:?} dup={} secrets={} topic={:?}\n",
                    record.start,
                    record.consumed,
                    e.family(),
                    e.text(crate::event::columns::Column::EventId),
                    e.duplicate_keys,
                    e.secrets.len(),
                    e.envelope.and_then(|e| e.topic.clone())
                ),
                Decoded::Bad { bytes, detail } => {
                    format!("{}+{} bad {:?}: {detail}\n", record.start, record.consumed, String::from_utf8_lossy(bytes))
                }
            };
        });
        assert!(consumed <= frame.len());
        out
    }

    #[test]
    fn opens_every_container() {
        insta::assert_snapshot!(seen(br#"{"eventId":"A","serviceName":"Oss","eventName":"PutBucket"}{"eventId":"B","serviceName":"Oss","eventName":"X"}"#), @r#"
        0+59 Some(Audit) id=Some("A") dup=0 secrets=0 topic=None
        59+51 Some(Audit) id=Some("B") dup=0 secrets=0 topic=None
        "#);
        insta::assert_snapshot!(seen(br#" [ {"EventID":"A","EventProduct":"OSS"} , 7, {"x":{"accessKeySecret":{"a":1}}} ] "#), @r#"
        3+36 Some(Platform) id=Some("A") dup=0 secrets=0 topic=None
        42+1 bad "7": an element of the array is not an object (byte 0 of the record)
        45+33 None id=None dup=0 secrets=1 topic=None
        "#);
        insta::assert_snapshot!(seen(br#"{"__topic__":"actiontrail_audit_event","event":"{\"eventId\":\"A\",\"eventId\":\"B\",\"serviceName\":\"Oss\",\"eventName\":\"P\"}"}"#), @r#"0+131 Some(Audit) id=Some("B") dup=1 secrets=0 topic=Some("actiontrail_audit_event")"#);
        insta::assert_snapshot!(seen(br#"{"Events":[{"eventId":"A","serviceName":"Oss","eventName":"P"}],"RequestId":"r"}"#), @r#"11+51 Some(Audit) id=Some("A") dup=0 secrets=0 topic=None"#);
        insta::assert_snapshot!(seen(br#"{"id":"e","specversion":"1.0","data":{"eventId":"A","insightDetails":{"state":"Start"}}}"#), @r#"0+88 Some(Insight) id=Some("A") dup=0 secrets=0 topic=None"#);
    }

    /// Every level of containers was looked through twice, so that an event of a few hundred bytes that was nested
    /// forty deep would have been decoded a million million times.
    #[test]
    fn containers_in_containers_cost_little() {
        let nested = |levels: usize| {
            let log = r#"{"eventId":"A","serviceName":"Oss","eventName":"P"}"#;
            format!("{}{log}{}", r#"{"data":"#.repeat(levels), "}".repeat(levels))
        };
        assert!(seen(nested(3).as_bytes()).contains("Some(Audit)"));
        // What is decoded on the way counts as a container too: the fourth one is not opened.
        let (within, beyond) = (nested(2), nested(3));
        let carried = |nested: &str| nested.replace(r#"{"eventId""#, r#"{"event":{"eventId""#) + "}";
        assert!(seen(carried(&within).as_bytes()).contains("Some(Audit)"));
        assert!(seen(carried(&beyond).as_bytes()).contains("None id=None"));
        assert!(seen(nested(40).as_bytes()).contains("None id=None"));
    }

    /// Strings that may hold an event are looked through for secrets only when they turn out to hold none. Of two `event`
    /// members the first one is never opened: its secret would have gone into the store in clear text.
    #[test]
    fn secrets_are_found_in_what_is_not_opened() {
        let secret = r#""{\"accessKeySecret\":\"s\"}""#;
        let log = r#""{\"eventId\":\"A\",\"serviceName\":\"Oss\"}""#;
        let texts = |frame: String| {
            let decoder = Decoder { max_depth: 64, watch: WatchList::new(["accessKeySecret"]) };
            let mut found = Vec::new();
            decoder.frame(frame.as_bytes(), &mut |record| {
                if let Decoded::Event(event) = record.decoded {
                    found.extend(event.secret_texts.iter().map(|t| t.start));
                }
            });
            found
        };
        assert_eq!(texts(format!(r#"{{"message":{secret},"data":{secret}}}"#)), [12, 49]);
        assert_eq!(texts(format!(r#"{{"event":{secret},"event":"plain"}}"#)), [10]);
        assert_eq!(texts(format!(r#"{{"eventId":"A","serviceName":"Oss","data":{secret}}}"#)), [43]);
        // Opened, the envelope is looked through by whoever stores it.
        assert!(texts(format!(r#"{{"event":{log}}}"#)).is_empty());
    }

    #[test]
    fn bad_bytes_are_told_with_their_place() {
        insta::assert_snapshot!(seen(br#"{"eventId":"A"} {"b":01}"#), @r#"
        0+15 None id=Some("A") dup=0 secrets=0 topic=None
        16+8 bad "{\"b\":01}": not a valid number (byte 6 of the record)
        "#);
        insta::assert_snapshot!(seen(br#"[{"a":1},{"b":"#), @r#"
        1+7 None id=None dup=0 secrets=0 topic=None
        9+5 bad "{\"b\":": the record ends inside a value (byte 5 of the record)
        "#);
        insta::assert_snapshot!(seen(b"{\"a\":\"\xff\"}"), @r#"0+9 bad "{\"a\":\"�\"}": not UTF-8 (byte 6 of the record)"#);
        insta::assert_snapshot!(seen(b"hello"), @r#"0+5 bad "hello": expected a value (byte 0 of the record)"#);
        insta::assert_snapshot!(seen(b"  \r\n"), @"");
    }
}
