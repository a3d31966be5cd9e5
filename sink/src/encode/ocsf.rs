//! OCSF 1.8.0, class 6003 (API Activity) with the profile `cloud`: one JSON object a record.
//! It must never write an attribute that the schema does not have; what it has no place for is under `unmapped`.
//!
//! | ActionTrail | OCSF |
//! |---|---|
//! | `eventTime`, when it was appended | `time`, `metadata.logged_time` |
//! | `eventId`, `it_seq` | `metadata.uid`, `metadata.sequence` |
//! | `it_action` and the operation's name | `activity_id` 1 create, 2 read, 3 update, 4 delete, 99 sign-in and insight |
//! | `it_outcome` | `status_id`; `severity_id` 2 for failures, 3 where the vendor tells the customer, else 1 |
//! | `eventName`, `serviceName`, `apiVersion`, `requestId` | `api` |
//! | `userIdentity.*`; `EmployeeID` | `actor.user` |
//! | `sourceIpAddress` | `src_endpoint.ip`, `.hostname` or `.name` (`Internal`), never a host for an address |
//! | the raw event, `it_seal` | `raw_data`, `unmapped.it_seal` |

use innertrail_logstore::Layout;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::meaning::{Activity, Address, Asked};
use crate::fields::{self, Field};
use crate::record::Record;

/// Version of the schema.
pub const VERSION: &str = "1.8.0";

/// Columns that have their place in the schema, whole.
const MAPPED: [&str; 26] = [
    "eventId",
    "eventTime",
    "eventName",
    "eventType",
    "eventVersion",
    "eventSource",
    "serviceName",
    "acsRegion",
    "apiVersion",
    "requestId",
    "vpcId",
    "userAgent",
    "errorCode",
    "errorMessage",
    "sharedEventId",
    "recipientAccountId",
    "userIdentity.principalId",
    "userIdentity.accountId",
    "userIdentity.accessKeyId",
    "EventProduct",
    "EventDescription",
    "EmployeeID",
    "ResourceRegionID",
    "ResourceOwnerID",
    "EventLocation",
    "sourceIpAddress",
];

/// Appends a record as one JSON object, without anything before or behind it.
pub fn append(trail: &str, layout: &Layout, record: &Record, out: &mut Vec<u8>) {
    let event = ApiActivity::of(trail, Asked { layout, record });
    serde_json::to_writer(out, &event).expect("its keys are texts, and a vector takes every write");
}

#[derive(Serialize)]
struct ApiActivity<'a> {
    activity_id: u32,
    activity_name: &'static str,
    category_uid: u32,
    category_name: &'static str,
    class_uid: u32,
    class_name: &'static str,
    type_uid: u32,
    type_name: String,
    time: i64,
    severity_id: u32,
    severity: &'static str,
    status_id: u32,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_detail: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    metadata: Value,
    cloud: Value,
    api: Value,
    actor: Value,
    src_endpoint: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    dst_endpoint: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    http_request: Option<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    resources: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    raw_data: Option<&'a str>,
    raw_data_size: usize,
    unmapped: Map<String, Value>,
}

impl<'a> ApiActivity<'a> {
    fn of(trail: &str, asked: Asked<'a>) -> Self {
        let (activity_id, activity_name) = activity(asked.activity());
        let (severity_id, severity) = severity(&asked);
        let (status_id, status) = status(&asked);
        let failed = asked.is_failure();
        Self {
            activity_id,
            activity_name,
            category_uid: 6,
            category_name: "Application Activity",
            class_uid: 6003,
            class_name: "API Activity",
            type_uid: 600_300 + activity_id,
            type_name: format!("API Activity: {activity_name}"),
            time: milliseconds(fields::time_us(asked.layout, asked.record).unwrap_or(asked.record.row.received_us)),
            severity_id,
            severity,
            status_id,
            status,
            status_code: asked.text("errorCode").filter(|_| failed),
            status_detail: if failed { asked.text("errorMessage") } else { asked.text("it_reason") },
            message: asked.text("EventDescription"),
            metadata: metadata(trail, &asked),
            cloud: cloud(&asked),
            api: api(&asked),
            actor: actor(&asked),
            src_endpoint: source(&asked),
            dst_endpoint: asked.text("eventSource").map(|host| json!({ "hostname": host })),
            http_request: asked.text("userAgent").map(|agent| json!({ "user_agent": agent })),
            resources: resources(&asked),
            raw_data: fields::event(asked.record).ok(),
            raw_data_size: asked.record.row.payload().len(),
            unmapped: unmapped(&asked),
        }
    }
}

