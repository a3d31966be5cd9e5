//! Decodes one JSON object: lifts the known fields in one pass and notes the keys that open a container.
//!
//! Unknown keys are passed over, checked for watched keys, and stay in the raw event.

use super::key::{Key, in_identity, in_insight, named, top_level};
use super::raw_event::RawEvent;
use super::scan::{Problem, ScanError, Scanner, Token, TokenKind, Unwatched, Watch};
use super::secrets::{Secrets, WatchList};
use crate::event::columns::Column;

/// Keys of a record that are no field of an event but open a container.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Opening {
    /// `event`: the event of a Log Service record.
    pub inner: Token,
    /// `data`: the event in an EventBridge envelope.
    pub data: Token,
    /// `message`: a line as log agents carry it.
    pub message: Token,
    /// `Events`: a LookupEvents answer.
    pub events: Token,
    /// `__topic__`.
    pub topic: Token,
    /// `__source__`.
    pub source: Token,
}

impl Opening {
    /// Looks for watched keys in the strings that [`unsettled`] left out.
    pub(super) fn settle(&self, event: &mut RawEvent<'_>, watch: &WatchList) {
        let before = event.secret_texts.len();
        for token in [self.inner, self.data, self.message] {
            if token.kind == TokenKind::Escaped && watch.hides_in(token.of(event.bytes)) {
                event.secret_texts.push(token);
            }
        }
        if event.secret_texts.len() > before {
            event.secret_texts.sort_unstable_by_key(|token| token.start);
        }
    }
}

/// Decodes the object that begins at `start` of `text`. The event's bytes are those of the object alone.
///
/// # Errors
/// Where the text is not JSON; the offset counts from `start`.
pub(super) fn object<'a>(
    text: &'a [u8],
    start: usize,
    max_depth: usize,
    watch: &WatchList,
) -> Result<RawEvent<'a>, ScanError> {
    let Unsettled { mut event, opening, .. } = unsettled(text, start, max_depth, watch, Carried::Apart)?;
    opening.settle(&mut event, watch);
    Ok(event)
}

/// An object in whose strings nobody has looked for watched keys: [`Opening::settle`] has to follow, unless what one of
/// them holds is taken in its place.
pub(super) struct Unsettled<'a> {
    pub event: RawEvent<'a>,
    pub opening: Opening,
    /// The object under `event`, decoded on the way; then nobody has looked for watched keys in it for the object around.
    pub carried: Option<Box<Unsettled<'a>>>,
}

/// What becomes of an object under `event`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Carried {
    /// It is decoded on the way, because it is the event more often than not.
    Along,
    /// It is passed over, and looked through for watched keys.
    Apart,
}

/// The same, but nobody has looked for watched keys in the strings that may hold an event: when one does, it is
/// looked through as what it is. Otherwise [`Opening::settle`] has to follow.
pub(super) fn unsettled<'a>(
    text: &'a [u8],
    start: usize,
    max_depth: usize,
    watch: &WatchList,
    carried: Carried,
) -> Result<Unsettled<'a>, ScanError> {
    let text = &text[start..];
    let mut event = RawEvent::new(text);
    let mut opening = Opening::default();
    let mut walk = Walk {
        scanner: Scanner::new(text, 0, max_depth),
        secrets: Secrets::new(watch),
        duplicates: 0,
        free_seen: 0,
        unknown: Vec::new(),
        along: (carried == Carried::Along).then_some((max_depth, watch)),
        carried: None,
    };
    walk.members(|walk, key| {
        if walk.watched(text, key)? {
            return Ok(());
        }
        let meaning = named(text, key, top_level);
        walk.member(&mut event, &mut opening, meaning, key)
    })?;
    event.bytes = &text[..walk.scanner.pos];
    event.duplicate_keys = walk.duplicates;
    event.secrets = walk.secrets.values;
    event.secret_texts = walk.secrets.texts;
    Ok(Unsettled { event, opening, carried: walk.carried })
}

