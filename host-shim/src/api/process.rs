//! What the API's library asks of the process: facts, a longer retention, entries in the journal.
//!
//! It must never write by itself: the writer is the pipeline's.

use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use innertrail_api::attempts::{Attempt, Sum, Told};
use innertrail_api::groups::{GroupChange, Listener};
use innertrail_api::{ApiError, Call, Facts, Host, Names};
use innertrail_charts::{Pack, Shelf};
use innertrail_logstore::Snapshot;
use serde_json::{Value, json};

use super::{Asked, Lengthen};
use crate::journal::{Entry, Kind};
use crate::lifecycle::State;
use crate::lifecycle::day::rfc3339;

/// For how long facts are not read again.
const FRESH: Duration = Duration::from_secs(1);
/// How long a client waits for a longer retention to be durable.
const PATIENCE: Duration = Duration::from_secs(15);

pub(super) type Post = Arc<dyn Fn(Asked) -> bool + Send + Sync>;

/// The process.
pub(super) struct Process {
    dir: PathBuf,
    region: String,
    description: String,
    known: Mutex<Option<(Instant, Snapshot)>>,
    post: Post,
}

impl Process {
    pub(super) fn new(dir: &Path, region: &str, names: &Names, post: Post) -> Self {
        let logstore = names.logstore(innertrail_logstore::Store::Log);
        let description = format!("operation logs, sealed and read-only: {logstore}");
        Self { dir: dir.to_owned(), region: region.to_owned(), description, known: Mutex::new(None), post }
    }

    /// A view that is not older than a second, and newer than what this process changed.
    fn snapshot(&self) -> Result<Snapshot, innertrail_logstore::Error> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let snapshot = match known.take() {
            Some((at, snapshot)) if at.elapsed() < FRESH => {
                *known = Some((at, snapshot.clone()));
                return Ok(snapshot);
            }
            Some((_, old)) => old.refresh()?,
            None => Snapshot::open(&self.dir)?,
        };
        *known = Some((Instant::now(), snapshot.clone()));
        Ok(snapshot)
    }

    fn forget(&self) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

fn unreadable(error: impl std::fmt::Display) -> ApiError {
    ApiError::internal(format!("the Logstore cannot be read: {error}"))
}

impl Host for Process {
    fn facts(&self) -> Result<Facts, ApiError> {
        let snapshot = self.snapshot().map_err(unreadable)?;
        let state = State::read(snapshot.state()).map_err(unreadable)?;
        let state = state.ok_or_else(|| unreadable("it was never enabled"))?;
        Ok(Facts {
            region: self.region.clone(),
            description: self.description.clone(),
            created_us: snapshot.created_us(),
            changed_us: state.since_us,
            retention_days: state.retention.days,
            layout: snapshot.layout().clone(),
        })
    }

    fn lengthen(&self, days: u32, call: &Call) -> Result<(), ApiError> {
        let (answer, done) = channel();
        let (key_id, request_id) = (call.access.key_id.clone(), call.request_id.clone());
        let asked = Asked::Lengthen(Lengthen { days, key_id, request_id, answer });
        let busy =
            || ApiError::new(503, "ServerBusy", "the Logstore takes no change now; it is in `innertrail status` why");
        if !(self.post)(asked) {
            return Err(busy());
        }
        done.recv_timeout(PATIENCE).map_err(|_| busy())?;
        self.forget();
        Ok(())
    }

    fn refused(&self, told: Told) {
        // A pipeline that has ended takes none; the metric counted it.
        let _taken = (self.post)(Asked::Enter(entry(&told)));
    }

    fn dashboards(&self) -> Vec<Value> {
        // What cannot be read is what `innertrail charts list` names; what is built in is always there.
        let shelf = crate::charts::shelf(&self.dir).unwrap_or_else(|_| Shelf::of(&[], &[]));
        shelf.all().map(Pack::log_service).collect()
    }
}

fn entry(told: &Told) -> Entry {
    match told {
        Told::One(attempt) => one(attempt),
        Told::Many(sum) => many(sum),
    }
}

fn one(attempt: &Attempt) -> Entry {
    Entry::write_refused("api", &attempt.source.to_string(), 1, attempt.at_us)
        .with("surface", attempt.surface.name())
        .with("key", attempt.key_id.clone())
        .with("request", attempt.request_id.as_str())
}

fn many(sum: &Sum) -> Entry {
    let way = |(key, surface, count): &(Option<String>, innertrail_api::refuse::Surface, u64)| json!({"key": key, "surface": surface.name(), "count": count});
    let ways: Vec<Value> = sum.ways.iter().map(way).collect();
    Entry::new(Kind::WriteRefused, "api", sum.to_us)
        .with("count", sum.count)
        .with("from", rfc3339(sum.from_us))
        .with("to", rfc3339(sum.to_us))
        .with("ways", ways)
        .with("others", sum.others)
}

/// Has changes of consumer groups entered in the journal.
pub(super) fn groups(names: &Names, post: Post) -> Listener {
    let names = names.clone();
    Listener::new(move |change| {
        // A pipeline that has ended takes none.
        let _taken = post(Asked::Enter(changed(&names, &change)));
    })
}

fn changed(names: &Names, change: &GroupChange) -> Entry {
    let entry = Entry::new(Kind::GroupChanged, "api", change.at_us)
        .with("done", change.done.name())
        .with("group", change.group.as_str())
        .with("logstore", names.logstore(change.store))
        .with("key", change.key_id.as_str())
        .with("request", change.request_id.as_str());
    if change.untold > 0 { entry.with("untold", change.untold) } else { entry }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use innertrail_api::refuse::Surface;

    use super::*;

    #[test]
    fn an_attempt_and_a_flood_are_one_entry_each() {
        let attempt = Attempt {
            at_us: 1_795_392_000_000_000,
            key_id: Some("INTLx".to_owned()),
            surface: Surface::PutLogs,
            source: Ipv4Addr::LOCALHOST.into(),
            request_id: "0a".repeat(12),
        };
        let read = |told: &Told| serde_json::from_str::<Value>(&entry(told).json()).ok();
        let head = json!({"kind": "write_refused", "by": "api", "time": "2026-11-23T00:00:00Z", "count": 1, "key": "INTLx",
            "origin": "127.0.0.1", "request": "0a".repeat(12), "surface": "put_logs"});
        assert_eq!(read(&Told::One(attempt)), Some(head));
        let ways = vec![(None, Surface::Tracking, 7)];
        let sum = Sum { from_us: 1_795_392_000_000_000, to_us: 1_795_392_001_000_000, count: 9, ways, others: 2 };
        let head = json!({"kind": "write_refused", "by": "api", "time": "2026-11-23T00:00:01Z", "count": 9, "others": 2,
            "from": "2026-11-23T00:00:00Z", "to": "2026-11-23T00:00:01Z",
            "ways": [{"count": 7, "key": null, "surface": "tracking"}]});
        assert_eq!(read(&Told::Many(sum)), Some(head));
    }
}
