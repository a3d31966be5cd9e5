//! Seal marks on events that come back from an agent: what they claim, and whether the event agrees with itself.
//!
//! A mark is `it_seal: "v1.<index>.<64 hex digits>"` beside the raw event in `event`. The key and the check stay with
//! the host. Here it must never be enough that the raw event is genuine: the fields lifted beside it, which sinks use,
//! have to agree with it.

use std::borrow::Cow;

use super::batch::Claim;
use super::encode;
use super::walk::{self, LEVELS, Scalar, Visit};
use crate::classify::classify;
use crate::decode::Decoder;
use crate::decode::raw_event::RawEvent;
use crate::decode::scan::{MAX_DEPTH, Problem, Scanner, Token, TokenKind, Unwatched};
use crate::decode::text::unescape;
use crate::event::columns::COLUMNS;

/// What an event claims, if it bears a mark at all.
pub(super) fn claim(event: &RawEvent<'_>, place: u32) -> Option<Claim> {
    let seal = event.text_of(event.seal)?;
    let canonical = raw_event(event)?.into_bytes();
    let (index, mark) = parse(&seal).unwrap_or_default();
    Some(Claim { event: place, index, mark, canonical })
}

/// `v1.<index>.<hex>`: index and mark.
pub(super) fn parse(seal: &str) -> Option<(u64, Vec<u8>)> {
    let (index, hex) = seal.strip_prefix("v1.")?.split_once('.')?;
    let mut digits = Vec::with_capacity(hex.len());
    for byte in hex.bytes() {
        digits.push(char::from(byte).to_digit(16)? as u8);
    }
    let mark = digits.chunks(2).map(|pair| pair.iter().fold(0u8, |sum, d| sum << 4 | d)).collect();
    Some((index.parse().ok()?, mark))
}

/// The raw event in the field `event`.
fn raw_event(event: &RawEvent<'_>) -> Option<String> {
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(event.bytes).ok()?;
    object.get("event")?.as_str().map(str::to_owned)
}

/// What an event of `native` claims, seen without decoding its frame. The outer `None`: it has to be decoded, because it may be
/// no event, or several, and then the events behind it would be counted wrongly.
pub(super) fn claim_of_native(frame: &[u8], decoder: &Decoder, place: u32) -> Option<Option<Claim>> {
    let mut top = Top::default();
    walk::log(frame, LEVELS.min(decoder.max_depth.saturating_sub(1)), &mut top)?;
    // An operation log by what stands beside the raw event is one event, whatever is in it.
    let own = [&b"it_seal"[..], b"event", b"eventId", b"eventName", b"serviceName", b"EventID", b"EventProduct"];
    if !top.is_log() || own.iter().any(|name| decoder.watch.contains(name, false)) {
        return None;
    }
    let text = |bytes| simdutf8::basic::from_utf8(bytes).ok();
    let (index, mark) = parse(text(top.seal?)?).unwrap_or_default();
    Some(Some(Claim { event: place, index, mark, canonical: text(top.event?)?.as_bytes().to_vec() }))
}

/// What stands at the top of an event.
#[derive(Default)]
struct Top<'a> {
    depth: usize,
    name: &'a [u8],
    seal: Option<&'a [u8]>,
    event: Option<&'a [u8]>,
    id: bool,
    action: bool,
    service: bool,
    product: bool,
}

impl Top<'_> {
    /// Whether it is one, by the keys that most have.
    fn is_log(&self) -> bool {
        self.id && (self.action && self.service || self.product)
    }
}

impl<'a> Visit<'a> for Top<'a> {
    const SORTED: bool = true;

    fn name(&mut self, name: &'a [u8], top: bool) -> Option<()> {
        if top {
            self.name = name;
            match name {
                b"eventId" | b"EventID" => self.id = true,
                b"eventName" => self.action = true,
                b"serviceName" => self.service = true,
                b"EventProduct" => self.product = true,
                _ => {}
            }
        }
        Some(())
    }

    fn value(&mut self, value: Scalar<'a>) {
        if let (1, Scalar::Bytes(bytes)) = (self.depth, value) {
            match self.name {
                b"it_seal" => self.seal = Some(bytes),
                b"event" => self.event = Some(bytes),
                _ => {}
            }
        }
    }

    fn open(&mut self, _: u8) {
        self.depth += 1;
    }

    fn close(&mut self, _: u8) {
        self.depth -= 1;
    }
}

/// Whether every field that innertrail writes beside the raw event is what the raw event says.
pub(super) fn agrees(event: &RawEvent<'_>, decoder: &Decoder) -> bool {
    agrees_in_place(event, decoder).unwrap_or_else(|| agrees_by_maps(event, decoder))
}

