//! `innertrail alerts explain`: one event, out of a file or out of the Logstore, against every rule.

use std::fs;
use std::io::Read;
use std::path::Path;

use anyhow::anyhow;
use innertrail_alerts::fixture::store_of;
use innertrail_alerts::{ItemTrace, Record, RuleSet, Sampler, SelectionTrace, Store as RuleStore, Verdict, explain};
use innertrail_logstore::{Snapshot, Store};
use innertrail_plugin::event::columns::Column;
use innertrail_query::terminal_safe;
use serde_json::json;

use super::super::args::{AlertsExplainArgs, Format};
use super::super::{Failure, Outcome, json_safe, print};
use super::load;
use crate::alerting::stored::{Places, Row};

/// Longest file that is read as an event, bytes.
const LONGEST: u64 = 16 << 20;

pub(super) fn run(args: &AlertsExplainArgs) -> Outcome {
    let loaded = load::load(&args.rules)?;
    let told = |record: &Record<'_>| told(&loaded.set, record, args.format);
    let path = Path::new(&args.event);
    let text = if path.is_file() { of_file(path, &told)? } else { of_logstore(args, &told)? };
    print(&text)?;
    Ok(super::broken(&loaded.faults))
}

fn of_file(path: &Path, told: &dyn Fn(&Record<'_>) -> String) -> Result<String, Failure> {
    let failed = |error: &dyn std::fmt::Display| {
        Failure::Usage(anyhow!("{}: {}", path.display(), terminal_safe(&error.to_string())))
    };
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(|e| failed(&e))?;
    file.take(LONGEST).read_to_end(&mut bytes).map_err(|e| failed(&e))?;
    let value: serde_json::Value = serde_json::from_slice(&bytes).map_err(|e| failed(&e))?;
    let sampler = Sampler::new();
    let sample = match store_of(&value) {
        RuleStore::Journal => sampler.journal(&bytes),
        RuleStore::Log => sampler.log(&bytes),
    };
    let sample = sample.map_err(|e| failed(&e))?;
    Ok(told(&sample.record()))
}

fn of_logstore(args: &AlertsExplainArgs, told: &dyn Fn(&Record<'_>) -> String) -> Result<String, Failure> {
    let dir = &args.data.data_dir;
    let snapshot = Snapshot::open(dir).map_err(|error| {
        let event = terminal_safe(&args.event);
        Failure::Usage(anyhow!("there is no file {event}, and no event of that id can be looked for: {error}"))
    })?;
    let row = snapshot.find_by_key(Store::Log, &args.event).map_err(|e| Failure::Runtime(e.into()))?;
    let Some(row) = row else {
        let event = terminal_safe(&args.event);
        return Err(Failure::Runtime(anyhow!("no file and no event {event} in the Logstore of {}", dir.display())));
    };
    let places = Places::new(snapshot.layout());
    Ok(told(&Row { places: &places, row: &row }.record(RuleStore::Log)))
}

fn told(set: &RuleSet, record: &Record<'_>, format: Format) -> String {
    let verdicts = explain(set, record);
    match format {
        Format::Json => {
            let text = |column| record.text(column);
            let event = json!({
                "id": text(Column::EventId),
                "time": text(Column::EventTime),
                "name": text(Column::EventName),
                "actor": text(Column::Actor),
                "resource": text(Column::Resource),
                "outcome": text(Column::Outcome),
            });
            json_safe(&format!("{:#}", json!({ "event": event, "rules": verdicts })))
        }
        Format::Text => lines(record, &verdicts),
    }
}

fn lines(record: &Record<'_>, verdicts: &[Verdict]) -> String {
    let columns = [Column::EventTime, Column::Actor, Column::EventName, Column::Resource, Column::Outcome];
    let head: Vec<&str> = columns.iter().filter_map(|c| record.text(*c)).filter(|text| !text.is_empty()).collect();
    let mut out = format!("{}\n", terminal_safe(&head.join("  ")));
    for verdict in verdicts {
        let what = match (verdict.matched, verdict.fires) {
            (true, true) => "fires",
            (true, false) => "counted",
            (false, _) => "nearly",
        };
        let title = terminal_safe(&verdict.title);
        out += &format!("\n{what:<8} {:<13} {}: {title}\n", verdict.level.name(), terminal_safe(&verdict.rule));
        if verdict.matched {
            let by = verdict.counted_by.join(", ");
            let rest = [("counted by", &by), ("remedy", &verdict.remedy)];
            for (name, text) in rest.iter().filter(|(_, text)| !text.is_empty()) {
                out += &format!("         {name}: {}\n", terminal_safe(text));
            }
        } else {
            verdict.selections.iter().filter(|s| s.matched == s.negated).for_each(|s| out += &in_the_way(s));
        }
    }
    let fires = verdicts.iter().filter(|v| v.matched && v.fires).count();
    out + &format!("\n{fires} rules fire\n")
}

/// What of a selection is in the way.
fn in_the_way(selection: &SelectionTrace) -> String {
    let name = terminal_safe(&selection.name);
    if selection.negated {
        return format!("         `{name}` matches, and the condition negates it\n");
    }
    let mut out = String::new();
    for item in selection.items.iter().filter(|item| !item.matched) {
        out += &format!("         `{name}`: {}\n", terminal_safe(&of_item(item)));
    }
    if out.is_empty() { format!("         `{name}` does not match\n") } else { out }
}

fn of_item(item: &ItemTrace) -> String {
    let found = if item.found.is_empty() { "absent".to_owned() } else { format!("`{}`", item.found.join("`, `")) };
    format!("{} is {found}, wanted `{}`", item.field, item.wanted.join("` or `"))
}
