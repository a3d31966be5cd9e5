//! The columns that a row may fill, in slot order: the vendor's own names, and a small normalised set.
//!
//! Names are unique without regard to case, because Log Service does not tell `eventName` from `EventName` and neither
//! do Spark or DuckDB: a platform event's `EventName` fills `eventName`. Entries may be appended; they must never be
//! removed, renamed or moved, since slots and stored segments carry their numbers and names.

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8 text.
    Text,
    /// A signed 64-bit integer.
    Integer,
    /// Microseconds since the Unix epoch, UTC.
    Timestamp,
}

/// How a column's values repeat; a hint to the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cardinality {
    /// A few hundred different values at the most.
    Low,
    /// About one value an event.
    High,
    /// Numbers that grow with the records.
    Rising,
}

/// One column, described.
#[derive(Debug, Clone, Copy)]
pub struct Definition {
    /// Name in the Logstore.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// How its values repeat.
    pub cardinality: Cardinality,
    /// Whether single values are looked up.
    pub lookup: bool,
    /// One sentence for people.
    pub about: &'static str,
}

macro_rules! columns {
    ($($variant:ident $name:literal $kind:ident $cardinality:ident $lookup:literal $about:literal;)*) => {
        /// A column's number.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Column { $(#[doc = $about] $variant,)* }

        /// All columns, in slot order.
        pub const COLUMNS: &[Definition] = &[$(Definition {
            name: $name, kind: Kind::$kind, cardinality: Cardinality::$cardinality, lookup: $lookup, about: $about,
        },)*];

        /// Every column's number, in slot order.
        pub const ALL: &[Column] = &[$(Column::$variant,)*];
    };
}

