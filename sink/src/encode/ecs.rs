//! Elastic Common Schema 8.17.0: one JSON document a record.
//! It must never write a field that ECS does not have outside of `aliyun.actiontrail` (the vendor's columns, by their own
//! names) and `innertrail` (this project's, with `it_seq` and `it_seal`), or put a host into a field for addresses.
//!
//! | ActionTrail | ECS |
//! |---|---|
//! | `eventTime`, when it was appended | `@timestamp`, `event.ingested` |
//! | `eventId`, `it_seq`, the raw event | `event.id`, `event.sequence`, `event.original` |
//! | `it_action` and the operation's name | `event.category`, `event.type` |
//! | `it_outcome`, `it_reason` | `event.outcome`, `event.reason` |
//! | `userIdentity.*`; `EmployeeID` | `user.id`, `user.name` |
//! | `sourceIpAddress` | `source.address`, and `source.ip` where it is an address |

use chrono::{DateTime, SecondsFormat, Utc};
use innertrail_logstore::Layout;
use serde_json::{Map, Value, json};

use super::meaning::{Activity, Address, Asked};
use crate::fields::{self, Field};
use crate::record::Record;

/// Version of the schema.
pub const VERSION: &str = "8.17.0";

/// Appends a record as one JSON document, without anything before or behind it.
pub fn append(trail: &str, layout: &Layout, record: &Record, out: &mut Vec<u8>) {
    let document = document(trail, &Asked { layout, record });
    serde_json::to_writer(out, &document).expect("its keys are texts, and a vector takes every write");
}

/// Sets of fields; those without a field are left out.
fn document(trail: &str, asked: &Asked<'_>) -> Map<String, Value> {
    let us = fields::time_us(asked.layout, asked.record).unwrap_or(asked.record.row.received_us);
    let (aliyun, innertrail) = own(trail, asked);
    let sets = [
        ("cloud", cloud(asked)),
        ("destination", set([("address", asked.text("eventSource")), ("domain", asked.text("eventSource"))])),
        ("ecs", set([("version", Some(VERSION))])),
        ("error", error(asked)),
        ("event", event(asked)),
        ("related", related(asked)),
        ("source", source(asked)),
        ("user", user(asked)),
        ("user_agent", set([("original", asked.text("userAgent"))])),
        ("aliyun", Map::from_iter([("actiontrail".to_owned(), aliyun.into())])),
        ("innertrail", innertrail),
    ];
    let mut document = set([("@timestamp", Some(moment(us).as_str())), ("message", asked.text("EventDescription"))]);
    document.extend(sets.into_iter().filter(|(_, set)| !set.is_empty()).map(|(n, set)| (n.to_owned(), set.into())));
    document
}

fn set<'a>(pairs: impl IntoIterator<Item = (&'static str, Option<&'a str>)>) -> Map<String, Value> {
    pairs.into_iter().filter_map(|(name, text)| Some((name.to_owned(), Value::from(text?)))).collect()
}

/// RFC 3339; what no calendar has is the beginning of 1970, and `innertrail.it_time` has it all the same.
fn moment(us: i64) -> String {
    DateTime::<Utc>::from_timestamp_micros(us).unwrap_or_default().to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

fn event(asked: &Asked<'_>) -> Map<String, Value> {
    let activity = asked.activity();
    let dataset = asked.text("it_family").map(|family| format!("innertrail.{family}"));
    let mut event = set([
        ("kind", Some(if activity == Activity::Insight { "alert" } else { "event" })),
        ("action", Some(asked.operation())),
        ("outcome", asked.text("it_outcome").filter(|o| ["success", "failure"].contains(o)).or(Some("unknown"))),
        ("id", asked.text("eventId")),
        ("code", asked.text("eventType")),
        ("module", Some("innertrail")),
        ("dataset", dataset.as_deref()),
        ("provider", asked.first(&["serviceName", "EventProduct"])),
        ("reason", asked.text("it_reason")),
        ("ingested", Some(moment(asked.record.row.received_us).as_str())),
        ("original", fields::event(asked.record).ok()),
    ]);
    let (categories, types) = classes(activity, asked.is("it_action", "admin"));
    event.insert("category".to_owned(), json!(categories));
    event.insert("type".to_owned(), json!(types));
    event.insert("sequence".to_owned(), Value::from(asked.record.row.seq));
    event
}

/// Categories, and types that ECS expects with every one of them.
fn classes(activity: Activity, admin: bool) -> (&'static [&'static str], &'static [&'static str]) {
    let categories: &[&str] = match activity {
        Activity::Signin | Activity::Signout => &["authentication"],
        Activity::Insight => &["intrusion_detection"],
        _ if admin => &["api", "configuration"],
        _ => &["api"],
    };
    let types: &[&str] = match activity {
        Activity::Create => &["creation"],
        Activity::Read => &["access"],
        Activity::Update => &["change"],
        Activity::Delete => &["deletion"],
        Activity::Signin => &["start"],
        Activity::Signout => &["end"],
        Activity::Insight | Activity::Unknown => &["info"],
    };
    (categories, types)
}

