//! Is a span of days complete? What object names promised, what was read, what is kept, and what the journal says is
//! missing, by source and UTC day.
//!
//! It must never call a day complete on the strength of silence: where nobody promised anything it says so.

pub mod provider;

use std::collections::BTreeMap;

use chrono::NaiveDate;
use innertrail_logstore::{Snapshot, Store};
use innertrail_query::{Cell, Limits, Query};
use serde::{Serialize, Serializer};

use crate::ledger::{self, Promised};
use crate::lifecycle::day::{DAY_US, rfc3339};
use provider::{Delivered, Told};

/// What there is to say about one source and day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Day {
    /// The source.
    pub source: String,
    /// The day, UTC.
    #[serde(serialize_with = "as_text")]
    pub day: NaiveDate,
    /// What the names of the objects in the day's folders promised. None: nobody promised anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub promised: Option<Promised>,
    /// Events of that day in the dedicated Logstore, by event time. Events around midnight may lie in the folder of the
    /// neighbouring day, and an event that two objects hold is kept once: the two numbers need not be the same.
    pub kept: u64,
}

/// Something missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// The source.
    pub source: String,
    /// From when on, if known: RFC 3339, or a day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Until when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// What, and why. Holds text of sources: hostile.
    pub what: String,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reconciliation {
    /// First day.
    #[serde(serialize_with = "as_text")]
    pub from: NaiveDate,
    /// Last day.
    #[serde(serialize_with = "as_text")]
    pub to: NaiveDate,
    /// Source by source, day by day.
    pub days: Vec<Day>,
    /// What ActionTrail says that it delivered to Log Service. None: it was not asked, or did not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivered_to_sls: Option<Delivered>,
    /// The same of OSS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivered_to_oss: Option<Delivered>,
    /// What is missing; empty: the span is complete.
    pub missing: Vec<Missing>,
    /// What was not looked at.
    pub unknown: Vec<String>,
}

fn as_text<S: Serializer>(day: &NaiveDate, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(day)
}

impl Reconciliation {
    /// Whether nothing is known to be missing.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty()
    }
}

/// Holds promises, records, journal and what ActionTrail told against each other. `open` opens the data directory anew: a
/// query takes a snapshot.
///
/// # Errors
/// The Logstore's, or a query that could not be run.
pub fn reconcile(
    open: &dyn Fn() -> Result<Snapshot, innertrail_logstore::Error>,
    from: NaiveDate,
    to: NaiveDate,
    told: Option<&Told>,
) -> anyhow::Result<Reconciliation> {
    let snapshot = open()?;
    let ledger = ledger::read(snapshot.state());
    let within = |day: NaiveDate| (from..=to).contains(&day);
    let mut days: BTreeMap<(String, NaiveDate), Day> = BTreeMap::new();
    for ((source, day), promised) in ledger.into_iter().filter(|((_, day), _)| within(*day)) {
        let entry = Day { source: source.clone(), day, promised: Some(promised), kept: 0 };
        days.insert((source, day), entry);
    }
    for (source, day, kept) in records(open()?, Store::Log, from, to)? {
        let known = days.entry((source.clone(), day)).or_insert(Day { source, day, promised: None, kept: 0 });
        known.kept += kept;
    }
    let mut missing: Vec<Missing> = days.values().filter_map(broken).collect();
    missing.extend(gaps(&snapshot, from, to)?);
    let mut unknown = Vec::new();
    if days.values().any(|day| day.promised.is_none()) {
        unknown.push(
            "nobody promised a number for some of these days: of a Logstore only the gaps are known that its cursors showed"
                .to_owned(),
        );
    }
    match told {
        Some(told) => {
            missing.extend(provider::missing(told, arrived(open, from, to)?, from, to));
            unknown.extend(told.unanswered.iter().map(|why| format!("ActionTrail could not be asked: {why}")));
        }
        None => {
            unknown.push("ActionTrail itself was not asked: `actiontrail:` in the configuration says how".to_owned());
        }
    }
    let (delivered_to_sls, delivered_to_oss) = told.map_or((None, None), |told| (told.sls, told.oss));
    let days = days.into_values().collect();
    Ok(Reconciliation { from, to, days, delivered_to_sls, delivered_to_oss, missing, unknown })
}