/// The same for events whose values are all of the kinds that innertrail writes, compared where they stand. `None`: it has to
/// be asked of [`agrees_by_maps`].
fn agrees_in_place(event: &RawEvent<'_>, decoder: &Decoder) -> Option<bool> {
    if event.duplicate_keys > 0 {
        return Some(false);
    }
    let outer = members(event.bytes)?;
    let mut raws = outer.iter().filter(|(key, _)| *key == b"event");
    let (Some((_, raw)), None) = (raws.next(), raws.next()) else { return None };
    let raw = text(event.bytes, *raw)?;
    let Some(inner) = decoder.again(&raw, None) else { return Some(false) };
    let whole = inner.bytes.len() == raw.len();
    let inner = classify(inner);
    let mut written = Vec::with_capacity(event.bytes.len());
    encode::beside(&inner, &mut written);
    *written.first_mut()? = b'{';
    written.push(b'}');
    let fields = members(&written)?;
    let index = event.text_of(event.seal).and_then(|seal| parse(&seal)).map(|(index, _)| index);
    let received = |(key, value): &(&[u8], Token)| *key == RECEIVED.as_bytes() && value.kind == TokenKind::Number;
    let every_column = outer.iter().any(received);
    Some(outer.iter().all(|(key, value)| {
        // Of two fields of one name the last one is read.
        match fields.iter().rfind(|(own, _)| own.len() == key.len() && own.first() == key.first() && own == key) {
            Some((_, own)) => same((event.bytes, *value), (&written, *own)),
            None if *key == b"event" => whole,
            None if *key == b"it_seal" => true,
            None if *key == b"it_seq" => whole_number(event.bytes, *value).map(u64::try_from) == index.map(Ok),
            None if *key == b"it_time" => whole_number(event.bytes, *value).is_some_and(|us| inner.time_us == Some(us)),
            None if *key == b"it_nulls" => {
                text(event.bytes, *value).is_some_and(|own| *own == *encode::nulls(&inner.raw).as_bytes())
            }
            None => std::str::from_utf8(key)
                .is_ok_and(|key| !stands_for_ours(key) || every_column && UNCOVERED.contains(&key)),
        }
    }))
}

/// The members of an object that holds texts, whole numbers, booleans and nulls alone, and escapes that a map would be given
/// the same text for.
fn members(object: &[u8]) -> Option<Vec<(&[u8], Token)>> {
    let mut scanner = Scanner::new(object, 0, MAX_DEPTH);
    let mut found = Vec::with_capacity(64);
    scanner.expect(b'{', Problem::Value).ok()?;
    loop {
        let key = scanner.key().ok()?;
        let value = scanner.value(1, &mut Unwatched).ok()?;
        let plain = match value.kind {
            TokenKind::Plain | TokenKind::Boolean | TokenKind::Null => true,
            TokenKind::Escaped => memchr::memmem::find(value.of(object), b"\\u").is_none(),
            TokenKind::Number => is_whole(value.of(object)),
            _ => false,
        };
        if !plain || key.kind != TokenKind::Plain {
            return None;
        }
        found.push((key.of(object), value));
        match scanner.peek() {
            b',' => scanner.pos += 1,
            b'}' => return Some(found),
            _ => return None,
        }
    }
}

/// A whole number that every reader takes for the same.
fn is_whole(number: &[u8]) -> bool {
    number.len() <= 18 && number != b"-0" && number.iter().skip(1).all(u8::is_ascii_digit)
}

fn whole_number(text: &[u8], token: Token) -> Option<i64> {
    let number = Some(token).filter(|token| token.kind == TokenKind::Number)?;
    std::str::from_utf8(number.of(text)).ok()?.parse().ok()
}

fn text(of: &[u8], token: Token) -> Option<Cow<'_, [u8]>> {
    match token.kind {
        TokenKind::Plain => Some(token.of(of).into()),
        TokenKind::Escaped => Some(unescape(token.of(of)).into_bytes().into()),
        _ => None,
    }
}

/// Whether two values are the same: texts by what they say, all else by how it is written.
fn same((one, a): (&[u8], Token), (other, b): (&[u8], Token)) -> bool {
    match (a.is_string(), b.is_string()) {
        (true, true) => a.kind == b.kind && a.of(one) == b.of(other) || text(one, a) == text(other, b),
        (false, false) => a.kind == b.kind && a.of(one) == b.of(other),
        _ => false,
    }
}

