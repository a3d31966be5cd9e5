//! What is computed for each call about records: pages, counts, tops, tables, one event.
//! It must never ask the engine for more rows than a page may hold, or answer a search with SQL's result.

use std::sync::Arc;
use std::time::Instant;

use innertrail_api::search::{PageOf, Question, State, TimeRange};
use innertrail_logstore::{Layout, Store, StoredRow};
use serde_json::{Value, json};

use crate::parameters::Parameters;
use crate::{Data, Found, Problem, pieces, record};

/// Rows of a page.
const PAGE: (u64, u64) = (1, 500);
/// How far a page may begin: going through more than that is what an export is for.
const DEEP: u64 = 1_000_000;
/// Bytes of a result of SQL.
const RESULT_BYTES: usize = 8 << 20;
/// Rows of a result of SQL.
pub(crate) const RESULT_ROWS: usize = 10_000;
/// Everything there is.
const EVER: TimeRange = TimeRange { from_us: 0, to_us: 253_402_300_800_000_000 };
/// Columns of a list when none are named.
const COLUMNS: [&str; 6] = ["it_actor", "eventName", "it_resource", "it_outcome", "it_reason", "sourceIpAddress"];
/// Columns of the provider's page.
const PROVIDER: [&str; 14] = [
    "eventTime",
    "it_reason",
    "eventName",
    "it_resource",
    "EventDescription",
    "EmployeeID",
    "EventMethod",
    "EventProduct",
    "EventLevel",
    "it_country",
    "ResourceRegionID",
    "ResourceOwnerID",
    "eventId",
    "it_actor",
];

/// What calls about records are answered from.
pub(crate) struct Rooms {
    pub(crate) data: Arc<dyn Data>,
    pub(crate) clock: fn() -> i64,
}

fn elapsed(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX)
}

fn page_of(p: &Parameters) -> Result<PageOf, Problem> {
    let newest_first = match p.given("order") {
        None | Some("new") => true,
        Some("old") => false,
        Some(_) => return Err(Problem::parameter("order is `new` or `old`")),
    };
    let rows = usize::try_from(p.number("limit", 50, PAGE)?).unwrap_or(50);
    Ok(PageOf { offset: p.number("offset", 0, (0, DEEP))?, rows, newest_first })
}

/// A search that is none but a search: pages and counts of one with SQL would be those of the search alone, and say so nowhere.
fn search<'a>(state: &'a dyn State, text: &str) -> Result<Box<dyn Question + 'a>, Problem> {
    Ok(state.question(text, None)?)
}

impl Rooms {
    fn state(&self, store: Store) -> Result<Box<dyn State>, Problem> {
        Ok(self.data.engine().state(store)?)
    }

    /// `/api/search`
    pub(crate) fn search(&self, p: &Parameters) -> Result<Value, Problem> {
        let begun = Instant::now();
        let state = self.state(p.store()?)?;
        let question = search(&*state, p.query()?)?;
        let wanted: Vec<&str> = p.given("columns").map_or(COLUMNS.to_vec(), |names| names.split(',').collect());
        if let Some(unknown) = wanted.iter().find(|name| state.layout().position(name).is_none()) {
            let unknown: String = unknown.escape_debug().take(60).collect();
            return Err(Problem::parameter(format!("there is no column `{unknown}`; /api/columns names all")));
        }
        let found = question.page(p.range((self.clock)())?, page_of(p)?)?;
        let rows: Vec<Value> = found.rows.iter().map(|row| record::line(row, state.layout(), &wanted)).collect();
        let words: Vec<Value> = question.words().into_iter().map(|(field, word)| json!([field, word])).collect();
        Ok(json!({"rows": rows, "complete": found.complete, "looked_at": found.looked_at, "words": words,
            "sql": question.sql().is_some(), "took_ms": elapsed(begun)}))
    }

