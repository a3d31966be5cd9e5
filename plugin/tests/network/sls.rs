//! Log Service as a function: projects, Logstores, shards that split and expire, and consumer groups that share them.
//! Cursors are decimal numbers; pages are encoded with other code than the one under test reads them with.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub)]

use std::collections::{BTreeMap, BTreeSet};

use innertrail_plugin::source::http::{Fault, Request};
use prost::Message;

use crate::network::{Cloud, Numbers, Reply};

#[derive(Clone, PartialEq, Message)]
pub struct List {
    #[prost(message, repeated, tag = "1")]
    pub groups: Vec<Group>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Group {
    #[prost(message, repeated, tag = "1")]
    pub logs: Vec<Log>,
    #[prost(string, optional, tag = "3")]
    pub topic: Option<String>,
    #[prost(string, optional, tag = "4")]
    pub source: Option<String>,
    #[prost(message, repeated, tag = "6")]
    pub tags: Vec<Pair>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Log {
    #[prost(uint32, tag = "1")]
    pub time: u32,
    #[prost(message, repeated, tag = "2")]
    pub contents: Vec<Pair>,
    #[prost(fixed32, optional, tag = "4")]
    pub nanos: Option<u32>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Pair {
    #[prost(string, tag = "1")]
    pub key: String,
    #[prost(bytes = "vec", tag = "2")]
    pub value: Vec<u8>,
}

pub fn pair(key: &str, value: &str) -> Pair {
    Pair { key: key.to_owned(), value: value.as_bytes().to_vec() }
}

/// A log that carries one audit event with this id.
pub fn event(id: &str) -> Log {
    let event = format!("{{\"eventId\":\"{id}\",\"serviceName\":\"Oss\",\"eventName\":\"PutBucket\"}}");
    Log { time: 1_781_510_401, contents: vec![pair("event", &event)], nanos: None }
}

/// A group of such logs.
pub fn group(ids: &[String]) -> Group {
    Group {
        logs: ids.iter().map(|id| event(id)).collect(),
        topic: Some("actiontrail_audit_event".to_owned()),
        source: Some("actiontrail".to_owned()),
        tags: vec![pair("__receive_time__", "1781510402")],
    }
}

#[derive(Debug, Default)]
pub struct Shard {
    /// Encoded groups, oldest first; the cursor of the first is `oldest`.
    pub groups: Vec<Vec<u8>>,
    pub oldest: usize,
    pub readonly: bool,
    /// Number of the first cursor.
    pub base: usize,
}

impl Shard {
    fn end(&self) -> usize {
        self.base + self.groups.len()
    }
}

#[derive(Debug, Default)]
pub struct Members {
    timeout_ms: i64,
    pub checkpoints: BTreeMap<u32, String>,
    pub owner: BTreeMap<u32, String>,
    heard: BTreeMap<String, i64>,
}

#[derive(Debug, Default)]
pub struct Store {
    pub shards: BTreeMap<u32, Shard>,
    pub members: BTreeMap<String, Members>,
}

/// What a faulty cloud does to one request in so many; 0: never.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    pub seed: u64,
    pub of: usize,
}

type Hook = Box<dyn FnMut(&Request, Reply) -> Reply>;

#[derive(Default)]
pub struct Sls {
    pub stores: BTreeMap<String, Store>,
    /// Looks at every request and what would be said.
    pub hook: Option<Hook>,
    pub now_ms: i64,
    /// Pages of the random faults, to play one again.
    pub numbers: Option<(Numbers, usize)>,
    pub faults: u64,
    pub compression: &'static str,
    next_shard: u32,
}

impl Sls {
    /// One Logstore `p/l` with so many shards.
    pub fn new(shards: u32) -> Self {
        let mut sls = Self { compression: "lz4", next_shard: shards, ..Self::default() };
        let shards =
            (0..shards).map(|id| (id, Shard { base: 1000 * (id as usize + 1), oldest: 0, ..Shard::default() }));
        sls.stores.insert("p/l".to_owned(), Store { shards: shards.collect(), ..Store::default() });
        sls
    }

    pub fn store(&mut self) -> &mut Store {
        self.stores.get_mut("p/l").unwrap()
    }

    pub fn shard(&mut self, id: u32) -> &mut Shard {
        self.store().shards.get_mut(&id).unwrap()
    }

    /// Writes groups of events to a shard.
    pub fn write(&mut self, shard: u32, ids: &[String], a_group: usize) {
        for ids in ids.chunks(a_group) {
            self.shard(shard).groups.push(group(ids).encode_to_vec());
        }
    }

    /// Splits a shard; its children's numbers.
    pub fn split(&mut self, shard: u32) -> [u32; 2] {
        self.shard(shard).readonly = true;
        let children = [self.next_shard, self.next_shard + 1];
        self.next_shard += 2;
        for child in children {
            let base = 1000 * (child as usize + 1);
            self.store().shards.insert(child, Shard { base, ..Shard::default() });
        }
        children
    }

    /// Forgets the oldest groups of a shard.
    pub fn expire(&mut self, shard: u32, groups: usize) {
        let shard = self.shard(shard);
        shard.oldest = (shard.oldest + groups).min(shard.groups.len());
    }

    fn said(&mut self, request: &Request) -> Reply {
        assert_eq!(header(request, "x-log-apiversion"), Some("0.6.0"));
        let parts: Vec<&str> = request.path.trim_start_matches('/').split('/').collect();
        let ["logstores", logstore, rest @ ..] = &parts[..] else { return error(400, "ParameterInvalid", "path") };
        let key = format!("{}/{logstore}", request.endpoint);
        let (now, compression) = (self.now_ms, self.compression);
        let Some(store) = self.stores.get_mut(&key) else {
            return error(404, "LogStoreNotExist", "logstore does not exist");
        };
        match (request.method, rest) {
            ("GET", ["shards"]) => {
                let one = |(id, shard): (&u32, &Shard)| {
                    let status = if shard.readonly { "readonly" } else { "readwrite" };
                    serde_json::json!({"shardID": id, "status": status, "createTime": 1})
                };
                Reply::ok(serde_json::Value::from_iter(store.shards.iter().map(one)).to_string())
            }
            ("GET", ["shards", id]) => match id.parse().ok().and_then(|id: u32| store.shards.get(&id)) {
                Some(shard) => read_shard(shard, request, compression),
                None => error(404, "ShardNotExist", "shard does not exist"),
            },
            ("POST", ["consumergroups"]) => create(store, request),
            (method, ["consumergroups", name]) => consumer(store, name, method, request, now),
            _ => error(405, "MethodNotAllowed", "no"),
        }
    }
}

fn header<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
}

pub fn query<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request.query.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
}

