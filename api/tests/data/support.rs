//! A Logstore with events that went through the real rooms, the calls of a client, and a reader of pages that shares
//! nothing with their writer. It must never decide what is right: the tests do.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use hyper::header::{ACCEPT_ENCODING, HeaderValue};
use hyper::{HeaderMap, Method};
use innertrail_api::{Access, Answer, ApiError, Call, Data, DataOptions, Parameters, Role};
use innertrail_logstore::consumer::Notify;
use innertrail_logstore::row::RowBuilder;
use innertrail_logstore::{Options, SealKey, Store, Writer};
use innertrail_plugin::event::columns::Column as Slot;
use innertrail_plugin::route::{Provenance, Route};
use innertrail_plugin::transform::Transform;
use innertrail_plugin::transform::batch::{self, Codec};
use innertrail_test_agents::layout;
use prost::Message;

/// 2026-11-12 23:00 UTC.
pub(crate) const NOW: i64 = 1_794_524_400_000_000;
pub(crate) const SECOND: i64 = 1_000_000;

/// An audit event; its time is its number in seconds after 22:00 that day.
pub(crate) fn audit(id: u64) -> String {
    format!(
        r#"{{"eventId":"E-{id:08}","eventVersion":"1","eventTime":"2026-11-12T22:{:02}:{:02}Z","eventName":"PutObject","eventType":"ApiCall","serviceName":"Oss","acsRegion":"cn-hangzhou","note":"höhe \"{id}\"","userIdentity":{{"type":"ram-user","userName":"u{}"}}}}"#,
        id / 60 % 60,
        id % 60,
        id % 7
    )
}

pub(crate) fn platform(id: u64) -> String {
    format!(
        r#"{{"EventAdditionalDetail":"{{\"filter\":\"x\"}}","EventID":"P-{id:08}","EventLevel":"NOTICE","EventMethod":"Regular Read","EventName":"Set Bucket Quota Limit","EventProduct":"OSS","EventTime":"2026-11-12T21:00:00Z","EventType":"ALIYUN_INITIATED_SERVICE","EventVersion":"1.0.0","EmployeeID":"","ResourceID":"b-1","ResourceOwnerID":"1000000000000001"}}"#
    )
}

/// A data directory, its writer and what serves it.
pub(crate) struct Rig {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) writer: Option<Writer>,
    pub(crate) notify: Notify,
    rooms: Transform,
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Options)) -> Self {
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let mut options = Options::new(SealKey::new("main", [7; 32]).unwrap());
        change(&mut options);
        let writer = Writer::open(&folder.path().join("d"), "main", layout(), options, NOW).unwrap();
        let rooms = Transform::open(r#"{"trail":"main"}"#).unwrap();
        Self { folder, writer: Some(writer), notify: Notify::new(), rooms }
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.folder.path().join("d")
    }

    /// Serves it with blocks of 8 records in 4 shards, so that little data fills much.
    pub(crate) fn data(&self) -> Data {
        self.data_with(|_| {})
    }

    pub(crate) fn data_with(&self, change: impl FnOnce(&mut DataOptions)) -> Data {
        let mut options = DataOptions {
            notify: Some(self.notify.clone()),
            shards: Some(4),
            block: Some(8),
            ..DataOptions::default()
        };
        change(&mut options);
        Data::open(&self.dir(), options).unwrap()
    }

    /// The row that the rooms make of a record.
    pub(crate) fn row(&self, record: &str) -> Vec<u8> {
        let frames = [batch::Frame { end: u32::try_from(record.len()).unwrap(), offset: 0, fault: None }];
        let batch = batch::Batch {
            provenance: Provenance::OwnSource,
            source: "test",
            origin: "test",
            codec: Codec::ActionTrail,
            data: record.as_bytes(),
            frames: &frames,
            sealed: &[],
        };
        let routed = self.rooms.run(&batch, batch::Encoding::Row);
        assert_eq!(routed.entries.iter().map(|e| e.route).collect::<Vec<_>>(), [Route::Dedicated], "{record}");
        routed.data
    }

    pub(crate) fn commit(&mut self, rows: &[(Store, Vec<u8>)], now_us: i64) {
        let writer = self.writer.as_mut().unwrap();
        let mut transaction = writer.begin();
        for (store, row) in rows {
            transaction.push(*store, row, 1);
        }
        writer.commit(transaction, now_us).unwrap();
        self.notify.committed(writer.state());
    }

    /// Appends records to the dedicated Logstore.
    pub(crate) fn append(&mut self, records: &[String], now_us: i64) {
        let rows: Vec<_> = records.iter().map(|record| (Store::Log, self.row(record))).collect();
        self.commit(&rows, now_us);
    }

    pub(crate) fn audits(&mut self, ids: std::ops::Range<u64>) {
        let records: Vec<String> = ids.map(audit).collect();
        self.append(&records, NOW);
    }

    pub(crate) fn seal(&mut self) {
        self.writer.as_mut().unwrap().seal_tail(NOW).unwrap();
    }
}