/// Whether every field that innertrail writes beside the raw event is what the raw event says, of any event.
fn agrees_by_maps(event: &RawEvent<'_>, decoder: &Decoder) -> bool {
    let Ok(outer) = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(event.bytes) else {
        return false;
    };
    let Some(raw) = outer.get("event").and_then(|e| e.as_str()) else { return false };
    let Some(inner) = decoder.again(raw.as_bytes(), None) else { return false };
    let inner = classify(inner);
    let mut written = Vec::new();
    encode::native_json(&inner, &mut written);
    let Ok(serde_json::Value::Object(mut written)) = serde_json::from_slice(&written) else { return false };
    let Some(serde_json::Value::Object(fields)) = written.remove("log") else { return false };
    let index = event.text_of(event.seal).and_then(|seal| parse(&seal)).map(|(index, _)| index);
    let every_column = outer.get(RECEIVED).is_some_and(serde_json::Value::is_number);
    event.duplicate_keys == 0
        && outer.iter().all(|(key, value)| match (fields.get(key), key.as_str()) {
            (Some(own), _) => own == value,
            (None, "it_seal") => true,
            (None, "it_seq") => value.as_u64() == index,
            (None, "it_time") => value.as_i64().is_some_and(|us| inner.time_us == Some(us)),
            (None, "it_nulls") => value.as_str().is_some_and(|own| *own == encode::nulls(&inner.raw)),
            (None, other) => !stands_for_ours(other) || every_column && UNCOVERED.contains(&other),
        })
}

/// What the encodings with every column write and Vector's do not.
const RECEIVED: &str = "it_received";

/// Columns that tell of a record's way and not of its event, so that no mark over the raw event covers them. Where every column
/// was sent they are let through, and are the agent's word.
const UNCOVERED: [&str; 8] =
    [RECEIVED, "it_origin", "it_offset", "it_redacted", "it_duplicate_keys", "it_envelope", "__topic__", "__source__"];

/// A name that a reader may take for one of innertrail's own: the same without regard to case, or the parent of one,
/// as `userIdentity` is of `userIdentity.userName`. What else an agent adds is its own.
fn stands_for_ours(key: &str) -> bool {
    is_ours(key.to_lowercase().as_bytes())
}

