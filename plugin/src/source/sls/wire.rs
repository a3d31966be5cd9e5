//! What Log Service is asked and how its small answers read. Pages are in [`super::page`].
//!
//! The host adds the host name, the date, hashes and the signature; what the protocol itself wants is here.

use serde::{Deserialize, Serialize};

use super::config::{Config, Logstore};
use crate::source::http::{Pair, Request};

/// Most bytes of an answer that is no page.
const SMALL: u32 = 1 << 20;
/// Most shards that are believed.
pub const MOST_SHARDS: usize = 1024;
/// Longest cursor that is believed.
pub const MOST_CURSOR: usize = 256;

/// Asks for one Logstore.
#[derive(Debug)]
pub struct Asker<'c> {
    /// The source's configuration.
    pub config: &'c Config,
    /// Of which Logstore.
    pub store: &'c Logstore,
    /// Whether new credentials are needed.
    pub renew: bool,
}

fn pair(name: &str, value: impl Into<String>) -> Pair {
    (name.to_owned(), value.into())
}

impl Asker<'_> {
    fn request(&self, id: u64, method: &'static str, path: String, query: Vec<Pair>, body: Vec<u8>) -> Request {
        let mut headers = vec![pair("x-log-apiversion", "0.6.0"), pair("x-log-bodyrawsize", body.len().to_string())];
        if !body.is_empty() {
            headers.push(pair("content-type", "application/json"));
        }
        Request {
            id,
            endpoint: self.store.project.clone(),
            signer: self.config.signer(),
            renew: self.renew,
            method,
            path,
            query,
            headers,
            body,
            max_body: SMALL,
            retries: method == "GET",
            about: format!("sls:{}/{}", self.store.project, self.store.logstore),
        }
    }

    fn logstore(&self) -> String {
        format!("/logstores/{}", self.store.logstore)
    }

    fn group(&self) -> String {
        format!("{}/consumergroups/{}", self.logstore(), self.config.consumer_group)
    }

    fn shard(&self, shard: u32) -> String {
        format!("{}/shards/{shard}", self.logstore())
    }

    /// ListShards.
    pub fn shards(&self, id: u64) -> Request {
        self.request(id, "GET", format!("{}/shards", self.logstore()), Vec::new(), Vec::new())
    }

    /// GetCursor: `from` is `begin`, `end` or seconds since the Unix epoch.
    pub fn cursor(&self, id: u64, shard: u32, from: &str) -> Request {
        self.request(id, "GET", self.shard(shard), vec![pair("type", "cursor"), pair("from", from)], Vec::new())
    }

    /// GetCursorTime.
    pub fn cursor_time(&self, id: u64, shard: u32, cursor: &str) -> Request {
        let query = vec![pair("type", "cursor_time"), pair("cursor", cursor)];
        self.request(id, "GET", self.shard(shard), query, Vec::new())
    }

    /// PullLogs.
    pub fn pull(&self, id: u64, shard: u32, cursor: &str, end: Option<&str>, count: u32) -> Request {
        let mut query = vec![pair("type", "logs"), pair("cursor", cursor), pair("count", count.to_string())];
        query.extend(end.map(|end| pair("end_cursor", end)));
        let mut request = self.request(id, "GET", self.shard(shard), query, Vec::new());
        request.headers.push(pair("accept-encoding", self.config.compression.name()));
        request.headers.push(pair("accept", "application/x-protobuf"));
        request.max_body = self.config.page_bytes;
        request.about = format!("{}@{cursor}", origin(self.store, shard));
        request
    }

    /// CreateConsumerGroup.
    pub fn create_group(&self, id: u64) -> Request {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Body<'a> {
            consumer_group: &'a str,
            timeout: u32,
            order: bool,
        }
        let body =
            Body { consumer_group: &self.config.consumer_group, timeout: self.config.group_timeout_secs, order: false };
        self.request(id, "POST", format!("{}/consumergroups", self.logstore()), Vec::new(), json(&body))
    }

    /// HeartBeat with the shards that are not given up yet.
    pub fn beat(&self, id: u64, shards: &[u32]) -> Request {
        let query = vec![pair("type", "heartbeat"), pair("consumer", &*self.config.consumer)];
        self.request(id, "POST", self.group(), query, json(&shards))
    }

    /// GetCheckPoint of all shards.
    pub fn checkpoints(&self, id: u64) -> Request {
        self.request(id, "GET", self.group(), Vec::new(), Vec::new())
    }

    /// UpdateCheckPoint. Without `force` the service refuses it from a consumer that does not hold the shard.
    pub fn upload(&self, id: u64, shard: u32, cursor: &str, force: bool) -> Request {
        #[derive(Serialize)]
        struct Body<'a> {
            shard: u32,
            checkpoint: &'a str,
        }
        let query = vec![
            pair("type", "checkpoint"),
            pair("consumer", &*self.config.consumer),
            pair("forceSuccess", force.to_string()),
        ];
        self.request(id, "POST", self.group(), query, json(&Body { shard, checkpoint: cursor }))
    }
}

fn json(body: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(body).expect("plain structs of numbers and text always serialise")
}

/// Where a shard's logs come from, as records carry it.
pub fn origin(store: &Logstore, shard: u32) -> String {
    format!("sls:{}/{}/{shard}", store.project, store.logstore)
}

/// A shard, as listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listed {
    /// Its number.
    pub id: u32,
    /// It was split or merged and gets no more logs.
    pub readonly: bool,
}

