//! Decodes one JSON object: lifts the known fields in one pass and notes the keys that open a container.
//!
//! Which key fills which column is the one table here. Unknown keys are passed over, checked for watched keys, and
//! stay in the raw event.

use super::raw_event::RawEvent;
use super::scan::{Problem, ScanError, Scanner, Token, TokenKind, Watch};
use super::text::{WatchList, unescape};
use crate::event::columns::Column;

/// What a key means at the place where it stands.
#[derive(Clone, Copy)]
enum Key {
    Lift(Column),
    UserIdentity,
    Insight,
    Referenced,
    Parameters,
    Logstore,
    Seal,
    Inner,
    Data,
    Events,
    Topic,
    Source,
    SpecVersion,
    Other,
}

/// Keys of a record that are no field of an event but open a container.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Opening {
    /// `event`: the event of a Log Service record.
    pub inner: Token,
    /// `data`: the event in an EventBridge envelope.
    pub data: Token,
    /// `Events`: a LookupEvents answer.
    pub events: Token,
    /// `__topic__`.
    pub topic: Token,
    /// `__source__`.
    pub source: Token,
    /// `specversion` of an EventBridge envelope.
    pub spec_version: Token,
}

fn top_level(key: &[u8]) -> Key {
    use Column as C;
    match key {
        b"eventId" | b"EventID" => Key::Lift(C::EventId),
        b"eventTime" | b"EventTime" => Key::Lift(C::EventTime),
        b"eventName" | b"EventName" => Key::Lift(C::EventName),
        b"eventType" | b"EventType" => Key::Lift(C::EventType),
        b"eventVersion" | b"EventVersion" => Key::Lift(C::EventVersion),
        b"eventCategory" => Key::Lift(C::EventCategory),
        b"eventRW" => Key::Lift(C::EventRw),
        b"eventSource" => Key::Lift(C::EventSource),
        b"serviceName" => Key::Lift(C::ServiceName),
        b"acsRegion" => Key::Lift(C::AcsRegion),
        b"apiVersion" => Key::Lift(C::ApiVersion),
        b"requestId" => Key::Lift(C::RequestId),
        b"sourceIpAddress" => Key::Lift(C::SourceIpAddress),
        b"vpcId" => Key::Lift(C::VpcId),
        b"userAgent" => Key::Lift(C::UserAgent),
        b"errorCode" => Key::Lift(C::ErrorCode),
        b"errorMessage" => Key::Lift(C::ErrorMessage),
        b"isGlobal" => Key::Lift(C::IsGlobal),
        b"resourceType" | b"ResourceType" => Key::Lift(C::ResourceType),
        b"resourceName" => Key::Lift(C::ResourceName),
        b"recipientAccountId" => Key::Lift(C::RecipientAccountId),
        b"sharedEventId" => Key::Lift(C::SharedEventId),
        b"EventProduct" => Key::Lift(C::EventProduct),
        b"EventDescription" => Key::Lift(C::EventDescription),
        b"EmployeeID" => Key::Lift(C::EmployeeId),
        b"EventMethod" => Key::Lift(C::EventMethod),
        b"ResourceID" => Key::Lift(C::ResourceId),
        b"ResourceRegionID" => Key::Lift(C::ResourceRegionId),
        b"ResourceOwnerID" => Key::Lift(C::ResourceOwnerId),
        b"EventAdditionalDetail" => Key::Lift(C::EventAdditionalDetail),
        b"EventLevel" => Key::Lift(C::EventLevel),
        b"EventLocation" => Key::Lift(C::EventLocation),
        b"userIdentity" => Key::UserIdentity,
        b"insightDetails" => Key::Insight,
        b"referencedResources" | b"referenceResources" => Key::Referenced,
        b"requestParameters" => Key::Parameters,
        b"__logstore__" => Key::Logstore,
        b"it_seal" => Key::Seal,
        b"event" => Key::Inner,
        b"data" => Key::Data,
        b"Events" => Key::Events,
        b"__topic__" => Key::Topic,
        b"__source__" => Key::Source,
        b"specversion" => Key::SpecVersion,
        _ => Key::Other,
    }
}

fn in_identity(key: &[u8]) -> Option<Column> {
    Some(match key {
        b"type" => Column::IdentityType,
        b"principalId" => Column::PrincipalId,
        b"accountId" => Column::AccountId,
        b"accessKeyId" => Column::AccessKeyId,
        b"userName" => Column::UserName,
        _ => return None,
    })
}

fn in_insight(key: &[u8]) -> Option<Column> {
    Some(match key {
        b"insightType" => Column::InsightType,
        b"insightObject" | b"sourceIpAddress" => Column::InsightObject,
        b"state" => Column::InsightState,
        _ => return None,
    })
}

/// Notes secrets while values are passed over.
struct Secrets<'w> {
    list: &'w WatchList,
    values: Vec<Token>,
    texts: Vec<Token>,
}

