//! `innertrail alerts backtest`: the rules over what the dedicated Logstore and the journal hold.
//!
//! It must never write: it reads as any consumer does, beside a run or without one, and keeps nothing.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::anyhow;
use indicatif::{ProgressBar, ProgressStyle};
use innertrail_alerts::{Bounds, Engine, Fault, Firing, RuleSet, RuleState, Store as RuleStore};
use innertrail_logstore::Store;
use innertrail_logstore::consumer::{Reader, ReaderOptions};
use innertrail_query::terminal_safe;
use serde_json::{Value, json};

use super::super::args::{AlertsBacktestArgs, Format};
use super::super::{Failure, Log, Outcome, draws_progress, json_safe, print, run, tail};
use super::load;
use crate::alerting::stored::{Places, Row};
use crate::lifecycle::day::rfc3339;

/// Records and bytes read at a time.
const PAGE: (usize, usize) = (1000, 8 << 20);

/// What is remembered here may be more than in a run: nothing else needs the memory, and shards that were read one after
/// the other may be days apart.
const BOUNDS: Bounds = Bounds { lateness: 7 * 86_400, ahead: 900, keys: 100_000, entries: 200_000 };

/// What a rule would have told.
#[derive(Default)]
struct Hits {
    count: u64,
    first: Vec<Firing>,
}

/// What was found.
struct Found {
    records: u64,
    entries: u64,
    hits: BTreeMap<String, Hits>,
}

pub(super) fn run(args: &AlertsBacktestArgs, log: &Log) -> Outcome {
    let span = (args.from.map_or(i64::MIN, |m| m.begin_us()), args.to.map_or(i64::MAX, |m| m.end_us()));
    if span.0 >= span.1 {
        return Err(Failure::Usage(anyhow!("--from is not before --to; swap the two")));
    }
    let loaded = load::load(&args.rules)?;
    // What a run would have counted too late, it has to count too late here.
    let bounds = load::options(&args.rules)?.map_or(BOUNDS, |o| Bounds { lateness: o.lateness_secs, ..BOUNDS });
    let mut engine = Engine::new(Arc::clone(&loaded.set), bounds);
    let mut found = Found { records: 0, entries: 0, hits: BTreeMap::new() };
    let stop = run::stop_flag()?;
    for store in [Store::Log, Store::Journal] {
        read(&args.data.data_dir, store, span, args.first, (&mut engine, &mut found), (log, &stop))?;
    }
    let ended = !stop.load(Ordering::Relaxed);
    print(&match args.format {
        Format::Json => {
            json_safe(&format!("{:#}", document(&loaded.set, &engine, &found, &loaded.faults, span, ended)))
        }
        Format::Text => text(&loaded.set, &engine, &found, ended),
    })?;
    Ok(super::broken(&loaded.faults))
}

fn read(
    dir: &Path,
    store: Store,
    (from, to): (i64, i64),
    first: u32,
    (engine, found): (&mut Engine, &mut Found),
    (log, stop): (&Log, &AtomicBool),
) -> Result<(), Failure> {
    let mut reader = Reader::open(dir, ReaderOptions::default()).map_err(|e| Failure::Usage(e.into()))?;
    let mut next = reader.begin(store);
    let bar = draws_progress(log).then(|| progress(reader.end(store).seq().saturating_sub(next.seq())));
    let rules = if store == Store::Journal { RuleStore::Journal } else { RuleStore::Log };
    loop {
        let page = tail::pull(&mut reader, &mut next, PAGE)?;
        let places = Places::new(reader.snapshot().layout());
        for row in &page.rows {
            let stored = Row { places: &places, row };
            let record = stored.record(rules);
            let within = record.time_us().is_some_and(|time| (from..to).contains(&time));
            if !within {
                continue;
            }
            *(if rules == RuleStore::Log { &mut found.records } else { &mut found.entries }) += 1;
            for firing in engine.take(row.seq, row.received_us, &record) {
                found.hits.entry(firing.rule.clone()).or_default().add(firing, first);
            }
        }
        if let Some(bar) = &bar {
            bar.inc(page.rows.len() as u64);
        }
        next = page.next;
        if page.at_end || page.rows.is_empty() || stop.load(Ordering::Relaxed) {
            break;
        }
    }
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    Ok(())
}

