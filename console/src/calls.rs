//! The table of calls: path, parameters, what answers it. The pages' own table is `assets/js/api.js`.
//! It must never hold a call that changes the Logstore.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::parameters::Parameters;
use crate::rooms::Rooms;
use crate::{Data, Problem};

/// What a call costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weight {
    /// Milliseconds, whatever is asked.
    Light,
    /// Pages and counts, which the engine finds quickly in most cases.
    Search,
    /// It may read the whole store on all cores.
    Sql,
}

/// One call.
pub(crate) struct Call {
    /// Its path.
    pub(crate) path: &'static str,
    /// Parameters that it knows.
    pub(crate) parameters: &'static [&'static str],
    pub(crate) weight: Weight,
    /// It is sent with `POST`.
    pub(crate) post: bool,
    answer: fn(&Rooms, &Parameters) -> Result<Value, Problem>,
}

const RANGE_AND_QUERY: [&str; 4] = ["q", "from", "to", "store"];

/// Those that need the token. `about`, `login` and `logout` are the session's.
pub(crate) const CALLS: &[Call] = &[
    get("/api/trust", &[], Weight::Light, trust),
    get("/api/columns", &[], Weight::Light, |rooms, _| Ok(rooms.data.columns())),
    get("/api/span", &["q", "store"], Weight::Search, Rooms::span),
    get(
        "/api/search",
        &["q", "from", "to", "store", "offset", "limit", "order", "columns"],
        Weight::Search,
        Rooms::search,
    ),
    get("/api/histogram", &["q", "from", "to", "store", "buckets", "failures"], Weight::Search, Rooms::histogram),
    get("/api/fields", &["q", "from", "to", "store", "field", "limit"], Weight::Sql, Rooms::fields),
    get("/api/table", &RANGE_AND_QUERY, Weight::Sql, Rooms::table),
    get("/api/charts", &[], Weight::Light, charts),
    get("/api/event", &["store", "seq", "id"], Weight::Search, Rooms::event),
    get("/api/provider", &["q", "from", "to", "offset", "limit", "order"], Weight::Search, Rooms::provider),
    get("/api/integrity", &[], Weight::Light, integrity),
    get("/api/alerts", &["from", "to", "offset", "limit", "order"], Weight::Light, alerts),
    get("/api/consumers", &[], Weight::Light, consumers),
    Call { path: "/api/verify", parameters: &[], weight: Weight::Light, post: true, answer: verify },
];

const fn get(
    path: &'static str,
    parameters: &'static [&'static str],
    weight: Weight,
    answer: fn(&Rooms, &Parameters) -> Result<Value, Problem>,
) -> Call {
    Call { path, parameters, weight, post: false, answer }
}

impl Call {
    /// Answers it.
    pub(crate) fn answer(&self, rooms: &Rooms, query: &str) -> Result<Value, Problem> {
        (self.answer)(rooms, &Parameters::read(query, self.parameters)?)
    }
}

/// The rooms over what the host brings.
pub(crate) fn rooms(data: Arc<dyn Data>, clock: fn() -> i64) -> Rooms {
    Rooms { data, clock }
}

/// Asks what a first page asks. What fails is told to who asks it.
pub(crate) fn warm(rooms: &Rooms) {
    for (path, query) in [("/api/trust", ""), ("/api/span", ""), ("/api/histogram", "from=-7d&to=now")] {
        if let Some(call) = CALLS.iter().find(|call| call.path == path) {
            let _told_later = call.answer(rooms, query);
        }
    }
}

fn charts(rooms: &Rooms, _: &Parameters) -> Result<Value, Problem> {
    let stores = |word: &str| match word {
        "$journal" => "journal",
        "$quarantine" => "quarantine",
        "$passthrough" => "passthrough",
        _ => "log",
    };
    let mut dashboards = rooms.data.dashboards();
    for chart in dashboards.iter_mut().filter_map(|d| d["charts"].as_array_mut()).flatten() {
        let store = stores(chart["search"]["logstore"].as_str().unwrap_or_default());
        chart["search"]["store"] = store.into();
    }
    Ok(json!({ "dashboards": dashboards }))
}

fn trust(rooms: &Rooms, _: &Parameters) -> Result<Value, Problem> {
    let status = rooms.data.status()?;
    let sources = status["sources"].as_object();
    let lag = sources.and_then(|all| all.values().filter_map(|s| s["lag_seconds"].as_i64()).max());
    let (_, gaps) = rooms.gaps(1)?;
    let paused = status["lifecycle"]["paused"].as_object().map_or(0, serde_json::Map::len);
    Ok(json!({"seal": status["seal"], "records": status["records"], "state": status["lifecycle"]["state"],
        "conserved": status["conserved"], "quarantine": total(&status["quarantine"]), "lag_seconds": lag, "gaps": gaps,
        "paused": paused, "sources": sources.map_or(0, serde_json::Map::len), "verification": rooms.data.verification()}))
}

fn total(counts: &Value) -> u64 {
    counts.as_object().map_or(0, |all| all.values().filter_map(Value::as_u64).sum())
}

fn integrity(rooms: &Rooms, _: &Parameters) -> Result<Value, Problem> {
    let (gaps, gaps_total) = rooms.gaps(100)?;
    let (journal, journal_total) = rooms.latest(50)?;
    Ok(json!({"status": rooms.data.status()?, "seal": rooms.data.seal()?, "verification": rooms.data.verification(),
        "gaps": gaps, "gaps_total": gaps_total, "journal": journal, "journal_total": journal_total}))
}

fn verify(rooms: &Rooms, _: &Parameters) -> Result<Value, Problem> {
    rooms.data.verify()?;
    Ok(rooms.data.verification())
}

fn alerts(rooms: &Rooms, p: &Parameters) -> Result<Value, Problem> {
    let (entries, total) = rooms.alerts(p)?;
    Ok(json!({"entries": entries, "total": total, "rules": rooms.data.rules()}))
}

fn consumers(rooms: &Rooms, _: &Parameters) -> Result<Value, Problem> {
    let status = rooms.data.status()?;
    Ok(
        json!({"sinks": status["sinks"], "mirror": status["mirror"], "gates": status["gates"], "records": status["records"],
        "groups": rooms.data.groups()?}),
    )
}
