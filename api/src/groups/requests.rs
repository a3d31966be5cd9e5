//! The calls of consumer groups: what is asked, checked, and how the answer looks.
//! It must never believe a body or a parameter beyond its form.

use hyper::Method;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::file::Checkpoint;
use super::{Done, Groups, Known};
use crate::{Answer, ApiError, Call, Role};

/// Longest time without a heartbeat, in seconds: one day.
const MOST_TIMEOUT: u32 = 86_400;
/// Most shards that a heartbeat may name.
const MOST_NAMED: usize = 1024;
/// Longest name that a consumer may give itself, in bytes.
const MOST_CONSUMER: usize = 256;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Settings {
    consumer_group: Option<String>,
    timeout: Option<i64>,
    order: Option<bool>,
}

#[derive(Serialize)]
struct Listed {
    name: String,
    timeout: u32,
    order: bool,
}

/// The clients send an array, the documentation shows an object, and a client without any shard sends null.
#[derive(Deserialize)]
#[serde(untagged)]
enum Beat {
    Array(Vec<u32>),
    Object { shards: Vec<u32> },
    None(()),
}

#[derive(Deserialize)]
struct Wanted {
    shard: u32,
    checkpoint: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    shard: u32,
    checkpoint: String,
    update_time: i64,
    consumer: String,
}

/// Answers a call; `rest` is the path behind `consumergroups`.
pub(super) fn answer(groups: &Groups, call: &Call, known: &Known<'_>, rest: &[String]) -> Result<Answer, ApiError> {
    let store = known.store;
    let kind = call.parameters.get("type").unwrap_or_default();
    match (&call.method, rest) {
        (&Method::GET, []) => {
            let list = groups.list(store).into_iter();
            Answer::json(&list.map(|(name, timeout, order)| Listed { name, timeout, order }).collect::<Vec<_>>())
        }
        (&Method::GET, [name]) => stored(groups, call, known, name),
        (&Method::POST, []) => {
            let settings = asked::<Settings>(call, "CreateConsumerGroup")?;
            let name = settings.consumer_group.as_deref().unwrap_or_default();
            let timeout = timeout(settings.timeout)?.ok_or_else(no_timeout)?;
            groups.create(store, name, (timeout, settings.order.unwrap_or(false)))?;
            groups.teller.tell(call, store, name, Done::Created);
            Ok(Answer::empty())
        }
        (&Method::PUT, [name]) => {
            let settings = asked::<Settings>(call, "UpdateConsumerGroup")?;
            let timeout = timeout(settings.timeout)?;
            let change = |kept: &mut super::Kept| {
                kept.timeout_secs = timeout.unwrap_or(kept.timeout_secs);
                kept.order = settings.order.unwrap_or(kept.order);
            };
            if groups.update(store, name, change)? {
                groups.teller.tell(call, store, name, Done::Changed);
            }
            Ok(Answer::empty())
        }
        (&Method::DELETE, [name]) => {
            allowed(call, "DeleteConsumerGroup")?;
            groups.delete(store, name)?;
            groups.teller.tell(call, store, name, Done::Deleted);
            Ok(Answer::empty())
        }
        (&Method::POST, [name]) if kind == "heartbeat" => beat(groups, call, known, name),
        (&Method::POST, [name]) if kind == "checkpoint" => store_checkpoint(groups, call, known, name),
        (&Method::POST, [_]) => Err(ApiError::parameter("the parameter type must be heartbeat or checkpoint")),
        _ => Err(ApiError::new(405, "MethodNotAllowed", "consumer groups have no such call")),
    }
}

fn beat(groups: &Groups, call: &Call, known: &Known<'_>, name: &str) -> Result<Answer, ApiError> {
    allowed(call, "ConsumerGroupHeartBeat")?;
    let beat = if call.body.is_empty() { Beat::None(()) } else { parsed(call)? };
    let held = match beat {
        Beat::Array(shards) | Beat::Object { shards } => shards,
        Beat::None(()) => Vec::new(),
    };
    if held.len() > MOST_NAMED {
        return Err(body_invalid(format!("it names more than {MOST_NAMED} shards")));
    }
    let consumer = consumer(call)?;
    if consumer.is_empty() {
        return Err(ApiError::parameter("the parameter consumer is missing"));
    }
    Answer::json(&groups.heartbeat(known.store, name, consumer, &held, call.now_us)?)
}

fn store_checkpoint(groups: &Groups, call: &Call, known: &Known<'_>, name: &str) -> Result<Answer, ApiError> {
    let wanted = asked::<Wanted>(call, "ConsumerGroupUpdateCheckPoint")?;
    let force = call.parameters.get("forceSuccess").is_some_and(|force| force.eq_ignore_ascii_case("true"));
    let consumer = consumer(call)?;
    if consumer.is_empty() && !force {
        return Err(ApiError::parameter("the parameter consumer is missing; without one a checkpoint must be forced"));
    }
    let checkpoint = Checkpoint { cursor: wanted.checkpoint, updated_us: call.now_us, consumer: consumer.to_owned() };
    if groups.checkpoint(known, name, (wanted.shard, checkpoint), force)? {
        groups.teller.tell(call, known.store, name, Done::MovedBack);
    }
    Ok(Answer::empty())
}

fn stored(groups: &Groups, call: &Call, known: &Known<'_>, name: &str) -> Result<Answer, ApiError> {
    let only = call.parameters.given("shard").map(str::trim).map(str::parse::<u32>).transpose();
    let only = only.map_err(|_| ApiError::parameter("the parameter shard is no shard's number"))?;
    let list = groups.checkpoints(known.store, name, only)?.into_iter();
    let stored = |(shard, checkpoint): (u32, Checkpoint)| {
        let Checkpoint { cursor, updated_us, consumer } = checkpoint;
        Stored { shard, checkpoint: cursor, update_time: updated_us, consumer }
    };
    Answer::json(&list.map(stored).collect::<Vec<_>>())
}

/// The body of a call that makes or moves a group.
fn asked<T: DeserializeOwned>(call: &Call, action: &str) -> Result<T, ApiError> {
    allowed(call, action)?;
    parsed(call)
}

fn parsed<T: DeserializeOwned>(call: &Call) -> Result<T, ApiError> {
    serde_json::from_slice(&call.body).map_err(body_invalid)
}

fn body_invalid(what: impl std::fmt::Display) -> ApiError {
    ApiError::new(400, "PostBodyInvalid", format!("the body is not what this call takes: {what}"))
}

fn allowed(call: &Call, action: &str) -> Result<(), ApiError> {
    if call.access.role >= Role::Consumer {
        return Ok(());
    }
    let what =
        format!("the access key {} may only read; {action} needs a key of the role consumer", call.access.key_id);
    Err(ApiError::denied(what))
}

fn consumer(call: &Call) -> Result<&str, ApiError> {
    let name = call.parameters.get("consumer").unwrap_or_default();
    if name.len() > MOST_CONSUMER || name.chars().any(char::is_control) {
        let what = format!("a consumer's name has at most {MOST_CONSUMER} bytes and no control characters");
        return Err(ApiError::parameter(what));
    }
    Ok(name)
}

fn no_timeout() -> ApiError {
    ApiError::parameter(format!("timeout must be a number of seconds from 1 to {MOST_TIMEOUT}"))
}

fn timeout(wanted: Option<i64>) -> Result<Option<u32>, ApiError> {
    let within = |seconds: i64| u32::try_from(seconds).ok().filter(|seconds| (1..=MOST_TIMEOUT).contains(seconds));
    wanted.map(|seconds| within(seconds).ok_or_else(no_timeout)).transpose()
}
