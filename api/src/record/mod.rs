//! What a record is to a client: its topic, its time, its fields. Pages and searches both ask here, so that a log that is pulled and
//! the same log that is found say the same.
//! It must never change a byte of the record itself, put a number through a float, or let what stood around a record take the place of
//! one of its own fields.
//!
//! What a consumer of the provider's own Logstore sees decides, as far as anybody has told it:
//!
//! - **Audit events**: topic `actiontrail_audit_event`, one field `event` with the record as text (`actiontrail.md` §3.2). Programs
//!   look at that topic before they parse `event`, so a record that came without one (from OSS, from a file) gets it.
//! - **Platform events**: not documented (`actiontrail.md` §10.1). The published sample has its fields side by side, all of them
//!   text, so they are given so, in the record's own order, a value that is no text as the JSON that was written; `event` is the
//!   record itself beside them, because fields alone would not give its bytes back. Their topic is not documented either and
//!   is left as it came.
//! - **Insight events**: `event` alone.
//! - **What stood around the event** in the log that brought it (other fields, tags) comes back as fields and tags. What was around it
//!   otherwise (an EventBridge envelope) is one field, `it_envelope`.
//! - **Journal, quarantine, passthrough** are this software's own: `event`, or `raw`, and every column that is filled.
//!   Values in a page are text in most clients, and one that is not UTF-8 makes the Rust SDK refuse the whole page, so such
//!   bytes are given in Base64 as `raw_base64` instead of `raw`.
//!
//! The time of a log is that of its event, or of its arrival where it has none. A search adds the `it_…` columns, as an index
//! does; a page does not, because they would cost each record more than all the rest.

mod members;

use std::borrow::Cow;
use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use innertrail_logstore::{RECEIVED, SEQ, Store};

use crate::columns::{ENVELOPE, SOURCE, TOPIC, UNIX};

/// The topic of the provider's audit events.
const AUDIT_TOPIC: &str = "actiontrail_audit_event";
/// Tag of each log: when it arrived, seconds since 1970.
pub(crate) const RECEIVE_TAG: &str = "__receive_time__";
/// Tag of each log of a page: its leaf in the store's tree.
pub(crate) const SEQ_TAG: &str = "it_seq";
/// Tag of each log of a page: size of the tree that was durable when the page was made, one that is signed.
pub(crate) const SIZE_TAG: &str = "it_tree_size";
/// How a tag is called where it stands among fields.
pub(crate) const TAG: &str = "__tag__:";
/// What a log says in another place than its fields. The record itself is `event`, whatever a member of that name says.
const SAID: [&str; 5] = [UNIX, "__time_ns_part__", TOPIC, SOURCE, "event"];

/// Whether a column of a store other than the dedicated one is a field of its records. There it stands in the event, or is
/// worked out.
pub(crate) fn is_field(store: Store, column: &str) -> bool {
    store != Store::Log && ![SEQ, RECEIVED, TOPIC, SOURCE, UNIX, store.payload_column()].contains(&column)
}

/// What of a row decides.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record<'a> {
    /// Where it is.
    pub(crate) store: Store,
    /// Platform, audit, insight.
    pub(crate) family: Option<&'a str>,
    /// The topic under which it came.
    pub(crate) topic: Option<&'a str>,
    /// What stood around it.
    pub(crate) envelope: Option<&'a str>,
    /// The record itself.
    pub(crate) payload: &'a [u8],
    /// The time of its event, microseconds UTC.
    pub(crate) time_us: Option<i64>,
    /// When it arrived, microseconds UTC.
    pub(crate) received_us: i64,
}

/// Where something of a record stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Field,
    /// A tag, by its name alone.
    Tag,
}

/// A name or a text, borrowed where it can be.
type Text<'a> = Cow<'a, str>;

impl<'a> Record<'a> {
    /// Its topic; empty when it has none.
    pub(crate) fn topic(&self) -> &'a str {
        match (self.topic.unwrap_or_default(), self.family) {
            ("", Some("audit")) if self.store == Store::Log => AUDIT_TOPIC,
            (topic, _) => topic,
        }
    }

    /// Its time, microseconds UTC.
    pub(crate) fn time_us(&self) -> i64 {
        self.time_us.unwrap_or(self.received_us)
    }

    /// Its fields and tags in their order, the record itself first. No name comes twice in one place.
    pub(crate) fn each(&self, mut each: impl FnMut(Place, Text<'a>, Text<'a>)) {
        let name = self.store.payload_column();
        let text = std::str::from_utf8(self.payload).ok();
        match text {
            Some(text) => each(Place::Field, name.into(), text.into()),
            None => each(Place::Field, format!("{name}_base64").into(), STANDARD.encode(self.payload).into()),
        }
        if self.store != Store::Log {
            return;
        }
        let platform = self.family == Some("platform");
        let own = text.filter(|_| platform).and_then(members::of).unwrap_or_default();
        let around = self.envelope.map(around);
        let mut names = HashSet::new();
        if matches!(around, Some(Around::Log(_))) {
            names.extend(own.iter().map(|(name, _)| name.clone()));
        }
        own.into_iter().for_each(|member| spread(member, &mut each));
        match around {
            None => {}
            Some(Around::Other(text)) => each(Place::Field, ENVELOPE.into(), text.into()),
            Some(Around::Log(members)) => {
                let others = members.into_iter().filter(|(name, _)| !names.contains(name));
                others.for_each(|member| spread(member, &mut each));
            }
        }
    }
}

