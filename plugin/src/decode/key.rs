//! Which key fills which column: the one table of it. It must never decide what a record is.

use super::scan::{Token, TokenKind};
use super::text::unescape;
use crate::event::columns::Column;

/// What a key means at the place where it stands.
#[derive(Clone, Copy)]
pub(super) enum Key {
    Lift(Column),
    UserIdentity,
    Insight,
    Referenced,
    Parameters,
    Logstore,
    Seal,
    Inner,
    Data,
    Message,
    Events,
    Topic,
    Source,
    /// A free-form member that every event may have; the number tells them apart.
    Free(u8),
    Other,
}

/// By length first: comparing a key with every name in turn would cost more than the rest of decoding.
pub(super) fn top_level(key: &[u8]) -> Key {
    use Column as C;
    match key.len() {
        4 => match key {
            b"data" => Key::Data,
            _ => Key::Other,
        },
        5 => match key {
            b"vpcId" => Key::Lift(C::VpcId),
            b"event" => Key::Inner,
            _ => Key::Other,
        },
        6 => match key {
            b"Events" => Key::Events,
            _ => Key::Other,
        },
        7 => match key {
            b"eventId" | b"EventID" => Key::Lift(C::EventId),
            b"eventRW" => Key::Lift(C::EventRw),
            b"it_seal" => Key::Seal,
            b"message" => Key::Message,
            _ => Key::Other,
        },
        8 => match key {
            b"isGlobal" => Key::Lift(C::IsGlobal),
            _ => Key::Other,
        },
        9 => match key {
            b"eventTime" | b"EventTime" => Key::Lift(C::EventTime),
            b"eventName" | b"EventName" => Key::Lift(C::EventName),
            b"eventType" | b"EventType" => Key::Lift(C::EventType),
            b"acsRegion" => Key::Lift(C::AcsRegion),
            b"requestId" => Key::Lift(C::RequestId),
            b"userAgent" => Key::Lift(C::UserAgent),
            b"errorCode" => Key::Lift(C::ErrorCode),
            b"__topic__" => Key::Topic,
            _ => Key::Other,
        },
        10 => match key {
            b"apiVersion" => Key::Lift(C::ApiVersion),
            b"EmployeeID" => Key::Lift(C::EmployeeId),
            b"ResourceID" => Key::Lift(C::ResourceId),
            b"EventLevel" => Key::Lift(C::EventLevel),
            b"__source__" => Key::Source,
            _ => Key::Other,
        },
        11 => match key {
            b"eventSource" => Key::Lift(C::EventSource),
            b"serviceName" => Key::Lift(C::ServiceName),
            b"EventMethod" => Key::Lift(C::EventMethod),
            _ => Key::Other,
        },
        12 => match key {
            b"eventVersion" | b"EventVersion" => Key::Lift(C::EventVersion),
            b"errorMessage" => Key::Lift(C::ErrorMessage),
            b"resourceType" | b"ResourceType" => Key::Lift(C::ResourceType),
            b"resourceName" => Key::Lift(C::ResourceName),
            b"EventProduct" => Key::Lift(C::EventProduct),
            b"userIdentity" => Key::UserIdentity,
            b"__logstore__" => Key::Logstore,
            _ => Key::Other,
        },
        13 => match key {
            b"eventCategory" => Key::Lift(C::EventCategory),
            b"sharedEventId" => Key::Lift(C::SharedEventId),
            b"EventLocation" => Key::Lift(C::EventLocation),
            _ => Key::Other,
        },
        14 => match key {
            b"insightDetails" => Key::Insight,
            _ => Key::Other,
        },
        15 => match key {
            b"eventAttributes" => Key::Free(4),
            b"sourceIpAddress" => Key::Lift(C::SourceIpAddress),
            b"ResourceOwnerID" => Key::Lift(C::ResourceOwnerId),
            _ => Key::Other,
        },
        16 => match key {
            b"responseElements" => Key::Free(0),
            b"EventDescription" => Key::Lift(C::EventDescription),
            b"ResourceRegionID" => Key::Lift(C::ResourceRegionId),
            _ => Key::Other,
        },
        17 => match key {
            b"addionalEventData" => Key::Free(3),
            b"requestParameters" => Key::Parameters,
            _ => Key::Other,
        },
        18 => match key {
            b"recipientAccountId" => Key::Lift(C::RecipientAccountId),
            b"referenceResources" => Key::Referenced,
            _ => Key::Other,
        },
        19 => match key {
            b"additionalEventData" => Key::Free(2),
            b"referencedResources" => Key::Referenced,
            _ => Key::Other,
        },
        21 => match key {
            b"EventAdditionalDetail" => Key::Lift(C::EventAdditionalDetail),
            _ => Key::Other,
        },
        20 => match key {
            b"requestParameterJson" => Key::Free(1),
            _ => Key::Other,
        },
        _ => Key::Other,
    }
}

/// Whether a key at the top is none that this room knows, or one that it looks into only where no operation log is beside it.
pub(crate) fn means_nothing(key: &[u8]) -> bool {
    matches!(top_level(key), Key::Other | Key::Data | Key::Message)
}

pub(super) fn in_identity(key: &[u8]) -> Option<Column> {
    Some(match key {
        b"type" => Column::IdentityType,
        b"principalId" => Column::PrincipalId,
        b"accountId" => Column::AccountId,
        b"accessKeyId" => Column::AccessKeyId,
        b"userName" => Column::UserName,
        _ => return None,
    })
}

pub(super) fn in_insight(key: &[u8]) -> Option<Column> {
    Some(match key {
        b"insightType" => Column::InsightType,
        b"insightObject" | b"sourceIpAddress" => Column::InsightObject,
        b"state" => Column::InsightState,
        _ => return None,
    })
}

/// What a key means, unescaped first where it has escapes.
#[inline(always)]
pub(super) fn named<T>(text: &[u8], key: Token, meaning: impl Fn(&[u8]) -> T) -> T {
    match key.kind {
        TokenKind::Escaped => meaning(unescape(key.of(text)).as_bytes()),
        _ => meaning(key.of(text)),
    }
}
