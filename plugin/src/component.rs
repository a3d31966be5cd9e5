//! The component's outside: carries the contract's types to the rooms and back.
//!
//! Nothing is decided here, and nothing is imported.
#![allow(unsafe_code)] // Only in the generated bindings: the canonical ABI hands over raw pointers.
#![allow(missing_docs)]

use std::cell::RefCell;

use crate::event::columns::{COLUMNS, Cardinality, KEY, Kind};
use crate::route::{Provenance, Reason, Route};
use crate::source::{self as rooms_source, http};
use crate::transform::Transform;
use crate::transform::batch as rooms;

wit_bindgen::generate!({ path: "../wit", world: "plugin" });

use exports::innertrail::plugin::{info, source, transform};

struct Component;
export!(Component);

impl info::Guest for Component {
    fn describe() -> info::Description {
        let texts = |list: &[&str]| list.iter().map(|t| (*t).to_owned()).collect();
        info::Description {
            name: "innertrail".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            families: texts(&["audit", "platform", "insight"]),
            products: texts(&["oss"]),
            containers: texts(&["array", "lines", "concatenated", "gzip", "sls", "lookup-events", "eventbridge"]),
            sources: texts(&["file", "sls", "oss"]),
            codecs: texts(&["actiontrail", "json", "native-json", "native"]),
            columns: COLUMNS.iter().map(column).collect(),
            key_column: KEY as u8,
            transform_schema: crate::transform::config::SCHEMA.to_owned(),
            source_schema: crate::source::SCHEMA.to_owned(),
        }
    }
}

fn column(column: &crate::event::columns::Definition) -> info::Column {
    info::Column {
        name: column.name.to_owned(),
        kind: match column.kind {
            Kind::Text => info::ColumnKind::Text,
            Kind::Integer => info::ColumnKind::Integer,
            Kind::Timestamp => info::ColumnKind::Timestamp,
        },
        cardinality: match column.cardinality {
            Cardinality::Low => info::Cardinality::Low,
            Cardinality::High => info::Cardinality::High,
            Cardinality::Rising => info::Cardinality::Rising,
        },
        lookup: column.lookup,
        about: column.about.to_owned(),
    }
}

struct Session(RefCell<rooms_source::Session>);

impl source::Guest for Component {
    type Session = Session;
}

impl source::GuestSession for Session {
    fn open(config: String, checkpoints: Vec<source::Checkpoint>) -> Result<source::Session, source::OpenError> {
        let stored: Vec<_> = checkpoints.into_iter().map(|c| (c.key, c.value)).collect();
        match rooms_source::Session::open(&config, &stored) {
            Ok(session) => Ok(source::Session::new(Session(RefCell::new(session)))),
            Err(rooms_source::OpenError::InvalidConfig(why)) => Err(source::OpenError::InvalidConfig(why)),
            Err(rooms_source::OpenError::BadCheckpoint(why)) => Err(source::OpenError::BadCheckpoint(why)),
        }
    }

    fn step(&self, last: source::Outcome) -> Vec<source::Action> {
        let last = match last {
            source::Outcome::Started(now) => rooms_source::Outcome::Started(now),
            source::Outcome::Files(files) => rooms_source::Outcome::Files(files.into_iter().map(file).collect()),
            source::Outcome::Bytes(bytes) => rooms_source::Outcome::Bytes(bytes.data, bytes.end),
            source::Outcome::Failed(why) => rooms_source::Outcome::Failed(why),
            source::Outcome::Woke(now) => rooms_source::Outcome::Woke(now),
            source::Outcome::Abandoned(path) => rooms_source::Outcome::Abandoned(path),
            source::Outcome::Responded(response) => rooms_source::Outcome::Responded(responded(response)),
            source::Outcome::Unanswered(failure) => rooms_source::Outcome::Unanswered(unanswered(failure)),
            source::Outcome::Durable(emits) => rooms_source::Outcome::Durable(emits),
        };
        self.0.borrow_mut().step(last).into_iter().map(action).collect()
    }
}

fn file(file: source::File) -> rooms_source::File {
    rooms_source::File { path: file.path, size: file.size, modified_ms: file.modified_ms, identity: file.identity }
}

