//! The calls of consumer groups. A checkpoint that is no cursor of its shard must never be stored.

use std::time::Instant;

use serde_json::{Value, json};

use super::groups::{Checkpoint, Group};
use super::pull::microseconds;
use super::store::Logstore;
use super::{Inner, Target};
use crate::front::Refusal;
use crate::http::{Reply, Request};

/// Most consumer groups of a Logstore.
const MOST_GROUPS: usize = 30;

fn body(request: &Request) -> Result<Value, Refusal> {
    serde_json::from_slice(&request.body)
        .map_err(|_| Refusal::new(400, "PostBodyInvalid", "The request body is not valid JSON object."))
}

fn unknown_group(name: &str) -> Refusal {
    Refusal::new(404, "ConsumerGroupNotExist", format!("consumer group {name} does not exist"))
}

fn settings(body: &Value) -> Result<(u64, bool), Refusal> {
    let timeout = body["timeout"].as_u64().filter(|timeout| *timeout > 0);
    let timeout = timeout.ok_or_else(|| Refusal::new(400, "ParameterInvalid", "timeout must be a positive number"))?;
    Ok((timeout, body["order"].as_bool().unwrap_or(false)))
}

impl Inner {
    fn with_group<T>(
        &self,
        target: &Target,
        with: impl FnOnce(&mut Logstore, &mut Group) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        self.with_logstore(target, |logstore| {
            // Taken out and put back, so that the shards stay at hand.
            let mut group = logstore.groups.remove(&target.item).ok_or_else(|| unknown_group(&target.item))?;
            let result = with(logstore, &mut group);
            logstore.groups.insert(target.item.clone(), group);
            result
        })
    }

    pub(super) fn create_group(&self, request: &Request, target: &Target) -> Result<Reply, Refusal> {
        let body = body(request)?;
        let (timeout, order) = settings(&body)?;
        let name = body["consumerGroup"].as_str().filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| Refusal::new(400, "ParameterInvalid", "consumerGroup is missing"))?;
        self.with_logstore(target, |logstore| {
            if logstore.groups.contains_key(name) {
                let message = format!("consumer group {name} already exists");
                return Err(Refusal::new(400, "ConsumerGroupAlreadyExist", message));
            }
            if logstore.groups.len() >= MOST_GROUPS {
                return Err(Refusal::new(400, "ConsumerGroupQuotaExceed", "a Logstore has at most 30 consumer groups"));
            }
            logstore.groups.insert(name.to_owned(), Group::new(timeout, order));
            Ok(Reply::new(200))
        })
    }

    pub(super) fn list_groups(&self, target: &Target) -> Result<Reply, Refusal> {
        self.with_logstore(target, |logstore| {
            let list: Vec<Value> = logstore
                .groups
                .iter()
                .map(|(name, group)| json!({ "name": name, "timeout": group.timeout_secs, "order": group.order }))
                .collect();
            Ok(super::json(&json!(list)))
        })
    }

    pub(super) fn update_group(&self, request: &Request, target: &Target) -> Result<Reply, Refusal> {
        let body = body(request)?;
        self.with_group(target, |_, group| {
            group.timeout_secs = body["timeout"].as_u64().unwrap_or(group.timeout_secs).max(1);
            group.order = body["order"].as_bool().unwrap_or(group.order);
            Ok(Reply::new(200))
        })
    }

    pub(super) fn delete_group(&self, target: &Target) -> Result<Reply, Refusal> {
        self.with_logstore(target, |logstore| {
            logstore.groups.remove(&target.item).map(|_| Reply::new(200)).ok_or_else(|| unknown_group(&target.item))
        })
    }

    /// HeartBeat: the body is an array of shard ids in every SDK, an object with `shards` in the documentation.
    pub(super) fn heartbeat(&self, request: &Request, target: &Target) -> Result<Reply, Refusal> {
        let consumer = request.parameter("consumer").filter(|name| !name.is_empty());
        let consumer = consumer.ok_or_else(|| Refusal::new(400, "ParameterInvalid", "consumer is missing"))?;
        let body = body(request)?;
        let list = body.as_array().or_else(|| body["shards"].as_array());
        let held: Option<Vec<u32>> =
            list.and_then(|list| list.iter().map(|id| id.as_u64().and_then(|id| u32::try_from(id).ok())).collect());
        let held = held.ok_or_else(|| Refusal::new(400, "PostBodyInvalid", "the body is no array of shard ids"))?;
        self.with_group(target, |logstore, group| {
            let shards = logstore.consumable(group);
            Ok(super::json(&json!(group.heartbeat(consumer, &held, &shards, Instant::now()))))
        })
    }

    pub(super) fn update_checkpoint(&self, request: &Request, target: &Target) -> Result<Reply, Refusal> {
        let body = body(request)?;
        let consumer = request.parameter("consumer").unwrap_or_default().to_owned();
        let force = request.parameter("forceSuccess").is_some_and(|force| force.eq_ignore_ascii_case("true"));
        let id = body["shard"].as_u64().and_then(|id| u32::try_from(id).ok());
        let id = id.ok_or_else(|| Refusal::new(400, "ParameterInvalid", "shard is no shard id"))?;
        let cursor = body["checkpoint"].as_str().unwrap_or_default().trim_end().to_owned();
        let updated_us = microseconds(&self.front.clock);
        self.with_group(target, |logstore, group| {
            let Some(shard) = logstore.shards.get(&id) else {
                // The misspelling is the service's.
                return Err(Refusal::new(404, "ShardNotExsit", format!("shard {id} does not exist")));
            };
            if shard.ordinal(&cursor).is_none() {
                let message = format!("checkpoint {cursor:?} is no cursor of shard {id}");
                return Err(Refusal::new(400, "InvalidShardCheckPoint", message));
            }
            group.store(id, Checkpoint { cursor, updated_us, consumer }, force, Instant::now())?;
            Ok(Reply::new(200))
        })
    }

    /// GetCheckPoint: a shard without a checkpoint is in the list as well, with an empty one.
    pub(super) fn get_checkpoint(&self, request: &Request, target: &Target) -> Result<Reply, Refusal> {
        let only = request.parameter("shard").and_then(|id| id.parse::<u32>().ok());
        self.with_group(target, |logstore, group| {
            let list: Vec<Value> = logstore
                .shards
                .keys()
                .filter(|id| only.is_none_or(|only| only == **id))
                .map(|id| {
                    let stored = group.checkpoints.get(id).cloned().unwrap_or_default();
                    json!({
                        "shard": id,
                        "checkpoint": stored.cursor,
                        "updateTime": stored.updated_us,
                        "consumer": stored.consumer,
                    })
                })
                .collect();
            Ok(super::json(&json!(list)))
        })
    }
}