struct Walk<'a, 'w> {
    scanner: Scanner<'a>,
    secrets: Secrets<'w>,
    duplicates: u32,
    /// Which free-form members were seen, one bit each.
    free_seen: u8,
    unknown: Vec<&'a [u8]>,
    /// With which depth and names an object under `event` is decoded on the way, if it is.
    along: Option<(usize, &'w WatchList)>,
    carried: Option<Box<Unsettled<'a>>>,
}

impl<'a> Walk<'a, '_> {
    /// Walks the members of the object at the scanner.
    #[inline(always)]
    fn members(&mut self, mut each: impl FnMut(&mut Self, Token) -> Result<(), ScanError>) -> Result<(), ScanError> {
        self.scanner.expect(b'{', Problem::Value)?;
        if self.scanner.peek() == b'}' {
            self.scanner.pos += 1;
            return Ok(());
        }
        loop {
            let key = self.scanner.key()?;
            each(self, key)?;
            if self.scanner.peek() == b',' {
                self.scanner.pos += 1;
                continue;
            }
            return self.scanner.expect(b'}', Problem::Separator);
        }
    }

    #[inline(always)]
    fn member(
        &mut self,
        event: &mut RawEvent<'a>,
        opening: &mut Opening,
        meaning: Key,
        key: Token,
    ) -> Result<(), ScanError> {
        let place = match meaning {
            Key::Lift(column) => &mut event.fields[column as usize],
            Key::UserIdentity => return self.identity(event),
            Key::Insight => return self.insight(event),
            Key::Referenced => &mut event.referenced,
            Key::Parameters => &mut event.parameters,
            Key::Logstore => &mut event.logstore,
            Key::Seal => &mut event.seal,
            Key::Inner => return self.inner(event.bytes, &mut opening.inner),
            Key::Data => return self.carrier(event.bytes, &mut opening.data),
            Key::Message => return self.carrier(event.bytes, &mut opening.message),
            Key::Events => &mut opening.events,
            Key::Topic => &mut opening.topic,
            Key::Source => &mut opening.source,
            Key::Free(number) => return self.free(number),
            Key::Other => return self.other(event.bytes, key),
        };
        self.duplicates += u32::from(place.kind != TokenKind::Absent);
        *place = self.scanner.value(1, &mut self.secrets)?;
        Ok(())
    }

    /// What stands under `event`.
    fn inner(&mut self, text: &'a [u8], place: &mut Token) -> Result<(), ScanError> {
        let along = self.along.filter(|_| place.kind == TokenKind::Absent && self.scanner.peek() == b'{');
        let start = self.scanner.pos;
        let found = along
            .and_then(|(depth, watch)| unsettled(text, start, depth.saturating_sub(1), watch, Carried::Apart).ok());
        let Some(found) = found else { return self.carrier(text, place) };
        self.scanner.pos = start + found.event.bytes.len();
        *place = Token { start: start as u32, end: self.scanner.pos as u32, kind: TokenKind::Object };
        self.carried = Some(Box::new(found));
        Ok(())
    }

    /// What may hold an event. Of two under one key the first will not be opened, so it is looked through now.
    fn carrier(&mut self, text: &[u8], place: &mut Token) -> Result<(), ScanError> {
        self.duplicates += u32::from(place.kind != TokenKind::Absent);
        if place.kind == TokenKind::Escaped {
            self.secrets.escaped(text, *place);
        }
        *place = if self.scanner.peek() == b'"' {
            self.scanner.string()?
        } else {
            self.scanner.value(1, &mut self.secrets)?
        };
        Ok(())
    }

    fn free(&mut self, number: u8) -> Result<(), ScanError> {
        self.duplicates += u32::from(self.free_seen >> number & 1);
        self.free_seen |= 1 << number;
        self.scanner.value(1, &mut self.secrets)?;
        Ok(())
    }