fn action(action: rooms_source::Action) -> source::Action {
    use rooms_source::Action as A;
    match action {
        A::ListFiles(include, exclude) => source::Action::ListFiles((include, exclude)),
        A::ReadFile { path, offset, max_bytes } => {
            source::Action::ReadFile(source::ReadRequest { path, offset, max_bytes })
        }
        A::Emit(emitted) => source::Action::Emit(emit(emitted)),
        A::Checked(check) => source::Action::Checked(source::ObjectCheck {
            path: check.path,
            count: check.count,
            size_ok: check.size_ok,
            md5_ok: check.md5_ok,
        }),
        A::Note(note) => source::Action::Note(note),
        A::State(state) => source::Action::State(match state {
            rooms_source::State::Running => source::State::Running,
            rooms_source::State::Idle => source::State::Idle,
            rooms_source::State::Paused(cause, why) => {
                source::State::Paused(source::Paused { cause: pause_cause(cause), why })
            }
            rooms_source::State::Failed(why) => source::State::Failed(why),
            rooms_source::State::Finished => source::State::Finished,
        }),
        A::Wait(ms) => source::Action::Wait(ms),
        A::Fetch(request) => source::Action::Fetch(fetch(request)),
        A::Gap(gap) => source::Action::Gap(source::Gap {
            key: gap.key,
            what: gap.what,
            since_ms: gap.since_ms,
            until_ms: gap.until_ms,
            why: gap.why,
        }),
        A::Finish => source::Action::Finish,
    }
}

fn responded(response: source::HttpResponse) -> http::Response {
    http::Response {
        id: response.id,
        now_ms: response.now_ms,
        status: response.status,
        headers: response.headers.into_iter().map(|h| (h.name, h.value)).collect(),
        body: response.body,
    }
}

fn unanswered(failure: source::HttpFailure) -> http::Failure {
    http::Failure {
        id: failure.id,
        now_ms: failure.now_ms,
        fault: match failure.fault {
            source::HttpFault::Connect => http::Fault::Connect,
            source::HttpFault::Tls => http::Fault::Tls,
            source::HttpFault::Dns => http::Fault::Dns,
            source::HttpFault::Timeout => http::Fault::Timeout,
            source::HttpFault::Reset => http::Fault::Reset,
            source::HttpFault::TooLarge => http::Fault::TooLarge,
            source::HttpFault::Redirect => http::Fault::Redirect,
            source::HttpFault::Credentials => http::Fault::Credentials,
            source::HttpFault::Protocol => http::Fault::Protocol,
            source::HttpFault::Refused => http::Fault::Refused,
        },
        why: failure.why,
        status: failure.status,
        headers: failure.headers.into_iter().map(|h| (h.name, h.value)).collect(),
        body: failure.body,
    }
}

fn fetch(request: http::Request) -> source::HttpRequest {
    let pairs =
        |pairs: Vec<http::Pair>| pairs.into_iter().map(|(name, value)| source::Header { name, value }).collect();
    source::HttpRequest {
        id: request.id,
        endpoint: request.endpoint,
        signer: match request.signer {
            http::Signer::None => source::Signer::None,
            http::Signer::Sls1 => source::Signer::Sls1,
            http::Signer::Sls4 => source::Signer::Sls4,
            http::Signer::Oss4 => source::Signer::Oss4,
        },
        renew: request.renew,
        method: request.method.to_owned(),
        path: request.path,
        query: pairs(request.query),
        headers: pairs(request.headers),
        body: request.body,
        max_body: request.max_body,
        retries: request.retries,
        about: request.about,
    }
}

fn pause_cause(cause: rooms_source::Cause) -> source::Cause {
    match cause {
        rooms_source::Cause::Overdue => source::Cause::Overdue,
        rooms_source::Cause::NotEntitled => source::Cause::NotEntitled,
        rooms_source::Cause::Throttled => source::Cause::Throttled,
        rooms_source::Cause::SourceGone => source::Cause::SourceGone,
        rooms_source::Cause::Other => source::Cause::Other,
    }
}

fn emit(emitted: rooms_source::Emitted) -> source::Emitted {
    let frame = |frame: rooms::Frame| source::Frame {
        end: frame.end,
        offset: frame.offset,
        fault: frame.fault.map(|fault| match fault {
            rooms::Fault::CorruptGzip => source::Fault::CorruptGzip,
            rooms::Fault::DecompressionLimit => source::Fault::DecompressionLimit,
            rooms::Fault::Oversize => source::Fault::Oversize,
            rooms::Fault::Truncated => source::Fault::Truncated,
            rooms::Fault::Malformed | rooms::Fault::Poison => source::Fault::Malformed,
        }),
    };
    source::Emitted {
        origin: emitted.origin,
        data: emitted.data,
        frames: emitted.frames.into_iter().map(frame).collect(),
        input_bytes: emitted.input_bytes,
        checkpoints: emitted.checkpoints.into_iter().map(|(key, value)| source::Checkpoint { key, value }).collect(),
    }
}