// The first LIFTED entries are filled straight from the event's own JSON; the rest is worked out.
columns! {
    EventId "eventId" Text High true "Unique id of the event; EventID of platform events. Each is kept once.";
    EventTime "eventTime" Text High false "When it happened, as the vendor wrote it (UTC).";
    EventName "eventName" Text Low false "Name of the operation; EventName of platform events, free text there.";
    EventType "eventType" Text Low false "Class of the event; EventType (reason class) of platform events.";
    EventVersion "eventVersion" Text Low false "Version of the event's format.";
    EventCategory "eventCategory" Text Low false "Management, Data or Insight.";
    EventRw "eventRW" Text Low false "Read or Write, as the vendor says.";
    EventSource "eventSource" Text Low false "Host that was called.";
    ServiceName "serviceName" Text Low false "Service that was called; its casing differs from service to service.";
    AcsRegion "acsRegion" Text Low false "Region.";
    ApiVersion "apiVersion" Text Low false "Version of the API, a date or an asterisk.";
    RequestId "requestId" Text High true "Id of the request; for OSS mostly the same as the event id.";
    SourceIpAddress "sourceIpAddress" Text Low false "IPv4, IPv6, a service's host name, or the word Internal.";
    VpcId "vpcId" Text Low false "VPC that the call came from.";
    UserAgent "userAgent" Text Low false "Client, free text.";
    ErrorCode "errorCode" Text Low false "Error code; empty, null and absent all mean none.";
    ErrorMessage "errorMessage" Text Low false "Error text; the word success at some sign-ins.";
    IsGlobal "isGlobal" Text Low false "Whether the event is a global one.";
    ResourceType "resourceType" Text Low false "Types of the resources, joined by semicolons; ResourceType of platform events.";
    ResourceName "resourceName" Text Low false "Names of the resources, joined by commas and semicolons.";
    RecipientAccountId "recipientAccountId" Text Low false "Account that receives the event.";
    SharedEventId "sharedEventId" Text High false "Related event of an insight event.";
    IdentityType "userIdentity.type" Text Low false "Kind of identity: root-account, ram-user, assumed-role and others.";
    PrincipalId "userIdentity.principalId" Text Low false "Id of the identity.";
    AccountId "userIdentity.accountId" Text Low false "Account that owns the identity.";
    AccessKeyId "userIdentity.accessKeyId" Text Low false "Access key that signed the call.";
    UserName "userIdentity.userName" Text Low false "Name of the identity.";
    MfaAuthenticated "userIdentity.sessionContext.attributes.mfaAuthenticated" Text Low false "Whether the session used MFA; a text, true or false.";
    InsightType "insightDetails.insightType" Text Low false "Kind of insight.";
    InsightObject "insightDetails.insightObject" Text Low false "What the insight is about; the source IP in the old format.";
    InsightState "insightDetails.state" Text Low false "State of the insight.";
    EventProduct "EventProduct" Text Low false "Product that a platform event operated on.";
    EventDescription "EventDescription" Text High false "Why a platform event was done: a ticket, change or scan.";
    EmployeeId "EmployeeID" Text Low false "Ciphertext of the operator's staff number; empty when a system acted.";
    EventMethod "EventMethod" Text Low false "Shape of a platform operation, such as Regular Read.";
    ResourceId "ResourceID" Text Low false "Resource of a platform event; the bucket for OSS.";
    ResourceRegionId "ResourceRegionID" Text Low false "Region of that resource.";
    ResourceOwnerId "ResourceOwnerID" Text Low false "Account that owns that resource.";
    EventAdditionalDetail "EventAdditionalDetail" Text High false "More detail: JSON in a string, or plain text.";
    EventLevel "EventLevel" Text Low false "NOTICE: recorded. WARNING: recorded, and the customer is told.";
    EventLocation "EventLocation" Text Low false "Country where the operator sat, ISO 3166-1 alpha-2.";
    Topic "__topic__" Text Low false "Topic of the Log Service record that brought the event.";
    Source "__source__" Text Low false "Source of that record.";
    UnixTime "__time__" Integer Rising false "When it happened, seconds since the Unix epoch.";
    Time "it_time" Timestamp Rising false "When it happened.";
    Family "it_family" Text Low false "audit, platform or insight.";
    Actor "it_actor" Text Low false "Who did it, over all families: kind and name.";
    Action "it_action" Text Low false "read, write, admin, signin, insight or unknown.";
    Resource "it_resource" Text Low false "What it was done to; the bucket for OSS.";
    Outcome "it_outcome" Text Low false "success, failure or unknown.";
    Reason "it_reason" Text Low false "Why: the reason class of platform events, the error code of failures, the kind of insight.";
    Country "it_country" Text Low false "Country of the actor where the event says so.";
    Envelope "it_envelope" Text Low false "The record around the event, where there was one, with null in the event's place.";
    Nulls "it_nulls" Text Low false "Lifted keys that were null rather than absent, joined by commas.";
    Origin "it_origin" Text Low false "Source and file, or gate, that the record came from.";
    Offset "it_offset" Integer Rising false "Where the record began there, bytes (decompressed).";
    Redacted "it_redacted" Integer Rising false "How many values were masked; absent when none was.";
    DuplicateKeys "it_duplicate_keys" Integer Rising false "How many keys stood twice; absent when none did.";
    QuarantineReason "it_quarantine_reason" Text Low false "Why the record is in quarantine.";
    QuarantineDetail "it_quarantine_detail" Text Low false "The same in words, with the byte offset where one is known.";
}

/// How many of the columns are lifted straight from the event.
pub const LIFTED: usize = Column::Topic as usize;

/// The event id's column.
pub const KEY: Column = Column::EventId;

#[cfg(test)]
mod tests {
    use super::*;

    /// Spark refuses a file in which two columns differ by case alone, so a clash here would make every segment
    /// unreadable there.
    #[test]
    fn names_are_unique_without_regard_to_case() {
        let mut names: Vec<String> = COLUMNS.iter().map(|c| c.name.to_lowercase()).collect();
        names.sort();
        let before = names.len();
        names.dedup();
        assert_eq!(names.len(), before);
        assert!(ALL.len() < 255 && ALL.len() == COLUMNS.len());
    }
}