    /// `/api/histogram`
    pub(crate) fn histogram(&self, p: &Parameters) -> Result<Value, Problem> {
        let begun = Instant::now();
        let state = self.state(p.store()?)?;
        let question = search(&*state, p.query()?)?;
        let (bounds, seconds) = pieces::bounds(p.range((self.clock)())?, p.number("buckets", 60, (1, 400))?);
        let found = question.counts(&bounds)?;
        let total: u64 = found.counts.iter().sum();
        let mut complete = found.complete;
        let mut failures = Value::Null;
        if p.given("failures") == Some("1") && state.layout().position("it_outcome").is_some() {
            let failed = state.question(&narrowed(question.search(), "it_outcome: failure"), None)?;
            let counts = failed.counts(&bounds)?;
            complete &= counts.complete;
            failures = json!(counts.counts);
        }
        let bounds: Vec<f64> = bounds.iter().map(|us| *us as f64 / 1e6).collect();
        Ok(json!({"bounds": bounds, "interval": seconds, "counts": found.counts, "failures": failures, "total": total,
            "complete": complete, "took_ms": elapsed(begun)}))
    }

    /// `/api/span`
    pub(crate) fn span(&self, p: &Parameters) -> Result<Value, Problem> {
        let state = self.state(p.store()?)?;
        let question = search(&*state, p.query()?)?;
        let end = |newest_first| -> Result<Option<i64>, Problem> {
            let found = question.page(EVER, PageOf { offset: 0, rows: 1, newest_first })?;
            Ok(found.rows.first().map(|row| record::time_us(row, state.layout())))
        };
        Ok(json!({"first_us": end(false)?, "last_us": end(true)?}))
    }

    /// `/api/fields`
    pub(crate) fn fields(&self, p: &Parameters) -> Result<Value, Problem> {
        let begun = Instant::now();
        let state = self.state(p.store()?)?;
        let field = p.given("field").ok_or_else(|| Problem::parameter("field names a column"))?;
        if state.layout().position(field).is_none() {
            let field: String = field.escape_debug().take(60).collect();
            return Err(Problem::parameter(format!("there is no column `{field}`; /api/columns names all")));
        }
        let limit = p.number("limit", 8, (1, 100))?;
        let written = search(&*state, p.query()?)?.search().to_owned();
        let name = format!("\"{}\"", field.replace('"', "\"\""));
        let sql =
            format!("select cast({name} as varchar) as v, count(1) as n group by v order by n desc, v limit {limit}");
        let table = state
            .question(&format!("{} | {sql}", or_all(&written)), None)?
            .table(p.range((self.clock)())?, RESULT_BYTES)?;
        let values: Vec<Value> = table
            .rows
            .iter()
            .map(|row| {
                let count = row.get(1).and_then(|n| n.as_ref()?.parse::<u64>().ok()).unwrap_or(0);
                json!({"value": row.first(), "count": count})
            })
            .collect();
        Ok(json!({"field": field, "values": values, "took_ms": elapsed(begun)}))
    }

    /// `/api/table`
    pub(crate) fn table(&self, p: &Parameters) -> Result<Value, Problem> {
        let begun = Instant::now();
        let state = self.state(p.store()?)?;
        let question = state.question(p.query()?, None)?;
        if question.sql().is_none() {
            return Err(Problem::parameter("q has no SQL: write `search | select …`, or ask /api/search"));
        }
        let table = question.table(p.range((self.clock)())?, RESULT_BYTES)?;
        let columns: Vec<Value> =
            table.columns.iter().map(|(name, kind)| json!({"name": name, "type": kind})).collect();
        Ok(json!({"columns": columns, "rows": table.rows, "limit": table.limit, "looked_at": table.looked_at,
            "cut": table.rows.len() >= RESULT_ROWS, "took_ms": elapsed(begun)}))
    }

    /// `/api/event`
    pub(crate) fn event(&self, p: &Parameters) -> Result<Value, Problem> {
        let found = self.found(p)?;
        let state = self.state(found.store)?;
        let mut told = record::head(found.store, &found.row, state.layout());
        let explained = self.data.explain(&found)?;
        if let (Some(told), Value::Object(explained)) = (told.as_object_mut(), explained) {
            told.extend(explained);
        }
        Ok(told)
    }