/// Reads ListShards.
///
/// # Errors
/// What is wrong with it, in words.
pub fn read_shards(body: &[u8]) -> Result<Vec<Listed>, String> {
    #[derive(Deserialize)]
    struct Shard {
        #[serde(rename = "shardID")]
        id: u32,
        #[serde(default)]
        status: String,
    }
    let shards: Vec<Shard> = serde_json::from_slice(body).map_err(|e| format!("the list of shards: {e}"))?;
    if shards.len() > MOST_SHARDS {
        return Err(format!("the list of shards has more than {MOST_SHARDS} of them"));
    }
    Ok(shards.into_iter().map(|s| Listed { id: s.id, readonly: s.status.eq_ignore_ascii_case("readonly") }).collect())
}

/// Reads GetCursor.
///
/// # Errors
/// What is wrong with it, in words.
pub fn read_cursor(body: &[u8]) -> Result<String, String> {
    #[derive(Deserialize)]
    struct Answer {
        cursor: String,
    }
    let answer: Answer = serde_json::from_slice(body).map_err(|e| format!("the answer to GetCursor: {e}"))?;
    cursor(&answer.cursor)
}

/// Reads GetCursorTime, as milliseconds.
pub fn read_cursor_time(body: &[u8]) -> Option<i64> {
    #[derive(Deserialize)]
    struct Answer {
        cursor_time: i64,
    }
    let answer: Answer = serde_json::from_slice(body).ok()?;
    answer.cursor_time.checked_mul(1000)
}

/// A cursor that can be asked with: short, and of characters that need no care.
///
/// # Errors
/// What is wrong with it, in words.
pub fn cursor(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() || text.len() > MOST_CURSOR || !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err("a cursor that is empty, endless or not text".to_owned());
    }
    Ok(text.to_owned())
}

/// Reads the answer to HeartBeat: an array, or an object with one as the documentation has it.
///
/// # Errors
/// What is wrong with it, in words.
pub fn read_held(body: &[u8]) -> Result<Vec<u32>, String> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Answer {
        Array(Vec<u32>),
        Object { shards: Vec<u32> },
    }
    let (Answer::Array(shards) | Answer::Object { shards }) =
        serde_json::from_slice(body).map_err(|_| "the answer to HeartBeat is no list of shards".to_owned())?;
    if shards.len() > MOST_SHARDS {
        return Err(format!("the answer to HeartBeat has more than {MOST_SHARDS} shards"));
    }
    Ok(shards)
}

/// Reads GetCheckPoint: shards and their cursors, empty where there is none yet.
///
/// # Errors
/// What is wrong with it, in words.
pub fn read_checkpoints(body: &[u8]) -> Result<Vec<(u32, String)>, String> {
    #[derive(Deserialize)]
    struct One {
        shard: u32,
        #[serde(default)]
        checkpoint: String,
    }
    let all: Vec<One> = serde_json::from_slice(body).map_err(|e| format!("the group's checkpoints: {e}"))?;
    if all.len() > MOST_SHARDS {
        return Err(format!("the group's checkpoints are of more than {MOST_SHARDS} shards"));
    }
    let one = |one: One| {
        let text = one.checkpoint.trim();
        Ok((one.shard, if text.is_empty() { String::new() } else { cursor(text)? }))
    };
    all.into_iter().map(one).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn small_answers_are_read() {
        let shards = br#"[{"shardID":0,"status":"readonly","inclusiveBeginKey":"0","exclusiveEndKey":"f","createTime":1},{"shardID":7,"status":"readwrite"}]"#;
        assert_eq!(read_shards(shards).unwrap(), [Listed { id: 0, readonly: true }, Listed { id: 7, readonly: false }]);
        assert_eq!(
            read_cursor(br#"{"cursor":"MTQ0NzI5OTYwNjg5NjYzMjM1Ng==\n"}"#).unwrap(),
            "MTQ0NzI5OTYwNjg5NjYzMjM1Ng=="
        );
        assert_eq!(read_cursor_time(br#"{"cursor_time":1781512345}"#), Some(1_781_512_345_000));
        assert_eq!(read_held(b"[1,0]").unwrap(), [1, 0]);
        assert_eq!(read_held(br#"{"shards":[3]}"#).unwrap(), [3]);
        let checkpoints =
            br#"[{"shard":0,"checkpoint":"MQ==","updateTime":1,"consumer":"c"},{"shard":1,"checkpoint":""}]"#;
        assert_eq!(read_checkpoints(checkpoints).unwrap(), [(0, "MQ==".to_owned()), (1, String::new())]);
    }

    #[test]
    fn hostile_answers_are_refused() {
        assert!(read_shards(b"{}").is_err() && read_shards(b"[{\"shardID\":-1}]").is_err());
        let many = format!("[{}]", vec!["1"; MOST_SHARDS + 1].join(","));
        assert!(read_held(many.as_bytes()).is_err() && read_held(b"{}").is_err());
        for cursor in ["", " ", "a b", "é", &"x".repeat(MOST_CURSOR + 1)] {
            assert!(super::cursor(cursor).is_err(), "{cursor}");
        }
        assert!(read_cursor(b"[]").is_err() && read_cursor_time(b"{}").is_none());
        assert!(read_checkpoints(b"[{\"shard\":0,\"checkpoint\":\"a\\u0000b\"}]").is_err());
    }
}