    fn other(&mut self, text: &'a [u8], key: Token) -> Result<(), ScanError> {
        let name = key.of(text);
        self.duplicates += u32::from(self.unknown.contains(&name));
        self.unknown.push(name);
        self.scanner.value(1, &mut self.secrets)?;
        Ok(())
    }

    /// Takes the value of a watched key as a secret, whatever else the key means: it is lifted once it is masked.
    #[inline(always)]
    fn watched(&mut self, text: &[u8], key: Token) -> Result<bool, ScanError> {
        if !self.secrets.key(text, key) {
            return Ok(false);
        }
        let value = self.scanner.value(1, &mut Unwatched)?;
        self.secrets.values.push(value);
        Ok(true)
    }

    fn identity(&mut self, event: &mut RawEvent<'a>) -> Result<(), ScanError> {
        self.forget(event, Column::IdentityType, Column::MfaAuthenticated);
        self.nested(event, 2, &|walk, event, key| {
            if named(event.bytes, key, |name| name == b"sessionContext") {
                return walk.session(event);
            }
            let column = named(event.bytes, key, in_identity);
            walk.lift(event, column, 2)
        })
    }

    fn session(&mut self, event: &mut RawEvent<'a>) -> Result<(), ScanError> {
        self.forget(event, Column::MfaAuthenticated, Column::MfaAuthenticated);
        self.nested(event, 3, &|walk, event, key| {
            if !named(event.bytes, key, |name| name == b"attributes") {
                return walk.lift(event, None, 3);
            }
            walk.forget(event, Column::MfaAuthenticated, Column::MfaAuthenticated);
            walk.nested(event, 4, &|walk, event, key| {
                let mfa = named(event.bytes, key, |name| name == b"mfaAuthenticated");
                walk.lift(event, mfa.then_some(Column::MfaAuthenticated), 4)
            })
        })
    }

    fn insight(&mut self, event: &mut RawEvent<'a>) -> Result<(), ScanError> {
        self.forget(event, Column::InsightType, Column::InsightState);
        self.scanner.peek();
        let start = self.scanner.pos as u32;
        self.nested(event, 2, &|walk, event, key| {
            let column = named(event.bytes, key, in_insight);
            walk.lift(event, column, 2)
        })?;
        let end = self.scanner.pos as u32;
        let kind = if event.bytes.get(start as usize) == Some(&b'{') { TokenKind::Object } else { TokenKind::Plain };
        event.insight = Token { start, end, kind };
        Ok(())
    }

    /// Of two objects under one key the last one wins whole: what the first one filled is forgotten.
    fn forget(&mut self, event: &mut RawEvent<'a>, first: Column, last: Column) {
        let fields = &mut event.fields[first as usize..=last as usize];
        if fields.iter().any(|token| token.kind != TokenKind::Absent) {
            self.duplicates += 1;
            fields.fill(Token::default());
        }
    }

    /// The members of a nested object; any other kind of value is passed over.
    fn nested(
        &mut self,
        event: &mut RawEvent<'a>,
        depth: usize,
        each: &dyn Fn(&mut Self, &mut RawEvent<'a>, Token) -> Result<(), ScanError>,
    ) -> Result<(), ScanError> {
        if self.scanner.peek() != b'{' {
            self.scanner.value(depth - 1, &mut self.secrets)?;
            return Ok(());
        }
        self.members(|walk, key| if walk.watched(event.bytes, key)? { Ok(()) } else { each(walk, event, key) })
    }

    #[inline(always)]
    fn lift(&mut self, event: &mut RawEvent<'a>, column: Option<Column>, depth: usize) -> Result<(), ScanError> {
        let value = self.scanner.value(depth, &mut self.secrets)?;
        if let Some(column) = column {
            let place = &mut event.fields[column as usize];
            self.duplicates += u32::from(place.kind != TokenKind::Absent);
            *place = value;
        }
        Ok(())
    }
}
