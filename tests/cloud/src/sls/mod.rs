//! The SLS double: routing, letting in, and the order in which things are looked at (as the service does, as far as known:
//! signature, account, right, existence). It must never answer a call before its signature was verified.

mod auth;
mod consume;
mod cursor;
mod describe;
mod groups;
mod handle;
mod mischief;
pub mod proto;
mod pull;
mod shard;
mod store;
mod write;

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

use serde_json::Value;

pub use handle::{Group, Sls, SlsSetup};

use crate::fault::{Fault, Op, Phase};
use crate::front::{Front, Refusal};
use crate::http::{Reply, Request, Service, lock};
use pull::PageCache;
use shard::Shard;
use store::{Logstore, Project};

/// The shared part of an SLS double.
pub(crate) struct Inner {
    pub(crate) front: Front,
    projects: Mutex<BTreeMap<String, Project>>,
    pages: Mutex<PageCache>,
    /// Most bytes of a page before compression.
    most_page: usize,
    /// Most bytes of pages kept.
    cache_bytes: usize,
    expired_code: Mutex<&'static str>,
    /// The last good pull of each shard, to send it once more.
    last: Mutex<HashMap<(String, String, String), Reply>>,
    versions: Mutex<BTreeMap<&'static str, u64>>,
}

/// What a request is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) project: String,
    pub(crate) logstore: String,
    /// The shard's number or the consumer group's name.
    pub(crate) item: String,
}

impl Target {
    /// The shard's number.
    fn number(&self) -> Result<u32, Refusal> {
        let bad = |_| Refusal::new(400, "ParameterInvalid", format!("{:?} is no shard id", self.item));
        self.item.parse().map_err(bad)
    }
}

/// A JSON answer.
fn json(value: &Value) -> Reply {
    Reply::new(200).with_header("Content-Type", "application/json").with_body(value.to_string())
}

fn error(refusal: &Refusal) -> Reply {
    let body = serde_json::json!({ "errorCode": refusal.code, "errorMessage": refusal.message });
    Reply { status: refusal.status, ..json(&body) }
}

/// The operation that a request asks for, and what it is about. The project is the first label of the host.
fn route(request: &Request) -> (Op, Target) {
    let project = request.host().split('.').next().unwrap_or_default().to_owned();
    let segments: Vec<&str> = request.path.split('/').skip(1).collect();
    let kind = request.parameter("type").unwrap_or_default();
    let action = request.parameter("action").unwrap_or_default();
    let (op, logstore, item) = match (request.method.as_str(), segments.as_slice()) {
        ("GET", [""]) => (Op::GetProject, "", ""),
        ("GET", ["logstores" | "logstores/"]) => (Op::ListLogStores, "", ""),
        ("POST", ["logstores"]) => (Op::CreateLogStore, "", ""),
        ("GET", ["logstores", logstore]) if kind == "histogram" => (Op::GetHistograms, *logstore, ""),
        ("GET", ["logstores", logstore]) if kind.is_empty() => (Op::GetLogStore, *logstore, ""),
        ("DELETE", ["logstores", logstore]) => (Op::DeleteLogStore, *logstore, ""),
        ("GET", ["logstores", logstore, "index"]) => (Op::GetIndex, *logstore, ""),
        ("GET", ["logstores", logstore, "shards"]) => (Op::ListShards, *logstore, ""),
        ("POST", ["logstores", logstore, "shards", "lb" | "route"]) => (Op::PutLogs, *logstore, ""),
        ("POST", ["logstores", logstore, "shards", id]) if action == "split" => (Op::SplitShard, *logstore, *id),
        ("POST", ["logstores", logstore, "shards", id]) if action == "merge" => (Op::MergeShards, *logstore, *id),
        ("GET", ["logstores", logstore, "shards", id]) => match kind {
            "cursor" => (Op::GetCursor, *logstore, *id),
            "cursor_time" => (Op::GetCursorTime, *logstore, *id),
            "log" | "logs" => (Op::PullLogs, *logstore, *id),
            _ => (Op::Unknown, *logstore, *id),
        },
        ("GET", ["logstores", logstore, "consumergroups"]) => (Op::ListConsumerGroup, *logstore, ""),
        ("POST", ["logstores", logstore, "consumergroups"]) => (Op::CreateConsumerGroup, *logstore, ""),
        ("PUT", ["logstores", logstore, "consumergroups", name]) => (Op::UpdateConsumerGroup, *logstore, *name),
        ("DELETE", ["logstores", logstore, "consumergroups", name]) => (Op::DeleteConsumerGroup, *logstore, *name),
        ("GET", ["logstores", logstore, "consumergroups", name]) => (Op::GetCheckPoint, *logstore, *name),
        ("POST", ["logstores", logstore, "consumergroups", name]) => match kind {
            "heartbeat" => (Op::HeartBeat, *logstore, *name),
            "checkpoint" => (Op::UpdateCheckPoint, *logstore, *name),
            _ => (Op::Unknown, *logstore, *name),
        },
        _ => (Op::Unknown, "", ""),
    };
    (op, Target { project, logstore: logstore.to_owned(), item: item.to_owned() })
}

impl Inner {
    fn with_logstore<T>(
        &self,
        target: &Target,
        with: impl FnOnce(&mut Logstore) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let mut projects = lock(&self.projects);
        let project = projects.get_mut(&target.project).ok_or_else(|| no_project(&target.project))?;
        let logstore = project.logstores.get_mut(&target.logstore).ok_or_else(|| {
            Refusal::new(404, "LogStoreNotExist", format!("logstore {} does not exist", target.logstore))
        })?;
        with(logstore)
    }