/// The same of a name that has no letters but those of ASCII, or is in lower case.
pub(super) fn is_ours(name: &[u8]) -> bool {
    let begins = |with: &[u8]| name.get(..with.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(with));
    begins(b"it_")
        || begins(b"__")
        || name.eq_ignore_ascii_case(b"event")
        || COLUMNS.iter().any(|column| {
            let own = column.name.as_bytes();
            own.get(..name.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(name))
                && matches!(own.get(name.len()), None | Some(b'.'))
        })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::decode::secrets::WatchList;
    use proptest::prelude::*;

    const RAWS: [&str; 7] = [
        r#"{"eventId":"A","serviceName":"Oss","eventName":"PutBucket","eventTime":"2026-06-15T08:00:00Z"}"#,
        r#"{"eventId":"B","serviceName":"Oss","eventName":"P","eventTime":"2026-06-15T08:00:00Z","isGlobal":true,"errorMessage":"a\\b \"c\" \n/","errorCode":null,"userIdentity":{"type":"ram-user","userName":"é订","accountId":1000000000000001}}"#,
        r#"{"eventId":"C","serviceName":"Oss","eventName":"\u0050ut\u000a","eventTime":"2026-06-15T08:00:00.5Z","userAgent":"a\/b"}"#,
        r#"{"EventID":"D","EventProduct":"OSS","EventName":"Look","EventTime":"2026-06-15T08:00:00Z","EmployeeID":"","EventLevel":3,"ResourceOwnerID":"1000000000000001"}"#,
        r#"{"eventId":"E","eventType":"AkInsight","eventTime":"2026-06-15T08:00:00Z","insightDetails":{"state":"Start","insightType":"ApiCallRateInsight","sourceIpAddress":"192.0.2.7"}}"#,
        r#" {"eventId":"F","eventId":"G","serviceName":"Oss","eventName":"P","eventTime":"no time"}"#,
        r#"{"eventId":"H","serviceName":"Oss","eventName":"\ud800","eventTime":"2026-06-15T08:00:00Z"} "#,
    ];

    const VALUES: [&str; 18] = [
        "1781510400000000",
        "\"errorCode\"",
        "null",
        "true",
        "\"\"",
        "\"A\"",
        "\"PutBucket\"",
        "\"Put\\u0042ucket\"",
        "\"\\ud800\"",
        "5",
        "-0",
        "5.0",
        "5e0",
        "18446744073709551615",
        "1e999",
        "{}",
        "[1]",
        "\"v1.5.00\"",
    ];

    const NAMES: [&str; 19] = [
        "it_received",
        "it_time",
        "it_nulls",
        "it_origin",
        "__topic__",
        "event",
        "eventId",
        "eventName",
        "EVENTNAME",
        "it_seal",
        "it_seq",
        "it_actor",
        "it_other",
        "__time__",
        "timestamp",
        "userIdentity",
        "host",
        "ho\\u0073t",
        "password",
    ];

    fn decoder() -> Decoder {
        Decoder { max_depth: 64, watch: WatchList::new(["password"]) }
    }

    /// The members of what innertrail sends of this raw event.
    fn sent(raw: &str) -> Vec<(String, String)> {
        let mut out = Vec::new();
        encode::native_json(&classify(decoder().again(raw.as_bytes(), None).unwrap()), &mut out);
        let object = &out[b"{\"log\":".len()..out.len() - 1];
        let mut scanner = Scanner::new(object, 1, MAX_DEPTH);
        let mut all = vec![("it_seal".to_owned(), "\"v1.5.00\"".to_owned()), ("it_seq".to_owned(), "5".to_owned())];
        while scanner.peek() != b'}' {
            if scanner.peek() == b',' {
                scanner.pos += 1;
            }
            let key = scanner.key().unwrap();
            let start = scanner.pos;
            scanner.value(1, &mut Unwatched).unwrap();
            let word = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            all.push((word(key.of(object)), word(&object[start..scanner.pos])));
        }
        all
    }

    fn object(members: &[(String, String)]) -> String {
        let members: Vec<String> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", members.join(","))
    }

    /// What both rules say.
    fn both(text: &str) -> (Option<bool>, bool) {
        let decoder = decoder();
        let event = decoder.again_watched(text.as_bytes()).unwrap();
        (agrees_in_place(&event, &decoder), agrees_by_maps(&event, &decoder))
    }

    #[test]
    fn what_was_sent_agrees_and_is_compared_in_place() {
        for (raw, in_place, by_maps) in [
            (0, Some(true), true),
            (1, Some(true), true),
            (2, None, true),
            (3, Some(true), true),
            (4, Some(true), true),
            (5, Some(true), true),
            (6, None, false),
        ] {
            assert_eq!(both(&object(&sent(RAWS[raw]))), (in_place, by_maps), "{}", RAWS[raw]);
        }
    }

    /// The story: an event with every column, as the encoding `json` and OTLP have it, was refused for columns that no mark
    /// covers, and where it came from Log Service for the topic too.
    #[test]
    fn every_column_may_be_there_and_those_of_the_event_are_held_against_it() {
        let with = |raw: usize, more: &[(&str, &str)]| {
            let mut members = sent(RAWS[raw]);
            members.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
            let (in_place, by_maps) = both(&object(&members));
            assert!(in_place.is_none_or(|told| told == by_maps), "{more:?}");
            by_maps
        };
        let way = [("it_received", "7"), ("it_origin", "\"a:b\""), ("it_offset", "0"), ("__topic__", "\"t\"")];
        assert!(with(0, &way));
        assert!(!with(0, &way[1..]), "without the sign of that form");
        assert!(!with(0, &[("it_received", "\"7\""), ("it_origin", "\"a:b\"")]));
        assert!(with(0, &[("it_time", "1781510400000000")]));
        assert!(!with(0, &[("it_time", "1781510400000001")]));
        assert!(!with(0, &[("it_nulls", "\"errorCode\"")]));
        assert!(with(1, &[("it_nulls", "\"errorCode\"")]));
        assert!(!with(1, &[("it_nulls", "\"\"")]));
        assert!(!with(0, &[("it_received", "7"), ("it_other", "1")]));
        assert!(!with(0, &[("it_received", "7"), ("EVENTNAME", "\"x\"")]));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn both_rules_say_the_same(
            raw in prop::sample::select(RAWS.to_vec()),
            changes in proptest::collection::vec(
                (0u8..5, any::<prop::sample::Index>(), prop::sample::select(NAMES.to_vec()), prop::sample::select(VALUES.to_vec())),
                0..3,
            ),
        ) {
            let mut members = sent(raw);
            for (how, at, name, value) in changes {
                let at = at.index(members.len());
                match how {
                    0 => members[at].1 = value.to_owned(),
                    1 => members.insert(at, (name.to_owned(), value.to_owned())),
                    2 => drop(members.remove(at)),
                    3 => members[at].0 = name.to_owned(),
                    _ => members[at].1 = members[at].1.replace('A', "\\u0041").replace('P', "p"),
                }
            }
            let text = object(&members);
            let (in_place, by_maps) = both(&text);
            // Of a name that is watched the decode room does not say that it stands twice.
            let twice = members.iter().filter(|(name, _)| name == "password").count() > 1;
            prop_assert!(in_place.is_none_or(|told| told == by_maps || twice && !told), "{:?} {} {}", in_place, by_maps, text);
        }
    }
}
