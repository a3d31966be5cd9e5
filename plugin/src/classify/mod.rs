//! The classify room: from a decoded record to what it means - who, what, to what, with what outcome and why.
//!
//! One definition each, over all three families. It must never fail: what is unknown is called unknown, and a record
//! that cannot be kept (no id, no time) says so in [`Event::problem`] and is routed to quarantine.

mod operations;

use std::borrow::Cow;

use chrono::{DateTime, NaiveDate};

pub use operations::{Action, oss as oss_operation};

use crate::decode::raw_event::{Family, RawEvent};
use crate::decode::scan::{Token, TokenKind};
use crate::event::columns::Column;

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// No error.
    Success,
    /// An error code, or a sign-in whose message is not a success.
    Failure,
    /// The family does not say.
    Unknown,
}

impl Outcome {
    /// The word in `it_outcome`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Unknown => "unknown",
        }
    }
}

/// A classified record.
#[derive(Debug)]
pub struct Event<'a> {
    /// As decoded.
    pub raw: RawEvent<'a>,
    /// `None`: no operation log.
    pub family: Option<Family>,
    /// Microseconds since the Unix epoch.
    pub time_us: Option<i64>,
    /// Kind and name of the actor; the name may be empty.
    pub actor: (Cow<'a, [u8]>, Cow<'a, [u8]>),
    /// What kind of operation.
    pub action: Action,
    /// What it was done to.
    pub resource: Option<Cow<'a, [u8]>>,
    /// How it ended.
    pub outcome: Outcome,
    /// Why.
    pub reason: Option<Cow<'a, [u8]>>,
    /// Country of the actor.
    pub country: Option<Cow<'a, [u8]>>,
    /// The account whose log this is.
    pub account: Option<Cow<'a, [u8]>>,
    /// Product, as the event spells it. Insight events have none.
    pub product: Option<Cow<'a, [u8]>>,
    /// Why the record cannot be kept as an event.
    pub problem: Option<&'static str>,
}

/// Classifies one record.
pub fn classify(raw: RawEvent<'_>) -> Event<'_> {
    match raw.family() {
        Some(Family::Audit) => audit(raw),
        Some(Family::Platform) => platform(raw),
        Some(Family::Insight) => insight(raw),
        None => plain(raw),
    }
}

fn base<'a>(raw: RawEvent<'a>, family: Option<Family>) -> Event<'a> {
    let time_us = raw.filled(Column::EventTime).and_then(|t| parse_time(&t));
    let problem = match family {
        None => None,
        Some(_) if raw.filled(Column::EventId).is_none() => Some("the event has no id, so it cannot be kept once"),
        Some(_) if !matches!(raw.token(Column::EventId).kind, TokenKind::Plain | TokenKind::Escaped) => {
            Some("the event id is not a string")
        }
        Some(_) if time_us.is_none() => Some("the event time is missing or no RFC 3339 time"),
        Some(_) => None,
    };
    Event {
        raw,
        family,
        time_us,
        actor: (fixed(""), fixed("")),
        action: Action::Unknown,
        resource: None,
        outcome: Outcome::Unknown,
        reason: None,
        country: None,
        account: None,
        product: None,
        problem,
    }
}