struct Pipeline(Transform);

impl transform::Guest for Component {
    type Pipeline = Pipeline;
}

impl transform::GuestPipeline for Pipeline {
    fn open(config: String) -> Result<transform::Pipeline, Vec<transform::Diagnostic>> {
        match Transform::open(&config) {
            Ok(rooms) => Ok(transform::Pipeline::new(Pipeline(rooms))),
            Err(found) => {
                let diagnostic = |d: crate::transform::config::Diagnostic| transform::Diagnostic {
                    path: d.path,
                    message: d.message,
                };
                Err(found.into_iter().map(diagnostic).collect())
            }
        }
    }

    fn claims(&self, batch: transform::Batch) -> Vec<transform::Claim> {
        let frames = frames(&batch);
        let claims = self.0.claims(&view(&batch, &frames));
        let claim =
            |c: rooms::Claim| transform::Claim { event: c.event, index: c.index, mark: c.mark, canonical: c.canonical };
        claims.into_iter().map(claim).collect()
    }

    fn run(&self, batch: transform::Batch, encoding: transform::Encoding) -> transform::Routed {
        let frames = frames(&batch);
        let encoding = match encoding {
            transform::Encoding::Row => rooms::Encoding::Row,
            transform::Encoding::Verbatim => rooms::Encoding::Verbatim,
            transform::Encoding::NativeJson => rooms::Encoding::NativeJson,
        };
        let routed = self.0.run(&view(&batch, &frames), encoding);
        transform::Routed {
            data: routed.data,
            entries: routed.entries.into_iter().map(entry).collect(),
            framing_bytes: routed.framing_bytes,
            duplicate_keys: routed.duplicate_keys,
            redacted: routed.redacted,
        }
    }

    fn explain(&self, batch: transform::Batch) -> String {
        let frames = frames(&batch);
        self.0.explain(&view(&batch, &frames))
    }
}

fn frames(batch: &transform::Batch) -> Vec<rooms::Frame> {
    let frame = |frame: &transform::Frame| rooms::Frame {
        end: frame.end,
        offset: frame.offset,
        fault: frame.fault.map(|fault| match fault {
            transform::Fault::CorruptGzip => rooms::Fault::CorruptGzip,
            transform::Fault::DecompressionLimit => rooms::Fault::DecompressionLimit,
            transform::Fault::Oversize => rooms::Fault::Oversize,
            transform::Fault::Truncated => rooms::Fault::Truncated,
            transform::Fault::Malformed => rooms::Fault::Malformed,
            transform::Fault::Poison => rooms::Fault::Poison,
        }),
    };
    batch.frames.iter().map(frame).collect()
}

fn view<'a>(batch: &'a transform::Batch, frames: &'a [rooms::Frame]) -> rooms::Batch<'a> {
    rooms::Batch {
        provenance: match batch.provenance {
            transform::Provenance::OwnSource => Provenance::OwnSource,
            transform::Provenance::Agent => Provenance::Agent,
        },
        source: &batch.source,
        origin: &batch.origin,
        codec: match batch.codec {
            transform::Codec::Actiontrail => rooms::Codec::ActionTrail,
            transform::Codec::Json => rooms::Codec::Json,
            transform::Codec::NativeJson => rooms::Codec::NativeJson,
            transform::Codec::Native => rooms::Codec::Native,
        },
        data: &batch.data,
        frames,
        sealed: &batch.sealed,
    }
}

fn entry(entry: rooms::Entry) -> transform::Entry {
    let (route, reason) = match entry.route {
        Route::Dedicated => (transform::Route::Dedicated, None),
        Route::Passthrough => (transform::Route::Passthrough, None),
        Route::Quarantine(reason) => (
            transform::Route::Quarantine,
            Some(match reason {
                Reason::Undecodable => transform::Reason::Undecodable,
                Reason::UnsupportedProduct => transform::Reason::UnsupportedProduct,
                Reason::WrongTrail => transform::Reason::WrongTrail,
                Reason::WriteProtected => transform::Reason::WriteProtected,
                Reason::Poison => transform::Reason::Poison,
            }),
        ),
    };
    transform::Entry { end: entry.end, route, reason, consumed: entry.consumed }
}