pub fn error(status: u16, code: &str, message: &str) -> Reply {
    let body = serde_json::json!({"errorCode": code, "errorMessage": message}).to_string();
    Reply::Answer(
        status,
        vec![("x-log-requestid".to_owned(), "0123456789ABCDEF01234567".to_owned())],
        body.into_bytes(),
    )
}

fn read_shard(shard: &Shard, request: &Request, compression: &str) -> Reply {
    let oldest = shard.base + shard.oldest;
    match query(request, "type") {
        Some("cursor") => {
            let cursor = match query(request, "from").unwrap() {
                "begin" => oldest,
                "end" => shard.end(),
                seconds if seconds.parse::<u64>().is_ok() => oldest,
                _ => return error(400, "ParameterInvalid", "from"),
            };
            Reply::ok(format!("{{\"cursor\":\"{cursor}\"}}"))
        }
        Some("cursor_time") => Reply::ok("{\"cursor_time\":1781510500}"),
        Some("log" | "logs") => {
            let cursor: usize = query(request, "cursor").unwrap().parse().unwrap_or(0);
            if cursor < oldest || cursor > shard.end() {
                return error(400, "ParameterInvalid", "Invalid cursor");
            }
            let count: usize = query(request, "count").unwrap().parse().unwrap();
            let end = query(request, "end_cursor").map_or(usize::MAX, |end| end.parse().unwrap());
            let next = (cursor + count).min(shard.end()).min(end.max(cursor));
            let groups = &shard.groups[cursor - shard.base..next - shard.base];
            page(groups, next, compression)
        }
        _ => error(400, "ParameterInvalid", "type"),
    }
}

/// A page of groups.
pub fn page(groups: &[Vec<u8>], next: usize, compression: &str) -> Reply {
    let mut raw = Vec::new();
    for group in groups {
        prost::encoding::bytes::encode(1, group, &mut raw);
    }
    let mut headers = vec![
        ("x-log-cursor".to_owned(), next.to_string()),
        ("x-log-count".to_owned(), groups.len().to_string()),
        ("x-log-bodyrawsize".to_owned(), raw.len().to_string()),
    ];
    let body = match compression {
        "lz4" if !raw.is_empty() => lz4_flex::block::compress(&raw),
        "zstd" if !raw.is_empty() => {
            ruzstd::encoding::compress_to_vec(&raw[..], ruzstd::encoding::CompressionLevel::Fastest)
        }
        _ => raw,
    };
    if !body.is_empty() && compression != "none" {
        headers.push(("x-log-compresstype".to_owned(), compression.to_owned()));
    }
    Reply::Answer(200, headers, body)
}

