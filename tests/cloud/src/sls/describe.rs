//! The calls that describe: project, Logstores, index, shards. Every field that an SDK insists on must be there.

use serde_json::{Value, json};

use super::{Inner, Target, no_project};
use crate::front::Refusal;
use crate::http::{Reply, Request, lock};

/// A time as GetProject writes it.
fn written(seconds: u64) -> String {
    crate::clock::iso_date(seconds as i64 * 1000).replace('T', " ").replace(".000Z", "")
}

impl Inner {
    pub(super) fn get_project(&self, target: &Target, region: &str) -> Result<Reply, Refusal> {
        let projects = lock(&self.projects);
        let project = projects.get(&target.project).ok_or_else(|| no_project(&target.project))?;
        Ok(super::json(&json!({
            "projectName": target.project,
            "description": "a local double",
            "status": "Normal",
            "owner": "1000000000000001",
            "region": region,
            "createTime": written(project.created),
            "lastModifyTime": written(project.created),
        })))
    }

    pub(super) fn list_logstores(&self, request: &Request, target: &Target) -> Result<Reply, Refusal> {
        let number = |name: &str, default| match request.parameter(name) {
            None | Some("") => Ok(default),
            Some(text) => text
                .parse::<usize>()
                .map_err(|_| Refusal::new(400, "ParameterInvalid", format!("{name} is no number: {text:?}"))),
        };
        let (offset, size) = (number("offset", 0)?, number("size", 500)?.min(500));
        let wanted = request.parameter("logstoreName").unwrap_or_default();
        let projects = lock(&self.projects);
        let project = projects.get(&target.project).ok_or_else(|| no_project(&target.project))?;
        let names: Vec<&String> = project.logstores.keys().filter(|name| name.contains(wanted)).collect();
        let page: Vec<&&String> = names.iter().skip(offset).take(size).collect();
        Ok(super::json(&json!({ "count": page.len(), "total": names.len(), "logstores": page })))
    }

    pub(super) fn get_logstore(&self, target: &Target) -> Result<Reply, Refusal> {
        self.with_logstore(target, |logstore| {
            Ok(super::json(&json!({
                "logstoreName": target.logstore,
                "ttl": logstore.ttl,
                "shardCount": logstore.shards.values().filter(|shard| shard.writable).count(),
                "enable_tracking": false,
                "appendMeta": true,
                "autoSplit": false,
                "maxSplitShard": 64,
                "createTime": logstore.created,
                "lastModifyTime": logstore.created,
                "productType": "actiontrail",
                "telemetryType": "",
                "mode": "standard",
            })))
        })
    }

    pub(super) fn get_index(&self, target: &Target) -> Result<Reply, Refusal> {
        self.with_logstore(target, |logstore| {
            let token = json!([",", " ", "'", "\"", ";"]);
            let text = json!({ "type": "text", "alias": "", "doc_value": true });
            let event = json!({
                "type": "json",
                "token": token,
                "caseSensitive": false,
                "chn": false,
                "doc_value": true,
                "index_all": true,
                "max_depth": -1,
                "json_keys": { "eventName": text, "eventId": text },
            });
            Ok(super::json(&json!({
                "ttl": logstore.ttl,
                "line": { "token": token, "caseSensitive": false, "chn": false },
                "keys": { "event": event },
                "log_reduce": false,
                "lastModifyTime": logstore.created,
            })))
        })
    }

    pub(super) fn list_shards(&self, target: &Target) -> Result<Reply, Refusal> {
        self.with_logstore(target, |logstore| Ok(super::json(&shards(logstore))))
    }
}

/// The shards of a Logstore as ListShards, SplitShard and MergeShards answer them.
pub(super) fn shards(logstore: &super::Logstore) -> Value {
    let list: Vec<Value> = logstore
        .shards
        .values()
        .map(|shard| {
            let (begin, end) = shard.keys();
            json!({
                "shardID": shard.id,
                "status": if shard.writable { "readwrite" } else { "readonly" },
                "inclusiveBeginKey": begin,
                "exclusiveEndKey": end,
                "createTime": shard.created,
            })
        })
        .collect();
    json!(list)
}