impl Watch for Secrets<'_> {
    #[inline(always)]
    fn key(&mut self, text: &[u8], key: Token) -> bool {
        self.list.contains(key.of(text), key.kind == TokenKind::Escaped)
    }

    fn value(&mut self, _: &[u8], value: Token) {
        self.values.push(value);
    }

    fn escaped(&mut self, text: &[u8], value: Token) {
        if self.list.hides_in(value.of(text)) {
            self.texts.push(value);
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
) -> Result<(RawEvent<'a>, Opening), ScanError> {
    let text = &text[start..];
    let mut event = RawEvent::new(text);
    let mut opening = Opening::default();
    let mut walk = Walk {
        scanner: Scanner::new(text, 0, max_depth),
        secrets: Secrets { list: watch, values: Vec::new(), texts: Vec::new() },
        duplicates: 0,
        unknown: Vec::new(),
    };
    walk.members(|walk, key| {
        let meaning = if key.kind == TokenKind::Escaped {
            top_level(unescape(key.of(text)).as_bytes())
        } else {
            top_level(key.of(text))
        };
        walk.member(&mut event, &mut opening, meaning, key)
    })?;
    event.bytes = &text[..walk.scanner.pos];
    event.duplicate_keys = walk.duplicates;
    event.secrets = walk.secrets.values;
    event.secret_texts = walk.secrets.texts;
    Ok((event, opening))
}

struct Walk<'a, 'w> {
    scanner: Scanner<'a>,
    secrets: Secrets<'w>,
    duplicates: u32,
    unknown: Vec<&'a [u8]>,
}

impl<'a> Walk<'a, '_> {
    /// Walks the members of the object at the scanner.
    #[inline(always)]
    fn members(
        &mut self,
        mut each: impl FnMut(&mut Self, Token) -> Result<(), ScanError>,
    ) -> Result<(), ScanError> {
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
            Key::Inner => &mut opening.inner,
            Key::Data => &mut opening.data,
            Key::Events => &mut opening.events,
            Key::Topic => &mut opening.topic,
            Key::Source => &mut opening.source,
            Key::SpecVersion => &mut opening.spec_version,
            Key::Other => return self.other(event.bytes, key),
        };
        self.duplicates += u32::from(place.kind != TokenKind::Absent);
        *place = self.scanner.value(1, &mut self.secrets)?;
        Ok(())
    }

    fn other(&mut self, text: &'a [u8], key: Token) -> Result<(), ScanError> {
        let name = key.of(text);
        self.duplicates += u32::from(self.unknown.contains(&name));
        self.unknown.push(name);
        let watched = self.secrets.key(text, key);
        if watched {
            let value = self.scanner.value(1, &mut super::scan::Unwatched)?;
            self.secrets.values.push(value);
        } else {
            self.scanner.value(1, &mut self.secrets)?;
        }
        Ok(())
    }

    fn identity(&mut self, event: &mut RawEvent<'a>) -> Result<(), ScanError> {
        self.nested(event, 2, &|walk, event, key| {
            let text = event.bytes;
            if key.of(text) == b"sessionContext" {
                return walk.session(event);
            }
            walk.lift(event, in_identity(key.of(text)), key, 2)
        })
    }

    fn session(&mut self, event: &mut RawEvent<'a>) -> Result<(), ScanError> {
        self.nested(event, 3, &|walk, event, key| {
            if key.of(event.bytes) != b"attributes" {
                return walk.lift(event, None, key, 3);
            }
            walk.nested(event, 4, &|walk, event, key| {
                let column = (key.of(event.bytes) == b"mfaAuthenticated").then_some(Column::MfaAuthenticated);
                walk.lift(event, column, key, 4)
            })
        })
    }

    fn insight(&mut self, event: &mut RawEvent<'a>) -> Result<(), ScanError> {
        self.scanner.peek();
        let start = self.scanner.pos as u32;
        self.nested(event, 2, &|walk, event, key| walk.lift(event, in_insight(key.of(event.bytes)), key, 2))?;
        let end = self.scanner.pos as u32;
        let kind = if event.bytes.get(start as usize) == Some(&b'{') { TokenKind::Object } else { TokenKind::Plain };
        event.insight = Token { start, end, kind };
        Ok(())
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
        self.members(|walk, key| each(walk, event, key))
    }

    #[inline(always)]
    fn lift(
        &mut self,
        event: &mut RawEvent<'a>,
        column: Option<Column>,
        key: Token,
        depth: usize,
    ) -> Result<(), ScanError> {
        let Some(column) = column else {
            let watched = self.secrets.key(event.bytes, key);
            let value = self.scanner.value(depth, &mut self.secrets)?;
            if watched {
                self.secrets.values.push(value);
            }
            return Ok(());
        };
        let value = self.scanner.value(depth, &mut self.secrets)?;
        let place = &mut event.fields[column as usize];
        self.duplicates += u32::from(place.kind != TokenKind::Absent);
        *place = value;
        Ok(())
    }
}