/// A row of another store, with texts in columns.
pub(crate) fn row(payload: &[u8], columns: &[(Slot, &str)], integers: &[(Slot, i64)]) -> Vec<u8> {
    let mut row = RowBuilder::new();
    row.begin(payload);
    for (column, text) in columns {
        row.text(*column as u8, text);
    }
    for (column, number) in integers {
        row.integer(*column as u8, *number);
    }
    row.finish().to_vec()
}

/// A call of a consumer.
pub(crate) fn call(method: Method, parameters: &[(&str, &str)], body: &str) -> Call {
    let pairs = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Call {
        method,
        path: Vec::new(),
        parameters: Parameters::new(pairs),
        headers: HeaderMap::new(),
        body: body.to_owned().into(),
        access: Access { key_id: "key".to_owned(), role: Role::Consumer },
        request_id: "0".repeat(24),
        now_us: NOW,
    }
}

pub(crate) fn get(parameters: &[(&str, &str)]) -> Call {
    call(Method::GET, parameters, "")
}

pub(crate) fn accepting(mut call: Call, encoding: &str) -> Call {
    call.headers.insert(ACCEPT_ENCODING, HeaderValue::from_str(encoding).unwrap());
    call
}

pub(crate) fn code<T: std::fmt::Debug>(result: Result<T, ApiError>) -> (u16, &'static str) {
    let error = result.unwrap_err();
    assert!(!error.message.contains("Unauthorized"));
    (error.status, error.code)
}

pub(crate) fn json(answer: &Answer) -> serde_json::Value {
    serde_json::from_slice(&answer.body).unwrap()
}

pub(crate) fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    let found: Vec<&str> = answer.headers.iter().filter(|(n, _)| *n == name).map(|(_, value)| value.as_str()).collect();
    assert!(found.len() < 2, "{name} stands twice");
    found.first().copied()
}

pub(crate) fn cursor(data: &Data, store: Store, shard: u32, from: &str) -> String {
    let answer = data.cursor(&get(&[("type", "cursor"), ("from", from)]), store, shard).unwrap();
    json(&answer)["cursor"].as_str().unwrap().to_owned()
}

/// A page as a client has it.
#[derive(Debug)]
pub(crate) struct Pulled {
    pub(crate) next: String,
    pub(crate) groups: Vec<LogGroup>,
    pub(crate) answer: Answer,
}