    fn with_shard<T>(&self, target: &Target, with: impl FnOnce(&Shard) -> Result<T, Refusal>) -> Result<T, Refusal> {
        let id = target.number()?;
        self.with_logstore(target, |logstore| with(logstore.shard(id)?))
    }

    fn count_version(&self, request: &Request) {
        let version = match request.header("authorization") {
            Some(header) if header.starts_with("LOG ") => "v1",
            _ => "v4",
        };
        *lock(&self.versions).entry(version).or_default() += 1;
    }

    /// Everything up to the answer of a request that no fault has taken.
    fn answer(
        &self,
        request: &Request,
        op: Op,
        target: &Target,
        judged: &crate::front::Judged,
    ) -> Result<Reply, Refusal> {
        let (region, account) = {
            let projects = lock(&self.projects);
            let project = projects.get(&target.project);
            (project.map(|project| project.region.clone()), project.map(|project| project.account).unwrap_or_default())
        };
        let key = self.authenticate(request, region.as_deref(), judged)?;
        let region = region.ok_or_else(|| no_project(&target.project))?;
        if let Some((status, code, message)) = judged.state.unwrap_or(account).sls_error(&target.project) {
            return Err(Refusal::new(status, code, message));
        }
        if op == Op::Unknown {
            let message = format!("{} {} is no call of this server", request.method, request.path);
            return Err(Refusal::new(400, "NotSupported", message));
        }
        auth::authorise(&key, op, &region, &target.project, &target.logstore)?;
        self.disturb(op, target)?;
        self.dispatch(request, op, target, &region)
    }

    fn dispatch(&self, request: &Request, op: Op, target: &Target, region: &str) -> Result<Reply, Refusal> {
        match op {
            Op::GetProject => self.get_project(target, region),
            Op::ListLogStores => self.list_logstores(request, target),
            Op::GetLogStore => self.get_logstore(target),
            Op::GetIndex => self.get_index(target),
            Op::ListShards => self.list_shards(target),
            Op::GetCursor => self.get_cursor(request, target),
            Op::GetCursorTime => self.get_cursor_time(request, target),
            Op::PullLogs => self.pull(request, target),
            Op::GetHistograms => self.histogram(request, target),
            Op::PutLogs => self.put_logs(request, target),
            Op::CreateLogStore => self.create_logstore(request, target),
            Op::DeleteLogStore => self.delete_logstore(target),
            Op::SplitShard => self.split_shard(request, target),
            Op::MergeShards => self.merge_shards(target),
            Op::CreateConsumerGroup => self.create_group(request, target),
            Op::ListConsumerGroup => self.list_groups(target),
            Op::UpdateConsumerGroup => self.update_group(request, target),
            Op::DeleteConsumerGroup => self.delete_group(target),
            Op::HeartBeat => self.heartbeat(request, target),
            Op::UpdateCheckPoint => self.update_checkpoint(request, target),
            Op::GetCheckPoint => self.get_checkpoint(request, target),
            _ => Err(Refusal::new(400, "NotSupported", "this is no call of SLS")),
        }
    }

    /// The faults that change the state a request is answered from.
    fn disturb(&self, op: Op, target: &Target) -> Result<(), Refusal> {
        let id = target.number().unwrap_or(u32::MAX);
        let able = |fault: &Fault| {
            self.with_logstore(target, |logstore| {
                Ok(match fault {
                    Fault::ExpireCursor => true,
                    Fault::SplitShard => logstore.shards.get(&id).is_some_and(|shard| shard.writable),
                    Fault::MergeShards => logstore.mergeable(id).is_some(),
                    _ => false,
                })
            })
            .unwrap_or(false)
        };
        let fault = self.front.faults.take(op, Phase::State, able);
        let now = self.front.clock.now_secs();
        match fault {
            Some(Fault::ExpireCursor) => Err(Refusal::new(400, *lock(&self.expired_code), "Invalid cursor")),
            Some(Fault::SplitShard) => self.with_logstore(target, |logstore| logstore.split(id, None, now).map(|_| ())),
            Some(Fault::MergeShards) => self.with_logstore(target, |logstore| {
                logstore.mergeable(id).map_or(Ok(()), |id| logstore.merge(id, now).map(|_| ()))
            }),
            _ => Ok(()),
        }
    }
}

fn no_project(project: &str) -> Refusal {
    Refusal::new(404, "ProjectNotExist", format!("The Project does not exist : {project}"))
}

impl Service for Inner {
    fn reply(&self, request: &Request) -> Reply {
        let (op, target) = route(request);
        self.front.faults.arrived(op);
        let judged = self.front.judge(op);
        let mut reply = match self.front.before(op, request) {
            Some(Ok(reply)) => reply,
            Some(Err((refusal, retry_after))) => {
                let mut reply = error(&refusal);
                if let Some(seconds) = retry_after {
                    reply.set_header("Retry-After", seconds.to_string());
                }
                reply
            }
            None => match self.answer(request, op, &target, &judged) {
                Ok(mut reply) => {
                    self.spoil(request, op, &target, &mut reply);
                    reply
                }
                Err(refusal) => error(&refusal),
            },
        };
        let id = self.front.request_id();
        Front::sign_off(&mut reply, "x-log-requestid", &id, "AliyunSLS", judged.now_ms);
        reply
    }

    fn malformed(&self, status: u16, why: &str) -> Reply {
        let code = match status {
            411 => "MissingContentLength",
            413 => "PostBodyTooLarge",
            _ if why.starts_with("Host ") => "MissingHost",
            _ => "ParameterInvalid",
        };
        let mut reply = error(&Refusal::new(status, code, why));
        let id = self.front.request_id();
        Front::sign_off(&mut reply, "x-log-requestid", &id, "AliyunSLS", self.front.clock.now_ms());
        reply
    }
}