fn milliseconds(us: i64) -> i64 {
    us.div_euclid(1_000)
}

fn activity(activity: Activity) -> (u32, &'static str) {
    match activity {
        Activity::Unknown => (0, "Unknown"),
        Activity::Create => (1, "Create"),
        Activity::Read => (2, "Read"),
        Activity::Update => (3, "Update"),
        Activity::Delete => (4, "Delete"),
        Activity::Signin => (99, "Sign-in"),
        Activity::Signout => (99, "Sign-out"),
        Activity::Insight => (99, "Insight"),
    }
}

fn severity(asked: &Asked<'_>) -> (u32, &'static str) {
    match asked {
        _ if asked.is("EventLevel", "WARNING") => (3, "Medium"),
        _ if asked.is_failure() => (2, "Low"),
        _ => (1, "Informational"),
    }
}

fn status(asked: &Asked<'_>) -> (u32, &'static str) {
    match asked.text("it_outcome") {
        Some("success") => (1, "Success"),
        Some("failure") => (2, "Failure"),
        _ => (0, "Unknown"),
    }
}

/// An object of what is there.
fn object<'a>(pairs: impl IntoIterator<Item = (&'static str, Option<&'a str>)>) -> Map<String, Value> {
    pairs.into_iter().filter_map(|(name, text)| Some((name.to_owned(), Value::from(text?)))).collect()
}

fn metadata(trail: &str, asked: &Asked<'_>) -> Value {
    let product = if asked.is("it_family", "platform") { "Inner-ActionTrail" } else { "ActionTrail" };
    let mut metadata = object([
        ("version", Some(VERSION)),
        ("uid", asked.text("eventId")),
        ("event_code", asked.text("eventType")),
        ("log_version", asked.text("eventVersion")),
        ("original_time", asked.text("eventTime")),
        ("correlation_uid", asked.text("sharedEventId")),
        ("tenant_uid", asked.text("recipientAccountId")),
        ("log_provider", Some("innertrail")),
    ]);
    metadata.insert("log_name".to_owned(), Value::from(format!("innertrail_{trail}")));
    metadata.insert("logged_time".to_owned(), Value::from(milliseconds(asked.record.row.received_us)));
    metadata.insert("sequence".to_owned(), Value::from(asked.record.row.seq));
    metadata.insert("product".to_owned(), json!({ "name": product, "vendor_name": "Alibaba Cloud" }));
    metadata.insert("profiles".to_owned(), json!(["cloud"]));
    metadata.into()
}

fn cloud(asked: &Asked<'_>) -> Value {
    let region = asked.first(&["acsRegion", "ResourceRegionID"]);
    let mut cloud = object([("provider", Some("Alibaba Cloud")), ("region", region)]);
    if let Some(account) = fields::account(asked.layout, asked.record) {
        cloud.insert("account".to_owned(), json!({ "uid": account }));
    }
    cloud.into()
}

fn api(asked: &Asked<'_>) -> Value {
    let mut api = object([("operation", Some(asked.operation())), ("version", asked.text("apiVersion"))]);
    if let Some(service) = asked.first(&["serviceName", "EventProduct"]) {
        api.insert("service".to_owned(), json!({ "name": service }));
    }
    if let Some(id) = asked.text("requestId") {
        api.insert("request".to_owned(), json!({ "uid": id }));
    }
    let failed = asked.is_failure();
    let message = if failed { "error_message" } else { "message" };
    let response =
        object([("error", asked.text("errorCode").filter(|_| failed)), (message, asked.text("errorMessage"))]);
    if !response.is_empty() {
        api.insert("response".to_owned(), response.into());
    }
    api.into()
}

