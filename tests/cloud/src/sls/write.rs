//! The calls that change something: PutLogs, split and merge, create and delete. A group must never be taken whose sizes
//! or hashes are not what its headers say.

use std::sync::Arc;

use prost::Message as _;

use super::proto::{Log, LogGroup, Tag};
use super::shard::{Chunk, Stored};
use super::store::Logstore;
use super::{Inner, Target, describe};
use crate::front::Refusal;
use crate::http::{Reply, Request, lock};
use crate::trail::id_in;

/// Most bytes of a log group before compression.
const MOST_GROUP: usize = 10 << 20;

fn invalid_body(why: &str) -> Refusal {
    Refusal::new(400, "PostBodyInvalid", why)
}

/// The body of a PutLogs request, unpacked; its size must be exactly what the header says.
fn unpack(request: &Request) -> Result<Vec<u8>, Refusal> {
    let size = request.header("x-log-bodyrawsize").ok_or_else(|| {
        Refusal::new(400, "MissingBodyRawSize", "x-log-bodyrawsize does not exist in header when it is necessary.")
    })?;
    let size: usize =
        size.parse().map_err(|_| Refusal::new(400, "InvalidBodyRawSize", "x-log-bodyrawsize is invalid."))?;
    if size > MOST_GROUP {
        return Err(Refusal::new(413, "PostBodyTooLarge", "the log group is longer than 10 MB"));
    }
    let failed = || invalid_body("the body cannot be decompressed");
    let raw = match request.header("x-log-compresstype") {
        None => request.body.clone(),
        Some("lz4") => lz4_flex::block::decompress(&request.body, size).map_err(|_| failed())?,
        Some("zstd") => zstd::bulk::decompress(&request.body, size).map_err(|_| failed())?,
        Some("deflate") => {
            use std::io::Read as _;
            let mut raw = Vec::new();
            let decoder = flate2::read::ZlibDecoder::new(request.body.as_slice());
            decoder.take(size as u64 + 1).read_to_end(&mut raw).map_err(|_| failed())?;
            raw
        }
        Some(other) => {
            let message = format!("x-log-compresstype {other} is unsupported.");
            return Err(Refusal::new(400, "InvalidCompressType", message));
        }
    };
    if raw.len() != size {
        return Err(Refusal::new(400, "InvalidBodyRawSize", format!("x-log-bodyrawsize is not {}.", raw.len())));
    }
    Ok(raw)
}

/// The ids of the events of a log: in the field `event`, or in fields of the log itself.
fn id_of(log: &Log) -> Option<String> {
    let named = |name: &str| log.contents.iter().find(|content| content.key == name);
    named("event").and_then(|content| id_in(&content.value)).or_else(|| {
        let content = named("eventId").or_else(|| named("EventID"))?;
        String::from_utf8(content.value.clone()).ok()
    })
}

/// A group as it is kept: with the tag that tells when it arrived.
pub(super) fn stored(mut group: LogGroup, arrived: u64) -> Stored {
    group.tags.push(Tag { key: "__receive_time__".to_owned(), value: arrived.to_string() });
    Stored {
        arrived,
        times: group.logs.iter().map(|log| u64::from(log.time)).collect(),
        ids: group.logs.iter().filter_map(id_of).collect(),
        bytes: group.encode_to_vec(),
    }
}

impl Inner {
    pub(super) fn put_logs(&self, request: &Request, target: &Target) -> Result<Reply, Refusal> {
        if request.header("content-type") != Some("application/x-protobuf") {
            return Err(Refusal::new(415, "InvalidContentType", "Content-Type must be application/x-protobuf."));
        }
        let raw = unpack(request)?;
        let group =
            LogGroup::decode(raw.as_slice()).map_err(|_| invalid_body("Protobuffer content cannot be parsed."))?;
        if group.logs.is_empty() {
            return Err(invalid_body("logGroup has no log"));
        }
        let hash = match (request.path.ends_with("/route"), request.parameter("key")) {
            (false, _) => None,
            (true, key) => Some(hash(key.unwrap_or_default())?),
        };
        let stored = stored(group, self.front.clock.now_secs());
        self.with_logstore(target, |logstore| logstore.push(Chunk::Stored(Arc::new(stored)), hash))?;
        Ok(Reply::new(200))
    }

    pub(super) fn split_shard(&self, request: &Request, target: &Target) -> Result<Reply, Refusal> {
        let (id, now) = (target.number()?, self.front.clock.now_secs());
        let at = request.parameter("key").filter(|key| !key.is_empty()).map(hash).transpose()?;
        self.with_logstore(target, |logstore| {
            logstore.split(id, at, now)?;
            Ok(super::json(&describe::shards(logstore)))
        })
    }

    pub(super) fn merge_shards(&self, target: &Target) -> Result<Reply, Refusal> {
        let (id, now) = (target.number()?, self.front.clock.now_secs());
        self.with_logstore(target, |logstore| {
            logstore.merge(id, now)?;
            Ok(super::json(&describe::shards(logstore)))
        })
    }

    pub(super) fn create_logstore(&self, request: &Request, target: &Target) -> Result<Reply, Refusal> {
        let body: serde_json::Value = serde_json::from_slice(&request.body)
            .map_err(|_| invalid_body("The request body is not valid JSON object."))?;
        let name = body["logstoreName"].as_str().filter(|name| (3..=63).contains(&name.len()));
        let name = name.ok_or_else(|| Refusal::new(400, "ParameterInvalid", "logstoreName has 3 to 63 characters"))?;
        let shards = body["shardCount"].as_u64().and_then(|count| u32::try_from(count).ok());
        let shards = shards.filter(|count| (1..=10).contains(count));
        let shards =
            shards.ok_or_else(|| Refusal::new(400, "ParameterInvalid", "shardCount is a number from 1 to 10"))?;
        let mut projects = lock(&self.projects);
        let project = projects.get_mut(&target.project).ok_or_else(|| super::no_project(&target.project))?;
        if project.logstores.contains_key(name) {
            return Err(Refusal::new(400, "LogStoreAlreadyExist", format!("logstore {name} already exists")));
        }
        let mut logstore = Logstore::new(shards, self.front.clock.now_secs());
        logstore.ttl = body["ttl"].as_u64().unwrap_or(logstore.ttl);
        project.logstores.insert(name.to_owned(), logstore);
        Ok(Reply::new(200))
    }

    pub(super) fn delete_logstore(&self, target: &Target) -> Result<Reply, Refusal> {
        self.with_logstore(target, |_| Ok(()))?;
        if let Some(project) = lock(&self.projects).get_mut(&target.project) {
            project.logstores.remove(&target.logstore);
        }
        Ok(Reply::new(200))
    }
}

/// A hash key: 32 hexadecimal digits.
fn hash(key: &str) -> Result<u128, Refusal> {
    u128::from_str_radix(key, 16).ok().filter(|_| key.len() == 32).ok_or_else(|| {
        Refusal::new(400, "ParameterInvalid", format!("{key:?} is no hash key of 32 hexadecimal digits"))
    })
}
