//! From a call to the room that answers it, by method, path and `type`. It must never know how a room finds its answer, and
//! never reach one with a call that would write: those are refused before.

use std::sync::Arc;

use hyper::Method;
use innertrail_logstore::Store;

use crate::denial;
use crate::meta;
use crate::refuse::Surface;
use crate::{Answer, ApiError, Call, Host, Names, Role, ShardInfo};

/// What answers calls about records. Everything may block: it runs on threads that are there for it.
#[allow(clippy::missing_errors_doc)] // Each is the error that the client is told.
pub trait Rooms: Send + Sync {
    /// The shards of a Logstore.
    fn shards(&self, store: Store) -> Vec<ShardInfo>;
    /// GetCursor.
    fn cursor(&self, call: &Call, store: Store, shard: u32) -> Result<Answer, ApiError>;
    /// GetCursorTime.
    fn cursor_time(&self, call: &Call, store: Store, shard: u32) -> Result<Answer, ApiError>;
    /// PullLogs.
    fn pull(&self, call: &Call, store: Store, shard: u32) -> Result<Answer, ApiError>;
    /// Everything under `consumergroups`; `rest` is what stands behind it.
    fn group_call(&self, call: &Call, store: Store, rest: &[String]) -> Result<Answer, ApiError>;
    /// GetLogs, version 3.
    fn logs_v3(&self, call: &Call, store: Store) -> Result<Answer, ApiError>;
    /// GetLogs, version 1.
    fn logs_v1(&self, call: &Call, store: Store) -> Result<Answer, ApiError>;
    /// GetHistograms.
    fn histograms(&self, call: &Call, store: Store) -> Result<Answer, ApiError>;
    /// GetContextLogs.
    fn context(&self, call: &Call, store: Store) -> Result<Answer, ApiError>;
    /// GetProjectLogs.
    fn project_logs(&self, _call: &Call) -> Result<Answer, ApiError> {
        Err(not_supported("a search over the whole project"))
    }
}

/// How much work a call is, so that searches never keep pulls and heartbeats waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// Milliseconds.
    Light,
    /// Up to a minute.
    Heavy,
}

