//! What a receiver got, in a form that all protocols share, in a file that outlives it: a line a record, on the disk before
//! the sender has its answer.
//!
//! Must never repair what it was sent: a record without its number, mark or event is written down as `null`, and judged.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use serde_json::{Value, json};

use crate::contract::{Answer, Contract, shared_form};
use crate::http_double::{Claims, HttpServer, Keep};
use crate::{forward_double, otlp_double};

/// The number, mark and raw event of a record as JSON, with or without Vector's `log` around it.
pub fn claim(record: &Value) -> Value {
    let record = record.get("log").unwrap_or(record);
    json!({ "it_seq": record["it_seq"], "it_seal": record["it_seal"], "event": record["event"] })
}

/// The same of a request of OTLP.
pub fn otlp_claims(seen: &otlp_double::Seen) -> Claims {
    let logs = seen.request.resource_logs.iter().flat_map(|r| &r.scope_logs).flat_map(|s| &s.log_records);
    logs.map(|log| {
        let plain = |value: Option<&Any>| match value {
            Some(Any::StringValue(text)) => json!(text),
            Some(Any::IntValue(number)) => json!(number),
            _ => Value::Null,
        };
        let of = |name: &str| {
            let found = log.attributes.iter().find(|a| a.key == name).and_then(|a| a.value.as_ref());
            plain(found.and_then(|v| v.value.as_ref()))
        };
        let event = plain(log.body.as_ref().and_then(|b| b.value.as_ref()));
        json!({ "it_seq": of("it_seq"), "it_seal": of("it_seal"), "event": event })
    })
    .collect()
}

/// The same of a message of Forward.
pub fn forward_claims(seen: &forward_double::Seen) -> Claims {
    let entries = seen.entries.iter().map(|(_, _, members)| {
        let of = |name: &str| {
            let found = members.iter().find(|(key, _)| key.as_str() == Some(name)).map(|(_, value)| value);
            found.map_or(Value::Null, |v| v.as_u64().map_or_else(|| json!(v.as_str()), |number| json!(number)))
        };
        json!({ "it_seq": of("it_seq"), "it_seal": of("it_seal"), "event": of("event") })
    });
    entries.collect()
}

/// Appends to a file and waits for the disk. What a kill left of a line is cut off: it was never answered for.
pub fn keep(path: &Path) -> Keep {
    let mut file = OpenOptions::new().read(true).append(true).create(true).open(path).unwrap();
    let mut so_far = vec![];
    file.seek(SeekFrom::Start(0)).unwrap();
    file.read_to_end(&mut so_far).unwrap();
    file.set_len(so_far.iter().rposition(|b| *b == b'\n').map_or(0, |at| at as u64 + 1)).unwrap();
    let file = Mutex::new(file);
    Arc::new(move |claims| {
        let lines: String = claims.iter().map(|claim| format!("{claim}\n")).collect();
        let mut file = file.lock().unwrap();
        file.write_all(lines.as_bytes()).unwrap();
        File::sync_data(&file).unwrap();
    })
}

/// Every whole line of it.
pub fn read(path: &Path) -> Claims {
    let text = fs::read_to_string(path).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |at| &text[..at]);
    whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A receiver that is served until it is dropped.
pub enum Served {
    Vector(Contract),
    Otlp(otlp_double::Receiver),
    Forward(forward_double::Receiver),
    Http(HttpServer),
}

/// Serves a protocol on a port of 127.0.0.1; `None` when there is no such protocol.
pub fn serve(protocol: &str, port: u16, keep: Keep) -> Option<Served> {
    Some(match protocol {
        "vector" => Served::Vector(Contract::on(
            port,
            Arc::new(move |events| {
                keep(events.iter().map(|event| claim(&shared_form(event))).collect());
                Answer::Ok
            }),
            None,
        )),
        "otlp" => Served::Otlp(otlp_double::Receiver::on(port, otlp_double::Mood::Take, move |seen| {
            keep(otlp_claims(seen));
        })),
        "forward" => Served::Forward(forward_double::Receiver::on(port, forward_double::Mood::Ack, move |seen| {
            keep(forward_claims(seen));
        })),
        "http" => {
            let claims = move |records: Claims| keep(records.iter().map(claim).collect());
            Served::Http(HttpServer::on(port, Arc::new(claims)))
        }
        _ => return None,
    })
}