/// All records of the days, in whichever store they are.
fn arrived(
    open: &dyn Fn() -> Result<Snapshot, innertrail_logstore::Error>,
    from: NaiveDate,
    to: NaiveDate,
) -> anyhow::Result<u64> {
    let mut sum = 0;
    for store in [Store::Log, Store::Quarantine, Store::Passthrough] {
        sum += records(open()?, store, from, to)?.iter().map(|(_, _, count)| count).sum::<u64>();
    }
    Ok(sum)
}

fn broken(day: &Day) -> Option<Missing> {
    let promised = day.promised.filter(|p| p.missing > 0 || p.broken > 0)?;
    let what = format!(
        "{} of {} objects do not keep their promise: {} events were promised, {} found, {} are missing",
        promised.broken, promised.objects, promised.promised, promised.found, promised.missing
    );
    let at = Some(day.day.to_string());
    Some(Missing { source: day.source.clone(), from: at.clone(), to: at, what })
}

/// Records of a store by source and day of the event.
fn records(
    snapshot: Snapshot,
    store: Store,
    from: NaiveDate,
    to: NaiveDate,
) -> anyhow::Result<Vec<(String, NaiveDate, u64)>> {
    let end = to.succ_opt().unwrap_or(to);
    let sql = format!(
        "SELECT split_part(it_origin, ':', 1) AS source, CAST(it_time AS DATE) AS day, count(*) AS n FROM log \
         WHERE it_time >= TIMESTAMP '{from} 00:00:00' AND it_time < TIMESTAMP '{end} 00:00:00' GROUP BY 1, 2 LIMIT 1000000"
    );
    let limits = Limits { max_rows: 1_000_000, ..Limits::default() };
    let mut result = Query::open(snapshot, store, limits)?.run(&sql)?;
    let mut rows = Vec::new();
    result.for_each_row(|row: &[Cell<'_>]| -> anyhow::Result<()> {
        if let [Cell::Text(source), Cell::Text(day), count] = row
            && let (Ok(day), Some(count)) = (day.parse(), number(count))
        {
            rows.push((source.clone().into_owned(), day, count));
        }
        Ok(())
    })?;
    Ok(rows)
}

fn number(cell: &Cell<'_>) -> Option<u64> {
    match cell {
        Cell::Int(number) => u64::try_from(*number).ok(),
        Cell::UInt(number) => Some(*number),
        _ => None,
    }
}

/// The gaps that sources reported and that touch the span.
fn gaps(snapshot: &Snapshot, from: NaiveDate, to: NaiveDate) -> anyhow::Result<Vec<Missing>> {
    const PAGE: usize = 1000;
    let us = |day: NaiveDate| day.and_hms_opt(0, 0, 0).map_or(0, |time| time.and_utc().timestamp_micros());
    let (first, last) = (rfc3339(us(from)), rfc3339(us(to).saturating_add(DAY_US)));
    let (mut seq, end, mut missing) = (snapshot.first_kept(Store::Journal), snapshot.end(Store::Journal), Vec::new());
    while seq < end {
        let rows = snapshot.scan_rows(Store::Journal, seq, PAGE)?;
        if rows.is_empty() {
            break;
        }
        seq += rows.len() as u64;
        for row in rows {
            let Ok(entry) = serde_json::from_slice::<serde_json::Value>(row.payload()) else { continue };
            let field = |name: &str| entry.get(name).and_then(serde_json::Value::as_str).map(str::to_owned);
            if field("kind").as_deref() != Some("gap") {
                continue;
            }
            let (since, until) = (field("from"), field("to"));
            // RFC 3339 in UTC sorts as text, down to where one has fewer digits. An end that is not known is open.
            let before = until.as_deref().is_some_and(|until| until < first.as_str());
            let after = since.as_deref().is_some_and(|since| since >= last.as_str());
            if !before && !after {
                let what = format!("{}: {}", field("what").unwrap_or_default(), field("why").unwrap_or_default());
                missing.push(Missing { source: field("source").unwrap_or_default(), from: since, to: until, what });
            }
        }
    }
    Ok(missing)
}