fn progress(total: u64) -> ProgressBar {
    let bar = ProgressBar::new(total);
    if let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos}/{len} records ({per_sec})") {
        bar.set_style(style);
    }
    bar
}

impl Hits {
    fn add(&mut self, firing: Firing, first: u32) {
        self.count += 1;
        if self.first.len() < usize::try_from(first).unwrap_or(usize::MAX) {
            self.first.push(firing);
        }
    }
}

/// Rules with hits, the gravest first.
fn ordered<'a>(set: &'a RuleSet, found: &'a Found) -> Vec<(&'a innertrail_alerts::Rule, &'a Hits)> {
    let mut rules: Vec<_> =
        found.hits.iter().filter_map(|(name, hits)| set.find(name).map(|rule| (rule, hits))).collect();
    rules.sort_by_key(|(rule, _)| (std::cmp::Reverse(rule.level), rule.name.clone()));
    rules
}

/// Rules that could fire and did not.
fn silent(set: &RuleSet, fired: usize) -> usize {
    set.firing().filter(|rule| !rule.is_disabled).count().saturating_sub(fired)
}

/// Correlations that could not count everything.
fn unsure(engine: &Engine) -> impl Iterator<Item = (&String, &RuleState)> {
    engine.state().rules.iter().filter(|(_, s)| s.late + s.forgotten + s.shortened > 0)
}

fn document(
    set: &RuleSet,
    engine: &Engine,
    found: &Found,
    faults: &[Fault],
    (from, to): (i64, i64),
    ended: bool,
) -> Value {
    let rules: Vec<Value> = ordered(set, found)
        .into_iter()
        .map(|(rule, hits)| {
            json!({
                "rule": rule.name, "version": rule.version, "level": rule.level, "severity": rule.level.severity(),
                "count": hits.count, "first": hits.first.iter().map(told).collect::<Vec<_>>(),
            })
        })
        .collect();
    let limits: Vec<Value> = unsure(engine)
        .map(|(rule, s)| json!({ "rule": rule, "late": s.late, "keys": s.forgotten, "entries": s.shortened }))
        .collect();
    let bound = |us: i64| (us != i64::MIN && us != i64::MAX).then(|| rfc3339(us));
    json!({
        "from": bound(from), "to": bound(to), "records": found.records, "journal": found.entries, "complete": ended,
        "rules": rules, "silent": silent(set, rules.len()), "not_counted": limits, "broken": faults,
    })
}

/// A firing with the id that its alert would have.
fn told(firing: &Firing) -> Value {
    let mut told = serde_json::to_value(firing).unwrap_or_default();
    if let Some(members) = told.as_object_mut() {
        members.insert("alert".to_owned(), firing.id().into());
    }
    told
}

fn text(set: &RuleSet, engine: &Engine, found: &Found, ended: bool) -> String {
    let mut out = String::new();
    let rules = ordered(set, found);
    for (rule, hits) in &rules {
        out += &format!("{:>9}  {:<13}  {}\n", hits.count, rule.level.name(), terminal_safe(&rule.name));
        for firing in &hits.first {
            out += &format!("           {}\n", terminal_safe(&line(firing)));
        }
    }
    for (rule, state) in unsure(engine) {
        out += &format!(
            "note: {}: {} records came too late, {} keys and {} entries were too many and were not counted\n",
            terminal_safe(rule),
            state.late,
            state.forgotten,
            state.shortened
        );
    }
    let silent = silent(set, rules.len());
    let stopped = if ended { "" } else { " until it was stopped" };
    out + &format!(
        "{} records and {} entries of the journal read{stopped}; {} rules fired, {silent} stayed silent\n",
        found.records,
        found.entries,
        rules.len()
    )
}

/// A firing in a line.
fn line(firing: &Firing) -> String {
    let mut told = vec![firing.time.clone(), firing.actor.clone(), firing.event_name.clone(), firing.resource.clone()];
    if let Some(counted) = &firing.correlation {
        let key: Vec<String> = counted.key.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let (from, to) = counted.window;
        let window =
            format!("[{} … {}]", rfc3339(from.saturating_mul(1_000_000)), rfc3339(to.saturating_mul(1_000_000)));
        told = vec![key.join(" "), window];
    }
    told.push(firing.event_id.clone());
    told.retain(|text| !text.is_empty());
    told.join("  ")
}
