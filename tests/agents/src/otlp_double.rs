//! A strict receiver of OTLP/HTTP logs: it reads requests with OpenTelemetry's own messages, refuses what the protocol
//! does not allow, and misbehaves on request.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use prost::Message;

use crate::double::{Listener, silence};

/// A request as it was understood.
#[derive(Debug, Clone)]
pub struct Seen {
    pub path: String,
    pub headers: BTreeMap<String, String>,
    /// After decompression.
    pub body: Vec<u8>,
    pub request: ExportLogsServiceRequest,
}

/// How to answer.
#[derive(Debug, Clone)]
pub enum Mood {
    /// 200 with an answer in the request's own format.
    Take,
    /// The same with `partial_success`.
    Partial(i64, &'static str),
    /// The same, but every record whose raw event holds the word is rejected.
    RejectsWith(&'static str),
    /// This, byte for byte.
    Raw(Vec<u8>),
    /// A status with headers and a body.
    Status(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// A head that promises 100 bytes, ten of them, and the end of the connection.
    Cut,
    /// The end of the connection.
    Close,
    /// Nothing.
    Silence,
    /// A success whose body has no end.
    Endless,
    /// 413 as soon as the head says more than so many bytes, and the end of the connection, the body unread.
    Limit(usize),
    /// The end of the connection as soon as the head says more than so many bytes, without a word.
    CloseAbove(usize),
}

pub struct Receiver {
    listener: Listener,
    pub seen: Arc<Mutex<Vec<Seen>>>,
    pub mood: Arc<Mutex<Mood>>,
}

impl Receiver {
    pub fn start(mood: Mood) -> Self {
        Self::on(0, mood, |_| {})
    }

    /// The same on this port, 0 for any that is free; `keep` has each request before it is answered.
    pub fn on(port: u16, mood: Mood, keep: impl Fn(&Seen) + Send + Sync + 'static) -> Self {
        let (seen, mood) = (Arc::new(Mutex::new(vec![])), Arc::new(Mutex::new(mood)));
        let (log, mind) = (Arc::clone(&seen), Arc::clone(&mood));
        let listener = Listener::on(port, move |stream, _, stopped| {
            let mut stream = BufReader::new(stream);
            while let Some(request) = read(&mut stream, &mind) {
                let understood = request.and_then(|raw| understand(raw, &log)).inspect(&keep);
                let mood = mind.lock().unwrap().clone();
                if !answer(stream.get_mut(), &mood, understood, stopped) {
                    return;
                }
            }
        });
        Self { listener, seen, mood }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.listener.address())
    }

    pub fn connections(&self) -> usize {
        self.listener.connections()
    }

    pub fn turn(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    pub fn last(&self) -> Seen {
        self.seen.lock().unwrap().last().unwrap().clone()
    }
}

struct Raw {
    path: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

/// One request; `None` at the end of the connection, the inner `Err` when it is no good one.
fn read(stream: &mut BufReader<TcpStream>, mood: &Mutex<Mood>) -> Option<Result<Raw, String>> {
    let mut line = String::new();
    stream.read_line(&mut line).ok().filter(|n| *n > 0)?;
    let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).ok()?;
        match line.trim_end().split_once(':') {
            None => break,
            Some((name, value)) => {
                if headers.insert(name.to_ascii_lowercase(), value.trim().to_owned()).is_some() {
                    return Some(Err(format!("the header {name} stands twice")));
                }
            }
        }
    }
    let Some(length) = headers.get("content-length").and_then(|l| l.parse().ok()) else {
        return Some(Err("there is no length".to_owned()));
    };
    if matches!(*mood.lock().unwrap(), Mood::Limit(limit) if length > limit) {
        respond(stream.get_mut(), 413, &[("connection", "close".to_owned())], b"");
        return None;
    }
    if matches!(*mood.lock().unwrap(), Mood::CloseAbove(limit) if length > limit) {
        return None;
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    if words.first().map(String::as_str) != Some("POST") {
        return Some(Err(format!("the method is {words:?}")));
    }
    Some(Ok(Raw { path: words[1].clone(), headers, body }))
}

fn understand(raw: Raw, log: &Mutex<Vec<Seen>>) -> Result<Seen, String> {
    let Raw { path, headers, mut body } = raw;
    match headers.get("content-encoding").map(String::as_str) {
        Some("gzip") => {
            let mut plain = vec![];
            flate2::read::GzDecoder::new(body.as_slice()).read_to_end(&mut plain).map_err(|e| e.to_string())?;
            body = plain;
        }
        None => {}
        Some(other) => return Err(format!("content-encoding {other}")),
    }
    let request = match headers.get("content-type").map(String::as_str) {
        Some("application/x-protobuf") => {
            ExportLogsServiceRequest::decode(body.as_slice()).map_err(|e| e.to_string())?
        }
        Some("application/json") => serde_json::from_slice(&body).map_err(|e| e.to_string())?,
        other => return Err(format!("content-type {other:?}")),
    };
    let seen = Seen { path, headers, body, request };
    log.lock().unwrap().push(seen.clone());
    Ok(seen)
}

/// Whether the connection stays.
fn answer(stream: &mut TcpStream, mood: &Mood, understood: Result<Seen, String>, stopped: &AtomicBool) -> bool {
    let seen = match understood {
        Ok(seen) => seen,
        Err(why) => return respond(stream, 400, &[("content-type", "text/plain".to_owned())], why.as_bytes()),
    };
    match mood {
        Mood::Take | Mood::Limit(_) | Mood::CloseAbove(_) => partial(stream, &seen, None),
        Mood::Partial(rejected, why) => partial(stream, &seen, Some((*rejected, why))),
        Mood::RejectsWith(word) => {
            let rejected = bodies(&seen.request).iter().filter(|body| body.contains(word)).count();
            partial(stream, &seen, (rejected > 0).then_some((rejected as i64, "it holds a word")))
        }
        Mood::Raw(bytes) => stream.write_all(bytes).is_ok(),
        Mood::Status(status, headers, body) => respond(stream, *status, headers, body),
        Mood::Cut => {
            let _ = stream.write_all(
                b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{\"partialS",
            );
            false
        }
        Mood::Close => false,
        Mood::Silence => {
            silence(stopped);
            false
        }
        Mood::Endless => {
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n");
            while stream.write_all(format!("1000\r\n{}\r\n", " ".repeat(4096)).as_bytes()).is_ok() {}
            false
        }
    }
}

fn partial(stream: &mut TcpStream, seen: &Seen, rejected: Option<(i64, &str)>) -> bool {
    let kind = seen.headers["content-type"].clone();
    let response = ExportLogsServiceResponse {
        partial_success: rejected.map(|(rejected_log_records, why)| ExportLogsPartialSuccess {
            rejected_log_records,
            error_message: why.to_owned(),
        }),
    };
    let body = match kind.as_str() {
        "application/json" => serde_json::to_vec(&response).unwrap(),
        _ => response.encode_to_vec(),
    };
    respond(stream, 200, &[("content-type", kind)], &body)
}

fn respond(stream: &mut TcpStream, status: u16, headers: &[(&str, String)], body: &[u8]) -> bool {
    let mut text = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    text += "\r\n";
    stream.write_all(&[text.as_bytes(), body].concat()).is_ok()
}

/// The raw events of a request.
pub fn bodies(request: &ExportLogsServiceRequest) -> Vec<String> {
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    let logs = request.resource_logs.iter().flat_map(|r| &r.scope_logs).flat_map(|s| &s.log_records);
    logs.map(|log| match log.body.as_ref().and_then(|b| b.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        other => format!("{other:?}"),
    })
    .collect()
}
