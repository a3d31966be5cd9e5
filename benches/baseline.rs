//! What one would write natively: `serde_json` into typed borrowed structs, doing the component's job.
//!
//! It decodes, classifies, finds secrets, routes and writes the same row. It must do no less than the component, or
//! the ratio would flatter the component; `speed.rs` checks that both give the same rows.

use std::borrow::Cow;

use innertrail_plugin::classify::{oss_operation, parse_time};
use innertrail_plugin::event::columns::Column;
use innertrail_plugin::event::row::RowWriter;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

type Text<'a> = Option<Cow<'a, str>>;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Audit<'a> {
    #[serde(borrow)]
    event_id: Text<'a>,
    #[serde(borrow)]
    event_time: Text<'a>,
    #[serde(borrow)]
    event_name: Text<'a>,
    #[serde(borrow)]
    event_type: Text<'a>,
    #[serde(borrow)]
    event_version: Option<Scalar<'a>>,
    #[serde(borrow)]
    event_category: Text<'a>,
    #[serde(borrow, rename = "eventRW")]
    event_rw: Text<'a>,
    #[serde(borrow)]
    event_source: Text<'a>,
    #[serde(borrow)]
    service_name: Text<'a>,
    #[serde(borrow)]
    acs_region: Text<'a>,
    #[serde(borrow)]
    api_version: Text<'a>,
    #[serde(borrow)]
    request_id: Text<'a>,
    #[serde(borrow)]
    source_ip_address: Text<'a>,
    #[serde(borrow)]
    vpc_id: Text<'a>,
    #[serde(borrow)]
    user_agent: Text<'a>,
    #[serde(borrow)]
    error_code: Text<'a>,
    #[serde(borrow)]
    error_message: Text<'a>,
    #[serde(borrow)]
    is_global: Option<Scalar<'a>>,
    #[serde(borrow)]
    resource_type: Text<'a>,
    #[serde(borrow)]
    resource_name: Text<'a>,
    #[serde(borrow)]
    recipient_account_id: Text<'a>,
    #[serde(borrow)]
    referenced_resources: Option<First<'a>>,
    request_parameters: Option<Secrets>,
    response_elements: Option<Secrets>,
    additional_event_data: Option<Secrets>,
    event_attributes: Option<Secrets>,
    #[serde(borrow)]
    user_identity: Option<Identity<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Identity<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow)]
    principal_id: Text<'a>,
    #[serde(borrow)]
    account_id: Text<'a>,
    #[serde(borrow)]
    access_key_id: Text<'a>,
    #[serde(borrow)]
    user_name: Text<'a>,
    #[serde(borrow)]
    session_context: Option<Session<'a>>,
}

#[derive(Deserialize)]
struct Session<'a> {
    #[serde(borrow)]
    attributes: Option<Attributes<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Attributes<'a> {
    #[serde(borrow)]
    mfa_authenticated: Text<'a>,
}

/// A version or a flag: a string in some events, a number or boolean in others.
struct Scalar<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Scalar<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Scalar<'de>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a scalar")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Scalar<'de>, E> {
                Ok(Scalar(text.into()))
            }
            fn visit_str<E>(self, text: &str) -> Result<Scalar<'de>, E> {
                Ok(Scalar(text.to_owned().into()))
            }
            fn visit_u64<E>(self, number: u64) -> Result<Scalar<'de>, E> {
                Ok(Scalar(if number == 1 { "1".into() } else { number.to_string().into() }))
            }
            fn visit_bool<E>(self, flag: bool) -> Result<Scalar<'de>, E> {
                Ok(Scalar(if flag { "true" } else { "false" }.into()))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// The first id of `referencedResources`.
struct First<'a>(Text<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for First<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Found<'a>(std::marker::PhantomData<&'a ()>);
        impl<'de: 'a, 'a> Visitor<'de> for Found<'a> {
            type Value = First<'a>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a map of lists")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<First<'a>, A::Error> {
                let mut first = None;
                while map.next_key::<IgnoredAny>()?.is_some() {
                    let list: Vec<Cow<'a, str>> = map.next_value()?;
                    first = first.or_else(|| list.into_iter().next());
                }
                Ok(First(first))
            }
        }
        deserializer.deserialize_map(Found(std::marker::PhantomData))
    }
}

/// Whether any key below is one whose value has to be masked.
struct Secrets(bool);

fn is_secret(key: &str) -> bool {
    innertrail_plugin::redact::ALWAYS.iter().any(|name| name.eq_ignore_ascii_case(key))
}

impl<'de> Deserialize<'de> for Secrets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Look;
        impl<'de> Visitor<'de> for Look {
            type Value = Secrets;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("any value")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Secrets, A::Error> {
                let mut found = false;
                while let Some(key) = map.next_key::<Cow<'_, str>>()? {
                    found |= is_secret(&key);
                    found |= map.next_value::<Secrets>()?.0;
                }
                Ok(Secrets(found))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Secrets, A::Error> {
                let mut found = false;
                while let Some(inner) = list.next_element::<Secrets>()? {
                    found |= inner.0;
                }
                Ok(Secrets(found))
            }
            // JSON that hides in a string is looked into as the component does.
            fn visit_str<E>(self, text: &str) -> Result<Secrets, E> {
                let json = text.starts_with('{') && text.contains('"');
                Ok(Secrets(json && text.split('"').any(is_secret)))
            }
            fn visit_bool<E>(self, _: bool) -> Result<Secrets, E> {
                Ok(Secrets(false))
            }
            fn visit_i64<E>(self, _: i64) -> Result<Secrets, E> {
                Ok(Secrets(false))
            }
            fn visit_u64<E>(self, _: u64) -> Result<Secrets, E> {
                Ok(Secrets(false))
            }
            fn visit_f64<E>(self, _: f64) -> Result<Secrets, E> {
                Ok(Secrets(false))
            }
            fn visit_unit<E>(self) -> Result<Secrets, E> {
                Ok(Secrets(false))
            }
        }
        deserializer.deserialize_any(Look)
    }
}

