//! One data directory as the console asks for it. It must never write there.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use innertrail_alerts::RuleSet;
use innertrail_api::search::Engine;
use innertrail_charts::{Pack, Shelf};
use innertrail_console::{Data, Found, Problem};
use innertrail_logstore::{Snapshot, Store};
use innertrail_plugin::event::columns::{COLUMNS, Kind};
use innertrail_query::Limits;
use innertrail_query::live::LiveLimits;
use serde_json::{Value, json};

use super::groups;
use super::verification::Verification;
use crate::api::Stores;
use crate::cli::alerts::rule_as_json;
use crate::clock;
use crate::explain;
use crate::runtime::Transform;
use crate::status::Status;

/// For how long a snapshot is not looked at again.
const FRESH: Duration = Duration::from_millis(500);
/// Rows that SQL may give.
const ROWS: usize = 10_000;

/// The component, set up as a run had it.
struct Rooms {
    setup: Option<String>,
    transform: Transform,
}

/// A data directory.
pub(super) struct Directory {
    dir: PathBuf,
    trail: String,
    stores: Stores,
    known: Mutex<(Instant, Snapshot)>,
    rooms: Mutex<Option<Rooms>>,
    rules: Arc<RuleSet>,
    verification: Verification,
}

/// What questions of the console may cost: less than those of the API, because nobody waits that long at a screen.
fn limits() -> LiveLimits {
    let usual = LiveLimits::default();
    let sql = Limits { timeout: Duration::from_secs(30), max_rows: ROWS, ..usual.sql };
    LiveLimits { sql, page_bytes: 8 << 20, ..usual }
}

fn failed(error: impl std::fmt::Display) -> Problem {
    Problem::failed(format!("the Logstore cannot be read: {error}"))
}

impl Directory {
    /// Opens it.
    pub(super) fn open(dir: &Path, rules: Arc<RuleSet>) -> Result<Self, innertrail_logstore::Error> {
        let snapshot = Snapshot::open(dir)?;
        Ok(Self {
            dir: dir.to_owned(),
            trail: snapshot.trail().to_owned(),
            stores: Stores::new(dir, limits()),
            known: Mutex::new((Instant::now(), snapshot)),
            rooms: Mutex::new(None),
            rules,
            verification: Verification::default(),
        })
    }

    fn snapshot(&self) -> Result<Snapshot, Problem> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.0.elapsed() >= FRESH {
            *known = (Instant::now(), known.1.refresh().map_err(failed)?);
        }
        Ok(known.1.clone())
    }

    /// A snapshot in which a row is; the one at hand may be older than the row.
    fn snapshot_with(&self, store: Store, seq: u64) -> Result<Snapshot, Problem> {
        let snapshot = self.snapshot()?;
        if seq < snapshot.end(store) { Ok(snapshot) } else { snapshot.refresh().map_err(failed) }
    }

    /// What each room did, or why that is not known.
    fn rooms(&self, snapshot: &Snapshot, found: &Found) -> anyhow::Result<Value> {
        let mut rooms = self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
        let setup = explain::last_setup(snapshot);
        let mut known = match rooms.take() {
            Some(known) if known.setup.as_deref() == setup => known,
            _ => Rooms { setup: setup.map(str::to_owned), transform: explain::last_transform(snapshot, &self.dir)? },
        };
        // One that failed is not used again.
        let told = explain::rooms(&mut known.transform, &found.row)?;
        *rooms = Some(known);
        Ok(told)
    }
}

impl Data for Directory {
    fn trail(&self) -> &str {
        &self.trail
    }

    fn folder(&self) -> String {
        self.dir.display().to_string()
    }

    fn engine(&self) -> &dyn Engine {
        &self.stores
    }

    fn columns(&self) -> Value {
        let kind = |kind| match kind {
            Kind::Text => "text",
            Kind::Integer => "integer",
            Kind::Timestamp => "timestamp",
        };
        let all: Vec<Value> =
            COLUMNS.iter().map(|c| json!({"name": c.name, "kind": kind(c.kind), "about": c.about})).collect();
        json!({ "columns": all })
    }

    fn status(&self) -> Result<Value, Problem> {
        let status = Status::of(&self.snapshot()?, clock::now_us()).map_err(failed)?;
        serde_json::to_value(&status).map_err(failed)
    }

    fn seal(&self) -> Result<Value, Problem> {
        let snapshot = self.snapshot()?;
        let (checkpoint, key) = (snapshot.checkpoint(), snapshot.vkey());
        let why = checkpoint.as_ref().err().map(ToString::to_string);
        Ok(json!({"checkpoint": checkpoint.ok(), "key": key.ok(), "why": why}))
    }

    fn find(&self, id: &str) -> Result<Option<Found>, Problem> {
        let found = explain::find(&self.snapshot()?, id).map_err(failed)?;
        Ok(found.map(|(store, row)| Found { store, row }))
    }

    fn explain(&self, found: &Found) -> Result<Value, Problem> {
        let snapshot = self.snapshot_with(found.store, found.row.seq)?;
        let proof = snapshot.inclusion_proof(found.store, found.row.seq);
        // The journal's entries never went through the rooms.
        let rooms = match found.store {
            Store::Journal => Value::Null,
            _ => self.rooms(&snapshot, found).unwrap_or_else(|error| json!({"why": format!("{error:#}")})),
        };
        Ok(json!({
            "rooms": rooms,
            "rules": explain::rules(&self.rules, snapshot.layout(), found.store, &found.row),
            "alerts": explain::fired(&snapshot, found.store, &found.row).unwrap_or_else(|error| json!({"why": error.to_string()})),
            "kept": explain::kept(&snapshot, found.store, &found.row),
            "tree_size": snapshot.end(found.store),
            "proof": proof.as_ref().ok().map(explain::proof_text),
            "proof_hashes": proof.as_ref().ok().map(|proof| proof.hashes.len()),
            "not_proven": proof.err().map(|error| error.to_string()),
        }))
    }

    fn groups(&self) -> Result<Value, Problem> {
        groups::all(&self.dir, &self.snapshot()?).map_err(failed)
    }

    fn rules(&self) -> Value {
        self.rules.firing().map(rule_as_json).collect()
    }

    fn dashboards(&self) -> Vec<Value> {
        // What cannot be read is what `innertrail charts list` names; what is built in is always there.
        let shelf = crate::charts::shelf(&self.dir).unwrap_or_else(|_| Shelf::of(&[], &[]));
        shelf.all().map(Pack::log_service).collect()
    }

    fn verification(&self) -> Value {
        self.verification.told()
    }

    fn verify(&self) -> Result<(), Problem> {
        self.verification.begin(&self.dir).map_err(failed)
    }
}