/// What stood around an event.
enum Around<'a> {
    /// The rest of the log that brought it.
    Log(members::Members<'a>),
    /// An envelope of another kind.
    Other(&'a str),
}

fn around(envelope: &str) -> Around<'_> {
    let log = members::of(envelope).filter(|found| {
        // In the event's place stands null.
        found.iter().any(|(name, _)| [UNIX, TOPIC, SOURCE].contains(&&**name))
            && found.iter().any(|(name, value)| name == "event" && value.is_null())
    });
    log.map_or(Around::Other(envelope), Around::Log)
}

/// A member of a log: a tag, a field, or what the log says in another place already.
fn spread<'a>((name, value): members::Member<'a>, each: &mut impl FnMut(Place, Text<'a>, Text<'a>)) {
    if SAID.contains(&&*name) {
        return;
    }
    match name.strip_prefix(TAG) {
        // Arrival here is not arrival there, and a tag of ours that came in is not ours.
        Some(tag) if [RECEIVE_TAG, SEQ_TAG, SIZE_TAG].contains(&tag) => {}
        Some(tag) => each(Place::Tag, tag.to_owned().into(), value.plain()),
        None => each(Place::Field, name, value.plain()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    type Pairs = Vec<(String, String)>;

    fn parts(record: &Record<'_>) -> (Pairs, Pairs) {
        let (mut fields, mut tags) = (Vec::new(), Vec::new());
        record.each(|place, name, value| {
            let into = if place == Place::Tag { &mut tags } else { &mut fields };
            into.push((name.into_owned(), value.into_owned()));
        });
        (fields, tags)
    }

    fn pairs(pairs: &[(&str, &str)]) -> Pairs {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn record<'a>(family: &'a str, payload: &'a str) -> Record<'a> {
        Record {
            store: Store::Log,
            family: Some(family),
            topic: None,
            envelope: None,
            payload: payload.as_bytes(),
            time_us: None,
            received_us: 7,
        }
    }

    #[test]
    fn a_platform_event_has_its_fields_side_by_side_as_they_are_written() {
        let raw = r#"{"EventID":"p-1","__topic__":"t","__tag__:host":"h","__tag__:it_seq":"9","EventName":"Set \"Quota\"","EventAdditionalDetail":"{\"a\":1}","n":1.50,"big":18446744073709551617,"o":{"k": [null, 1e3]},"none":null,"yes":true,"event":"x"}"#;
        let (fields, tags) = parts(&record("platform", raw));
        let wanted = [
            ("event", raw),
            ("EventID", "p-1"),
            ("EventName", "Set \"Quota\""),
            ("EventAdditionalDetail", "{\"a\":1}"),
            ("n", "1.50"),
            ("big", "18446744073709551617"),
            ("o", r#"{"k": [null, 1e3]}"#),
            ("none", "null"),
            ("yes", "true"),
        ];
        assert_eq!((fields, tags), (pairs(&wanted), pairs(&[("host", "h")])));
        for broken in ["[]", "{", "\"x\"", "{\"a\":1}x"] {
            assert_eq!(parts(&record("platform", broken)).0, pairs(&[("event", broken)]));
        }
    }

    #[test]
    fn an_audit_or_insight_event_is_one_field() {
        for family in ["audit", "insight"] {
            let raw = r#"{"eventId":"1","event":{"a":2}}"#;
            assert_eq!(parts(&record(family, raw)), (pairs(&[("event", raw)]), Vec::new()));
        }
    }

    #[test]
    fn what_stood_around_an_event_comes_back_and_takes_no_place() {
        let log = r#"{"__time__":1,"__topic__":"t","__source__":"s","__tag__:__receive_time__":"5","__tag__:pack":"p","event":null,"owner_id":"1","EventID":"other"}"#;
        let platform = Record { envelope: Some(log), ..record("platform", r#"{"EventID":"p-1"}"#) };
        let fields = [("event", r#"{"EventID":"p-1"}"#), ("EventID", "p-1"), ("owner_id", "1")];
        assert_eq!(parts(&platform), (pairs(&fields), pairs(&[("pack", "p")])));
        for other in [r#"{"specversion":"1.0","data":null}"#, r#"{"__time__":1,"data":null}"#, "{broken"] {
            let audit = Record { envelope: Some(other), ..record("audit", "{}") };
            assert_eq!(parts(&audit).0, pairs(&[("event", "{}"), (ENVELOPE, other)]));
        }
    }

    #[test]
    fn topic_and_time_are_those_of_the_event_where_it_has_some() {
        let audit = record("audit", "{}");
        assert_eq!((audit.topic(), audit.time_us()), ("actiontrail_audit_event", 7));
        let told = Record { topic: Some("actiontrail_event"), time_us: Some(-3), ..audit };
        assert_eq!((told.topic(), told.time_us()), ("actiontrail_event", -3));
        assert_eq!(record("platform", "{}").topic(), "");
        assert_eq!(record("insight", "{}").topic(), "");
        assert_eq!(Record { store: Store::Passthrough, ..audit }.topic(), "");
    }

    #[test]
    fn bytes_that_are_no_text_are_given_in_base64() {
        let raw = Record { store: Store::Quarantine, payload: b"\xff\xfe", ..record("audit", "") };
        assert_eq!(parts(&raw).0, pairs(&[("raw_base64", "//4=")]));
        let text = Record { store: Store::Quarantine, payload: b"x", envelope: Some("e"), ..record("platform", "") };
        assert_eq!(parts(&text).0, pairs(&[("raw", "x")]));
    }
}