fn actor(asked: &Asked<'_>) -> Value {
    let kind = asked.text("userIdentity.type").or_else(|| asked.text("it_actor")?.split(':').next());
    let (type_id, caption) = match kind {
        Some("ram-user" | "cloudsso-user" | "saml-user" | "oidc-user") => (1, "User"),
        Some("root-account") => (2, "Admin"),
        Some("system" | "provider-system") => (3, "System"),
        None | Some("" | "unknown" | "provider") => (0, "Unknown"),
        Some(other) => (99, other),
    };
    let uid = asked.first(&["userIdentity.principalId", "EmployeeID"]);
    // An actor has a name or an id; of the provider's systems only the kind is known.
    let name =
        asked.text("userIdentity.userName").or(if uid.is_some() { None } else { kind.filter(|k| !k.is_empty()) });
    let mut user = object([
        ("name", name.or(if uid.is_none() { Some("unknown") } else { None })),
        ("uid", uid),
        ("type", Some(caption)),
    ]);
    if let Some(key) = asked.text("userIdentity.accessKeyId") {
        user.insert("programmatic_credentials".to_owned(), json!([{ "uid": key, "type": "Access Key" }]));
    }
    user.insert("type_id".to_owned(), Value::from(type_id));
    if let Some(account) = asked.text("userIdentity.accountId") {
        user.insert("account".to_owned(), json!({ "uid": account }));
    }
    let mut actor = Map::from_iter([("user".to_owned(), Value::from(user))]);
    let mfa =
        asked.text("userIdentity.sessionContext.attributes.mfaAuthenticated").and_then(|t| t.parse::<bool>().ok());
    if let Some(mfa) = mfa {
        actor.insert("session".to_owned(), json!({ "is_mfa": mfa }));
    }
    actor.into()
}

fn source(asked: &Asked<'_>) -> Value {
    let (ip, hostname, name) = match asked.address() {
        Some(Address::Ip(ip)) => (Some(ip), None, None),
        Some(Address::Host(host)) => (None, Some(host), None),
        Some(Address::Word(word)) => (None, None, Some(word)),
        None if asked.is("it_family", "platform") => (None, None, Some("provider")),
        None => (None, None, Some("unknown")),
    };
    let mut source = object([("ip", ip), ("hostname", hostname), ("name", name), ("vpc_uid", asked.text("vpcId"))]);
    if let Some(country) = asked.text("EventLocation") {
        source.insert("location".to_owned(), json!({ "country": country }));
    }
    source.into()
}

fn resources(asked: &Asked<'_>) -> Vec<Value> {
    let one = |(name, kind)| {
        let mut resource = object([("name", Some(name)), ("type", kind), ("region", asked.text("ResourceRegionID"))]);
        if let Some(owner) = asked.text("ResourceOwnerID") {
            resource.insert("owner".to_owned(), json!({ "account": { "uid": owner } }));
        }
        resource.into()
    };
    asked.resources().into_iter().map(one).collect()
}

/// What has no place of its own, under its own name; always `it_seal`.
fn unmapped(asked: &Asked<'_>) -> Map<String, Value> {
    let mut unmapped = Map::new();
    fields::each(asked.layout, asked.record, |name, field| {
        if !MAPPED.contains(&name) {
            unmapped.insert(name.to_owned(), json(field));
        }
    });
    if fields::event(asked.record).is_err() {
        unmapped.insert("event_base64".to_owned(), super::base64(asked.record.row.payload()).into());
    }
    unmapped
}

fn json(field: Field<'_>) -> Value {
    match field {
        Field::Text(text) => Value::from(text),
        Field::Integer(number) => Value::from(number),
    }
}