/// Takes lines through; gives the rows of what is kept, and how many were not.
pub(crate) fn run(data: &[u8], origin: &str, row: &mut RowWriter, out: &mut Vec<u8>) -> (u64, u64) {
    let (mut kept, mut refused, mut offset) = (0, 0, 0);
    for line in data.split_inclusive(|b| *b == b'\n') {
        let text = line.trim_ascii_end();
        match serde_json::from_slice::<Audit<'_>>(text) {
            Ok(audit) if audit.service_name.as_deref().is_some_and(|s| s.eq_ignore_ascii_case("oss")) => {
                kept += 1;
                write(&audit, text, origin, offset, row, out);
            }
            Ok(audit) => {
                refused += 1;
                write(&audit, text, origin, offset, row, out);
            }
            Err(_) => refused += 1,
        }
        offset += line.len() as i64;
    }
    (kept, refused)
}

fn write(audit: &Audit<'_>, text: &[u8], origin: &str, offset: i64, row: &mut RowWriter, out: &mut Vec<u8>) {
    use Column as C;
    row.begin(text.len());
    row.joined(C::Origin, &[b"files:", origin.as_bytes()]);
    row.integer(C::Offset, offset);
    let identity = audit.user_identity.as_ref();
    let session = identity.and_then(|i| i.session_context.as_ref()?.attributes.as_ref());
    for (column, value) in [
        (C::EventId, &audit.event_id),
        (C::EventTime, &audit.event_time),
        (C::EventName, &audit.event_name),
        (C::EventType, &audit.event_type),
        (C::EventVersion, &audit.event_version.as_ref().map(|v| v.0.clone())),
        (C::EventCategory, &audit.event_category),
        (C::EventRw, &audit.event_rw),
        (C::EventSource, &audit.event_source),
        (C::ServiceName, &audit.service_name),
        (C::AcsRegion, &audit.acs_region),
        (C::ApiVersion, &audit.api_version),
        (C::RequestId, &audit.request_id),
        (C::SourceIpAddress, &audit.source_ip_address),
        (C::VpcId, &audit.vpc_id),
        (C::UserAgent, &audit.user_agent),
        (C::ErrorCode, &audit.error_code),
        (C::ErrorMessage, &audit.error_message),
        (C::IsGlobal, &audit.is_global.as_ref().map(|v| v.0.clone())),
        (C::ResourceType, &audit.resource_type),
        (C::ResourceName, &audit.resource_name),
        (C::RecipientAccountId, &audit.recipient_account_id),
        (C::IdentityType, &identity.and_then(|i| i.kind.clone())),
        (C::PrincipalId, &identity.and_then(|i| i.principal_id.clone())),
        (C::AccountId, &identity.and_then(|i| i.account_id.clone())),
        (C::AccessKeyId, &identity.and_then(|i| i.access_key_id.clone())),
        (C::UserName, &identity.and_then(|i| i.user_name.clone())),
        (C::MfaAuthenticated, &session.and_then(|a| a.mfa_authenticated.clone())),
    ] {
        if let Some(value) = value {
            row.text(column, value.as_bytes());
        }
    }
    classified(audit, row);
    row.finish(text, out);
}

fn classified(audit: &Audit<'_>, row: &mut RowWriter) {
    use Column as C;
    if let Some(time) = audit.event_time.as_deref().and_then(|t| parse_time(t.as_bytes())) {
        row.integer(C::UnixTime, time.div_euclid(1_000_000));
        row.integer(C::Time, time);
    }
    let identity = audit.user_identity.as_ref();
    let name = identity.and_then(|i| i.user_name.as_deref().or(i.principal_id.as_deref())).unwrap_or_default();
    row.text(C::Family, "audit");
    row.joined(
        C::Actor,
        &[identity.and_then(|i| i.kind.as_deref()).unwrap_or("unknown").as_bytes(), b":", name.as_bytes()],
    );
    let listed = audit.event_name.as_deref().and_then(|name| oss_operation(name.as_bytes()));
    row.text(C::Action, listed.map_or("unknown", |a| a.as_str()));
    let failed = audit.error_code.as_deref().is_some_and(|code| !code.is_empty());
    row.text(C::Outcome, if failed { "failure" } else { "success" });
    let referenced = audit.referenced_resources.as_ref().and_then(|r| r.0.as_deref());
    if let Some(resource) = referenced.or(audit.resource_name.as_deref()) {
        row.text(C::Resource, resource);
    }
    if failed && let Some(code) = audit.error_code.as_deref() {
        row.text(C::Reason, code);
    }
    let secrets =
        [&audit.request_parameters, &audit.response_elements, &audit.additional_event_data, &audit.event_attributes];
    // The generated trail has none; what counts here is looking for them.
    assert!(!secrets.iter().any(|s| s.as_ref().is_some_and(|s| s.0)), "a secret that this baseline would have to mask");
}