fn fixed(word: &'static str) -> Cow<'static, [u8]> {
    Cow::Borrowed(word.as_bytes())
}

fn plain(raw: RawEvent<'_>) -> Event<'_> {
    base(raw, None)
}

fn audit(raw: RawEvent<'_>) -> Event<'_> {
    let mut event = base(raw, Some(Family::Audit));
    let raw = &event.raw;
    event.actor = (
        raw.filled(Column::IdentityType).unwrap_or(fixed("unknown")),
        raw.filled(Column::UserName).or_else(|| raw.filled(Column::PrincipalId)).unwrap_or_default(),
    );
    event.action = audit_action(raw);
    event.resource = audit_resource(raw);
    event.outcome = audit_outcome(raw);
    event.reason = match event.outcome {
        Outcome::Failure => raw.filled(Column::ErrorCode).or_else(|| raw.filled(Column::ErrorMessage)),
        _ if is_delivery(raw) => Some(fixed("trail-delivery")),
        _ => None,
    };
    event.account = raw.filled(Column::RecipientAccountId).or_else(|| raw.filled(Column::AccountId));
    event.product = raw.filled(Column::ServiceName);
    event
}

/// Read or write as the vendor says where it says so; what an OSS operation changes comes from the table.
fn audit_action(raw: &RawEvent<'_>) -> Action {
    if raw.value(Column::EventType).is_some_and(|t| matches!(&*t, b"ConsoleSignin" | b"ConsoleSignout")) {
        return Action::Signin;
    }
    let name = raw.value(Column::EventName).unwrap_or_default();
    let oss = raw.value(Column::ServiceName).is_some_and(|s| s.eq_ignore_ascii_case(b"oss"));
    let listed = if oss { operations::oss(&name) } else { None };
    match (raw.value(Column::EventRw).as_deref(), listed) {
        (Some(b"Read"), _) => Action::Read,
        (Some(b"Write"), Some(Action::Read) | None) => Action::Write,
        (_, Some(action)) => action,
        (_, None) => operations::by_verb(&name),
    }
}

/// A failure has an error code that is neither null nor empty; a sign-in may say it in its message alone.
fn audit_outcome(raw: &RawEvent<'_>) -> Outcome {
    if raw.filled(Column::ErrorCode).is_some() {
        return Outcome::Failure;
    }
    let signin = raw.value(Column::EventType).is_some_and(|t| *t == *b"ConsoleSignin");
    match raw.filled(Column::ErrorMessage) {
        Some(message) if signin && !message.eq_ignore_ascii_case(b"success") => Outcome::Failure,
        _ => Outcome::Success,
    }
}

fn audit_resource<'a>(raw: &RawEvent<'a>) -> Option<Cow<'a, [u8]>> {
    if raw.referenced.kind == TokenKind::Object
        && let Some(token) = first_reference(raw.bytes, raw.referenced)
    {
        return raw.value_of(token);
    }
    if let Some(name) = raw.filled(Column::ResourceName) {
        return Some(name);
    }
    let host = raw.filled(Column::EventSource)?;
    let dot = host.iter().position(|b| *b == b'.')?;
    let (bucket, rest) = (&host[..dot], &host[dot + 1..]);
    (rest.starts_with(b"oss-") && !bucket.starts_with(b"oss-")).then(|| Cow::Owned(bucket.to_vec()))
}

/// The first id of `{"ACS::OSS::Bucket":["id"]}`. The text was scanned, so quotes pair up.
fn first_reference(text: &[u8], object: Token) -> Option<Token> {
    let bytes = object.of(text);
    let list = bytes.iter().position(|b| *b == b'[')?;
    let open = list + bytes[list..].iter().position(|b| matches!(b, b'"' | b']'))?;
    if bytes[open] != b'"' {
        return None;
    }
    let mut end = open + 1;
    let mut kind = TokenKind::Plain;
    while *bytes.get(end)? != b'"' {
        if bytes[end] == b'\\' {
            kind = TokenKind::Escaped;
            end += 1;
        }
        end += 1;
    }
    Some(Token { start: object.start + open as u32 + 1, end: object.start + end as u32, kind })
}

/// Delivering a trail makes events of its own: the service role reads the bucket. They are no user's doing.
fn is_delivery(raw: &RawEvent<'_>) -> bool {
    if raw.token(Column::IdentityType).of(raw.bytes) == b"ram-user" {
        return false;
    }
    if raw.token(Column::UserAgent).of(raw.bytes) == b"actiontrail.aliyuncs.com" {
        return true;
    }
    // `AliyunServiceRoleForActionTrail`, `AliyunActionTrailDefaultRole`, or the service's own host name.
    let name = raw.token(Column::UserName).of(raw.bytes);
    (name.starts_with(b"Aliyun") || name.starts_with(b"aliyun"))
        && (holds(name, b"ActionTrail") || holds(name, b"actiontrail"))
        || name.starts_with(b"actiontrail.")
}

fn holds(text: &[u8], word: &[u8]) -> bool {
    memchr::memmem::find(text, word).is_some()
}

fn platform(raw: RawEvent<'_>) -> Event<'_> {
    let mut event = base(raw, Some(Family::Platform));
    let raw = &event.raw;
    let kind = match raw.value(Column::EmployeeId) {
        Some(id) if !id.is_empty() => "provider-person",
        Some(_) => "provider-system",
        // Field lists of 2019 to 2021 do not have EmployeeID: then nobody can tell.
        None => "provider",
    };
    event.actor = (fixed(kind), raw.filled(Column::EmployeeId).unwrap_or_default());
    event.action = match raw.value(Column::EventMethod) {
        Some(method) if holds(&method, b"Read") => Action::Read,
        Some(method) if holds(&method, b"Write") => Action::Write,
        _ => Action::Unknown,
    };
    event.resource = raw.filled(Column::ResourceId);
    event.reason = raw.filled(Column::EventType).map(|class| match &*class {
        b"CUSTOMER_INITIATED_SUPPORT" => fixed("customer-support"),
        b"ALIYUN_INITIATED_SERVICE" => fixed("provider-service"),
        b"ALIYUN_INITIATED_PENALTY" => fixed("penalty"),
        _ => class,
    });
    event.country = raw.filled(Column::EventLocation);
    event.account = raw.filled(Column::ResourceOwnerId);
    event.product = raw.filled(Column::EventProduct);
    event
}

fn insight(raw: RawEvent<'_>) -> Event<'_> {
    let mut event = base(raw, Some(Family::Insight));
    event.action = Action::Insight;
    event.actor.0 = fixed("actiontrail-insight");
    event.resource = event.raw.filled(Column::InsightObject);
    event.reason = event.raw.filled(Column::InsightType);
    event.account = event.raw.filled(Column::RecipientAccountId);
    event
}

/// Microseconds since the Unix epoch of an RFC 3339 time.
pub fn parse_time(text: &[u8]) -> Option<i64> {
    usual_time(text).or_else(|| {
        let time = DateTime::parse_from_rfc3339(std::str::from_utf8(text).ok()?).ok()?;
        Some(time.timestamp_micros())
    })
}

/// The one form that ActionTrail is documented to use, `YYYY-MM-DDThh:mm:ssZ`; anything else goes the general way.
fn usual_time(text: &[u8]) -> Option<i64> {
    let [y1, y2, y3, y4, b'-', o1, o2, b'-', d1, d2, b'T', h1, h2, b':', m1, m2, b':', s1, s2, b'Z'] = text else {
        return None;
    };
    let pair = |tens: &u8, ones: &u8| {
        let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
        (tens < 10 && ones < 10).then(|| u32::from(tens) * 10 + u32::from(ones))
    };
    let year = i32::try_from(pair(y1, y2)? * 100 + pair(y3, y4)?).ok()?;
    let date = NaiveDate::from_ymd_opt(year, pair(o1, o2)?, pair(d1, d2)?)?;
    let time = date.and_hms_opt(pair(h1, h2)?, pair(m1, m2)?, pair(s1, s2)?)?;
    Some(time.and_utc().timestamp_micros())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The quick way must say what the general way says, or nothing.
        #[test]
        fn the_usual_time_is_rfc_3339(text in "[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9]Z") {
            let general = DateTime::parse_from_rfc3339(&text).ok().map(|t| t.timestamp_micros());
            prop_assert_eq!(parse_time(text.as_bytes()), general);
            if let Some(quick) = usual_time(text.as_bytes()) {
                prop_assert_eq!(Some(quick), general);
            }
        }
    }
}