/// What a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target<'a> {
    Project,
    LogStores,
    LogStore,
    Index,
    Shards,
    Shard(&'a str),
    Logs,
    Groups(&'a [String]),
    ProjectLogs,
    Kept(meta::Kept, &'a [String]),
}

/// The rooms, and who leads to them.
pub struct Router {
    names: Names,
    rooms: Arc<dyn Rooms>,
    host: Arc<dyn Host>,
}

impl Router {
    /// Leads to these rooms.
    #[must_use]
    pub fn new(names: Names, rooms: Arc<dyn Rooms>, host: Arc<dyn Host>) -> Self {
        Self { names, rooms, host }
    }

    /// The names it knows.
    #[must_use]
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// Answers a call. `named` says whether the client addressed the project by its name; without, `GET /` with the parameters
    /// of a list asks for the list of projects.
    ///
    /// # Errors
    /// What the client is told.
    pub fn answer(&self, call: &Call, named: bool) -> Result<Answer, ApiError> {
        let (target, store) = self.target(&call.path)?;
        let get = call.method == Method::GET;
        match (target, store) {
            (Target::Project, _) if get && !named && meta::asks_for_list(call) => meta::projects(self, call),
            (Target::Project, _) if get => meta::project(self),
            (Target::LogStores, _) if get => meta::logstores(self, call),
            (Target::ProjectLogs, _) if get => self.rooms.project_logs(call),
            (Target::Kept(kept, rest), _) if get => meta::kept(self, call, kept, rest),
            (Target::LogStore, Some(store)) if call.method == Method::PUT => meta::update(self, call, store),
            (Target::LogStore, Some(store)) if get => self.logstore(call, store),
            (Target::Index, Some(store)) if get => meta::index(self, store),
            (Target::Shards, Some(store)) if get => meta::shards(self, store),
            (Target::Shard(shard), Some(store)) if get => self.shard(call, store, shard),
            (Target::Logs, Some(store)) if call.method == Method::POST => self.rooms.logs_v3(call, store),
            (Target::Groups(rest), Some(store)) => self.group(call, store, rest),
            _ => Err(not_supported("this call")),
        }
    }

    fn target<'a>(&self, path: &'a [String]) -> Result<(Target<'a>, Option<Store>), ApiError> {
        let Some((first, rest)) = path.split_first() else { return Ok((Target::Project, None)) };
        let target = match (first.as_str(), rest) {
            ("logstores", []) => Target::LogStores,
            ("logstores", [name, rest @ ..]) => return self.of_logstore(name, rest),
            ("logs", []) => Target::ProjectLogs,
            ("dashboards", rest) => Target::Kept(meta::Kept::Dashboards, rest),
            ("savedsearches", rest) => Target::Kept(meta::Kept::SavedSearches, rest),
            ("jobs", rest) => Target::Kept(meta::Kept::Jobs, rest),
            _ => return Err(not_supported("this path")),
        };
        Ok((target, None))
    }

    fn of_logstore<'a>(&self, name: &str, rest: &'a [String]) -> Result<(Target<'a>, Option<Store>), ApiError> {
        let store = self.names.store(name).ok_or_else(|| ApiError::no_logstore(&shown(name)))?;
        let target = match rest {
            [] => Target::LogStore,
            [word] if word == "index" => Target::Index,
            [word] if word == "shards" => Target::Shards,
            [word, shard] if word == "shards" => Target::Shard(shard),
            [word] if word == "logs" => Target::Logs,
            [word, rest @ ..] if word == "consumergroups" => Target::Groups(rest),
            _ => return Err(not_supported("this path of a Logstore")),
        };
        Ok((target, Some(store)))
    }

    fn logstore(&self, call: &Call, store: Store) -> Result<Answer, ApiError> {
        match call.parameters.given("type") {
            None => meta::logstore(self, store),
            Some("log") => self.rooms.logs_v1(call, store),
            Some("histogram") => self.rooms.histograms(call, store),
            Some("context_log") => self.rooms.context(call, store),
            Some(_) => Err(ApiError::parameter("type of a Logstore is log, histogram or context_log")),
        }
    }

    fn shard(&self, call: &Call, store: Store, shard: &str) -> Result<Answer, ApiError> {
        let unknown = || ApiError::no_shard(&shown(shard));
        let id = shard.parse::<u32>().map_err(|_| unknown())?;
        if !self.rooms.shards(store).iter().any(|known| known.id == id) {
            return Err(unknown());
        }
        match call.parameters.given("type") {
            Some("cursor") => self.rooms.cursor(call, store, id),
            Some("cursor_time") => self.rooms.cursor_time(call, store, id),
            Some("log" | "logs") => self.rooms.pull(call, store, id),
            _ => Err(ApiError::parameter("type of a shard is cursor, cursor_time or log")),
        }
    }

    fn group(&self, call: &Call, store: Store, rest: &[String]) -> Result<Answer, ApiError> {
        if call.method != Method::GET && call.access.role < Role::Consumer {
            let region = self.host.facts()?.region;
            return Err(denial::of_group(&self.names, &region, call, store, rest));
        }
        self.rooms.group_call(call, store, rest)
    }

    pub(crate) fn rooms(&self) -> &dyn Rooms {
        &*self.rooms
    }

    pub(crate) fn host(&self) -> &dyn Host {
        &*self.host
    }

    pub(crate) fn refusal(&self, surface: Surface, path: &[String]) -> ApiError {
        let store = match path {
            [first, name, ..] if first == "logstores" => self.names.store(name),
            _ => None,
        };
        surface.refusal(&self.names, store)
    }
}

/// How much work a call is, by its path and parameters alone.
pub(crate) fn weight(call: &Call) -> Weight {
    let path: Vec<&str> = call.path.iter().map(String::as_str).collect();
    match path.as_slice() {
        ["logs"] | ["logstores", _, "logs"] => Weight::Heavy,
        ["logstores", _] if call.parameters.given("type").is_some() => Weight::Heavy,
        _ => Weight::Light,
    }
}

/// Whether a call changes something, so that it may be carried out once only.
pub(crate) fn changes(call: &Call) -> bool {
    let search = matches!(call.path.as_slice(), [first, _, last] if first == "logstores" && last == "logs");
    call.method != Method::GET && !search
}

pub(crate) fn not_supported(what: &str) -> ApiError {
    ApiError::new(400, "NotSupported", format!("{what} is not supported here"))
}

/// A name that a client sent, as it may be shown: short and printable.
pub(crate) fn shown(name: &str) -> String {
    name.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')).take(64).collect()
}

#[cfg(test)]
#[path = "route_tests.rs"]
#[allow(clippy::unwrap_used)]
mod tests;