/// Checks the headers as the strictest client does, and unpacks the body.
pub(crate) fn open(answer: Answer) -> Pulled {
    let number = |name| header(&answer, name).unwrap().parse::<usize>().unwrap();
    let (count, size) = (number("x-log-count"), number("x-log-bodyrawsize"));
    assert!(answer.headers.iter().all(|(name, _)| name.to_lowercase() == *name));
    let mut raw = Vec::new();
    match header(&answer, "x-log-compresstype") {
        None => raw.extend_from_slice(&answer.body),
        Some("lz4") => raw = lz4_flex::block::decompress(&answer.body, size).unwrap(),
        Some("zstd") => raw = zstd::bulk::decompress(&answer.body, size).unwrap(),
        Some("deflate") => drop(flate2::read::ZlibDecoder::new(&*answer.body).read_to_end(&mut raw).unwrap()),
        Some(other) => panic!("{other}"),
    }
    assert_eq!(raw.len(), size);
    let groups = LogGroupList::decode(raw.as_slice()).unwrap().groups;
    assert_eq!(groups.len(), count);
    Pulled { next: header(&answer, "x-log-cursor").unwrap().to_owned(), groups, answer }
}

pub(crate) fn pull(data: &Data, store: Store, shard: u32, parameters: &[(&str, &str)]) -> Pulled {
    open(data.pull(&accepting(get(parameters), "lz4"), store, shard).unwrap())
}

/// A shard from a cursor to its end, `count` groups at a time.
pub(crate) fn drain(data: &Data, store: Store, shard: u32, from: &str, count: &str) -> Vec<LogGroup> {
    let (mut at, mut all) = (from.to_owned(), Vec::new());
    loop {
        let page = pull(data, store, shard, &[("cursor", &at), ("count", count)]);
        if page.groups.is_empty() {
            assert_eq!(page.next, at);
            return all;
        }
        all.extend(page.groups);
        at = page.next;
    }
}

/// All records of a store, in append order, with a check that each stands in its shard.
pub(crate) fn everything(data: &Data, store: Store, count: &str) -> Vec<LogGroup> {
    let mut all = Vec::new();
    for shard in data.shards(store) {
        let of_shard = drain(data, store, shard.id, &cursor(data, store, shard.id, "begin"), count);
        let numbers: Vec<u64> = of_shard.iter().map(seq).collect();
        assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{numbers:?}");
        all.extend(of_shard);
    }
    all.sort_by_key(seq);
    all
}

pub(crate) fn tag<'a>(group: &'a LogGroup, key: &str) -> Option<&'a str> {
    let found: Vec<&str> = group.tags.iter().filter(|tag| tag.key == key).map(|tag| tag.value.as_str()).collect();
    assert!(found.len() < 2, "{key} stands twice");
    found.first().copied()
}

pub(crate) fn seq(group: &LogGroup) -> u64 {
    tag(group, "it_seq").unwrap().parse().unwrap()
}

pub(crate) fn content<'a>(group: &'a LogGroup, key: &str) -> Option<&'a str> {
    assert_eq!(group.logs.len(), 1);
    let found: Vec<&str> = group.logs[0].contents.iter().filter(|c| c.key == key).map(|c| c.value.as_str()).collect();
    assert!(found.len() < 2, "{key} stands twice");
    found.first().copied()
}

/// One field of a log.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct Content {
    #[prost(string, required, tag = "1")]
    pub(crate) key: String,
    #[prost(string, required, tag = "2")]
    pub(crate) value: String,
}

/// One log.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct Log {
    #[prost(uint32, required, tag = "1")]
    pub(crate) time: u32,
    #[prost(message, repeated, tag = "2")]
    pub(crate) contents: Vec<Content>,
    #[prost(fixed32, optional, tag = "4")]
    pub(crate) nanos: Option<u32>,
}

/// Logs that arrived together, as the published description has them.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct LogGroup {
    #[prost(message, repeated, tag = "1")]
    pub(crate) logs: Vec<Log>,
    #[prost(string, optional, tag = "3")]
    pub(crate) topic: Option<String>,
    #[prost(string, optional, tag = "4")]
    pub(crate) source: Option<String>,
    #[prost(message, repeated, tag = "6")]
    pub(crate) tags: Vec<Content>,
}

/// A page.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct LogGroupList {
    #[prost(message, repeated, tag = "1")]
    pub(crate) groups: Vec<LogGroup>,
}

pub(crate) fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