    fn found(&self, p: &Parameters) -> Result<Found, Problem> {
        if let Some(id) = p.given("id") {
            return self.data.find(id)?.ok_or_else(|| Problem::missing("there is no event with this id"));
        }
        let none = || Problem::parameter("name an event: `seq` with its `store`, or `id`");
        let seq: u64 = p.given("seq").and_then(|seq| seq.parse().ok()).ok_or_else(none)?;
        let store = p.store()?;
        let row: Option<StoredRow> = self.state(store)?.around(seq, 0, 0)?.into_iter().next();
        let gone = || Problem::missing(format!("there is no record {seq} in {store}: it was dropped, or never was"));
        Ok(Found { store, row: row.ok_or_else(gone)? })
    }

    /// `/api/provider`
    pub(crate) fn provider(&self, p: &Parameters) -> Result<Value, Problem> {
        let begun = Instant::now();
        let state = self.state(Store::Log)?;
        let own = search(&*state, p.query()?)?.search().to_owned();
        let question = state.question(&narrowed(&own, "it_family: platform"), None)?;
        let range = p.range((self.clock)())?;
        let found = question.page(range, page_of(p)?)?;
        let total: u64 = question.counts(&[range.from_us, range.to_us])?.counts.iter().sum();
        let layout: &Layout = state.layout();
        let rows: Vec<Value> = found
            .rows
            .iter()
            .map(|row| {
                let mut line = record::line(row, layout, &PROVIDER);
                let text = |name: &str| line["columns"][name].as_str().unwrap_or_default();
                // The plugin says who acted; the oldest events do not tell. The vendor tells the customer of warnings.
                let by = match text("it_actor") {
                    actor if actor.starts_with("provider-person") => "person",
                    actor if actor.starts_with("provider-system") => "system",
                    _ => "unknown",
                };
                let told = match text("EventLevel") {
                    "WARNING" => Some(true),
                    "NOTICE" => Some(false),
                    _ => None,
                };
                line["by"] = by.into();
                line["notified"] = json!(told);
                line
            })
            .collect();
        Ok(json!({"rows": rows, "total": total, "complete": found.complete, "took_ms": elapsed(begun)}))
    }

    /// Entries of the journal that a search finds, the newest first; and how many there are.
    pub(crate) fn journal(&self, search: &str, range: TimeRange, page: PageOf) -> Result<(Vec<Value>, u64), Problem> {
        let state = self.state(Store::Journal)?;
        let question = state.question(search, None)?;
        let found = question.page(range, page)?;
        let total = question.counts(&[range.from_us, range.to_us])?.counts.iter().sum();
        Ok((found.rows.iter().map(record::entry).collect(), total))
    }

    /// Gaps: the newest ones, and how many there are.
    pub(crate) fn gaps(&self, rows: usize) -> Result<(Vec<Value>, u64), Problem> {
        self.journal("eventName: gap", EVER, PageOf { offset: 0, rows, newest_first: true })
    }

    /// The newest entries of the journal.
    pub(crate) fn latest(&self, rows: usize) -> Result<(Vec<Value>, u64), Problem> {
        self.journal("*", EVER, PageOf { offset: 0, rows, newest_first: true })
    }

    /// Alerts of a range.
    pub(crate) fn alerts(&self, p: &Parameters) -> Result<(Vec<Value>, u64), Problem> {
        self.journal("eventName: alert_fired or eventName: alert_resolved", p.range((self.clock)())?, page_of(p)?)
    }
}

/// Both: a search and a condition.
fn narrowed(search: &str, condition: &str) -> String {
    match or_all(search) {
        "*" => condition.to_owned(),
        search => format!("({search}) and {condition}"),
    }
}

fn or_all(search: &str) -> &str {
    if search.trim().is_empty() { "*" } else { search.trim() }
}