fn cloud(asked: &Asked<'_>) -> Map<String, Value> {
    let region = asked.first(&["acsRegion", "ResourceRegionID"]);
    let mut cloud = set([("provider", Some("alibaba_cloud")), ("region", region)]);
    if let Some(account) = fields::account(asked.layout, asked.record) {
        cloud.insert("account".to_owned(), json!({ "id": account }));
    }
    if let Some(service) = asked.first(&["serviceName", "EventProduct"]) {
        cloud.insert("service".to_owned(), json!({ "name": service }));
    }
    cloud
}

fn error(asked: &Asked<'_>) -> Map<String, Value> {
    if asked.is_failure() {
        return set([("code", asked.text("errorCode")), ("message", asked.text("errorMessage"))]);
    }
    Map::new()
}

fn user_id<'a>(asked: &Asked<'a>) -> Option<&'a str> {
    asked.first(&["userIdentity.principalId", "EmployeeID"])
}

fn user(asked: &Asked<'_>) -> Map<String, Value> {
    set([("id", user_id(asked)), ("name", asked.text("userIdentity.userName"))])
}

fn source(asked: &Asked<'_>) -> Map<String, Value> {
    let mut source = match asked.address() {
        Some(Address::Ip(ip)) => set([("address", Some(ip)), ("ip", Some(ip))]),
        Some(Address::Host(host)) => set([("address", Some(host)), ("domain", Some(host))]),
        Some(Address::Word(word)) => set([("address", Some(word))]),
        None => Map::new(),
    };
    if let Some(country) = asked.text("EventLocation") {
        source.insert("geo".to_owned(), json!({ "country_iso_code": country }));
    }
    source
}

/// What one searches by over all fields.
fn related(asked: &Asked<'_>) -> Map<String, Value> {
    let users: Vec<&str> = asked.text("userIdentity.userName").into_iter().chain(user_id(asked)).collect();
    let (mut addresses, mut hosts) = (vec![], vec![]);
    match asked.address() {
        Some(Address::Ip(ip)) => addresses.push(ip),
        Some(Address::Host(host)) => hosts.push(host),
        _ => {}
    }
    hosts.extend(asked.text("eventSource").filter(|host| !hosts.contains(host)));
    let lists = [("user", users), ("ip", addresses), ("hosts", hosts)];
    lists.into_iter().filter(|(_, list)| !list.is_empty()).map(|(n, list)| (n.to_owned(), json!(list))).collect()
}

/// The vendor's columns, and this project's.
fn own(trail: &str, asked: &Asked<'_>) -> (Map<String, Value>, Map<String, Value>) {
    let (mut aliyun, mut innertrail) = (Map::new(), set([("it_trail", Some(trail))]));
    fields::each(asked.layout, asked.record, |name, field| {
        let value = match field {
            Field::Text(text) => Value::from(text),
            Field::Integer(number) => Value::from(number),
        };
        let ours = name.starts_with("it_") || name.starts_with("__");
        if ours { &mut innertrail } else { &mut aliyun }.insert(name.to_owned(), value);
    });
    if fields::event(asked.record).is_err() {
        innertrail.insert("event_base64".to_owned(), super::base64(asked.record.row.payload()).into());
    }
    (aliyun, innertrail)
}