fn create(store: &mut Store, request: &Request) -> Reply {
    let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
    let name = body["consumerGroup"].as_str().unwrap().to_owned();
    if store.members.contains_key(&name) {
        return error(400, "ConsumerGroupAlreadyExist", "group already exist");
    }
    let timeout_ms = body["timeout"].as_i64().unwrap() * 1000;
    store.members.insert(name, Members { timeout_ms, ..Members::default() });
    Reply::ok("")
}

fn consumer(store: &mut Store, name: &str, method: &str, request: &Request, now_ms: i64) -> Reply {
    let shards: BTreeSet<u32> = store.shards.keys().copied().collect();
    let Some(members) = store.members.get_mut(name) else {
        return error(404, "ConsumerGroupNotExist", "consumer group does not exist");
    };
    match (method, query(request, "type")) {
        ("GET", None) => {
            let one = |shard: &u32| {
                let checkpoint = members.checkpoints.get(shard).cloned().unwrap_or_default();
                serde_json::json!({"shard": shard, "checkpoint": checkpoint, "updateTime": 1, "consumer": ""})
            };
            Reply::ok(serde_json::Value::from_iter(shards.iter().map(one)).to_string())
        }
        ("POST", Some("heartbeat")) => {
            let who = query(request, "consumer").unwrap().to_owned();
            let carried: BTreeSet<u32> = serde_json::from_slice(&request.body).unwrap();
            Reply::ok(serde_json::to_vec(&beat(members, &who, &carried, &shards, now_ms)).unwrap())
        }
        ("POST", Some("checkpoint")) => {
            let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
            let shard = u32::try_from(body["shard"].as_u64().unwrap()).unwrap();
            let who = query(request, "consumer").unwrap();
            let forced = query(request, "forceSuccess") == Some("true");
            if !forced && members.owner.get(&shard).map(String::as_str) != Some(who) {
                return error(400, "NotExistConsumerWithBody", "consumer does not hold the shard");
            }
            members.checkpoints.insert(shard, body["checkpoint"].as_str().unwrap().to_owned());
            Reply::ok("")
        }
        _ => error(400, "ParameterInvalid", "type"),
    }
}

/// A shard changes hands only when whoever has it no longer carries it, or is silent for too long.
fn beat(members: &mut Members, who: &str, carried: &BTreeSet<u32>, all: &BTreeSet<u32>, now_ms: i64) -> Vec<u32> {
    members.heard.insert(who.to_owned(), now_ms);
    let timeout = members.timeout_ms;
    members.heard.retain(|_, heard| now_ms - *heard <= timeout);
    let alive: Vec<String> = members.heard.keys().cloned().collect();
    let heard = &members.heard;
    members.owner.retain(|shard, owner| {
        all.contains(shard) && heard.contains_key(owner) && (owner != who || carried.contains(shard))
    });
    let fair = |at: usize| alive[at % alive.len()].clone();
    let mut held = Vec::new();
    for (at, shard) in all.iter().enumerate() {
        if fair(at) != who {
            continue;
        }
        let owner = members.owner.entry(*shard).or_insert_with(|| who.to_owned());
        if owner == who {
            held.push(*shard);
        }
    }
    held
}

impl Cloud for Sls {
    fn reply(&mut self, request: &Request, now_ms: i64) -> Reply {
        self.now_ms = now_ms;
        if let Some((numbers, of)) = &mut self.numbers
            && numbers.chance(*of)
        {
            self.faults += 1;
            return match numbers.below(7) {
                0 => error(503, "ServerBusy", "busy"),
                1 => error(429, "", ""),
                2 => error(500, "InternalServerError", "oops"),
                3 => error(403, "ReadQuotaExceed", "slow down"),
                4 => Reply::Nothing(Fault::Reset, vec![1, 2, 3]),
                5 => Reply::Nothing(Fault::Timeout, Vec::new()),
                _ => damaged(self.said(request), self.numbers.as_mut().map(|(n, _)| n).unwrap()),
            };
        }
        let reply = self.said(request);
        match &mut self.hook {
            Some(hook) => hook(request, reply),
            None => reply,
        }
    }
}

/// An answer that is not what its headers say.
fn damaged(reply: Reply, numbers: &mut Numbers) -> Reply {
    let Reply::Answer(status, mut headers, mut body) = reply else { return reply };
    let raw = |(name, _): &&mut (String, String)| name == "x-log-bodyrawsize";
    match numbers.below(3) {
        0 => body.truncate(body.len() / 2),
        1 => {
            if let Some((_, value)) = headers.iter_mut().find(raw) {
                *value = "7".to_owned();
            }
        }
        _ => headers.retain(|(name, _)| name != "x-log-cursor"),
    }
    if headers.is_empty() { Reply::Answer(502, headers, body) } else { Reply::Answer(status, headers, body) }
}
